//! `scope` is a list of scope tokens separated by one space (RFC 6749 §3.3).

use std::collections::BTreeMap;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, text};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;

#[derive(Debug)]
pub(super) struct ScopeForm;

const MALFORMED: Fault = Fault {
    message: "scope is not a list of scope names separated by one space",
    hint: "send names of printable ASCII without quotes and backslashes, separated by one space",
};

static ABOUT: About = About {
    id: "scope.form",
    summary: "scope is a list of at most 100 scope tokens separated by one space",
    clause: "RFC 6749 3.3",
    error: ErrorCode::InvalidClientMetadata,
    field: Some("scope"),
    operations: WRITES,
    faults: &[MALFORMED],
    settings: &[],
};

/// Scopes in one request: the largest regimes know about 30, and rules compare each with a list.
const MAX_SCOPES: usize = 100;

impl Check for ScopeForm {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, _: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        Some(Box::new(Form))
    }
}

#[derive(Debug)]
struct Form;

impl Judge for Form {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let Some(scope) = text(facts.metadata, "scope") else { return };
        let token = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        };
        if !scope.split(' ').all(token) || scope.split(' ').count() > MAX_SCOPES {
            report.fail(Failure::of(MALFORMED).detail(scope));
        }
    }
}
