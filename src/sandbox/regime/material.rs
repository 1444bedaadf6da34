//! What an example speaks of, made real: certificates, statement, keys, token, request.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use serde_json::{Map, Value, json};

use super::{Play, Regime};
use crate::model::facts::Operation;
use crate::model::time::Timestamp;
use crate::policy::Signer;
use crate::policy::cases::Example;
use crate::sandbox::statement::{Draft, KeyUse, Signature, SigningKey};
use crate::sandbox::{Identity, KeyKind, SandboxError, Validity};

/// The authority of an example's certificate that names none.
pub(super) const AUTHORITY: &str = "case";

/// Everything that one example sends, and what has to leave the proxy then.
pub(super) struct Material {
    pub(super) identity: Option<Identity>,
    pub(super) request: Request<Bytes>,
    /// Members that the identity server gets.
    pub(super) expected: Map<String, Value>,
}

/// Whether a single registration can show an example: an update, an outage, and what somebody else used up before
/// it cannot.
pub(super) fn is_playable(example: &Example) -> bool {
    let outage = |key: &str| example.facts.get(key).and_then(Value::as_str) == Some("unavailable");
    // What is written down of these is of no certificate that can be made.
    let pinned = |key: &str| {
        let facts = example.facts.get(key);
        ["thumbprint", "issuer", "serial"].iter().any(|name| facts.is_some_and(|facts| facts.get(name).is_some()))
    };
    example.operation == Operation::Register
        && example.taken.is_empty()
        && !["certificate", "signer"].into_iter().any(pinned)
        && !outage("statement_keys")
        && !outage("software_keys")
        && !outage("sector")
}

