//! Facts as CEL values: strings are borrowed, JSON integers become `int`.
//!
//! Only the members that the policy's expressions look at are converted. A fact
//! that is absent (no certificate, no token) is an empty map: `has` is false, and
//! any other look at it is an error, which refuses.

use std::collections::HashMap;

use ::cel::common::types::{
    CelBool, CelBytes, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use ::cel::common::value::{CowVal, Val};
use ::cel::context::VariableResolver;
use serde_json::{Map, Number, Value};

use super::certificate::{CertificateUses, facts as certificate};
use super::{Library, MAX_LIST, Members, Uses};
use crate::model::binding::Binding;
use crate::model::facts::Facts;
use crate::model::id::AuthorityName;
use crate::model::peer::Peer;

/// A list among the facts has more than [`MAX_LIST`] entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLong {
    /// In the request, or in the metadata made from it.
    Request,
    /// In the statement, the token or the certificate.
    Evidence,
}

/// The facts of one decision, as expressions see them.
#[derive(Debug)]
pub struct Values<'f> {
    library: &'f Library,
    request: CelMap<'f>,
    statement: CelMap<'f>,
    metadata: CelMap<'f>,
    token: CelMap<'f>,
    certificate: CelMap<'f>,
    signer: CelMap<'f>,
    client: CelMap<'f>,
    operation: CelString<'f>,
    now: CelInt,
}

impl<'f> Values<'f> {
    /// Of these facts, as far as `uses` says.
    ///
    /// # Errors
    /// [`TooLong`] when a list that would be looked at is longer than [`MAX_LIST`].
    pub fn new(library: &'f Library, uses: &Uses, facts: &Facts<'f>) -> Result<Self, TooLong> {
        let evidence = |map: Option<&'f Map<String, Value>>, members: &Members| {
            map.map_or_else(|| Some(CelMap::default()), |map| object(map, members)).ok_or(TooLong::Evidence)
        };
        let shown = |peer: Option<(&'f Peer, &'f AuthorityName)>, uses: &CertificateUses| {
            peer.map_or_else(|| Some(CelMap::default()), |peer| certificate(peer, uses)).ok_or(TooLong::Evidence)
        };
        Ok(Self {
            library,
            request: object(facts.request, &uses.request).ok_or(TooLong::Request)?,
            metadata: object(facts.metadata, &uses.metadata).ok_or(TooLong::Request)?,
            statement: evidence(facts.statement.map(|statement| &statement.claims), &uses.statement)?,
            token: evidence(facts.token.map(|token| token.claims), &uses.token)?,
            certificate: shown(facts.peer, &uses.certificate)?,
            signer: shown(facts.signer, &uses.signer)?,
            client: facts.client.filter(|_| uses.client).map_or_else(CelMap::default, client),
            operation: facts.operation.as_str().into(),
            now: facts.now.unix_seconds().into(),
        })
    }

    /// Of nothing but the policy's parameters.
    pub(super) fn parameters(library: &'f Library) -> Self {
        Self {
            library,
            request: CelMap::default(),
            statement: CelMap::default(),
            metadata: CelMap::default(),
            token: CelMap::default(),
            certificate: CelMap::default(),
            signer: CelMap::default(),
            client: CelMap::default(),
            operation: "".into(),
            now: 0.into(),
        }
    }
}

impl VariableResolver for Values<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        Some(CowVal::Borrowed(match variable {
            "request" => &self.request,
            "ssa" => &self.statement,
            "metadata" => &self.metadata,
            "token" => &self.token,
            "cert" => &self.certificate,
            "signer" => &self.signer,
            "client" => &self.client,
            "operation" => &self.operation,
            "now" => &self.now,
            "params" => self.library.params.as_ref(),
            other => {
                let index: usize = other.strip_prefix(super::names::PATTERN)?.parse().ok()?;
                self.library.patterns.get(index)?
            }
        }))
    }
}

/// The members that are looked at; `null` is absent. `None` when a list is too long.
fn object<'f>(map: &'f Map<String, Value>, members: &Members) -> Option<CelMap<'f>> {
    let mut entries: HashMap<CelMapKey<'f>, Box<dyn Val + 'f>> = HashMap::new();
    let mut add = |name: &'f str, value: &'f Value| {
        if !value.is_null() {
            entries.insert(name.into(), convert(value)?);
        }
        Some(())
    };
    match members {
        Members::These(names) => {
            for (name, value) in names.iter().filter_map(|name| map.get_key_value(name)) {
                add(name, value)?;
            }
        }
        Members::All if map.len() > MAX_LIST => return None,
        Members::All => map.iter().try_for_each(|(name, value)| add(name, value))?,
    }
    Some(entries.into())
}

