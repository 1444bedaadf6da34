//! Single-use things that a decision takes.
//!
//! Claims are inserted in the transaction that opens the audit record, under a
//! unique key, so that of two requests for the same thing one is refused, across
//! threads, restarts and proxies.

use std::sync::Arc;

use super::id::DecisionId;
use super::time::{self, Timestamp};

/// What kind of thing is taken. Its release differs (a refusal by the
/// identity server frees slot and quota, never the `jti`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClaimKind {
    /// A token's `jti`, or the whole statement where it has none: used once.
    Jti,
    /// What one live client has alone: the registration of its software, or one of its keys.
    Slot,
    /// An initial access token that may be used once.
    TokenUse,
    /// One unit of a quota of registrations.
    Quota,
}

impl ClaimKind {
    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jti => "jti",
            Self::Slot => "slot",
            Self::TokenUse => "token-use",
            Self::Quota => "quota",
        }
    }
}

/// One thing that may be taken, once or by a limited number of decisions at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// What kind.
    pub kind: ClaimKind,
    /// Unique within the kind. Parts are joined by a line feed, which no part may hold.
    pub key: Arc<str>,
    /// When it may be forgotten; `None`: it stays until it is released.
    pub expires: Option<Timestamp>,
    /// How many decisions may hold it at the same time: 1, or the limit of a quota.
    pub units: u32,
    /// The decision that may hold it already without being in the way: the registration of the client that is updated.
    pub owner: Option<DecisionId>,
    /// The check or rule that asked for it; a conflict is reported under its id, code and texts.
    pub refusal: Arc<super::trace::Rule>,
}

impl Claim {
    /// What is taken and for how long, as cases of policies say it: `quota of 5 for 24h`, `quota of 10` (of live
    /// registrations), `jti until 2026-11-24T12:10:00Z`, `slot`. Never the key, which is a party's.
    pub fn described(&self, now: Timestamp) -> String {
        let kind = self.kind.as_str();
        match (self.kind, self.expires) {
            (ClaimKind::Quota, Some(expires)) => {
                format!("{kind} of {} for {}", self.units, time::words(expires.since(now)))
            }
            (ClaimKind::Quota, None) => format!("{kind} of {}", self.units),
            (_, Some(expires)) => format!("{kind} until {}", expires.to_string().replace(".000000Z", "Z")),
            (_, None) => kind.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::error_code::ErrorCode;
    use super::super::trace::{Mode, Rule};
    use super::*;

    #[test]
    fn a_claim_says_what_is_taken_and_for_how_long() {
        let now = Timestamp::parse("2026-11-24T12:00:00Z").unwrap();
        let said = |kind, units, seconds: Option<u64>| {
            let expires = seconds.map(|seconds| now.plus(Duration::from_secs(seconds)));
            let refusal = Arc::new(Rule {
                id: "a".into(),
                clause: "".into(),
                mode: Mode::Enforce,
                error: ErrorCode::AccessDenied,
                field: None,
                message: "".into(),
                hint: None,
            });
            Claim { kind, key: "secret".into(), expires, units, owner: None, refusal }.described(now)
        };
        assert_eq!(said(ClaimKind::Quota, 5, Some(86_400)), "quota of 5 for 24h");
        assert_eq!(said(ClaimKind::Quota, 20, Some(3601)), "quota of 20 for 1h 1s");
        assert_eq!(said(ClaimKind::Quota, 10, None), "quota of 10");
        assert_eq!(said(ClaimKind::Jti, 1, Some(600)), "jti until 2026-11-24T12:10:00Z");
        assert_eq!(said(ClaimKind::TokenUse, 1, None), "token-use");
        assert_eq!(said(ClaimKind::Slot, 1, None), "slot");
    }
}
