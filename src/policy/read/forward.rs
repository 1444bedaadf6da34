//! `[forward]` of a policy and the policies that it extends.

use std::collections::BTreeMap;

use serde_json::Value;

use super::known_member;
use crate::checks::Settings;
use crate::model::document::{Faults, Located, Section};
use crate::model::error_code::ErrorCode;
use crate::model::metadata::{Kind, Member};
use crate::model::trace::{Mode, Rule};
use crate::policy::cel::{Builder, Compiled, Scope, Slot};
use crate::policy::forward::{Derived, Forward, Unknown};

pub(super) fn read_forward(root: &Settings<'_>, builder: &mut Builder<'_>) -> (Forward, Vec<(&'static Member, Slot)>) {
    let section = root.section("forward");
    let faults = root.faults();
    let unknown = section.word("unknown", &[("drop", Unknown::Drop), ("keep", Unknown::Keep)]).unwrap_or_default();
    let drop = section.texts("drop").unwrap_or_default();

    let mut from_statement: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut derived: BTreeMap<&'static str, (&'static Member, Located<String>)> = BTreeMap::new();
    let mut defaults: BTreeMap<&'static str, Value> = BTreeMap::new();
    // Farthest first: what is nearer takes its place.
    let (claims, computed, filled) =
        (section.section("from_statement"), section.section("derived"), section.section("defaults"));
    for (name, claim) in claims.layers().iter().rev().flat_map(Section::text_entries) {
        if let Some(member) = chosen_member(&name, faults) {
            from_statement.insert(member.name, claim.value);
        }
    }
    for (name, text) in computed.layers().iter().rev().flat_map(Section::text_entries) {
        if let Some(member) = chosen_member(&name, faults) {
            derived.insert(member.name, (member, text));
        }
    }
    for layer in filled.layers().iter().rev() {
        for (name, value) in layer.all_json() {
            let place = layer.place_of_key(&name);
            let Some(member) = chosen_member(&Located { value: name, place: place.clone() }, faults) else { continue };
            if !member.kind.admits(&value) {
                faults.error(Some(&place), format!("`{}`: {}", member.name, member.kind.demand()), None);
            }
            defaults.insert(member.name, value);
        }
    }
    let forward = Forward {
        from_statement: from_statement.into_iter().collect(),
        defaults: defaults.into_iter().collect(),
        drop,
        unknown,
        ..Forward::default()
    };
    let derived = derived.into_values().map(|(member, text)| (member, builder.expression(text, Scope::Forward)));
    let derived = derived.collect();
    section.finish();
    (forward, derived)
}

/// A member that a policy may set: one that clients choose, in its one language.
fn chosen_member(name: &Located<String>, faults: &Faults) -> Option<&'static Member> {
    let member = known_member(name, faults)?;
    if member.kind == Kind::Issued || member.name != name.value {
        faults.error(Some(&name.place), format!("`{}` cannot be set by a policy", name.value), None);
        return None;
    }
    Some(member)
}

pub(super) fn finish_forward(
    forward: Forward,
    derived: Vec<(&'static Member, Slot)>,
    compiled: &mut Compiled,
) -> Forward {
    let derived = derived.into_iter().filter_map(|(member, slot)| {
        let rule = Rule {
            id: format!("forward.{}", member.name).into(),
            clause: "".into(),
            mode: Mode::Enforce,
            error: ErrorCode::InvalidSoftwareStatement,
            field: Some(member.name.into()),
            message: "this member cannot be derived from the software statement".into(),
            hint: Some("correct the software in the directory and fetch a new software statement".into()),
        };
        Some(Derived { name: member.name, code: compiled.take(slot)?, rule: rule.into() })
    });
    Forward { derived: derived.collect(), ..forward }
}
