//! Floor 3: who owns a client.
//!
//! A [`Binding`] is made from the identity server's answer to a registration and
//! what was verified on the way to it. [`Owned`] is the proof that a caller is
//! the owner: management (RFC 7592) may be sent with it, and it cannot be made
//! otherwise. Registration access tokens are kept as keyed fingerprints only.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde_json::{Map, Value};

use crate::model::binding::Binding;
use crate::model::digest::Digest;
use crate::model::id::{AuthorityName, DecisionId};
use crate::model::time::Timestamp;
use crate::store::SealingKey;

/// HMAC-SHA256 of a registration access token under a key derived from the store's sealing key.
pub fn fingerprint(token: &str, key: &SealingKey) -> Digest {
    key.fingerprint(token)
}

/// What was verified of whoever registers.
#[derive(Clone, Copy, Debug)]
pub struct Registrant<'a> {
    /// The `[upstreams.NAME]` that the request went to.
    pub upstream: &'a str,
    /// The authority that vouches for the certificate.
    pub authority: Option<&'a AuthorityName>,
    /// SHA-256 of the certificate.
    pub certificate: Option<Digest>,
    /// The certificate's subject in RFC 4514 form.
    pub subject: Option<&'a str>,
    /// The organisation, as the policy reads it.
    pub organisation: Option<&'a str>,
    /// The software, as the policy reads it.
    pub software: Option<&'a str>,
    /// The policy's id.
    pub policy: &'a str,
    /// The decision that admitted it.
    pub decision: DecisionId,
    /// Its time.
    pub at: Timestamp,
}

/// The identity server's answer is no client information response (RFC 7591 §3.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnswer {
    /// `client_id` is REQUIRED.
    #[error("the answer has no client_id of 1 to 1024 characters")]
    ClientId,
    /// A token that is no string cannot be recognised when it comes back.
    #[error("the registration access token in the answer is no string")]
    Token,
}

/// The binding of the client in a successful answer (RFC 7591 §3.2.1, RFC 7592 §3).
///
/// # Errors
/// When the answer names no client.
pub fn from_answer(
    answer: &Map<String, Value>,
    registrant: &Registrant<'_>,
    key: &SealingKey,
) -> Result<Binding, InvalidAnswer> {
    let client_id = answer
        .get("client_id")
        .and_then(Value::as_str)
        .filter(|id| (1..=CLIENT_ID).contains(&id.chars().count()))
        .ok_or(InvalidAnswer::ClientId)?;
    let token = match answer.get("registration_access_token") {
        None | Some(Value::Null) => None,
        Some(Value::String(token)) => Some(fingerprint(token, key)),
        Some(_) => return Err(InvalidAnswer::Token),
    };
    Ok(Binding {
        upstream: registrant.upstream.to_owned(),
        client_id: client_id.to_owned(),
        authority: registrant.authority.cloned(),
        organisation: registrant.organisation.map(str::to_owned),
        software: registrant.software.map(str::to_owned),
        policy: registrant.policy.to_owned(),
        certificate: registrant.certificate,
        subject: registrant.subject.map(str::to_owned),
        token_fingerprint: token,
        decision: registrant.decision,
        registered: registrant.at,
    })
}

/// A binding whose owner is the caller: proved, and not to be had otherwise.
#[derive(Debug)]
pub struct Owned(Arc<Binding>);

/// Who asks to manage a client.
#[derive(Clone, Copy, Debug)]
pub struct Claimant<'a> {
    /// The authority that vouches for the certificate.
    pub authority: Option<&'a AuthorityName>,
    /// The certificate's subject in RFC 4514 form; a renewed certificate keeps it.
    pub subject: Option<&'a str>,
    /// The registration access token as sent.
    pub token: Option<&'a str>,
}

/// The caller is not the owner. Which of the two it is stays in the record: a caller is told neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOwner {
    /// Another authority or subject.
    #[error("the client belongs to the holder of another certificate")]
    Certificate,
    /// Another token, or none.
    #[error("the registration access token is not this client's")]
    Token,
}

