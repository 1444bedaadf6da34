//! The statement is within `exp` and `nbf` (RFC 7519 §4.1.4, §4.1.5).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::report::Failure;
use super::statement_age::DEFAULT_SKEW;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::time::Timestamp;

#[derive(Debug)]
pub(super) struct StatementValidity;

const EXPIRED: Fault = Fault { message: "the software statement has expired", hint: "fetch a new software statement" };
const EARLY: Fault = Fault {
    message: "the software statement is not valid yet",
    hint: "check the clocks of the directory and of this server",
};
const MALFORMED: Fault = Fault {
    message: "exp or nbf of the software statement is not an integer",
    hint: "exp and nbf have to be whole seconds since 1970 (RFC 7519 NumericDate)",
};
const MISSING: Fault =
    Fault { message: "the software statement has no exp", hint: "a software statement has to say when it expires" };

static ABOUT: About = About {
    id: "statement.validity",
    summary: "the statement's exp lies ahead and its nbf behind",
    clause: "RFC 7519 4.1.4, 4.1.5",
    error: ErrorCode::InvalidSoftwareStatement,
    field: None,
    operations: WRITES,
    faults: &[EXPIRED, EARLY, MALFORMED, MISSING],
    settings: &[("require_exp", "whether exp has to be there (false)"), ("skew", "tolerance of clocks (10s)")],
};

impl Check for StatementValidity {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reads_statement(&self, _: &Settings<'_>) -> bool {
        true
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let require_exp = settings.boolean("require_exp").unwrap_or(false);
        Some(Box::new(Validity { require_exp, skew: validity_skew(settings) }))
    }
}

/// How far clocks may differ, from the settings of `statement.validity`.
pub(super) fn validity_skew(settings: &Settings<'_>) -> Duration {
    settings.duration("skew").unwrap_or(DEFAULT_SKEW)
}

#[derive(Debug)]
struct Validity {
    require_exp: bool,
    skew: Duration,
}

impl Judge for Validity {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let Some(statement) = facts.statement else { return };
        let (exp, nbf) = (statement.claims.get("exp"), statement.claims.get("nbf"));
        let instant = |claim: Option<&Value>| claim.and_then(Value::as_i64).map(Timestamp::from_unix_seconds);
        let fault = match (instant(exp), instant(nbf)) {
            (None, _) if exp.is_none() && self.require_exp => MISSING,
            (None, _) if exp.is_some() => MALFORMED,
            (_, None) if nbf.is_some() => MALFORMED,
            (Some(exp), _) if exp.plus(self.skew) <= facts.now => EXPIRED,
            (_, Some(nbf)) if facts.now.plus(self.skew) < nbf => EARLY,
            _ => return,
        };
        let said = |claim: Option<&Value>| claim.map_or_else(|| "(none)".to_owned(), Value::to_string);
        let now = facts.now.unix_seconds();
        report.fail(Failure::of(fault).detail(format!("exp={} nbf={} now={now}", said(exp), said(nbf))));
    }
}
