//! T1, T3, T11 for signed requests: what is admitted, and the forms and payloads that are not read.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use dcrgate::audit::view;
use dcrgate::model::digest::Digest;
use dcrgate::model::id::DecisionId;
use dcrgate::sandbox::Software;
use dcrgate::sandbox::statement::{Signature, sign};
use dcrgate::sandbox::third_party::{Protocol, registration, signed_registration};
use dcrgate::store::Reader;
use http::Response;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use crate::gate::{self, Gate};
use crate::target::{Target, refused};

const POLICY: &str = r#"
id = "signed"
version = "1"
title = "Signed requests"
spec = "a test"

[params]
environment = ""
issuers = []
fetch_hosts = []

[checks.statement.signature]
algorithms = ["PS256"]

[checks.statement.issuer]
allow = { cel = "params.issuers" }

[checks.statement.age]
max_age = "5m"

[checks.certificate.software]
attribute = "uid"
claim = "software_id"

[checks.request.signature]
algorithms = ["PS256", "ES256"]
claim = "software_jwks_uri"
fetch_hosts = { cel = "params.fetch_hosts" }

[checks.request.claims]
issuer = "software_id"
audience = ["bank"]
max_lifetime = "10m"

[checks.metadata.members]
unknown = "refuse"

[checks.redirects.statement]
claim = "software_redirect_uris"

[forward]
unknown = "keep"
"#;

/// A gate whose policy wants signed requests.
pub(crate) async fn target() -> Target {
    let change = |text: String| text.replace("policies/open-finance-brasil.toml", "policies/signed.toml");
    let (home, world) = gate::world(change).await;
    std::fs::write(world.path("policies/signed.toml"), POLICY).expect("written");
    Target::of(Gate::over(home, world).await)
}

/// A good request of a software, which no other request equals.
pub(crate) fn claims_of(target: &Target, software: &Software) -> Map<String, Value> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let now = target.gate.world.now().unix_seconds();
    let mut claims = target.gate.world.request(software).expect("a request");
    let jti = format!("request-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    for (name, value) in [
        ("iss", json!(software.id)),
        ("aud", json!(["bank"])),
        ("iat", json!(now)),
        ("exp", json!(now + 300)),
        ("jti", json!(jti)),
    ] {
        claims.insert(name.to_owned(), value);
    }
    claims
}

pub(crate) fn claims(target: &Target) -> Map<String, Value> {
    claims_of(target, &target.attacker.software)
}

pub(crate) fn signed(target: &Target, claims: Map<String, Value>) -> String {
    target.gate.world.signed_request(claims, Signature::Ps256).expect("a token")
}

pub(crate) async fn post(target: &Target, token: impl Into<Bytes>) -> Response<Bytes> {
    target.send(signed_registration(token, "application/jose")).await
}

/// The ids that an answer names, in order.
pub(crate) fn rules(answer: &Response<Bytes>) -> Vec<String> {
    let json: Value = serde_json::from_slice(answer.body()).expect("JSON");
    let list = json["violations"].as_array().cloned().unwrap_or_default();
    list.iter().map(|violation| violation["rule"].as_str().unwrap_or_default().to_owned()).collect()
}

