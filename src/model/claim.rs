//! Single-use things that a decision takes.
//!
//! Claims are inserted in the transaction that opens the audit record, under a
//! unique key, so that of two requests for the same thing one is refused, across
//! threads, restarts and proxies.

use std::sync::Arc;

use super::time::Timestamp;

/// What kind of thing is taken. Its release differs (a refusal by the
/// identity server frees slot and quota, never the `jti`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClaimKind {
    /// A token's `jti`, or the whole statement where it has none: used once.
    Jti,
    /// The one live registration of a software statement's software.
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
    /// The check or rule that asked for it; a conflict is reported under its id, code and texts.
    pub refusal: Arc<super::trace::Rule>,
}
