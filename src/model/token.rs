//! An initial access token (RFC 7591 §3) that its issuer vouches for.

use serde_json::{Map, Value};

use super::digest::Digest;

/// What is known of a token whose issuer vouches for it; whether it is valid here and now is another question.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// What the issuer says of it.
    pub claims: Map<String, Value>,
    /// How the issuer said so.
    pub vouched: Vouched,
    /// SHA-256 of the token as it was sent.
    pub digest: Digest,
}

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
