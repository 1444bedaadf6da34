//! JSON Web Keys (RFC 7517) as data: what a set says, before any of it is used.
//!
//! Only keys whose signatures dcrgate can verify are kept: RSA of 2048 to 8192
//! bits, EC on P-256 and P-384, Ed25519 (RFC 7518 §6, RFC 8037 §2). What else a
//! set holds is counted and passed over (RFC 7517 §5), so that one bad key does
//! not poison the set. Certificates and URLs in keys (`x5c`, `x5u`) are not looked at.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::json::{self, JsonFault, Limits};

mod entry;

pub use entry::{Entry, Form, PublicKey, Size};

/// One public key that dcrgate can use. No private part is ever kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    /// `kid`; empty where the key has none.
    pub key_id: Arc<str>,
    /// `alg`, where the key names one.
    pub algorithm: Option<Arc<str>>,
    /// `use`, where the key names one.
    pub usage: Option<Arc<str>>,
    /// `key_ops`, where the key names them.
    pub operations: Option<Vec<Arc<str>>>,
    /// The key's numbers, base64url.
    pub material: KeyMaterial,
}

/// The numbers of a public key, base64url without padding (RFC 7518 §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMaterial {
    /// `kty` RSA.
    Rsa {
        /// Modulus.
        n: Arc<str>,
        /// Exponent.
        e: Arc<str>,
        /// Bits of the modulus.
        bits: usize,
    },
    /// `kty` EC.
    Ec {
        /// `crv`, such as `P-256`.
        curve: Arc<str>,
        /// x.
        x: Arc<str>,
        /// y.
        y: Arc<str>,
    },
    /// `kty` OKP.
    Okp {
        /// `crv`, such as `Ed25519`.
        curve: Arc<str>,
        /// x.
        x: Arc<str>,
    },
}

/// A JWK Set: the keys that can be used, and what every entry says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    /// In the order of the set.
    pub keys: Vec<Arc<Jwk>>,
    /// Every entry in the order of the set, those that are passed over among them.
    pub entries: Vec<Entry>,
}

/// Why a text is not a key set that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    /// It is not strict JSON, or too large.
    #[error("{0}")]
    Json(#[from] JsonFault),
    /// RFC 7517 §5.1: `keys` must be there, an array.
    #[error("the key set has no array of keys")]
    NoKeys,
    /// `keys` has no entry; a set that was emptied by mistake must not replace a good one.
    #[error("the key set is empty")]
    Empty,
    /// Every entry was passed over.
    #[error("no key of the set can be used")]
    NoneUsable,
}

impl KeySet {
    /// Reads a JWK Set (RFC 7517 §5): at most 1 MB, 1000 keys.
    ///
    /// Keys with the same `kid` are all kept, in their order: RFC 7517 §4.5 allows it
    /// for equivalent keys of different types, and choosing is the verifier's matter.
    ///
    /// # Errors
    /// [`KeySetFault`] when not one key can be used.
    pub fn from_json(bytes: &[u8]) -> Result<Self, KeySetFault> {
        let set = Self::published(bytes)?;
        if set.keys.is_empty() { Err(KeySetFault::NoneUsable) } else { Ok(set) }
    }

    /// Reads a JWK Set as its owner published it, also where dcrgate can use none of its keys: others may.
    ///
    /// # Errors
    /// [`KeySetFault`] when there is no set, or nothing in it.
    pub fn published(bytes: &[u8]) -> Result<Self, KeySetFault> {
        let set = json::object(bytes, &LIMITS)?;
        let Some(Value::Array(entries)) = set.get("keys") else { return Err(KeySetFault::NoKeys) };
        if entries.is_empty() {
            return Err(KeySetFault::Empty);
        }
        Ok(Self::of(entries))
    }

    /// Of the items of `keys`.
    pub fn of(entries: &[Value]) -> Self {
        let keys = entries.iter().filter_map(Value::as_object).filter_map(Jwk::from_members);
        Self { keys: keys.map(Arc::new).collect(), entries: entries.iter().map(Entry::of).collect() }
    }

    /// How many entries dcrgate cannot use: unknown type, malformed, weak, or with the private part laid open.
    pub const fn passed_over(&self) -> usize {
        self.entries.len().saturating_sub(self.keys.len())
    }

