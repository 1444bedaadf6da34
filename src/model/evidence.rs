//! Everything gathered that a decision rests on.
//!
//! `gather` fills it, from caches and, within a budget, from the network;
//! `decide` reads it. Offline (`explain`, `policy test`) what is missing is
//! [`Known::Unavailable`], never fetched.

use std::sync::Arc;

use super::binding::Binding;
use super::key::{Jwk, KeySet};
use super::peer::{Judgement, Peer};
use super::sector::KnownSector;
use super::token::AccessToken;

/// An optional value whose absence says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known<T> {
    /// It is there.
    Value(T),
    /// It was looked for, and there is none.
    Absent,
    /// It could not be looked for: an outage of ours or of a directory, never the caller's fault.
    Unavailable(Arc<str>),
}

impl<T> Known<T> {
    /// The value, where there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Unavailable(_) => None,
        }
    }
}

/// What was sent as an initial access token.
#[derive(Clone, Debug)]
pub enum Token {
    /// Its issuer vouches for it; nothing is said of its claims yet.
    Vouched(Arc<AccessToken>),
    /// It is not a token of the issuer, and why: for the audit, never a part of it.
    Refused(Arc<str>),
}

/// Everything gathered that a decision rests on.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The presented certificate and what each authority says of its chain;
    /// [`Known::Absent`] when the client showed none.
    pub peer: Known<(Arc<Peer>, Arc<Judgement>)>,
    /// The initial access token (RFC 7591 §3); [`Known::Absent`] when none was sent,
    /// [`Known::Unavailable`] when the issuer's keys cannot be had, or it cannot be asked.
    pub token: Known<Token>,
    /// The directory's key that the statement's header names.
    /// [`Known::Absent`]: no key of the set fits; [`Known::Unavailable`]: no usable set.
    pub statement_key: Known<Arc<Jwk>>,
    /// The certificate that signed the statement and what each authority says of its chain, where the policy has
    /// certificates sign; [`Known::Absent`] when none did.
    pub signer: Known<(Arc<Peer>, Arc<Judgement>)>,
    /// The software's own keys, fetched from the URI in its statement where the policy wants them.
    pub software_keys: Known<Arc<KeySet>>,
    /// The document at the request's `sector_identifier_uri`, where the policy wants it.
    pub sector: KnownSector,
    /// Who owns the client, on management (RFC 7592).
    pub binding: Known<Arc<Binding>>,
}
