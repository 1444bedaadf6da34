//! `policy functions`: what a rule may be written with.

use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::{CliError, Output, Status};
use crate::model::metadata::MEMBERS;
use crate::policy::cel::{FACTS, FUNCTIONS, LIMITS, MACROS, OPERATORS, Word, type_of};

/// `policy functions`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Only what has this in its name or description.
    #[arg(value_name = "WORD")]
    word: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate policy functions
  dcrgate policy functions subject";

/// One list of the language.
struct Chapter {
    key: &'static str,
    title: &'static str,
    entries: Vec<Entry>,
}

struct Entry {
    name: String,
    kind: String,
    summary: String,
}

impl Entry {
    fn of(word: &Word) -> Self {
        Self { name: word.name.to_owned(), kind: word.kind.to_owned(), summary: word.summary.to_owned() }
    }

    fn has(&self, word: &str) -> bool {
        [&self.name, &self.kind, &self.summary].iter().any(|text| text.to_lowercase().contains(word))
    }
}

/// Prints the language.
///
/// # Errors
/// When the output cannot be written to.
pub fn functions(arguments: &Arguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let word = arguments.word.as_deref().unwrap_or_default().to_lowercase();
    let mut chapters = chapters();
    for chapter in &mut chapters {
        chapter.entries.retain(|entry| entry.has(&word));
    }
    match arguments.output {
        Output::Json => {
            let chapters = chapters.iter().map(|chapter| {
                let entries = chapter.entries.iter();
                let entries: Value = entries
                    .map(|entry| json!({ "name": entry.name, "type": entry.kind, "summary": entry.summary }))
                    .collect();
                (chapter.key.to_owned(), entries)
            });
            writeln!(out, "{:#}", Value::Object(chapters.collect()))?;
        }
        Output::Text => {
            chapters.retain(|chapter| !chapter.entries.is_empty());
            if chapters.is_empty() {
                writeln!(out, "nothing of that name: `dcrgate policy functions` lists all")?;
                return Ok(Status::Bad);
            }
            for (index, chapter) in chapters.iter().enumerate() {
                writeln!(out, "{}{}", if index == 0 { "" } else { "\n" }, chapter.title)?;
                for Entry { name, kind, summary } in &chapter.entries {
                    let kind = if kind.is_empty() { String::new() } else { format!("{kind}: ") };
                    // A long name has a line of its own, so that the others stay in their column.
                    let gap = if name.len() > 28 { format!("\n  {:28}", "") } else { String::new() };
                    writeln!(out, "  {name:<28}{gap}  {}", format!("{kind}{summary}").trim_end_matches(": "))?;
                }
            }
        }
    }
    Ok(Status::Good)
}

fn chapters() -> Vec<Chapter> {
    let words = |words: &[Word]| words.iter().map(Entry::of).collect();
    let functions = FUNCTIONS.iter().map(|function| Entry {
        name: function.usage.to_owned(),
        kind: String::new(),
        summary: function.summary.to_owned(),
    });
    let limits = LIMITS.iter().map(|limit| Entry {
        name: limit.number.to_string(),
        kind: String::new(),
        summary: limit.of.to_owned(),
    });
    let members = MEMBERS.iter().map(|member| Entry {
        name: format!("request.{}", member.name),
        kind: type_of(member.kind).to_owned(),
        summary: String::new(),
    });
    let chapter = |key, title, entries| Chapter { key, title, entries };
    vec![
        chapter("facts", "Facts", words(FACTS)),
        chapter("functions", "Functions", functions.collect()),
        chapter("macros", "Macros", words(MACROS)),
        chapter("operators", "Operators, strongest first", words(OPERATORS)),
        chapter("limits", "Limits", limits.collect()),
        chapter("members", "Client metadata, the same below `metadata`", members.collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(word: Option<&str>, output: Output) -> (Status, String) {
        let mut out = Vec::new();
        let status = functions(&Arguments { word: word.map(str::to_owned), output }, &mut out).unwrap();
        (status, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_word_finds_what_is_about_it() {
        let (status, text) = run(Some("thumbprint"), Output::Text);
        insta::assert_snapshot!(text, @"
        Facts
          cert.thumbprint               text: SHA-256 of the certificate in base64url (x5t#S256)
        ");
        assert_eq!(status, Status::Good);
        assert_eq!(run(Some("zzz"), Output::Text).0, Status::Bad);
    }

    #[test]
    fn programs_get_every_list() {
        let (_, text) = run(None, Output::Json);
        let all: Value = serde_json::from_str(&text).unwrap();
        for key in ["facts", "functions", "macros", "operators", "limits", "members"] {
            assert!(all[key].as_array().is_some_and(|entries| entries.len() > 4), "{key}");
        }
        assert_eq!(all["facts"][0]["name"], "request");
        let scope = json!({ "name": "request.redirect_uris", "type": "list of texts, addresses", "summary": "" });
        assert!(all["members"].as_array().unwrap().contains(&scope), "{text}");
    }
}
