//! T7 and T16 on the gated path: what reaches the registration endpoint is made here, whatever came with the request.

use dcrgate::sandbox::third_party::{Protocol, registration};
use http::HeaderMap;
use http::header::{CONNECTION, HeaderName, HeaderValue};
use serde_json::json;

use crate::target::{Attacker, Target};

const MARK: &str = "of-the-client";

/// What a browser, a gateway or an attacker adds, and what an identity server might act on.
const STRANGE: &[&str] = &[
    "authorization",
    "cookie",
    "origin",
    "referer",
    "x-forwarded-for",
    "x-forwarded-user",
    "x-remote-user",
    "remote-user",
    "x-user-id",
    "x-tenant",
    "x-realm",
    "x-api-key",
    "x-csrf-token",
    "x-internal",
    "x-request-id",
    "x-http-method-override",
    "content-language",
    "content-location",
    "content-disposition",
    "if-none-match",
    "range",
    "prefer",
    "via",
    "via-proxy",
    "x_fapi_financial_id",
    "fapi-x",
    "dpop",
    "signature",
    "digest",
    "front-end-https",
    "x-original-url",
];

/// The names of everything that may travel or is ours.
fn expected(name: &str) -> bool {
    const OURS: &[&str] = &[
        "accept",
        "accept-language",
        "client-cert",
        "client-cert-chain",
        "content-length",
        "content-type",
        "dcr-decision-id",
        "dcr-organisation",
        "dcr-policy",
        "dcr-software-id",
        "forwarded",
        "host",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-client-cert-sha256",
        "x-client-cert-subject-dn",
        "x-client-cert-verified",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
    ];
    OURS.contains(&name) || name.starts_with("x-fapi-") || name.starts_with("x-client-cert-")
}

fn last_headers(target: &Target) -> HeaderMap {
    target.gate.world.identity_server.requests().last().expect("a request").headers().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn t7_a_registration_carries_no_header_that_is_not_on_the_list() {
    let target = Target::new().await;
    for (protocol, name) in [(Protocol::Http1, "one"), (Protocol::Http2, "two")] {
        let other = Attacker::new(&target.gate.world, name);
        let body = serde_json::to_vec(&target.gate.world.request(&other.software).expect("a request")).expect("JSON");
        let mut request = registration(body);
        for name in STRANGE {
            request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(MARK));
        }
        for name in ["accept-language", "x-fapi-customer-ip-address", "user-agent", "traceparent"] {
            request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static("first"));
            request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(MARK));
        }
        request.headers_mut().append("x-fapi-interaction-id", HeaderValue::from_static(MARK));
        let answer = other.client.send(target.gate.address, protocol, request).await.expect("an answer");
        assert_eq!(answer.status(), 201);
        assert_ne!(answer.headers()["x-fapi-interaction-id"], MARK);
        let headers = last_headers(&target);
        for (name, value) in &headers {
            assert!(expected(name.as_str()), "{name}: {value:?}");
            assert!(!value.to_str().expect("ASCII").contains(MARK), "{name}: {value:?}");
            assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
        }
        assert_eq!(headers["x-fapi-customer-ip-address"], "first");
        assert_eq!(headers["dcr-decision-id"], answer.headers()["dcr-decision-id"]);
    }
}

/// CVE-2025-48865 the other way round: what `Connection` names was meant for this hop (RFC 9110 §7.6.1).
#[tokio::test(flavor = "multi_thread")]
async fn t7_what_connection_names_goes_no_further_on_the_gated_path() {
    let target = Target::new().await;
    let mut request = registration(serde_json::to_vec(&target.request()).expect("JSON"));
    for name in ["x-fapi-customer-ip-address", "x-fapi-auth-date", "accept-language", "tracestate"] {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(MARK));
    }
    let named = "close, X-FAPI-Customer-IP-Address , tracestate,client-cert,content-type,x-forwarded-for";
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static(named));
    request.headers_mut().append(CONNECTION, HeaderValue::from_static("accept-language"));
    assert_eq!(target.send(request).await.status(), 201);
    let headers = last_headers(&target);
    assert_eq!(headers["x-fapi-auth-date"], MARK);
    for name in ["x-fapi-customer-ip-address", "accept-language", "tracestate", "connection"] {
        assert!(!headers.contains_key(name), "{name} travelled");
    }
    for name in ["client-cert", "content-type", "x-forwarded-for"] {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
}

/// A careless directory signs more than it should: a claim sets what the policy takes from it, and nothing beside.
#[tokio::test(flavor = "multi_thread")]
async fn t16_a_signed_statement_assigns_no_member_that_the_policy_does_not_take() {
    let target = Target::new().await;
    let members = [
        ("client_id", json!(MARK)),
        ("client_secret", json!(MARK)),
        ("registration_access_token", json!(MARK)),
        ("registration_client_uri", json!("https://evil.example/of-the-client")),
        ("redirect_uris", json!(["https://evil.example/of-the-client"])),
        ("jwks", json!({ "keys": [{ "kty": "oct", "k": MARK }] })),
        ("scope", json!("admin of-the-client")),
        ("grant_types", json!(["password", MARK])),
        ("token_endpoint_auth_method", json!("none")),
        ("backchannel_logout_uri", json!("https://evil.example/of-the-client")),
        ("skip_consent", json!(true)),
        ("admin", json!(MARK)),
        ("__proto__", json!({ "admin": MARK })),
    ];
    let request = target.stated(|draft| {
        let draft = members.iter().fold(draft, |draft, (name, value)| draft.claim(name, value.clone()));
        draft.claim("software_client_name", "as the directory has it")
    });
    assert_eq!(target.submit(&request).await.status(), 201);
    let mut forwarded = target.forwarded();
    assert_eq!(forwarded["client_name"], "as the directory has it");
    for name in ["redirect_uris", "scope", "grant_types", "token_endpoint_auth_method"] {
        assert_eq!(forwarded[name], request[name], "{name}");
    }
    forwarded.remove("software_statement");
    let text = serde_json::to_string(&forwarded).expect("JSON");
    assert!(!text.contains(MARK) && !forwarded.contains_key("skip_consent"), "{text}");
}
