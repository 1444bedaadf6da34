//! So many registrations and no more: over a window of time, or live at the same time (RFC 7591 §5).
//!
//! A registration takes one of the limited units when its decision is opened, in
//! the transaction of the opening, so that of many at once exactly the limit
//! passes. A unit over a window is free again when the window has passed, a live
//! one when the client is gone; either at once when the identity server refused.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings};
use crate::model::error_code::ErrorCode;
use crate::model::facts::{Facts, Operation};

#[derive(Debug)]
pub(super) struct RegistrationQuota;

const OVER_A_WINDOW: Fault = Fault {
    message: "the quota of registrations is used up for the moment",
    hint: "send the same request again after the time in Retry-After",
};
const LIVE: Fault = Fault {
    message: "there are as many registered clients as are allowed",
    hint: "delete a client that is not needed any more, or ask the operator for a larger quota",
};
const NAMELESS: Fault = Fault {
    message: "the request does not say whose quota it counts against",
    hint: "send the certificate, software statement or initial access token that names the party",
};

static ABOUT: About = About {
    id: "registration.quota",
    summary: "one party makes a limited number of registrations, over a window or live at the same time",
    clause: "RFC 7591 5",
    error: ErrorCode::AccessDenied,
    field: None,
    operations: &[Operation::Register],
    faults: &[LIVE, OVER_A_WINDOW, NAMELESS],
    settings: &[
        ("limit", "registrations, 1 to 10000"),
        ("window", "the time over which they count, such as 24h (those that are live)"),
        ("per", "whose they are: policy, certificate, organisation, software, token or address"),
        ("in_all", "registrations of all parties together, 1 to 10000 (any number)"),
    ],
};

/// Registrations of one party; more would make counting slow.
const LIMIT: std::ops::RangeInclusive<i64> = 1..=10_000;

/// The longest window: what is taken over one is remembered until it ends.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The party that every registration under a policy belongs to.
const ALL: &str = "all";

/// Whose quota it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Per {
    Policy,
    Certificate,
    Organisation,
    Software,
    Token,
    Address,
}

const PARTIES: &[(&str, Per)] = &[
    ("policy", Per::Policy),
    ("certificate", Per::Certificate),
    ("organisation", Per::Organisation),
    ("software", Per::Software),
    ("token", Per::Token),
    ("address", Per::Address),
];

impl Check for RegistrationQuota {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        settings.require("limit");
        settings.require("per");
        let limit = settings.integer("limit", LIMIT).and_then(|limit| u32::try_from(limit).ok());
        let per = settings.word("per", PARTIES);
        let window = settings.duration("window");
        if let Some(window) = window
            && !(Duration::from_secs(1)..=LONGEST).contains(&window)
        {
            let place = settings.json("window").map(|found| found.place);
            settings.faults().error(place.as_ref(), "`window` must be from 1s to 366 days", None);
            return None;
        }
        let in_all = settings.integer("in_all", LIMIT).and_then(|limit| u32::try_from(limit).ok());
        if let (Some(Per::Policy), Some(_)) = (per, in_all) {
            let place = settings.json("in_all").map(|found| found.place);
            settings.faults().error(place.as_ref(), "`limit` per policy is the number of all already", None);
            return None;
        }
        Some(Box::new(Quota { limit: limit?, per: per?, window, in_all }))
    }
}

#[derive(Debug)]
struct Quota {
    limit: u32,
    per: Per,
    window: Option<Duration>,
    in_all: Option<u32>,
}

impl Judge for Quota {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let (word, party) = self.party(facts, report);
        let counted = if self.window.is_some() { "window" } else { "live" };
        let expires = self.window.map(|window| facts.now.plus(window));
        let named = party.is_some_and(|party| {
            report.claim_unit(&[counted, word, &party], expires, self.limit)
                && self.in_all.is_none_or(|all| report.claim_unit(&[counted, "policy", ALL], expires, all))
        });
        if !named {
            let code = match self.per {
                Per::Certificate => ErrorCode::InvalidClient,
                // Without a statement the certificate is what names the party.
                Per::Organisation | Per::Software if facts.statement.is_none() => ErrorCode::InvalidClient,
                Per::Token => ErrorCode::InvalidToken,
                Per::Organisation | Per::Software => ErrorCode::InvalidSoftwareStatement,
                Per::Policy | Per::Address => ErrorCode::AccessDenied,
            };
            report.fail(Failure::of(NAMELESS).code(code).detail(word));
        }
    }

    fn taken(&self) -> Option<(ErrorCode, Fault)> {
        Some(full(self.window.is_some()))
    }
}

/// With what a full quota refuses: over a window there is room again by and by, among live clients there is not.
pub(crate) fn full(over_a_window: bool) -> (ErrorCode, Fault) {
    if over_a_window { (ErrorCode::TemporarilyUnavailable, OVER_A_WINDOW) } else { (ABOUT.error.clone(), LIVE) }
}

impl Quota {
    /// What names the party, and its name.
    fn party(&self, facts: &Facts<'_>, report: &Report<'_>) -> (&'static str, Option<String>) {
        let claim = |name: &str| facts.token?.claims.get(name)?.as_str();
        match self.per {
            Per::Policy => ("policy", Some(ALL.to_owned())),
            Per::Certificate => ("certificate", facts.peer.map(|(peer, _)| peer.certificate.thumbprint.to_string())),
            Per::Organisation => ("organisation", report.asker().organisation.map(str::to_owned)),
            Per::Software => ("software", report.asker().software.map(str::to_owned)),
            // RFC 9068 §2.2 wants both; an issuer that gives no `sub` names the client that asked for the token.
            Per::Token => {
                let issuer =
                    facts.token.and_then(|token| token.claims.get("iss")).and_then(Value::as_str).unwrap_or("-");
                let holder =
                    claim("sub").map(|sub| ("sub", sub)).or_else(|| claim("client_id").map(|id| ("client_id", id)));
                let holder = holder.filter(|(_, name)| !name.is_empty());
                ("token", holder.map(|(kind, name)| format!("{issuer} {kind} {name}")))
            }
            Per::Address => ("address", facts.remote.map(network)),
        }
    }
}

/// Whom an address stands for: an IPv4 address for itself, an IPv6 address for its /64, of which one
/// subscriber has all (RFC 6177).
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
