//! The initial access token of a request (RFC 7591 §3): a JWT of RFC 9068 in the Authorization header.
//!
//! [`gather`] reads the header and verifies the signature, [`judge`] says whether
//! what was signed is valid here and now. The token itself goes nowhere but, where
//! the route says so, to the identity server: no log, record or answer has it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Map, Value};

use super::snapshot::Snapshot;
use crate::jose::{Algorithm, Compact};
use crate::model::digest::Digest;
use crate::model::evidence::{Known, Token};
use crate::model::statement::Signed;
use crate::model::time::Timestamp;
use crate::policy::Gate;

/// `[tokens.NAME]`: who issues initial access tokens, and what each of them says.
#[derive(Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Name of the key set that holds its keys.
    pub key_set: String,
    /// `iss`, exactly as it is written.
    pub issuer: String,
    /// What `aud` may say: registration endpoints as the issuer knows them; at least one.
    pub audience: Vec<String>,
    /// Accepted signature algorithms. Default PS256 and ES256; `none` and HMAC cannot be named.
    pub algorithms: Vec<Algorithm>,
    /// The word that a token's scope has to hold; default `dcr`.
    pub scope: String,
    /// Tolerated deviation of the issuer's clock. Default 1 minute, at most 5 minutes: a used token is remembered
    /// for so long after its end.
    pub skew: Duration,
}

/// What a route asks of an initial access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRule {
    /// Who issued it.
    pub issuer: Arc<Issuer>,
    /// Whether there has to be one; a bad one is refused in either case.
    pub required: bool,
    /// Whether it travels on to the identity server.
    pub forward: bool,
}

/// A gate that refuses, and what the audit is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The gate.
    pub gate: Gate,
    /// For the audit alone; never a part of the token.
    pub why: Arc<str>,
}

/// All fetching of the issuer's keys for one request ends after this.
const BUDGET: Duration = Duration::from_secs(4);

/// The token of a request as far as its issuer vouches for it. Where no token is asked for none is looked at.
pub async fn gather(snapshot: &Snapshot, rule: Option<&TokenRule>, headers: &HeaderMap) -> Known<Token> {
    let Some(rule) = rule else { return Known::Absent };
    let refused = |why: &str| Known::Value(Token::Refused(why.into()));
    let token = match bearer(headers) {
        Ok(Some(token)) => token,
        Ok(None) => return Known::Absent,
        Err(why) => return refused(why),
    };
    let compact = match Compact::parse_access_token(token) {
        Ok(compact) => compact,
        Err(fault) => return refused(&format!("the token {fault}")),
    };
    // Before the key is looked for: nobody makes us ask for a key that could not be used.
    if !rule.issuer.algorithms.contains(&compact.header().algorithm) {
        return refused("the token has an algorithm that is not allowed here");
    }
    let asked = snapshot.key_sets.key(&rule.issuer.key_set, compact.header());
    let key = match tokio::time::timeout(BUDGET, asked).await {
        Ok(Known::Value(key)) => key,
        Ok(Known::Absent) => return refused("the issuer's key set has no key that fits the token's header"),
        Ok(Known::Unavailable(why)) => return Known::Unavailable(why),
        Err(_) => return Known::Unavailable("not fetched within the budget of one request".into()),
    };
    match compact.verify(&key, &rule.issuer.algorithms) {
        Ok(signed) => Known::Value(Token::Signed(Arc::new(signed))),
        Err(fault) => refused(&format!("the token {fault}")),
    }
}

/// The token of the one Authorization header, which has exactly the form of RFC 6750 §2.1; `None` without a header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, &'static str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("more than one Authorization header");
    }
    let text = value.to_str().map_err(|_| "the Authorization header is not ASCII")?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    // RFC 9110 §11.1: the scheme's case does not matter.
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err("another authentication scheme than Bearer");
    }
    let unpadded = token.trim_end_matches('=');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    if unpadded.is_empty() || !unpadded.bytes().all(plain) {
        return Err("not a b64token after Bearer");
    }
    Ok(Some(token))
}

