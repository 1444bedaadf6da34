//! The facts of a case, from its file.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::binding::Binding;
use crate::model::digest::Digest;
use crate::model::document::Section;
use crate::model::evidence::Known;
use crate::model::id::{AuthorityName, DecisionId};
use crate::model::key::KeySet;
use crate::model::peer::Peer;
use crate::model::sector::{KnownSector, Sector};
use crate::model::statement::Statement;
use crate::model::time::Timestamp;
use crate::policy::Policy;

mod certificate;

/// What a case says of facts and proofs; its own are laid over those of `[defaults]`.
const FACTS: [&str; 14] = [
    "request",
    "statement",
    "certificate",
    "signer",
    "software_keys",
    "sector",
    "client",
    "token",
    "remote",
    "statement_keys",
    "signature",
    "algorithm",
    "request_signature",
    "request_algorithm",
];

/// The facts of a case.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) request: Map<String, Value>,
    pub(super) statement: Option<Statement>,
    pub(super) peer: Option<(Peer, AuthorityName)>,
    pub(super) signer: Option<(Peer, AuthorityName)>,
    pub(super) token: Option<Map<String, Value>>,
    pub(super) remote: Option<IpAddr>,
    pub(super) client: Option<Binding>,
    software_keys: Known<Arc<KeySet>>,
    pub(super) sector: KnownSector,
}

/// The facts that a table holds, as they are.
pub(super) fn facts_of(section: &Section<'_>) -> Map<String, Value> {
    FACTS.iter().filter_map(|key| Some(((*key).to_owned(), section.json(key)?.value))).collect()
}

/// The defaults with the case's members over them, and without what it removes.
pub(super) fn changed(defaults: &Map<String, Value>, section: &Section<'_>) -> Map<String, Value> {
    let mut facts = Value::Object(defaults.clone());
    merge(&mut facts, Value::Object(facts_of(section)));
    for path in section.texts("remove").into_iter().flatten() {
        if !remove(&mut facts, &path.value) {
            section.faults().error(Some(&path.place), format!("there is no `{}` to remove", path.value), None);
        }
    }
    match facts {
        Value::Object(facts) => facts,
        _ => Map::new(),
    }
}

/// RFC 7386, without removal by `null`, which TOML does not have.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn remove(from: &mut Value, path: &str) -> bool {
    let Value::Object(map) = from else { return false };
    match path.split_once('.') {
        Some((first, rest)) => map.get_mut(first).is_some_and(|value| remove(value, rest)),
        None => map.remove(path).is_some(),
    }
}

impl Given {
    /// The software's keys as the policy comes by them: none where the statement names no address that it may fetch.
    pub(super) fn software_keys(&self, policy: &Policy) -> &Known<Arc<KeySet>> {
        let wanted = policy.request().map(|request| &request.keys).or(policy.software_keys());
        let address = wanted.and_then(|keys| policy.claim(&self.statement.as_ref()?.claims, &keys.claim));
        match (&self.software_keys, wanted) {
            (Known::Value(_), Some(keys)) if !address.is_some_and(|address| keys.allows(address)) => &Known::Absent,
            (known, _) => known,
        }
    }

    /// Whether there are keys, and at an address that the policy does not fetch.
    pub(super) fn has_keys_out_of_reach(&self, policy: &Policy) -> bool {
        matches!((&self.software_keys, self.software_keys(policy)), (Known::Value(_), Known::Absent))
    }

