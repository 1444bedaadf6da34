//! What a policy says once `extends` and parameters are applied, with the line that each word comes from.
//!
//! The compiler keeps what it needs to judge; this keeps what people ask about: which file set a
//! setting, what an expression over parameters came to, in which two policies differ. It reads the
//! same layers in the same order as [`super::compile`], and decides nothing.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::cel::constant;
use super::gates::{all_checks, is_gate};
use super::layers;
use crate::model::digest::Digest;
use crate::model::document::{Document, Faults, Located, Place, Section};

/// A policy as its files and parameters make it.
#[derive(Debug)]
pub struct Effective {
    /// The files, nearest first.
    pub files: Vec<String>,
    /// Every table but rules: the file's own words first (under the empty name), then parameters,
    /// checks in the order of their registry, named expressions, the rest.
    pub tables: Vec<Table>,
    /// `[[rule]]`, in the order of evaluation; the name is the id.
    pub rules: Vec<Table>,
    /// The parameters that hold.
    pub params: Map<String, Value>,
    /// What the files accept of what [`super::lint`] finds.
    pub accepted: Vec<Accepted>,
}

/// A table, each key as the nearest file has it.
#[derive(Debug)]
pub struct Table {
    /// Dotted, such as `checks.statement.age`.
    pub name: String,
    /// Where its nearest header stands.
    pub place: Place,
    /// Keys in the order in which the farthest file has them.
    pub entries: Vec<Entry>,
}

/// A key with its value.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// As it is written.
    pub value: Value,
    /// What it came to; the same unless it is an expression over parameters.
    pub came_to: Value,
    /// Where it is written; `None` for a parameter that the deployment gives.
    pub place: Option<Place>,
}

/// An entry of `[lint] accept`.
#[derive(Debug)]
pub struct Accepted {
    /// What is accepted.
    pub id: Located<String>,
    /// Why.
    pub reason: String,
    /// The file that says so, counted from the nearest.
    pub layer: usize,
}

/// Tables whose entries are tables again, by depth: `checks.GROUP.NAME`, `forward.derived`, `aliases.request`,
/// `subject.derived`.
fn holds_tables(path: &str) -> bool {
    let group = path.strip_prefix("checks.").is_some_and(|rest| !rest.contains('.'));
    group || matches!(path, "" | "checks" | "forward" | "aliases" | "subject")
}