/// Whether the token is valid on this route at this time, for whoever holds this certificate.
/// `None`: there is none, and there need not be one.
///
/// # Errors
/// [`Unfit`] with the gate that refuses.
pub fn judge<'e>(
    rule: Option<&TokenRule>,
    token: &'e Known<Token>,
    certificate: Option<&Digest>,
    now: Timestamp,
) -> Result<Option<&'e Arc<Signed>>, Unfit> {
    let unfit = |gate, why: &str| Err(Unfit { gate, why: why.into() });
    let signed = match token {
        Known::Absent if rule.is_some_and(|rule| rule.required) => {
            return unfit(Gate::TokenPresent, "no Authorization header");
        }
        Known::Absent => return Ok(None),
        Known::Unavailable(why) => return unfit(Gate::TokenKeys, why),
        Known::Value(Token::Refused(why)) => return unfit(Gate::TokenValid, why),
        Known::Value(Token::Signed(signed)) => signed,
    };
    // Offline no route is there to say what it asks: the claims count as given.
    let Some(rule) = rule else { return Ok(Some(signed)) };
    if let Err(why) = meant_for(&rule.issuer, &signed.claims).and_then(|()| in_time(&rule.issuer, &signed.claims, now))
    {
        return unfit(Gate::TokenValid, why);
    }
    if let Err(why) = possessed(&signed.claims, certificate) {
        return unfit(Gate::TokenValid, why);
    }
    if !has_scope(&signed.claims, &rule.issuer.scope) {
        return unfit(Gate::TokenScope, "the scope of the route's tokens is missing");
    }
    Ok(Some(signed))
}

/// Whether this word is in the claim `scope` (RFC 9068 §2.2.3, RFC 8693 §4.2).
pub fn has_scope(claims: &Map<String, Value>, word: &str) -> bool {
    claims.get("scope").and_then(Value::as_str).is_some_and(|scope| scope.split(' ').any(|found| found == word))
}

/// `iss` and `aud` (RFC 9068 §4).
fn meant_for(issuer: &Issuer, claims: &Map<String, Value>) -> Result<(), &'static str> {
    if claims.get("iss").and_then(Value::as_str) != Some(&issuer.issuer) {
        return Err("iss is another issuer");
    }
    let ours = |value: &Value| value.as_str().is_some_and(|name| issuer.audience.iter().any(|known| known == name));
    let meant = match claims.get("aud") {
        Some(Value::Array(names)) => names.iter().any(ours),
        Some(name) => ours(name),
        None => false,
    };
    if meant { Ok(()) } else { Err("aud is another audience") }
}

/// `exp`, which has to be there, `nbf` and `iat` (RFC 7519 §4.1.4 to §4.1.6).
fn in_time(issuer: &Issuer, claims: &Map<String, Value>, now: Timestamp) -> Result<(), &'static str> {
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        // RFC 7519 §2: a NumericDate may have a fraction; of the three none means more by it.
        Some(value) => value
            .as_i64()
            .or_else(|| whole_seconds(value))
            .map(|at| Some(Timestamp::from_unix_seconds(at)))
            .ok_or("a time is not a number"),
    };
    let Some(exp) = time("exp")? else { return Err("exp is missing") };
    if exp.plus(issuer.skew) <= now {
        return Err("expired");
    }
    if time("nbf")?.is_some_and(|nbf| now.plus(issuer.skew) < nbf) {
        return Err("nbf is in the future");
    }
    if time("iat")?.is_some_and(|iat| now.plus(issuer.skew) < iat) {
        return Err("iat is in the future");
    }
    Ok(())
}

/// The whole seconds of a number with a fraction, within the years that a token can speak of.
fn whole_seconds(value: &Value) -> Option<i64> {
    let seconds = value.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds nothing but the fraction is lost")]
    (0.0..253_402_300_800.0).contains(&seconds).then_some(seconds as i64)
}

/// Proof of possession: a token bound to a certificate comes over a connection with it (RFC 8705 §3.1). What it is
/// bound to in another way (RFC 9449 §6.1, RFC 7800 §3) cannot be proved here, so such a token is refused.
fn possessed(claims: &Map<String, Value>, certificate: Option<&Digest>) -> Result<(), &'static str> {
    let confirmation = match claims.get("cnf") {
        None => return Ok(()),
        Some(Value::Object(members)) => members,
        Some(_) => return Err("cnf is not an object"),
    };
    if confirmation.contains_key("jkt") {
        return Err("bound by DPoP, which is not supported");
    }
    let (Some(Value::String(thumbprint)), 1) = (confirmation.get("x5t#S256"), confirmation.len()) else {
        return Err("bound in a way that is not supported");
    };
    match certificate {
        None => Err("bound to a certificate, and the connection has none"),
        Some(digest) if URL_SAFE_NO_PAD.encode(digest.as_bytes()) == *thumbprint => Ok(()),
        Some(_) => Err("bound to another certificate"),
    }
}

#[cfg(test)]
mod tests;
