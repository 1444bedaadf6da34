//! The compact serialisation of JWS (RFC 7515 §7.1), read strictly, and its signature.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, crypto};
use rustls_pki_types::CertificateDer;
use serde_json::{Map, Value};

use crate::model::certificate::Certificate;
use crate::model::digest::Digest;
use crate::model::json::{self, Limits};
use crate::model::key::{Jwk, KeyMaterial};
use crate::model::peer::Peer;
use crate::model::statement::Signed;

use super::algorithm::Algorithm;
use super::fault::{JwsFault, TokenPart};

/// A token taken apart: its header is understood, its claims are not looked at yet.
#[derive(Debug)]
pub struct Compact<'t> {
    token: &'t str,
    /// Header and payload as sent: what is signed (RFC 7515 §5.2).
    signing_input: &'t str,
    signature: &'t str,
    header: Header,
    payload: Vec<u8>,
    limits: Limits,
}

/// What the protected header asks for (RFC 7515 §4.1). Members that are not named here mean nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `kid`: a label to look up in the key set, never a path or a URL.
    pub key_id: Option<String>,
    /// `typ`, as spelled.
    pub typ: Option<String>,
    /// `x5c`: the signer's certificate and those between it and an anchor. Empty unless it was asked for.
    pub chain: Vec<CertificateDer<'static>>,
    /// `jwk`: the key of a proof of possession. None unless it was asked for.
    pub key: Option<Jwk>,
}

/// Where the key of a token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyFrom {
    /// A key set; a token that brings a key is refused.
    KeySet,
    /// The first certificate of `x5c`.
    Certificate,
    /// `jwk`: whoever signs says with what, and the token that it goes with says whether that is right.
    Header,
}

impl<'t> Compact<'t> {
    /// Takes a software statement of at most 16 KB apart.
    ///
    /// # Errors
    /// The first [`JwsFault`] met.
    pub fn parse(token: &'t str) -> Result<Self, JwsFault> {
        Self::within(token, LIMITS, KeyFrom::KeySet, Type::Jwt)
    }

    /// Takes a software statement of at most 32 KB apart that is signed by the certificate in its header.
    ///
    /// # Errors
    /// The first [`JwsFault`] met.
    pub fn parse_certified(token: &'t str) -> Result<Self, JwsFault> {
        Self::within(token, CERTIFIED, KeyFrom::Certificate, Type::Jwt)
    }

    /// Takes a signed registration request of at most 64 KB apart.
    ///
    /// # Errors
    /// The first [`JwsFault`] met.
    pub fn parse_request(token: &'t str) -> Result<Self, JwsFault> {
        Self::within(token, json::REQUEST, KeyFrom::KeySet, Type::Jwt)
    }

    /// Takes an access token of at most 16 KB apart, whose header has to say that it is one (RFC 9068 §2.1).
    ///
    /// # Errors
    /// The first [`JwsFault`] met.
    pub fn parse_access_token(token: &'t str) -> Result<Self, JwsFault> {
        Self::within(token, LIMITS, KeyFrom::KeySet, Type::AccessToken)
    }

    /// Takes a proof of possession of at most 8 KB apart, which brings its key (RFC 9449 §4.2).
    ///
    /// # Errors
    /// The first [`JwsFault`] met.
    pub fn parse_proof(token: &'t str) -> Result<Self, JwsFault> {
        Self::within(token, PROOF, KeyFrom::Header, Type::Proof)
    }

    fn within(token: &'t str, limits: Limits, from: KeyFrom, wanted: Type) -> Result<Self, JwsFault> {
        let [header, payload, signature] = split(token, &limits)?;
        let signing_input = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        let members = json::object(&decode(header, TokenPart::Header)?, &limits).map_err(JwsFault::HeaderJson)?;
        let header = Header::from_members(&members, from, wanted)?;
        let payload = decode(payload, TokenPart::Payload)?;
        decode(signature, TokenPart::Signature)?;
        Ok(Self { token, signing_input, signature, header, payload, limits })
    }

    /// What the header asks for.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The claims, which nobody has vouched for: to show them to a person, never to decide by them.
    ///
    /// # Errors
    /// [`JwsFault::ClaimsJson`].
    pub fn unverified_claims(&self) -> Result<Map<String, Value>, JwsFault> {
        json::object(&self.payload, &self.limits).map_err(JwsFault::ClaimsJson)
    }

