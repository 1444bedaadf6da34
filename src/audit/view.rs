//! One decision as its readers see it: its entries put together again.

use serde_json::{Map, Value, json};

use crate::store::{Decision, StoredEntry};

/// The record of a decision: the members of its opening, then those of its end, and where both stand in the chain.
pub fn join(decision: &Decision) -> Map<String, Value> {
    let mut joined = decision.opened.as_ref().map(members).unwrap_or_default();
    if let Some(ended) = &decision.ended {
        for (name, value) in members(ended) {
            // The time of a decision is that of its opening.
            let name = if name == "time" && decision.opened.is_some() { "ended".to_owned() } else { name };
            joined.insert(name, value);
        }
    }
    joined.insert("outcome".to_owned(), Value::from(decision.outcome()));
    let entries: Vec<Value> = decision.opened.iter().chain(&decision.ended).map(place).collect();
    joined.insert("entries".to_owned(), Value::Array(entries));
    joined
}

/// A member by its path, such as `response.error`; empty where there is none.
pub fn text<'a>(record: &'a Map<String, Value>, path: &str) -> &'a str {
    let mut names = path.split('.');
    let first = names.next().and_then(|name| record.get(name));
    names.fold(first, |value, name| value.and_then(|value| value.get(name))).and_then(Value::as_str).unwrap_or_default()
}

/// The steps of a decision.
pub fn checks(record: &Map<String, Value>) -> &[Value] {
    record.get("checks").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The ids of the steps that refused, in order.
pub fn refusing(record: &Map<String, Value>) -> Vec<&str> {
    checks(record)
        .iter()
        .filter(|check| {
            matches!(check.get("result").and_then(Value::as_str), Some("fail" | "error")) && check.get("mode").is_none()
        })
        .filter_map(|check| check.get("id").and_then(Value::as_str))
        .collect()
}

fn members(entry: &StoredEntry) -> Map<String, Value> {
    serde_json::from_slice(&entry.body).unwrap_or_default()
}

fn place(entry: &StoredEntry) -> Value {
    json!({
        "writer": entry.writer, "seq": entry.seq, "kind": entry.kind, "time": entry.time,
        "previous": entry.previous, "hash": entry.hash,
    })
}
