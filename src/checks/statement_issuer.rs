//! The statement comes from an issuer that the policy names (RFC 7591 §2.3: `iss` is mandatory).

use std::collections::BTreeMap;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;

#[derive(Debug)]
pub(super) struct StatementIssuer;

const UNKNOWN: Fault = Fault {
    message: "the software statement is not from an accepted issuer",
    hint: "fetch a software statement from the directory of this environment",
};

static ABOUT: About = About {
    id: "statement.issuer",
    summary: "the statement's iss is one of the accepted issuers, character for character",
    clause: "RFC 7591 2.3",
    error: ErrorCode::InvalidSoftwareStatement,
    field: None,
    operations: WRITES,
    faults: &[UNKNOWN],
    settings: &[("allow", "accepted values of iss")],
};

impl Check for StatementIssuer {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reads_statement(&self, _: &Settings<'_>) -> bool {
        true
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        settings.require("allow");
        Some(Box::new(Issuers(settings.texts("allow")?)))
    }
}

#[derive(Debug)]
struct Issuers(Vec<String>);

impl Judge for Issuers {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let Some(statement) = facts.statement else { return };
        let issuer = statement.text("iss");
        if !issuer.is_some_and(|issuer| self.0.iter().any(|allowed| allowed == issuer)) {
            report.fail(Failure::of(UNKNOWN).detail(format!("iss={}", issuer.unwrap_or("(none)"))));
        }
    }
}
