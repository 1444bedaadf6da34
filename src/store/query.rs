//! What the ledger is asked for, and what it tells.

use super::chain::Link;
use crate::model::digest::Digest;
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;

/// Which decisions are asked for.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Only those that ended so; `open` for those that have not ended.
    pub outcome: Option<String>,
    /// Only those made at or after this time.
    pub since: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: u32,
}

/// Which clients are asked for. What is not said matches all.
#[derive(Clone, Debug, Default)]
pub struct ClientFilter {
    /// The `[upstreams.NAME]`.
    pub upstream: Option<String>,
    /// Its id there.
    pub client_id: Option<String>,
    /// The organisation that owns it.
    pub organisation: Option<String>,
    /// The software.
    pub software: Option<String>,
    /// The policy's id.
    pub policy: Option<String>,
    /// The template that it was made from, by its name in the configuration.
    pub template: Option<String>,
    /// At most so many, those that were registered last.
    pub limit: u32,
}

/// A claim that a decision holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldClaim {
    /// `jti`, `slot`, `token-use` or `quota`.
    pub kind: String,
    /// When it becomes free by itself; `None`: not before it is released.
    pub expires: Option<Timestamp>,
}

/// A decision as the ledger tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its id.
    pub id: DecisionId,
    /// Its opening, when it was admitted.
    pub opened: Option<StoredEntry>,
    /// Its end, when it has one.
    pub ended: Option<StoredEntry>,
}

impl Decision {
    /// How it ended; [`OPEN`] while it has not.
    pub fn outcome(&self) -> &str {
        self.ended.as_ref().and_then(|entry| entry.outcome.as_deref()).unwrap_or(OPEN)
    }
}

/// An entry as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Whose chain it is in.
    pub writer: String,
    /// Where in the chain, from 1.
    pub seq: i64,
    /// The decision, unless it is a summary or a note.
    pub decision: Option<String>,
    /// `opened`, `closed`, `interrupted`, `summary` or `note`.
    pub kind: String,
    /// How the decision ended, when it did.
    pub outcome: Option<String>,
    /// When it was made.
    pub time: Timestamp,
    /// The record.
    pub body: Vec<u8>,
    /// The hash it continues.
    pub previous: Digest,
    /// Its hash.
    pub hash: Digest,
}

impl StoredEntry {
    /// The columns that its hash covers.
    pub fn link(&self) -> Link<'_> {
        Link {
            writer: &self.writer,
            seq: self.seq,
            decision: self.decision.as_deref().unwrap_or_default(),
            kind: &self.kind,
            outcome: self.outcome.as_deref().unwrap_or_default(),
            time: self.time.unix_micros(),
            body: &self.body,
        }
    }
}

/// The outcome of a decision that has not ended.
pub const OPEN: &str = "open";
