//! The statement was issued a short while ago (`iat`, RFC 7519 §4.1.6).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::statement::Statement;
use crate::model::time::Timestamp;

#[derive(Debug)]
pub(super) struct StatementAge;

const OLD: Fault =
    Fault { message: "the software statement is too old", hint: "fetch a new software statement and send it at once" };
const FUTURE: Fault = Fault {
    message: "the software statement was issued in the future",
    hint: "check the clocks of the directory and of this server",
};
const MISSING: Fault = Fault {
    message: "the software statement has no iat that is an integer",
    hint: "iat has to be whole seconds since 1970 (RFC 7519 NumericDate)",
};
const MILLISECONDS: Fault = Fault {
    message: "iat of the software statement is in milliseconds",
    hint: "iat has to be whole seconds since 1970 (RFC 7519 NumericDate)",
};

static ABOUT: About = About {
    id: "statement.age",
    summary: "the statement's iat is there and neither too old nor in the future",
    clause: "RFC 7519 4.1.6",
    error: ErrorCode::InvalidSoftwareStatement,
    field: None,
    operations: WRITES,
    faults: &[OLD, FUTURE, MISSING, MILLISECONDS],
    settings: &[("max_age", "longest time since iat"), ("skew", "how far iat may lie in the future (10s)")],
};

/// 10^11 seconds is the year 5138: such a number counts milliseconds.
pub(super) const MILLISECONDS_FROM: f64 = 1e11;

/// What a clock may be ahead of ours unless the policy says otherwise.
pub(super) const DEFAULT_SKEW: Duration = Duration::from_secs(10);

impl Check for StatementAge {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reads_statement(&self, _: &Settings<'_>) -> bool {
        true
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        settings.require("max_age");
        Some(Box::new(Window::read(settings)?))
    }
}

/// How long a statement may be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    max_age: Duration,
    skew: Duration,
}

impl Window {
    /// From the settings of `statement.age`; `None` where it is off.
    pub(super) fn read(settings: &Settings<'_>) -> Option<Self> {
        let skew = settings.duration("skew").unwrap_or(DEFAULT_SKEW);
        Some(Self { max_age: settings.duration("max_age")?, skew })
    }

    /// When a statement issued at `iat` is too old everywhere, a second added for rounding.
    pub(super) fn end(self, iat: Timestamp) -> Timestamp {
        iat.plus(self.max_age).plus(self.skew).plus(Duration::from_secs(1))
    }
}

/// `iat`, where it is whole seconds.
pub(super) fn issued_at(statement: &Statement) -> Option<Timestamp> {
    statement.claims.get("iat").and_then(Value::as_i64).map(Timestamp::from_unix_seconds)
}

impl Judge for Window {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let Some(statement) = facts.statement else { return };
        let fault = match (statement.claims.get("iat"), issued_at(statement)) {
            (Some(Value::Number(number)), _) if number.as_f64().is_some_and(|n| n >= MILLISECONDS_FROM) => MILLISECONDS,
            (_, None) => MISSING,
            (_, Some(iat)) if iat.plus(self.max_age) < facts.now => OLD,
            (_, Some(iat)) if facts.now.plus(self.skew) < iat => FUTURE,
            _ => return,
        };
        let iat = statement.claims.get("iat").map_or_else(|| "(none)".to_owned(), Value::to_string);
        report.fail(Failure::of(fault).detail(format!("iat={iat} now={}", facts.now.unix_seconds())));
    }
}
