//! JWS and JWE algorithms are accepted, and an `enc` does not stand without its `alg`
//! (OpenID Connect Registration §2, RFC 7518).

use std::collections::BTreeMap;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, text};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::metadata::{self, Kind};

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

static ABOUT: About = About {
    id: "client.algorithms",
    summary: "every *_alg and *_enc member names an accepted algorithm; enc needs alg",
    clause: "OIDC Registration 2",
    error: ErrorCode::InvalidClientMetadata,
    field: None,
    operations: WRITES,
    faults: &[ALGORITHM, ENC_ALONE],
    settings: &[
        ("signature", "accepted JWS algorithms (any)"),
        ("key_management", "accepted JWE key management algorithms (any)"),
        ("content_encryption", "accepted JWE content encryption algorithms (any)"),
    ],
};

impl Check for ClientAlgorithms {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        Some(Box::new(Algorithms {
            signature: settings.texts("signature"),
            key_management: settings.texts("key_management"),
            content_encryption: settings.texts("content_encryption"),
        }))
    }
}

#[derive(Debug)]
struct Algorithms {
    signature: Option<Vec<String>>,
    key_management: Option<Vec<String>>,
    content_encryption: Option<Vec<String>>,
}

impl Judge for Algorithms {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        for name in facts.metadata.keys().filter(|name| name.ends_with("_alg") || name.ends_with("_enc")) {
            let Some(known) = metadata::member(name) else { continue };
            let Some(value) = text(facts.metadata, name) else { continue };
            let allowed = match known.kind {
                Kind::Signature => &self.signature,
                Kind::KeyManagement => &self.key_management,
                Kind::ContentEncryption => &self.content_encryption,
                _ => continue,
            };
            if allowed.as_ref().is_some_and(|allowed| !allowed.iter().any(|allowed| allowed == value)) {
                report.fail(Failure::of(ALGORITHM).field(known.name).detail(value));
            }
            if known.kind == Kind::ContentEncryption
                && let Some(stem) = name.strip_suffix("_enc")
                && text(facts.metadata, &format!("{stem}_alg")).is_none()
            {
                report.fail(Failure::of(ENC_ALONE).field(known.name));
            }
        }
    }
}
