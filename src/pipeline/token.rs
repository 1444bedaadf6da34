//! The initial access token of a request (RFC 7591 §3), in the Authorization header.
//!
//! [`gather`] reads the header and asks whether the issuer vouches for the token:
//! by a signature (RFC 9068) or by introspection (RFC 7662). [`judge`] says whether
//! what the issuer vouches for is valid here and now. The token itself goes nowhere but to
//! its issuer and, where the route says so, to the identity server: no log, record or answer has it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::Value;

use super::snapshot::Snapshot;
use crate::jose::{Algorithm, Compact};
use crate::model::digest::Digest;
use crate::model::evidence::{Known, Token};
use crate::model::token::{AccessToken, Shown, Vouched};
use crate::oauth::Introspection;
use crate::policy::Gate;

mod proof;
mod validity;

pub use proof::{ALGORITHMS as PROOF_ALGORITHMS, DPOP, Target};
pub use validity::{has_scope, judge};

/// `[tokens.NAME]`: who issues initial access tokens, and what each of them says.
#[derive(Debug)]
pub struct Issuer {
    /// How it vouches for them.
    pub verification: Verification,
    /// What it says of each.
    pub terms: Terms,
}

/// What an issuer's tokens say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// `iss`, exactly as it is written.
    pub issuer: String,
    /// What `aud` may say: registration endpoints as the issuer knows them. Empty, which introspection alone allows:
    /// tokens with an `aud` are refused.
    pub audience: Vec<String>,
    /// The word that a token's scope has to hold; default `dcr`.
    pub scope: String,
    /// Tolerated deviation of the issuer's clock. Default 1 minute, at most 5 minutes: a used token is remembered
    /// for so long after its end.
    pub skew: Duration,
}

/// What a route asks of an initial access token.
#[derive(Clone, Debug)]
pub struct TokenRule {
    /// Who issued it.
    pub issuer: Arc<Issuer>,
    /// Whether there has to be one; a bad one is refused in either case.
    pub required: bool,
}

/// How an issuer vouches for its tokens.
#[derive(Debug)]
pub enum Verification {
    /// By a signature.
    KeySet {
        /// The `[key_sets.NAME]` of the issuer.
        key_set: String,
        /// Accepted algorithms.
        algorithms: Vec<Algorithm>,
    },
    /// When it is asked.
    Introspection(Introspection),
}

/// A gate that refuses, and what the audit is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The gate.
    pub gate: Gate,
    /// For the audit alone; never a part of the token.
    pub why: Arc<str>,
}

/// A request, as far as its token is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Where the token stands.
    pub headers: &'a HeaderMap,
    /// What a proof of possession has to be for.
    pub target: Target<'a>,
    /// Who sends it.
    pub presenter: Presenter,
}

/// Who presents a token, as far as it matters before the issuer is asked.
#[derive(Clone, Copy, Debug)]
pub enum Presenter {
    /// The holder of a trusted certificate.
    Trusted,
    /// Anyone, at this address.
    Stranger(IpAddr),
}

/// All fetching of the issuer's keys for one request ends after this.
const BUDGET: Duration = Duration::from_secs(4);

/// The longest token that an issuer is asked about: as long as one that is verified here.
const LONGEST: usize = 16 * 1024;

/// The token of a request as far as its issuer vouches for it. Where no token is asked for none is looked at.
pub async fn gather(snapshot: &Snapshot, rule: Option<&TokenRule>, request: &Request<'_>) -> Known<Token> {
    let Some(rule) = rule else { return Known::Absent };
    let (scheme, token) = match presented(request.headers) {
        Ok(Some(presented)) => presented,
        Ok(None) => return Known::Absent,
        Err(why) => return refused(why),
    };
    let known = match &rule.issuer.verification {
        Verification::KeySet { key_set, algorithms } => signed(snapshot, key_set, algorithms, token).await,
        Verification::Introspection(introspection) => {
            told(snapshot, introspection, &rule.issuer.terms.issuer, token, request.presenter).await
        }
    };
    match (known, scheme) {
        // Where nobody vouches for the token its proof is of no interest.
        (Known::Value(Token::Vouched(vouched)), Scheme::Dpop) => {
            let shown = Shown::Dpop(proof::proof(request.headers, &request.target, token));
            Known::Value(Token::Vouched(Arc::new(AccessToken { shown, ..AccessToken::clone(&vouched) })))
        }
        (known, _) => known,
    }
}

fn refused(why: &str) -> Known<Token> {
    Known::Value(Token::Refused(why.into()))
}

