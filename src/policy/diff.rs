//! What changes from one policy to another, in sentences for people who answer for it.
//!
//! Two [`Effective`] policies are compared, so it does not matter in which file something is said. A sentence says
//! what happens to registrations where that is certain, and else only what is written differently.

use std::collections::BTreeSet;

use serde_json::Value;

use super::effective::{Effective, Table};

mod words;

use words::{list, said};

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The check, rule or table.
    pub about: String,
    /// The key; empty when it is about all of it.
    pub key: String,
    /// What it means.
    pub sentence: String,
    /// As it was; null where it was not there.
    pub old: Value,
    /// As it is; null where it is not there.
    pub new: Value,
}

/// Every change, in the order in which a policy is read.
pub fn diff(old: &Effective, new: &Effective) -> Vec<Change> {
    let mut changes = Vec::new();
    for name in names(&old.tables, &new.tables) {
        let (was, is) = (old.table(&name), new.table(&name));
        match name.strip_prefix("checks.") {
            Some(id) => Pair::of(id, false, (old, was), (new, is)).compare(&mut changes),
            None => table(&name, was, is, [old, new], &mut changes),
        }
    }
    let find = |tables: &'_ [Table], id: &str| tables.iter().position(|table| table.name == id);
    for id in names(&old.rules, &new.rules) {
        let rule = |policy: &'_ Effective| find(&policy.rules, &id);
        let (was, is) = (rule(old).and_then(|at| old.rules.get(at)), rule(new).and_then(|at| new.rules.get(at)));
        Pair::of(&id, true, (old, was), (new, is)).compare(&mut changes);
    }
    let common = |these: &Effective, those: &Effective| -> Vec<String> {
        let kept = these.rules.iter().filter(|rule| find(&those.rules, &rule.name).is_some());
        kept.map(|rule| rule.name.clone()).collect()
    };
    let (was, is) = (common(old, new), common(new, old));
    if was != is {
        let sentence = "the order of the rules changes: where several refuse, the first gives the code".to_owned();
        changes.push(Change {
            about: "rules".to_owned(),
            key: String::new(),
            sentence,
            old: was.into(),
            new: is.into(),
        });
    }
    changes
}

/// Names of both, those of the new one first, in their order.
fn names(old: &[Table], new: &[Table]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    new.iter().chain(old).map(|table| table.name.clone()).filter(|name| seen.insert(name.clone())).collect()
}

/// Keys that either has, and what each has.
fn pairs<'t>(old: Option<&'t Table>, new: Option<&'t Table>) -> Vec<(&'t str, Option<&'t Value>, Option<&'t Value>)> {
    let mut seen = BTreeSet::new();
    let keys = new.into_iter().chain(old).flat_map(|table| &table.entries).map(|entry| entry.key.as_str());
    let value =
        |table: Option<&'t Table>, key: &str| table.and_then(|table| table.entry(key)).map(|entry| &entry.came_to);
    let pairs = keys.filter(|key| seen.insert(*key)).map(|key| (key, value(old, key), value(new, key)));
    pairs.filter(|(_, old, new)| old != new).collect()
}

fn change(about: &str, key: &str, sentence: String, old: Option<&Value>, new: Option<&Value>) -> Change {
    let value = |value: Option<&Value>| value.cloned().unwrap_or_default();
    Change { about: about.to_owned(), key: key.to_owned(), sentence, old: value(old), new: value(new) }
}

/// What is neither a check nor a rule.
fn table(name: &str, old: Option<&Table>, new: Option<&Table>, policies: [&Effective; 2], changes: &mut Vec<Change>) {
    for (key, was, is) in pairs(old, new) {
        let mut sentence = words::of_table(name, key, was, is);
        if name == "let" {
            let uses = |policy: &Effective, rule: &Table| {
                let mut texts = ["when", "require", "detail"].into_iter().filter_map(|key| rule.text(key));
                texts.any(|text| policy.words_of(text).contains(key))
            };
            let users = |policy: &'_ Effective| -> Vec<String> {
                policy.rules.iter().filter(|rule| uses(policy, rule)).map(|rule| rule.name.clone()).collect()
            };
            let users: BTreeSet<String> = policies.into_iter().flat_map(users).collect();
            if !users.is_empty() {
                sentence += &format!("; used by {}", list(users.iter().map(String::as_str)));
            }
        }
        let about = if name.is_empty() { "policy" } else { name };
        changes.push(change(about, key, sentence, was, is));
    }
}

/// A check or rule in both policies.
struct Pair<'e> {
    old: Option<&'e Table>,
    new: Option<&'e Table>,
    /// What it does in each, whether by its own word or the policy's; off where it is not there.
    modes: [&'e str; 2],
    id: &'e str,
    is_rule: bool,
}

/// A policy, and a check or rule in it.
type In<'e> = (&'e Effective, Option<&'e Table>);

impl<'e> Pair<'e> {
    fn of(id: &'e str, is_rule: bool, old: In<'e>, new: In<'e>) -> Self {
        let modes = [old, new].map(|(policy, table)| table.map_or("off", |table| policy.mode_of(table)));
        Self { old: old.1, new: new.1, modes, id, is_rule }
    }

    fn compare(&self, changes: &mut Vec<Change>) {
        let kind = words::kind(self.id, self.is_rule);
        let name = format!("the {kind} {}", self.id);
        let mut tell = |sentence: String| changes.push(change(self.id, "", sentence, None, None));
        match (self.modes, self.old, self.new) {
            (["off", "off"], ..) => {}
            (["off", mode], _, Some(new)) => {
                let shadow = if mode == "shadow" { ", but only recorded for now" } else { "" };
                tell(format!("{name} is new and {}{shadow}", words::refusal(self.id, new)));
            }
            ([mode, "off"], Some(old), _) => {
                let effect = if mode == "shadow" { "it was only recorded" } else { "what it refused is now accepted" };
                tell(format!("{name} is gone: {effect} ({})", words::purpose(self.id, old)));
            }
            _ => self.settings(&name, changes),
        }
    }

    fn settings(&self, name: &str, changes: &mut Vec<Change>) {
        for (key, was, is) in pairs(self.old, self.new) {
            let sentence = match key {
                "mode" => words::of_mode(name, self.modes, is.is_some()),
                "error" => format!("{name} refuses with {} instead of {}", said(is), said(was)),
                "message" | "hint" => {
                    format!("callers whom {name} refuses are told {}, no longer {}", said(is), said(was))
                }
                "clause" => format!("{name} is said to come from {}, no longer from {}", said(is), said(was)),
                "on" => format!("{name} judges {}, no longer {}", said(is), said(was)),
                "require" if self.is_rule => format!("{name} asks for {} where it asked for {}", said(is), said(was)),
                "when" if self.is_rule => match (was, is) {
                    (None, _) => format!("{name} applies only where {}; it applied always", said(is)),
                    (_, None) => format!("{name} applies always; it applied only where {}", said(was)),
                    _ => format!("{name} applies where {}, no longer where {}", said(is), said(was)),
                },
                "after" => format!("{name} is not judged where {} refuse; that was {}", said(is), said(was)),
                "detail" => format!("{name} records other details: {}", said(is)),
                "field" => format!("{name} names the member {}, no longer {}", said(is), said(was)),
                _ => words::of_setting(self.id, key, was, is),
            };
            changes.push(change(self.id, key, sentence, was, is));
        }
    }
}

#[cfg(test)]
mod tests;
