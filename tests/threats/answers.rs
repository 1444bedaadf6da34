//! Every row at once: a refusal is told in fixed words, is on record as it was told, and nothing was forwarded.

use bytes::Bytes;
use dcrgate::audit::view;
use dcrgate::model::digest::Digest;
use dcrgate::model::id::DecisionId;
use dcrgate::sandbox::directory::KEYS_PATH;
use dcrgate::sandbox::statement::{Signature, SigningKey};
use dcrgate::sandbox::subject::Subject;
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::sandbox::{KeyKind, Validity};
use dcrgate::store::Reader;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use serde_json::{Map, Value, json};

use crate::target::{Attacker, Target, refused};

/// It stands in everything that the caller chooses, and in no answer.
const MARK: &str = "zqxmark";

struct Attack {
    row: &'static str,
    request: Request<Bytes>,
    status: u16,
    error: &'static str,
    /// The rule that refuses first; none where the form is refused.
    rule: &'static str,
}

/// One good request with a member of it replaced.
fn with(target: &Target, member: &str, value: Value) -> Request<Bytes> {
    let mut request = target.request();
    request.insert(member.to_owned(), value);
    marked(&request)
}

fn marked(request: &Map<String, Value>) -> Request<Bytes> {
    let mut request = request.clone();
    request.insert(MARK.to_owned(), MARK.into());
    of(serde_json::to_vec(&request).expect("JSON"))
}

fn of(body: impl Into<Bytes>) -> Request<Bytes> {
    let mut request = registration(body);
    *request.uri_mut() = "/register?zqxmark=zqxmark".parse().expect("a path");
    for name in ["user-agent", "x-fapi-interaction-id", "x-zqxmark", "client-cert", "authorization"] {
        request.headers_mut().insert(name, HeaderValue::from_static(MARK));
    }
    request
}

