//! Whether a token that its issuer vouches for is valid here and now. Pure, as all of `decide`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Terms, TokenRule, Unfit};
use crate::model::digest::Digest;
use crate::model::evidence::{Known, Token};
use crate::model::time::Timestamp;
use crate::model::token::{AccessToken, PROOF_AGE, Shown, Vouched};
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
        .and_then(|()| possessed(token, certificate));
    if let Err(why) = valid {
        return unfit(Gate::TokenValid, why);
    }
    if let Err(why) = proved(terms, token, now) {
        return unfit(Gate::TokenProof, &why);
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
        // RFC 9449 §6.2; what it is bound to stands in `cnf`.
        Some(Some(word)) if word.eq_ignore_ascii_case("dpop") && token.claims.contains_key("cnf") => Ok(()),
        Some(_) => Err("token_type is not Bearer"),
    }
}

/// The whole seconds of a number with a fraction, within the years that a token can speak of.
fn whole_seconds(value: &Value) -> Option<i64> {
    let seconds = value.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds nothing but the fraction is lost")]
    (0.0..253_402_300_800.0).contains(&seconds).then_some(seconds as i64)
}

/// Proof of possession: a token bound to a certificate comes over a connection with it (RFC 8705 §3.1), one bound to a
/// key with a proof of that (RFC 9449 §7.1), one bound to both with both. What it is bound to in another way
/// (RFC 7800 §3) cannot be proved here, so such a token is refused.
fn possessed(token: &AccessToken, certificate: Option<&Digest>) -> Result<(), &'static str> {
    let bound_to_a_key = match token.claims.get("cnf") {
        None => None,
        Some(Value::Object(members)) => {
            let known = |name: &String| matches!(name.as_str(), "x5t#S256" | "jkt");
            if members.is_empty() || !members.keys().all(known) {
                return Err("bound in a way that is not supported");
            }
            if let Some(thumbprint) = members.get("x5t#S256") {
                match (thumbprint.as_str(), certificate) {
                    (None, _) => return Err("bound in a way that is not supported"),
                    (_, None) => return Err("bound to a certificate, and the connection has none"),
                    (Some(thumbprint), Some(digest)) if digest.base64url() == thumbprint => {}
                    (Some(_), Some(_)) => return Err("bound to another certificate"),
                }
            }
            members.get("jkt")
        }
        Some(_) => return Err("cnf is not an object"),
    };
    match (bound_to_a_key, &token.shown) {
        (None, Shown::Bearer) => Ok(()),
        // Whoever stole it could show it so.
        (Some(_), Shown::Bearer) => Err("bound by DPoP, and shown without a proof"),
        (None, Shown::Dpop(_)) => Err("shown by DPoP, and not bound to a key"),
        (Some(jkt), Shown::Dpop(Ok(proof))) if jkt.as_str() != Some(&proof.key.base64url()) => {
            Err("bound to another key than that of the proof")
        }
        // The proof itself is another gate's.
        (Some(_), Shown::Dpop(_)) => Ok(()),
    }
}

/// Whether the proof holds and is recent (RFC 9449 §4.3).
fn proved(terms: &Terms, token: &AccessToken, now: Timestamp) -> Result<(), Arc<str>> {
    match &token.shown {
        Shown::Bearer => Ok(()),
        Shown::Dpop(Err(why)) => Err(Arc::clone(why)),
        Shown::Dpop(Ok(proof)) if now.plus(terms.skew) < proof.issued => Err("the proof is of the future".into()),
        Shown::Dpop(Ok(proof)) if proof.issued.plus(PROOF_AGE).plus(terms.skew) < now => {
            Err("the proof is too old".into())
        }
        Shown::Dpop(Ok(_)) => Ok(()),
    }
}
