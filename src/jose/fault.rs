//! What can be wrong with a signed token, one variant per distinct fault.
//!
//! The value goes into the audit; its message is fixed and public, and never
//! repeats what the token says. It is a predicate: whoever tells it says of
//! what, "the software statement" or "the request".

use crate::model::certificate::InvalidCertificate;
use crate::model::json::JsonFault;

/// Why a token in the compact serialisation of JWS (RFC 7515 §7.1) is not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsFault {
    /// More than 16 KB for a statement, 32 KB for one that brings its certificates, 64 KB for a request.
    #[error("is too long")]
    TooLong,
    /// RFC 7515 §7.2; only the compact serialisation is a JWT (RFC 7519 §3).
    #[error("is in the JSON serialisation, not the compact one")]
    JsonSerialisation,
    /// Five parts: JWE (RFC 7516 §7.1).
    #[error("is encrypted, not signed")]
    Encrypted,
    /// Another number of parts than three (RFC 7515 §7.1).
    #[error("does not have three parts")]
    NotThreeParts,
    /// Padding, white space, another alphabet, or bits that mean nothing (RFC 7515 §2).
    #[error("has a {0} that is not base64url")]
    Base64(TokenPart),
    /// The header is not a strict JSON object.
    #[error("has a header that cannot be read: {0}")]
    HeaderJson(JsonFault),
    /// RFC 7515 §4.1.11: an extension that must be understood; dcrgate understands none.
    #[error("has critical extensions in its header")]
    CriticalExtensions,
    /// RFC 7797; also §4.1.11 of RFC 7515, since it is only valid with `crit`.
    #[error("has b64 in its header")]
    UnencodedPayload,
    /// `jku` or `x5u`: a key from where the token says.
    #[error("names a URL of keys in its header")]
    RemoteKey,
    /// `jwk` or `x5c`: the token brings its own key.
    #[error("brings its own key in its header")]
    EmbeddedKey,
    /// `x5c` has to be there and is not.
    #[error("does not bring its certificate (x5c) in its header")]
    NoChain,
    /// `x5c` is not 1 to 6 certificates in base64 (RFC 7515 §4.1.6).
    #[error("has an x5c in its header that is not a list of 1 to 6 certificates in base64")]
    Chain,
    /// The first certificate of `x5c` cannot be read, or they are too large.
    #[error("brings a certificate that cannot be read: {0}")]
    Certificate(InvalidCertificate),
    /// RFC 7515 §4.1.1: `alg` must be there, a string.
    #[error("has no algorithm in its header")]
    NoAlgorithm,
    /// RFC 7518 §3.6: `none`, in any case of letters.
    #[error("is not signed")]
    Unsigned,
    /// HMAC: whoever verifies could have signed.
    #[error("has a symmetric algorithm")]
    SymmetricAlgorithm,
    /// No algorithm that dcrgate verifies.
    #[error("has an unknown algorithm")]
    UnknownAlgorithm,
    /// `typ` is there and is not `JWT` (RFC 7519 §5.1, RFC 8725 §3.11).
    #[error("is of another type than JWT")]
    NotAJwt,
    /// `typ` is not `at+jwt` (RFC 9068 §2.1): a statement or an ID token is no access token.
    #[error("is of another type than at+jwt")]
    NotAnAccessToken,
    /// `typ` is not `dpop+jwt` (RFC 9449 §4.2).
    #[error("is of another type than dpop+jwt")]
    NotAProof,
    /// `jwk` is missing, private, weak, or of a kind that dcrgate does not verify with.
    #[error("brings no public key that can be used in its header")]
    NoUsableKey,
    /// `kid` is empty, longer than 256 bytes, or no string.
    #[error("has an unusable key id in its header")]
    KeyId,
    /// The policy does not list the algorithm.
    #[error("has an algorithm that is not allowed here")]
    AlgorithmNotAllowed,
    /// The key is of another type, for another algorithm, or not for verifying (RFC 7517 §4.2 to §4.4).
    #[error("has an algorithm that the key is not for")]
    UnfitKey,
    /// The signature is not of this key over this token.
    #[error("has a wrong signature")]
    Signature,
    /// The signed payload is not a strict JSON object.
    #[error("has claims that cannot be read: {0}")]
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
