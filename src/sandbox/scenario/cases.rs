//! The cases, as data: admitted first, then refused in the order in which a proxy looks.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::{Case, Change, Expected, Observed, Proof};
use crate::sandbox::identity_server::forwarded_certificate;
use crate::sandbox::statement::{Signature, SigningKey};
use crate::sandbox::subject::Subject;
use crate::sandbox::third_party::Protocol;
use crate::sandbox::{KeyKind, Organisation, Software, Validity, world};

const ADMITTED: Expected = Expected { status: 201, error: None, rule: None, forwarded: 1 };

const fn refused(status: u16, error: &'static str, rule: &'static str) -> Expected {
    Expected { status, error: Some(error), rule: Some(rule), forwarded: 0 }
}

const fn case(name: &'static str, sent: &'static str, change: Change, expected: Expected) -> Case {
    Case { name, sent, expected, change, proof: None }
}

impl Case {
    const fn proving(mut self, claim: &'static str, holds: fn(&Observed<'_>) -> bool) -> Self {
        self.proof = Some(Proof { claim, holds });
        self
    }
}

/// Every case.
pub const CASES: &[Case] = &[
    case(
        "good",
        "a good request, RSA certificate",
        Change::Certificate(|world, software| world.transport(software, KeyKind::Rsa).map(Some)),
        ADMITTED,
    ),
    case("http2", "a good request over HTTP/2, ECDSA certificate", Change::Protocol(Protocol::Http2), ADMITTED),
    case(
        "without scope",
        "a good request without scope",
        Change::Metadata(|members| drop(members.remove("scope"))),
        ADMITTED,
    )
    .proving("every scope of the active roles is granted", |observed| {
        let granted = last_member(observed, "scope");
        let granted: Vec<&str> = granted.as_str().unwrap_or_default().split(' ').collect();
        ["openid", "accounts", "payments"].iter().all(|scope| granted.contains(scope))
    }),
    case("forged header", "a good request with a forged Client-Cert header", Change::Headers(FORGED), ADMITTED)
        .proving("the identity server sees the true certificate only", |observed| {
            observed.forwarded.iter().all(|request| {
                let forged = request.headers().values().any(|value| value.as_bytes() == FORGERY.as_bytes());
                !forged && forwarded_certificate(request.headers()).as_deref() == Some(observed.certificate)
            })
        }),
    case("same request", "the same request again", Change::RequestAgain, ADMITTED).proving(
        "both answers are the same",
        |observed| matches!(observed.answers, [first, second] if first.body() == second.body()),
    ),
    case(
        "no certificate",
        "no client certificate",
        Change::Certificate(|_, _| Ok(None)),
        refused(401, "invalid_client", "certificate.trusted"),
    ),
    case(
        "unknown authority",
        "a certificate of an unknown authority",
        Change::Certificate(|world, software| {
            let validity = Validity::current(world.now());
            world.strangers.client(&Subject::transport(software), &software.host, KeyKind::Ecdsa, &validity).map(Some)
        }),
        refused(401, "invalid_client", "certificate.trusted"),
    ),
    case(
        "expired certificate",
        "an expired certificate",
        Change::Certificate(|world, software| {
            let validity = Validity::expired(world.now());
            world.clients.client(&Subject::transport(software), &software.host, KeyKind::Ecdsa, &validity).map(Some)
        }),
        refused(401, "invalid_client", "certificate.trusted"),
    ),
    case(
        world::REVOKED,
        "a revoked certificate",
        Change::Certificate(|world, _| Ok(Some(world.revoked.clone()))),
        refused(401, "invalid_client", "certificate.trusted"),
    ),
    case(
        "duplicate member",
        "a body with redirect_uris twice",
        Change::Body(|body| body.replacen('{', r#"{"redirect_uris":["https://evil.example/cb"],"#, 1)),
        Expected { status: 400, error: Some("invalid_request"), rule: None, forwarded: 0 },
    ),
    case(
        "unsigned statement",
        "a statement without a signature (alg none)",
        Change::Signature(|draft, world| draft.sign(world.directory.signer(), Signature::Unsigned)),
        refused(400, "invalid_software_statement", "statement.signature"),
    ),
    case(
        "strange signer",
        "a statement signed by somebody else",
        Change::Signature(|draft, world| {
            let signer = SigningKey::generate(world.directory.signer().key_id())?;
            draft.sign(&signer, Signature::Ps256)
        }),
        refused(400, "invalid_software_statement", "statement.signature"),
    ),
    case(
        "stale statement",
        "a statement of ten minutes ago",
        Change::Statement(|draft, now| draft.issued_at(now.minus(10 * MINUTE))),
        refused(400, "invalid_software_statement", "statement.age"),
    ),
    case(
        "future statement",
        "a statement of ten minutes ahead",
        Change::Statement(|draft, now| draft.issued_at(now.plus(10 * MINUTE))),
        refused(400, "invalid_software_statement", "statement.age"),
    ),
    case(
        "other software",
        "the certificate of another software",
        Change::Certificate(|world, software| {
            let other = Software { id: Software::named("another", &world.organisation).id, ..software.clone() };
            world.transport(&other, KeyKind::Ecdsa).map(Some)
        }),
        refused(400, "invalid_software_statement", "certificate.software"),
    ),
    case(
        "other organisation",
        "the certificate of another organisation",
        Change::Certificate(|world, software| {
            let organisation = Organisation::named("Outra Instituicao S.A.");
            world.transport(&Software { organisation, ..software.clone() }, KeyKind::Ecdsa).map(Some)
        }),
        refused(400, "invalid_software_statement", "ofb.certificate.organisation"),
    ),
    case(
        "inactive organisation",
        "a statement of an inactive organisation",
        Change::Statement(|draft, _| draft.claim("org_status", "Inactive")),
        refused(400, "unapproved_software_statement", "ofb.organisation-active"),
    ),
    case(
        "foreign redirect",
        "a redirect URI that is not in the statement",
        Change::Metadata(|members| {
            if let Some(Value::Array(uris)) = members.get_mut("redirect_uris") {
                uris.push("https://evil.example/cb".into());
            }
        }),
        refused(400, "invalid_redirect_uri", "redirects.statement"),
    ),
    case(
        "keys by value",
        "jwks by value",
        Change::Metadata(|members| drop(members.insert("jwks".to_owned(), json!({ "keys": [] })))),
        refused(400, "invalid_client_metadata", "keys.source"),
    ),
    case(
        "excess scope",
        "a scope that no active role allows",
        Change::Statement(|draft, _| {
            let role = json!({ "role": "DADOS", "authorisation_domain": "Open Banking", "status": "Active" });
            draft.claim("software_statement_roles", json!([role]))
        }),
        refused(400, "invalid_client_metadata", "ofb.scopes"),
    ),
    case(
        "registered twice",
        "a second registration of the same software",
        Change::SoftwareAgain,
        // The first of the two is admitted.
        Expected { forwarded: 1, ..refused(400, "invalid_client_metadata", "registration.duplicates") },
    ),
];

fn last_member(observed: &Observed<'_>, name: &str) -> Value {
    let body = |answer: &Response<Bytes>| serde_json::from_slice::<Value>(answer.body()).ok();
    observed.answers.last().and_then(body).and_then(|body| body.get(name).cloned()).unwrap_or_default()
}

/// Identity headers of several dialects, one spelled so that a server may read `_` as `-`.
const FORGED: &[(&str, &str)] = &[
    ("client-cert", FORGERY),
    ("client_cert", FORGERY),
    ("client-cert-chain", FORGERY),
    ("x-forwarded-client-cert", FORGERY),
    ("ssl-client-cert", FORGERY),
];

/// A byte sequence (RFC 9440 §2.2) that is nobody's certificate.
const FORGERY: &str = ":Zm9yZ2Vk:";

const MINUTE: Duration = Duration::from_secs(60);
