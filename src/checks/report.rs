//! What a check found: failures, and the single-use things it asks for.

use std::sync::Arc;

use super::Fault;
use crate::model::claim::{Claim, ClaimKind};
use crate::model::error_code::ErrorCode;
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;
use crate::model::trace::{Mode, Outcome, Rule};

/// Failures that one check may report; a request with more is refused all the same.
const MAX_FAILURES: usize = 16;

/// Characters of a detail that are kept for the audit: enough for an address, not for a flood.
const MAX_DETAIL: usize = 512;

/// One failure of a check.
#[derive(Debug)]
pub struct Failure {
    pub(super) fault: Fault,
    pub(super) outcome: Outcome,
    pub(super) code: Option<ErrorCode>,
    pub(super) field: Option<&'static str>,
    pub(super) detail: Option<Box<str>>,
}

impl Failure {
    /// The check does not hold.
    pub const fn of(fault: Fault) -> Self {
        Self { fault, outcome: Outcome::Fail, code: None, field: None, detail: None }
    }

    /// The check could not be made, through no fault of the caller.
    pub const fn unavailable(fault: Fault) -> Self {
        let code = Some(ErrorCode::TemporarilyUnavailable);
        Self { fault, outcome: Outcome::Error, code, field: None, detail: None }
    }

    /// Another code than the check's own.
    #[must_use]
    pub fn code(self, code: ErrorCode) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The member of the request that it is about.
    #[must_use]
    pub fn field(self, name: &'static str) -> Self {
        Self { field: Some(name), ..self }
    }

    /// What was looked at, for the audit alone.
    #[must_use]
    pub fn detail(self, detail: impl AsRef<str>) -> Self {
        Self { detail: Some(shortened(detail.as_ref())), ..self }
    }
}

/// At most [`MAX_DETAIL`] characters, without those that move a terminal's cursor or turn its text around.
pub(crate) fn shortened(text: &str) -> Box<str> {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = |c: char| if c.is_control() || turns(c) { char::REPLACEMENT_CHARACTER } else { c };
    let mut short: String = text.chars().take(MAX_DETAIL).map(plain).collect();
    if text.chars().nth(MAX_DETAIL).is_some() {
        short.push_str(" ...");
    }
    short.into()
}

/// Under which policy and on whose behalf a request is judged, as the verified statement says.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The policy's id.
    pub policy: &'a str,
    /// The organisation, where the policy's `[subject]` names its claim and the statement has it.
    pub organisation: Option<&'a str>,
    /// The software, in the same way.
    pub software: Option<&'a str>,
}

/// Where a check writes what it found.
#[derive(Debug)]
pub struct Report<'r> {
    asker: &'r Asker<'r>,
    rule: &'r Arc<Rule>,
    claims: &'r mut Vec<Claim>,
    pub(super) failures: Vec<Failure>,
    /// Whether a shadow would have asked for something.
    pub(super) untaken: bool,
}

impl<'r> Report<'r> {
    pub(super) const fn new(asker: &'r Asker<'r>, rule: &'r Arc<Rule>, claims: &'r mut Vec<Claim>) -> Self {
        Self { asker, rule, claims, failures: Vec::new(), untaken: false }
    }

    /// Under which policy and on whose behalf.
    pub const fn asker(&self) -> &'r Asker<'r> {
        self.asker
    }

    /// Records a failure.
    pub fn fail(&mut self, failure: Failure) {
        if self.failures.len() < MAX_FAILURES {
            self.failures.push(failure);
        }
    }

    /// Asks for a single-use thing of this policy. `false` when a part cannot be part of a key.
    ///
    /// A shadow takes nothing: a conflict would refuse.
    #[must_use]
    pub fn claim(&mut self, kind: ClaimKind, parts: &[&str], expires: Option<Timestamp>) -> bool {
        self.take(kind, &[&[self.asker.policy], parts].concat(), expires, 1, None)
    }

    /// Asks for what one client of this policy has alone as long as it lives; `owner` is the registration of the
    /// client that is updated, which may have it already.
    #[must_use]
    pub fn claim_of_client(&mut self, parts: &[&str], owner: Option<DecisionId>) -> bool {
        self.take(ClaimKind::Slot, &[&[self.asker.policy], parts].concat(), None, 1, owner)
    }

    /// Asks for a single-use thing that is the same under every policy.
    #[must_use]
    pub fn claim_everywhere(&mut self, kind: ClaimKind, parts: &[&str], expires: Option<Timestamp>) -> bool {
        self.take(kind, parts, expires, 1, None)
    }

    /// Asks for one of so many units of this policy.
    #[must_use]
    pub fn claim_unit(&mut self, parts: &[&str], expires: Option<Timestamp>, units: u32) -> bool {
        self.take(ClaimKind::Quota, &[&[self.asker.policy], parts].concat(), expires, units, None)
    }

    fn take(
        &mut self,
        kind: ClaimKind,
        parts: &[&str],
        expires: Option<Timestamp>,
        units: u32,
        owner: Option<DecisionId>,
    ) -> bool {
        if parts.iter().any(|part| part.is_empty() || part.contains('\n')) {
            return false;
        }
        if self.rule.mode == Mode::Enforce {
            let key = parts.join("\n").into();
            self.claims.push(Claim { kind, key, expires, units, owner, refusal: Arc::clone(self.rule) });
        } else {
            self.untaken = true;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_short_and_still() {
        assert_eq!(&*shortened("a\u{1b}[2J\n\u{202e}b"), "a\u{fffd}[2J\u{fffd}\u{fffd}b");
        assert_eq!(shortened(&"\u{e3}".repeat(600)).chars().count(), MAX_DETAIL + 4);
    }
}
