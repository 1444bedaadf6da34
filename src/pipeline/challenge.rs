//! `WWW-Authenticate` of answers that are about an initial access token (RFC 6750 §3).

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response};

use super::answer::Refusal;
use super::token::{PROOF_ALGORITHMS, Scheme};
use crate::model::error_code::ErrorCode;
use crate::upstream::Body;

/// Adds the challenge of RFC 6750 §3 to a refusal that is about the token. Whoever sent none is told that one is
/// needed and no error besides (§3.1). `scope` is the word that a token here has to hold and this one does not.
///
/// Whoever showed it by DPoP is told in its words (RFC 9449 §7.1).
pub(super) fn challenge(
    response: &mut Response<Body>,
    refusal: &Refusal<'_>,
    presented: Option<Scheme>,
    scope: Option<&str>,
) {
    let told = refusal.told();
    let of_tokens = [ErrorCode::InvalidToken, ErrorCode::InsufficientScope, ErrorCode::InvalidDpopProof];
    if !of_tokens.contains(&told.error) {
        return;
    }
    let scope = scope.filter(|_| told.error == ErrorCode::InsufficientScope);
    let scope = scope.map(|scope| format!(", scope=\"{scope}\"")).unwrap_or_default();
    let said = format!("error=\"{}\", error_description=\"{}\", {REALM}{scope}", told.error, told.description);
    let value = match presented {
        Some(Scheme::Dpop) => {
            let algorithms: Vec<&str> = PROOF_ALGORITHMS.iter().map(|algorithm| algorithm.name()).collect();
            format!("DPoP {said}, algs=\"{}\"", algorithms.join(" "))
        }
        Some(Scheme::Bearer) => format!("Bearer {said}"),
        None => format!("Bearer {REALM}"),
    };
    // Messages and words of a scope are ASCII without quotes and backslashes.
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
}

/// One protection space: what tokens for registration are for (RFC 9110 §11.5).
const REALM: &str = "realm=\"registration\"";
