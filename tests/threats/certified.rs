//! Statements that a client signs with its own certificate (`x5c`), and clients that show none.

use bytes::Bytes;
use dcrgate::audit::view;
use dcrgate::sandbox::statement::{Draft, KeyUse, Signature, SigningKey};
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::sandbox::{Authority, Identity, KeyKind, ThirdParty, Validity, World};
use dcrgate::store::{Filter, Reader};
use http::Response;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyUsagePurpose};
use serde_json::{Map, Value, json};

use crate::gate::{self, Gate};
use crate::target::{refused, rule};

/// What a trust community of the health sector asks: the certificate in the statement is the client.
const COMMUNITY: &str = r#"
id      = "community"
version = "1"
title   = "A trust community"
spec    = "UDAP DCR 1"

[checks.certificate.trusted]
required = false

[checks.statement.signature]
algorithms = ["RS256", "ES256"]
signer     = "certificate"

[checks.statement.certificate]
clause = "UDAP DCR 4"

[checks.statement.single-use]
require_jti = true

[[rule]]
id      = "community.issuer"
clause  = "UDAP DCR 3.1"
error   = "invalid_software_statement"
require = "ssa.iss in signer.san_uri"
message = "iss is not an address of the certificate"

[forward.from_statement]
client_name  = "client_name"
redirect_uris = "redirect_uris"
"#;

/// Anybody may register, as often as they like.
const OPEN: &str = r#"
id      = "open"
version = "1"
title   = "Open registration"
spec    = "RFC 7591"

[checks.certificate.trusted]
required = false
"#;

const APPLICATION: &str = "https://app.example/fhir";

/// A proxy under such a policy, and a client without a certificate.
struct Site {
    gate: Gate,
    client: ThirdParty,
}

/// The sandbox's configuration under another policy.
pub(crate) fn under(policy: &str, text: &str) -> String {
    let (head, rest) = text.split_once("[policies.open-finance-brasil]\n").expect("a policy");
    let (_, tail) = rest.split_once("[[routes]]").expect("routes");
    let policies = format!("[policies.{policy}]\nfile = \"policies/{policy}.toml\"\nauthorities = [\"sandbox\"]\n\n");
    format!("{head}{policies}[[routes]]{tail}").replace("\"open-finance-brasil\"", &format!("\"{policy}\""))
}

/// A world whose proxy judges by this policy.
pub(crate) async fn world(
    name: &str,
    policy: &str,
    change: impl FnOnce(String) -> String,
) -> (tempfile::TempDir, World) {
    let (home, world) = gate::world(|text| change(under(name, &text))).await;
    std::fs::write(world.path(&format!("policies/{name}.toml")), policy).expect("a policy");
    (home, world)
}

impl Site {
    async fn new(name: &str, policy: &str) -> Self {
        Self::with(name, policy, |text| text, |_| {}).await
    }

    async fn with(
        name: &str,
        policy: &str,
        change: impl FnOnce(String) -> String,
        prepare: impl FnOnce(&World),
    ) -> Self {
        let (home, world) = world(name, policy, change).await;
        prepare(&world);
        let gate = Gate::over(home, world).await;
        let client = gate.world.third_party(None).expect("a client");
        Self { gate, client }
    }

    fn reached(&self) -> usize {
        self.gate.world.identity_server.requests().len()
    }

    async fn post(&self, body: impl Into<Bytes>) -> Response<Bytes> {
        self.client.send(self.gate.address, Protocol::Http1, registration(body)).await.expect("an answer")
    }

    async fn submit(&self, statement: &str) -> Response<Bytes> {
        self.post(json!({ "software_statement": statement, "udap": "1" }).to_string()).await
    }

