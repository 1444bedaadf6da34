//! One table of a document, read key by key, with every fault.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Entry, Faults, Located, Node, Place, Source, nearest};
use crate::model::time;

/// One table of a document, read key by key.
///
/// Every accessor marks its key as known. A wrong type is recorded and reads as
/// absent, so a reader goes on and the person sees all faults at once.
#[derive(Debug)]
pub struct Section<'d> {
    source: &'d Arc<Source>,
    entries: &'d [Entry],
    span: Range<usize>,
    path: String,
    asked: RefCell<Vec<String>>,
    faults: &'d Faults,
}

impl<'d> Section<'d> {
    pub(super) fn new(
        source: &'d Arc<Source>,
        entries: &'d [Entry],
        span: Range<usize>,
        path: String,
        faults: &'d Faults,
    ) -> Self {
        Self { source, entries, span, path, asked: RefCell::default(), faults }
    }

    /// Dotted path of this table, such as `listeners.public`; empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the table stands.
    pub fn place(&self) -> Place {
        self.place_of(&self.span)
    }

    /// Where to record further faults.
    pub const fn faults(&self) -> &'d Faults {
        self.faults
    }

    /// Whether the key is there, whatever its type. Marks it as known.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// Where the value of a key stands; the table itself when the key is absent.
    pub fn place_of_key(&self, key: &str) -> Place {
        self.find(key).map_or_else(|| self.place(), |entry| self.place_of(&entry.value.span))
    }

    /// A string.
    pub fn text(&self, key: &str) -> Option<Located<String>> {
        self.read(key, "a string", |node| match node {
            Node::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// A string that has to be there.
    pub fn required_text(&self, key: &str) -> Option<Located<String>> {
        self.require(key);
        self.text(key)
    }

    /// A boolean.
    pub fn boolean(&self, key: &str) -> Option<Located<bool>> {
        self.read(key, "a boolean", |node| match node {
            Node::Boolean(word) => Some(*word),
            _ => None,
        })
    }

    /// An integer within bounds, both inclusive.
    pub fn integer(&self, key: &str, bounds: std::ops::RangeInclusive<i64>) -> Option<Located<i64>> {
        let number = self.read(key, "an integer", |node| match node {
            Node::Integer(number) => Some(*number),
            _ => None,
        })?;
        if bounds.contains(&number.value) {
            return Some(number);
        }
        let message = format!("`{key}` must be from {} to {}", bounds.start(), bounds.end());
        self.faults.error(Some(&number.place), message, None);
        None
    }

    /// A duration in words, such as `"15m"`, `"1h 30m"` or `"250ms"`; not negative.
    pub fn duration(&self, key: &str) -> Option<Located<Duration>> {
        let text = self.text(key)?;
        match time::duration(&text.value) {
            Some(length) => Some(Located { value: length, place: text.place }),
            None => {
                let help = "write a number and a unit, such as \"15m\", \"24h\" or \"500ms\"";
                self.faults.error(Some(&text.place), format!("`{key}` is not a duration"), Some(help.to_owned()));
                None
            }
        }
    }

    /// A list of strings; a single string is a list of one.
    pub fn texts(&self, key: &str) -> Option<Vec<Located<String>>> {
        let entry = self.find(key)?;
        match &entry.value.node {
            Node::Text(text) => Some(vec![Located { value: text.clone(), place: self.place_of(&entry.value.span) }]),
            Node::List(items) => Some(
                items
                    .iter()
                    .filter_map(|item| match &item.node {
                        Node::Text(text) => Some(Located { value: text.clone(), place: self.place_of(&item.span) }),
                        other => {
                            self.mismatch(&item.span, key, "a list of strings", other);
                            None
                        }
                    })
                    .collect(),
            ),
            other => {
                self.mismatch(&entry.value.span, key, "a list of strings", other);
                None
            }
        }
    }

    /// One of a set of words, with the meaning of each.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<Located<T>> {
        let text = self.text(key)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(Located { value: *meaning, place: text.place });
        }
        let help = nearest(&text.value, words.iter().map(|(word, _)| *word)).map_or_else(
            || format!("known words: {}", words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")),
            |word| format!("did you mean `{word}`?"),
        );
        self.faults.error(Some(&text.place), format!("`{key}` does not know this word"), Some(help));
        None
    }

    /// A table below this one.
    pub fn section(&self, key: &str) -> Option<Self> {
        let entry = self.find(key)?;
        match &entry.value.node {
            Node::Table(_) => self.child(entry),
            other => {
                self.mismatch(&entry.value.span, key, "a table", other);
                None
            }
        }
    }

    /// Every table below a table of names: `[listeners.NAME]` for `listeners`.
    pub fn named(&self, key: &str) -> Vec<(Located<String>, Self)> {
        self.section(key).map_or_else(Vec::new, |names| names.children())
    }

    /// Every entry of this table, each of which has to be a table.
    pub fn children(&self) -> Vec<(Located<String>, Self)> {
        self.entries
            .iter()
            .filter_map(|entry| {
                self.asked.borrow_mut().push(entry.key.clone());
                if !matches!(entry.value.node, Node::Table(_)) {
                    self.mismatch(&entry.value.span, &entry.key, "a table", &entry.value.node);
                }
                let name = Located { value: entry.key.clone(), place: self.place_of(&entry.key_span) };
                Some((name, self.child(entry)?))
            })
            .collect()
    }

    /// A list of tables: `[[routes]]` for `routes`, or a list of inline tables.
    pub fn list(&self, key: &str) -> Vec<Self> {
        let Some(entry) = self.find(key) else { return Vec::new() };
        let Node::List(items) = &entry.value.node else {
            self.mismatch(&entry.value.span, key, "a list of tables", &entry.value.node);
            return Vec::new();
        };
        items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| match &item.node {
                Node::Table(entries) => {
                    let path = format!("{}[{index}]", self.path_of(key));
                    Some(Section::new(self.source, entries, item.span.clone(), path, self.faults))
                }
                other => {
                    self.mismatch(&item.span, key, "a list of tables", other);
                    None
                }
            })
            .collect()
    }

    /// Every entry of this table that is a string, in file order; other types are recorded.
    pub fn text_entries(&self) -> Vec<(Located<String>, Located<String>)> {
        self.entries
            .iter()
            .filter_map(|entry| {
                self.asked.borrow_mut().push(entry.key.clone());
                let Node::Text(text) = &entry.value.node else {
                    self.mismatch(&entry.value.span, &entry.key, "a string", &entry.value.node);
                    return None;
                };
                let key = Located { value: entry.key.clone(), place: self.place_of(&entry.key_span) };
                Some((key, Located { value: text.clone(), place: self.place_of(&entry.value.span) }))
            })
            .collect()
    }

    /// Any value, as JSON: for parameters and facts whose shape is the policy's own.
    pub fn json(&self, key: &str) -> Option<Located<serde_json::Value>> {
        let entry = self.find(key)?;
        Some(Located { value: entry.value.node.to_json(), place: self.place_of(&entry.value.span) })
    }

    /// All of this table as JSON, every key known.
    pub fn all_json(&self) -> serde_json::Map<String, serde_json::Value> {
        self.entries
            .iter()
            .map(|entry| {
                self.asked.borrow_mut().push(entry.key.clone());
                (entry.key.clone(), entry.value.node.to_json())
            })
            .collect()
    }

    /// Every entry of this table in file order, every key known. A value's place is its own, a table's its header.
    pub fn entries(&self) -> Vec<(String, Located<serde_json::Value>)> {
        let entries = self.entries.iter().map(|entry| {
            self.asked.borrow_mut().push(entry.key.clone());
            let is_table = matches!(entry.value.node, Node::Table(_));
            let place = self.place_of(if is_table { &entry.key_span } else { &entry.value.span });
            (entry.key.clone(), Located { value: entry.value.node.to_json(), place })
        });
        entries.collect()
    }

    /// Records that a key is missing unless it is there.
    pub fn require(&self, key: &str) {
        if self.find(key).is_none() {
            let of = if self.path.is_empty() { String::new() } else { format!(" in `{}`", self.path) };
            let place = if self.path.is_empty() { None } else { Some(self.place()) };
            self.faults.error(place.as_ref(), format!("`{key}` is missing{of}"), None);
        }
    }

    /// Records every key that no accessor asked for, with the nearest one that did.
    pub fn finish(self) {
        let asked = self.asked.borrow();
        for entry in self.entries {
            if asked.contains(&entry.key) {
                continue;
            }
            let help =
                nearest(&entry.key, asked.iter().map(String::as_str)).map(|word| format!("did you mean `{word}`?"));
            self.faults.error(Some(&self.place_of(&entry.key_span)), format!("unknown key `{}`", entry.key), help);
        }
    }

    fn find(&self, key: &str) -> Option<&'d Entry> {
        let mut asked = self.asked.borrow_mut();
        if !asked.iter().any(|known| known == key) {
            asked.push(key.to_owned());
        }
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn child(&self, entry: &'d Entry) -> Option<Self> {
        let Node::Table(entries) = &entry.value.node else { return None };
        Some(Section::new(self.source, entries, entry.key_span.clone(), self.path_of(&entry.key), self.faults))
    }

    fn read<T>(&self, key: &str, wanted: &str, with: impl FnOnce(&Node) -> Option<T>) -> Option<Located<T>> {
        let entry = self.find(key)?;
        match with(&entry.value.node) {
            Some(value) => Some(Located { value, place: self.place_of(&entry.value.span) }),
            None => {
                self.mismatch(&entry.value.span, key, wanted, &entry.value.node);
                None
            }
        }
    }

    fn mismatch(&self, span: &Range<usize>, key: &str, wanted: &str, found: &Node) {
        let message = format!("`{key}` has to be {wanted}, not {}", found.kind());
        self.faults.error(Some(&self.place_of(span)), message, None);
    }

    fn place_of(&self, span: &Range<usize>) -> Place {
        Place { source: Arc::clone(self.source), span: span.clone() }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}