impl Regime {
    /// Makes what an example sends, and publishes the keys that it relies on.
    pub(super) fn material(&self, play: &Play, example: &Example) -> Result<Material, SandboxError> {
        let mut facts = example.facts.clone();
        let mut expected = example.forwarded.clone();
        self.publish_software_keys(play, &mut facts, &mut expected);
        self.publish_sector(play, &mut facts, &mut expected);
        let identity = self.identity(facts.get("certificate"), KeyKind::Ecdsa)?;
        let mut members = facts.get("request").and_then(Value::as_object).cloned().unwrap_or_default();
        members.remove(STATEMENT);
        if let Some(claims) = facts.get("statement").and_then(Value::as_object) {
            let statement = self.statement(play, &facts, claims)?;
            // The case holds a stand-in.
            if let Some(stand_in) = expected.get_mut(STATEMENT) {
                *stand_in = statement.as_str().into();
            }
            members.insert(STATEMENT.to_owned(), statement.into());
        }
        let (media_type, body) = self.body(play, &facts, members)?;
        let mut request = Request::new(Bytes::from(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = play.path.parse().map_err(http::Error::from)?;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if let Some(claims) = facts.get("token").and_then(Value::as_object) {
            let bearer = format!("Bearer {}", self.token(play, claims)?);
            request.headers_mut().insert(header::AUTHORIZATION, bearer.parse().map_err(http::Error::from)?);
        }
        Ok(Material { identity, request, expected })
    }

    /// The directory answers at the address that the statement gives. Keys are cached by address, so each example
    /// has one of its own, wherever the case writes it.
    fn publish_software_keys(&self, play: &Play, facts: &mut Map<String, Value>, expected: &mut Map<String, Value>) {
        let Some(wanted) = play.policy.software_keys() else { return };
        let claims = facts.get("statement").and_then(Value::as_object);
        let Some(address) = claims.and_then(|claims| play.policy.claim(claims, &wanted.claim)) else { return };
        let address = address.to_owned();
        let Some(path) = own_path(play, &address, facts, expected) else { return };
        let keys = play.example.facts.get("software_keys").and_then(Value::as_array);
        let keys: Vec<Value> = keys.into_iter().flatten().map(|key| self.software_key(key)).collect();
        self.world.directory.publish_keys(&path, &keys);
    }

    /// The document of the sector that the statement names, or else the request; nothing where a case has none.
    fn publish_sector(&self, play: &Play, facts: &mut Map<String, Value>, expected: &mut Map<String, Value>) {
        let named = ["statement", "request"].into_iter().find_map(|key| facts.get(key)?.get(SECTOR)?.as_str());
        let Some(address) = named.map(str::to_owned).filter(|_| play.policy.sector().is_some()) else { return };
        let Some(path) = own_path(play, &address, facts, expected) else { return };
        if let Some(document @ (Value::Array(_) | Value::Object(_))) = play.example.facts.get("sector") {
            self.world.directory.publish(&path, "application/json", document.to_string());
        }
    }

    /// A real key under the words that the case has for it.
    fn software_key(&self, described: &Value) -> Value {
        let algorithm = described.get("alg").and_then(Value::as_str).unwrap_or_default();
        let signature = if algorithm.starts_with("ES") { Signature::Es256 } else { Signature::Ps256 };
        let mut key = self.world.directory.software_key_for(signature).public_jwk(KeyUse::Signature);
        if let (Some(key), Some(described)) = (key.as_object_mut(), described.as_object()) {
            for word in ["use", "alg", "kid"] {
                key.remove(word);
            }
            key.extend(described.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        key
    }

    /// The certificate that a case describes; nothing where there is none.
    pub(super) fn identity(&self, facts: Option<&Value>, key: KeyKind) -> Result<Option<Identity>, SandboxError> {
        let nothing = Map::new();
        let facts = match facts {
            Some(Value::Object(facts)) => facts,
            Some(Value::String(word)) if word == "untrusted" => &nothing,
            _ => return Ok(None),
        };
        let text = |key: &str| facts.get(key).and_then(Value::as_str);
        let Some(authority) = self.authorities.get(text("authority").unwrap_or(AUTHORITY)) else { return Ok(None) };
        let issuing = if facts.is_empty() { &authority.strangers } else { &authority.issuing };
        let now = self.world.now();
        let time = |key: &str| text(key).and_then(|text| Timestamp::parse(text).ok());
        let validity = Validity {
            not_before: time("not_before").unwrap_or_else(|| now.minus(DAY)),
            not_after: time("not_after").unwrap_or_else(|| now.plus(30 * DAY)),
        };
        issuing.described(facts, key, &validity, |_| {}).map(Some)
    }

    /// The signed statement: by the directory, or by a certificate of its own.
    fn statement(
        &self,
        play: &Play,
        facts: &Map<String, Value>,
        claims: &Map<String, Value>,
    ) -> Result<String, SandboxError> {
        let word = |key: &str| facts.get(key).and_then(Value::as_str);
        let policy = play.policy.statement();
        let signature = signature(word("algorithm"), policy.map_or(&[], |policy| &policy.algorithms));
        let draft = claims.iter().fold(Draft::empty(), |draft, (name, value)| draft.claim(name, value.clone()));
        let mut draft = draft.header("typ", "JWT");
        let directory = &self.world.directory;
        let forged = word("signature") == Some("invalid");
        if policy.is_some_and(|policy| policy.signer == Signer::Certificate) {
            let kind = if signature == Signature::Es256 { KeyKind::Ecdsa } else { KeyKind::Rsa };
            let Some(signer) = self.identity(facts.get("signer"), kind)? else {
                return draft.sign(directory.software_key_for(signature), signature);
            };
            let key = SigningKey::of(&signer, "signer")?;
            let key = if forged { directory.software_key_for(signature) } else { &key };
            return draft.header("x5c", signer.x5c()).sign(key, signature);
        }
        if word("statement_keys") == Some("absent") {
            draft = draft.header("kid", "unknown");
        }
        let key = directory.signer_for(signature);
        if forged {
            // The right name over another key.
            return draft.header("kid", key.key_id()).sign(directory.software_key_for(signature), signature);
        }
        draft.sign(key, signature)
    }

    /// JSON, or a compact JWS where the policy wants one.
    fn body(
        &self,
        play: &Play,
        facts: &Map<String, Value>,
        members: Map<String, Value>,
    ) -> Result<(&'static str, String), SandboxError> {
        let Some(policy) = play.policy.request() else {
            return Ok(("application/json", Value::Object(members).to_string()));
        };
        let word = |key: &str| facts.get(key).and_then(Value::as_str);
        let keys: Vec<&Map<String, Value>> = facts
            .get("software_keys")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .collect();
        let text = |key: &Map<String, Value>, name: &str| key.get(name).and_then(Value::as_str).map(str::to_owned);
        let named = |algorithm: &str| {
            let fits = |key: &&&Map<String, Value>| {
                text(key, "use").is_none_or(|word| word == "sig")
                    && text(key, "alg").is_none_or(|word| word == algorithm)
            };
            keys.iter().find(fits).and_then(|key| text(key, "kid"))
        };
        // As the case says, or with the first key that the policy has an algorithm for.
        let with_key = policy.algorithms.iter().find(|algorithm| named(algorithm).is_some());
        let algorithm = word("request_algorithm").or(with_key.map(String::as_str));
        let signature = signature(algorithm, &policy.algorithms);
        let key_id = named(signature.name()).unwrap_or_else(|| "unknown".to_owned());
        let directory = &self.world.directory;
        let key = match word("request_signature") {
            Some("invalid") => directory.signer_for(signature),
            _ => directory.software_key_for(signature),
        };
        let body = Draft::request(members).header("kid", key_id).sign(key, signature)?;
        // Both are in use, and mean the same.
        let media_type = if play.number.is_multiple_of(2) { "application/jwt" } else { "application/jose" };
        Ok((media_type, body))
    }

    /// An initial access token (RFC 9068) with the claims of the case, and what every token has besides.
    fn token(&self, play: &Play, claims: &Map<String, Value>) -> Result<String, SandboxError> {
        let now = self.world.now().unix_seconds();
        let draft = Draft::empty()
            .header("typ", "at+jwt")
            .claim("iss", super::configuration::TOKEN_ISSUER)
            .claim("aud", super::configuration::TOKEN_AUDIENCE)
            .claim("iat", now)
            .claim("exp", now + 300);
        let mut draft = claims.iter().fold(draft, |draft, (name, value)| draft.claim(name, value.clone()));
        if let Some(id) = claims.get("jti").and_then(Value::as_str).filter(|_| !play.is_visitor()) {
            draft = draft.claim("jti", numbered(id, play.number));
        }
        draft.sign(self.world.directory.signer(), Signature::Ps256)
    }
}

/// How a case signs: as it says, or in a way that the policy accepts. On P-256 where that is one: a key of a
/// certificate is made for each case, and such keys are made in no time.
fn signature(said: Option<&str>, accepted: &[String]) -> Signature {
    let quick = accepted.iter().any(|name| name == Signature::Es256.name()).then_some(Signature::Es256);
    let first = || accepted.iter().find_map(|name| Signature::named(name));
    said.and_then(Signature::named).or(quick).or_else(first).unwrap_or(Signature::Ps256)
}

/// Another identifier of the same length, where there is room: a token that is used once is used whatever the policy.
pub(super) fn numbered(id: &str, number: impl ToString + Copy) -> String {
    let number = number.to_string();
    match id.len().checked_sub(number.len()).filter(|keep| id.is_char_boundary(*keep)) {
        Some(keep) => id.split_at(keep).0.to_owned() + &number,
        None => number,
    }
}

/// Moves an address below the name of its example, wherever the case writes it, and gives its path then: no two
/// examples meet at one document. `None` for what is no address.
fn own_path(
    play: &Play,
    address: &str,
    facts: &mut Map<String, Value>,
    expected: &mut Map<String, Value>,
) -> Option<String> {
    let mut url = url::Url::parse(address).ok()?;
    url.set_path(&format!("/{}{}", play.name, url.path()));
    for map in [facts, expected] {
        map.values_mut().for_each(|value| replace(value, address, url.as_str()));
    }
    Some(url.path().to_owned())
}

/// Writes `new` wherever a text is exactly `old`.
fn replace(value: &mut Value, old: &str, new: &str) {
    match value {
        Value::String(text) if text == old => *value = json!(new),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, old, new)),
        Value::Object(members) => members.values_mut().for_each(|value| replace(value, old, new)),
        _ => {}
    }
}

const STATEMENT: &str = "software_statement";
const SECTOR: &str = "sector_identifier_uri";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
