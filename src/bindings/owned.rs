//! [`Owned`]: the proof that a caller owns a client, and the only pass to manage it.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use serde_json::{Map, Value};

use super::{InvalidAnswer, Keeping};
use crate::model::binding::Binding;
use crate::model::digest::Digest;
use crate::model::id::AuthorityName;
use crate::model::time::Timestamp;
use crate::store::Sealer;

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
    /// The time of the request.
    pub now: Timestamp,
}

/// What is known of a client when its owner was told of it.
#[derive(Clone, Copy, Debug)]
pub struct Updated<'a> {
    /// SHA-256 of the certificate that was used, and when it expires.
    pub certificate: Option<(Digest, Timestamp)>,
    /// The organisation, where this request says it.
    pub organisation: Option<&'a str>,
    /// The software, where this request says it.
    pub software: Option<&'a str>,
    /// The client's metadata as admitted.
    pub metadata: &'a Map<String, Value>,
    /// The token that was used.
    pub token: Option<&'a str>,
    /// When.
    pub at: Timestamp,
}

/// A binding that takes the place of another.
#[derive(Debug)]
pub struct Next {
    /// The client as it now is.
    pub binding: Binding,
    /// Whether its token is another one than was used.
    pub has_new_token: bool,
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
    /// This client's, and its time is over.
    #[error("the registration access token has expired")]
    Expired,
}

impl Owned {
    /// Proves that the caller owns the client: same authority, same subject, same token. A client that was registered
    /// without a certificate is owned by whoever has its token, over whichever connection.
    ///
    /// # Errors
    /// [`NotOwner`].
    pub fn prove(binding: Arc<Binding>, claimant: &Claimant<'_>, sealer: &Sealer) -> Result<Self, NotOwner> {
        let has_certificate = binding.authority.is_some() || binding.subject.is_some() || binding.certificate.is_some();
        if has_certificate
            && (binding.authority.as_ref() != claimant.authority || binding.subject.as_deref() != claimant.subject)
        {
            return Err(NotOwner::Certificate);
        }
        let same = |ours: &Digest, theirs: &str| {
            let theirs = sealer.fingerprints(theirs);
            theirs.iter().any(|theirs| verify_slices_are_equal(ours.as_bytes(), theirs.as_bytes()).is_ok())
        };
        match (&binding.token_fingerprint, claimant.token) {
            // An identity server that gave no token is managed by the certificate alone, never by nothing.
            (None, None) if binding.certificate.is_some() => Ok(Self(binding)),
            (Some(ours), Some(theirs)) if same(ours, theirs) => {
                if binding.token_expires.is_some_and(|end| end <= claimant.now) {
                    return Err(NotOwner::Expired);
                }
                Ok(Self(binding))
            }
            _ => Err(NotOwner::Token),
        }
    }

    /// The same client after an answer about it (RFC 7592 §3): with the token of the answer, or the one that was used.
    ///
    /// # Errors
    /// When the answer is about another client, or has no token that can be kept.
    pub fn updated(
        &self,
        answer: &Map<String, Value>,
        updated: &Updated<'_>,
        keeping: &Keeping<'_>,
    ) -> Result<Next, InvalidAnswer> {
        let before = &*self.0;
        if answer.get("client_id").is_some_and(|id| id.as_str() != Some(&before.client_id)) {
            return Err(InvalidAnswer::OtherClient);
        }
        let kept = keeping.read(answer, before.decision, updated.at)?;
        let used = updated.token.map(|token| keeping.sealer.current().fingerprint(token));
        let has_new_token = kept.as_ref().is_some_and(|kept| Some(kept.fingerprint) != used);
        let (fingerprint, sealed, expires) = match kept {
            Some(kept) if has_new_token || kept.expires.is_some() => {
                (Some(kept.fingerprint), kept.sealed, kept.expires)
            }
            // The same token: it expires when it did.
            _ => {
                let sealed = match (&before.sealed_token, updated.token) {
                    (None, Some(token)) if keeping.sealed => keeping.sealer.seal_token(before.decision, token).ok(),
                    (sealed, _) => sealed.clone(),
                };
                (used.or(before.token_fingerprint), sealed, before.token_expires)
            }
        };
        let (certificate, certificate_expires) = match updated.certificate {
            Some((certificate, expires)) if before.certificate.is_some() => (Some(certificate), Some(expires)),
            _ => (before.certificate, before.certificate_expires),
        };
        let binding = Binding {
            certificate,
            certificate_expires,
            organisation: updated.organisation.map(str::to_owned).or_else(|| before.organisation.clone()),
            software: updated.software.map(str::to_owned).or_else(|| before.software.clone()),
            token_fingerprint: fingerprint,
            token_expires: expires,
            sealed_token: sealed,
            metadata: updated.metadata.clone(),
            updated: Some(updated.at),
            ..before.clone()
        };
        Ok(Next { binding, has_new_token })
    }

