//! Every redirect address is in the statement, octet for octet (RFC 9700 §4.1.3: exact string matching).

use std::collections::BTreeMap;

use serde_json::Value;

use super::report::Failure;
use super::statementless::{self, Statementless};
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, member, texts};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;

#[derive(Debug)]
pub(super) struct RedirectsStatement;

const FOREIGN: Fault = Fault {
    message: "redirect_uris holds an address that is not in the software statement",
    hint: "every address has to be in the software statement, character for character",
};
const NO_CLAIM: Fault = Fault {
    message: "the software statement lists no redirect addresses",
    hint: "add them to the software in the directory and fetch a new software statement",
};

static ABOUT: About = About {
    id: "redirects.statement",
    summary: "every entry of redirect_uris is an entry of a claim of the statement, octet for octet",
    clause: "RFC 7591 2.3, RFC 9700 4.1.3",
    error: ErrorCode::InvalidRedirectUri,
    field: Some("redirect_uris"),
    operations: WRITES,
    faults: &[FOREIGN, NO_CLAIM, statementless::ABSENT],
    settings: &[("claim", "claim of the statement that lists the addresses"), statementless::SETTING],
};

impl Check for RedirectsStatement {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reads_statement(&self, _: &Settings<'_>) -> bool {
        true
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        settings.require("claim");
        let statementless = Statementless::read(settings);
        Some(Box::new(Listed { claim: settings.text("claim")?.value, statementless }))
    }
}

#[derive(Debug)]
struct Listed {
    claim: String,
    statementless: Statementless,
}

impl Judge for Listed {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        if member(facts.request, "redirect_uris").is_none() {
            return;
        }
        let Some(statement) = facts.statement else { return self.statementless.judge(report) };
        let Some(listed) = statement.claims.get(&self.claim).and_then(Value::as_array) else {
            return report.fail(Failure::of(NO_CLAIM).detail(self.claim.as_str()));
        };
        for uri in texts(facts.request, "redirect_uris").into_iter().flatten() {
            if !listed.iter().any(|entry| entry.as_str() == Some(uri)) {
                report.fail(Failure::of(FOREIGN).detail(uri));
            }
        }
    }
}
