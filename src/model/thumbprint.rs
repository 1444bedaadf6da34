//! The thumbprint of a public key (RFC 7638): the same for every way of writing the key down.

use serde_json::{Map, Value};

use super::digest::Digest;
use super::key::{KeyMaterial, number, unsigned};

/// Curves, and the bytes of a coordinate on them (RFC 7518 §6.2.1.2, RFC 8812 §3.1).
const EC: &[(&str, usize)] = &[("P-256", 32), ("P-384", 48), ("P-521", 66), ("secp256k1", 32)];
/// The same of RFC 8037.
const OKP: &[(&str, usize)] = &[("Ed25519", 32), ("X25519", 32), ("Ed448", 57), ("X448", 56)];

/// SHA-256 over the required members of a JWK, in the order and form of RFC 7638 §3.
///
/// Strong or weak, for signatures or for encryption: a key is known again whatever it is good for. `None` where it
/// could be written down in more than one way or is of a type that nobody here knows.
pub fn thumbprint(members: &Map<String, Value>) -> Option<Digest> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let sized = |name: &str, size: usize| number(members, name).filter(|(bytes, _)| bytes.len() == size);
    let size_of = |curves: &[(&str, usize)]| {
        let curve = text("crv")?;
        curves.iter().find(|(known, _)| *known == curve).map(|(_, size)| (curve.into(), *size))
    };
    let material = match text("kty")? {
        "RSA" => {
            let (n, bits) = unsigned(&number(members, "n")?.0);
            let (e, _) = unsigned(&number(members, "e")?.0);
            KeyMaterial::Rsa { n, e, bits }
        }
        "EC" => {
            let (curve, size) = size_of(EC)?;
            KeyMaterial::Ec { curve, x: sized("x", size)?.1, y: sized("y", size)?.1 }
        }
        "OKP" => {
            let (curve, size) = size_of(OKP)?;
            KeyMaterial::Okp { curve, x: sized("x", size)?.1 }
        }
        _ => return None,
    };
    Some(material.thumbprint())
}

impl KeyMaterial {
    /// SHA-256 over these numbers (RFC 7638 §3.2): base64url and names of curves, in which nothing has to be escaped.
    pub fn thumbprint(&self) -> Digest {
        let text = match self {
            Self::Rsa { n, e, .. } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Ec { curve, x, y } => format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Okp { curve, x } => format!(r#"{{"crv":"{curve}","kty":"OKP","x":"{x}"}}"#),
        };
        Digest::of(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;
    use crate::model::key::KeySet;

    fn of(key: &Value) -> Option<String> {
        thumbprint(key.as_object().unwrap()).map(|digest| digest.base64url())
    }

    /// RFC 7638 §3.1.
    fn example() -> Value {
        json!({
            "kty": "RSA", "e": "AQAB", "alg": "RS256", "kid": "2011-04-29",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        })
    }

    #[test]
    fn examples_of_the_specifications() {
        assert_eq!(of(&example()).as_deref(), Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"));
        // RFC 8037 A.3.
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        assert_eq!(of(&key).as_deref(), Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"));
        let set = json!({ "keys": [example(), key] }).to_string();
        let fetched: Vec<String> = KeySet::from_json(set.as_bytes())
            .unwrap()
            .keys
            .iter()
            .map(|key| key.material.thumbprint().base64url())
            .collect();
        assert_eq!(
            fetched,
            ["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]
        );
    }

    #[test]
    fn names_uses_and_leading_zeros_make_no_other_key() {
        let mut key = example();
        for (name, value) in [("kid", json!("another")), ("use", json!("enc")), ("alg", Value::Null)] {
            key[name] = value;
        }
        let padded = [vec![0, 0], URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap()].concat();
        key["n"] = URL_SAFE_NO_PAD.encode(padded).into();
        assert_eq!(of(&key), of(&example()));
        key["e"] = "Aw".into();
        assert_ne!(of(&key), of(&example()));
    }

    #[test]
    fn what_could_be_written_down_in_more_than_one_way_has_none() {
        let coordinate = |bytes: usize| URL_SAFE_NO_PAD.encode(vec![7; bytes]);
        let ec = |curve: &str, x: usize, y: usize| json!({ "kty": "EC", "crv": curve, "x": coordinate(x), "y": coordinate(y) });
        for good in [ec("P-256", 32, 32), ec("P-384", 48, 48), ec("P-521", 66, 66)] {
            assert!(of(&good).is_some(), "{good}");
        }
        for bad in [
            ec("P-256", 31, 32),
            ec("P-256", 32, 33),
            ec("P-521", 65, 66),
            ec("P-192", 24, 24),
            json!({ "kty": "OKP", "crv": "X25519", "x": coordinate(33) }),
            json!({ "kty": "RSA", "e": "AQAB" }),
            json!({ "kty": "RSA", "e": "AQAB", "n": "AQ==" }),
            json!({ "kty": "oct", "k": "AQ" }),
            json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AQ" }),
            json!({}),
        ] {
            assert_eq!(of(&bad), None, "{bad}");
        }
    }
}
