//! `WWW-Authenticate` of answers that are about an initial access token (RFC 6750 §3).

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Response};

use super::answer::Refusal;
use crate::model::error_code::ErrorCode;
use crate::upstream::Body;

/// Adds the challenge of RFC 6750 §3 to a refusal that is about the token. Whoever sent none is told that one is
/// needed and no error besides (§3.1).
pub(super) fn challenge(response: &mut Response<Body>, refusal: &Refusal<'_>, presented: bool) {
    let told = refusal.told();
    if !matches!(told.error, ErrorCode::InvalidToken | ErrorCode::InsufficientScope) {
        return;
    }
    let value = if presented {
        format!("Bearer error=\"{}\", error_description=\"{}\", {REALM}", told.error, told.description)
    } else {
        format!("Bearer {REALM}")
    };
    // Messages are ASCII without quotes and backslashes.
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
}

/// One protection space: what tokens for registration are for (RFC 9110 §11.5).
const REALM: &str = "realm=\"registration\"";
