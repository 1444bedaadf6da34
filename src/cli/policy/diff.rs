//! `policy diff`: what changes from one policy to another, and for whom.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::chosen::{Chosen, Options};
use crate::audit::Text;
use crate::cli::problems::{self, Style, counted};
use crate::cli::{CliError, Output, Status, read_text};
use crate::model::document::Faults;
use crate::policy::cases::{Answer, Suite};

/// `policy diff`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The policy as it was: a file, or the name of one that comes with dcrgate.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policy as it is to be.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Cases to judge by both; without it those of NEW, or else of OLD.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate policy diff policies/mine.toml mine-next.toml
  dcrgate policy diff open-finance-brasil policies/my-bank.toml --output json

Exit status: 0 both say the same, 1 they differ.";

/// A case that comes out differently.
struct Turned {
    name: String,
    old: String,
    new: String,
}

/// Compares; [`Status::Bad`] when something differs.
///
/// # Errors
/// A policy or cases that cannot be used, parameters that are none.
pub fn diff(arguments: &Arguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let params = arguments.options.parameters()?;
    let (old, new) = (Chosen::find(&arguments.old)?, Chosen::find(&arguments.new)?);
    let ((old_policy, old_says), (new_policy, new_says)) = (old.effective(&params)?, new.effective(&params)?);
    let changes = crate::policy::diff::diff(&old_says, &new_says);
    let turned = match suite(arguments.cases.as_deref(), &old, &new)? {
        Some(suite) => turned(&suite, &params, &old, &new),
        None => Vec::new(),
    };
    let is_equal = changes.is_empty() && turned.is_empty();
    match arguments.options.output {
        Output::Json => {
            let changes = changes.iter().map(|change| {
                json!({
                    "about": change.about, "key": change.key, "sentence": change.sentence,
                    "old": change.old, "new": change.new,
                })
            });
            let turned = turned.iter().map(|case| json!({ "name": case.name, "old": case.old, "new": case.new }));
            let told = json!({
                "old": { "id": old_policy.id(), "version": old_policy.version(), "effective_sha256": old_says.digest() },
                "new": { "id": new_policy.id(), "version": new_policy.version(), "effective_sha256": new_says.digest() },
                "equal": is_equal,
                "changes": changes.collect::<Value>(),
                "cases": turned.collect::<Value>(),
            });
            writeln!(out, "{told:#}")?;
        }
        Output::Text if is_equal => writeln!(out, "{old_policy} and {new_policy} say the same")?,
        Output::Text => {
            writeln!(out, "From {old_policy} to {new_policy}: {}\n", counted(changes.len(), "change", "changes"))?;
            for change in &changes {
                writeln!(out, "- {}", Text::long(&change.sentence))?;
            }
            if !turned.is_empty() {
                writeln!(out, "\n{} differently:\n", counted(turned.len(), "case comes out", "cases come out"))?;
                for Turned { name, old, new } in &turned {
                    writeln!(out, "- {}\n    was {old}, is {new}", Text::long(name))?;
                }
            }
        }
    }
    Ok(if is_equal { Status::Good } else { Status::Bad })
}

fn suite(given: Option<&Path>, old: &Chosen, new: &Chosen) -> Result<Option<Suite>, CliError> {
    let found = match given {
        Some(path) => Some((path.display().to_string(), read_text(path)?)),
        None => match new.cases()? {
            None => old.cases()?,
            cases => cases,
        },
    };
    let Some((name, text)) = found else { return Ok(None) };
    let faults = Faults::new();
    let suite = Suite::read(&name, &text, &faults);
    let shown = || problems::text(&faults.into_problems(), Style::Plain);
    suite.map(Some).ok_or_else(|| CliError::Usage(format!("the cases cannot be used\n{}", shown().trim_end())))
}

