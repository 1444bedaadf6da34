//! The client's keys come from one place, and from the right one (RFC 7591 §2: `jwks` excludes `jwks_uri`).

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::report::Failure;
use super::statementless::{self, Statementless};
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, member, text};
use crate::model::address::is_inner;
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::key::has_private_part;

#[derive(Debug)]
pub(super) struct KeysSource;

const BOTH: Fault =
    Fault { message: "jwks, jwks_uri and signed_jwks_uri exclude each other", hint: "send one of them" };
const BY_VALUE: Fault = Fault {
    message: "keys by value (jwks) are not accepted",
    hint: "leave jwks out and publish the keys in the directory",
};
const DIFFERENT: Fault = Fault {
    message: "jwks_uri is not the address in the software statement",
    hint: "leave jwks_uri out, or copy it from the software statement character for character",
};
const ELSEWHERE: Fault = Fault {
    message: "the keys are those that the software statement names, and signed_jwks_uri names others",
    hint: "leave signed_jwks_uri out",
};
const INSECURE: Fault = Fault { message: "jwks_uri is not an https address", hint: "publish the keys over https" };
const INNER: Fault = Fault {
    message: "jwks_uri points to a local or private host",
    hint: "publish the keys where everybody can fetch them",
};
const PRIVATE: Fault = Fault {
    message: "jwks holds a private or symmetric key",
    hint: "send public keys only, and replace this key: it has been disclosed",
};

static ABOUT: About = About {
    id: "keys.source",
    summary: "jwks, jwks_uri and signed_jwks_uri exclude each other, hold no private parts, and agree with the statement",
    clause: "RFC 7591 2",
    error: ErrorCode::InvalidClientMetadata,
    field: Some("jwks_uri"),
    operations: WRITES,
    faults: &[BOTH, BY_VALUE, DIFFERENT, ELSEWHERE, INSECURE, INNER, PRIVATE, statementless::ABSENT],
    settings: &[
        ("by_value", "jwks in the request: accept | refuse (accept)"),
        ("claim", "claim of the statement that a jwks_uri has to equal"),
        statementless::SETTING,
    ],
};

/// Another way to name keys (OpenID Federation §5.2.1).
const SIGNED: &str = "signed_jwks_uri";

impl Check for KeysSource {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reads_statement(&self, settings: &Settings<'_>) -> bool {
        settings.json("claim").is_some()
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let refuse_value = settings.word("by_value", &[("accept", false), ("refuse", true)]).unwrap_or(false);
        let statementless = Statementless::read(settings);
        Some(Box::new(Source { refuse_value, claim: settings.text("claim").map(|text| text.value), statementless }))
    }
}

#[derive(Debug)]
struct Source {
    refuse_value: bool,
    claim: Option<String>,
    statementless: Statementless,
}

impl Judge for Source {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let (jwks, uri) = (member(facts.request, "jwks"), member(facts.request, "jwks_uri"));
        if let Some(jwks) = jwks {
            if self.refuse_value {
                report.fail(Failure::of(BY_VALUE).field("jwks"));
            } else if uri.is_some() {
                report.fail(Failure::of(BOTH).field("jwks"));
            }
            if holds_private_part(jwks) {
                report.fail(Failure::of(PRIVATE).field("jwks"));
            }
        }
        // OpenID Federation §5.2.1. The statement's word counts too: whoever reads both might take the other.
        let others = ["jwks", "jwks_uri"].into_iter().any(|name| member(facts.metadata, name).is_some());
        if member(facts.metadata, SIGNED).is_some() && (others || jwks.is_some()) {
            report.fail(Failure::of(BOTH).field(SIGNED));
        }
        if member(facts.request, SIGNED).is_some() && self.claim.is_some() {
            report.fail(Failure::of(ELSEWHERE).field(SIGNED));
        }
        match (uri, &self.claim, facts.statement) {
            (Some(uri), Some(claim), Some(statement))
                if uri.as_str().is_none_or(|uri| statement.text(claim) != Some(uri)) =>
            {
                let said = statement.text(claim).unwrap_or("(none)");
                report.fail(Failure::of(DIFFERENT).detail(format!("jwks_uri={uri} {claim}={said}")));
            }
            (Some(_), Some(_), None) => self.statementless.judge(report),
            _ => {}
        }
        if text(facts.metadata, "jwks_uri").is_some_and(|uri| !uri.starts_with("https://")) {
            report.fail(Failure::of(INSECURE));
        }
        // Nobody vouches for an address that is not the statement's, and the identity server fetches it (CVE-2026-1180).
        let vouched_for = self.claim.is_some() && facts.statement.is_some();
        if !vouched_for
            && text(facts.metadata, "jwks_uri").and_then(|uri| Url::parse(uri).ok()).is_some_and(|url| is_inner(&url))
        {
            report.fail(Failure::of(INNER));
        }
    }
}

fn holds_private_part(jwks: &Value) -> bool {
    let keys = jwks.get("keys").and_then(Value::as_array).into_iter().flatten();
    keys.filter_map(Value::as_object).any(has_private_part)
}
