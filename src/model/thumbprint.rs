//! The thumbprint of a public key (RFC 7638): the same for every way of writing the key down.

use super::digest::Digest;
use super::key::KeyMaterial;

impl KeyMaterial {
    /// SHA-256 over these numbers, in the order and form of RFC 7638 §3.
    ///
    /// They are base64url and names of curves, in which nothing has to be escaped: only of curves that are known here.
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
    use serde_json::{Value, json};

    use crate::model::key::{Entry, Form, KeySet};

    fn of(key: &Value) -> Option<String> {
        Entry::of(key).thumbprint.map(|digest| digest.base64url())
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
        let set = KeySet::from_json(set.as_bytes()).unwrap();
        let expected = ["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"];
        assert_eq!(set.keys.iter().map(|key| key.material.thumbprint().base64url()).collect::<Vec<_>>(), expected);
        let written = set.entries.iter().filter_map(|entry| entry.thumbprint);
        assert_eq!(written.map(|digest| digest.base64url()).collect::<Vec<_>>(), expected);
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
        for (name, form) in [("kid", Form::Malformed), ("d", Form::Private)] {
            let mut same = key.clone();
            same[name] = 7.into();
            assert_eq!(Entry::of(&same).form, form);
            assert_eq!(of(&same), of(&example()), "{name}: it is refused, and still the same key");
        }
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
            ec("secp256k1", 32, 32),
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