    /// The certificate that signs, with its chain, and its key. Who holds it is proved by [`Compact::verify`] alone.
    ///
    /// # Errors
    /// [`JwsFault::Certificate`] when it cannot be read, [`JwsFault::UnfitKey`] when its key verifies no signatures.
    pub fn signer(&self) -> Result<(Peer, Jwk), JwsFault> {
        let peer = Peer::present(self.header.chain.clone()).map_err(JwsFault::Certificate)?;
        let key = self.header.chain.first().and_then(|leaf| Certificate::verifying_key(leaf));
        Ok((peer, key.ok_or(JwsFault::UnfitKey)?))
    }

    /// Verifies the signature and reads the claims. Cheap refusals come before the
    /// signature, and nothing that was not signed is read as claims.
    ///
    /// # Errors
    /// The first [`JwsFault`] met.
    pub fn verify(&self, key: &Jwk, allowed: &[Algorithm]) -> Result<Signed, JwsFault> {
        let algorithm = self.header.algorithm;
        if !allowed.contains(&algorithm) {
            return Err(JwsFault::AlgorithmNotAllowed);
        }
        if !algorithm.fits(key) {
            return Err(JwsFault::UnfitKey);
        }
        match crypto::verify(self.signature, self.signing_input.as_bytes(), &decoding_key(key)?, signed_with(algorithm))
        {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(JwsFault::Signature),
        }
        Ok(Signed {
            claims: json::object(&self.payload, &self.limits).map_err(JwsFault::ClaimsJson)?,
            algorithm: algorithm.name(),
            key_id: key.key_id.clone(),
            digest: Digest::of(self.token.as_bytes()),
        })
    }
}

/// The payload of a signed registration request, which nobody has vouched for: it says where to look for the key,
/// and nothing is decided by it. What asks for more than this shape is for [`Compact::parse_request`] to refuse.
///
/// # Errors
/// The first [`JwsFault`] of its three parts or its claims.
pub fn unverified_request(token: &str) -> Result<Map<String, Value>, JwsFault> {
    let [header, payload, signature] = split(token, &json::REQUEST)?;
    decode(header, TokenPart::Header)?;
    decode(signature, TokenPart::Signature)?;
    json::object(&decode(payload, TokenPart::Payload)?, &json::REQUEST).map_err(JwsFault::ClaimsJson)
}

/// Header, payload and signature as sent.
fn split<'t>(token: &'t str, limits: &Limits) -> Result<[&'t str; 3], JwsFault> {
    if token.len() > limits.bytes {
        return Err(JwsFault::TooLong);
    }
    if token.trim_start().starts_with('{') {
        return Err(JwsFault::JsonSerialisation);
    }
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => Ok([header, payload, signature]),
        _ if token.split('.').count() == 5 => Err(JwsFault::Encrypted),
        _ => Err(JwsFault::NotThreeParts),
    }
}

impl Header {
    fn from_members(members: &Map<String, Value>, from: KeyFrom, wanted: Type) -> Result<Self, JwsFault> {
        for (name, fault) in REFUSED_MEMBERS {
            let asked_for = match from {
                KeyFrom::KeySet => false,
                KeyFrom::Certificate => name == "x5c",
                KeyFrom::Header => name == "jwk",
            };
            if members.contains_key(name) && !asked_for {
                return Err(fault);
            }
        }
        let chain = match from {
            KeyFrom::KeySet | KeyFrom::Header => Vec::new(),
            KeyFrom::Certificate => chain(members.get("x5c").ok_or(JwsFault::NoChain)?).ok_or(JwsFault::Chain)?,
        };
        let key = match from {
            KeyFrom::KeySet | KeyFrom::Certificate => None,
            KeyFrom::Header => {
                let key = members.get("jwk").and_then(Value::as_object).and_then(Jwk::from_members);
                Some(key.ok_or(JwsFault::NoUsableKey)?)
            }
        };
        let Some(Value::String(name)) = members.get("alg") else { return Err(JwsFault::NoAlgorithm) };
        let algorithm = Algorithm::parse(name).ok_or_else(|| match name {
            name if name.eq_ignore_ascii_case("none") => JwsFault::Unsigned,
            name if name.starts_with("HS") => JwsFault::SymmetricAlgorithm,
            _ => JwsFault::UnknownAlgorithm,
        })?;
        let typ = match members.get("typ") {
            None if wanted == Type::Jwt => None,
            Some(Value::String(typ)) if wanted.is(typ) => Some(typ.clone()),
            _ => return Err(wanted.fault()),
        };
        let key_id = match members.get("kid") {
            None => None,
            Some(Value::String(key_id)) if (1..=KEY_ID_BYTES).contains(&key_id.len()) => Some(key_id.clone()),
            Some(_) => return Err(JwsFault::KeyId),
        };
        Ok(Self { algorithm, key_id, typ, chain, key })
    }
}

