//! Metadata of the identity server (RFC 8414), as clients see it: our addresses, what policies admit, nothing inside.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use dcrgate::model::time::{Clock, SystemClock, Timestamp};
use http::{Request, Response};
use serde_json::{Value, json};

use crate::gate::{self, Gate};
use crate::server::{Server, ask, values};

const PATH: &str = "/.well-known/openid-configuration";

/// A clock that is moved by hand.
#[derive(Debug)]
struct Hand(AtomicI64);

impl Hand {
    fn now() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(SystemClock.now().unix_micros())))
    }

    fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst))
    }
}

fn proxy(path: &str) -> String {
    format!("\n[[routes]]\npath = \"{path}\"\nkind = \"proxy\"\nupstream = \"identity-server\"\n")
}

/// A discovery route besides the world's own routes, `/register`, `/token` and `/.well-known/*` among them.
async fn bank(keys: &str, more: &str) -> (Gate, Server, Arc<Hand>) {
    let (server, clock) = (Server::start().await, Hand::now());
    let upstream = server.address;
    let route = format!(
        "\n[[routes]]\npath = \"{PATH}\"\nkind = \"discovery\"\nupstream = \"identity-server\"\nto = \"{PATH}\"\n{keys}"
    );
    let gate = Gate::at(Arc::clone(&clock) as Arc<dyn Clock>, |text| {
        gate::before(upstream, &text) + &route + &proxy("/jwks") + more
    })
    .await;
    (gate, server, clock)
}

async fn get(gate: &Gate) -> Response<Bytes> {
    ask(gate, Request::get(PATH)).await
}