    /// Who owns a client: authority and subject.
    fn owner(&self, client: &Map<String, Value>) -> (Option<String>, Option<String>) {
        let reader = Reader::open(&self.gate.database()).expect("a ledger");
        let client_id = client["client_id"].as_str().expect("a client");
        let binding = reader.binding("identity-server", client_id).expect("readable").expect("a binding");
        (binding.authority.map(|authority| authority.as_str().to_owned()), binding.subject)
    }

    /// The newest record.
    fn record(&self) -> Value {
        let reader = Reader::open(&self.gate.database()).expect("a ledger");
        let newest = reader.decisions(&Filter { outcome: None, since: None, limit: 1 }).expect("decisions");
        Value::Object(view::join(&newest[0]))
    }
}

/// A good certificate of the application, by this issuer.
fn application(issuer: &Authority, world: &World) -> Identity {
    certified(issuer, &Validity::current(world.now()), |_| {})
}

/// A certificate of the application; it names no extended key usage unless it is changed to.
fn certified(issuer: &Authority, validity: &Validity, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    issuer.described(&described(), KeyKind::Ecdsa, validity, change).expect("a certificate")
}

fn described() -> Map<String, Value> {
    let described = json!({
        "subject": "CN=app.example,O=App Ltd", "san_uri": [APPLICATION], "extended_key_usage": [],
    });
    described.as_object().cloned().expect("an object")
}

fn draft(jti: &str) -> Draft {
    let draft = Draft::empty().claim("iss", APPLICATION).claim("jti", jti).claim("client_name", "App");
    draft.claim("redirect_uris", json!(["https://app.example/cb"]))
}

fn signed(draft: Draft, holder: &Identity) -> String {
    draft.sign_as(holder).expect("a statement")
}

