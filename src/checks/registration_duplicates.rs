//! One software has one live registration.
//!
//! The slot is taken when the decision is opened, under a unique key, so that of
//! two requests at once one is refused; it is free again when the client is
//! deleted or an operator releases it.

use std::collections::BTreeMap;

use super::report::Failure;
use super::statementless::{self, Statementless};
use super::{About, Check, Fault, Judge, Report, Settings};
use crate::model::claim::ClaimKind;
use crate::model::error_code::ErrorCode;
use crate::model::facts::{Facts, Operation};

#[derive(Debug)]
pub(super) struct RegistrationDuplicates;

const DUPLICATE: Fault = Fault {
    message: "this software is registered here already",
    hint: "update or delete the existing registration with its registration access token, or ask the operator to release it",
};
const NAMELESS: Fault = Fault {
    message: "the software statement does not name its software",
    hint: "fetch a new software statement from the directory",
};

static ABOUT: About = About {
    id: "registration.duplicates",
    summary: "a software, named by a claim of the statement, has one live registration",
    clause: "RFC 7591 5",
    error: ErrorCode::InvalidClientMetadata,
    field: None,
    operations: &[Operation::Register],
    faults: &[DUPLICATE, NAMELESS, statementless::ABSENT],
    settings: &[("claim", "claim of the statement that names the software (software_id)"), statementless::SETTING],
};

impl Check for RegistrationDuplicates {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reads_statement(&self, _: &Settings<'_>) -> bool {
        true
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        Some(Box::new(Slot {
            claim: settings.text("claim").map_or_else(|| "software_id".to_owned(), |text| text.value),
            statementless: Statementless::read(settings),
        }))
    }
}

#[derive(Debug)]
struct Slot {
    claim: String,
    statementless: Statementless,
}

impl Judge for Slot {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let Some(statement) = facts.statement else { return self.statementless.judge(report) };
        let software = statement.text(&self.claim).unwrap_or_default();
        if !report.claim(ClaimKind::Slot, &[software], None) {
            report.fail(Failure::of(NAMELESS).code(ErrorCode::InvalidSoftwareStatement).detail(self.claim.as_str()));
        }
    }
}
