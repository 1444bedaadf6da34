//! A document with one value changed: what a mutation run makes of a policy.

use serde_json::Value;

use super::{Document, Entry, Node, Spot};

/// One step of the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Of a table.
    Key(String),
    /// Of a list, from 0.
    Index(usize),
}

impl Document {
    /// This document with another value at a path, or without the one that is there. Tables on the way that are
    /// missing leave it as it is; the last key of a new value need not be there. Places stay those of the text.
    #[must_use]
    pub fn with(&self, path: &[Step], value: Option<&Value>) -> Self {
        let mut changed = self.clone();
        edit_table(&mut changed.entries, path, value);
        changed
    }
}

fn edit_table(entries: &mut Vec<Entry>, path: &[Step], value: Option<&Value>) {
    let Some((Step::Key(key), rest)) = path.split_first() else { return };
    let found = entries.iter().position(|entry| entry.key == *key);
    match (found.and_then(|at| entries.get_mut(at)), rest.is_empty(), value) {
        (Some(entry), false, _) => edit(&mut entry.value.node, rest, value),
        (Some(entry), true, Some(value)) => entry.value.node = Node::from_json(value),
        (Some(_), true, None) => entries.retain(|entry| entry.key != *key),
        (None, true, Some(value)) => {
            let value = Spot { node: Node::from_json(value), span: 0..0 };
            entries.push(Entry { key: key.clone(), key_span: 0..0, value });
        }
        (None, ..) => {}
    }
}

fn edit(node: &mut Node, path: &[Step], value: Option<&Value>) {
    match (node, path.split_first()) {
        (Node::Table(entries), Some((Step::Key(_), _))) => edit_table(entries, path, value),
        (Node::List(items), Some((Step::Index(at), rest))) => match (items.get_mut(*at), rest.is_empty(), value) {
            (None, ..) => {}
            (Some(_), true, None) => drop(items.remove(*at)),
            (Some(item), true, Some(value)) => item.node = Node::from_json(value),
            (Some(item), false, _) => edit(&mut item.node, rest, value),
        },
        _ => {}
    }
}

impl Node {
    /// `null` and numbers that TOML has not are empty texts.
    fn from_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::Text(String::new()),
            Value::Bool(word) => Self::Boolean(*word),
            Value::String(text) => Self::Text(text.clone()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => Self::Integer(number),
                (None, Some(number)) => Self::Float(number),
                (None, None) => Self::Text(String::new()),
            },
            Value::Array(items) => {
                Self::List(items.iter().map(|item| Spot { node: Self::from_json(item), span: 0..0 }).collect())
            }
            Value::Object(map) => Self::Table(
                map.iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        key_span: 0..0,
                        value: Spot { node: Self::from_json(value), span: 0..0 },
                    })
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::document::Faults;

    #[test]
    fn one_value_changes_and_the_rest_stays() {
        let faults = Faults::new();
        let document = Document::parse("t.toml", "a = 1\n[b]\nc = ['x', 'y']\n[[d]]\ne = 'f'\n", &faults);
        let key = |key: &str| Step::Key(key.to_owned());
        let changed = |path: &[Step], value: Option<Value>| {
            Value::Object(document.with(path, value.as_ref()).root(&faults).all_json())
        };
        let whole = json!({ "a": 1, "b": { "c": ["x", "y"] }, "d": [{ "e": "f" }] });
        assert_eq!(changed(&[], None), whole);
        assert_eq!(changed(&[key("z"), key("z")], Some(json!(1))), whole);
        assert_eq!(changed(&[key("a")], Some(json!(true)))["a"], true);
        assert_eq!(changed(&[key("a")], None).get("a"), None);
        assert_eq!(changed(&[key("b"), key("n")], Some(json!("new")))["b"], json!({ "c": ["x", "y"], "n": "new" }));
        assert_eq!(changed(&[key("b"), key("c"), Step::Index(0)], None)["b"]["c"], json!(["y"]));
        assert_eq!(changed(&[key("d"), Step::Index(0), key("e")], Some(json!(2)))["d"], json!([{ "e": 2 }]));
        assert_eq!(changed(&[key("b"), key("c"), Step::Index(2)], None), whole);
    }
}
