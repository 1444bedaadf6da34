//! The public key of a certificate: its kind and size, and its numbers (RFC 3279 §2.3, RFC 5480 §2, RFC 8410 §4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::UintRef;
use der::{Decode as _, Reader as _, SliceReader};
use serde_json::{Map, Value};
use x509_cert::spki::ObjectIdentifier;

use super::{PublicKey, PublicKeyFacts};
use crate::model::key::KeyMaterial;

impl PublicKeyFacts {
    pub(super) fn of(key: &PublicKey<'_>) -> Self {
        let kind = key.algorithm.oid;
        if kind == RSA {
            rsa(key).and_then(|(modulus, _)| bits(modulus)).map_or(Self::Other, |bits| Self::Rsa { bits })
        } else if kind == EC {
            curve(key).map_or(Self::Other, |(_, bits)| Self::Ec { bits })
        } else if kind == ED25519 {
            Self::Ed25519
        } else {
            Self::Other
        }
    }
}

/// The numbers of a key, as a key set would have them; `None` for a key that a key set could not have.
pub(super) fn material(key: &PublicKey<'_>) -> Option<KeyMaterial> {
    let point = key.bits.as_bytes()?;
    let members = match PublicKeyFacts::of(key) {
        PublicKeyFacts::Rsa { .. } => {
            let (modulus, exponent) = rsa(key)?;
            vec![("kty", "RSA".to_owned()), ("n", base64url(modulus)), ("e", base64url(exponent))]
        }
        PublicKeyFacts::Ec { .. } => {
            // SEC 1 §2.3.3: only the uncompressed form is a point of RFC 5480 that others send.
            let (name, _) = curve(key)?;
            let [4, coordinates @ ..] = point else { return None };
            let (x, y) = coordinates.split_at_checked(coordinates.len() / 2)?;
            vec![("kty", "EC".to_owned()), ("crv", name.to_owned()), ("x", base64url(x)), ("y", base64url(y))]
        }
        PublicKeyFacts::Ed25519 => {
            vec![("kty", "OKP".to_owned()), ("crv", "Ed25519".to_owned()), ("x", base64url(point))]
        }
        PublicKeyFacts::Other => return None,
    };
    let members: Map<String, Value> =
        members.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
    KeyMaterial::from_members(&members)
}

fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }`, without signs.
fn rsa<'k>(key: &'k PublicKey<'_>) -> Option<(&'k [u8], &'k [u8])> {
    let mut reader = SliceReader::new(key.bits.as_bytes()?).ok()?;
    let numbers = reader.sequence(|inner| {
        let modulus = UintRef::decode(inner)?;
        Ok::<_, der::Error>((modulus.as_bytes(), UintRef::decode(inner)?.as_bytes()))
    });
    numbers.ok()
}

fn bits(number: &[u8]) -> Option<usize> {
    let unused = number.first().map_or(0, |byte| byte.leading_zeros());
    (number.len() * 8).checked_sub(usize::try_from(unused).ok()?)
}

/// The name and bits of a curve that is known.
fn curve(key: &PublicKey<'_>) -> Option<(&'static str, usize)> {
    let curve = key.algorithm.parameters?.decode_as::<ObjectIdentifier>().ok()?;
    CURVES.iter().find(|(known, ..)| *known == curve).map(|(_, name, bits)| (*name, *bits))
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// P-256, P-384 and P-521 (RFC 5480 §2.1.1.1), with the bits of their fields.
const CURVES: [(ObjectIdentifier, &str, usize); 3] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), "P-256", 256),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), "P-384", 384),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "P-521", 521),
];
