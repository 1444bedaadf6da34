//! What a check that compares with the statement makes of a request without one.
//!
//! Only where `[checks.statement.present] required = false` lets such a request in
//! is there anything to say. It refuses unless the policy says `without_statement =
//! "skip"`: a comparison that was not made must not look like one that held.

use super::report::{Failure, Report};
use super::{Fault, Settings};
use crate::model::error_code::ErrorCode;

/// A request without statement, under a check that compares with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statementless {
    /// Is refused.
    Refuse,
    /// Is let pass by this check.
    Skip,
}

/// The setting, for the description of a check.
pub(super) const SETTING: (&str, &str) =
    ("without_statement", "a request without software statement, where it need not have one: refuse | skip (refuse)");

/// How such a request is refused.
pub(super) const ABSENT: Fault = Fault {
    message: "there is no software statement to compare the request with",
    hint: "send the software statement that the directory issued for this software",
};

impl Statementless {
    pub(super) fn read(settings: &Settings<'_>) -> Self {
        settings.word("without_statement", &[("refuse", Self::Refuse), ("skip", Self::Skip)]).unwrap_or(Self::Refuse)
    }

    pub(super) fn judge(self, report: &mut Report<'_>) {
        if self == Self::Refuse {
            report.fail(Failure::of(ABSENT).code(ErrorCode::InvalidSoftwareStatement).field("software_statement"));
        }
    }
}