/// The cases of which verdict or code differ.
fn turned(suite: &Suite, params: &Map<String, Value>, old: &Chosen, new: &Chosen) -> Vec<Turned> {
    let judge = |chosen: &Chosen| {
        let results = suite.run(&|own| {
            // A case's own parameters over the deployment's.
            let all = params.iter().chain(own).map(|(name, value)| (name.clone(), value.clone())).collect();
            chosen.compile_with(&all, &Faults::new())
        });
        results.cases.into_iter().map(|case| {
            let verdict = match &case.answer {
                Answer::Refused(first) => format!("refused with {} by {}", first.error, first.id),
                Answer::Unusable => "not judged: the policy cannot be used with its parameters".to_owned(),
                Answer::Admitted => "admitted".to_owned(),
            };
            let error = case.first().map(|first| first.error.clone());
            (case.name, verdict, error)
        })
    };
    let both = judge(old).zip(judge(new)).filter(|((_, old, old_error), (_, new, new_error))| {
        // Another rule with the same code is the same answer.
        old_error != new_error || old_error.is_none() && old != new
    });
    both.map(|((name, old, _), (_, new, _))| Turned { name, old, new }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "id = 'p'\nversion = '1'\ntitle = 't'\nspec = 's'\n[checks.statement.signature]\nalgorithms = ['PS256']\n\
        [checks.statement.age]\nmax_age = '5m'\n";
    const CASES: &str = "[defaults]\nnow = '2026-11-24T12:00:00Z'\ncertificate = { subject = 'CN=a' }\n\
        statement = { iat = 1795521200 }\n[[case]]\nname = 'six minutes old'\nexpect = 'reject'\n\
        [[case]]\nname = 'new'\nstatement = { iat = 1795521590 }\nexpect = 'accept'\n";

    fn run(new: &str, output: Output) -> (Status, String) {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(home.path().join(name), text).unwrap();
            home.path().join(name)
        };
        write("old.cases.toml", CASES);
        let (old, new) = (write("old.toml", OLD), write("new.toml", new));
        let mut out = Vec::new();
        let status =
            diff(&Arguments { old, new, cases: None, options: Options { output, ..Options::default() } }, &mut out)
                .unwrap();
        (status, String::from_utf8(out).unwrap())
    }

    #[test]
    fn changes_and_cases_are_told() {
        let new = OLD.replace("5m", "10m").replace("version = '1'", "version = '2'");
        let (status, text) = run(&new, Output::Text);
        insta::assert_snapshot!(text, @"
        From p 1 to p 2: 2 changes

        - the policy's version goes from `1` to `2`
        - `max_age` of statement.age (longest time since iat) goes from 5m to 10m: older statements are now accepted

        1 case comes out differently:

        - six minutes old
            was refused with invalid_software_statement by statement.age, is admitted
        ");
        assert_eq!(status, Status::Bad);
        let told: Value = serde_json::from_str(&run(&new, Output::Json).1).unwrap();
        assert_eq!((&told["equal"], &told["cases"][0]["new"]), (&json!(false), &json!("admitted")));
        assert_eq!((&told["changes"][1]["old"], &told["changes"][1]["new"]), (&json!("5m"), &json!("10m")));
    }

    #[test]
    fn a_case_whose_parameters_do_not_fit_is_not_judged() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(home.path().join(name), text).unwrap();
            home.path().join(name)
        };
        write("old.cases.toml", &format!("{CASES}[[case]]\nname = 'other'\nparams = {{ x = 2 }}\nexpect = 'reject'\n"));
        let (old, new) = (write("old.toml", OLD), write("new.toml", &format!("{OLD}[params]\nx = 1\n")));
        let mut out = Vec::new();
        diff(&Arguments { old, new, cases: None, options: Options::default() }, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let wanted = "- other\n    was not judged: the policy cannot be used with its parameters, \
                      is refused with invalid_software_statement by statement.age\n";
        assert!(text.ends_with(wanted), "{text}");
    }

    #[test]
    fn the_same_in_other_words_is_equal() {
        let (status, text) = run(&format!("# a word\n{OLD}"), Output::Text);
        assert_eq!((status, text.as_str()), (Status::Good, "p 1 and p 1 say the same\n"));
    }
}
