//! The client certificate belongs to the software of the statement.
//!
//! Without it any participant's certificate could register another's statement.
//! The attribute has to be there exactly once: two values are no answer (RFC 4514
//! subjects may repeat an attribute, and readers pick different ones).

use std::collections::BTreeMap;

use super::report::Failure;
use super::statementless::{self, Statementless};
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, subject};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;

#[derive(Debug)]
pub(super) struct CertificateSoftware;

const OTHER: Fault = Fault {
    message: "the client certificate belongs to another software than the software statement",
    hint: "use the transport certificate of this software, or a software statement of the software that the certificate names",
};
const NAMELESS: Fault = Fault {
    message: "the subject of the client certificate does not name one software",
    hint: "use a transport certificate of this ecosystem: the attribute has to be there exactly once",
};
const NO_CLAIM: Fault = Fault {
    message: "the software statement does not name its software",
    hint: "fetch a new software statement from the directory",
};
const NO_CERTIFICATE: Fault = Fault {
    message: "there is no client certificate to compare with the software statement",
    hint: "connect with the transport certificate of this software",
};

static ABOUT: About = About {
    id: "certificate.software",
    summary: "an attribute of the certificate's subject equals a claim of the statement",
    clause: "RFC 7591 5",
    error: ErrorCode::InvalidSoftwareStatement,
    field: None,
    operations: WRITES,
    faults: &[OTHER, NAMELESS, NO_CLAIM, NO_CERTIFICATE, statementless::ABSENT],
    settings: &[
        ("attribute", "subject attribute: uid, cn, organization_identifier, ... or a dotted OID"),
        ("prefix", "what stands before the claim's value in the attribute (nothing)"),
        ("claim", "claim of the statement (software_id)"),
        statementless::SETTING,
    ],
};

impl Check for CertificateSoftware {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reads_statement(&self, _: &Settings<'_>) -> bool {
        true
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        settings.require("attribute");
        let statementless = Statementless::read(settings);
        let prefix = settings.text("prefix").map_or_else(String::new, |text| text.value);
        let claim = settings.text("claim").map_or_else(|| "software_id".to_owned(), |text| text.value);
        let attribute = settings.text("attribute")?;
        let Some(oid) = subject::oid(&attribute.value) else {
            let known: Vec<&str> = subject::ATTRIBUTES.iter().map(|(name, _)| *name).collect();
            let help = format!("known names: {}; or a dotted OID", known.join(", "));
            settings.faults().error(Some(&attribute.place), "unknown subject attribute", Some(help));
            return None;
        };
        Some(Box::new(Software { oid: oid.to_owned(), prefix, claim, statementless }))
    }
}

#[derive(Debug)]
struct Software {
    oid: String,
    prefix: String,
    claim: String,
    statementless: Statementless,
}

impl Judge for Software {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let Some(statement) = facts.statement else { return self.statementless.judge(report) };
        let Some((peer, _)) = facts.peer else { return report.fail(Failure::of(NO_CERTIFICATE)) };
        let Some(wanted) = statement.text(&self.claim).filter(|value| !value.is_empty()) else {
            return report.fail(Failure::of(NO_CLAIM).detail(self.claim.as_str()));
        };
        let subject = &peer.certificate.subject;
        let Some(found) = subject.only(&self.oid) else {
            let count = subject.values(&self.oid).count();
            return report.fail(Failure::of(NAMELESS).detail(format!("{} values of {}", count, self.oid)));
        };
        if found.strip_prefix(self.prefix.as_str()) != Some(wanted) {
            report.fail(Failure::of(OTHER).detail(format!("certificate={found} {}={wanted}", self.claim)));
        }
    }
}
