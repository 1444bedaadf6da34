//! [`Owned`]: the proof that a caller owns a client, and the only pass to manage it.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;

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
