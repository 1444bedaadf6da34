//! Mutants of a policy: the same policy with one thing changed, each of which a case has to notice.
//!
//! A change that no case notices is a rule, a setting or a word that could be
//! lost without anybody being told. Mutants are made of the nearest file alone:
//! what it extends has cases of its own. What no case can tell is left as it is: texts
//! for people, and `[subject]`, which goes into the record.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Sources;
use crate::model::document::{Faults, Place, Section, Step};

mod expression;
mod values;

/// A policy with one thing changed.
#[derive(Debug)]
pub struct Mutant {
    /// Stable as long as what it changes is: `rule.ofb.roles.require/negated`.
    pub id: String,
    /// Where what it changes stands.
    pub place: Place,
    /// What was changed, in words.
    pub change: String,
    /// Which kind of case would notice it.
    pub wanted: &'static str,
    /// The check or rule that it is about.
    pub about: String,
    path: Vec<Step>,
    value: Option<Value>,
}

const ADMITS: &str = "a case that this alone makes pass";
const REFUSES: &str = "a case that this alone makes fail";
const SETTING: &str = "a case that comes out otherwise without this setting";
const SKIPS: &str = "a case to which the rule does not apply, and which it would refuse";
const BOTH: &str = "a case on the border: exactly at it and admitted, or one beyond and refused";
const ENTRY: &str = "a case that uses this entry";
const CODE: &str = "a case that fails first by this, and names its `error` and `field`";
const FORWARD: &str = "a case that names the member in `forwarded` or `absent`";
const OPERATION: &str = "a case with this `operation`";
const SHADOW: &str = "a case that names it in `shadow` or `failed`";

/// Keys that no case can tell: texts for people, and what the deployment fills.
const TOLD: &[&str] = &["id", "clause", "message", "hint", "detail", "key_set"];

impl Sources {
    /// Every mutant of the nearest file.
    pub fn mutants(&self) -> Vec<Mutant> {
        let faults = Faults::new();
        let mut found = Found::default();
        if let Some(nearest) = self.documents.first() {
            let root = nearest.root(&faults);
            found.parameters(&root);
            found.checks(&root);
            found.lets(&root);
            found.rules(&root);
            found.forward(&root);
            found.other(&root);
        }
        found.distinct()
    }

    /// The policy as a mutant has it.
    #[must_use]
    pub fn mutated(&self, mutant: &Mutant) -> Self {
        let mut documents = self.documents.clone();
        if let Some(nearest) = documents.first_mut() {
            *nearest = nearest.with(&mutant.path, mutant.value.as_ref());
        }
        Self { documents }
    }
}

/// The opposite of an expression. It may end in a comment, which ends with its line.
fn negated(text: &str) -> Value {
    format!("!({text}\n)").into()
}

/// What the next mutants are about.
struct At<'s> {
    name: String,
    about: String,
    path: Vec<Step>,
    section: &'s Section<'s>,
}

impl At<'_> {
    fn path(&self, key: &str) -> Vec<Step> {
        self.path.iter().cloned().chain([Step::Key(key.to_owned())]).collect()
    }
}

#[derive(Default)]
struct Found(Vec<Mutant>);

impl Found {
    fn push(&mut self, at: &At<'_>, key: &str, name: &str, value: Option<Value>, wanted: &'static str) {
        self.push_at(at, key, &[], name, value, wanted);
    }

    fn push_at(
        &mut self,
        at: &At<'_>,
        key: &str,
        deeper: &[Step],
        name: &str,
        value: Option<Value>,
        wanted: &'static str,
    ) {
        self.0.push(Mutant {
            id: format!("{}.{key}/{name}", at.name),
            place: at.section.place_of_key(key),
            change: format!("`{key}` of `{}`: {name}", at.name),
            wanted,
            about: at.about.clone(),
            path: at.path(key).into_iter().chain(deeper.iter().cloned()).collect(),
            value,
        });
    }

