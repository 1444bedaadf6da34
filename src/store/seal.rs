//! Sealing: answers hold client secrets, so they are stored encrypted only.
//!
//! AES-256-GCM (NIST SP 800-38D) under a key derived from `[store] sealing_key`,
//! a random nonce each, the decision's id as additional data, so that an answer
//! cannot be passed off as another decision's. The key's id stands beside each
//! blob: during a rotation the old key still opens.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use secrecy::zeroize::Zeroizing;

use crate::model::binding::SealedToken;
use crate::model::digest::Digest;
use crate::model::id::DecisionId;

/// One sealing key and what is derived from it.
pub struct SealingKey {
    id: String,
    cipher: RandomizedNonceKey,
    fingerprints: hmac::Key,
}

/// An answer as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedAnswer {
    /// The decision whose answer it is.
    pub decision: DecisionId,
    /// Which key opens it.
    pub key_id: String,
    /// Nonce, ciphertext, tag.
    pub blob: Vec<u8>,
}

/// An answer cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No configured key has that id.
    #[error("the answer was sealed under a key that is not configured")]
    UnknownKey,
    /// The blob or its decision was changed.
    #[error("the sealed answer does not open")]
    Damaged,
    /// The crypto library failed.
    #[error("sealing failed")]
    Failed,
}

impl SealingKey {
    /// From 32 secret bytes; how they are written is for the configuration to say.
    ///
    /// # Errors
    /// [`SealError::Failed`] when the crypto library fails.
    pub fn new(secret: &[u8; 32]) -> Result<Self, SealError> {
        let master = hmac::Key::new(hmac::HMAC_SHA256, secret);
        // One purpose, one key: HMAC as the expand step of RFC 5869, whose output here is one block.
        let derive = |purpose: &[u8]| hmac::sign(&master, purpose);
        let id = derive(b"dcrgate key id 1\x01");
        let id = Digest::from_bytes(id.as_ref()).ok_or(SealError::Failed)?.to_string();
        Ok(Self {
            id: id.chars().take(KEY_ID_DIGITS).collect(),
            cipher: RandomizedNonceKey::new(&AES_256_GCM, derive(b"dcrgate sealed answers 1\x01").as_ref())
                .map_err(|_| SealError::Failed)?,
            fingerprints: hmac::Key::new(hmac::HMAC_SHA256, derive(b"dcrgate token fingerprints 1\x01").as_ref()),
        })
    }

    /// Names the key without telling it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// HMAC-SHA256 of a token: tells whether two are the same, and nothing else.
    pub fn fingerprint(&self, token: &str) -> Digest {
        let tag = hmac::sign(&self.fingerprints, token.as_bytes());
        // HMAC-SHA256 is 32 bytes long, as a digest is.
        Digest::from_bytes(tag.as_ref()).unwrap_or_else(|| Digest::of(tag.as_ref()))
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for SealedAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedAnswer({}, key {}, {} bytes)", self.decision, self.key_id, self.blob.len())
    }
}

/// Seals under the current key; opens what older keys sealed.
#[derive(Debug)]
pub struct Sealer {
    current: SealingKey,
    older: Vec<SealingKey>,
}

impl Sealer {
    /// With the keys that were in use before, while their answers live.
    pub const fn new(current: SealingKey, older: Vec<SealingKey>) -> Self {
        Self { current, older }
    }

    /// The key that seals and fingerprints.
    pub const fn current(&self) -> &SealingKey {
        &self.current
    }

