//! `WWW-Authenticate` of answers that are about an initial access token (RFC 6750 §3).

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response};

use super::answer::Refusal;
use crate::model::error_code::ErrorCode;
use crate::upstream::Body;

/// Adds the challenge of RFC 6750 §3 to a refusal that is about the token. Whoever sent none is told that one is
/// needed and no error besides (§3.1). `scope` is the word that a token here has to hold and this one does not.
pub(super) fn challenge(response: &mut Response<Body>, refusal: &Refusal<'_>, presented: bool, scope: Option<&str>) {
    let told = refusal.told();
    if !matches!(told.error, ErrorCode::InvalidToken | ErrorCode::InsufficientScope) {
        return;
    }
    let value = if presented {
        let scope = scope.filter(|_| told.error == ErrorCode::InsufficientScope);
        let scope = scope.map(|scope| format!(", scope=\"{scope}\"")).unwrap_or_default();
        format!("Bearer error=\"{}\", error_description=\"{}\", {REALM}{scope}", told.error, told.description)
    } else {
        format!("Bearer {REALM}")
    };
    // Messages and words of a scope are ASCII without quotes and backslashes.
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
}

/// One protection space: what tokens for registration are for (RFC 9110 §11.5).
const REALM: &str = "realm=\"registration\"";
