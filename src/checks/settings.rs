//! The settings of one check, as a policy and the policies that it extends give them.

use std::cell::RefCell;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use crate::model::document::{Faults, Located, Place, Section, Source, nearest};
use crate::model::facts::Operation;
use crate::model::time;

/// Bytes of a compiled pattern, here and in rules: a thousand times what real ones take.
pub(crate) const MAX_PATTERN: usize = 1 << 20;

/// A regular expression that a text as a whole has to match.
#[derive(Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Whether it does.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// One table under the same name in a policy and the policies that it extends, nearest first.
///
/// A value may be `{ cel = "..." }`: an expression over the policy's parameters,
/// evaluated once, at load.
pub struct Settings<'d> {
    layers: Vec<Section<'d>>,
    compute: &'d dyn Fn(&Located<String>) -> Option<Value>,
    faults: &'d Faults,
    /// The operations that a failure of this check refuses, as the policy has it.
    enforced_on: Vec<Operation>,
    /// Where it is not a policy that is read, but a check that is looked at: what it asks for.
    asked: Option<RefCell<Vec<Asked>>>,
}

/// What a check asks of its settings, as it was seen to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The setting.
    pub key: String,
    /// What it has to be, such as `a duration such as `5m``; empty where nothing was said.
    pub kind: String,
    /// Whether it may not be missing.
    pub required: bool,
}

/// Where a probe's values stand.
fn nowhere() -> Place {
    Place { source: Arc::new(Source { name: String::new(), text: String::new() }), span: 0..0 }
}

impl fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layers.fmt(f)
    }
}

impl<'d> Settings<'d> {
    /// Of these tables, nearest first. `compute` evaluates an expression over the
    /// policy's parameters; it records a fault and gives `None` when it cannot.
    pub const fn new(
        layers: Vec<Section<'d>>,
        compute: &'d dyn Fn(&Located<String>) -> Option<Value>,
        faults: &'d Faults,
    ) -> Self {
        Self { layers, compute, faults, asked: None, enforced_on: Vec::new() }
    }

    /// On which operations a failure of this check refuses, as the policy has it.
    pub fn set_enforced(&mut self, on: Vec<Operation>) {
        self.enforced_on = on;
    }

    /// Whether a failure of this check refuses the operation.
    pub fn is_enforced(&self, on: Operation) -> bool {
        self.enforced_on.contains(&on)
    }

    /// Settings that give something fitting for whatever they are asked, and keep the question: what reference
    /// pages say of types is what the code asks for. Faults that this makes mean nothing.
    pub const fn probe(compute: &'d dyn Fn(&Located<String>) -> Option<Value>, faults: &'d Faults) -> Self {
        Self { layers: Vec::new(), compute, faults, asked: Some(RefCell::new(Vec::new())), enforced_on: Vec::new() }
    }