/// Certificates in base64, which here is not base64url and is padded (RFC 7515 §4.1.6).
fn chain(x5c: &Value) -> Option<Vec<CertificateDer<'static>>> {
    let items = x5c.as_array().filter(|items| (1..=CHAIN).contains(&items.len()))?;
    items.iter().map(|item| STANDARD.decode(item.as_str()?).ok().map(CertificateDer::from)).collect()
}

/// What `typ` says that a token is, so that one made for one purpose is not taken for another (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    /// `JWT`, or nothing at all.
    Jwt,
    /// `at+jwt`, and it has to be there (RFC 9068 §4).
    AccessToken,
    /// `dpop+jwt`, and it has to be there (RFC 9449 §4.2).
    Proof,
}

impl Type {
    /// RFC 7515 §4.1.9: a media type, `application/` may be left out; RFC 2045 §5.1: case does not matter.
    fn is(self, typ: &str) -> bool {
        let names = match self {
            Self::Jwt => ["jwt", "application/jwt"],
            Self::AccessToken => ["at+jwt", "application/at+jwt"],
            Self::Proof => ["dpop+jwt", "application/dpop+jwt"],
        };
        names.iter().any(|name| typ.eq_ignore_ascii_case(name))
    }

    const fn fault(self) -> JwsFault {
        match self {
            Self::Jwt => JwsFault::NotAJwt,
            Self::AccessToken => JwsFault::NotAnAccessToken,
            Self::Proof => JwsFault::NotAProof,
        }
    }
}

/// The one strict engine: no padding, no white space, no bits that mean nothing.
fn decode(part: &str, which: TokenPart) -> Result<Vec<u8>, JwsFault> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsFault::Base64(which))
}

fn decoding_key(key: &Jwk) -> Result<DecodingKey, JwsFault> {
    match &key.material {
        KeyMaterial::Rsa { n, e, .. } => DecodingKey::from_rsa_components(n, e),
        KeyMaterial::Ec { x, y, .. } => DecodingKey::from_ec_components(x, y),
        KeyMaterial::Okp { x, .. } => DecodingKey::from_ed_components(x),
    }
    .map_err(|_| JwsFault::UnfitKey)
}

const fn signed_with(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::PS384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::PS512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::RS384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::RS512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::ES384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    }
}

/// Header members that ask for a key from elsewhere or for a rule that dcrgate does not keep.
const REFUSED_MEMBERS: [(&str, JwsFault); 6] = [
    ("crit", JwsFault::CriticalExtensions),
    ("b64", JwsFault::UnencodedPayload),
    ("jku", JwsFault::RemoteKey),
    ("x5u", JwsFault::RemoteKey),
    ("jwk", JwsFault::EmbeddedKey),
    ("x5c", JwsFault::EmbeddedKey),
];

/// A whole statement: real ones have 3 to 6 KB, and a request of 64 KB may hold one beside other members.
const LIMITS: Limits = Limits { bytes: 16 * 1024, ..json::REQUEST };

/// A statement with six certificates of RSA-4096 in its header, each of 2 KB and encoded twice.
const CERTIFIED: Limits = Limits { bytes: 32 * 1024, ..json::REQUEST };

/// A proof has some hundred bytes; with a key of RSA-8192 twice that.
const PROOF: Limits = Limits { bytes: 8 * 1024, ..json::REQUEST };

/// A leaf, the anchor that some send too, and more between them than any community has.
const CHAIN: usize = 6;

/// Key ids are thumbprints or UUIDs; the longest seen has 64 characters.
const KEY_ID_BYTES: usize = 256;

#[cfg(test)]
mod tests;
