//! A real identity server, `oidc-provider`, behind dcrgate: register, then get a token.
//!
//! The certificate that the identity server sees is the one with which the
//! client spoke TLS to the proxy, forwarded by RFC 9440.

#![cfg(test)]

#[path = "support/gate.rs"]
mod gate;
#[path = "support/programs.rs"]
mod programs;

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use dcrgate::model::peer::Peer;
use dcrgate::sandbox::statement::{Draft, Signature};
use dcrgate::sandbox::third_party::Protocol;
use dcrgate::sandbox::{Identity, KeyKind, Software, ThirdParty};
use dcrgate::store::{Filter, Reader};
use gate::{Gate, Program};
use http::{Request, Response};
use programs::{IdentityServer, Missing, or_skip};
use serde_json::{Map, Value, json};

/// Under which the world's public base has it.
const ISSUER: &str = "https://localhost";

/// The proxy's configuration in front of a real identity server.
fn before(server: &IdentityServer, profile: &str, text: &str) -> String {
    let routes: String = ["/jwks", "/token/*", "/__seen"]
        .map(|path| format!("\n[[routes]]\npath = \"{path}\"\nkind = \"proxy\"\nupstream = \"identity-server\"\n"))
        .concat();
    let discovery = "\n[[routes]]\npath = \"/.well-known/openid-configuration\"\nkind = \"discovery\"\n\
                     upstream = \"identity-server\"\nto = \"/.well-known/openid-configuration\"\n\
                     mtls_host = \"localhost\"\n";
    (gate::before(server.address(), text) + &routes + discovery)
        .replace("environment = \"sandbox\"", &format!("environment = \"sandbox\"\nprofile = \"{profile}\""))
}

/// A proxy in front of a real identity server that trusts the sandbox's directory.
async fn bank(profile: &str) -> Result<(Gate, IdentityServer), Missing> {
    bank_with(profile, &json!({ "issuer": ISSUER })).await
}

/// With other settings of the identity server.
async fn bank_with(profile: &str, settings: &Value) -> Result<(Gate, IdentityServer), Missing> {
    let (home, world) = gate::world(|text| text).await;
    let settings = settings.to_string();
    let server = IdentityServer::start(&settings, Some(&world.path("certs/authorities/servers.pem")))?;
    let path = world.configuration();
    let text = std::fs::read_to_string(&path).expect("a configuration");
    std::fs::write(&path, before(&server, profile, &text)).expect("written");
    Ok((Gate::over(home, world).await, server))
}

struct Client {
    software: Software,
    identity: Identity,
    third_party: ThirdParty,
}

impl Client {
    fn new(gate: &Gate, name: &str) -> Self {
        let software = gate.world.enrol(name);
        let identity = gate.world.transport(&software, KeyKind::Rsa).expect("a certificate");
        let third_party = gate.world.third_party(Some(&identity)).expect("a client");
        Self { software, identity, third_party }
    }

    fn peer(&self) -> Peer {
        Peer::present(self.identity.chain().to_vec()).expect("a certificate")
    }

    fn request(&self, gate: &Gate, change: impl FnOnce(&mut Map<String, Value>)) -> Vec<u8> {
        let mut request = gate.world.request(&self.software).expect("a request");
        change(&mut request);
        serde_json::to_vec(&request).expect("JSON")
    }

    async fn registers(&self, gate: &Gate, change: impl FnOnce(&mut Map<String, Value>)) -> (u16, Map<String, Value>) {
        let answer = self.third_party.register(gate.address, self.request(gate, change)).await.expect("an answer");
        assert!(!answer.headers().contains_key("set-cookie") && !answer.headers().contains_key("location"));
        (answer.status().as_u16(), members(&answer))
    }