    /// The public keys among the entries, usable here or not.
    pub fn public_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.entries.iter().filter_map(Entry::public)
    }
}

impl Jwk {
    /// `None` for a key that is passed over.
    pub fn from_members(members: &Map<String, Value>) -> Option<Self> {
        // Who publishes the private part has given the key away (RFC 7517 §9.2).
        if has_private_part(members) {
            return None;
        }
        let operations = match members.get("key_ops") {
            None => None,
            Some(Value::Array(words)) => Some(words.iter().map(word).collect::<Option<_>>()?),
            Some(_) => return None,
        };
        Some(Self {
            key_id: optional(members, "kid")?.unwrap_or_default(),
            algorithm: optional(members, "alg")?,
            usage: optional(members, "use")?,
            operations,
            material: KeyMaterial::from_members(members)?,
        })
    }
}

impl KeyMaterial {
    /// From the members of a key; `None` for one that is passed over.
    pub(super) fn from_members(members: &Map<String, Value>) -> Option<Self> {
        let kind = members.get("kty")?.as_str()?;
        let curve = || members.get("crv").and_then(word);
        match kind {
            "RSA" => {
                let (n, bits) = unsigned(&number(members, "n")?.0);
                let exponent = number(members, "e")?.0;
                let (e, exponent_bits) = unsigned(&exponent);
                let odd = exponent.last().is_some_and(|byte| byte & 1 == 1);
                let usable = RSA_BITS.contains(&bits) && EXPONENT_BITS.contains(&exponent_bits) && odd;
                usable.then_some(Self::Rsa { n, e, bits })
            }
            "EC" => {
                let curve = curve()?;
                // RFC 7518 §6.2.1.2: the full size of a coordinate, leading zeros kept.
                let size = match &*curve {
                    "P-256" => 32,
                    "P-384" => 48,
                    _ => return None,
                };
                let ((x_bytes, x), (y_bytes, y)) = (number(members, "x")?, number(members, "y")?);
                (x_bytes.len() == size && y_bytes.len() == size).then_some(Self::Ec { curve, x, y })
            }
            "OKP" => {
                let curve = curve()?;
                let (x_bytes, x) = number(members, "x")?;
                (&*curve == "Ed25519" && x_bytes.len() == 32).then_some(Self::Okp { curve, x })
            }
            _ => None,
        }
    }
}

/// A member that is a string where it is there; `None` when it is anything else.
fn optional(members: &Map<String, Value>, name: &str) -> Option<Option<Arc<str>>> {
    members.get(name).map_or(Some(None), |value| word(value).map(Some))
}

fn word(value: &Value) -> Option<Arc<str>> {
    value.as_str().map(Arc::from)
}

/// Strict base64url: no padding, no white space, no bits that mean nothing (RFC 7515 §2).
pub(super) fn number(members: &Map<String, Value>, name: &str) -> Option<(Vec<u8>, Arc<str>)> {
    let text = members.get(name)?.as_str()?;
    Some((URL_SAFE_NO_PAD.decode(text).ok()?, Arc::from(text)))
}

/// Without leading zeros, which RFC 7518 §6.3.1.1 forbids, some implementations add and aws-lc refuses; and its bits.
pub(super) fn unsigned(number: &[u8]) -> (Arc<str>, usize) {
    let number = number.iter().position(|byte| *byte != 0).and_then(|first| number.get(first..)).unwrap_or_default();
    let spare = number.first().map_or(0, |byte| byte.leading_zeros() as usize);
    (URL_SAFE_NO_PAD.encode(number).into(), number.len() * 8 - spare)
}

/// Whether a key has members that only private and symmetric keys have.
pub fn has_private_part(key: &Map<String, Value>) -> bool {
    PRIVATE_PARTS.iter().any(|part| key.contains_key(*part))
}

/// Below 2048 bits RSA is weak (RFC 7518 §3.3); above 8192 one verification is a denial of service.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// At least 3, since an exponent of 1 makes every message its own signature; at most what aws-lc computes with.
const EXPONENT_BITS: std::ops::RangeInclusive<usize> = 2..=33;

