//! T7 and T8: identities that nobody verified, and certificate text that would leave its line.

use bytes::Bytes;
use dcrgate::sandbox::identity_server::forwarded_certificate;
use dcrgate::sandbox::subject::Subject;
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::sandbox::{KeyKind, Validity};
use dcrgate::store::{Filter, Reader};
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

/// What the products of the field write, whole families of it; `NAMES` holds those that are spelled out.
const FAMILIES: &[(&str, &[&str])] = &[
    ("x-ssl", &["", "-client-verify", "-client-sha1", "-client-dn", "-client-cn", "-issuer", "-client-der"]),
    ("x-ssl-client", &["-notbefore", "-notafter", "-serial"]),
    ("x-ssl-cert", &["", "-chain-0", "-chain-4"]),
    ("ssl-client", &["-escaped-cert", "-raw-cert", "-fingerprint", "-serial", "-s-dn", "-i-dn"]),
    ("x-client-cert", &["-serial", "-issuer-dn", "-fingerprint"]),
    ("x-amzn-mtls-clientcert", &["-subject", "-issuer", "-serial-number", "-validity"]),
    ("x-forwarded", &["-mtls-client-cert", "-ssl", "-user", "-email", "-groups", "-prefix", "-port", "-server"]),
    ("x-forwarded-tls-client-cert", &["", "-info"]),
    ("cf-client-cert", &["-der-base64", "-verified"]),
    ("client-to-edge", &[""]),
    ("dcr", &["-software", "-client", "-anything"]),
    ("x-original", &["-url", "-uri", "-method"]),
    ("x-rewrite-url", &[""]),
    ("x-http-method", &["", "-override"]),
    ("x-real-ip", &[""]),
    ("true-client-ip", &[""]),
];

/// CVE-2026-46579 (a family half stripped), CVE-2025-64484 and GHSA-5m6w-wvh7-57vm (`_`, `.` and case for `-`).
#[tokio::test(flavor = "multi_thread")]
async fn t7_every_family_in_every_spelling() {
    let target = Target::new().await;
    let family = FAMILIES.iter().flat_map(|(start, ends)| ends.iter().map(move |end| format!("{start}{end}")));
    // Of one connection and no identity: removed as it is spelled in RFC 9110.
    let spelled_out = NAMES.iter().filter(|name| **name != "proxy-authorization");
    let names: Vec<String> = family.chain(spelled_out.map(|name| (*name).to_owned())).collect();
    let mixed = |name: &str| {
        let pair = |(at, letter): (usize, char)| if at % 2 == 0 { letter.to_ascii_uppercase() } else { letter };
        name.chars().enumerate().map(pair).collect::<String>()
    };
    let spellings = names.iter().flat_map(|name| {
        [name.clone(), name.replace('-', "_"), name.replace('-', "."), name.to_uppercase(), mixed(name)]
    });
    let spellings: Vec<String> = spellings.collect();
    for (at, some) in spellings.chunks(50).enumerate() {
        let fields: String = some.iter().map(|name| format!("{name}: {FORGERY}\r\n")).collect();
        let head =
            format!("GET /echo?{at} HTTP/1.1\r\nhost: localhost\r\n{fields}accept: */*\r\nconnection: close\r\n\r\n");
        let answer = target.throw(head).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let requests = target.gate.world.identity_server.requests();
        let sent = requests.last().expect("a request");
        assert_eq!(sent.uri().query(), Some(at.to_string().as_str()));
        assert_eq!(sent.headers()["accept"], "*/*", "what is harmless travels");
        is_clean("spellings", sent.headers());
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
    let mut request = registration(serde_json::to_vec(&target.request()).expect("JSON"));
    let named = "client-cert, client-cert-chain, dcr-decision-id, content-type, content-length, host, x-forwarded-for";
    request.headers_mut().insert(CONNECTION, HeaderValue::from_static(named));
    assert_eq!(target.send(request).await.status(), 201);
    let requests = target.gate.world.identity_server.requests();
    let headers = requests.last().expect("a request").headers();
    is_clean("connection of a registration", headers);
    for name in ["client-cert-chain", "dcr-decision-id", "content-type", "content-length", "host"] {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
}

/// The same texts where a registration is decided and recorded: admitted with one clean line, or refused, never a fault.
#[tokio::test(flavor = "multi_thread")]
async fn t8_certificate_text_is_recorded_as_text() {
    let target = Target::new().await;
    let long = "n".repeat(20_000);
    for (at, text) in [
        "CN=x\r\nclient-cert: :AA==:",
        "\";Subject=\"CN=evil\";URI=x",
        "a\0b",
        "\u{1b}[2J\u{7}",
        "{\"outcome\":\"admitted\"}\n{",
        "\u{202e}\u{2066}evil\u{200b}",
        "+UID=00000000-0000-4000-8000-000000000000",
        "#1303414243",
        " ",
        &long,
    ]
    .into_iter()
    .enumerate()
    {
        let software = target.gate.world.enrol(&format!("text {at}"));
        let mut subject = Subject::transport(&software);
        for attribute in &mut subject.0 {
            if attribute.value == software.host || attribute.value == software.organisation.name {
                attribute.value = text.to_owned();
            }
        }
        let validity = Validity::current(target.gate.world.now());
        let identity = target.gate.world.clients.client(&subject, &software.host, KeyKind::Ecdsa, &validity);
        let client = target.gate.world.third_party(Some(&identity.expect("a certificate"))).expect("a client");
        let body = serde_json::to_vec(&target.gate.world.request(&software).expect("a request")).expect("JSON");
        let answer = client.register(target.gate.address, body).await.expect("an answer");
        let registered = target.gate.world.identity_server.registrations_of(&software);
        let status = answer.status().as_u16();
        assert!(status == 201 || (400..500).contains(&status), "{text:.20}: {status}");
        assert_eq!(registered.len(), usize::from(status == 201), "{text:.20}: {status}");
        for sent in &registered {
            is_clean("certificate text", sent.headers());
            let dn = sent.headers()["x-client-cert-subject-dn"].to_str().expect("printable ASCII");
            assert_eq!(dn.matches(&format!("UID={}", software.id)).count(), 1, "{dn}");
        }
        let told = answer.headers()["dcr-decision-id"].to_str().expect("text").to_owned();
        let everything = Filter { outcome: None, since: None, limit: 100 };
        let decisions = Reader::open(&target.gate.database()).expect("a ledger").decisions(&everything);
        let decisions = decisions.expect("decisions");
        let decision = decisions.iter().find(|decision| decision.id.to_string() == told).expect("a record");
        for entry in [&decision.opened, &decision.ended].into_iter().flatten() {
            let body = String::from_utf8(entry.body.clone()).expect("UTF-8");
            let _: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&body).expect("one JSON object");
            let bidi = |letter: char| matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            assert!(!body.contains(|letter: char| letter.is_control() || bidi(letter)), "{text:.20}: {body}");
        }
    }
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
