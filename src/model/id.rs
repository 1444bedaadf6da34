//! Names of things that dcrgate itself gives out or is configured with.

use std::fmt;
use std::sync::Arc;

use super::time::Timestamp;

/// Names one decision: in the answer, the `DCR-Decision-Id` header, the log and the ledger.
///
/// A ULID: 48 bits of milliseconds and 80 random bits in 26 letters of
/// Crockford's base 32, so that ids sort by time and can be read aloud.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId(ulid::Ulid);

/// The text is not a decision id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a decision id: 26 letters and digits, as in the DCR-Decision-Id header")]
pub struct InvalidDecisionId;

impl DecisionId {
    /// Made from the time of the decision and 80 random bits of the caller's generator.
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(at.unix_micros() / 1000).unwrap_or(0);
        let mut low = [0; 16];
        for (to, from) in low.iter_mut().skip(6).zip(random) {
            *to = from;
        }
        Self(ulid::Ulid::from_parts(millis, u128::from_be_bytes(low)))
    }

    /// Reads the 26 letters.
    ///
    /// # Errors
    /// [`InvalidDecisionId`] for anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidDecisionId> {
        ulid::Ulid::from_string(text).map(Self).map_err(|_| InvalidDecisionId)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for DecisionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The name of an `[authorities.NAME]` section.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AuthorityName(Arc<str>);

impl AuthorityName {
    /// From the section's name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// As written in the configuration.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuthorityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for AuthorityName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
