//! A policy that needs an initial access token says so, whatever the route admits (RFC 7591 §3).

use std::collections::BTreeMap;

use serde_json::Value;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings};
use crate::model::error_code::ErrorCode;
use crate::model::facts::{Facts, Operation};

#[derive(Debug)]
pub(super) struct TokenPresent;

const MISSING: Fault = Fault {
    message: "there is no initial access token",
    hint: "send the initial access token in the Authorization header, as RFC 6750 2.1 has it",
};
const NARROW: Fault = Fault {
    message: "the scope of the initial access token does not cover this registration",
    hint: "ask for an initial access token with the scope that this registration needs",
};

static ABOUT: About = About {
    id: "token.present",
    summary: "there is an initial access token, with a scope where one is named",
    clause: "RFC 7591 3",
    error: ErrorCode::InvalidToken,
    field: None,
    operations: &[Operation::Register],
    faults: &[MISSING, NARROW],
    settings: &[("scope", "word that the token's scope has to hold (any scope)")],
};

impl Check for TokenPresent {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let scope = match settings.text("scope") {
            Some(word) if !is_scope_word(&word.value) => {
                settings.faults().error(Some(&word.place), "`scope` has to be one word of a scope", None);
                return None;
            }
            word => word.map(|word| word.value),
        };
        Some(Box::new(Present { scope }))
    }
}

#[derive(Debug)]
struct Present {
    scope: Option<String>,
}

impl Judge for Present {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let Some(token) = facts.token else {
            return report.fail(Failure::of(MISSING));
        };
        let Some(wanted) = &self.scope else { return };
        let granted = token.claims.get("scope").and_then(Value::as_str).unwrap_or_default();
        if !granted.split(' ').any(|word| word == wanted) {
            report.fail(Failure::of(NARROW).code(ErrorCode::InsufficientScope).detail(granted));
        }
    }
}

/// A `scope-token` of RFC 6749 §3.3.
fn is_scope_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}
