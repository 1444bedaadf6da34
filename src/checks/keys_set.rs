//! What the keys of a client have to be, by value and as fetched (FAPI 2.0 Security Profile §5.4.1,
//! FAPI 1.0 Advanced §8.11, RFC 7517 §4.5).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, member};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::key::{Jwk, KeyMaterial, has_private_part, modulus_bits};

#[derive(Debug)]
pub(super) struct KeysSet;

const MALFORMED: Fault = Fault {
    message: "jwks is not a key set: an object with an array keys of keys that are whole",
    hint: "send the key set of RFC 7517, each key with kty and its public numbers in base64url",
};
const EMPTY: Fault = Fault { message: "the key set has no keys", hint: "publish the public keys of this client" };
const MANY: Fault = Fault { message: "the key set has too many keys", hint: "remove keys that are not used any more" };
const PRIVATE: Fault = Fault {
    message: "the key set holds a private or symmetric key",
    hint: "publish public keys only, and replace this key: it has been disclosed",
};
const WEAK: Fault =
    Fault { message: "the key set has an RSA key that is too short", hint: "replace it by a longer key" };
const CURVE: Fault = Fault {
    message: "the key set has a key on a curve that is not accepted",
    hint: "use P-256, P-384, P-521, Ed25519 or Ed448, or X25519 or X448 for encryption",
};
const TWICE: Fault =
    Fault { message: "two keys of the set have the same kid, type and use", hint: "give every key a kid of its own" };
const NAMELESS: Fault = Fault { message: "a key of the set has no kid", hint: "give every key a kid of its own" };
const ALGORITHM: Fault = Fault {
    message: "a key of the set names an algorithm that its type cannot do",
    hint: "correct alg, or leave it out",
};
const USE: Fault = Fault {
    message: "the key set lacks a key for a use that is required",
    hint: "publish a key for signatures (use sig) and for encryption (use enc), as far as they are required",
};

static ABOUT: About = About {
    id: "keys.set",
    summary: "the keys in jwks, and in the fetched key set, are public, strong, told apart by kid, and for the required uses",
    clause: "RFC 7517 4, FAPI 1.0 Advanced 8.11",
    error: ErrorCode::InvalidClientMetadata,
    field: Some("jwks"),
    operations: WRITES,
    faults: &[MALFORMED, EMPTY, MANY, PRIVATE, WEAK, CURVE, TWICE, NAMELESS, ALGORITHM, USE],
    settings: &[
        ("min_rsa_bits", "least size of an RSA key, 2048 to 8192 (2048)"),
        ("max_keys", "keys in all, 1 to 1000 (100)"),
        ("require_kid", "whether every key has to have a kid (false)"),
        ("require", "uses for each of which there has to be a key: sig, enc (none)"),
    ],
};

/// Curves of at least 224 bits whose keys mean the same to every reader (RFC 7518 §6.2.1.1, RFC 8037 §2).
const CURVES: &[&str] = &["P-256", "P-384", "P-521", "Ed25519", "Ed448", "X25519", "X448"];

impl Check for KeysSet {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let number = |key: &str, bounds, default| {
            settings.integer(key, bounds).and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
        };
        let uses = settings.texts("require").unwrap_or_default();
        if let Some(unknown) = uses.iter().find(|word| !matches!(word.as_str(), "sig" | "enc")) {
            let place = settings.json("require").map(|found| found.place);
            let help = Some("known uses: sig, enc".to_owned());
            settings.faults().error(place.as_ref(), format!("`require` does not know `{unknown}`"), help);
        }
        Some(Box::new(Set {
            min_rsa_bits: number("min_rsa_bits", 2048..=8192, 2048),
            max_keys: number("max_keys", 1..=1000, 100),
            require_kid: settings.boolean("require_kid").unwrap_or(false),
            uses,
        }))
    }
}

#[derive(Debug)]
struct Set {
    min_rsa_bits: usize,
    max_keys: usize,
    require_kid: bool,
    uses: Vec<String>,
}

/// One key, by value or as fetched.
struct Key<'k> {
    kid: Option<&'k str>,
    kind: &'k str,
    usage: Option<&'k str>,
    algorithm: Option<&'k str>,
    curve: Option<&'k str>,
    /// Of an RSA key.
    bits: Option<usize>,
}

