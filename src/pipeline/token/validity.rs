//! Whether a token that its issuer vouches for is valid here and now. Pure, as all of `decide`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::{Terms, TokenRule, Unfit};
use crate::model::digest::Digest;
use crate::model::evidence::{Known, Token};
use crate::model::time::Timestamp;
use crate::model::token::{AccessToken, Vouched};
use crate::policy::Gate;

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
) -> Result<Option<&'e Arc<AccessToken>>, Unfit> {
    let unfit = |gate, why: &str| Err(Unfit { gate, why: why.into() });
    let token = match token {
        Known::Absent if rule.is_some_and(|rule| rule.required) => {
            return unfit(Gate::TokenPresent, "no Authorization header");
        }
        Known::Absent => return Ok(None),
        Known::Unavailable(why) => return unfit(Gate::TokenKeys, why),
        Known::Value(Token::Refused(why)) => return unfit(Gate::TokenValid, why),
        Known::Value(Token::Vouched(token)) => token,
    };
    // Offline no route is there to say what it asks: the claims count as given.
    let Some(rule) = rule else { return Ok(Some(token)) };
    let terms = &rule.issuer.terms;
    let valid = meant_for(terms, &token.claims)
        .and_then(|()| in_time(terms, token, now))
        .and_then(|()| of_a_known_type(token))
        .and_then(|()| possessed(&token.claims, certificate));
    if let Err(why) = valid {
        return unfit(Gate::TokenValid, why);
    }
    if !has_scope(&token.claims, &terms.scope) {
        return unfit(Gate::TokenScope, "the scope of the route's tokens is missing");
    }
    Ok(Some(token))
}

/// Whether this word is in the claim `scope` (RFC 9068 §2.2.3, RFC 8693 §4.2).
pub fn has_scope(claims: &Map<String, Value>, word: &str) -> bool {
    claims.get("scope").and_then(Value::as_str).is_some_and(|scope| scope.split(' ').any(|found| found == word))
}

/// `iss` and `aud` (RFC 9068 §4).
fn meant_for(terms: &Terms, claims: &Map<String, Value>) -> Result<(), &'static str> {
    if claims.get("iss").and_then(Value::as_str) != Some(&terms.issuer) {
        return Err("iss is another issuer");
    }
    let ours = |value: &Value| value.as_str().is_some_and(|name| terms.audience.iter().any(|known| known == name));
    let meant = match claims.get("aud") {
        Some(Value::Array(names)) => names.iter().any(ours),
        Some(name) => ours(name),
        // Without a word on audiences a token is ours only where it names none.
        None => terms.audience.is_empty(),
    };
    if meant { Ok(()) } else { Err("aud is another audience") }
}

/// `exp`, which has to be there unless the issuer was asked just now, `nbf` and `iat` (RFC 7519 §4.1.4 to §4.1.6).
fn in_time(terms: &Terms, token: &AccessToken, now: Timestamp) -> Result<(), &'static str> {
    let time = |name: &str| match token.claims.get(name) {
        None => Ok(None),
        // RFC 7519 §2: a NumericDate may have a fraction; of the three none means more by it.
        Some(value) => value
            .as_i64()
            .or_else(|| whole_seconds(value))
            .map(|at| Some(Timestamp::from_unix_seconds(at)))
            .ok_or("a time is not a number"),
    };
    match time("exp")? {
        None if token.vouched == Vouched::Signed => return Err("exp is missing"),
        Some(exp) if exp.plus(terms.skew) <= now => return Err("expired"),
        None | Some(_) => {}
    }
    if time("nbf")?.is_some_and(|nbf| now.plus(terms.skew) < nbf) {
        return Err("nbf is in the future");
    }
    if time("iat")?.is_some_and(|iat| now.plus(terms.skew) < iat) {
        return Err("iat is in the future");
    }
    Ok(())
}

/// `token_type`, where introspection tells it (RFC 7662 §2.2): a refresh token is no access token.
fn of_a_known_type(token: &AccessToken) -> Result<(), &'static str> {
    match token.claims.get("token_type").map(Value::as_str) {
        _ if token.vouched == Vouched::Signed => Ok(()),
        None => Ok(()),
        Some(Some(word)) if word.eq_ignore_ascii_case("bearer") => Ok(()),
        Some(_) => Err("token_type is not Bearer"),
    }
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