fn attacks(target: &Target) -> Vec<Attack> {
    let good = serde_json::to_string(&target.request()).expect("JSON");
    let twice = good.replacen('{', r#"{"zqxmark":1,"zqxmark":2,"#, 1);
    let mut text = of(good);
    text.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/zqxmark"));
    let own = SigningKey::generate("zqxmark").expect("a key");
    let draft = target.gate.world.statement(&target.attacker.software).header("jku", "https://zqxmark.example/");
    let forged = draft.sign(&own, Signature::Ps256).expect("a token");
    let stated = |claim: &str, value: Value| marked(&target.stated(|draft| draft.claim(claim, value)));
    let marked_uri = json!("https://zqxmark.example/");
    let form = |row, request, status| Attack { row, request, status, error: "invalid_request", rule: "" };
    let rule = |row, request, error, rule| Attack { row, request, status: 400, error, rule };
    vec![
        form("t1 a member twice", of(twice), 400),
        form("t2 depth", of(format!("{}\"zqxmark\"", "{\"zqxmark\":".repeat(5_000))), 400),
        form("t2 size", of(format!("{{\"zqxmark\":\"{}\"}}", MARK.repeat(20_000))), 413),
        form("t3 a media type", text, 415),
        form("t3 no JSON", of("zqxmark=zqxmark"), 400),
        rule("t11 a forgery", marked(&target.around(&forged)), "invalid_software_statement", "statement.signature"),
        rule("t11 no token", marked(&target.around(MARK)), "invalid_software_statement", "statement.signature"),
        rule("t12 a time", stated("iat", MARK.into()), "invalid_software_statement", "statement.age"),
        rule("t12 stale", stated("iat", json!(1)), "invalid_software_statement", "statement.age"),
        rule("t13 an issuer", stated("iss", MARK.into()), "invalid_software_statement", "statement.issuer"),
        rule(
            "t13 a software",
            stated("software_id", MARK.into()),
            "invalid_software_statement",
            "certificate.software",
        ),
        rule(
            "t13 an organisation",
            stated("org_id", MARK.into()),
            "invalid_software_statement",
            "ofb.certificate.organisation",
        ),
        rule(
            "t13 a status",
            stated("org_status", MARK.into()),
            "unapproved_software_statement",
            "ofb.organisation-active",
        ),
        rule(
            "t14 another address",
            with(target, "redirect_uris", json!([marked_uri])),
            "invalid_redirect_uri",
            "redirects.statement",
        ),
        rule(
            "t14 a script",
            with(target, "redirect_uris", json!(["javascript:zqxmark"])),
            "invalid_redirect_uri",
            "redirects.form",
        ),
        rule("t15 jwks_uri", with(target, "jwks_uri", marked_uri.clone()), "invalid_client_metadata", "keys.source"),
        rule(
            "t15 a key set elsewhere",
            stated("software_jwks_uri", marked_uri),
            "invalid_client_metadata",
            "keys.source",
        ),
        rule(
            "t16 jwks",
            with(target, "jwks", json!({ "keys": [{ "kty": "EC", "kid": MARK }] })),
            "invalid_client_metadata",
            "keys.source",
        ),
        rule("t16 a scope", with(target, "scope", "openid zqxmark".into()), "invalid_client_metadata", "ofb.scopes"),
        rule(
            "t16 a type",
            with(target, "contacts", json!({ MARK: MARK })),
            "invalid_client_metadata",
            "metadata.types",
        ),
    ]
}

fn record(target: &Target, answer: &Response<Bytes>) -> Map<String, Value> {
    let id = DecisionId::parse(answer.headers()["dcr-decision-id"].to_str().expect("text")).expect("an id");
    let ledger = Reader::open(&target.gate.database()).expect("a ledger");
    view::join(&ledger.decision(id).expect("readable").expect("a decision on record"))
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_to_t16_refusals_are_on_record_as_told_and_repeat_nothing_of_the_caller() {
    let target = Target::new().await;
    let inside = [
        target.gate.world.identity_server.address().to_string(),
        target.gate.world.directory.authority(),
        target.gate.world.path("data").display().to_string(),
    ];
    let certificate = Digest::of(target.attacker.identity.certificate()).to_string();
    for Attack { row, request, status, error, rule } in attacks(&target) {
        let sent = request.body().clone();
        for protocol in [Protocol::Http1, Protocol::Http2] {
            let client = &target.attacker.client;
            let answer = client.send(target.gate.address, protocol, request.clone()).await.expect("an answer");
            refused(row, &answer, status, error);
            let text = String::from_utf8(answer.body().to_vec()).expect("text");
            let whole = format!("{:?} {text}", answer.headers());
            assert!(!whole.to_ascii_lowercase().contains(MARK), "{row}: {whole}");
            assert!(inside.iter().all(|place| !whole.contains(place)), "{row}: {whole}");

            let record = record(&target, &answer);
            assert_eq!(view::text(&record, "outcome"), "rejected", "{row}");
            assert_eq!(view::text(&record, "response.error"), error, "{row}");
            assert_eq!(record["response"]["status"], status, "{row}");
            assert_eq!(record["response"]["forwarded"], false, "{row}");
            assert_eq!(view::text(&record, "tls.client.sha256"), certificate, "{row}");
            assert_eq!(view::refusing(&record).first().copied().unwrap_or_default(), rule, "{row}");
            // A body that was read is on record by its digest, never by its text.
            let digest = if status == 413 || status == 415 { String::new() } else { Digest::of(&sent).to_string() };
            assert_eq!(view::text(&record, "request.sha256"), digest, "{row}");
        }
    }
    assert_eq!(target.reached(), 0);
    assert_eq!(target.submit(&target.request()).await.status(), 201, "a good request is served afterwards");
}

/// Without a certificate, or with one of nobody's, the body is not even looked at.
#[tokio::test(flavor = "multi_thread")]
async fn t1_to_t16_of_a_stranger_are_all_the_same_refusal() {
    let target = Target::new().await;
    let own = Attacker::new(&target.gate.world, "stranger");
    let validity = Validity::current(target.gate.world.now());
    let subject = Subject::transport(&own.software);
    let namesake = target.gate.world.strangers.client(&subject, &own.software.host, KeyKind::Ecdsa, &validity);
    let namesake = target.gate.world.third_party(Some(&namesake.expect("a certificate"))).expect("a client");
    let nobody = target.gate.world.third_party(None).expect("a client");
    for (name, client) in [("a namesake", namesake), ("nobody", nobody)] {
        for Attack { row, request, .. } in attacks(&target).into_iter().filter(|attack| attack.row != "t2 size") {
            let answer = client.send(target.gate.address, Protocol::Http1, request).await.expect("an answer");
            refused(&format!("{row} by {name}"), &answer, 401, "invalid_client");
            let record = record(&target, &answer);
            assert_eq!(view::refusing(&record), ["certificate.trusted"], "{row} by {name}");
            assert_eq!(record["request"]["sha256"], Value::Null, "{row} by {name}: the body was not read");
        }
    }
    assert_eq!(target.reached(), 0);
    let directory = &target.gate.world.directory;
    // The proxy fetches them once as it starts; the unknown key of a forgery would be asked for once more.
    assert!(directory.fetches(KEYS_PATH) <= 1, "nobody's token causes a fetch");
    assert_eq!(directory.fetches(&target.attacker.software.keys_path()), 0);
}