fn document(answer: &Response<Bytes>) -> Value {
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    assert_eq!(answer.headers()["content-type"], "application/json");
    serde_json::from_slice(answer.body()).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_ours_and_nothing_inside_is_told() {
    let (gate, server, _) = bank("", "").await;
    let inside = |path: &str| format!("http://{}{path}", server.address);
    let told = json!({
        "issuer": inside(""),
        "token_endpoint": inside("/token?tenant=a"),
        "jwks_uri": "https://localhost//jwks",
        "registration_endpoint": inside("/reg/"),
        "authorization_endpoint": inside("/authorize"),
        "introspection_endpoint": "https://localhost/introspect",
        "userinfo_endpoint": "https://users.bank.example/me",
        "end_session_endpoint": "http://localhost/token",
        "device_authorization_endpoint": "https://bank-idp:8443/device",
        "service_documentation": "https://idp.internal/docs",
        "op_policy_uri": "https://localhost/privacy",
        "acr_values_supported": ["https://localhost/acr/2", inside("/acr/3"), "urn:acr:4"],
        "signed_metadata": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
        "mtls_endpoint_aliases": { "token_endpoint": inside("/token"), "revocation_endpoint": inside("/revoke") },
        "claims_supported": [],
        "x_own": { "kept": [1, true, null, "ftp://10.0.0.1/x"], "gone": { "at": "https://10.0.0.1/x" } },
    });
    server.say(200, &[("content-type", "application/json")], told.to_string());
    let expected = json!({
        "issuer": inside(""),
        "token_endpoint": "https://localhost/token?tenant=a",
        "jwks_uri": "https://localhost/jwks",
        "registration_endpoint": "https://localhost/register",
        "userinfo_endpoint": "https://users.bank.example/me",
        "end_session_endpoint": "https://localhost/token",
        "op_policy_uri": "https://localhost/privacy",
        "acr_values_supported": ["https://localhost/acr/2", "urn:acr:4"],
        "mtls_endpoint_aliases": { "token_endpoint": "https://localhost/token" },
        "claims_supported": [],
        "x_own": { "kept": [1, true, null] },
    });
    assert_eq!(document(&get(&gate).await), expected);
    let asked = server.requests();
    let [asked] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((asked.method.as_str(), asked.uri.path()), ("GET", PATH));
    for (name, value) in [
        ("forwarded", "host=\"localhost\";proto=https"),
        ("x-forwarded-host", "localhost"),
        ("x-forwarded-proto", "https"),
        ("accept", "application/json"),
    ] {
        assert_eq!(values(&asked.headers, name), [value]);
    }
    assert!(!asked.headers.contains_key("x-forwarded-for") && !asked.headers.contains_key("client-cert"));
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_and_algorithms_are_those_that_policies_admit() {
    let (gate, server, _) = bank("", "").await;
    let told = json!({
        "issuer": "https://as.example",
        "registration_endpoint": "https://as.example/reg",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt", "tls_client_auth"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "HS256"],
        "request_object_signing_alg_values_supported": ["none", "PS256"],
        "userinfo_signing_alg_values_supported": ["HS512"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "id_token_encryption_alg_values_supported": ["RSA1_5", "RSA-OAEP"],
        "id_token_encryption_enc_values_supported": ["A128CBC-HS256", "A256GCM"],
    });
    server.say(200, &[], told.to_string());
    let expected = json!({
        "issuer": "https://as.example",
        "registration_endpoint": "https://localhost/register",
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "token_endpoint_auth_signing_alg_values_supported": ["PS256"],
        "request_object_signing_alg_values_supported": ["PS256"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "id_token_encryption_alg_values_supported": ["RSA-OAEP"],
        "id_token_encryption_enc_values_supported": ["A256GCM"],
    });
    assert_eq!(document(&get(&gate).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_is_named_where_it_is_gated_and_nowhere_else() {
    let second = "\n[[routes]]\npath = \"/clients\"\nkind = \"registration\"\nupstream = \"identity-server\"\n\
                  to = \"/second/reg\"\npolicy = \"open-finance-brasil\"\n";
    for (keys, more, named, expected) in [
        ("", "", Value::Null, json!("https://localhost/register")),
        ("", "", json!("http://idp.internal/second/reg"), Value::Null),
        ("", second, json!("http://idp.internal/second/reg"), json!("https://localhost/clients")),
        ("", second, json!("https://as.example//reg"), json!("https://localhost/register")),
        ("", second, Value::Null, Value::Null),
        ("registration = \"/clients\"\n", second, Value::Null, json!("https://localhost/clients")),
        ("registration = \"/clients\"\n", second, json!("https://x.example/r"), json!("https://localhost/clients")),
    ] {
        let (gate, server, _) = bank(keys, more).await;
        let mut told = json!({ "issuer": "https://as.example" });
        if !named.is_null() {
            told["registration_endpoint"] = named.clone();
        }
        server.say(200, &[], told.to_string());
        assert_eq!(document(&get(&gate).await)["registration_endpoint"], expected, "{keys}{more}{named}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_for_mutual_tls_stands_in_the_aliases() {
    let host = "\n[hosts.\"127.0.0.1\"]\npublic_base = \"https://mtls.bank.example\"\n";
    let elsewhere = "hosts = [\"localhost\"]\n";
    let more = format!("{}{}{elsewhere}{host}", proxy("/me"), proxy("/auth"));
    let (gate, server, _) = bank("mtls_host = \"127.0.0.1\"\n", &more).await;
    let told = json!({
        "issuer": "https://as.example",
        "authorization_endpoint": "https://as.example/me",
        "token_endpoint": "https://as.example/token",
        "userinfo_endpoint": "http://idp.internal/me",
        "pushed_authorization_request_endpoint": "http://idp.internal/auth",
        "revocation_endpoint": "https://revoke.example/token",
    });
    server.say(200, &[], told.to_string());
    let document = document(&get(&gate).await);
    assert_eq!(
        document["mtls_endpoint_aliases"],
        json!({
            "token_endpoint": "https://mtls.bank.example/token",
            "userinfo_endpoint": "https://mtls.bank.example/me",
            "registration_endpoint": "https://mtls.bank.example/register",
        })
    );
    assert_eq!(document["token_endpoint"], "https://as.example/token", "public, and the identity server's own word");
    assert_eq!(document["userinfo_endpoint"], "https://localhost/me", "where it was asked for");
    assert_eq!(document["pushed_authorization_request_endpoint"], "https://localhost/auth");
    assert_eq!(document["registration_endpoint"], "https://localhost/register");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_kept_for_a_while_and_told_by_its_tag() {
    let (gate, server, clock) = bank("max_age = \"1m\"\ncors = { origins = [\"*\"] }\n", "").await;
    server.say(200, &[], r#"{"issuer":"https://as.example","x":1}"#);
    let (first, second) = tokio::join!(get(&gate), get(&gate));
    assert_eq!(first.body(), second.body());
    assert_eq!(server.requests().len(), 1, "one fetch for both");
    let tag = first.headers()["etag"].to_str().expect("text").to_owned();
    assert!(tag.starts_with('"') && tag.len() == 45, "{tag}");
    assert_eq!(first.headers()["cache-control"], "public, max-age=60");
    assert_eq!(first.headers()["access-control-allow-origin"], "*");
    clock.pass(20);
    let head = ask(&gate, Request::head(PATH)).await;
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
    assert_eq!(values(head.headers(), "content-length"), [first.body().len().to_string()]);
    assert_eq!(head.headers()["cache-control"], "public, max-age=40");
    for (tags, status) in [
        (tag.clone(), 304),
        (format!("\"a\", W/{tag}"), 304),
        ("*".to_owned(), 304),
        ("\"a\"".to_owned(), 200),
        (tag.trim_matches('"').to_owned(), 200),
    ] {
        let answer = ask(&gate, Request::get(PATH).header("if-none-match", &tags)).await;
        assert_eq!(answer.status(), status, "{tags}");
        assert_eq!(answer.headers()["etag"], tag.as_str());
        assert_eq!(answer.body().is_empty(), status == 304);
        assert_eq!(answer.headers().contains_key("content-type"), status == 200);
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = ask(&gate, Request::builder().method(method).uri(PATH)).await;
        assert_eq!((answer.status().as_u16(), values(answer.headers(), "allow")), (405, vec!["GET, HEAD"]));
    }
    assert_eq!(server.requests().len(), 1);
    server.say(200, &[], r#"{"issuer":"https://as.example","x":2}"#);
    clock.pass(40);
    let changed = get(&gate).await;
    assert_eq!(document(&changed)["x"], 2);
    assert_ne!(changed.headers()["etag"], tag.as_str());
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_document_serves_for_a_limited_time() {
    let (gate, server, clock) = bank("max_age = \"1m\"\nmax_stale = \"10m\"\n", "").await;
    server.say(200, &[], r#"{"issuer":"https://as.example"}"#);
    document(&get(&gate).await);
    server.say(503, &[], "");
    clock.pass(60);
    for _ in 0..3 {
        let old = get(&gate).await;
        assert_eq!(document(&old)["issuer"], "https://as.example");
        assert_eq!(old.headers()["cache-control"], "public, max-age=0");
    }
    assert_eq!(server.requests().len(), 2, "a server that fails is left alone for a while");
    clock.pass(5);
    get(&gate).await;
    assert_eq!(server.requests().len(), 3);
    clock.pass(540);
    let gone = get(&gate).await;
    assert_eq!((gone.status().as_u16(), values(gone.headers(), "retry-after")), (503, vec!["5"]));
    assert_eq!(gone.headers()["cache-control"], "no-store");
    let told: Value = serde_json::from_slice(gone.body()).expect("JSON");
    assert_eq!(
        told,
        json!({
            "error": "temporarily_unavailable",
            "error_description": "the identity server's metadata cannot be had: repeat the request later",
        })
    );
    server.say(200, &[], r#"{"issuer":"https://back.example"}"#);
    clock.pass(5);
    assert_eq!(document(&get(&gate).await)["issuer"], "https://back.example");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_metadata_is_not_told() {
    let (gate, server, clock) = bank("", "").await;
    let large = format!(r#"{{"issuer":"https://as.example","x":"{}"}}"#, "x".repeat(300_000));
    for (status, body, expected) in [
        (200, "<html>", 502),
        (200, r#"{"token_endpoint":"https://as.example/token"}"#, 502),
        (200, r#"{"issuer":1}"#, 502),
        (200, r#"{"issuer":"https://as.example","issuer":"https://evil.example"}"#, 502),
        (200, large.as_str(), 502),
        (404, r#"{"issuer":"https://as.example"}"#, 502),
        (302, r#"{"issuer":"https://as.example"}"#, 502),
        (500, r#"{"issuer":"https://as.example"}"#, 503),
    ] {
        server.say(status, &[("location", "https://evil.example/")], body);
        let answer = get(&gate).await;
        let shown: String = body.chars().take(60).collect();
        assert_eq!(answer.status(), expected, "{status} {shown}");
        assert!(!answer.headers().contains_key("location"));
        let told = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(!told.contains("example") && !told.contains("127.0.0.1"), "{told}");
        clock.pass(5);
    }
    assert_eq!(server.requests().len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_path_shows_the_document_as_it_is() {
    let (gate, server, _) = bank("", "").await;
    server.say(200, &[], format!(r#"{{"issuer":"https://as.example","x":"http://{}/"}}"#, server.address));
    for path in ["/.well-known/openid%2Dconfiguration", "/.well-known/OpenID-Configuration", &format!("{PATH}/x")] {
        assert_eq!(ask(&gate, Request::get(path)).await.status(), 404, "{path}");
    }
    assert_eq!(server.requests().len(), 0);
    let slash = ask(&gate, Request::get(format!("{PATH}/"))).await;
    assert_eq!(
        document(&slash),
        json!({ "issuer": "https://as.example", "registration_endpoint": "https://localhost/register" })
    );
    assert_eq!(ask(&gate, Request::get("/.well-known/jwks.json")).await.status(), 200, "others pass as before");
}