/// The depth of facts is bounded by the JSON reader. `None` when a list is too long.
fn convert(value: &Value) -> Option<Box<dyn Val + '_>> {
    Some(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(word) => Box::new(CelBool::from(*word)),
        Value::Number(number) => convert_number(number),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) if items.len() > MAX_LIST => return None,
        Value::Array(items) => Box::new(CelList::from(items.iter().map(convert).collect::<Option<Vec<_>>>()?)),
        Value::Object(map) if map.len() > MAX_LIST => return None,
        Value::Object(map) => {
            let entries = map.iter().map(|(name, value)| Some((name.as_str().into(), convert(value)?)));
            Box::new(CelMap::from(entries.collect::<Option<HashMap<CelMapKey<'_>, _>>>()?))
        }
    })
}

/// A copy that borrows nothing and has no bounds: for parameters, which the deployment chose.
pub(super) fn convert_owned(value: &Value) -> Box<dyn Val> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(word) => Box::new(CelBool::from(*word)),
        Value::Number(number) => convert_number(number),
        Value::String(text) => Box::new(CelString::from(text.clone())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(convert_owned).collect::<Vec<_>>())),
        Value::Object(map) => {
            let entries = map.iter().map(|(name, value)| (name.clone().into(), convert_owned(value)));
            Box::new(CelMap::from(entries.collect::<HashMap<CelMapKey<'static>, _>>()))
        }
    }
}

fn convert_number<'a>(number: &Number) -> Box<dyn Val + 'a> {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(number), _, _) => Box::new(CelInt::from(number)),
        (_, Some(number), _) => Box::new(CelUInt::from(number)),
        (_, _, number) => Box::new(CelDouble::from(number.unwrap_or(f64::NAN))),
    }
}

/// `client`: who owns the client that is updated.
fn client<'f>(binding: &'f Binding) -> CelMap<'f> {
    let text = |text: &'f str| Box::new(CelString::from(text)) as Box<dyn Val + 'f>;
    let mut entries = HashMap::new();
    entries.insert("client_id".into(), text(&binding.client_id));
    entries.insert("policy".into(), text(&binding.policy));
    entries.insert("registered".into(), Box::new(CelInt::from(binding.registered.unix_seconds())));
    for (name, value) in [
        ("organisation", binding.organisation.as_deref()),
        ("software", binding.software.as_deref()),
        ("subject", binding.subject.as_deref()),
        ("authority", binding.authority.as_ref().map(AuthorityName::as_str)),
    ] {
        if let Some(value) = value {
            entries.insert(name.into(), text(value));
        }
    }
    entries.into()
}

/// Fields of `client`.
pub(super) const CLIENT: &[&str] =
    &["client_id", "policy", "registered", "organisation", "software", "subject", "authority"];

/// What a value holds, entries of entries included: one for each, and one for every 16 bytes of text. It is counted
/// no further than past `most`.
pub(super) fn weight(value: &dyn Val, most: usize) -> usize {
    if let Some(list) = value.downcast_ref::<CelList>() {
        return weight_of_all(list.inner().iter(), most);
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        return weight_of_all(map.inner().values(), most);
    }
    let text = value.downcast_ref::<CelString>().map(|text| text.inner().len());
    1 + text.or_else(|| value.downcast_ref::<CelBytes>().map(|bytes| bytes.inner().len())).unwrap_or(0) / 16
}

fn weight_of_all<'a, 'v: 'a>(mut values: impl Iterator<Item = &'a Box<dyn Val + 'v>>, most: usize) -> usize {
    let sum = values.try_fold(1, |sum, value| {
        let sum = sum + weight(value.as_ref(), most);
        if sum > most { Err(sum) } else { Ok(sum) }
    });
    sum.unwrap_or_else(|more| more)
}

/// A value as JSON; `None` for what JSON does not have.
pub(super) fn to_json(value: &dyn Val) -> Option<Value> {
    if let Some(word) = value.downcast_ref::<CelBool>() {
        return Some(Value::from(word.into_inner()));
    }
    if let Some(number) = value.downcast_ref::<CelInt>() {
        return Some(Value::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelUInt>() {
        return Some(Value::from(*number.inner()));
    }
    if let Some(number) = value.downcast_ref::<CelDouble>() {
        return Some(Value::from(*number.inner()));
    }
    if let Some(text) = value.downcast_ref::<CelString>() {
        return Some(Value::from(text.inner()));
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        return list.inner().iter().map(|item| to_json(item.as_ref())).collect();
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        let entries = map.inner().iter().map(|(name, value)| {
            let CelMapKey::String(name) = name else { return None };
            Some((name.inner().to_owned(), to_json(value.as_ref())?))
        });
        return entries.collect::<Option<Map<String, Value>>>().map(Value::Object);
    }
    value.downcast_ref::<CelNull>().map(|_| Value::Null)
}