pub(crate) fn description(answer: &Response<Bytes>) -> String {
    let json: Value = serde_json::from_slice(answer.body()).expect("JSON");
    json["error_description"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn record(target: &Target, answer: &Response<Bytes>) -> Map<String, Value> {
    let id = answer.headers()["dcr-decision-id"].to_str().expect("text");
    let id = DecisionId::parse(id).expect("an id");
    let ledger = Reader::open(&target.gate.database()).expect("a ledger");
    view::join(&ledger.decision(id).expect("readable").expect("on record"))
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_signed_requests_are_admitted_forwarded_as_json_and_recorded() {
    let target = target().await;
    for (media_type, signature, kid, protocol) in [
        ("application/jose", Signature::Ps256, "software-sig", Protocol::Http1),
        ("application/jwt", Signature::Es256, "software-ec", Protocol::Http1),
        ("application/jwt", Signature::Ps256, "software-sig", Protocol::Http2),
        ("application/jose; charset=utf-16", Signature::Es256, "software-ec", Protocol::Http2),
    ] {
        let claims = claims(&target);
        let token = target.gate.world.signed_request(claims.clone(), signature).expect("a token");
        let request = signed_registration(token.clone(), media_type);
        let answer = target.attacker.client.send(target.gate.address, protocol, request).await.expect("an answer");
        assert_eq!(answer.status(), 201, "{media_type}: {}", String::from_utf8_lossy(answer.body()));

        let requests = target.gate.world.identity_server.requests();
        let sent = requests.last().expect("forwarded");
        assert_eq!(sent.headers()[CONTENT_TYPE], "application/json");
        let mut metadata = claims.clone();
        metadata.retain(|name, _| !["iss", "aud", "iat", "exp", "jti"].contains(&name.as_str()));
        assert_eq!(target.forwarded(), metadata, "nothing that the request says of itself travels");

        let record = record(&target, &answer);
        let request = &record["request"];
        assert_eq!(
            (&request["sha256"], &request["bytes"]),
            (&json!(Digest::of(token.as_bytes()).to_string()), &json!(token.len()))
        );
        let said = json!({
            "issuer": target.attacker.software.id, "kid": kid, "alg": signature.name(), "jti": claims["jti"],
            "iat": request["signed"]["iat"],
        });
        assert_eq!(request["signed"], said);
        assert!(request["signed"]["iat"].is_string());
        let steps: Vec<&str> = view::checks(&record).iter().filter_map(|step| step["id"].as_str()).collect();
        let gates = ["certificate.trusted", "statement.present", "statement.signature", "request.signature"];
        assert_eq!(steps.get(..4), Some(gates.as_slice()));
        let text = serde_json::to_string(&record).expect("JSON");
        assert!(!text.contains(token.rsplit('.').next().expect("a signature")), "no token is recorded");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_only_the_form_that_the_policy_wants_is_read() {
    let target = target().await;
    let good = signed(&target, claims(&target));
    let json = serde_json::to_vec(&claims(&target)).expect("JSON");
    let wanted = "the body has to be a signed request as application/jose or application/jwt, without a content coding";
    for (name, request) in [
        ("JSON", registration(json.clone())),
        ("a JWS as JSON", registration(good.clone())),
        ("JWS in JSON", signed_registration(good.clone(), "application/jose+json")),
        ("two types", signed_registration(good.clone(), "application/jose, application/jwt")),
    ] {
        let answer = target.send(request).await;
        refused(name, &answer, 415, "invalid_request");
        assert_eq!(description(&answer), wanted, "{name}");
        target.recorded(name, &answer);
    }
    let parts: Vec<&str> = good.split('.').collect();
    let flattened = json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] }).to_string();
    for (name, body, told) in [
        ("JSON under the wrong name", json, "in the JSON serialisation"),
        ("JSON serialisation", flattened.into_bytes(), "in the JSON serialisation"),
        ("nothing", Vec::new(), "does not have three parts"),
        ("two parts", format!("{}.{}", parts[0], parts[1]).into_bytes(), "does not have three parts"),
        ("encrypted", format!("{good}.AAAA.AAAA").into_bytes(), "is encrypted, not signed"),
        ("a line feed", format!("{good}\n").into_bytes(), "has a signature that is not base64url"),
        ("white space", format!(" {good}").into_bytes(), "has a header that is not base64url"),
        ("padding", format!("{good}=").into_bytes(), "has a signature that is not base64url"),
        ("not UTF-8", vec![0xff; 100], "does not have three parts"),
    ] {
        let answer = post(&target, body).await;
        refused(name, &answer, 400, "invalid_request");
        assert!(description(&answer).contains(told), "{name}: {}", description(&answer));
    }
    assert_eq!(target.reached(), 0);
}

/// CVE-2017-12635: what two parsers may read differently is refused, however well it is signed.
#[tokio::test(flavor = "multi_thread")]
async fn t1_the_payload_is_strict_json_within_64_kilobytes() {
    let target = target().await;
    let key = target.gate.world.directory.software_key();
    let header = json!({ "alg": "PS256", "kid": key.key_id() }).to_string();
    let raw = |payload: &[u8]| sign(&header, payload, key, Signature::Ps256).expect("a token");
    let good = serde_json::to_string(&claims(&target)).expect("JSON");
    let inner = good.strip_prefix('{').expect("an object");
    for (name, payload, told) in [
        ("a duplicate", format!("{{\"iss\":\"x\",{inner}"), "a JSON object has two members of the same name"),
        (
            "a duplicate behind an escape",
            format!("{{\"software\\u005fstatement\":\"x\",{inner}"),
            "a JSON object has two members of the same name",
        ),
        ("a list", format!("[{good}]"), "the JSON text is not an object"),
        ("a second document", format!("{good}{good}"), "something follows the JSON text"),
        ("a control character", format!("{{\"x\":\"\u{1}\",{inner}"), "not well-formed JSON"),
    ] {
        let answer = post(&target, raw(payload.as_bytes())).await;
        refused(name, &answer, 400, "invalid_request");
        assert_eq!(description(&answer), told, "{name}");
    }
    // Exactly as much as a body may have, and one byte more.
    let mut claims = claims(&target);
    claims.insert("client_name".to_owned(), json!(""));
    let padded = |bytes: usize| {
        let mut claims = claims.clone();
        claims.insert("contacts".to_owned(), json!(["a".repeat(20_000), "a".repeat(bytes)]));
        signed(&target, claims)
    };
    // Three bytes of payload are four letters.
    let short = 64 * 1024 - padded(0).len();
    let largest = (0..8).rev().map(|more| padded(short / 4 * 3 + more)).find(|token| token.len() <= 64 * 1024);
    let largest = largest.expect("a token that fits");
    assert!(largest.len() > 64 * 1024 - 4, "{}", largest.len());
    let answer = post(&target, largest).await;
    assert_eq!(answer.status(), 201, "{}", String::from_utf8_lossy(answer.body()));
    refused("64 KB and more", &post(&target, padded(short / 4 * 3 + 9)).await, 413, "invalid_request");
    assert_eq!(target.reached(), 1);
}
