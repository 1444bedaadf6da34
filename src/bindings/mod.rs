//! Floor 3: who owns a client.
//!
//! A [`Binding`] is made from the identity server's answer to a registration and
//! what was verified on the way to it. [`Owned`] is the proof that a caller is
//! the owner: management (RFC 7592) may be sent with it, and it cannot be made
//! otherwise. Registration access tokens are kept as keyed fingerprints, and sealed where
//! the deployment says so; never in the clear.

mod owned;

use std::time::Duration;

use serde_json::{Map, Value};

pub use owned::{Claimant, Next, NotOwner, Owned, Updated};

use crate::model::binding::{Binding, MadeFrom, SealedToken};
use crate::model::digest::Digest;
use crate::model::id::{AuthorityName, DecisionId};
use crate::model::time::Timestamp;
use crate::store::Sealer;

/// How registration access tokens are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keeping<'a> {
    /// Seals and fingerprints.
    pub sealer: &'a Sealer,
    /// Whether the token itself is kept, sealed, beside its fingerprint.
    pub sealed: bool,
}

/// A registration access token as it is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    fingerprint: Digest,
    sealed: Option<SealedToken>,
    expires: Option<Timestamp>,
}

impl Keeping<'_> {
    /// The token in an answer (RFC 7592 §3), of the client that this decision registered. `None`: there is none.
    fn read(
        &self,
        answer: &Map<String, Value>,
        owner: DecisionId,
        at: Timestamp,
    ) -> Result<Option<Kept>, InvalidAnswer> {
        let token = match answer.get("registration_access_token") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(token)) if !token.is_empty() => token,
            Some(_) => return Err(InvalidAnswer::Token),
        };
        // Sealing fails with the crypto library alone, and then the fingerprint is what can be kept.
        let sealed = if self.sealed { self.sealer.seal_token(owner, token).ok() } else { None };
        let seconds = answer.get("registration_access_token_expires_in").and_then(Value::as_u64);
        // 0 is "never", as in `client_secret_expires_at` (RFC 7591 §3.2.1).
        let expires = seconds.filter(|seconds| (1..=LIFETIME).contains(seconds)).map(Duration::from_secs);
        Ok(Some(Kept {
            fingerprint: self.sealer.current().fingerprint(token),
            sealed,
            expires: expires.map(|lifetime| at.plus(lifetime)),
        }))
    }
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
    /// When it expires.
    pub certificate_expires: Option<Timestamp>,
    /// The certificate's subject in RFC 4514 form.
    pub subject: Option<&'a str>,
    /// The client's metadata as admitted.
    pub metadata: &'a Map<String, Value>,
    /// The organisation, as the policy reads it.
    pub organisation: Option<&'a str>,
    /// The software, as the policy reads it.
    pub software: Option<&'a str>,
    /// The policy's id.
    pub policy: &'a str,
    /// The template that the request was made from.
    pub template: Option<&'a MadeFrom>,
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
    /// An answer about another client than was asked for.
    #[error("the answer is about another client")]
    OtherClient,
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
    keeping: &Keeping<'_>,
) -> Result<Binding, InvalidAnswer> {
    let client_id = answer
        .get("client_id")
        .and_then(Value::as_str)
        .filter(|id| (1..=CLIENT_ID).contains(&id.chars().count()))
        .ok_or(InvalidAnswer::ClientId)?;
    let token = keeping.read(answer, registrant.decision, registrant.at)?;
    let (token_fingerprint, sealed_token, token_expires) = parts(token);
    Ok(Binding {
        upstream: registrant.upstream.to_owned(),
        client_id: client_id.to_owned(),
        authority: registrant.authority.cloned(),
        organisation: registrant.organisation.map(str::to_owned),
        software: registrant.software.map(str::to_owned),
        policy: registrant.policy.to_owned(),
        certificate: registrant.certificate,
        subject: registrant.subject.map(str::to_owned),
        certificate_expires: registrant.certificate_expires,
        token_fingerprint,
        token_expires,
        sealed_token,
        metadata: registrant.metadata.clone(),
        template: registrant.template.cloned(),
        decision: registrant.decision,
        registered: registrant.at,
        updated: None,
    })
}

fn parts(kept: Option<Kept>) -> (Option<Digest>, Option<SealedToken>, Option<Timestamp>) {
    kept.map_or((None, None, None), |kept| (Some(kept.fingerprint), kept.sealed, kept.expires))
}

const CLIENT_ID: usize = 1024;

/// Ten years; a longer lifetime is none.
const LIFETIME: u64 = 10 * 366 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::SealingKey;

    pub(super) fn sealer(seed: u8) -> Sealer {
        Sealer::new(SealingKey::new(&[seed; 32]).unwrap(), Vec::new())
    }

    pub(super) fn bind(answer: &Value) -> Result<Binding, InvalidAnswer> {
        let authority = AuthorityName::new("icp-brasil");
        let at = Timestamp::from_unix_seconds(1_795_435_200);
        let registrant = Registrant {
            upstream: "idp",
            authority: Some(&authority),
            certificate: Some(Digest::of(b"certificate")),
            certificate_expires: None,
            subject: Some("CN=tpp"),
            metadata: &Map::new(),
            organisation: Some("org-1"),
            software: Some("software-1"),
            policy: "open-finance-brasil",
            template: None,
            decision: DecisionId::new(at, [0; 10]),
            at,
        };
        from_answer(answer.as_object().unwrap(), &registrant, &Keeping { sealer: &sealer(3), sealed: false })
    }

    #[test]
    fn the_token_is_kept_as_a_fingerprint() {
        let binding = bind(&json!({"client_id": "c1", "registration_access_token": "t0ken"})).unwrap();
        assert_eq!(binding.token_fingerprint, Some(sealer(3).current().fingerprint("t0ken")));
        assert_ne!(binding.token_fingerprint, Some(Digest::of(b"t0ken")));
        assert_ne!(sealer(4).current().fingerprint("t0ken"), sealer(3).current().fingerprint("t0ken"));
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
        for token in [json!(["t"]), json!("")] {
            let answer = json!({"client_id": "c", "registration_access_token": token});
            assert_eq!(bind(&answer), Err(InvalidAnswer::Token));
        }
    }

    #[test]
    fn a_token_that_expires_is_known_to() {
        let expires = |seconds: Value| {
            let answer = json!({"client_id": "c", "registration_access_token": "t",
                "registration_access_token_expires_in": seconds});
            bind(&answer).unwrap().token_expires.map(Timestamp::unix_seconds)
        };
        assert_eq!(expires(json!(3600)), Some(1_795_438_800));
        for never in [json!(0), json!(-1), json!("3600"), json!(u64::MAX)] {
            assert_eq!(expires(never), None);
        }
    }
}
