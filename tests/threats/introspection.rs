//! Tokens whose issuer is asked (RFC 7662): what its answers are worth, and what they may cost.

use bytes::Bytes;
use dcrgate::model::digest::Digest;
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::store::{Filter, Reader};
use http::Response;
use serde_json::{Value, json};

use crate::asked::{Asked, Told};
use crate::gate::{Gate, world};
use crate::target::{Target, refused, rule};

/// A token that says nothing itself.
const TOKEN: &str = "2YotnFZFEjr1zCsicMWpAA+/==";

/// The proxy, the issuer that it asks, and a software in good standing.
struct Desk {
    target: Target,
    issuer: Asked,
}

impl Desk {
    async fn open(more: &str) -> Self {
        Self::with(more, |text| text).await
    }

    async fn with(more: &str, change: impl FnOnce(String) -> String) -> Self {
        let issuer = Asked::answering(Told::Json(active(&json!({})))).await;
        let route = "kind = \"registration\"\n";
        let asked = format!("{route}initial_access_token = \"required\"\ntokens = \"sandbox\"\n");
        let section = format!(
            "\n[tokens.sandbox]\nissuer = \"https://tokens.sandbox.example\"\n{more}introspection = {{ url = \"{}\", \
             client_id = \"dcrgate\", client_secret = {{ file = \"idp.secret\" }}, timeout = \"300ms\" }}\n",
            issuer.url()
        );
        let (home, world) = world(|text| change(text.replacen(route, &asked, 1) + &section)).await;
        std::fs::write(world.path("idp.secret"), "hunter2\n").expect("a secret");
        let once = "extends = \"open-finance-brasil.toml\"\nid = \"once\"\n[checks.registration.duplicates]\n\
                    mode = \"off\"\n[checks.token.single-use]\n";
        std::fs::write(world.path("policies/once.toml"), once).expect("a policy");
        let open =
            "extends = \"open-finance-brasil.toml\"\nid = \"open\"\n[checks.certificate.trusted]\nrequired = false\n";
        std::fs::write(world.path("policies/open.toml"), open).expect("a policy");
        Self { target: Target::of(Gate::over(home, world).await), issuer }
    }

