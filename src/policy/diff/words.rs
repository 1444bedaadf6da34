//! The sentences.

use serde_json::Value;

use super::super::effective::Table;
use super::super::reference::{Described, described};
use crate::checks::full_quota;
use crate::model::time;

/// The check whose settings decide with what it refuses.
const QUOTA: &str = "registration.quota";

/// A value as it is read aloud.
pub(super) fn said(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => format!("`{}`", text.split_whitespace().collect::<Vec<_>>().join(" ")),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => list(items.iter().filter_map(Value::as_str)),
        Some(other) => other.to_string(),
    }
}

/// `a`, `b` and `c`.
pub(super) fn list<'t>(items: impl Iterator<Item = &'t str>) -> String {
    let items: Vec<String> =
        items.map(|item| if item.is_empty() { "(empty)".to_owned() } else { item.to_owned() }).collect();
    match items.split_last() {
        None => "nothing".to_owned(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// What an id names.
pub(super) fn kind(id: &str, is_rule: bool) -> &'static str {
    match described().iter().find(|described| described.about.id == id) {
        _ if is_rule => "rule",
        Some(Described { is_gate: true, .. }) => "step",
        _ => "check",
    }
}

/// With which code a check or rule refuses, and what for.
pub(super) fn refusal(id: &str, table: &Table) -> String {
    let all = described();
    let about = all.iter().map(|described| described.about).find(|about| about.id == id);
    let (error, fault) = if id == QUOTA {
        let (error, fault) = full_quota(table.entry("window").is_some());
        (Some(error), Some(fault))
    } else {
        (about.map(|about| about.error.clone()), about.and_then(|about| about.faults.first().copied()))
    };
    let error = table.text("error").map(str::to_owned).or_else(|| error.map(|error| error.to_string()));
    let message = table.text("message").or(fault.map(|fault| fault.message));
    format!("refuses with {}: {}", error.unwrap_or_default(), message.unwrap_or_default())
}

/// What another word at `mode` comes to; `is_own`: there is still one, so that no other word holds.
pub(super) fn of_mode(name: &str, [was, is]: [&str; 2], is_own: bool) -> String {
    let said = |mode: &str| if mode == "shadow" { "only recorded" } else { "enforced" };
    if was != is {
        return format!("{name} is now {}, no longer {}", said(is), said(was));
    }
    let by = if is_own { "now says so itself" } else { "no longer says so itself" };
    format!("{name} is {} as before, and {by}", said(is))
}

/// What a check or rule was there for.
pub(super) fn purpose(id: &str, table: &Table) -> String {
    let all = described();
    let about = all.iter().map(|described| described.about).find(|about| about.id == id);
    table.text("message").or(about.map(|about| about.summary)).unwrap_or_default().to_owned()
}

/// A setting of a check or gate.
pub(super) fn of_setting(id: &str, key: &str, was: Option<&Value>, is: Option<&Value>) -> String {
    let all = described();
    let setting = all
        .iter()
        .filter(|described| described.about.id == id)
        .flat_map(|described| &described.settings)
        .find(|setting| setting.name == key);
    let default = setting.map_or("none", |setting| setting.default.as_str());
    let meaning = setting.map_or_else(String::new, |setting| format!(" ({})", setting.meaning));
    let name = format!("`{key}` of {id}{meaning}");
    if let (Some(Value::Array(was)), Some(Value::Array(is))) = (was, is) {
        return of_list(&name, was, is);
    }
    let value = |value: Option<&Value>| match value {
        None => format!("its default ({default})"),
        Some(Value::String(text)) => text.clone(),
        some => said(some),
    };
    let default = Value::from(default);
    let meant = |value: Option<&Value>| amount(value.unwrap_or(&default));
    let effect = match (meant(was), meant(is)) {
        (Some(before), Some(after)) if before != after => effect(id, key, after > before),
        _ => required(key, was, is),
    };
    format!("{name} goes from {} to {}{effect}", value(was), value(is))
}

/// A number, or the milliseconds of a duration.
fn amount(value: &Value) -> Option<u128> {
    let text = value.as_str();
    value
        .as_u64()
        .map(u128::from)
        .or_else(|| text.and_then(time::duration).map(|length| length.as_millis()))
        .or_else(|| text?.parse().ok())
}

/// What a larger or smaller number does, where it is certain.
fn effect(id: &str, key: &str, grows: bool) -> &'static str {
    match (id, key, grows) {
        ("statement.age", "max_age", true) => ": older statements are now accepted",
        ("statement.age", "max_age", false) => ": statements that were accepted are now too old",
        ("request.claims", "max_age" | "max_lifetime", true) => ": older requests are now accepted",
        ("request.claims", "max_age" | "max_lifetime", false) => ": requests that were accepted are now too old",
        (_, "skew", true) => ": clocks may differ more",
        (_, "skew", false) => ": clocks may differ less",
        (QUOTA, "limit" | "in_all", true) => ": more registrations are now accepted",
        (QUOTA, "limit" | "in_all", false) => ": fewer registrations are now accepted",
        (_, key, grows) if key.starts_with("max_") => {
            if grows {
                ": more is now accepted"
            } else {
                ": less is now accepted"
            }
        }
        (_, key, grows) if key.starts_with("min_") => {
            if grows {
                ": less is now accepted"
            } else {
                ": more is now accepted"
            }
        }
        _ => "",
    }
}

/// What becomes of something that had to be there.
fn required(key: &str, was: Option<&Value>, is: Option<&Value>) -> &'static str {
    let is_demand = key == "required" || key.starts_with("require_");
    match (was.and_then(Value::as_bool), is.and_then(Value::as_bool)) {
        (_, Some(false)) if is_demand => ": it may now be left out",
        (_, Some(true)) if is_demand => ": it has to be there now",
        _ => "",
    }
}

