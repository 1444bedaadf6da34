//! Values as TOML text: what `policy show` and `policy new` write.

use serde_json::Value;

/// A key, quoted where it has to be.
pub(super) fn key(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !key.is_empty() && key.bytes().all(is_bare) { key.to_owned() } else { text(key) }
}

/// A dotted path of keys that are words, such as `checks.statement.age`.
pub(super) fn path(path: &str) -> String {
    path.split('.').map(key).collect::<Vec<_>>().join(".")
}

/// A value on one line, but for a text of several. `None` where it holds null, which TOML does not have.
pub(super) fn value(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(word) => word.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(lines) if lines.contains('\n') => multi_line(lines),
        Value::String(line) => text(line),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(self::value).collect();
            format!("[{}]", items?.join(", "))
        }
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let entries = map.iter().map(|(name, value)| Some(format!("{} = {}", key(name), self::value(value)?)));
            format!("{{ {} }}", entries.collect::<Option<Vec<_>>>()?.join(", "))
        }
    })
}

/// A basic string: as JSON has it, but for DEL, which TOML wants escaped.
fn text(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A newline after the opening quotes does not count.
fn multi_line(text: &str) -> String {
    let mut lines = String::from("\"\"\"\n");
    for character in text.chars() {
        match character {
            '\\' | '"' => lines.extend(['\\', character]),
            '\n' | '\t' => lines.push(character),
            control if control.is_control() => lines.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => lines.push(other),
        }
    }
    lines + "\"\"\""
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::document::{Document, Faults};

    #[test]
    fn what_is_written_is_read_again() {
        for wanted in [
            json!("plain"),
            json!("a \"b\" \\d+ \u{7f} \u{1} é"),
            json!("\nsize(x) > 0\n\t&& x.matches('\\\\d') || \"\"\"q\r"),
            json!([1, 2.5, true, [], {}]),
            json!({ "a b": { "cel": "x" }, "é": ["\u{9}"], "": 1 }),
        ] {
            let text = format!("x = {}\n", value(&wanted).unwrap());
            let faults = Faults::new();
            let document = Document::parse("t", text.as_str(), &faults);
            let read = document.root(&faults).json("x").map(|found| found.value);
            assert_eq!(read, Some(wanted), "{text}");
        }
        assert_eq!(value(&json!([null])), None);
        assert_eq!((path("checks.a-b.c"), key("é")), ("checks.a-b.c".to_owned(), "\"é\"".to_owned()));
    }
}
