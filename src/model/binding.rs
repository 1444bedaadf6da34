//! Who owns a registered client: authority, organisation, software and certificate.

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
    /// The certificate's subject in RFC 4514 form.
    pub subject: Option<String>,
    /// HMAC-SHA256 of the registration access token under a key of the store; never the token.
    pub token_fingerprint: Option<Digest>,
    /// The decision that admitted it.
    pub decision: DecisionId,
    /// When.
    pub registered: Timestamp,
}
