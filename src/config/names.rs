//! The names that a configuration gives to its sections, and who refers to them.
//!
//! Names are gathered before any section is read, so that a reference to a
//! section with faults of its own is not told as unknown too.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::model::document::{Faults, Located, Section, nearest};

/// The names of one kind of section.
#[derive(Debug)]
pub(super) struct Names {
    kind: &'static str,
    table: &'static str,
    known: Vec<Located<String>>,
    used: RefCell<BTreeSet<String>>,
}

impl Names {
    /// Of `[table.NAME]` sections; `kind` is the word for one of them.
    pub(super) fn of(kind: &'static str, table: &'static str, sections: &[(Located<String>, Section<'_>)]) -> Self {
        let known = sections.iter().map(|(name, _)| name.clone()).collect();
        Self { kind, table, known, used: RefCell::default() }
    }

    /// The same; names that could not stand in records and metrics as they are have been recorded.
    pub(super) fn plain(self, faults: &Faults) -> Self {
        self.known.iter().for_each(|name| check_plain(name, self.kind, faults));
        self
    }

    /// The name that a reference means, marked as used; an unknown one is recorded.
    pub(super) fn refer(&self, reference: Located<String>, faults: &Faults) -> Option<String> {
        if self.known.iter().any(|name| name.value == reference.value) {
            self.used.borrow_mut().insert(reference.value.clone());
            return Some(reference.value);
        }
        let names = || self.known.iter().map(|name| name.value.as_str());
        let help = match nearest(&reference.value, names()) {
            Some(name) => format!("did you mean `{name}`?"),
            None if self.known.is_empty() => format!("there is no `[{}.NAME]` yet", self.table),
            None => format!("known: {}", names().collect::<Vec<_>>().join(", ")),
        };
        faults.error(Some(&reference.place), format!("unknown {} `{}`", self.kind, reference.value), Some(help));
        None
    }

    /// Every known name.
    pub(super) fn all(&self) -> Vec<String> {
        self.known.iter().map(|name| name.value.clone()).collect()
    }

    /// Warns of each name that nothing referred to; `users` says who could have.
    pub(super) fn warn_unused(&self, users: &str, faults: &Faults) {
        let used = self.used.borrow();
        for name in self.known.iter().filter(|name| !used.contains(&name.value)) {
            faults.warning(Some(&name.place), format!("no {users} uses this {}", self.kind), None);
        }
    }
}

/// Records a name that is not plain: names appear in records, log lines and metrics.
pub(super) fn check_plain(name: &Located<String>, kind: &str, faults: &Faults) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if !(1..=64).contains(&name.value.len()) || !name.value.bytes().all(plain) {
        let help = "letters, digits, `-`, `_` and `.`, at most 64";
        faults.error(Some(&name.place), format!("this {kind} has no plain name"), Some(help.to_owned()));
    }
}
