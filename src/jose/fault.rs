//! What can be wrong with a software statement, one variant per distinct fault.
//!
//! The value goes into the audit; its message is fixed and public, and never
//! repeats what the token says.

use crate::model::json::JsonFault;

/// Why a token is not a verified statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatementFault {
    /// More than 16 KB.
    #[error("the software statement is too long")]
    TooLong,
    /// RFC 7515 §7.2; only the compact serialisation is a JWT (RFC 7519 §3).
    #[error("the software statement is in the JSON serialisation, not the compact one")]
    JsonSerialisation,
    /// Five parts: JWE (RFC 7516 §7.1).
    #[error("the software statement is encrypted, not signed")]
    Encrypted,
    /// Another number of parts than three (RFC 7515 §7.1).
    #[error("the software statement does not have three parts")]
    NotThreeParts,
    /// Padding, white space, another alphabet, or bits that mean nothing (RFC 7515 §2).
    #[error("the {0} of the software statement is not base64url")]
    Base64(TokenPart),
    /// The header is not a strict JSON object.
    #[error("the header of the software statement cannot be read: {0}")]
    HeaderJson(JsonFault),
    /// RFC 7515 §4.1.11: an extension that must be understood; dcrgate understands none.
    #[error("the header of the software statement has critical extensions")]
    CriticalExtensions,
    /// RFC 7797; also §4.1.11 of RFC 7515, since it is only valid with `crit`.
    #[error("the header of the software statement has b64")]
    UnencodedPayload,
    /// `jku` or `x5u`: a key from where the token says.
    #[error("the header of the software statement names a URL of keys")]
    RemoteKey,
    /// `jwk` or `x5c`: the token brings its own key.
    #[error("the header of the software statement brings its own key")]
    EmbeddedKey,
    /// RFC 7515 §4.1.1: `alg` must be there, a string.
    #[error("the header of the software statement has no algorithm")]
    NoAlgorithm,
    /// RFC 7518 §3.6: `none`, in any case of letters.
    #[error("the software statement is not signed")]
    Unsigned,
    /// HMAC: whoever verifies could have signed.
    #[error("the software statement has a symmetric algorithm")]
    SymmetricAlgorithm,
    /// No algorithm that dcrgate verifies.
    #[error("the software statement has an unknown algorithm")]
    UnknownAlgorithm,
    /// `typ` is there and is not `JWT` (RFC 7519 §5.1, RFC 8725 §3.11).
    #[error("the software statement is of another type than JWT")]
    NotAJwt,
    /// `kid` is empty, longer than 256 bytes, or no string.
    #[error("the header of the software statement has an unusable key id")]
    KeyId,
    /// The policy does not list the algorithm.
    #[error("the algorithm of the software statement is not allowed here")]
    AlgorithmNotAllowed,
    /// The key is of another type, for another algorithm, or not for verifying (RFC 7517 §4.2 to §4.4).
    #[error("the key is not for signatures of this algorithm")]
    UnfitKey,
    /// The signature is not of this key over this token.
    #[error("the signature of the software statement is wrong")]
    Signature,
    /// The signed payload is not a strict JSON object.
    #[error("the claims of the software statement cannot be read: {0}")]
    ClaimsJson(JsonFault),
}

/// The parts of a compact token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenPart {
    /// JOSE header.
    Header,
    /// Payload.
    Payload,
    /// Signature.
    Signature,
}

impl std::fmt::Display for TokenPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}
