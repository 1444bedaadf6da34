//! The values that a rule looked at, short enough to be read.

use serde_json::{Value, json};

use crate::audit::Text;
use crate::policy::LookedAt;

/// One line for each thing that a rule looked at.
pub(super) fn lines(looked: &LookedAt) -> Vec<String> {
    let each = looked.values.iter().map(|looked| {
        let value = looked.value.as_ref().map_or_else(|| "(none)".to_owned(), brief);
        format!("{} = {value}", looked.path)
    });
    each.chain((looked.more > 0).then(|| format!("and {} more", looked.more))).collect()
}

/// The same for programs: values are text, as they are printed.
pub(super) fn as_json(looked: &LookedAt) -> Value {
    let each =
        looked.values.iter().map(|looked| json!({ "path": looked.path, "value": looked.value.as_ref().map(brief) }));
    each.collect()
}

/// A value as JSON on one line, at most 120 characters of it, with nothing that acts on a terminal.
pub(super) fn brief(value: &Value) -> String {
    let text = value.to_string();
    let short: String = text.chars().take(LONGEST).collect();
    // Cut first: what a character is shown as may be longer than itself.
    let shown = short.chars().map(|character| Text::new(character.encode_utf8(&mut [0; 4])).to_string());
    let shown: String = shown.collect();
    if short.len() < text.len() { format!("{shown}\u{2026}") } else { shown }
}

/// A line of a terminal and a half.
const LONGEST: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Looked;

    #[test]
    fn values_are_short_and_act_on_nothing() {
        let looked = |path: &str, value| Looked { path: path.to_owned(), value };
        let all = LookedAt {
            values: vec![
                looked("request.scope", Some(json!("a\u{202e}b\u{9b}c\nd"))),
                looked("ssa.roles", Some(json!(["DADOS", "PAGTO"]))),
                looked("request['x']", None),
                looked("metadata.client_name", Some(json!("\u{e9}".repeat(119)))),
                looked("metadata.client_uri", Some(json!("\u{e9}".repeat(118)))),
            ],
            more: 2,
        };
        assert_eq!(
            lines(&all),
            [
                "request.scope = \"a\\u{202e}b\\u{9b}c\\nd\"".to_owned(),
                "ssa.roles = [\"DADOS\",\"PAGTO\"]".to_owned(),
                "request['x'] = (none)".to_owned(),
                format!("metadata.client_name = \"{}\u{2026}", "\u{e9}".repeat(119)),
                format!("metadata.client_uri = \"{}\"", "\u{e9}".repeat(118)),
                "and 2 more".to_owned(),
            ]
        );
        assert_eq!(as_json(&all)[2], json!({ "path": "request['x']", "value": null }));
    }
}
