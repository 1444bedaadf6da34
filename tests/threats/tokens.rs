//! Initial access tokens over the wire: whose is taken, whose is not, and which policy it chooses.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use dcrgate::audit::view;
use dcrgate::model::digest::Digest;
use dcrgate::sandbox::statement::{Draft, Signature, SigningKey};
use dcrgate::sandbox::third_party::registration;
use dcrgate::sandbox::token_issuer::{TokenIssuer, with_tokens};
use dcrgate::store::{Filter, Reader};
use http::{Request, Response};
use serde_json::{Value, json};

use crate::gate::{Gate, world};
use crate::signed::record;
use crate::target::{Attacker, Target, refused, rule};

/// The proxy, its issuer of tokens, and a software in good standing.
struct Desk {
    target: Target,
    issuer: TokenIssuer,
}

impl Desk {
    async fn open(word: &str, more: &str) -> Self {
        Self::with(word, more, |text| text).await
    }

    /// With these keys on the route and another configuration text; policies may be written beside the packs.
    async fn with(word: &str, more: &str, change: impl FnOnce(String) -> String) -> Self {
        let (home, world) = world(|text| change(with_tokens(&text, word, more))).await;
        let issuer = TokenIssuer::publish(&world.directory).expect("an issuer");
        for (name, rest) in [("mobile", ""), ("once", "[checks.token.single-use]\n")] {
            let text = format!(
                "extends = \"open-finance-brasil.toml\"\nid = \"{name}\"\n[checks.registration.duplicates]\nmode = \"off\"\n{rest}"
            );
            std::fs::write(world.path(&format!("policies/{name}.toml")), text).expect("a policy");
        }
        Self { target: Target::of(Gate::over(home, world).await), issuer }
    }

    fn draft(&self) -> Draft {
        self.issuer.token(self.target.gate.world.now()).expect("a token")
    }

    fn token(&self, change: impl FnOnce(Draft) -> Draft) -> String {
        self.issuer.sign(change(self.draft())).expect("a token")
    }

    fn request(&self, authorization: &[&str]) -> Request<Bytes> {
        let body = serde_json::to_vec(&self.target.request()).expect("JSON");
        let mut request = registration(body);
        for value in authorization {
            request.headers_mut().append("authorization", value.parse().expect("a header"));
        }
        request
    }

    async fn ask(&self, authorization: &[&str]) -> Response<Bytes> {
        self.target.send(self.request(authorization)).await
    }

    async fn present(&self, token: &str) -> Response<Bytes> {
        self.ask(&[&format!("Bearer {token}")]).await
    }

    /// Everything in the ledger, as text.
    fn ledger(&self) -> String {
        let ledger = Reader::open(&self.target.gate.database()).expect("a ledger");
        let all = Filter { outcome: None, since: None, limit: 1000 };
        let decisions = ledger.decisions(&all).expect("decisions");
        let entries = decisions.into_iter().flat_map(|decision| [decision.opened, decision.ended]).flatten();
        entries.map(|entry| String::from_utf8_lossy(&entry.body).into_owned()).collect()
    }
}

fn thumbprint(attacker: &Attacker) -> Value {
    json!({ "x5t#S256": URL_SAFE_NO_PAD.encode(Digest::of(attacker.identity.certificate()).as_bytes()) })
}

fn challenge(answer: &Response<Bytes>) -> &str {
    answer.headers().get("www-authenticate").map_or("", |value| value.to_str().expect("text"))
}

