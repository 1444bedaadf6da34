//! `[forward]`: the members that the identity server gets.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::cel::{Code, Library, Session, Uses, Values};
use crate::model::evidence::Known;
use crate::model::facts::{Facts, Operation};
use crate::model::metadata::{Kind, base_name, member};
use crate::model::statement::{JWT_CLAIMS, Statement};
use crate::model::time::Timestamp;
use crate::model::trace::{Outcome, Rule, Trace};

/// What happens to members outside the table of client metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unknown {
    /// They do not travel (RFC 7591 §2: a server ignores what it does not understand).
    #[default]
    Drop,
    /// They travel as they are.
    Keep,
}

/// What is made of a request before it is forwarded.
#[derive(Debug, Default)]
pub(super) struct Forward {
    /// Member and claim: the statement's value takes the place of the request's.
    pub(super) from_statement: Vec<(&'static str, String)>,
    /// Computed where the request and the statement have none.
    pub(super) derived: Vec<Derived>,
    /// Filled in where there is still none.
    pub(super) defaults: Vec<(&'static str, Value)>,
    /// Never forwarded.
    pub(super) drop: Vec<String>,
    pub(super) unknown: Unknown,
    /// Whether requests are signed, and so hold claims beside their metadata.
    pub(super) signed: bool,
    pub(super) uses: Uses,
}

/// A member that is computed.
#[derive(Debug)]
pub(super) struct Derived {
    pub(super) name: &'static str,
    pub(super) code: Code,
    /// Under which it refuses when it cannot be computed.
    pub(super) rule: Arc<Rule>,
}

impl Forward {
    pub(super) fn merge(
        &self,
        library: &Library,
        request: &Map<String, Value>,
        statement: Option<&Statement>,
    ) -> Map<String, Value> {
        let mut merged: Map<String, Value> = request
            .iter()
            .filter(|(name, value)| !value.is_null() && self.travels(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let has_translations = merged.keys().any(|name| name.contains('#'));
        for (name, value) in self.of_statement(statement) {
            if has_translations {
                // A translation that the directory does not know would contradict what it does.
                merged.retain(|other, _| base_name(other) != name);
            }
            merged.insert(name.to_owned(), value);
        }
        for derived in &self.derived {
            if !merged.contains_key(derived.name)
                && let Some(value) = self.derive(derived, library, request, statement)
            {
                merged.insert(derived.name.to_owned(), value);
            }
        }
        for (name, value) in &self.defaults {
            if !merged.contains_key(*name) {
                merged.insert((*name).to_owned(), value.clone());
            }
        }
        if !self.drop.is_empty() {
            merged.retain(|name, _| !self.drop.iter().any(|dropped| dropped == name));
        }
        merged
    }

    fn travels(&self, name: &str) -> bool {
        match member(name) {
            Some(known) => known.kind != Kind::Issued,
            None => self.unknown == Unknown::Keep && !(self.signed && JWT_CLAIMS.contains(&name)),
        }
    }

    fn of_statement(&self, statement: Option<&Statement>) -> impl Iterator<Item = (&'static str, Value)> {
        let claims = statement.map(|statement| &statement.claims);
        self.from_statement.iter().filter_map(move |(name, claim)| {
            let value = match claims?.get(claim)? {
                // Nothing said is nothing to put in place of what was asked for.
                Value::Null => return None,
                Value::String(text) if text.is_empty() => return None,
                // Directories write versions as numbers too; the member is a string.
                Value::Number(number) if member(name)?.kind == Kind::Text => Value::from(number.to_string()),
                value => value.clone(),
            };
            Some((*name, value))
        })
    }

    /// `None` when there is nothing to say; `null` when it cannot be said.
    fn derive(
        &self,
        derived: &Derived,
        library: &Library,
        request: &Map<String, Value>,
        statement: Option<&Statement>,
    ) -> Option<Value> {
        let none = Map::new();
        let facts = Facts {
            operation: Operation::Register,
            request,
            metadata: &none,
            statement,
            peer: None,
            signer: None,
            token: None,
            remote: None,
            client: None,
            software_keys: &Known::Absent,
            now: Timestamp::from_unix_seconds(0),
        };
        let Ok(values) = Values::new(library, &self.uses, &facts) else { return Some(Value::Null) };
        let value = Session::new(library, &values).json(&derived.code).unwrap_or(Value::Null);
        let kind = member(derived.name)?.kind;
        match value {
            Value::Array(items) if items.is_empty() => None,
            Value::Array(items) if kind == Kind::Text => {
                let words: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                Some(words.map_or(Value::Null, |words| Value::from(words.join(" "))))
            }
            Value::String(text) if text.is_empty() => None,
            value if kind.admits(&value) => Some(value),
            _ => Some(Value::Null),
        }
    }

    /// Refuses members that could not be derived.
    pub(super) fn judge(&self, facts: &Facts<'_>, trace: &mut Trace) {
        for derived in &self.derived {
            if facts.metadata.get(derived.name).is_some_and(Value::is_null) {
                trace.push(&derived.rule, Outcome::Error, None);
            }
        }
    }
}