    /// The fingerprints of a token under every key, the current one's first.
    pub fn fingerprints(&self, token: &str) -> Vec<Digest> {
        self.keys().map(|key| key.fingerprint(token)).collect()
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.current).chain(&self.older)
    }

    /// Seals the answer to a decision.
    ///
    /// # Errors
    /// [`SealError::Failed`] when the crypto library fails.
    pub fn seal(&self, decision: DecisionId, answer: &[u8]) -> Result<SealedAnswer, SealError> {
        let (key_id, blob) = self.shut(decision.to_string(), answer)?;
        Ok(SealedAnswer { decision, key_id, blob })
    }

    /// Seals the registration access token of the client that this decision registered.
    ///
    /// # Errors
    /// [`SealError::Failed`] when the crypto library fails.
    pub fn seal_token(&self, decision: DecisionId, token: &str) -> Result<SealedToken, SealError> {
        let (key_id, blob) = self.shut(of_token(decision), token.as_bytes())?;
        Ok(SealedToken { key_id, blob })
    }

    fn shut(&self, belongs_to: String, secret: &[u8]) -> Result<(String, Vec<u8>), SealError> {
        let mut text = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
        text.extend_from_slice(secret);
        let nonce = self
            .current
            .cipher
            .seal_in_place_append_tag(Aad::from(belongs_to), &mut *text)
            .map_err(|_| SealError::Failed)?;
        let mut blob = Vec::with_capacity(NONCE_LEN + text.len());
        blob.extend_from_slice(nonce.as_ref());
        blob.extend_from_slice(&text);
        Ok((self.current.id.clone(), blob))
    }

    /// Opens a stored answer.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] and [`SealError::Damaged`].
    pub fn open(&self, sealed: &SealedAnswer) -> Result<Vec<u8>, SealError> {
        self.unshut(&sealed.key_id, &sealed.blob, sealed.decision.to_string())
    }

    /// Opens the registration access token of the client that this decision registered.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] and [`SealError::Damaged`].
    pub fn open_token(&self, decision: DecisionId, sealed: &SealedToken) -> Result<Zeroizing<String>, SealError> {
        let token = self.unshut(&sealed.key_id, &sealed.blob, of_token(decision))?;
        String::from_utf8(token).map(Zeroizing::new).map_err(|_| SealError::Damaged)
    }

    fn unshut(&self, key_id: &str, blob: &[u8], belongs_to: String) -> Result<Vec<u8>, SealError> {
        let key = self.keys().find(|key| key.id == key_id).ok_or(SealError::UnknownKey)?;
        let (nonce, text) = blob.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Damaged)?;
        let mut text = text.to_vec();
        let length = key
            .cipher
            .open_in_place(Nonce::from(nonce), Aad::from(belongs_to), &mut text)
            .map_err(|_| SealError::Damaged)?
            .len();
        text.truncate(length);
        Ok(text)
    }
}

/// A sealed answer of the same decision is no token, and no token an answer.
fn of_token(decision: DecisionId) -> String {
    format!("registration access token {decision}")
}

/// 64 bits tell the few keys of one deployment apart.
const KEY_ID_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;

    fn decision(seed: u8) -> DecisionId {
        DecisionId::new(Timestamp::from_unix_seconds(1_795_435_200), [seed; 10])
    }

    fn sealer(seed: u8) -> Sealer {
        Sealer::new(SealingKey::new(&[seed; 32]).unwrap(), Vec::new())
    }

    #[test]
    fn an_answer_comes_back_identical() {
        let sealer = sealer(1);
        let answer = br#"{"client_id":"a","client_secret":"s3cret"}"#;
        let sealed = sealer.seal(decision(1), answer).unwrap();
        assert!(!sealed.blob.windows(6).any(|window| window == b"s3cret"));
        assert_eq!(sealer.open(&sealed).unwrap(), answer);
        assert_ne!(sealer.seal(decision(1), answer).unwrap().blob, sealed.blob);
    }

    #[test]
    fn a_changed_blob_or_decision_does_not_open() {
        let sealer = sealer(1);
        let sealed = sealer.seal(decision(1), b"answer").unwrap();
        for index in 0..sealed.blob.len() {
            let mut changed = sealed.clone();
            changed.blob[index] ^= 1;
            assert_eq!(sealer.open(&changed), Err(SealError::Damaged));
        }
        assert_eq!(sealer.open(&SealedAnswer { decision: decision(2), ..sealed.clone() }), Err(SealError::Damaged));
        assert_eq!(sealer.open(&SealedAnswer { blob: vec![0; 5], ..sealed }), Err(SealError::Damaged));
    }

    #[test]
    fn a_token_is_no_answer_and_belongs_to_its_registration() {
        let sealer = sealer(1);
        let token = sealer.seal_token(decision(1), "t0ken").unwrap();
        assert!(!token.blob.windows(5).any(|window| window == b"t0ken"));
        assert_eq!(&**sealer.open_token(decision(1), &token).unwrap(), "t0ken");
        assert_eq!(sealer.open_token(decision(2), &token), Err(SealError::Damaged));
        let (key_id, blob) = (token.key_id.clone(), token.blob);
        assert_eq!(sealer.open(&SealedAnswer { decision: decision(1), key_id, blob }), Err(SealError::Damaged));
    }

    #[test]
    fn an_older_key_opens_after_a_rotation() {
        let sealed = sealer(1).seal(decision(1), b"answer").unwrap();
        let rotated = Sealer::new(SealingKey::new(&[2; 32]).unwrap(), vec![SealingKey::new(&[1; 32]).unwrap()]);
        assert_eq!(rotated.open(&sealed).unwrap(), b"answer");
        assert_eq!(sealer(2).open(&sealed), Err(SealError::UnknownKey));
    }

    #[test]
    fn a_key_keeps_its_id() {
        // Stored beside every answer: another id would make them all unreadable.
        assert_eq!(SealingKey::new(&[1; 32]).unwrap().id(), "229c651c81db4228");
    }
}
