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
use crate::policy::forward::{Computed, Forward, Request, Unknown};

/// `[forward]` without the expressions, which are compiled later.
pub(super) struct Draft {
    forward: Forward,
    replaced: Vec<(&'static Member, Slot)>,
    derived: Vec<(&'static Member, Slot)>,
}

/// A member that is computed, with the expression.
type Expressions = BTreeMap<&'static str, (&'static Member, Located<String>)>;

pub(super) fn read_forward(root: &Settings<'_>, builder: &mut Builder<'_>) -> Draft {
    let section = root.section("forward");
    let faults = root.faults();
    let unknown = section.word("unknown", &[("drop", Unknown::Drop), ("keep", Unknown::Keep)]).unwrap_or_default();
    let request = section.word("request", &[("keep", Request::Keep), ("drop", Request::Drop)]).unwrap_or_default();
    let drop = section.texts("drop").unwrap_or_default();

    let mut from_statement: BTreeMap<&'static str, String> = BTreeMap::new();
    let mut replaced = Expressions::new();
    let mut derived = Expressions::new();
    let mut defaults: BTreeMap<&'static str, Value> = BTreeMap::new();
    // Farthest first: what is nearer takes its place.
    for layer in section.layers().iter().rev() {
        // What is replaced is settled: words on it that are no farther would be without effect.
        if let Some(computed) = layer.section("replaced") {
            for (name, text) in computed.text_entries() {
                let Some(member) = chosen_member(&name, faults) else { continue };
                from_statement.remove(member.name);
                derived.remove(member.name);
                defaults.remove(member.name);
                replaced.insert(member.name, (member, text));
            }
        }
        let settable = |name: &Located<String>| {
            let member = chosen_member(name, faults)?;
            if replaced.contains_key(member.name) {
                let message = format!("`{}` is in [forward.replaced], which is all that counts", member.name);
                faults.error(Some(&name.place), message, Some("leave one of the two out".to_owned()));
            }
            Some(member)
        };
        for (name, claim) in layer.section("from_statement").iter().flat_map(Section::text_entries) {
            if let Some(member) = settable(&name) {
                from_statement.insert(member.name, claim.value);
            }
        }
        for (name, text) in layer.section("derived").iter().flat_map(Section::text_entries) {
            if let Some(member) = settable(&name) {
                derived.insert(member.name, (member, text));
            }
        }
        let Some(filled) = layer.section("defaults") else { continue };
        for (name, value) in filled.all_json() {
            let place = filled.place_of_key(&name);
            let Some(member) = settable(&Located { value: name, place: place.clone() }) else { continue };
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
        request,
        unknown,
        ..Forward::default()
    };
    let mut add = |texts: Expressions| {
        texts.into_values().map(|(member, text)| (member, builder.expression(text, Scope::Forward))).collect()
    };
    let (replaced, derived) = (add(replaced), add(derived));
    section.finish();
    Draft { forward, replaced, derived }
}

/// A member that a policy may set: one that clients choose, in its one language.
pub(super) fn chosen_member(name: &Located<String>, faults: &Faults) -> Option<&'static Member> {
    let member = known_member(name, faults)?;
    if member.kind == Kind::Issued || member.name != name.value {
        faults.error(Some(&name.place), format!("`{}` cannot be set by a policy", name.value), None);
        return None;
    }
    Some(member)
}

pub(super) fn finish_forward(draft: Draft, compiled: &mut Compiled) -> Forward {
    let Draft { forward, replaced, derived } = draft;
    let mut computed = |members: Vec<(&'static Member, Slot)>, message: &str| {
        let finish = |(member, slot): (&'static Member, Slot)| {
            let code = compiled.take(slot)?;
            let asks = compiled.library.uses(&code).looks_at_the_request();
            let rule = Rule {
                id: format!("forward.{}", member.name).into(),
                clause: "".into(),
                mode: Mode::Enforce,
                error: if asks { ErrorCode::InvalidClientMetadata } else { ErrorCode::InvalidSoftwareStatement },
                field: Some(member.name.into()),
                message: message.into(),
                hint: Some(if asks { CORRECT_REQUEST } else { CORRECT_STATEMENT }.into()),
            };
            Some(Computed { name: member.name, code, rule: rule.into() })
        };
        members.into_iter().filter_map(finish).collect()
    };
    let replaced = computed(replaced, "this member cannot be determined from what was sent");
    let derived = computed(derived, "this member cannot be derived from the software statement");
    Forward { replaced, derived, ..forward }
}

const CORRECT_REQUEST: &str = "send this member in the form of its specification, and what it is determined by";
const CORRECT_STATEMENT: &str = "correct the software in the directory and fetch a new software statement";
