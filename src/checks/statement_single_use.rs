//! A statement is used once: by its `jti` (RFC 7519 §4.1.7), or as a whole where it has none.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::report::Failure;
use super::statement_age::{DEFAULT_SKEW, Window, issued_at};
use super::statement_validity::validity_skew;
use super::{About, Check, Fault, Judge, MAX_JTI, Report, Settings};
use crate::model::claim::ClaimKind;
use crate::model::error_code::ErrorCode;
use crate::model::facts::{Facts, Operation};
use crate::model::time::Timestamp;

#[derive(Debug)]
pub(super) struct StatementSingleUse;

const USED: Fault = Fault { message: "the software statement was used before", hint: "fetch a new software statement" };
const MALFORMED: Fault = Fault {
    message: "jti of the software statement is not a string that can be remembered",
    hint: "jti has to be a string of 1 to 256 characters without line feeds",
};
const MISSING: Fault =
    Fault { message: "the software statement has no jti", hint: "a software statement has to carry an identifier" };

static ABOUT: About = About {
    id: "statement.single-use",
    summary: "a statement, known by iss and jti or as a whole where it has no jti, is used once",
    clause: "RFC 7519 4.1.7",
    error: ErrorCode::InvalidSoftwareStatement,
    field: None,
    operations: &[Operation::Register],
    faults: &[USED, MALFORMED, MISSING],
    settings: &[("require_jti", "whether jti has to be there (false)")],
};

impl Check for StatementSingleUse {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reads_statement(&self, _: &Settings<'_>) -> bool {
        true
    }

    fn configure(&self, settings: &Settings<'_>, all: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let require_jti = settings.boolean("require_jti").unwrap_or(false);
        let (age, validity) = (all.get("statement.age"), all.get("statement.validity"));
        let refuses = |settings: Option<&Settings<'_>>| settings.is_some_and(|it| it.is_enforced(Operation::Register));
        Some(Box::new(SingleUse {
            require_jti,
            window: age.filter(|age| age.is_there()).and_then(Window::read),
            skew: validity.map_or(DEFAULT_SKEW, validity_skew),
            by_age: refuses(age),
            by_expiry: refuses(validity),
        }))
    }
}

#[derive(Debug)]
struct SingleUse {
    require_jti: bool,
    window: Option<Window>,
    skew: Duration,
    /// Whether a statement is refused for its age,
    by_age: bool,
    /// and once it has expired.
    by_expiry: bool,
}

impl Judge for SingleUse {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let Some(statement) = facts.statement else { return };
        let by_age = self.window.and_then(|window| issued_at(statement).map(|iat| window.end(iat)));
        let exp = statement.claims.get("exp").and_then(Value::as_i64).map(Timestamp::from_unix_seconds);
        let by_exp = exp.map(|exp| exp.plus(self.skew).plus(Duration::from_secs(1)));
        // Once it is refused for its age or expiry anyway it need not be remembered; a shadow refuses nothing.
        let ends = (self.by_age && by_age.is_some()) || (self.by_expiry && by_exp.is_some());
        let expires = by_age.into_iter().chain(by_exp).max().filter(|_| ends);
        let claimed = match statement.claims.get("jti") {
            Some(Value::String(jti)) if jti.len() <= MAX_JTI => {
                report.claim(ClaimKind::Jti, &[statement.text("iss").unwrap_or("-"), jti], expires)
            }
            Some(_) => false,
            None if self.require_jti => {
                report.fail(Failure::of(MISSING));
                return;
            }
            None => report.claim(ClaimKind::Jti, &[&statement.digest.to_string()], expires),
        };
        if !claimed {
            report.fail(Failure::of(MALFORMED));
        }
    }
}
