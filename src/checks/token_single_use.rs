//! An initial access token registers one client: it is known by `iss` and `jti` (RFC 7519 §4.1.7, RFC 9068 §2.2).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::report::Failure;
use super::{About, Check, Fault, Judge, MAX_JTI, Report, Settings};
use crate::model::claim::ClaimKind;
use crate::model::error_code::ErrorCode;
use crate::model::facts::{Facts, Operation};
use crate::model::time::Timestamp;

#[derive(Debug)]
pub(super) struct TokenSingleUse;

const USED: Fault =
    Fault { message: "the initial access token was used before", hint: "ask for a new initial access token" };
const NAMELESS: Fault = Fault {
    message: "the initial access token has no jti that can be remembered",
    hint: "ask for an initial access token whose jti is a string of 1 to 256 characters without line feeds",
};

static ABOUT: About = About {
    id: "token.single-use",
    summary: "an initial access token, known by iss and jti or as a whole where introspection tells none, is used once, under whichever policy",
    clause: "RFC 7519 4.1.7",
    error: ErrorCode::InvalidToken,
    field: None,
    operations: &[Operation::Register],
    faults: &[USED, NAMELESS],
    settings: &[],
};

/// How long after its `exp` a token is still remembered: longer than any deviation of clocks that is
/// tolerated where tokens are verified (at most 5 minutes).
const LINGER: Duration = Duration::from_secs(301);

impl Check for TokenSingleUse {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, _: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        Some(Box::new(SingleUse))
    }
}

#[derive(Debug)]
struct SingleUse;

impl Judge for SingleUse {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        // Whether there has to be a token is for `token.present` and the route to say.
        let Some(token) = facts.token else { return };
        let text = |name: &str| token.claims.get(name).and_then(Value::as_str);
        // Without an end it stays used for good.
        let exp = token.claims.get("exp").and_then(Value::as_i64).map(Timestamp::from_unix_seconds);
        let expires = exp.map(|exp| exp.plus(LINGER));
        let issuer = text("iss").unwrap_or("-");
        let claimed = match (token.claims.get("jti"), token.fingerprint) {
            // What is told of a token need not name it (RFC 7662 §2.2): then it names itself.
            (None, Some(fingerprint)) => report.claim_everywhere(
                ClaimKind::TokenUse,
                &[issuer, "fingerprint", &fingerprint.to_string()],
                expires,
            ),
            _ => {
                let jti = text("jti").filter(|jti| jti.len() <= MAX_JTI).unwrap_or_default();
                report.claim_everywhere(ClaimKind::TokenUse, &[issuer, jti], expires)
            }
        };
        if !claimed {
            report.fail(Failure::of(NAMELESS));
        }
    }
}