    /// The binding, for whoever keeps it.
    pub fn shared(&self) -> Arc<Binding> {
        Arc::clone(&self.0)
    }

    /// The binding.
    pub fn binding(&self) -> &Binding {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bindings::tests::{bind, sealer};
    use crate::store::SealingKey;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_435_200);

    #[test]
    fn ownership_needs_authority_subject_and_token() {
        let authority = AuthorityName::new("icp-brasil");
        let other = AuthorityName::new("other");
        let binding = Arc::new(bind(&json!({"client_id": "c1", "registration_access_token": "t"})).unwrap());
        let owner = Claimant { authority: Some(&authority), subject: Some("CN=tpp"), token: Some("t"), now: NOW };
        let prove =
            |claimant| Owned::prove(Arc::clone(&binding), &claimant, &sealer(3)).map(|owned| owned.0.client_id.clone());
        assert_eq!(prove(owner), Ok("c1".to_owned()));
        assert_eq!(prove(Claimant { authority: Some(&other), ..owner }), Err(NotOwner::Certificate));
        assert_eq!(prove(Claimant { authority: None, ..owner }), Err(NotOwner::Certificate));
        assert_eq!(prove(Claimant { subject: Some("CN=tpp2"), ..owner }), Err(NotOwner::Certificate));
        assert_eq!(prove(Claimant { token: Some("u"), ..owner }), Err(NotOwner::Token));
        assert_eq!(prove(Claimant { token: None, ..owner }), Err(NotOwner::Token));

        let no_token = bind(&json!({"client_id": "c1"})).unwrap();
        let claimant = Claimant { token: None, ..owner };
        assert!(Owned::prove(Arc::new(no_token.clone()), &claimant, &sealer(3)).is_ok());
        let nothing = Binding { authority: None, subject: None, certificate: None, ..no_token };
        let nobody = Claimant { authority: None, subject: None, token: None, now: NOW };
        assert_eq!(Owned::prove(Arc::new(nothing), &nobody, &sealer(3)).map(|_| ()), Err(NotOwner::Token));
    }

    #[test]
    fn the_token_is_known_under_an_older_key_until_it_expires() {
        let answer = json!({"client_id": "c1", "registration_access_token": "t",
            "registration_access_token_expires_in": 60});
        let binding = Arc::new(bind(&answer).unwrap());
        let authority = AuthorityName::new("icp-brasil");
        let rotated = Sealer::new(SealingKey::new(&[4; 32]).unwrap(), vec![SealingKey::new(&[3; 32]).unwrap()]);
        let prove = |token, seconds: i64, sealer: &Sealer| {
            let now = Timestamp::from_unix_seconds(1_795_435_200 + seconds);
            let claimant = Claimant { authority: Some(&authority), subject: Some("CN=tpp"), token: Some(token), now };
            Owned::prove(Arc::clone(&binding), &claimant, sealer).map(|_| ())
        };
        assert_eq!(prove("t", 59, &rotated), Ok(()));
        assert_eq!(prove("t", 60, &rotated), Err(NotOwner::Expired));
        // Only of its own token is a caller told that it has expired.
        assert_eq!(prove("u", 60, &rotated), Err(NotOwner::Token));
        assert_eq!(prove("t", 0, &sealer(4)), Err(NotOwner::Token));
    }

    #[test]
    fn a_client_registered_without_a_certificate_is_its_tokens() {
        let bound = bind(&json!({"client_id": "c1", "registration_access_token": "t"})).unwrap();
        let bound = Binding { authority: None, subject: None, certificate: None, ..bound };
        let authority = AuthorityName::new("icp-brasil");
        let claimant = Claimant { authority: Some(&authority), subject: Some("CN=any"), token: Some("t"), now: NOW };
        assert!(Owned::prove(Arc::new(bound.clone()), &claimant, &sealer(3)).is_ok());
        let other = Claimant { token: Some("u"), ..claimant };
        assert_eq!(Owned::prove(Arc::new(bound), &other, &sealer(3)).map(|_| ()), Err(NotOwner::Token));
    }
}
