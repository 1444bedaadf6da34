//! What the keys of a client have to be, by value and as fetched (FAPI 2.0 Security Profile §5.4.1,
//! FAPI 1.0 Advanced §8.11, RFC 7517 §4.5).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, member};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::key::{Entry, Form, PublicKey, Size};

#[derive(Debug)]
pub(super) struct KeysSet;

const MALFORMED: Fault = Fault {
    message: "jwks is not a key set: an object with an array keys of keys that are whole",
    hint: "send the key set of RFC 7517, each key with kty and its public numbers in base64url",
};
const FETCHED_MALFORMED: Fault = Fault {
    message: "what is at jwks_uri is not a key set: an object with an array keys of keys that are whole",
    hint: "publish the key set of RFC 7517, each key with kty and its public numbers in base64url",
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
    faults: &[MALFORMED, FETCHED_MALFORMED, EMPTY, MANY, PRIVATE, WEAK, CURVE, TWICE, NAMELESS, ALGORITHM, USE],
    settings: &[
        ("min_rsa_bits", "least size of an RSA key, 2048 to 8192 (2048)"),
        ("max_keys", "keys in all, 1 to 1000 (100)"),
        ("require_kid", "whether every key has to have a kid (false)"),
        ("require", "uses for each of which there has to be a key: sig, enc (none)"),
    ],
};

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

impl Judge for Set {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        if let Some(jwks) = member(facts.metadata, "jwks") {
            match jwks.get("keys").and_then(Value::as_array) {
                Some(keys) => {
                    self.judge_set(&keys.iter().map(Entry::of).collect::<Vec<_>>(), "jwks", MALFORMED, report);
                }
                None => report.fail(Failure::of(MALFORMED)),
            }
        }
        if let Some(set) = facts.software_keys.value() {
            self.judge_set(&set.entries, "jwks_uri", FETCHED_MALFORMED, report);
        }
    }
}

impl Set {
    /// A set by value, or as fetched.
    fn judge_set(&self, entries: &[Entry], field: &'static str, malformed: Fault, report: &mut Report<'_>) {
        // First of all: whoever reads it must know that the key is burnt.
        if entries.iter().any(|entry| entry.form == Form::Private) {
            return report.fail(Failure::of(PRIVATE).field(field));
        }
        match entries.iter().map(Entry::public).collect::<Option<Vec<&PublicKey>>>() {
            Some(keys) => self.judge_keys(&keys, field, report),
            None => report.fail(Failure::of(malformed).field(field)),
        }
    }

    fn judge_keys(&self, keys: &[&PublicKey], field: &'static str, report: &mut Report<'_>) {
        let mut fail = |fault: Fault, key: Option<&PublicKey>| {
            let kid = |key: &PublicKey| format!("kid={}", key.kid.as_deref().unwrap_or("(none)"));
            report
                .fail(Failure::of(fault).field(field).detail(key.map_or_else(|| format!("{} keys", keys.len()), kid)));
        };
        if keys.is_empty() {
            return fail(EMPTY, None);
        }
        if keys.len() > self.max_keys {
            return fail(MANY, None);
        }
        let mut seen = BTreeSet::new();
        for key in keys {
            match key.size {
                Size::Bits(bits) if bits < self.min_rsa_bits => fail(WEAK, Some(key)),
                Size::OtherCurve => fail(CURVE, Some(key)),
                Size::Bits(_) | Size::Curve => {}
            }
            if key.algorithm.as_deref().is_some_and(|algorithm| !fits(algorithm, key.kind)) {
                fail(ALGORITHM, Some(key));
            }
            match &key.kid {
                Some(kid) if !seen.insert((kid, key.kind, &key.usage)) => fail(TWICE, Some(key)),
                None if self.require_kid => fail(NAMELESS, Some(key)),
                _ => {}
            }
        }
        // A key that names no use is for every use (RFC 7517 §4.2).
        let serves = |usage: &String| keys.iter().any(|key| key.usage.as_deref().is_none_or(|own| own == usage));
        if !self.uses.iter().all(serves) {
            fail(USE, None);
        }
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