    /// What a [`Settings::probe`] was asked, each key once.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.as_ref().map(|asked| asked.borrow().clone()).unwrap_or_default()
    }

    fn note(&self, key: &str, kind: &str, required: bool) {
        let Some(mut asked) = self.asked.as_ref().map(RefCell::borrow_mut) else { return };
        match asked.iter_mut().find(|known| known.key == key) {
            Some(known) => {
                known.required |= required;
                // The first to read a key may be less exact than a word or an integer with bounds.
                if !kind.is_empty() && (known.kind.is_empty() || kind.len() > known.kind.len()) {
                    kind.clone_into(&mut known.kind);
                }
            }
            None => asked.push(Asked { key: key.to_owned(), kind: kind.to_owned(), required }),
        }
    }

    /// Whether any policy of the chain has the table.
    pub const fn is_there(&self) -> bool {
        !self.layers.is_empty() || self.asked.is_some()
    }

    /// Where the nearest table stands.
    pub fn place(&self) -> Option<Place> {
        self.layers.first().map(Section::place)
    }

    /// A value of any shape, computed where it is an expression.
    pub fn json(&self, key: &str) -> Option<Located<Value>> {
        if self.asked.is_some() {
            return Some(Located { value: Value::Array(Vec::new()), place: nowhere() });
        }
        let mut found = None;
        for layer in &self.layers {
            let value = layer.json(key);
            found = found.or(value);
        }
        let found = found?;
        let source = match &found.value {
            Value::Object(table) if table.len() == 1 => table.get("cel").and_then(Value::as_str).map(str::to_owned),
            _ => None,
        };
        let Some(source) = source else { return Some(found) };
        let place = found.place;
        let value = (self.compute)(&Located { value: source, place: place.clone() })?;
        Some(Located { value, place })
    }

    /// A string.
    pub fn text(&self, key: &str) -> Option<Located<String>> {
        self.read(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A boolean.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        self.read(key, "a boolean", Value::as_bool).map(|found| found.value)
    }

    /// An integer within bounds, both inclusive.
    pub fn integer(&self, key: &str, bounds: RangeInclusive<i64>) -> Option<i64> {
        self.note(key, &format!("an integer from {} to {}", bounds.start(), bounds.end()), false);
        if self.asked.is_some() {
            return Some(*bounds.start());
        }
        let number = self.read(key, "an integer", Value::as_i64)?;
        if bounds.contains(&number.value) {
            return Some(number.value);
        }
        let message = format!("`{key}` must be from {} to {}", bounds.start(), bounds.end());
        self.faults.error(Some(&number.place), message, None);
        None
    }

    /// A list of port numbers; a single one is a list of one.
    pub fn ports(&self, key: &str) -> Option<Vec<u16>> {
        let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        self.read(key, "a list of numbers from 1 to 65535", |value| match value {
            Value::Array(items) => items.iter().map(port).collect(),
            value => port(value).map(|port| vec![port]),
        })
        .map(|found| found.value)
    }

    /// A duration in words, such as `"5m"`.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        let wanted = "a duration such as `5m`";
        self.read(key, wanted, |value| value.as_str().and_then(time::duration)).map(|found| found.value)
    }

    /// A list of strings; a single string is a list of one.
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.read(key, "a list of strings", |value| match value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            _ => None,
        })
        .map(|found| found.value)
    }

    /// A regular expression that a text as a whole has to match.
    pub fn pattern(&self, key: &str) -> Option<Pattern> {
        self.note(key, "a regular expression", false);
        let text = self.text(key)?;
        let whole = format!("^(?:{})$", text.value);
        // The text alone first: a bracket that it closes too early must not end the group around it.
        let compiled =
            Regex::new(&text.value).ok().and_then(|_| RegexBuilder::new(&whole).size_limit(MAX_PATTERN).build().ok());
        if compiled.is_none() {
            self.faults.error(Some(&text.place), format!("`{key}` is not a regular expression, or too large"), None);
        }
        compiled.map(Pattern)
    }

    /// One of a set of words, with the meaning of each.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<T> {
        if self.asked.is_some() {
            let all: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.note(key, &all.join(" or "), false);
            return words.first().map(|(_, meaning)| *meaning);
        }
        let text = self.text(key)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(*meaning);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let help = nearest(&text.value, known.iter().copied())
            .map_or_else(|| format!("known words: {}", known.join(", ")), |word| format!("did you mean `{word}`?"));
        self.faults.error(Some(&text.place), format!("`{key}` does not know this word"), Some(help));
        None
    }

    /// Records that a setting is missing, unless it is there with whatever type.
    pub fn require(&self, key: &str) {
        if self.asked.is_some() {
            return self.note(key, "", true);
        }
        // Not `any`: every layer learns that the key is known.
        let there = self.layers.iter().filter(|layer| layer.has(key)).count();
        if there == 0 {
            let of = self.layers.first().map_or("", Section::path);
            self.faults.error(self.place().as_ref(), format!("`{key}` is missing in `{of}`"), None);
        }
    }

    /// A table below this one, in every layer.
    #[must_use]
    pub fn section(&self, key: &str) -> Self {
        let layers = self.layers.iter().filter_map(|layer| layer.section(key)).collect();
        Self {
            layers,
            compute: self.compute,
            faults: self.faults,
            enforced_on: Vec::new(),
            asked: self.asked.as_ref().map(|_| RefCell::default()),
        }
    }

    /// Records every key that nobody asked for.
    pub fn finish(self) {
        self.layers.into_iter().for_each(Section::finish);
    }

    /// The tables themselves, nearest first.
    pub fn layers(&self) -> &[Section<'d>] {
        &self.layers
    }

    /// Where further faults are recorded.
    pub const fn faults(&self) -> &'d Faults {
        self.faults
    }

    fn read<T>(&self, key: &str, wanted: &str, with: impl Fn(&Value) -> Option<T>) -> Option<Located<T>> {
        if self.asked.is_some() {
            self.note(key, wanted, false);
            let samples = ["5m".into(), true.into(), 1.into(), Value::Array(Vec::new())];
            let place = nowhere();
            return samples.iter().find_map(with).map(|value| Located { value, place });
        }
        let found = self.json(key)?;
        let value = with(&found.value);
        if value.is_none() {
            self.faults.error(Some(&found.place), format!("`{key}` has to be {wanted}"), None);
        }
        Some(Located { value: value?, place: found.place })
    }
}
