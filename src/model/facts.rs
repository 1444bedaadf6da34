//! What a check or a rule may look at. Nothing else exists for them.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::binding::Binding;
use super::digest::Digest;
use super::evidence::Known;
use super::id::AuthorityName;
use super::key::KeySet;
use super::peer::Peer;
use super::sector::KnownSector;
use super::statement::Statement;
use super::time::Timestamp;
use super::token::AccessToken;
use std::sync::Arc;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// POST, RFC 7591 §3.1.
    Register,
    /// PUT, RFC 7592 §2.2.
    Update,
    /// GET, RFC 7592 §2.1.
    Read,
    /// DELETE, RFC 7592 §2.3.
    Delete,
}

impl Operation {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Register, Self::Update, Self::Read, Self::Delete];

    /// The word of policies and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Update => "update",
            Self::Read => "read",
            Self::Delete => "delete",
        }
    }
}

/// What is known of an initial access token that is valid here.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts<'a> {
    /// What its issuer says of it.
    pub claims: &'a Map<String, Value>,
    /// Of one whose claims were told by introspection: names it where it has no `jti`.
    pub fingerprint: Option<&'a Digest>,
}

/// Claims by themselves, as cases of policies give them.
impl<'a> From<&'a Map<String, Value>> for TokenFacts<'a> {
    fn from(claims: &'a Map<String, Value>) -> Self {
        Self { claims, fingerprint: None }
    }
}

impl<'a> From<&'a AccessToken> for TokenFacts<'a> {
    fn from(token: &'a AccessToken) -> Self {
        Self { claims: &token.claims, fingerprint: token.fingerprint() }
    }
}

/// What a check or a rule may look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is asked for.
    pub operation: Operation,
    /// The request's members as the caller sent them, once they are judged under the names that the policy means.
    pub request: &'a Map<String, Value>,
    /// The members as they would be forwarded: statement values merged over the request, defaults filled in.
    pub metadata: &'a Map<String, Value>,
    /// The verified statement; `None` where the policy asks for none and none was sent.
    pub statement: Option<&'a Statement>,
    /// The trusted client certificate and the authority that vouches for it.
    pub peer: Option<(&'a Peer, &'a AuthorityName)>,
    /// The trusted certificate that signed the statement, where the policy has certificates do so, and its authority.
    pub signer: Option<(&'a Peer, &'a AuthorityName)>,
    /// The initial access token.
    pub token: Option<TokenFacts<'a>>,
    /// The address that the request came from; `None` where a decision is made without a connection.
    pub remote: Option<IpAddr>,
    /// The client's binding, on an update.
    pub client: Option<&'a Binding>,
    /// The software's own keys.
    pub software_keys: &'a Known<Arc<KeySet>>,
    /// The document of the request's sector.
    pub sector: &'a KnownSector,
    /// The one time of this decision.
    pub now: Timestamp,
}

#[cfg(test)]
impl<'a> Facts<'a> {
    /// A registration of which there is nothing but its request.
    pub(crate) const fn of(request: &'a Map<String, Value>, now: Timestamp) -> Self {
        Self {
            operation: Operation::Register,
            request,
            metadata: request,
            statement: None,
            peer: None,
            signer: None,
            token: None,
            remote: None,
            client: None,
            software_keys: &Known::Absent,
            sector: &Known::Absent,
            now,
        }
    }
}