    async fn asks_for_a_token(&self, gate: &Gate, form: &str) -> (u16, Map<String, Value>) {
        let request = Request::post("/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from(form.to_owned()))
            .expect("a request");
        let answer = self.third_party.send(gate.address, Protocol::Http2, request).await.expect("an answer");
        (answer.status().as_u16(), members(&answer))
    }

    /// What the identity server remembers of its last request by this client.
    async fn seen(&self, gate: &Gate, client_id: &str) -> Value {
        let request = Request::get("/__seen").body(Bytes::new()).expect("a request");
        let answer = self.third_party.send(gate.address, Protocol::Http1, request).await.expect("an answer");
        members(&answer).remove(client_id).unwrap_or_default()
    }
}

fn members(answer: &Response<Bytes>) -> Map<String, Value> {
    serde_json::from_slice(answer.body()).expect("a JSON object")
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> &'a str {
    members.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{name} in {members:?}"))
}

fn with_tls(members: &mut Map<String, Value>, subject: &str) {
    members.insert("token_endpoint_auth_method".to_owned(), "tls_client_auth".into());
    members.insert("tls_client_auth_subject_dn".to_owned(), subject.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn private_key_jwt_registers_and_gets_a_token() {
    let (gate, _server) = or_skip!(bank("2.1.0").await);
    let client = Client::new(&gate, "assertion");
    let (status, registered) = client.registers(&gate, |_| {}).await;
    assert_eq!(status, 201, "{registered:?}");
    let client_id = text(&registered, "client_id");
    assert_eq!(text(&registered, "registration_client_uri"), format!("{ISSUER}/register/{client_id}"));
    assert_eq!(text(&registered, "token_endpoint_auth_method"), "private_key_jwt");

    let now = gate.world.now().unix_seconds();
    let assertion = Draft::empty()
        .claim("iss", client_id)
        .claim("sub", client_id)
        .claim("aud", ISSUER)
        .claim("jti", "assertion-1")
        .claim("iat", now)
        .claim("exp", now + 60)
        .sign(gate.world.directory.software_key(), Signature::Ps256)
        .expect("an assertion");
    let form = format!(
        "grant_type=client_credentials&scope=accounts&client_assertion_type=\
         urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={assertion}"
    );
    let (status, token) = client.asks_for_a_token(&gate, &form).await;
    assert_eq!(status, 200, "{token:?} {}", client.seen(&gate, client_id).await);
    assert!(!text(&token, "access_token").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_client_auth_registers_and_gets_a_token_with_the_forwarded_certificate() {
    let (gate, _server) = or_skip!(bank("ID3").await);
    let client = Client::new(&gate, "mutual tls");
    let peer = client.peer();
    let (status, registered) = client.registers(&gate, |members| with_tls(members, peer.subject())).await;
    assert_eq!(status, 201, "{registered:?}");
    let client_id = text(&registered, "client_id");
    let form = format!("grant_type=client_credentials&client_id={client_id}&scope=payments");
    let (status, token) = client.asks_for_a_token(&gate, &form).await;
    let seen = client.seen(&gate, client_id).await;
    assert_eq!(status, 200, "{token:?} {seen}");
    assert_eq!(seen["x5t#S256"], peer.certificate.thumbprint.base64url(), "the certificate of the TLS connection");

    // Another third party with a certificate of its own, and a forged header that claims to be the first.
    let other = Client::new(&gate, "another");
    let forged = dcrgate::headers::rfc9440::client_cert(&peer.chain[0]).expect("a header");
    let request = Request::post("/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("client-cert", forged)
        .header("x-client-cert-subject-dn", peer.subject())
        .body(Bytes::from(form))
        .expect("a request");
    let answer = other.third_party.send(gate.address, Protocol::Http1, request).await.expect("an answer");
    assert_eq!(answer.status(), 401, "{:?}", answer.body());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_identity_server_is_told_and_the_corrected_request_succeeds() {
    let (gate, _server) = or_skip!(bank("2.1.0").await);
    let client = Client::new(&gate, "refused there");
    // The policy has no list of authentication contexts; this server knows none of that name.
    let (status, refused) = client
        .registers(&gate, |members| drop(members.insert("default_acr_values".to_owned(), json!(["no:such"]))))
        .await;
    assert_eq!((status, text(&refused, "error")), (400, "invalid_client_metadata"));
    assert_eq!(text(&refused, "error_description"), "the identity server refused the registration");
    let everything = Filter { outcome: None, since: None, limit: 10 };
    let outcomes = || {
        let decisions = Reader::open(&gate.database()).expect("a ledger").decisions(&everything).expect("decisions");
        decisions.iter().map(|decision| decision.outcome().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes(), ["refused_upstream"]);
    let (status, registered) = client.registers(&gate, |_| {}).await;
    assert_eq!(status, 201, "the slot was free again: {registered:?}");
    assert_eq!(outcomes(), ["admitted", "refused_upstream"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_tells_our_addresses_and_keys_pass_through() {
    let (gate, _server) = or_skip!(bank("2.1.0").await);
    let client = Client::new(&gate, "discovery");
    for (path, member) in [("/.well-known/openid-configuration", "token_endpoint"), ("/jwks", "keys")] {
        let request = Request::get(path).body(Bytes::new()).expect("a request");
        let answer = client.third_party.send(gate.address, Protocol::Http2, request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let document = members(&answer);
        assert!(document.contains_key(member));
        assert!(member == "keys" || text(&document, member).starts_with(ISSUER));
        if member == "keys" {
            continue;
        }
        let told = String::from_utf8_lossy(answer.body());
        assert!(!told.contains("127.0.0.1"), "{told}");
        assert_eq!(document["issuer"], ISSUER);
        assert_eq!(document["registration_endpoint"], format!("{ISSUER}/register"));
        assert_eq!(document["jwks_uri"], format!("{ISSUER}/jwks"));
        assert_eq!(document["token_endpoint_auth_methods_supported"], json!(["private_key_jwt"]));
        assert!(!document.contains_key("authorization_endpoint"), "no route leads there");
        let alias = |path: &str| format!("{ISSUER}{path}");
        let aliases = json!({
            "token_endpoint": alias("/token"),
            "introspection_endpoint": alias("/token/introspection"),
            "revocation_endpoint": alias("/token/revocation"),
            "registration_endpoint": alias("/register"),
        });
        assert_eq!(document["mtls_endpoint_aliases"], aliases);
        assert!(document["subject_types_supported"].is_array(), "{document:?}");
    }
    let request = Request::post("/reg").header("content-type", "application/json").body(Bytes::from_static(b"{}"));
    let answer = client.third_party.send(gate.address, Protocol::Http1, request.expect("a request")).await;
    assert_eq!(answer.expect("an answer").status(), 404, "the one door is /register");
}

/// What curl is given.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    body: PathBuf,
    roots: PathBuf,
}

impl Files {
    fn curl(&self, curl: &Path, version: &str, more: &[&str]) -> (u16, Map<String, Value>) {
        let output = Command::new(curl)
            .args(["--silent", "--show-error", version, "--max-time", "20", "--write-out", "\n%{http_code}"])
            .arg("--cert")
            .arg(&self.certificate)
            .arg("--key")
            .arg(&self.key)
            .arg("--cacert")
            .arg(&self.roots)
            .args(more)
            .output()
            .expect("curl runs");
        let told = String::from_utf8(output.stdout).expect("text");
        let (body, status) = told.rsplit_once('\n').unwrap_or_else(|| panic!("{told} {:?}", output.stderr));
        (status.parse().expect("a status"), serde_json::from_str(body).unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_registers_through_mutual_tls_and_gets_a_token() {
    let curl = or_skip!(programs::find("curl"));
    let (gate, _server) = or_skip!(bank("ID3").await);
    let mut gate = gate;
    // The real program serves from here on.
    gate.stop().await;
    let program = Program::run(&gate.world.configuration());
    for version in ["--http1.1", "--http2"] {
        let client = Client::new(&gate, version);
        let peer = client.peer();
        let path = |name: &str| gate.world.path(&format!("{}{version}", name));
        let files = Files {
            certificate: path("curl.pem"),
            key: path("curl.key"),
            body: path("curl.json"),
            roots: gate.world.path("certs/authorities/servers.pem"),
        };
        std::fs::write(&files.certificate, client.identity.chain_pem()).expect("written");
        std::fs::write(&files.key, client.identity.key_pem()).expect("written");
        let body = client.request(&gate, |members| with_tls(members, peer.subject()));
        std::fs::write(&files.body, body).expect("written");
        let url = |path: &str| format!("https://localhost:{}{path}", program.address.port());
        let body = format!("@{}", files.body.display());
        let register = ["--header", "content-type: application/json", "--data-binary", &body, &url("/register")];
        let (status, registered) = files.curl(&curl, version, &register);
        assert_eq!(status, 201, "{registered:?}");
        let client_id = format!("client_id={}", text(&registered, "client_id"));
        let token = [
            "--data",
            "grant_type=client_credentials",
            "--data",
            &client_id,
            "--data",
            "scope=accounts",
            &url("/token"),
        ];
        let (status, token) = files.curl(&curl, version, &token);
        assert_eq!(status, 200, "{token:?}");
        assert!(!text(&token, "access_token").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_managed_with_and_without_rotation() {
    for rotate in [false, true] {
        let (gate, _server) = or_skip!(bank_with("2.1.0", &json!({ "issuer": ISSUER, "rotate": rotate })).await);
        let (owner, thief) = (Client::new(&gate, "owner"), Client::new(&gate, "thief"));
        let (status, client) = owner.registers(&gate, |_| {}).await;
        assert_eq!(status, 201, "{client:?}");
        let (status, other) = thief.registers(&gate, |_| {}).await;
        assert_eq!(status, 201, "{other:?}");
        let path = format!("/register/{}", text(&client, "client_id"));
        let ask = async |who: &Client, method: http::Method, token: &str, body: Vec<u8>| {
            let request = dcrgate::sandbox::third_party::management(method, &path, token, body);
            who.third_party.send(gate.address, Protocol::Http1, request).await.expect("an answer")
        };
        let token = text(&client, "registration_access_token").to_owned();
        let read = ask(&owner, http::Method::GET, &token, Vec::new()).await;
        assert_eq!(read.status(), 200, "{:?}", read.body());
        assert_eq!(text(&members(&read), "registration_client_uri"), format!("{ISSUER}{path}"));

        // This identity server destroys a token that comes for another client: it must never hear of one.
        for (who, used) in [(&thief, text(&other, "registration_access_token")), (&thief, token.as_str())] {
            for method in [http::Method::GET, http::Method::DELETE] {
                let refused = ask(who, method, used, Vec::new()).await;
                assert_eq!(refused.status(), 401, "{:?}", refused.body());
                assert_eq!(text(&members(&refused), "error"), "invalid_token");
            }
        }

        // The whole answer comes back with a new statement.
        let mut echo = members(&read);
        echo.extend(gate.world.request(&owner.software).expect("a request"));
        echo.insert("client_name".to_owned(), "renamed".into());
        let body = serde_json::to_vec(&echo).expect("JSON");
        let updated = ask(&owner, http::Method::PUT, &token, body.clone()).await;
        assert_eq!(updated.status(), 200, "{:?}", updated.body());
        let next = text(&members(&updated), "registration_access_token").to_owned();
        assert_eq!(next != token, rotate);
        if rotate {
            assert_eq!(ask(&owner, http::Method::GET, &token, Vec::new()).await.status(), 401, "the token before");
            assert_eq!(ask(&owner, http::Method::PUT, &token, body).await.body(), updated.body(), "a lost answer");
        }
        assert_eq!(ask(&owner, http::Method::GET, &next, Vec::new()).await.status(), 200);
        assert_eq!(ask(&owner, http::Method::DELETE, &next, Vec::new()).await.status(), 204);
        assert_eq!(ask(&owner, http::Method::GET, &next, Vec::new()).await.status(), 401);
        let (status, again) = owner.registers(&gate, |_| {}).await;
        assert_eq!(status, 201, "the slot is free: {again:?}");
        let of_other = dcrgate::sandbox::third_party::management(
            http::Method::GET,
            &format!("/register/{}", text(&other, "client_id")),
            text(&other, "registration_access_token"),
            "",
        );
        let answer = thief.third_party.send(gate.address, Protocol::Http1, of_other).await.expect("an answer");
        assert_eq!(answer.status(), 200, "what the thief has of its own still works");
    }
}
