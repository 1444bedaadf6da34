//! Only members that a client may choose are sent (RFC 7591 §2, RFC 7592 §2.2).

use std::collections::BTreeMap;

use serde_json::Value;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, member};
use crate::model::error_code::ErrorCode;
use crate::model::facts::{Facts, Operation};
use crate::model::metadata::{self, Kind};
use crate::model::statement::JWT_CLAIMS;

#[derive(Debug)]
pub(super) struct MetadataMembers;

const ISSUED: Fault = Fault {
    message: "this member is given out by the server and cannot be chosen",
    hint: "leave it out of the request",
};
const UNKNOWN: Fault = Fault {
    message: "the request has a member that is not client metadata",
    hint: "leave out members that the specification does not name",
};
const CLIENT_ID: Fault = Fault {
    message: "client_id is not that of the client being updated",
    hint: "send the client_id that was issued at registration",
};

static ABOUT: About = About {
    id: "metadata.members",
    summary: "members that the server issues, or that nobody knows, are not sent; an update names its own client",
    clause: "RFC 7591 2, RFC 7592 2.2",
    error: ErrorCode::InvalidClientMetadata,
    field: None,
    operations: WRITES,
    faults: &[ISSUED, UNKNOWN, CLIENT_ID],
    settings: &[
        ("issued", "client_id, client_secret and the like in a request: drop | refuse (drop); they never travel"),
        ("unknown", "members outside the table: ignore | refuse (ignore); see also [forward] unknown"),
    ],
};

impl Check for MetadataMembers {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, all: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let refuse_issued = settings.word("issued", &[("drop", false), ("refuse", true)]).unwrap_or(false);
        let refuse_unknown = settings.word("unknown", &[("ignore", false), ("refuse", true)]).unwrap_or(false);
        let signed = all.get("request.signature").is_some_and(Settings::is_there);
        Some(Box::new(Members { refuse_issued, refuse_unknown, signed }))
    }
}

#[derive(Debug)]
struct Members {
    refuse_issued: bool,
    refuse_unknown: bool,
    /// Whether the request is a JWT, whose own claims are expected in it.
    signed: bool,
}

impl Judge for Members {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        if let (Some(sent), Some(client)) = (member(facts.request, "client_id"), facts.client)
            && sent.as_str() != Some(&client.client_id)
        {
            report.fail(Failure::of(CLIENT_ID).field("client_id").detail(sent.to_string()));
        }
        if !self.refuse_issued && !self.refuse_unknown {
            return;
        }
        for (name, _) in facts.request.iter().filter(|(_, value): &(_, &Value)| !value.is_null()) {
            let echo = facts.operation == Operation::Update && matches!(name.as_str(), "client_id" | "client_secret");
            match metadata::member(name) {
                Some(known) if known.kind == Kind::Issued && self.refuse_issued && !echo => {
                    report.fail(Failure::of(ISSUED).field(known.name));
                }
                None if self.signed && JWT_CLAIMS.contains(&name.as_str()) => {}
                None if self.refuse_unknown => report.fail(Failure::of(UNKNOWN).detail(name.as_str())),
                _ => {}
            }
        }
    }
}