impl Effective {
    /// Reads a policy as [`super::compile`] does. `None` when it has a fault, which is recorded.
    pub fn read(
        name: &str,
        text: &str,
        read: &dyn Fn(&str) -> Result<String, String>,
        params: &Map<String, Value>,
        faults: &Faults,
    ) -> Option<Self> {
        let documents = layers::load(name, text, read, faults);
        let roots: Vec<Section<'_>> = documents.iter().map(|document| document.root(faults)).collect();
        let given = params;
        let params = layers::parameters(&roots, params, faults);
        let accepted = accepted(&roots);
        let rules = rules(&roots);
        let mut tables = Vec::new();
        gather(String::new(), &roots.iter().rev().collect::<Vec<_>>(), &mut tables);
        // A table that only holds tables says nothing; a check without settings is on.
        tables.retain(|table| !table.entries.is_empty() || table.name.splitn(3, '.').count() == 3);
        tables.sort_by(|one, other| (order(&one.name), &one.name).cmp(&(order(&other.name), &other.name)));
        let mut effective = Self { files: names(&documents), tables, rules, params, accepted };
        effective.fill_in(given, faults);
        (!faults.any_error()).then_some(effective)
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// A setting of a check or gate, such as `statement.age` and `max_age`; what it came to.
    pub fn setting(&self, check: &str, key: &str) -> Option<&Entry> {
        self.table(&format!("checks.{check}"))?.entry(key)
    }

    /// What a check or rule does: its own `mode`, or else the policy's; enforce, shadow or off. A gate refuses always.
    pub fn mode_of<'e>(&'e self, table: &'e Table) -> &'e str {
        if table.name.strip_prefix("checks.").is_some_and(is_gate) {
            return "enforce";
        }
        table.text("mode").or_else(|| self.table("")?.text("mode")).unwrap_or("enforce")
    }

    /// The words of an expression, with those of the named expressions that it uses.
    pub fn words_of(&self, expression: &str) -> BTreeSet<String> {
        let names = |text: &str| -> Vec<String> {
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            text.split(|c: char| !is_name(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        let mut words: BTreeSet<String> = names(expression).into_iter().collect();
        // A named expression uses only those above it.
        for entry in self.table("let").into_iter().flat_map(|lets| lets.entries.iter().rev()) {
            if words.contains(&entry.key) {
                words.extend(names(entry.came_to.as_str().unwrap_or_default()));
            }
        }
        words
    }

    /// SHA-256 over all that it says, whichever files say it: two policies that judge alike by the same
    /// words have the same. Comments, order of keys and lint acceptances do not count.
    pub fn digest(&self) -> Digest {
        let tables = |tables: &[Table]| -> Vec<Value> {
            let said = tables.iter().map(|table| {
                let entries = || table.entries.iter().map(|entry| (entry.key.as_str(), &entry.came_to));
                // Named expressions see those before them: their order counts.
                if table.name == "let" {
                    return json!([table.name, entries().collect::<Vec<_>>()]);
                }
                json!([
                    table.name,
                    entries().map(|(key, value)| (key.to_owned(), value.clone())).collect::<Map<_, _>>()
                ])
            });
            said.collect()
        };
        Digest::of(json!([tables(&self.tables), tables(&self.rules)]).to_string().as_bytes())
    }

    fn fill_in(&mut self, given: &Map<String, Value>, faults: &Faults) {
        for table in &mut self.tables {
            let is_params = table.name == "params";
            for entry in &mut table.entries {
                if is_params {
                    if let Some(value) = self.params.get(&entry.key) {
                        entry.value.clone_from(value);
                        entry.came_to.clone_from(value);
                    }
                    entry.place.take_if(|_| given.contains_key(&entry.key));
                } else if table.name.starts_with("checks.")
                    && let Value::Object(map) = &entry.value
                    && let Some(Value::String(text)) = map.get("cel").filter(|_| map.len() == 1)
                    && let Some(place) = &entry.place
                {
                    let text = Located { value: text.clone(), place: place.clone() };
                    entry.came_to = constant(&text, &self.params, faults).unwrap_or(Value::Null);
                }
            }
        }
    }
}

impl Table {
    /// The entry of this key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// What a key came to, where it is a text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.entry(key)?.came_to.as_str()
    }

    fn put(&mut self, key: String, value: Located<Value>) {
        let Located { value, place } = value;
        let entry = Entry { key, came_to: value.clone(), value, place: Some(place) };
        match self.entries.iter_mut().find(|known| known.key == entry.key) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }
}

impl Entry {
    /// `file:line`, or what else gave the value.
    pub fn from(&self) -> String {
        self.place.as_ref().map_or_else(|| "given parameter".to_owned(), |place| format!("{place:?}"))
    }
}

/// Lays tables of the same name over each other, the farthest first, and so each table below them.
fn gather(name: String, layers: &[&Section<'_>], tables: &mut Vec<Table>) {
    let Some(nearest) = layers.last() else { return };
    let mut table = Table { place: nearest.place(), entries: Vec::new(), name };
    let mut below: Vec<(String, Vec<Section<'_>>)> = Vec::new();
    for layer in layers {
        for (key, value) in layer.entries() {
            if table.name.is_empty() && matches!(key.as_str(), "extends" | "rule" | "lint") {
                continue;
            }
            let is_table = value.value.is_object() && holds_tables(&table.name);
            let Some(section) = is_table.then(|| layer.section(&key)).flatten() else {
                table.put(key, value);
                continue;
            };
            match below.iter_mut().find(|(known, _)| known == section.path()) {
                Some((_, layers)) => layers.push(section),
                None => below.push((section.path().to_owned(), vec![section])),
            }
        }
    }
    tables.push(table);
    for (path, layers) in below {
        gather(path, &layers.iter().collect::<Vec<_>>(), tables);
    }
}

/// `[[rule]]` of the chain, the farthest file first; a rule that comes again keeps its place.
fn rules(roots: &[Section<'_>]) -> Vec<Table> {
    let mut rules: Vec<Table> = Vec::new();
    for section in roots.iter().rev().flat_map(|root| root.list("rule")) {
        let Some(id) = section.text("id") else { continue };
        let index = rules.iter().position(|rule| rule.name == id.value).unwrap_or(rules.len());
        if index == rules.len() {
            rules.push(Table { name: id.value, place: section.place(), entries: Vec::new() });
        }
        let Some(rule) = rules.get_mut(index) else { continue };
        rule.place = id.place;
        section.entries().into_iter().for_each(|(key, value)| rule.put(key, value));
    }
    rules
}

/// `[lint] accept = [{ id, reason }]` of every file.
fn accepted(roots: &[Section<'_>]) -> Vec<Accepted> {
    let mut all = Vec::new();
    for (layer, root) in roots.iter().enumerate() {
        for entry in root.section("lint").iter().flat_map(|lint| lint.list("accept")) {
            let reason = entry.text("reason").map(|text| text.value).unwrap_or_default();
            all.extend(entry.text("id").map(|id| Accepted { id, reason, layer }));
        }
    }
    all
}

/// The file's own words, parameters, checks in the order in which they are run, named expressions, the rest.
fn order(name: &str) -> (usize, usize) {
    let check = |id: &str| {
        let ids = all_checks().map(|about| about.id);
        ids.into_iter().position(|known| known == id)
    };
    match name {
        "" => (0, 0),
        "params" => (1, 0),
        "let" => (3, 0),
        _ => match name.strip_prefix("checks.") {
            Some(id) => (2, check(id).unwrap_or(usize::MAX)),
            None => (4, 0),
        },
    }
}

fn names(documents: &[Document]) -> Vec<String> {
    documents.iter().map(|document| document.source().name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "id = 'base'\nversion = '1'\n[params]\nage = '5m'\nhosts = ['a.example']\n\
        [checks.statement.age]\nmax_age = { cel = 'params.age' }\nskew = '1s'\n[checks.metadata.types]\n\
        [let]\nx = '1'\ny = 'x'\n[[rule]]\nid = 'b.one'\nrequire = 'true'\nmessage = 'one'\n[[rule]]\nid = 'b.two'\n\
        [forward.defaults]\nscope = 'a'\n";
    const NEAR: &str = "extends = 'base'\nid = 'near'\n[checks.statement.age]\nskew = '2s'\n[[rule]]\nid = 'b.one'\n\
        message = 'other'\n[lint]\naccept = [{ id = 'x', reason = 'y' }]\n";

    fn read(text: &str, params: Value) -> Effective {
        let faults = Faults::new();
        let Value::Object(params) = params else { panic!("an object") };
        let base = |path: &str| if path == "base.toml" { Ok(BASE.to_owned()) } else { Err("none".to_owned()) };
        let effective = Effective::read("near.toml", text, &base, &params, &faults);
        effective.unwrap_or_else(|| panic!("{:?}", faults.into_problems()))
    }

    #[test]
    fn the_nearest_word_holds_and_says_where_it_is_written() {
        let policy = read(NEAR, json!({ "age": "1m" }));
        let told = |check, key| policy.setting(check, key).map(|entry| (entry.came_to.clone(), entry.from())).unwrap();
        assert_eq!(told("statement.age", "skew"), (json!("2s"), "near.toml:4".to_owned()));
        assert_eq!(told("statement.age", "max_age"), (json!("1m"), "base.toml:7".to_owned()));
        let names: Vec<&str> = policy.tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, ["", "params", "checks.statement.age", "checks.metadata.types", "let", "forward.defaults"]);
        let one = &policy.rules[0];
        assert_eq!(
            (one.name.as_str(), one.text("message"), one.text("require")),
            ("b.one", Some("other"), Some("true"))
        );
        assert_eq!(one.entry("require").unwrap().from(), "base.toml:15");
        assert_eq!(policy.rules[1].name, "b.two");
        assert_eq!(policy.table("params").unwrap().entry("age").unwrap().from(), "given parameter");
        assert_eq!(policy.table("").unwrap().text("id"), Some("near"));
        assert_eq!((policy.accepted[0].id.value.as_str(), policy.accepted[0].layer), ("x", 0));
    }

    #[test]
    fn a_table_in_subject_is_laid_over_its_base_key_by_key() {
        let base = format!("{BASE}[subject]\nroles = 'x'\n[subject.derived]\norganisation = '1'\nsoftware = '2'\n");
        let near = "extends = 'base'\n[subject.derived]\nsoftware = '3'\n";
        let effective = Effective::read("near.toml", near, &|_| Ok(base.clone()), &Map::new(), &Faults::new()).unwrap();
        let told = |table: &str| {
            let entries = effective.table(table).map(|table| table.entries.iter());
            entries.unwrap().map(|entry| (entry.key.as_str(), entry.value.clone(), entry.from())).collect::<Vec<_>>()
        };
        assert_eq!(told("subject"), [("roles", json!("x"), "base.toml:22".to_owned())]);
        assert_eq!(
            told("subject.derived"),
            [
                ("organisation", json!("1"), "base.toml:24".to_owned()),
                ("software", json!("3"), "near.toml:3".to_owned())
            ]
        );
    }

    #[test]
    fn the_digest_is_of_what_is_said_and_not_of_how() {
        let digest = |text: &str| read(text, json!({})).digest();
        let same = format!("# a comment\n{NEAR}").replace("skew = '2s'", "skew = { cel = \"'2s'\" }");
        assert_eq!(digest(NEAR), digest(&same));
        assert_ne!(digest(NEAR), digest(&NEAR.replace("2s", "3s")));
        assert_ne!(digest(NEAR), digest(&NEAR.replace("'other'", "'others'")));
        assert_ne!(digest(NEAR), read(NEAR, json!({ "age": "6m" })).digest());
    }
}
