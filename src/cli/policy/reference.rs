//! `policy reference`: the page that `policies/README.md` is, from the code.
//!
//! What is said once for all stands in `reference.md`, with `{{…}}` where tables are put. Everything that the
//! program knows better than a writer is asked of the program.

use std::fmt::Write as _;
use std::io::Write;

use super::chosen::Chosen;
use crate::cli::{CliError, Status};
use crate::policy::cel::{FACTS, FUNCTIONS, LIMITS, MACROS, OPERATORS, Word};
use crate::policy::lint::LINTS;
use crate::policy::packs;
use crate::policy::reference::described;

const PAGE: &str = include_str!("reference.md");

/// Prints the page.
///
/// # Errors
/// When the output cannot be written to.
pub fn reference(out: &mut dyn Write) -> Result<Status, CliError> {
    out.write_all(page()?.as_bytes())?;
    Ok(Status::Good)
}

/// The whole page.
///
/// # Errors
/// When a pack does not compile, which a test sees.
pub fn page() -> Result<String, CliError> {
    let mut page = PAGE.to_owned();
    for (mark, table) in [
        ("{{packs}}", pack_table()?),
        ("{{checks}}", check_tables()),
        ("{{facts}}", words("fact", "type", FACTS)),
        ("{{functions}}", function_table()),
        ("{{macros}}", words("macro", "gives", MACROS)),
        ("{{operators}}", words("operator", "gives", OPERATORS)),
        ("{{limits}}", limits()),
        ("{{lints}}", lints()),
    ] {
        page = page.replace(mark, table.trim_end());
    }
    Ok(page)
}

fn row(table: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    let _ = writeln!(table, "| {} |", cells.join(" | "));
}

fn table(titles: &[&str]) -> String {
    let mut table = String::new();
    row(&mut table, titles);
    let _ = writeln!(table, "|{}", "---|".repeat(titles.len()));
    table
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn pack_table() -> Result<String, CliError> {
    let mut table = table(&["file", "version", "what it holds", "builds on"]);
    for (file, _) in packs::PACKS {
        let (policy, effective) = Chosen::pack(file)?.effective(&serde_json::Map::new())?;
        let extends: Vec<String> = effective.files.iter().skip(1).map(|file| code(file)).collect();
        row(
            &mut table,
            &[&code(file), policy.version(), &format!("{}: {}", policy.title(), policy.spec()), &extends.join(", ")],
        );
    }
    Ok(table)
}

fn check_tables() -> String {
    let mut text = String::new();
    let mut was_gate = None;
    for described in described() {
        let about = described.about;
        if was_gate != Some(described.is_gate) {
            was_gate = Some(described.is_gate);
            text += if described.is_gate {
                "### Gates: steps before the policy, always enforced\n\n"
            } else {
                "### Checks\n\n"
            };
        }
        let operations: Vec<&str> = about.operations.iter().map(|operation| operation.as_str()).collect();
        let field = about.field.map_or_else(String::new, |field| format!(", about `{field}`"));
        let clause = if about.clause.is_empty() { String::new() } else { format!(" ({})", about.clause) };
        let _ = writeln!(
            text,
            "#### `{}`\n\n{}{clause}. Refuses with `{}`{field}; on {}.\n",
            about.id,
            sentence(about.summary),
            about.error,
            operations.join(", ")
        );
        if !described.settings.is_empty() {
            let mut settings = table(&["setting", "type", "default", "meaning"]);
            for setting in &described.settings {
                row(&mut settings, &[&code(setting.name), &setting.kind, &setting.default, &setting.meaning]);
            }
            let _ = writeln!(text, "{settings}");
        }
        for fault in about.faults {
            let _ = writeln!(text, "- {}: *{}*", fault.message, fault.hint);
        }
        text.push('\n');
    }
    text
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn words(title: &str, kind: &str, words: &[Word]) -> String {
    let mut table = table(&[title, kind, "what it is"]);
    for word in words {
        row(&mut table, &[&code(word.name), word.kind, word.summary]);
    }
    table
}

fn function_table() -> String {
    let mut table = table(&["function", "gives"]);
    for function in FUNCTIONS {
        row(&mut table, &[&code(function.usage), function.summary]);
    }
    table
}

fn limits() -> String {
    LIMITS.iter().fold(String::new(), |mut list, limit| {
        let _ = writeln!(list, "- {} {}", limit.number, limit.of);
        list
    })
}

fn lints() -> String {
    let mut table = table(&["id", "what is found", "what to do"]);
    for lint in LINTS {
        row(&mut table, &[&code(lint.id), lint.sentence, lint.hint]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_repository_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/policies/README.md");
        let page = page().unwrap();
        assert!(!page.contains("{{") && !page.contains("}}"), "a mark without a table");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap();
        assert!(
            there == page,
            "policies/README.md is out of date: BLESS=1 cargo test --lib the_page_of_the_repository"
        );
    }
}