/// RFC 7518 §6.2.2, §6.3.2, §6.4: a private or secret part of any key type.
const PRIVATE_PARTS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A directory of a whole country fits: 1000 keys of 1 KB, each with a certificate chain of some KB at most.
const LIMITS: Limits = Limits { bytes: 1024 * 1024, depth: 16, items: 1_000, nodes: 50_000, string: 32 * 1024 };

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rsa(bits: usize) -> Value {
        let mut modulus = vec![0xff; bits.div_ceil(8)];
        if !bits.is_multiple_of(8) {
            modulus[0] = (1 << (bits % 8)) - 1;
        }
        json!({ "kty": "RSA", "kid": "r", "use": "sig", "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB" })
    }

    fn ec() -> Value {
        let coordinate = URL_SAFE_NO_PAD.encode([7; 32]);
        json!({ "kty": "EC", "crv": "P-256", "kid": "e", "x": coordinate, "y": coordinate })
    }

    fn with(mut key: Value, name: &str, value: impl Into<Value>) -> Value {
        key[name] = value.into();
        key
    }

    fn read(keys: impl Into<Value>) -> Result<KeySet, KeySetFault> {
        KeySet::from_json(json!({ "keys": keys.into() }).to_string().as_bytes())
    }

    #[test]
    fn reads_each_type() {
        let ed = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([1; 32]), "alg": "EdDSA", "key_ops": ["verify"] });
        let set = read([rsa(2048), ec(), ed]).unwrap();
        assert_eq!((set.keys.len(), set.passed_over()), (3, 0));
        assert!(matches!(set.keys[0].material, KeyMaterial::Rsa { bits: 2048, .. }));
        assert_eq!(set.keys[0].usage.as_deref(), Some("sig"));
        assert_eq!(&*set.keys[1].key_id, "e");
        assert_eq!(set.keys[2].operations.as_deref(), Some(&[Arc::from("verify")][..]));
        assert_eq!(&*set.keys[2].key_id, "");
    }

    #[test]
    fn one_bad_key_does_not_poison_the_set() {
        let bad = [
            ("another type", json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AA" })),
            ("symmetric", json!({ "kty": "oct", "k": "AAAA" })),
            ("weak", rsa(2047)),
            ("oversized", rsa(8193)),
            ("exponent of one", with(rsa(2048), "e", "AQ")),
            ("even exponent", with(rsa(2048), "e", "AQAA")),
            ("private part laid open", with(ec(), "d", "c2VjcmV0")),
            ("padded", with(rsa(2048), "e", "AQ==")),
            ("stray bits", with(ec(), "x", format!("{}d", "A".repeat(42)))),
            ("short coordinate", with(ec(), "y", URL_SAFE_NO_PAD.encode([7; 31]))),
            ("curve without an algorithm", with(ec(), "crv", "secp256k1")),
            ("agreement key", json!({ "kty": "OKP", "crv": "X25519", "x": URL_SAFE_NO_PAD.encode([1; 32]) })),
            ("kid of a wrong type", with(ec(), "kid", 7)),
            ("key_ops of a wrong type", with(ec(), "key_ops", "verify")),
            ("no object", json!("key")),
            ("null", Value::Null),
        ];
        for (case, key) in bad {
            assert_eq!(read([key.clone()]), Err(KeySetFault::NoneUsable), "{case}");
            let set = read([key, ec()]).unwrap();
            assert_eq!((set.keys.len(), set.passed_over()), (1, 1), "{case}");
        }
    }

    #[test]
    fn encryption_keys_and_equal_key_ids_are_kept() {
        let set = read([with(rsa(2048), "use", "enc"), rsa(2049), rsa(2050)]).unwrap();
        assert_eq!(set.keys.iter().map(|key| &*key.key_id).collect::<Vec<_>>(), ["r", "r", "r"]);
    }

    #[test]
    fn sets_without_a_key() {
        assert_eq!(read(Value::Array(vec![])), Err(KeySetFault::Empty));
        assert_eq!(read(json!({})), Err(KeySetFault::NoKeys));
        assert_eq!(KeySet::from_json(b"{}"), Err(KeySetFault::NoKeys));
        assert_eq!(KeySet::from_json(b"<html>"), Err(KeySetFault::Json(JsonFault::Syntax)));
        assert_eq!(KeySet::from_json(&vec![b' '; (1 << 20) + 1]), Err(KeySetFault::Json(JsonFault::TooLarge)));
    }
}