    fn expression(&mut self, at: &At<'_>, key: &str, deeper: &[Step], text: &str) {
        for changed in expression::mutants(text) {
            let wanted = match changed.kind {
                expression::Kind::Part => "a case in which this part alone decides",
                expression::Kind::Operator => BOTH,
                expression::Kind::Number => BOTH,
                expression::Kind::Entry => ENTRY,
            };
            self.push_at(at, key, deeper, &changed.name, Some(Value::from(changed.text)), wanted);
        }
    }

    /// A value, or an expression over parameters that stands in its place.
    fn value(&mut self, at: &At<'_>, key: &str, value: &Value) {
        let source = value.as_object().filter(|table| table.len() == 1).and_then(|table| table.get("cel")?.as_str());
        if let Some(source) = source {
            return self.expression(at, key, &[Step::Key("cel".to_owned())], source);
        }
        for changed in values::mutants(value) {
            let wanted = match changed.kind {
                values::Kind::Entry => ENTRY,
                values::Kind::Limit => BOTH,
                values::Kind::Word => SETTING,
            };
            self.push_at(at, key, &changed.path, &changed.name, changed.value, wanted);
        }
    }

    /// Keys that checks and rules have in common. Gives whether this is one.
    fn common(&mut self, at: &At<'_>, key: &str, value: &Value) -> bool {
        match key {
            "error" => self.push(at, key, "another code", Some("mutated_code".into()), CODE),
            "field" => self.push(at, key, "dropped", None, CODE),
            "mode" => self.push(at, key, "dropped", None, SHADOW),
            "on" => {
                self.push(at, key, "dropped", None, OPERATION);
                for (index, operation) in value.as_array().into_iter().flatten().enumerate() {
                    let name = format!("without {}", operation.as_str().unwrap_or_default());
                    self.push_at(at, key, &[Step::Index(index)], &name, None, OPERATION);
                }
            }
            _ => return TOLD.contains(&key),
        }
        true
    }

    fn parameters(&mut self, root: &Section<'_>) {
        let Some(section) = root.section("params") else { return };
        let at = At {
            name: "params".into(),
            about: String::new(),
            path: vec![Step::Key("params".into())],
            section: &section,
        };
        for (key, value) in section.all_json() {
            self.value(&at, &key, &value);
        }
    }

    fn checks(&mut self, root: &Section<'_>) {
        for (group, checks) in root.named("checks") {
            for (name, section) in checks.children() {
                let id = format!("{}.{}", group.value, name.value);
                let path = ["checks", &group.value, &name.value].map(|key| Step::Key(key.to_owned())).to_vec();
                let at = At { name: format!("checks.{id}"), about: id.clone(), path, section: &section };
                let settings = section.all_json();
                let is_gate = super::gates::is_gate(&id);
                if !is_gate && settings.get("mode") != Some(&Value::from("off")) {
                    self.push(&at, "mode", "off", Some("off".into()), REFUSES);
                }
                for (key, value) in &settings {
                    if !self.common(&at, key, value) {
                        // What is true or false has one other value: dropping it comes to that, or changes nothing.
                        if !value.is_boolean() {
                            self.push(&at, key, "dropped", None, SETTING);
                        }
                        self.value(&at, key, value);
                    }
                }
            }
        }
    }

    fn lets(&mut self, root: &Section<'_>) {
        let Some(section) = root.section("let") else { return };
        let at =
            At { name: "let".into(), about: String::new(), path: vec![Step::Key("let".into())], section: &section };
        for (name, text) in section.text_entries() {
            self.push(&at, &name.value, "dropped", None, "a rule that uses it: nothing does");
            self.expression(&at, &name.value, &[], &text.value);
        }
    }

