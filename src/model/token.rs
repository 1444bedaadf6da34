//! An initial access token (RFC 7591 §3) that its issuer vouches for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::digest::Digest;
use super::time::Timestamp;

/// What is known of a token whose issuer vouches for it; whether it is valid here and now is another question.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// What the issuer says of it.
    pub claims: Map<String, Value>,
    /// How the issuer said so.
    pub vouched: Vouched,
    /// SHA-256 of the token as it was sent.
    pub digest: Digest,
    /// How it was shown.
    pub shown: Shown,
}

/// How a token was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// By whoever bears it (RFC 6750 §2.1).
    Bearer,
    /// With a proof (RFC 9449 §7.1), or what is wrong with that: for the audit, never a part of it.
    Dpop(Result<Proof, Arc<str>>),
}

/// A proof of possession that holds by itself (RFC 9449 §4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Thumbprint of the key that signed it.
    pub key: Digest,
    /// Digest of its `jti`: a proof is used once.
    pub id: Digest,
    /// `iat`.
    pub issued: Timestamp,
}

/// How old a proof may be when its request is complete: clients make one for each request, and a body has 30 s.
pub const PROOF_AGE: Duration = Duration::from_secs(60);

/// How an issuer vouches for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// It signed the claims (RFC 9068).
    Signed,
    /// It told the claims when it was asked (RFC 7662). Such a token may be short enough to be guessed from a plain
    /// digest, so that it is recorded and remembered by this one, which is keyed by the store's sealing key.
    Told {
        /// Tells whether two tokens are the same, and nothing else.
        fingerprint: Digest,
    },
}

impl AccessToken {
    /// A claim that is a string.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// The keyed fingerprint of a token whose claims the issuer told.
    pub const fn fingerprint(&self) -> Option<&Digest> {
        match &self.vouched {
            Vouched::Signed => None,
            Vouched::Told { fingerprint } => Some(fingerprint),
        }
    }
}