fn of_list(name: &str, was: &[Value], is: &[Value]) -> String {
    let without = |these: &[Value], those: &[Value]| -> Vec<Value> {
        these.iter().filter(|item| !those.contains(item)).cloned().collect()
    };
    let (more, less) = (without(is, was), without(was, is));
    match (more.is_empty(), less.is_empty()) {
        (true, true) => format!("{name} has the same entries in another order"),
        (false, true) => format!("{name} also has {}", said(Some(&more.into()))),
        (true, false) => format!("{name} no longer has {}", said(Some(&less.into()))),
        (false, false) => {
            format!("{name} also has {}, and no longer {}", said(Some(&more.into())), said(Some(&less.into())))
        }
    }
}

/// An entry of any other table.
pub(super) fn of_table<'v>(table: &str, key: &str, was: Option<&'v Value>, is: Option<&'v Value>) -> String {
    let goes = |name: String| match (was, is) {
        (Some(Value::Array(was)), Some(Value::Array(is))) => of_list(&name, was, is),
        (None, _) => format!("{name} is new: {}", said(is)),
        (_, None) => format!("{name} is gone; it was {}", said(was)),
        _ => format!("{name} goes from {} to {}", said(was), said(is)),
    };
    match (table, key) {
        ("", "mode") => {
            let mode = |value: Option<&'v Value>| value.and_then(Value::as_str).unwrap_or("enforce");
            of_mode("the policy as a whole", [mode(was), mode(is)], is.is_some())
        }
        ("", "claims") => goes("the list of claims that rules may name".to_owned()),
        ("", _) => goes(format!("the policy's {key}")),
        ("params", _) => goes(format!("the parameter {key}")),
        ("let", _) => goes(format!("the named expression {key}")),
        ("forward.from_statement", _) => match is {
            Some(claim) => format!("{key} is now taken from the claim {} of the statement", said(Some(claim))),
            None => format!("{key} is no longer taken from the statement: what the client asks for is forwarded"),
        },
        ("forward.defaults", _) => goes(format!("what is forwarded as {key} where a client says nothing")),
        ("forward.derived", _) => goes(format!("how {key} is computed where a client says nothing")),
        ("forward.replaced", _) => match is {
            Some(code) => format!("{key} is now computed whatever a client asks for: {}", said(Some(code))),
            None => format!("{key} is no longer computed: what the client asks for is forwarded"),
        },
        ("forward", "drop") => goes("the list of members that are never forwarded".to_owned()),
        ("forward", "unknown") => match is.and_then(Value::as_str) {
            Some("keep") => "members that are no client metadata are now forwarded".to_owned(),
            _ => "members that are no client metadata are no longer forwarded".to_owned(),
        },
        ("forward", "request") => match is.and_then(Value::as_str) {
            Some("drop") => "members of the request are no longer forwarded".to_owned(),
            _ => "members of the request are now forwarded".to_owned(),
        },
        ("aliases.request", _) => goes(format!("the spelling {key} of a member")),
        ("aliases.statement", _) => goes(format!("the spelling {key} of a claim")),
        ("subject" | "subject.derived", _) => goes(format!("what the record takes for the {key} that asks")),
        _ => goes(format!("`{key}` of [{table}]")),
    }
}
