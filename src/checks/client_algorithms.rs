//! JWS and JWE algorithms are accepted, and an `enc` does not stand without its `alg`
//! (OpenID Connect Registration §2, RFC 7518).

use std::collections::BTreeMap;

use super::report::Failure;
use super::{About, Check, ClientLimits, Fault, Judge, Report, Settings, WRITES, member, text, texts};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::metadata::{self, CONTENT_ENCRYPTION, KEY_MANAGEMENT, Kind, Member, SIGNATURE};

#[derive(Debug)]
pub(super) struct ClientAlgorithms;

const ALGORITHM: Fault = Fault {
    message: "this member names an algorithm that is not accepted",
    hint: "use an algorithm that this regime allows",
};
const ENC_ALONE: Fault = Fault {
    message: "this member needs the algorithm of key management beside it",
    hint: "send the member of the same name that ends in _alg",
};
const UNSIGNED: Fault = Fault {
    message: "an ID token from the authorization endpoint has to be signed: id_token_signed_response_alg may not be none",
    hint: "name an algorithm such as PS256 or ES256, or use response types without id_token",
};
const NONE: Fault = Fault {
    message: "this member may not be none: what it is about has to be signed",
    hint: "name an algorithm such as PS256 or ES256, or leave the member out",
};
const SYMMETRIC: Fault = Fault {
    message: "this member has to name an algorithm with a private and a public key",
    hint: "name an algorithm such as PS256 or ES256",
};

static ABOUT: About = About {
    id: "client.algorithms",
    summary: "every *_alg and *_enc member names an accepted algorithm; enc needs alg; what has to be signed is",
    clause: "OIDC Registration 2",
    error: ErrorCode::InvalidClientMetadata,
    field: None,
    operations: WRITES,
    faults: &[ALGORITHM, ENC_ALONE, UNSIGNED, NONE, SYMMETRIC],
    settings: &[
        ("signature", "accepted JWS algorithms (those that are registered)"),
        ("key_management", "accepted JWE key management algorithms (those that are registered)"),
        ("content_encryption", "accepted JWE content encryption algorithms (those that are registered)"),
    ],
};

impl Check for ClientAlgorithms {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let accepted = |key: &str, registered: &[&str]| {
            let registered = || registered.iter().map(|name| (*name).to_owned()).collect();
            settings.texts(key).unwrap_or_else(registered)
        };
        Some(Box::new(Algorithms {
            signature: accepted("signature", SIGNATURE),
            key_management: accepted("key_management", KEY_MANAGEMENT),
            content_encryption: accepted("content_encryption", CONTENT_ENCRYPTION),
        }))
    }
}

#[derive(Debug)]
struct Algorithms {
    signature: Vec<String>,
    key_management: Vec<String>,
    content_encryption: Vec<String>,
}

impl Judge for Algorithms {
    fn limit(&self, limits: &mut ClientLimits) {
        limits.signature = Some(self.signature.clone());
        limits.key_management = Some(self.key_management.clone());
        limits.content_encryption = Some(self.content_encryption.clone());
    }

    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        for name in facts.metadata.keys() {
            let Some(known) = metadata::member(name) else { continue };
            let accepted = match known.kind {
                Kind::Signature => &self.signature,
                Kind::KeyManagement => &self.key_management,
                Kind::ContentEncryption | Kind::ContentEncryptions => &self.content_encryption,
                _ => continue,
            };
            let one = text(facts.metadata, name).into_iter();
            for value in one.chain(texts(facts.metadata, name).into_iter().flatten()) {
                if !accepted.iter().any(|accepted| accepted == value) {
                    report.fail(Failure::of(ALGORITHM).field(known.name).detail(value));
                }
                if let Some(fault) = unsigned(known, value, facts) {
                    report.fail(Failure::of(fault).field(known.name).detail(value));
                }
            }
            if member(facts.metadata, name).is_some()
                && let Some(stem) = name.strip_suffix("_enc")
                && text(facts.metadata, &format!("{stem}_alg")).is_none()
            {
                report.fail(Failure::of(ENC_ALONE).field(known.name));
            }
        }
    }
}

/// What is wrong with an algorithm that signs nothing, or that whoever verifies could sign with, where that matters.
fn unsigned(known: &Member, algorithm: &str, facts: &Facts<'_>) -> Option<Fault> {
    match (known.name, algorithm) {
        // OpenID Connect Registration §2: none only without ID tokens from the authorization endpoint.
        ("id_token_signed_response_alg", "none") => {
            let front = |response: &str| response.split(' ').any(|word| word == "id_token");
            texts(facts.metadata, "response_types")?.any(front).then_some(UNSIGNED)
        }
        // JARM §3.
        ("authorization_signed_response_alg", "none") => Some(NONE),
        // CIBA §7.1.1: asymmetric algorithms alone.
        ("backchannel_authentication_request_signing_alg", "none") => Some(NONE),
        ("backchannel_authentication_request_signing_alg", algorithm) if algorithm.starts_with("HS") => Some(SYMMETRIC),
        _ => None,
    }
}
