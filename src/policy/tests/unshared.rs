//! `keys.unshared`: which keys are taken for a client, and how many.

use super::*;
use crate::model::claim::ClaimKind;
use crate::model::evidence::Known;
use crate::model::key::KeySet;

const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
/// RFC 8037 A.3.
const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn unshared(setting: &str) -> Policy {
    policy(&format!("[checks.keys.unshared]\n{setting}\n"))
}

/// So many different keys.
fn keys(count: u8) -> Value {
    use base64::Engine as _;
    let x = |seed: u8| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode([seed; 32]);
    let key = |seed: u8| json!({ "kty": "OKP", "crv": "Ed25519", "kid": "same", "x": x(seed) });
    json!({ "keys": (0..count).map(key).collect::<Vec<_>>() })
}

/// What refuses, and the keys that are asked for.
fn asked(policy: &Policy, jwks: &Value, fetched: &Value) -> (Vec<String>, Vec<String>) {
    let set = match fetched {
        Value::Null => Known::Unavailable("down".into()),
        set => Known::Value(Arc::new(KeySet::published(set.to_string().as_bytes()).unwrap())),
    };
    let (trace, _, judged) = told(policy, json!({ "jwks": jwks }), |facts| Facts { software_keys: &set, ..facts });
    assert!(judged.claims.iter().all(|claim| claim.kind == ClaimKind::Slot && claim.expires.is_none()));
    let refusals = trace.failures().map(|step| step.rule.message.to_string());
    (refusals.collect(), judged.claims.iter().map(|claim| claim.key.to_string()).collect())
}

#[test]
fn keys_by_value_and_as_fetched_are_taken_each_once() {
    let policy = unshared("");
    let key = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": X }] });
    let twice = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": X, "kid": "a" }, { "kty": "OKP", "crv": "Ed25519", "x": X, "use": "sig" }] });
    let taken = (Vec::new(), vec![format!("p\nkey\n{THUMBPRINT}")]);
    for (jwks, fetched) in [(&key, &Value::Null), (&twice, &Value::Null), (&twice, &key), (&Value::Null, &key)] {
        assert_eq!(asked(&policy, jwks, fetched), taken, "{jwks} {fetched}");
    }
    assert_eq!(asked(&policy, &Value::Null, &Value::Null), (Vec::new(), Vec::new()), "an outage is not judged here");
    assert_eq!(asked(&policy, &keys(2), &key).1.len(), 3);
}

#[test]
fn bounds_are_exact() {
    let many = "there are more keys than can be held against those of other clients";
    for (setting, most) in [("", 20), ("max_keys = 1", 1), ("max_keys = 100", 100)] {
        let policy = unshared(setting);
        assert_eq!(asked(&policy, &keys(most), &Value::Null).1.len(), usize::from(most), "{setting}");
        assert_eq!(asked(&policy, &keys(most + 1), &Value::Null), (vec![many.to_owned()], Vec::new()), "{setting}");
        assert_eq!(asked(&policy, &Value::Null, &keys(most + 1)), (vec![many.to_owned()], Vec::new()), "{setting}");
    }
    for beyond in ["max_keys = 0", "max_keys = 101"] {
        let problem = problems(&format!("[checks.keys.unshared]\n{beyond}\n"));
        assert_eq!(problem, ["p.toml:6: `max_keys` must be from 1 to 100"], "{beyond}");
    }
}

#[test]
fn what_has_no_thumbprint_is_refused() {
    let policy = unshared("");
    let unreadable = "jwks holds a key that cannot be told from those of other clients";
    for jwks in [
        json!({}),
        json!([]),
        json!({ "keys": {} }),
        json!({ "keys": ["k"] }),
        json!({ "keys": [{ "kty": "oct", "k": "AQ" }] }),
    ] {
        assert_eq!(asked(&policy, &jwks, &Value::Null), (vec![unreadable.to_owned()], Vec::new()), "{jwks}");
    }
}

#[test]
fn fetched_keys_are_compared_whatever_they_are_good_for() {
    let policy = unshared("");
    let point = |kind: &str, curve: &str, characters: usize| {
        let coordinate = "A".repeat(characters);
        json!({ "kty": kind, "crv": curve, "use": "enc", "x": coordinate, "y": coordinate })
    };
    for key in [
        point("EC", "P-521", 88),
        point("OKP", "X25519", 43),
        point("OKP", "X448", 75),
        point("OKP", "Ed448", 76),
        json!({ "kty": "RSA", "n": "gAE", "e": "AQAB" }),
        json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "d": "AA" }),
    ] {
        let set = json!({ "keys": [key] });
        let (refused, taken) = asked(&policy, &Value::Null, &set);
        assert_eq!((refused, taken.len()), (Vec::new(), 1), "{set}");
        assert_eq!(asked(&policy, &set, &Value::Null).1, taken, "{set}: the same as by value");
    }
}

#[test]
fn a_fetched_key_without_thumbprint_is_refused() {
    let policy = unshared("");
    let unreadable = "the key set at jwks_uri holds a key that cannot be told from those of other clients";
    let good = json!({ "kty": "OKP", "crv": "Ed25519", "x": X });
    let coordinate = "A".repeat(43);
    for key in [
        json!("k"),
        json!({ "kty": "oct", "k": "AQ" }),
        json!({ "kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ" }),
        json!({ "kty": "EC", "crv": "secp256k1", "x": coordinate, "y": coordinate }),
    ] {
        let refused = asked(&policy, &Value::Null, &json!({ "keys": [good, key] }));
        assert_eq!(refused, (vec![unreadable.to_owned()], Vec::new()), "{key}");
    }
}
