//! An update comes with a statement of the software and organisation that own the client (RFC 7592 §2.2).

use std::collections::BTreeMap;

use super::report::Failure;
use super::statementless::{self, Statementless};
use super::{About, Check, Fault, Judge, Report, Settings};
use crate::model::error_code::ErrorCode;
use crate::model::facts::{Facts, Operation};

#[derive(Debug)]
pub(super) struct RegistrationOwner;

const OTHER: Fault = Fault {
    message: "the software statement belongs to another software or organisation than the client",
    hint: "update a client with a software statement of the software that registered it",
};

static ABOUT: About = About {
    id: "registration.owner",
    summary: "on an update the statement names the software and organisation that own the client",
    clause: "RFC 7592 2.2",
    error: ErrorCode::InvalidSoftwareStatement,
    field: None,
    operations: &[Operation::Update],
    faults: &[OTHER, statementless::ABSENT],
    settings: &[
        ("software", "claim of the statement that names the software"),
        ("organisation", "claim of the statement that names the organisation"),
        statementless::SETTING,
    ],
};

impl Check for RegistrationOwner {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reads_statement(&self, _: &Settings<'_>) -> bool {
        true
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let claim = |key: &str| settings.text(key).map(|text| text.value);
        let statementless = Statementless::read(settings);
        Some(Box::new(Owner { software: claim("software"), organisation: claim("organisation"), statementless }))
    }
}

#[derive(Debug)]
struct Owner {
    software: Option<String>,
    organisation: Option<String>,
    statementless: Statementless,
}

impl Judge for Owner {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let Some(statement) = facts.statement else { return self.statementless.judge(report) };
        // Whoever updates has proved a binding; without one there is nothing to compare with, in a case for example.
        let Some(client) = facts.client else { return };
        for (claim, owner) in [(&self.software, &client.software), (&self.organisation, &client.organisation)] {
            if let (Some(claim), Some(owner)) = (claim, owner)
                && statement.text(claim) != Some(owner)
            {
                let said = statement.text(claim).unwrap_or("(none)");
                report.fail(Failure::of(OTHER).detail(format!("{claim}={said} owner={owner}")));
            }
        }
    }
}
