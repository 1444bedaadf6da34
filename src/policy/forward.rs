//! `[forward]`: the members that the identity server gets.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::cel::{Code, Library, MAX_LIST, Session, Uses, Values};
use crate::model::facts::Facts;
use crate::model::metadata::{Kind, base_name, member};
use crate::model::statement::{JWT_CLAIMS, Statement};
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

/// What happens to the members of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Request {
    /// Those that are known travel.
    #[default]
    Keep,
    /// None travels but the statement itself: all the rest is the statement's word or the policy's.
    Drop,
}

/// What is made of a request before it is forwarded.
#[derive(Debug, Default)]
pub(super) struct Forward {
    /// Member and claim: the statement's value takes the place of the request's.
    pub(super) from_statement: Vec<(&'static str, String)>,
    /// Computed whatever was asked for.
    pub(super) replaced: Vec<Computed>,
    /// Computed where the request and the statement have none.
    pub(super) derived: Vec<Computed>,
    /// Filled in where there is still none.
    pub(super) defaults: Vec<(&'static str, Value)>,
    /// Never forwarded.
    pub(super) drop: Vec<String>,
    pub(super) request: Request,
    pub(super) unknown: Unknown,
    /// Whether requests are signed, and so hold claims beside their metadata.
    pub(super) signed: bool,
    pub(super) uses: Uses,
}

/// A member that is computed.
#[derive(Debug)]
pub(super) struct Computed {
    pub(super) name: &'static str,
    pub(super) code: Code,
    /// Under which it refuses when it cannot be computed.
    pub(super) rule: Arc<Rule>,
}

impl Forward {
    /// The expressions that are evaluated before there is metadata.
    pub(super) fn codes(&self) -> impl Iterator<Item = &Code> {
        self.replaced.iter().chain(&self.derived).map(|computed| &computed.code)
    }

    /// The rules under which it may refuse.
    pub(super) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.replaced.iter().chain(&self.derived).map(|computed| &computed.rule)
    }

    /// The members as they will travel; those of `facts` are not looked at. `null` where one cannot be computed.
    pub(super) fn merge(&self, library: &Library, facts: &Facts<'_>) -> Map<String, Value> {
        let mut merged: Map<String, Value> = facts
            .request
            .iter()
            .filter(|(name, value)| !value.is_null() && self.travels(name, facts))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (name, value) in self.of_statement(facts.statement) {
            replace(&mut merged, name, Some(value));
        }
        self.compute(library, facts, &mut merged);
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

    fn travels(&self, name: &str, facts: &Facts<'_>) -> bool {
        // One that nobody verified could be taken by the identity server for one that was (RFC 7591 §3.1.1).
        if name == "software_statement" {
            return facts.statement.is_some();
        }
        if self.request == Request::Drop {
            return false;
        }
        match member(name) {
            Some(known) => known.kind != Kind::Issued,
            None => self.unknown == Unknown::Keep && !(self.signed && JWT_CLAIMS.contains(&name)),
        }
    }

    fn compute(&self, library: &Library, facts: &Facts<'_>, merged: &mut Map<String, Value>) {
        if self.replaced.is_empty() && self.derived.is_empty() {
            return;
        }
        let values = Values::new(library, &self.uses, facts);
        let mut session = values.as_ref().ok().map(|values| Session::new(library, values));
        let mut value_of = |computed: &Computed| {
            let value = session.as_mut().and_then(|session| session.json(&computed.code).ok());
            match (member(computed.name), value) {
                (Some(member), Some(value)) => shaped(member.kind, value),
                _ => Some(Value::Null),
            }
        };
        for computed in &self.replaced {
            replace(merged, computed.name, value_of(computed));
        }
        for computed in &self.derived {
            if !merged.contains_key(computed.name)
                && let Some(value) = value_of(computed)
            {
                merged.insert(computed.name.to_owned(), value);
            }
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

    /// Refuses members that could not be computed.
    pub(super) fn judge(&self, facts: &Facts<'_>, trace: &mut Trace) {
        for computed in self.replaced.iter().chain(&self.derived) {
            if facts.metadata.get(computed.name).is_some_and(Value::is_null) {
                trace.push(&computed.rule, Outcome::Error, None);
            }
        }
    }
}

/// Puts a value in place of what was asked for. A translation that the value's source does not know would
/// contradict it, and goes.
fn replace(merged: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    merged.retain(|other, _| base_name(other) != name);
    if let Some(value) = value {
        merged.insert(name.to_owned(), value);
    }
}

/// What was computed, as the member has it. `None` when there is nothing to say; `null` when it cannot be said.
fn shaped(kind: Kind, value: Value) -> Option<Value> {
    match value {
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) if items.len() > MAX_LIST => Some(Value::Null),
        Value::Array(items) if kind == Kind::Text => {
            let words: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            Some(words.map_or(Value::Null, |words| Value::from(words.join(" "))))
        }
        Value::String(text) if text.is_empty() => None,
        value if kind.admits(&value) => Some(value),
        _ => Some(Value::Null),
    }
}
