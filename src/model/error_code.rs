//! The `error` member of a refusal.
//!
//! RFC 7591 §3.2.2 names four codes, RFC 6749 §5.2 and RFC 6750 §3.1 the rest;
//! a regime may add its own. Which HTTP status goes with a code is decided in
//! `pipeline/answer.rs` alone.

use std::fmt;
use std::sync::Arc;

/// An `error` code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri,
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata,
    /// RFC 7591 §3.2.2: the statement is not valid.
    InvalidSoftwareStatement,
    /// RFC 7591 §3.2.2: the statement is valid, and not acceptable here.
    UnapprovedSoftwareStatement,
    /// The form of the request: JSON, media type, size.
    InvalidRequest,
    /// The client certificate.
    InvalidClient,
    /// RFC 6750 §3.1.
    InvalidToken,
    /// RFC 9449 §7.1: the proof of possession of the token's key.
    InvalidDpopProof,
    /// RFC 6750 §3.1.
    InsufficientScope,
    /// The caller is known and may not do this.
    AccessDenied,
    /// Ours or a directory's outage; the same request may succeed later.
    TemporarilyUnavailable,
    /// A fault of ours or of the identity server.
    ServerError,
    /// A code of a regime, such as `invalid_webhook_uris`.
    Regime(Arc<str>),
}

/// The text cannot be an error code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an error code is 1 to 64 lower-case letters, digits and underscores")]
pub struct InvalidErrorCode;

impl ErrorCode {
    /// Reads a code as policies write it; an unknown word becomes a regime's own code.
    ///
    /// # Errors
    /// [`InvalidErrorCode`] unless it is 1 to 64 of `a-z`, `0-9` and `_`.
    pub fn parse(text: &str) -> Result<Self, InvalidErrorCode> {
        let standard = [
            Self::InvalidRedirectUri,
            Self::InvalidClientMetadata,
            Self::InvalidSoftwareStatement,
            Self::UnapprovedSoftwareStatement,
            Self::InvalidRequest,
            Self::InvalidClient,
            Self::InvalidToken,
            Self::InvalidDpopProof,
            Self::InsufficientScope,
            Self::AccessDenied,
            Self::TemporarilyUnavailable,
            Self::ServerError,
        ];
        if let Some(code) = standard.into_iter().find(|code| code.as_str() == text) {
            return Ok(code);
        }
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if fits { Ok(Self::Regime(text.into())) } else { Err(InvalidErrorCode) }
    }

    /// As it stands in the answer.
    pub fn as_str(&self) -> &str {
        match self {
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::UnapprovedSoftwareStatement => "unapproved_software_statement",
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidToken => "invalid_token",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::InsufficientScope => "insufficient_scope",
            Self::AccessDenied => "access_denied",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
            Self::Regime(code) => code,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_and_regime_codes() {
        assert_eq!(ErrorCode::parse("invalid_redirect_uri"), Ok(ErrorCode::InvalidRedirectUri));
        assert_eq!(ErrorCode::parse("invalid_webhook_uris"), Ok(ErrorCode::Regime("invalid_webhook_uris".into())));
        assert_eq!(ErrorCode::parse("Bad Code"), Err(InvalidErrorCode));
    }
}
