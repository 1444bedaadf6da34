//! Who owns a registered client: authority, organisation, software and certificate.

use serde_json::{Map, Value};

use super::digest::Digest;
use super::id::{AuthorityName, DecisionId};
use super::time::Timestamp;

/// Written when a registration succeeds; management (RFC 7592) is judged against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The `[upstreams.NAME]` that issued the client id.
    pub upstream: String,
    /// As the identity server issued it; any character.
    pub client_id: String,
    /// The authority whose anchor the certificate's path ended in; `None` where no certificate was asked for.
    pub authority: Option<AuthorityName>,
    /// The organisation, as the policy reads it from the verified statement.
    pub organisation: Option<String>,
    /// The software, as the policy reads it from the verified statement.
    pub software: Option<String>,
    /// The policy's id.
    pub policy: String,
    /// SHA-256 of the certificate.
    pub certificate: Option<Digest>,
    /// When that certificate expires.
    pub certificate_expires: Option<Timestamp>,
    /// The certificate's subject in RFC 4514 form.
    pub subject: Option<String>,
    /// HMAC-SHA256 of the registration access token under a key of the store; never the token.
    pub token_fingerprint: Option<Digest>,
    /// When the registration access token expires, where the identity server said so.
    pub token_expires: Option<Timestamp>,
    /// The registration access token itself, sealed, where the deployment keeps it.
    pub sealed_token: Option<SealedToken>,
    /// The client's metadata as last admitted, the software statement included; no secret.
    pub metadata: Map<String, Value>,
    /// The template that it was made from; `None`: it was registered with metadata of its own.
    pub template: Option<MadeFrom>,
    /// The decision that admitted the registration: it holds the claims that the client keeps.
    pub decision: DecisionId,
    /// When.
    pub registered: Timestamp,
    /// When it was last updated, or its token replaced.
    pub updated: Option<Timestamp>,
}

/// The template of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeFrom {
    /// The `[templates.NAME]`.
    pub name: String,
    /// SHA-256 of what it said when the client was made or last brought up to date.
    pub digest: Digest,
    /// The members that are the client's own, of those that the template leaves to its instances.
    pub own: Vec<String>,
}

/// A registration access token as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedToken {
    /// Which key opens it.
    pub key_id: String,
    /// Nonce, ciphertext, tag.
    pub blob: Vec<u8>,
}

impl std::fmt::Debug for SealedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedToken(key {}, {} bytes)", self.key_id, self.blob.len())
    }
}
