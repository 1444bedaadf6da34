//! T7 and T8: identities that nobody verified, and certificate text that would leave its line.

use bytes::Bytes;
use dcrgate::sandbox::identity_server::forwarded_certificate;
use dcrgate::sandbox::subject::Subject;
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::sandbox::{KeyKind, Validity};
use http::header::{CONNECTION, HeaderName};
use http::{HeaderMap, HeaderValue, Request};

use crate::target::{Attacker, Target};

/// What servers and gateways of the field read (CVE-2025-64484, GHSA-5m6w-wvh7-57vm: also with `_`).
const NAMES: &[&str] = &[
    "client-cert",
    "client_cert",
    "client.cert",
    "client-cert-chain",
    "x-forwarded-client-cert",
    "x_forwarded_client_cert",
    "ssl-client-cert",
    "ssl_client_cert",
    "ssl-client-verify",
    "ssl-client-subject-dn",
    "ssl-client-issuer-dn",
    "x-ssl-client-dn",
    "x-ssl-client-verify",
    "x-ssl-cert",
    "x-ssl-cert-chain-0",
    "x-client-cert",
    "x-client-cert-verified",
    "x-client-cert-sha256",
    "x-client-cert-subject-dn",
    "x-client-ssl-cert",
    "x-clientcert",
    "x-arr-clientcert",
    "x-amzn-mtls-clientcert",
    "x-amzn-mtls-clientcert-leaf",
    "x-forwarded-tls-client-cert",
    "x-forwarded-tls-client-cert-info",
    "x-wso2-mutual-auth-cert",
    "x-gravitee-client-cert",
    "dcr-decision-id",
    "dcr-organisation",
    "dcr-software-id",
    "dcr_policy",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "forwarded",
    "x-real-ip",
    "proxy-authorization",
];

const FORGERY: &str = "forged-by-the-client";

fn forge(headers: &mut HeaderMap) {
    for name in NAMES {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(FORGERY));
    }
    // And some of them twice; all twice would be more fields than a request may have.
    for name in NAMES.iter().take(10) {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(FORGERY));
    }
}

fn is_clean(name: &str, headers: &HeaderMap) {
    let forged: Vec<_> = headers.iter().filter(|(_, value)| value.as_bytes() == FORGERY.as_bytes()).collect();
    assert!(forged.is_empty(), "{name}: {forged:?}");
    for own in
        ["client-cert", "x-client-cert-verified", "x-client-cert-sha256", "x-client-cert-subject-dn", "x-forwarded-for"]
    {
        assert_eq!(headers.get_all(own).iter().count(), 1, "{name}: {own}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t7_identity_headers_come_from_tls_alone() {
    let target = Target::new().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let other = Attacker::new(&target.gate.world, if protocol == Protocol::Http1 { "one" } else { "two" });
        let body = serde_json::to_vec(&target.gate.world.request(&other.software).expect("a request")).expect("JSON");
        let mut request = registration(body);
        forge(request.headers_mut());
        let answer = other.client.send(target.gate.address, protocol, request).await.expect("an answer");
        assert_eq!(answer.status(), 201);
        let mut request = Request::get("/echo").body(Bytes::new()).expect("a request");
        forge(request.headers_mut());
        let answer = other.client.send(target.gate.address, protocol, request).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        for sent in target.gate.world.identity_server.requests().iter().rev().take(2) {
            is_clean(sent.uri().path(), sent.headers());
            assert_eq!(forwarded_certificate(sent.headers()).as_deref(), Some(other.identity.certificate()));
            assert_eq!(sent.headers()["x-forwarded-host"], "localhost");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t7_without_a_certificate_there_is_no_identity() {
    let target = Target::new().await;
    let stranger = target.gate.world.third_party(None).expect("a client");
    let mut request = Request::get("/echo").body(Bytes::new()).expect("a request");
    forge(request.headers_mut());
    let answer = stranger.send(target.gate.address, Protocol::Http1, request).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let requests = target.gate.world.identity_server.requests();
    let headers = requests.last().expect("a request").headers();
    assert!(headers.values().all(|value| value.as_bytes() != FORGERY.as_bytes()));
    assert!(headers.keys().all(|name| !name.as_str().contains("cert")), "{headers:?}");
}

/// CVE-2025-48865: `Connection` names the proxy's own header, and the next hop drops it.
#[tokio::test(flavor = "multi_thread")]
async fn t7_connection_cannot_take_our_headers_away() {
    let target = Target::new().await;
    let mut request = Request::get("/echo").body(Bytes::new()).expect("a request");
    let named = "close, client-cert, x-client-cert-verified, x-forwarded-for, x-fapi-customer";
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static(named));
    request.headers_mut().insert("x-fapi-customer", HeaderValue::from_static("1"));
    assert_eq!(target.send(request).await.status(), 200);
    let requests = target.gate.world.identity_server.requests();
    let headers = requests.last().expect("a request").headers();
    is_clean("connection", headers);
    assert!(!headers.contains_key("x-fapi-customer") && !headers.contains_key(CONNECTION));
}

#[tokio::test(flavor = "multi_thread")]
async fn t8_certificate_text_cannot_leave_its_header() {
    let target = Target::new().await;
    let long = "n".repeat(20_000);
    for text in [
        "a\r\nx-admin: true",
        "a\nb",
        "a\";Hash=evil;Subject=\"",
        "a,b=c+d\\",
        "\0",
        "\u{1b}[31mred",
        "caf\u{e9} \u{202e}",
        &long,
    ] {
        let software = target.gate.world.enrol("texts");
        let mut subject = Subject::transport(&software);
        for attribute in subject.0.iter_mut().filter(|attribute| attribute.value == software.host) {
            attribute.value = text.to_owned();
        }
        let validity = Validity::current(target.gate.world.now());
        let identity = target.gate.world.clients.client(&subject, &software.host, KeyKind::Ecdsa, &validity);
        let client = target.gate.world.third_party(Some(&identity.expect("a certificate"))).expect("a client");
        let before = target.reached();
        let request = Request::get("/echo").body(Bytes::new()).expect("a request");
        let answer = client.send(target.gate.address, Protocol::Http1, request).await.expect("an answer");
        assert!(answer.status() == 200 || answer.status() == 400, "{text:.20}: {}", answer.status());
        assert_eq!(answer.status() == 400, text.len() > 10_000, "only what does not fit is refused");
        for sent in &target.gate.world.identity_server.requests()[before..] {
            assert!(!sent.headers().contains_key("x-admin"));
            let dn = sent.headers()["x-client-cert-subject-dn"].as_bytes();
            assert!(dn.iter().all(|byte| (0x20..0x7f).contains(byte)), "{text}");
        }
    }
}