impl Judge for Set {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        if let Some(jwks) = member(facts.metadata, "jwks") {
            let entries = jwks.get("keys").and_then(Value::as_array);
            let objects: Option<Vec<&Map<String, Value>>> =
                entries.and_then(|entries| entries.iter().map(Value::as_object).collect());
            let Some(objects) = objects else { return report.fail(Failure::of(MALFORMED)) };
            // First of all: whoever reads it must know that the key is burnt.
            if objects.iter().any(|key| has_private_part(key)) {
                return report.fail(Failure::of(PRIVATE));
            }
            match objects.into_iter().map(Key::written).collect::<Option<Vec<_>>>() {
                Some(keys) => self.judge_keys(&keys, "jwks", report),
                None => report.fail(Failure::of(MALFORMED)),
            }
        }
        if let Some(set) = facts.software_keys.value() {
            let keys: Vec<Key<'_>> = set.keys.iter().map(|key| Key::fetched(key)).collect();
            self.judge_keys(&keys, "jwks_uri", report);
        }
    }
}

impl Set {
    fn judge_keys(&self, keys: &[Key<'_>], field: &'static str, report: &mut Report<'_>) {
        let mut fail = |fault: Fault, key: Option<&Key<'_>>| {
            let detail = key
                .map_or_else(|| format!("{} keys", keys.len()), |key| format!("kid={}", key.kid.unwrap_or("(none)")));
            report.fail(Failure::of(fault).field(field).detail(detail));
        };
        if keys.is_empty() {
            return fail(EMPTY, None);
        }
        if keys.len() > self.max_keys {
            return fail(MANY, None);
        }
        let mut seen = BTreeSet::new();
        for key in keys {
            if key.bits.is_some_and(|bits| bits < self.min_rsa_bits) {
                fail(WEAK, Some(key));
            }
            if key.curve.is_some_and(|curve| !CURVES.contains(&curve)) {
                fail(CURVE, Some(key));
            }
            if key.algorithm.is_some_and(|algorithm| !fits(algorithm, key.kind)) {
                fail(ALGORITHM, Some(key));
            }
            match key.kid {
                Some(kid) if !seen.insert((kid, key.kind, key.usage)) => fail(TWICE, Some(key)),
                None if self.require_kid => fail(NAMELESS, Some(key)),
                _ => {}
            }
        }
        // A key that names no use is for every use (RFC 7517 §4.2).
        let serves = |usage: &String| keys.iter().any(|key| key.usage.is_none_or(|own| own == usage));
        if !self.uses.iter().all(serves) {
            fail(USE, None);
        }
    }
}

impl<'k> Key<'k> {
    /// `None` where something that a key has to have is missing or of another type.
    fn written(members: &'k Map<String, Value>) -> Option<Self> {
        let text = |name: &str| match members.get(name) {
            None => Some(None),
            Some(value) => value.as_str().filter(|text| !text.is_empty()).map(Some),
        };
        let kind = text("kty")??;
        let (bits, curve) = match kind {
            "RSA" => (Some(modulus_bits(members)?), None),
            "EC" | "OKP" => {
                text("x")??;
                (None, Some(text("crv")??))
            }
            _ => return None,
        };
        Some(Self { kid: text("kid")?, kind, usage: text("use")?, algorithm: text("alg")?, curve, bits })
    }

    fn fetched(key: &'k Jwk) -> Self {
        let (kind, curve, bits) = match &key.material {
            KeyMaterial::Rsa { bits, .. } => ("RSA", None, Some(*bits)),
            KeyMaterial::Ec { curve, .. } => ("EC", Some(&**curve), None),
            KeyMaterial::Okp { curve, .. } => ("OKP", Some(&**curve), None),
        };
        let kid = Some(&*key.key_id).filter(|kid| !kid.is_empty());
        Self { kid, kind, usage: key.usage.as_deref(), algorithm: key.algorithm.as_deref(), curve, bits }
    }
}

/// Whether a key of this type can do the algorithm (RFC 7518 §3.1, §4.1, RFC 8037 §3).
fn fits(algorithm: &str, kind: &str) -> bool {
    match algorithm {
        "EdDSA" | "Ed25519" | "Ed448" => kind == "OKP",
        _ if algorithm.starts_with("RS") || algorithm.starts_with("PS") => kind == "RSA",
        _ if algorithm.starts_with("ECDH-ES") => kind != "RSA",
        _ if algorithm.starts_with("ES") => kind == "EC",
        // HMAC, dir and key wrapping are for symmetric keys; what nobody knows may be of tomorrow.
        _ => !algorithm.starts_with("HS") && !matches!(algorithm, "dir" | "none" | "A128KW" | "A192KW" | "A256KW"),
    }
}