impl Owned {
    /// Proves that the caller owns the client: same authority, same subject, same token.
    ///
    /// # Errors
    /// [`NotOwner`].
    pub fn prove(binding: Arc<Binding>, claimant: &Claimant<'_>, key: &SealingKey) -> Result<Self, NotOwner> {
        if binding.authority.as_ref() != claimant.authority || binding.subject.as_deref() != claimant.subject {
            return Err(NotOwner::Certificate);
        }
        let same = |ours: &Digest, theirs: &str| {
            verify_slices_are_equal(ours.as_bytes(), fingerprint(theirs, key).as_bytes()).is_ok()
        };
        match (&binding.token_fingerprint, claimant.token) {
            // An identity server that gave no token is managed by the certificate alone, never by nothing.
            (None, None) if binding.certificate.is_some() => Ok(Self(binding)),
            (Some(ours), Some(theirs)) if same(ours, theirs) => Ok(Self(binding)),
            _ => Err(NotOwner::Token),
        }
    }

    /// The binding.
    pub fn binding(&self) -> &Binding {
        &self.0
    }
}

const CLIENT_ID: usize = 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key() -> SealingKey {
        SealingKey::new(&[3; 32]).unwrap()
    }

    fn bind(answer: &Value) -> Result<Binding, InvalidAnswer> {
        let authority = AuthorityName::new("icp-brasil");
        let at = Timestamp::from_unix_seconds(1_795_435_200);
        let registrant = Registrant {
            upstream: "idp",
            authority: Some(&authority),
            certificate: Some(Digest::of(b"certificate")),
            subject: Some("CN=tpp"),
            organisation: Some("org-1"),
            software: Some("software-1"),
            policy: "open-finance-brasil",
            decision: DecisionId::new(at, [0; 10]),
            at,
        };
        from_answer(answer.as_object().unwrap(), &registrant, &key())
    }

    #[test]
    fn the_token_is_kept_as_a_fingerprint() {
        let binding = bind(&json!({"client_id": "c1", "registration_access_token": "t0ken"})).unwrap();
        assert_eq!(binding.token_fingerprint, Some(fingerprint("t0ken", &key())));
        assert_ne!(binding.token_fingerprint, Some(Digest::of(b"t0ken")));
        assert_ne!(fingerprint("t0ken", &SealingKey::new(&[4; 32]).unwrap()), fingerprint("t0ken", &key()));
        assert!(!format!("{binding:?}").contains("t0ken"));
        assert_eq!(bind(&json!({"client_id": "c1"})).unwrap().token_fingerprint, None);
    }

    #[test]
    fn an_answer_without_a_client_binds_nothing() {
        for answer in
            [json!({}), json!({"client_id": ""}), json!({"client_id": 1}), json!({"client_id": "x".repeat(1025)})]
        {
            assert_eq!(bind(&answer), Err(InvalidAnswer::ClientId));
        }
        let answer = json!({"client_id": "c", "registration_access_token": ["t"]});
        assert_eq!(bind(&answer), Err(InvalidAnswer::Token));
    }

    #[test]
    fn ownership_needs_authority_subject_and_token() {
        let authority = AuthorityName::new("icp-brasil");
        let other = AuthorityName::new("other");
        let binding = Arc::new(bind(&json!({"client_id": "c1", "registration_access_token": "t"})).unwrap());
        let owner = Claimant { authority: Some(&authority), subject: Some("CN=tpp"), token: Some("t") };
        let prove =
            |claimant| Owned::prove(Arc::clone(&binding), &claimant, &key()).map(|owned| owned.0.client_id.clone());
        assert_eq!(prove(owner), Ok("c1".to_owned()));
        assert_eq!(prove(Claimant { authority: Some(&other), ..owner }), Err(NotOwner::Certificate));
        assert_eq!(prove(Claimant { authority: None, ..owner }), Err(NotOwner::Certificate));
        assert_eq!(prove(Claimant { subject: Some("CN=tpp2"), ..owner }), Err(NotOwner::Certificate));
        assert_eq!(prove(Claimant { token: Some("u"), ..owner }), Err(NotOwner::Token));
        assert_eq!(prove(Claimant { token: None, ..owner }), Err(NotOwner::Token));

        let no_token = bind(&json!({"client_id": "c1"})).unwrap();
        let claimant = Claimant { token: None, ..owner };
        assert!(Owned::prove(Arc::new(no_token.clone()), &claimant, &key()).is_ok());
        let nothing = Binding { authority: None, subject: None, certificate: None, ..no_token };
        let nobody = Claimant { authority: None, subject: None, token: None };
        assert_eq!(Owned::prove(Arc::new(nothing), &nobody, &key()).map(|_| ()), Err(NotOwner::Token));
    }
}
