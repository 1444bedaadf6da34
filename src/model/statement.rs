//! What somebody signed and whose signature was verified: software statements (RFC 7591 §2.3), requests, access tokens.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::digest::Digest;

/// Claims that a known key signed. Made by `jose` only; whose key it was is the caller's knowledge.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The payload's members.
    pub claims: Map<String, Value>,
    /// `alg` of the header.
    pub algorithm: &'static str,
    /// `kid` of the key.
    pub key_id: Arc<str>,
    /// SHA-256 of the compact form, for the record.
    pub digest: Digest,
}

/// What a key signed that may sign statements; nothing is said of their age, issuer or content yet: that is what
/// checks are for.
pub type Statement = Signed;

/// Claims that every JWT may have (RFC 7519 §4.1). Beside the members of a signed registration request they
/// speak of the request itself, so they are no client metadata.
pub const JWT_CLAIMS: &[&str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

impl Signed {
    /// A claim that is a string.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }
}