    async fn present(&self, token: &str) -> Response<Bytes> {
        let mut request = registration(serde_json::to_vec(&self.target.request()).expect("JSON"));
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        self.target.send(request).await
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

/// The answer about a good token, with these members laid over it; `null` takes one away.
fn active(changes: &Value) -> String {
    let mut answer = json!({ "active": true, "scope": "openid dcr", "client_id": "console", "token_type": "Bearer" });
    for (name, value) in changes.as_object().expect("members") {
        match value {
            Value::Null => drop(answer.as_object_mut().expect("members").remove(name)),
            value => answer[name] = value.clone(),
        }
    }
    answer.to_string()
}

fn challenge(answer: &Response<Bytes>) -> &str {
    answer.headers().get("www-authenticate").map_or("", |value| value.to_str().expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_token_that_its_issuer_knows_admits_and_stays_here() {
    let desk = Desk::open("").await;
    let answer = desk.present(TOKEN).await;
    assert_eq!(answer.status(), 201, "{:?}", answer.body());
    let asked = desk.issuer.requests();
    let [asked] = &*asked else { panic!("asked once: {asked:?}") };
    assert!(asked.starts_with("POST /asked HTTP/1.1\r\n"));
    assert!(asked.to_lowercase().contains("authorization: basic zgnyz2f0ztpodw50zxiy\r\n"), "dcrgate:hunter2: {asked}");
    assert!(asked.ends_with("\r\n\r\ntoken=2YotnFZFEjr1zCsicMWpAA%2B%2F%3D%3D&token_type_hint=access_token"));
    let forwarded = desk.target.gate.world.identity_server.requests();
    assert!(!forwarded.last().expect("it").headers().contains_key("authorization"));
    let ledger = desk.ledger();
    assert!(ledger.contains("\"client_id\":\"console\"") && ledger.contains("\"fingerprint\":\""), "{ledger}");
    for secret in [TOKEN, &Digest::of(TOKEN.as_bytes()).to_string(), "hunter2"] {
        assert!(!ledger.contains(secret), "{secret}: {ledger}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_what_the_issuer_does_not_vouch_for_is_refused() {
    let desk = Desk::open("audience = \"https://localhost/register\"\n").await;
    let now = desk.target.gate.world.now().unix_seconds();
    let ours = |changes: Value| {
        let mut all = json!({ "aud": ["https://localhost/register"] });
        all.as_object_mut().expect("members").extend(changes.as_object().expect("members").clone());
        active(&all)
    };
    let table = [
        ("not active", json!({ "active": false }).to_string()),
        ("not active, whatever it says besides", ours(json!({ "active": false }))),
        ("expired", ours(json!({ "exp": now - 61 }))),
        ("not yet", ours(json!({ "nbf": now + 120 }))),
        ("issued tomorrow", ours(json!({ "iat": now + 86_400 }))),
        ("another issuer", ours(json!({ "iss": "https://elsewhere.example" }))),
        ("another audience", ours(json!({ "aud": "https://elsewhere.example" }))),
        ("no audience", active(&json!({}))),
        ("a refresh token", ours(json!({ "token_type": "refresh_token" }))),
        (
            "of another certificate",
            ours(json!({ "cnf": { "x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2" } })),
        ),
        ("a time that is none", ours(json!({ "exp": "tomorrow" }))),
    ];
    for (name, told) in table {
        desk.issuer.set(Told::Json(told));
        let answer = desk.present(TOKEN).await;
        refused(name, &answer, 401, "invalid_token");
        assert_eq!(rule(&answer), "token.valid", "{name}");
        assert!(challenge(&answer).starts_with("Bearer error=\"invalid_token\", "), "{name}: {}", challenge(&answer));
        desk.target.recorded(name, &answer);
    }
    desk.issuer.set(Told::Json(ours(json!({ "scope": "openid" }))));
    let narrow = desk.present(TOKEN).await;
    refused("a missing scope", &narrow, 403, "insufficient_scope");
    assert!(challenge(&narrow).ends_with("scope=\"dcr\""), "{}", challenge(&narrow));
    assert_eq!(desk.target.reached(), 0);
    desk.issuer.set(Told::Json(ours(json!({ "exp": now + 60, "iss": "https://tokens.sandbox.example" }))));
    assert_eq!(desk.present(TOKEN).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_an_answer_that_cannot_be_read_is_not_the_callers_fault() {
    let desk = Desk::open("").await;
    let elsewhere = Asked::answering(Told::Json(active(&json!({})))).await;
    let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\nconnection: close\r\n\r\n<h1>";
    let plain = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let to = elsewhere.url();
    let redirect = format!("HTTP/1.1 307 X\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let table = [
        ("garbage", Told::Json("{\"active\":tr".to_owned())),
        ("two answers in one", Told::Json("{\"active\":false,\"active\":true}".to_owned())),
        ("a word for a truth", Told::Json(active(&json!({ "active": "true" })))),
        ("no word on it", Told::Json(active(&json!({ "active": null })))),
        ("huge", Told::Json(active(&json!({ "more": "x".repeat(64 * 1024) })))),
        ("a page", Told::Raw(html.to_owned())),
        ("our credentials refused", Told::Raw(plain("401 Unauthorized"))),
        ("out of order", Told::Raw(plain("500 X"))),
        ("a redirect", Told::Raw(redirect)),
        ("cut", Told::Raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".to_owned())),
        ("silence", Told::Silence),
    ];
    for (name, told) in table {
        desk.issuer.set(told);
        let answer = desk.present(TOKEN).await;
        refused(name, &answer, 503, "temporarily_unavailable");
        assert_eq!((rule(&answer), challenge(&answer)), ("token.valid".to_owned(), ""), "{name}");
        assert!(answer.headers().contains_key("retry-after"), "{name}");
        desk.target.recorded(name, &answer);
    }
    assert_eq!((desk.target.reached(), elsewhere.requests().len()), (0, 0));
    desk.issuer.set(Told::Json(active(&json!({}))));
    assert_eq!(desk.present(TOKEN).await.status(), 201, "and it goes on by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_a_single_use_token_without_a_jti_registers_one_client_over_restarts() {
    let once = |text: String| text.replace("policies/open-finance-brasil.toml", "policies/once.toml");
    let mut desk = Desk::with("", once).await;
    assert_eq!(desk.present(TOKEN).await.status(), 201);
    let second = desk.present(TOKEN).await;
    refused("a second time", &second, 401, "invalid_token");
    assert_eq!(rule(&second), "token.single-use");
    desk.target.gate.restart().await;
    refused("after a restart", &desk.present(TOKEN).await, 401, "invalid_token");
    assert_eq!(desk.present("another").await.status(), 201);
    desk.issuer.set(Told::Json(active(&json!({ "jti": "one" }))));
    assert_eq!(desk.present("spelled-so").await.status(), 201);
    refused("the same under another spelling", &desk.present("spelled-otherwise").await, 401, "invalid_token");
    assert_eq!(desk.target.reached(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_a_revoked_token_is_refused_at_once() {
    let desk = Desk::open("").await;
    assert_eq!(desk.present(TOKEN).await.status(), 201);
    desk.issuer.set(Told::Json("{\"active\":false}".to_owned()));
    refused("revoked", &desk.present(TOKEN).await, 401, "invalid_token");
}

#[tokio::test(flavor = "multi_thread")]
async fn t14_strangers_cause_no_more_questions_than_their_rate_of_refusals() {
    let open = |text: String| {
        text.replace("policies/open-finance-brasil.toml", "policies/open.toml")
            .replace("writer = \"sandbox\"\n", "writer = \"sandbox\"\nstrangers_per_address_per_minute = 3\n")
    };
    let desk = Desk::with("", open).await;
    let stranger = desk.target.gate.world.third_party(None).expect("a client");
    desk.issuer.set(Told::Json("{\"active\":false}".to_owned()));
    let mut told = Vec::new();
    for guess in 0..6 {
        let mut request = registration("{}");
        request.headers_mut().insert("authorization", format!("Bearer guess-{guess}").parse().expect("a header"));
        let answer = stranger.send(desk.target.gate.address, Protocol::Http1, request).await.expect("an answer");
        told.push(answer.status().as_u16());
    }
    assert_eq!(told, [401, 401, 401, 429, 429, 429]);
    assert_eq!(desk.issuer.requests().len(), 3);
    desk.issuer.set(Told::Json(active(&json!({}))));
    assert_eq!(desk.present(TOKEN).await.status(), 201, "who shows a certificate is heard all the same");
}