    fn rules(&mut self, root: &Section<'_>) {
        for (index, section) in root.list("rule").into_iter().enumerate() {
            let Some(id) = section.text("id").map(|id| id.value) else { continue };
            let path = vec![Step::Key("rule".into()), Step::Index(index)];
            let at = At { name: format!("rule.{id}"), about: id, path, section: &section };
            for (key, value) in section.all_json() {
                match (key.as_str(), value.as_str()) {
                    ("require", Some(text)) => {
                        self.push(&at, "require", "negated", Some(negated(text)), ADMITS);
                        self.push(&at, "require", "true", Some("true".into()), REFUSES);
                        self.expression(&at, "require", &[], text);
                    }
                    ("when", Some(text)) => {
                        self.push(&at, "when", "dropped", None, SKIPS);
                        self.push(&at, "when", "negated", Some(negated(text)), SKIPS);
                        self.expression(&at, "when", &[], text);
                    }
                    ("after", _) => {
                        for (index, name) in value.as_array().into_iter().flatten().enumerate() {
                            let name = format!("without {}", name.as_str().unwrap_or_default());
                            let wanted = "a case in which that fails, and this would too";
                            self.push_at(&at, "after", &[Step::Index(index)], &name, None, wanted);
                        }
                    }
                    _ => drop(self.common(&at, &key, &value)),
                }
            }
        }
    }

    fn forward(&mut self, root: &Section<'_>) {
        for table in ["forward", "aliases"] {
            let Some(section) = root.section(table) else { continue };
            let at =
                At { name: table.into(), about: String::new(), path: vec![Step::Key(table.into())], section: &section };
            for (key, value) in section.all_json() {
                match value {
                    Value::Object(entries) => self.members(&at, &key, &entries),
                    value => {
                        self.push(&at, &key, "dropped", None, FORWARD);
                        if value.is_array() {
                            self.value(&at, &key, &value);
                        }
                    }
                }
            }
        }
    }

    fn members(&mut self, outer: &At<'_>, table: &str, entries: &Map<String, Value>) {
        let Some(section) = outer.section.section(table) else { return };
        let at = At {
            name: format!("{}.{table}", outer.name),
            about: String::new(),
            path: outer.path(table),
            section: &section,
        };
        for (member, value) in entries {
            self.push(&at, member, "dropped", None, FORWARD);
            match (table, value.as_str()) {
                ("derived" | "replaced", Some(text)) => self.expression(&at, member, &[], text),
                ("defaults", _) => self.value(&at, member, value),
                _ => {}
            }
        }
    }

    fn other(&mut self, root: &Section<'_>) {
        let at = At { name: "policy".into(), about: String::new(), path: Vec::new(), section: root };
        for key in ["mode", "on"] {
            if let Some(found) = root.json(key) {
                self.common(&at, key, &found.value);
            }
        }
    }

    /// The second of two of one name is numbered.
    fn distinct(self) -> Vec<Mutant> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        self.0
            .into_iter()
            .map(|mut mutant| {
                let count = seen.entry(mutant.id.clone()).or_default();
                *count += 1;
                if *count > 1 {
                    mutant.id = format!("{} ({count})", mutant.id);
                }
                mutant
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_of_an_expression_with_comments_can_be_used() {
        let text = "id = 'p'\nversion = '1'\ntitle = 't'\nspec = 's'\n[[rule]]\nid = 'p.x'\nerror = 'invalid_scope'\n\
            message = 'm'\nwhen = \"has(request.scope) // else it's empty\"\n\
            require = \"(request.scope == 'a' // one\\n|| request.scope == 'b') // two\"\n";
        let faults = Faults::new();
        let sources = Sources::load("p.toml", text, &|_| Err("none".to_owned()), &faults);
        let mutants = sources.mutants();
        let about = mutants.iter().filter(|mutant| mutant.id.contains(".require/") || mutant.id.contains(".when/"));
        let ids: Vec<&str> = about.map(|mutant| mutant.id.as_str()).collect();
        assert_eq!(
            ids,
            [
                "rule.p.x.require/negated",
                "rule.p.x.require/true",
                "rule.p.x.require/request.scope != 'a'",
                "rule.p.x.require/without request.scope == 'a'",
                "rule.p.x.require/without request.scope == 'b'",
                "rule.p.x.require/request.scope != 'b'",
                "rule.p.x.when/dropped",
                "rule.p.x.when/negated",
            ]
        );
        for mutant in &mutants {
            assert!(sources.mutated(mutant).compile(&Map::new(), &faults).is_some(), "{}", mutant.id);
        }
    }
}