fn policy_of(desk: &Desk) -> String {
    let requests = desk.target.gate.world.identity_server.requests();
    requests.last().expect("a registration").headers()["dcr-policy"].to_str().expect("text").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_token_admits_and_stays_here() {
    let desk = Desk::open("required", "").await;
    let token = desk.token(|draft| draft.claim("cnf", thumbprint(&desk.target.attacker)));
    let answer = desk.present(&token).await;
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    let record = record(&desk.target, &answer);
    let steps: Vec<&str> = view::checks(&record).iter().filter_map(|step| step["id"].as_str()).collect();
    let gates = ["certificate.trusted", "token.valid", "statement.present", "statement.signature"];
    assert_eq!(steps.get(..4), Some(gates.as_slice()));
    let forwarded = desk.target.gate.world.identity_server.requests();
    assert!(!forwarded.last().expect("it").headers().contains_key("authorization"));
    let ledger = desk.ledger();
    let signature = token.rsplit_once('.').expect("three parts").1;
    assert!(!ledger.contains(signature), "the ledger has no token");
    assert!(ledger.contains(&Digest::of(token.as_bytes()).to_string()), "it has its digest: {ledger}");
    assert!(ledger.contains("\"client_id\":\"console\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_token_travels_on_where_the_route_says_so() {
    let desk = Desk::open("required", "token_to_upstream = \"forward\"\n").await;
    let token = desk.token(|draft| draft);
    assert_eq!(desk.present(&token).await.status(), 201);
    let forwarded = desk.target.gate.world.identity_server.requests();
    assert_eq!(forwarded.last().expect("it").headers()["authorization"], format!("Bearer {token}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_tokens_of_others_for_others_and_of_other_times_are_refused() {
    let desk = Desk::open("required", "").await;
    let now = desk.target.gate.world.now().unix_seconds();
    let other = Attacker::new(&desk.target.gate.world, "other");
    let own = SigningKey::generate("tokens").expect("a key");
    let good = desk.token(|draft| draft);
    let table = [
        ("expired", desk.token(|draft| draft.claim("exp", now - 61))),
        ("not yet", desk.token(|draft| draft.claim("nbf", now + 120))),
        ("another audience", desk.token(|draft| draft.claim("aud", "https://elsewhere.example/register"))),
        ("another issuer", desk.token(|draft| draft.claim("iss", "https://elsewhere.example"))),
        ("alg none", desk.draft().sign(desk.issuer.signer(), Signature::Unsigned).expect("a token")),
        ("RS256", desk.draft().sign(desk.issuer.signer(), Signature::Rs256).expect("a token")),
        ("another key under the same kid", desk.draft().sign(&own, Signature::Ps256).expect("a token")),
        ("a statement's type", desk.token(|draft| draft.header("typ", "JWT"))),
        ("of another certificate", desk.token(|draft| draft.claim("cnf", thumbprint(&other)))),
        ("bound by DPoP", desk.token(|draft| draft.claim("cnf", json!({ "jkt": "0ZcOCORZNYy" })))),
        ("changed after signing", good.replacen('.', ".e", 1)),
        ("no JWT", "2YotnFZFEjr1zCsicMWpAA".to_owned()),
    ];
    for (name, token) in &table {
        let answer = desk.present(token).await;
        refused(name, &answer, 401, "invalid_token");
        assert_eq!(rule(&answer), "token.valid", "{name}");
        assert!(challenge(&answer).starts_with("Bearer error=\"invalid_token\", "), "{name}: {}", challenge(&answer));
        desk.target.recorded(name, &answer);
    }
    let narrow = desk.present(&desk.token(|draft| draft.claim("scope", "openid"))).await;
    refused("a missing scope", &narrow, 403, "insufficient_scope");
    assert!(challenge(&narrow).starts_with("Bearer error=\"insufficient_scope\", "), "{}", challenge(&narrow));
    let none = desk.ask(&[]).await;
    refused("no token", &none, 401, "invalid_token");
    assert_eq!(challenge(&none), "Bearer realm=\"registration\"", "nothing was wrong with what was not sent");
    let bearer = format!("Bearer {good}");
    for (name, headers) in [
        ("two headers", vec![&*bearer, &*bearer]),
        ("Basic", vec!["Basic YTpi"]),
        ("nothing behind it", vec!["Bearer"]),
        ("two tokens", vec!["Bearer a b"]),
    ] {
        refused(name, &desk.ask(&headers).await, 401, "invalid_token");
    }
    assert_eq!(desk.target.reached(), 0);
    assert!(!desk.ledger().contains(&good));
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_bad_token_is_refused_where_none_is_needed() {
    let desk = Desk::open("optional", "").await;
    refused("a bad one", &desk.present("x.y.z").await, 401, "invalid_token");
    assert_eq!(desk.ask(&[]).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_strangers_token_is_not_even_looked_at() {
    let desk = Desk::open("required", "").await;
    // From here on the keys are known, and only an unknown one could cause a fetch.
    assert_eq!(desk.present(&desk.token(|draft| draft)).await.status(), 201);
    let before = desk.target.gate.world.directory.fetches("/token-issuer.jwks");
    let stranger = desk.target.gate.world.third_party(None).expect("a client");
    let unknown = desk.draft().header("kid", "unknown").sign(desk.issuer.signer(), Signature::Ps256).expect("a token");
    let request = desk.request(&[&format!("Bearer {unknown}")]);
    let protocol = dcrgate::sandbox::third_party::Protocol::Http1;
    let answer = stranger.send(desk.target.gate.address, protocol, request).await.expect("an answer");
    refused("a stranger", &answer, 401, "invalid_client");
    assert_eq!(desk.target.gate.world.directory.fetches("/token-issuer.jwks"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_single_use_token_registers_one_client() {
    let once = |text: String| text.replace("policies/open-finance-brasil.toml", "policies/once.toml");
    let desk = Desk::with("required", "", once).await;
    let token = desk.token(|draft| draft);
    assert_eq!(desk.present(&token).await.status(), 201);
    let second = desk.present(&token).await;
    refused("a second time", &second, 401, "invalid_token");
    assert_eq!(rule(&second), "token.single-use");
    assert!(challenge(&second).starts_with("Bearer error=\"invalid_token\", "));
    refused("without a jti", &desk.present(&desk.token(|draft| draft.without("jti"))).await, 401, "invalid_token");
    assert_eq!(desk.target.reached(), 1);
    assert_eq!(desk.present(&desk.token(|draft| draft)).await.status(), 201);
}

fn several(text: &str, entries: &str) -> String {
    let policies = format!("policies = [{entries}]\n");
    let section = |name: &str| {
        format!(
            "\n[policies.{name}]\nfile = \"policies/{name}.toml\"\nauthorities = [\"sandbox\"]\n\
             key_sets = {{ statement = \"directory\" }}\n"
        )
    };
    let (_, params) = text.split_once("[policies.open-finance-brasil.params]\n").expect("parameters");
    let (params, _) = params.split_once("\n[[routes]]").expect("routes");
    let mobile = format!("{}\n[policies.mobile.params]\n{params}\n", section("mobile"));
    text.replace("policy = \"open-finance-brasil\"\n", &policies) + &mobile
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_scope_and_authority_choose_among_policies_of_one_path() {
    let entries = "{ token_scope = \"dcr:mobile\", policy = \"mobile\" }, \
                   { authority = \"sandbox\", policy = \"open-finance-brasil\" }";
    let desk = Desk::with("optional", "", |text| several(&text, entries)).await;
    assert_eq!(desk.ask(&[]).await.status(), 201);
    assert!(policy_of(&desk).starts_with("open-finance-brasil"), "{}", policy_of(&desk));
    let scoped = desk.token(|draft| draft.claim("scope", "dcr dcr:mobile"));
    assert_eq!(desk.present(&scoped).await.status(), 201);
    assert!(policy_of(&desk).starts_with("mobile"), "{}", policy_of(&desk));
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_whom_no_policy_is_for_is_refused() {
    let entries = "{ token_scope = \"dcr:mobile\", policy = \"mobile\" }";
    let desk = Desk::with("optional", "", |text| several(&text, entries)).await;
    let answer = desk.present(&desk.token(|draft| draft)).await;
    refused("another scope", &answer, 403, "insufficient_scope");
    desk.target.recorded("another scope", &answer);
    let none = desk.ask(&[]).await;
    refused("no token", &none, 401, "invalid_token");
    assert_eq!(challenge(&none), "Bearer realm=\"registration\"");
    assert_eq!(desk.target.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_an_outage_of_the_issuers_keys_is_not_told_as_the_callers_fault() {
    let elsewhere = |text: String| text.replace("/token-issuer.jwks", "/nowhere.jwks");
    let desk = Desk::with("required", "", elsewhere).await;
    let answer = desk.present(&desk.token(|draft| draft)).await;
    refused("an outage", &answer, 503, "temporarily_unavailable");
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(rule(&answer), "token.valid");
    assert_eq!(challenge(&answer), "");
    assert_eq!(desk.target.reached(), 0);
}
