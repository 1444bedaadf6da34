//! A software statement (RFC 7591 §2.3) whose signature was verified.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::digest::Digest;

/// Claims that a trusted key signed. Made by `jose` only; nothing is said of
/// their age, issuer or content yet: that is what checks are for.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The payload's members.
    pub claims: Map<String, Value>,
    /// `alg` of the header.
    pub algorithm: &'static str,
    /// `kid` of the key.
    pub key_id: Arc<str>,
    /// SHA-256 of the compact form, for the record.
    pub digest: Digest,
}

impl Statement {
    /// A claim that is a string.
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }
}
