//! Mobile applications: every instance becomes a client of its own.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use dcrgate::model::digest::Digest;
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::sandbox::{ThirdParty, World};
use http::{Request, Response};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::bank::{Bank, ISSUER, Upstream, members, text};
use crate::browser::{Browser, Landed};
use crate::programs::{self, IdentityServer, Missing, or_skip};

/// What the bank knows of its application.
const TEMPLATES: &str = r#"
[policies.mobile.params.templates]
"com.example.app" = { name = "Example", schemes = ["com.example.app"], hosts = [], scopes = ["openid", "accounts"] }
"#;

/// Pages, tokens and keys of the identity server pass; tokens for registrations are its own, signed.
const MORE: &str = r#"
[[routes]]
path = "/auth/*"
kind = "proxy"
upstream = "identity-server"

[[routes]]
path = "/interaction/*"
kind = "proxy"
upstream = "identity-server"

[[routes]]
path = "/token"
kind = "proxy"
upstream = "identity-server"

[key_sets.idp]
file = "idp.jwks"

[tokens.idp]
key_set = "idp"
issuer = "https://localhost"
audience = ["https://localhost/register"]
algorithms = ["PS256"]
scope = "dcr:mobile"
"#;

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters";

async fn bank() -> Result<Bank, Missing> {
    let settings = json!({
        "issuer": ISSUER,
        "interactions": true,
        "resource": { "audience": format!("{ISSUER}/register"), "scope": "dcr:mobile" },
        "clients": [{
            "client_id": "app",
            "application_type": "native",
            "redirect_uris": ["com.example.app:/callback"],
            "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
        }],
    });
    let server = IdentityServer::start(&settings.to_string(), None)?;
    let keys = server.get("/jwks");
    let upstream = Upstream {
        profile: "oidc-provider",
        headers: "{ certificate = \"none\" }",
        to: "/reg",
        policy: "mobile",
        settings: TEMPLATES,
        route: "initial_access_token = \"required\"\ntokens = \"idp\"\n",
        more: MORE,
    };
    let write = |world: &World| std::fs::write(world.path("idp.jwks"), &keys).expect("written");
    Ok(Bank::with_files(server, &upstream, write).await)
}

/// What an instance says of itself.
fn instance() -> Value {
    json!({
        "software_id": "com.example.app",
        "application_type": "native",
        "redirect_uris": ["com.example.app:/callback"],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
    })
}

/// The authorization request of a client (RFC 6749 §4.1.1, RFC 7636 §4.3).
fn authorization(client_id: &str, scope: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Digest::of(VERIFIER.as_bytes()).as_bytes());
    let query = Serializer::new(String::new())
        .extend_pairs([
            ("client_id", client_id),
            ("response_type", "code"),
            ("scope", scope),
            ("redirect_uri", "com.example.app:/callback"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("state", "of the application"),
        ])
        .finish();
    format!("/auth?{query}")
}

/// The code that an application was handed.
fn code(landed: Landed) -> String {
    let Landed::Away(url) = landed else { panic!("not back in the application") };
    assert_eq!((url.scheme(), url.path()), ("com.example.app", "/callback"), "{url}");
    let value = |name: &str| url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned());
    assert_eq!(value("state").as_deref(), Some("of the application"), "{url}");
    value("code").unwrap_or_else(|| panic!("no code: {url}"))
}

async fn token(bank: &Bank, client_id: &str, secret: Option<&str>, code: &str) -> Response<Bytes> {
    let form = Serializer::new(String::new())
        .extend_pairs([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", "com.example.app:/callback"),
            ("code_verifier", VERIFIER),
        ])
        .extend_pairs(secret.is_none().then_some(("client_id", client_id)))
        .finish();
    let mut request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
    if let Some(secret) = secret {
        let pair = STANDARD.encode(format!("{client_id}:{secret}"));
        request = request.header("authorization", format!("Basic {pair}"));
    }
    bank.send(request.body(Bytes::from(form)).expect("a request")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn mobile_with_user_login() {
    let bank = or_skip!(bank().await);
    let phone = bank.gate.world.third_party(None).expect("a client without a certificate");
    let mut browser = Browser::at(ISSUER, &phone, bank.gate.address);

    // The user signs in at the identity server's own pages, through the proxy.
    let Landed::Page(page) = browser.open(&authorization("app", "openid dcr:mobile")).await else { panic!("no page") };
    let Landed::Page(page) = browser.submit(&page, &[("login", "user"), ("password", "secret")]).await else {
        panic!("no consent was asked for")
    };
    let code_of_app = code(browser.submit(&page, &[]).await);
    let answer = token(&bank, "app", None, &code_of_app).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let tokens = members(&answer);
    assert_eq!(text(&tokens, "scope"), "dcr:mobile");
    let bearer = format!("Bearer {}", text(&tokens, "access_token"));

    // With the token, and no certificate, the instance registers; with anything else it does not.
    let without = register(&bank, &phone, &instance(), None).await;
    assert_eq!(without.status(), 401, "{without:?}");
    assert!(challenge(&without).starts_with("Bearer") && !challenge(&without).contains("error"), "{without:?}");
    let registered = register(&bank, &phone, &instance(), Some(&bearer)).await;
    assert_eq!(registered.status(), 201, "{registered:?}");
    let registered = members(&registered);
    let (client_id, secret) = (text(&registered, "client_id"), text(&registered, "client_secret"));
    assert_eq!(text(&registered, "client_name"), "Example");

    // A lost answer can be had again; another registration cannot: one sign-in, one instance.
    let repeated = register(&bank, &phone, &instance(), Some(&bearer)).await;
    assert_eq!(members(&repeated), registered, "{repeated:?}");
    let mut other = instance();
    other["scope"] = json!("openid");
    let again = register(&bank, &phone, &other, Some(&bearer)).await;
    assert_eq!(again.status(), 401, "{again:?}");
    assert!(challenge(&again).contains("error=\"invalid_token\""), "{again:?}");
    assert_eq!(bank.last_record()["outcome"], "rejected");

    // The user is known already, so the instance's own first sign-in asks for consent alone.
    let Landed::Page(page) = browser.open(&authorization(client_id, "openid")).await else { panic!("no page") };
    assert!(!page.contains("name=\"password\""), "{page}");
    let code_of_instance = code(browser.submit(&page, &[]).await);
    let answer = token(&bank, client_id, Some(secret), &code_of_instance).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(members(&answer).contains_key("id_token"), "{answer:?}");
}

async fn register(bank: &Bank, phone: &ThirdParty, metadata: &Value, authorization: Option<&str>) -> Response<Bytes> {
    let mut request = registration(metadata.to_string());
    if let Some(value) = authorization {
        request.headers_mut().insert("authorization", value.parse().expect("a header value"));
    }
    phone.send(bank.gate.address, Protocol::Http1, request).await.expect("an answer")
}

fn challenge(answer: &Response<Bytes>) -> String {
    let value = answer.headers().get("www-authenticate");
    value.map_or_else(String::new, |value| value.to_str().expect("text").to_owned())
}