    pub(super) fn read(facts: &Map<String, Value>, section: &Section<'_>) -> Option<Self> {
        let object = |key: &str| facts.get(key).and_then(Value::as_object);
        let fault = |key: &str, why: &str| {
            section.faults().error(Some(&section.place_of_key(key)), format!("`{key}`: {why}"), None);
            None
        };
        let software_keys = match facts.get("software_keys") {
            None => Known::Absent,
            Some(Value::String(word)) if word == "absent" => Known::Absent,
            Some(Value::String(word)) if word == "unavailable" => Known::Unavailable("unavailable in this case".into()),
            Some(Value::Array(keys)) => Known::Value(Arc::new(key_set(keys))),
            Some(_) => return fault("software_keys", "a list of keys, or one of the words absent and unavailable"),
        };
        let sector = match facts.get("sector") {
            None => Known::Unavailable("the case does not say what stands there: `sector`".into()),
            Some(Value::String(word)) if word == "absent" => Known::Absent,
            Some(Value::String(word)) if word == "unavailable" => Known::Unavailable("unavailable in this case".into()),
            // As it would come over the wire.
            Some(document @ (Value::Array(_) | Value::Object(_))) => {
                Known::Value(Sector::from_json(document.to_string().as_bytes()).map(Arc::new))
            }
            Some(_) => return fault("sector", "a list of addresses, or one of the words absent and unavailable"),
        };
        for key in ["request", "statement", "certificate", "signer", "client", "token"] {
            let is_word =
                matches!(key, "statement" | "certificate" | "signer") && facts.get(key).is_some_and(Value::is_string);
            if facts.get(key).is_some_and(|value| !value.is_object()) && !is_word {
                return fault(key, "a table");
            }
        }
        for key in ["statement_keys", "signature", "algorithm", "request_signature", "request_algorithm"] {
            if facts.get(key).is_some_and(|value| !value.is_string()) {
                return fault(key, "a word");
            }
        }
        let certificate = |key: &str| object(key).map(certificate::read).transpose();
        let (peer, signer) = match (certificate("certificate"), certificate("signer")) {
            (Ok(peer), Ok(signer)) => (peer, signer),
            (Err(why), _) => return fault("certificate", &why),
            (_, Err(why)) => return fault("signer", &why),
        };
        let remote = match facts.get("remote") {
            None => None,
            Some(value) => match value.as_str().and_then(|text| text.parse().ok()) {
                Some(address) => Some(address),
                None => return fault("remote", "an IPv4 or IPv6 address"),
            },
        };
        Some(Self {
            request: object("request").cloned().unwrap_or_default(),
            statement: object("statement").map(statement),
            peer,
            signer,
            token: object("token").cloned(),
            remote,
            client: object("client").map(binding),
            software_keys,
            sector,
        })
    }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn statement(claims: &Map<String, Value>) -> Statement {
    let digest = Digest::of(Value::Object(claims.clone()).to_string().as_bytes());
    Statement { claims: claims.clone(), algorithm: "PS256", key_id: "case".into(), digest }
}

/// The set that these keys make. One that says nothing of its type stands for a good key of the type that its
/// algorithm needs.
fn key_set(keys: &[Value]) -> KeySet {
    let whole = |key: &Value| {
        let mut key = key.clone();
        let Some(members) = key.as_object_mut().filter(|members| !members.contains_key("kty")) else { return key };
        let algorithm = members.get("alg").and_then(Value::as_str).unwrap_or_default();
        // 32 bytes, and 2048 bits that are all set.
        let (coordinate, modulus) = ("A".repeat(43), format!("{}w", "_".repeat(341)));
        let parts = match algorithm {
            "EdDSA" => vec![("kty", "OKP"), ("crv", "Ed25519"), ("x", &*coordinate)],
            _ if algorithm.starts_with("ES") => {
                vec![("kty", "EC"), ("crv", "P-256"), ("x", &*coordinate), ("y", &*coordinate)]
            }
            _ => vec![("kty", "RSA"), ("n", &*modulus), ("e", "AQAB")],
        };
        for (name, value) in parts {
            members.entry(name).or_insert_with(|| value.into());
        }
        key
    };
    KeySet::of(&keys.iter().map(whole).collect::<Vec<_>>())
}

fn binding(map: &Map<String, Value>) -> Binding {
    let optional = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
    let registered = Timestamp::from_unix_seconds(0);
    Binding {
        upstream: "case".to_owned(),
        client_id: text(map, "client_id").to_owned(),
        authority: optional("authority").map(AuthorityName::new),
        organisation: optional("organisation"),
        software: optional("software"),
        policy: text(map, "policy").to_owned(),
        certificate: None,
        certificate_expires: None,
        subject: optional("subject"),
        token_fingerprint: None,
        token_expires: None,
        sealed_token: None,
        metadata: Map::new(),
        template: None,
        decision: DecisionId::new(registered, [0; 10]),
        registered,
        updated: None,
    }
}
