//! What somebody else signed, in a record: the statement and the token, as far as they were read.

use serde::ser::{Serialize as _, Serializer};

use super::super::text::Text;
use super::Client;
use crate::model::digest::Digest;
use crate::model::time::Timestamp;

/// The software statement.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Statement<'a> {
    /// `iss`.
    pub issuer: Option<Text<'a>>,
    /// `kid` of the header.
    pub kid: Option<Text<'a>>,
    /// `alg` of the header.
    pub alg: Text<'a>,
    /// `jti`.
    pub jti: Option<Text<'a>>,
    /// `iat`.
    pub iat: Option<Timestamp>,
    /// SHA-256 of the compact form.
    pub sha256: Digest,
    /// The certificate that signed it, where the policy has certificates sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<Client<'a>>,
}

/// A signed request. Its digest is that of the body.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Signed<'a> {
    /// `iss`.
    pub issuer: Option<Text<'a>>,
    /// `kid` of the key.
    pub kid: Text<'a>,
    /// `alg` of the header.
    pub alg: Text<'a>,
    /// `jti`.
    pub jti: Option<Text<'a>>,
    /// `iat`.
    pub iat: Option<Timestamp>,
}

/// The initial access token, as its issuer vouches for it. Never the token itself.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Token<'a> {
    /// `iss`.
    pub issuer: Option<Text<'a>>,
    /// `sub`.
    pub subject: Option<Text<'a>>,
    /// `client_id`.
    pub client_id: Option<Text<'a>>,
    /// `scope`.
    pub scope: Option<Text<'a>>,
    /// `jti`.
    pub jti: Option<Text<'a>>,
    /// SHA-256 of the compact form, where the issuer signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    /// Under the store's sealing key, where the issuer told the claims: a short token could be guessed from the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Digest>,
}

/// Whether there was one, and what it was.
pub(super) fn presence<S: Serializer>(statement: &Option<Statement<'_>>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(serde::Serialize)]
    struct Presence<'a> {
        present: bool,
        #[serde(flatten)]
        statement: Option<&'a Statement<'a>>,
    }
    Presence { present: statement.is_some(), statement: statement.as_ref() }.serialize(serializer)
}
