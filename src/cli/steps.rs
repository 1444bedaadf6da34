//! The steps of a decision as people read them: a line for each, and below a failure what it has to say.

use std::io::{self, Write};

use crate::audit::Text;

/// One step. What is empty is not printed.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// `pass`, `skip`, `FAIL`, `ERROR` or `shadow`.
    pub word: &'static str,
    /// Of the check or rule.
    pub id: String,
    /// Where the obligation is written.
    pub clause: String,
    /// The member of the request that a failure is about.
    pub field: String,
    /// What the caller is told.
    pub message: String,
    /// What was looked at.
    pub found: String,
    /// What the caller is advised.
    pub hint: String,
    /// The values that it looked at, a line each.
    pub values: Vec<String>,
}

/// How a step is called; a failure that refuses in capitals.
pub fn word(result: &str, mode: &str) -> &'static str {
    match (result, mode) {
        ("pass", _) => "pass",
        ("skip", _) => "skip",
        (_, "shadow") => "shadow",
        ("fail", _) => "FAIL",
        _ => "ERROR",
    }
}

/// Prints the steps in their order. Nothing in them acts on a terminal.
///
/// # Errors
/// When the output cannot be written to.
pub fn print(out: &mut dyn Write, lines: &[Line]) -> io::Result<()> {
    let width = lines.iter().map(|line| line.id.len()).max().unwrap_or(0);
    for Line { word, id, clause, field, message, found, hint, values } in lines {
        let line = format!("  {word:<8}{id:<width$}  {}", Text::long(clause));
        writeln!(out, "{}", line.trim_end())?;
        for (title, text) in [("", message), ("field: ", field), ("found: ", found), ("hint: ", hint)] {
            if !text.is_empty() {
                writeln!(out, "          {title}{}", Text::long(text))?;
            }
        }
        for value in values {
            writeln!(out, "          | {}", Text::long(value))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_more_than_its_line_and_nothing_acts_on_a_terminal() {
        let good = Line { word: word("pass", ""), id: "certificate.trusted".to_owned(), ..Line::default() };
        let bad = Line {
            word: word("fail", ""),
            id: "ofb.scopes".to_owned(),
            clause: "7.1-9".to_owned(),
            field: "scope".to_owned(),
            message: "too much".to_owned(),
            found: "\u{1b}[2J".to_owned(),
            hint: "drop some".to_owned(),
            values: vec!["metadata.scope = \"a\"".to_owned(), "ssa.roles = \u{9b}".to_owned()],
        };
        let mut out = Vec::new();
        print(&mut out, &[good, bad]).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
          pass    certificate.trusted
          FAIL    ofb.scopes           7.1-9
                  too much
                  field: scope
                  found: \u{1b}[2J
                  hint: drop some
                  | metadata.scope = "a"
                  | ssa.roles = \u{9b}
        "#);
    }

    #[test]
    fn a_shadow_does_not_shout() {
        assert_eq!(
            (word("fail", "shadow"), word("error", "shadow"), word("pass", "shadow")),
            ("shadow", "shadow", "pass")
        );
        assert_eq!((word("error", ""), word("skip", "")), ("ERROR", "skip"));
    }
}
