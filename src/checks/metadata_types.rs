//! Every known member has the type of its specification (RFC 7591 §2 and the IANA registry).
//!
//! Rules read members as what they have to be; those that would fail for a wrong
//! type alone come `after` this check.

use std::collections::BTreeMap;

use serde_json::Value;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::metadata::{self, Kind, Member};

#[derive(Debug)]
pub(super) struct MetadataTypes;

const MISTYPED: Fault = Fault {
    message: "a member of the request has the wrong type",
    hint: "see the specification that defines the member; values are not converted",
};
const STATEMENT: Fault = Fault {
    message: "a value of the software statement has the wrong type",
    hint: "correct the software in the directory and fetch a new software statement",
};

static ABOUT: About = About {
    id: "metadata.types",
    summary: "every known member has its type; addresses are absolute, texts hold no control characters",
    clause: "RFC 7591 2",
    error: ErrorCode::InvalidClientMetadata,
    field: None,
    operations: WRITES,
    faults: &[MISTYPED, STATEMENT],
    settings: &[("application_types", "words of application_type (web, native)")],
};

impl Check for MetadataTypes {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        Some(Box::new(Types { application_types: settings.texts("application_types") }))
    }
}

#[derive(Debug)]
struct Types {
    /// A regime's own words, which its `[forward.replaced]` turns into those of OpenID Connect.
    application_types: Option<Vec<String>>,
}

impl Types {
    fn admits(&self, known: &Member, value: &Value) -> bool {
        match &self.application_types {
            Some(words) if known.name == "application_type" => {
                value.as_str().is_some_and(|text| words.iter().any(|word| word == text))
            }
            _ => known.kind.admits(value),
        }
    }
}

impl Judge for Types {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        for (name, value) in facts.request.iter().filter(|(_, value)| !value.is_null()) {
            if let Some(known) = metadata::member(name).filter(|known| !self.admits(known, value)) {
                report.fail(mistyped(known, value));
            }
        }
        let contributed = facts.metadata.iter().filter(|(name, value)| facts.request.get(*name) != Some(value));
        for (name, value) in contributed.filter(|(_, value)| !value.is_null()) {
            let Some(known) = metadata::member(name) else { continue };
            if facts.signer.is_some() {
                // The client signed the statement itself: its word is judged as that of a request is.
                if !self.admits(known, value) {
                    report.fail(mistyped(known, value));
                }
            } else if !known.kind.fits(value) {
                // The directory's word: its type has to fit, its form is taken as it is.
                let failure = Failure::of(STATEMENT).field(known.name).detail(value.to_string());
                report.fail(failure.code(ErrorCode::InvalidSoftwareStatement));
            }
        }
    }
}

fn mistyped(known: &'static Member, value: &Value) -> Failure {
    let fault = Fault { message: known.kind.demand(), ..MISTYPED };
    let failure = Failure::of(fault).field(known.name).detail(value.to_string());
    if known.kind == Kind::Redirects { failure.code(ErrorCode::InvalidRedirectUri) } else { failure }
}