fn json_of(answer: &Response<Bytes>) -> Map<String, Value> {
    serde_json::from_slice(answer.body()).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_who_signed_its_statement_and_needs_no_certificate_in_tls() {
    let site = Site::new("community", COMMUNITY).await;
    let holder = application(&site.gate.world.clients, &site.gate.world);
    let statement = signed(draft("one"), &holder);
    let answer = site.submit(&statement).await;
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    let forwarded = site.gate.world.identity_server.requests().remove(0);
    assert!(!forwarded.headers().contains_key("client-cert"), "nobody showed a certificate");
    let body: Value = serde_json::from_slice(forwarded.body()).expect("JSON");
    assert_eq!(body["redirect_uris"], json!(["https://app.example/cb"]));
    let record = site.record();
    assert_eq!(record["tls"]["client"], Value::Null);
    assert_eq!(record["statement"]["signer"]["authority"], "sandbox");
    assert_eq!(record["statement"]["signer"]["subject"], "CN=app.example,O=App Ltd");
    let owner = (Some("sandbox".to_owned()), Some("CN=app.example,O=App Ltd".to_owned()));
    assert_eq!(site.owner(&json_of(&answer)), owner);
    // The same request again is the same client, whoever sends it: the signer is known.
    let again = site.submit(&statement).await;
    assert_eq!(json_of(&again)["client_id"], json_of(&answer)["client_id"]);
    assert_eq!(site.reached(), 1);
    // Another statement is another client.
    let other = site.submit(&signed(draft("two"), &holder)).await;
    assert_ne!(json_of(&other)["client_id"], json_of(&answer)["client_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rsa_signs_too_and_a_listener_need_not_ask_for_certificates() {
    let off = |text: String| text.replace("client_auth = \"request\"", "client_auth = \"off\"");
    let site = Site::with("community", COMMUNITY, off, |_| {}).await;
    let world = &site.gate.world;
    let validity = Validity::current(world.now());
    let rsa = world.clients.described(&described(), KeyKind::Rsa, &validity, |_| {}).expect("a certificate");
    assert_eq!(site.submit(&signed(draft("one"), &rsa)).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_not_trusted_is_unapproved() {
    let revoked = std::sync::OnceLock::new();
    let site = Site::with(
        "community",
        COMMUNITY,
        |text| text,
        |world| {
            let identity = application(&world.clients, world);
            let list = world.clients.revocation_list(&[&identity], world.now()).expect("a list");
            std::fs::write(world.path("certs/authorities/clients-issuing.crl"), list).expect("a list");
            revoked.set(identity).expect("once");
        },
    )
    .await;
    let world = &site.gate.world;
    let now = world.now();
    let of = |validity: Validity| certified(&world.clients, &validity, |_| {});
    let good = || application(&world.clients, world);
    let no_signatures = |params: &mut CertificateParams| params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    let self_signed = world.strangers.intermediate("Sandbox Issuing Authority", now).expect("an authority");
    for (name, holder) in [
        ("a stranger", application(&world.strangers, world)),
        ("a namesake of the authority", application(&self_signed, world)),
        ("expired", of(Validity::expired(now))),
        ("not valid yet", of(Validity::future(now))),
        ("revoked", revoked.get().expect("made").clone()),
        ("not for signatures", certified(&world.clients, &Validity::current(now), no_signatures)),
        ("without its intermediate", good().leaf_only()),
    ] {
        let answer = site.submit(&signed(draft(name), &holder)).await;
        refused(name, &answer, 400, "unapproved_software_statement");
        assert_eq!(rule(&answer), "statement.certificate", "{name}");
        assert_eq!(site.record()["statement"]["present"], false, "{name}");
    }
    let before = site.submit(&signed(draft("good"), &good())).await;
    assert_eq!(before.status(), 201, "{:?}", before.body());
    assert_eq!(site.reached(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_its_first_certificate_did_not_sign_is_invalid() {
    let site = Site::new("community", COMMUNITY).await;
    let world = &site.gate.world;
    let (holder, other) = (application(&world.clients, world), application(&world.clients, world));
    let own = SigningKey::generate("own").expect("a key");
    let mut reversed = holder.x5c();
    reversed.reverse();
    let mut seven = holder.x5c();
    seven.resize(7, holder.x5c()[1].clone());
    let brings = |x5c: Value| signed(draft("x").header("x5c", x5c), &holder);
    let directory = draft("x").sign(world.directory.signer(), Signature::Rs256).expect("a statement");
    for (name, token) in [
        ("another's certificate", brings(json!(other.x5c()))),
        ("the certificate comes last", brings(json!(reversed))),
        ("no certificate", brings(json!([]))),
        ("garbage", brings(json!(["AAAA"]))),
        ("garbage that is no base64", brings(json!(["-----BEGIN CERTIFICATE-----"]))),
        ("a text", brings(json!(holder.x5c()[0]))),
        ("seven certificates", brings(json!(seven))),
        ("no x5c", directory),
        ("jwk beside x5c", signed(draft("x").header("jwk", own.public_jwk(KeyUse::Signature)), &holder)),
        ("x5u beside x5c", signed(draft("x").header("x5u", "https://app.example/chain"), &holder)),
        ("none", draft("x").header("x5c", holder.x5c()).sign(&own, Signature::Unsigned).expect("a token")),
        ("an algorithm of the policy that the key is not for", signed(draft("x").header("alg", "RS256"), &holder)),
        ("an algorithm that the policy does not list", {
            let rsa = SigningKey::generate("").expect("a key");
            draft("x").header("x5c", holder.x5c()).sign(&rsa, Signature::Ps256).expect("a token")
        }),
        ("a changed claim", {
            let good = signed(draft("x"), &holder);
            let parts: Vec<&str> = good.split('.').collect();
            format!("{}.e30.{}", parts[0], parts[2])
        }),
    ] {
        let answer = site.submit(&token).await;
        refused(name, &answer, 400, "invalid_software_statement");
        assert_eq!(rule(&answer), "statement.signature", "{name}");
    }
    // The certificate is trusted and signed; what it says is another application.
    let elsewhere = site.submit(&signed(draft("y").claim("iss", "https://other.example"), &holder)).await;
    refused("another application", &elsewhere, 400, "invalid_software_statement");
    assert_eq!(rule(&elsewhere), "community.issuer");
    assert_eq!(site.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_shown_is_judged_though_none_is_asked_for() {
    let site = Site::new("community", COMMUNITY).await;
    let world = &site.gate.world;
    let statement = signed(draft("one"), &application(&world.clients, world));
    let body = json!({ "software_statement": statement }).to_string();
    let transport = |issuer: &Authority| {
        let for_clients = |params: &mut CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        };
        let shown = certified(issuer, &Validity::current(world.now()), for_clients);
        world.third_party(Some(&shown)).expect("a client")
    };
    let stranger = transport(&world.strangers);
    let answer = stranger.register(site.gate.address, body.clone()).await.expect("an answer");
    refused("a stranger's certificate", &answer, 401, "invalid_client");
    assert_eq!(site.reached(), 0);
    let answer = transport(&world.clients).register(site.gate.address, body).await.expect("an answer");
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    assert_eq!(site.record()["tls"]["client"]["authority"], "sandbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_no_certificate_keeps_to_the_rate_of_strangers() {
    let limited = |text: String| text + "strangers_per_address_per_minute = 3\n";
    let site = Site::with("community", COMMUNITY, limited, |_| {}).await;
    let holder = application(&site.gate.world.clients, &site.gate.world);
    let statement = signed(draft("one"), &holder);
    assert_eq!(site.submit(&statement).await.status(), 201);
    // A copied statement in ever other bodies: its `jti` is taken, and each refusal would be a record.
    let mut statuses = Vec::new();
    for number in 0..5 {
        let body = json!({ "software_statement": statement, "default_max_age": number }).to_string();
        statuses.push(site.post(body).await.status().as_u16());
    }
    assert_eq!(statuses, [400, 400, 400, 429, 429]);
    assert_eq!(site.post("{").await.status(), 429, "a body that cannot be read is counted like any refusal");
    assert_eq!(site.reached(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_of_nobody_are_two_clients() {
    let site = Site::new("open", OPEN).await;
    let body =
        json!({ "redirect_uris": ["https://app.example/cb"], "client_name": "Each copy of a program" }).to_string();
    let (one, two) = (site.post(body.clone()).await, site.post(body).await);
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (201, 201), "{:?}", one.body());
    let (one, two) = (json_of(&one), json_of(&two));
    assert_ne!(one["client_id"], two["client_id"], "neither gets the other's secrets");
    assert_eq!(site.owner(&one), (None, None), "whoever has the token");
    assert_eq!(site.reached(), 2);
}

/// Keys are fetched from an address in the statement: only once somebody answers for whoever signed it.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_fetched_for_a_trusted_signer_alone() {
    let site = Site::with(
        "community",
        COMMUNITY,
        |text| text,
        |world| {
            let fetched = "\n[checks.keys.encryption]\nclaim = \"software_jwks_uri\"\n";
            let policy = format!("{COMMUNITY}{fetched}fetch_hosts = [\"{}\"]\n", world.directory.authority());
            std::fs::write(world.path("policies/community.toml"), policy).expect("a policy");
        },
    )
    .await;
    let world = &site.gate.world;
    let software = world.enrol("application");
    let keyed = |jti| draft(jti).claim("software_jwks_uri", world.directory.url(&software.keys_path()));
    let stranger = site.submit(&signed(keyed("one"), &application(&world.strangers, world))).await;
    refused("a stranger", &stranger, 400, "unapproved_software_statement");
    assert_eq!(world.directory.fetches(&software.keys_path()), 0);
    let member = site.submit(&signed(keyed("two"), &application(&world.clients, world))).await;
    assert_eq!(member.status(), 201, "{:?}", member.body());
    assert_eq!(world.directory.fetches(&software.keys_path()), 1);
}
