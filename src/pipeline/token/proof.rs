//! The proof of possession of a token's key: DPoP (RFC 9449).
//!
//! What the proof says by itself is verified here; that it is recent, and whose the token is, in `validity`; that it
//! was not used before, in the store.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, Method};
use serde_json::{Map, Value};
use url::Url;

use crate::jose::{Algorithm, Compact};
use crate::model::digest::Digest;
use crate::model::time::Timestamp;
use crate::model::token::Proof;

/// RFC 9449 §4.1.
pub const DPOP: HeaderName = HeaderName::from_static("dpop");

/// What proofs may be signed with: none of RSASSA-PKCS1-v1_5.
pub const ALGORITHMS: &[Algorithm] =
    &[Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

/// What a proof has to be for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// `htm`.
    pub method: &'a Method,
    /// Scheme, host and port of `htu`, as clients know them,
    pub base: &'a str,
    /// and its path.
    pub path: &'a str,
}

/// The proof of a request (RFC 9449 §4.3).
///
/// # Errors
/// What is wrong with it, for the audit: never a part of it.
pub(super) fn proof(headers: &HeaderMap, target: &Target<'_>, token: &str) -> Result<Proof, Arc<str>> {
    let mut values = headers.get_all(DPOP).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err("there is not exactly one DPoP header".into());
    };
    let text = value.to_str().map_err(|_| "the DPoP header is not ASCII")?;
    let told = |fault| Arc::from(format!("the proof {fault}"));
    let compact = Compact::parse_proof(text).map_err(told)?;
    let key = compact.header().key.as_ref().ok_or("the proof brings no key")?;
    let signed = compact.verify(key, ALGORITHMS).map_err(told)?;
    let (id, issued) = claims(&signed.claims, target, token)?;
    Ok(Proof { key: key.material.thumbprint(), id, issued })
}

fn claims(claims: &Map<String, Value>, target: &Target<'_>, token: &str) -> Result<(Digest, Timestamp), &'static str> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("htm") != Some(target.method.as_str()) {
        return Err("htm is another method");
    }
    if !text("htu").is_some_and(|htu| is_ours(htu, target)) {
        return Err("htu is another address");
    }
    let digest = Digest::of(token.as_bytes());
    if text("ath") != Some(&URL_SAFE_NO_PAD.encode(digest.as_bytes())) {
        return Err("ath is of another token");
    }
    let Some(iat) = claims.get("iat").and_then(Value::as_i64) else { return Err("iat is no whole number") };
    match text("jti") {
        Some(jti) if (1..=256).contains(&jti.len()) => {
            Ok((Digest::of(jti.as_bytes()), Timestamp::from_unix_seconds(iat)))
        }
        _ => Err("jti is no string of 1 to 256 bytes"),
    }
}

/// Query and fragment are none of it, and two ways of writing one address are one (RFC 9449 §4.3).
fn is_ours(htu: &str, target: &Target<'_>) -> bool {
    let (Ok(named), Ok(ours)) = (Url::parse(htu), Url::parse(&format!("{}{}", target.base, target.path))) else {
        return false;
    };
    named.username().is_empty()
        && named.password().is_none()
        && named.origin() == ours.origin()
        && named.path() == ours.path()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(changes: &Value) -> Result<(), &'static str> {
        let target = Target { method: &Method::POST, base: "https://gate.example", path: "/register" };
        let mut good = json!({
            "htm": "POST", "htu": "https://gate.example/register", "jti": "one", "iat": 1,
            // RFC 9449 §7.1, of "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".
            "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo",
        });
        for (name, value) in changes.as_object().unwrap() {
            good[name] = value.clone();
        }
        claims(good.as_object().unwrap(), &target, "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU").map(drop)
    }

    #[test]
    fn a_proof_is_for_this_request_and_this_token() {
        assert_eq!(judged(&json!({})), Ok(()));
        for same in [
            "https://gate.example:443/register",
            "HTTPS://GATE.example/register?a=b#c",
            "https://gate.example/./register",
        ] {
            assert_eq!(judged(&json!({ "htu": same })), Ok(()), "{same}");
        }
        for other in [
            json!("http://gate.example/register"),
            json!("https://gate.example/register/"),
            json!("https://gate.example:8443/register"),
            json!("https://gate.example.evil.example/register"),
            json!("https://x@gate.example/register"),
            json!("/register"),
            json!(["https://gate.example/register"]),
            json!(null),
        ] {
            assert_eq!(judged(&json!({ "htu": other })), Err("htu is another address"), "{other}");
        }
        for other in [json!("GET"), json!("post"), json!(null)] {
            assert_eq!(judged(&json!({ "htm": other })), Err("htm is another method"));
        }
        for other in [json!(""), json!(null), json!("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEp")] {
            assert_eq!(judged(&json!({ "ath": other })), Err("ath is of another token"));
        }
        for other in [json!(""), json!("x".repeat(257)), json!(7)] {
            assert_eq!(judged(&json!({ "jti": other })), Err("jti is no string of 1 to 256 bytes"));
        }
        for other in [json!("1"), json!(1.5), json!(null)] {
            assert_eq!(judged(&json!({ "iat": other })), Err("iat is no whole number"));
        }
    }
}