/// A JWT of RFC 9068.
async fn signed(snapshot: &Snapshot, key_set: &str, algorithms: &[Algorithm], token: &str) -> Known<Token> {
    let compact = match Compact::parse_access_token(token) {
        Ok(compact) => compact,
        Err(fault) => return refused(&format!("the token {fault}")),
    };
    // Before the key is looked for: nobody makes us ask for a key that could not be used.
    if !algorithms.contains(&compact.header().algorithm) {
        return refused("the token has an algorithm that is not allowed here");
    }
    let asked = snapshot.key_sets.key(key_set, compact.header());
    let key = match tokio::time::timeout(BUDGET, asked).await {
        Ok(Known::Value(key)) => key,
        Ok(Known::Absent) => return refused("the issuer's key set has no key that fits the token's header"),
        Ok(Known::Unavailable(why)) => return Known::Unavailable(why),
        Err(_) => return Known::Unavailable("not fetched within the budget of one request".into()),
    };
    match compact.verify(&key, algorithms) {
        Ok(signed) => {
            let token = AccessToken {
                claims: signed.claims,
                vouched: Vouched::Signed,
                digest: signed.digest,
                shown: Shown::Bearer,
            };
            Known::Value(Token::Vouched(Arc::new(token)))
        }
        Err(fault) => refused(&format!("the token {fault}")),
    }
}

/// A token whose claims its issuer tells (RFC 7662).
async fn told(
    snapshot: &Snapshot,
    introspection: &Introspection,
    issuer: &str,
    token: &str,
    presenter: Presenter,
) -> Known<Token> {
    let Some(recording) = &snapshot.recording else {
        return Known::Unavailable("nothing can be recorded".into());
    };
    if token.len() > LONGEST {
        return refused("the token is too long");
    }
    // Whoever had so many refusals that no more are recorded does not make us ask the issuer either.
    if let Presenter::Stranger(address) = presenter
        && !recording.ledger.has_room_for_address(address)
    {
        return Known::Unavailable("too many refusals of strangers: the issuer was not asked".into());
    }
    let mut claims = match introspection.claims(token).await {
        Ok(Some(claims)) => claims,
        Ok(None) => return refused("the issuer says that the token is not active"),
        Err(error) => {
            tracing::warn!(%error, "an initial access token cannot be verified");
            return Known::Unavailable(error.to_string().into());
        }
    };
    // Who was asked is known, whether or not the answer repeats it (RFC 7662 §2.2).
    claims.entry("iss").or_insert_with(|| Value::String(issuer.to_owned()));
    let fingerprint = recording.sealer.current().fingerprint(token);
    let digest = Digest::of(token.as_bytes());
    let token = AccessToken { claims, vouched: Vouched::Told { fingerprint }, digest, shown: Shown::Bearer };
    Known::Value(Token::Vouched(Arc::new(token)))
}

/// Under which word a token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Bearer,
    Dpop,
}

impl Scheme {
    /// Under which a request shows something; what is neither counts as Bearer. `None` without a header.
    pub(super) fn presented(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(AUTHORIZATION)?;
        Some(value.to_str().ok().and_then(Self::of).unwrap_or(Self::Bearer))
    }

    /// By the first word of an Authorization header. RFC 9110 §11.1: its case does not matter.
    fn of(text: &str) -> Option<Self> {
        let word = text.split(' ').next().unwrap_or_default();
        let known = [("bearer", Self::Bearer), ("dpop", Self::Dpop)];
        known.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, scheme)| scheme)
    }
}

/// A token that is shown as Bearer (RFC 6750 §2.1), and in no other way; `None` without a header.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    match presented(headers)? {
        Some((Scheme::Dpop, _)) => Err("another authentication scheme than Bearer"),
        Some((Scheme::Bearer, token)) => Ok(Some(token)),
        None => Ok(None),
    }
}

/// The token of the one Authorization header, which has exactly the form of RFC 6750 §2.1 or RFC 9449 §7.1; `None`
/// without a header.
fn presented(headers: &HeaderMap) -> Result<Option<(Scheme, &str)>, &'static str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("more than one Authorization header");
    }
    let text = value.to_str().map_err(|_| "the Authorization header is not ASCII")?;
    let (_, token) = text.split_once(' ').unwrap_or((text, ""));
    let scheme = Scheme::of(text).ok_or("another authentication scheme than Bearer and DPoP")?;
    let unpadded = token.trim_end_matches('=');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if unpadded.is_empty() || !unpadded.bytes().all(plain) {
        return Err("not a b64token after the scheme");
    }
    Ok(Some((scheme, token)))
}

#[cfg(test)]
mod tests;
