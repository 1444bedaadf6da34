//! Mutants of a value: an entry less, one unit more or less, another word.

use serde_json::Value;

use crate::model::document::Step;
use crate::model::time;

/// A value that differs in one point, by the way to it; `None`: it is gone.
pub(super) struct Changed {
    pub(super) name: String,
    pub(super) path: Vec<Step>,
    pub(super) value: Option<Value>,
    pub(super) kind: Kind,
}

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An entry of a list is gone.
    Entry,
    /// A number or duration is a unit more or less.
    Limit,
    /// A word is another.
    Word,
}

/// Every mutant of a value: of tables and lists, those of what is inside.
pub(super) fn mutants(value: &Value) -> Vec<Changed> {
    let changed = |name: String, value: Value, kind| Changed { name, path: Vec::new(), value: Some(value), kind };
    match value {
        Value::Null => Vec::new(),
        Value::Bool(word) => vec![changed(format!("{}", !word), Value::from(!word), Kind::Word)],
        Value::Number(number) => number
            .as_i64()
            .into_iter()
            .flat_map(|number| [number.saturating_add(1), number.saturating_sub(1)])
            .map(|number| changed(number.to_string(), Value::from(number), Kind::Limit))
            .collect(),
        Value::String(text) => match time::duration(text).map(|length| length.as_secs()) {
            Some(seconds) => [seconds.saturating_add(1), seconds.saturating_sub(1)]
                .map(|seconds| format!("{seconds}s"))
                .map(|text| changed(text.clone(), Value::from(text), Kind::Limit))
                .into(),
            None => vec![changed("another text".to_owned(), Value::from(format!("{text}-other")), Kind::Word)],
        },
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let item = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                let path = vec![Step::Index(index)];
                Changed { name: format!("without entry {item}"), path, value: None, kind: Kind::Entry }
            })
            .collect(),
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| {
                mutants(value).into_iter().map(move |mut inner| {
                    inner.path.insert(0, Step::Key(key.clone()));
                    inner.name = format!("{key}: {}", inner.name);
                    inner
                })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_point_at_a_time() {
        let names = |value: Value| mutants(&value).into_iter().map(|changed| changed.name).collect::<Vec<_>>();
        assert_eq!(names(json!(true)), ["false"]);
        assert_eq!(names(json!(7)), ["8", "6"]);
        assert_eq!(names(json!("5m")), ["301s", "299s"]);
        assert_eq!(names(json!("word")), ["another text"]);
        assert_eq!(names(json!({ "r": ["a", 2] })), ["r: without entry a", "r: without entry 2"]);
        assert_eq!(names(json!([])), [""; 0]);
    }
}
