//! `[[rule]]` of a policy and the policies that it extends.

use std::sync::Arc;

use serde_json::Value;

use super::{Defaults, SWITCHES, Switch, all_checks, known_member, operations, texts_of};
use crate::checks::{Active, Settings, WRITES};
use crate::model::document::{Faults, Located, Place, Section, nearest};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Operation;
use crate::model::trace::{Mode, Rule};
use crate::policy::cel::{Builder, Compiled, Condition, Scope, Slot};
use crate::policy::rules::Ruling;

/// A rule that is read, and whose expressions are not compiled yet.
pub(super) struct Draft {
    rule: Rule,
    place: Place,
    switch: Switch,
    operations: Vec<Operation>,
    after: Vec<Located<String>>,
    when: Option<(Slot, Place)>,
    require: Option<Slot>,
    detail: Option<Slot>,
}

pub(super) fn read_rules<'d>(
    root: &Settings<'d>,
    compute: &'d dyn Fn(&Located<String>) -> Option<Value>,
    default: &Defaults,
    builder: &mut Builder<'_>,
) -> Vec<Draft> {
    let faults = root.faults();
    let mut rules: Vec<(Located<String>, Vec<Section<'d>>)> = Vec::new();
    for layer in root.layers().iter().rev() {
        let mut here: Vec<String> = Vec::new();
        for section in layer.list("rule") {
            let Some(id) = section.required_text("id") else { continue };
            if here.contains(&id.value) {
                faults.error(Some(&id.place), format!("two rules have the id `{}`", id.value), None);
                continue;
            }
            here.push(id.value.clone());
            match rules.iter_mut().find(|(known, _)| known.value == id.value) {
                Some((_, layers)) => layers.insert(0, section),
                None => rules.push((id, vec![section])),
            }
        }
    }
    rules
        .into_iter()
        .filter_map(|(id, layers)| read_rule(id, Settings::new(layers, compute, faults), default, builder))
        .collect()
}

fn read_rule(
    id: Located<String>,
    settings: Settings<'_>,
    default: &Defaults,
    builder: &mut Builder<'_>,
) -> Option<Draft> {
    let faults = settings.faults();
    let is_id = id.value.split('.').count() >= 2
        && id.value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte));
    if !is_id || all_checks().any(|about| about.id == id.value) {
        let help = "lower-case words joined by dots, such as `ofb.scopes`, and not the name of a check";
        faults.error(Some(&id.place), format!("`{}` cannot be the id of a rule", id.value), Some(help.to_owned()));
    }
    settings.json("id");
    for key in ["require", "error", "message"] {
        settings.require(key);
    }
    let switch = settings.word("mode", SWITCHES).unwrap_or(Switch::On(default.mode));
    let texts = texts_of(&settings);
    let field = settings.text("field").and_then(|field| known_member(&field, faults)).map(|member| member.name.into());
    let mut expression = |key: &str, scope| {
        let text = settings.text(key)?;
        let place = text.place.clone();
        Some((builder.expression(text, scope), place))
    };
    let when = expression("when", Scope::Condition);
    let require = expression("require", Scope::Decision).map(|(slot, _)| slot);
    let detail = expression("detail", Scope::Decision).map(|(slot, _)| slot);
    let after = settings.json("after").map(|after| after.place).zip(settings.texts("after"));
    let after = after
        .into_iter()
        .flat_map(|(place, names)| names.into_iter().map(move |value| Located { value, place: place.clone() }));
    let draft = Draft {
        place: id.place,
        switch,
        operations: operations(&settings).or_else(|| default.operations.clone()).unwrap_or_else(|| WRITES.to_vec()),
        after: after.collect(),
        when,
        require,
        detail,
        rule: Rule {
            id: id.value.into(),
            clause: texts.clause.unwrap_or_else(|| "".into()),
            mode: if switch == Switch::On(Mode::Shadow) { Mode::Shadow } else { Mode::Enforce },
            error: texts.error.unwrap_or(ErrorCode::InvalidClientMetadata),
            field,
            message: texts.message.unwrap_or_else(|| "".into()),
            hint: texts.hint,
        },
    };
    settings.finish();
    Some(draft)
}

/// Places in the order of evaluation, by id.
pub(super) struct Names(Vec<(String, Option<usize>)>);

impl Names {
    pub(super) fn of(checks: &[Active]) -> Self {
        let place = |id: &str| checks.iter().position(|check| &*check.rule().id == id);
        Self(all_checks().map(|about| (about.id.to_owned(), place(about.id))).collect())
    }
}

pub(super) fn finish_rules(drafts: Vec<Draft>, compiled: &mut Compiled, names: &Names, faults: &Faults) -> Vec<Ruling> {
    let ids: Vec<Arc<str>> = drafts.iter().map(|draft| Arc::clone(&draft.rule.id)).collect();
    let mut names = names.0.clone();
    let mut next = names.iter().filter_map(|(_, place)| *place).max().map_or(0, |last| last + 1);
    let mut rulings = Vec::new();
    for draft in drafts {
        let mut after = Vec::new();
        for name in &draft.after {
            match names.iter().find(|(known, _)| *known == name.value) {
                Some((_, place)) => after.extend(place),
                None if ids.iter().any(|id| **id == *name.value) => {
                    let help = "a rule comes after what stands above it".to_owned();
                    faults.error(Some(&name.place), format!("`{}` stands below this rule", name.value), Some(help));
                }
                None => {
                    let known = names.iter().map(|(name, _)| name.as_str());
                    let help = nearest(&name.value, known).map(|word| format!("did you mean `{word}`?"));
                    faults.error(Some(&name.place), format!("there is no rule or check `{}`", name.value), help);
                }
            }
        }
        let when = draft.when.and_then(|(slot, place)| compiled.take_condition(slot, &place, faults));
        let when = when.unwrap_or(Condition::Always(true));
        let require = draft.require.and_then(|slot| compiled.take(slot));
        let detail = draft.detail.and_then(|slot| compiled.take(slot));
        let Some(require) = require.filter(|_| draft.switch != Switch::Off) else {
            names.push((draft.rule.id.to_string(), None));
            continue;
        };
        if draft.rule.message.is_empty() && !faults.any_error() {
            faults.error(Some(&draft.place), "`message` is empty", None);
        }
        names.push((draft.rule.id.to_string(), Some(next)));
        next += 1;
        rulings.push(Ruling { rule: draft.rule.into(), operations: draft.operations, after, when, require, detail });
    }
    rulings
}
