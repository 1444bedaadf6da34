//! `policy list`: the policies that come with dcrgate, and those of a folder.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::chosen::Chosen;
use crate::audit::Text;
use crate::checks::ALL;
use crate::cli::problems::counted;
use crate::cli::{CliError, Output, Status};
use crate::model::document::{Document, Faults};
use crate::policy::cases::Suite;
use crate::policy::packs;

/// `policy list`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A folder whose policy files are listed too.
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate policy list
  dcrgate policy list policies

Exit status: 0 all can be used, 1 a file has faults.";

/// What is told of one policy.
struct Row {
    name: String,
    built_in: bool,
    /// `None` for a file with faults.
    about: Option<About>,
}

struct About {
    id: String,
    version: String,
    title: String,
    spec: String,
    checks: usize,
    rules: usize,
    cases: Option<usize>,
    extends: Vec<String>,
}

/// Lists policies; [`Status::Bad`] when a file of the folder cannot be used.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn list(arguments: &Arguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let mut rows = Vec::new();
    for (file, _) in packs::PACKS {
        rows.push(row(&Chosen::pack(file)?)?);
    }
    if let Some(folder) = &arguments.folder {
        for path in files(folder)? {
            rows.push(row(&Chosen::find(&path)?)?);
        }
    }
    match arguments.output {
        Output::Text => rows.iter().try_for_each(|row| row.print(out))?,
        Output::Json => writeln!(out, "{:#}", rows.iter().map(Row::json).collect::<Value>())?,
    }
    Ok(if rows.iter().all(|row| row.about.is_some()) { Status::Good } else { Status::Bad })
}

/// The policy files of a folder, by name. What has none of the words of a policy is another's file.
fn files(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let unable = |error| CliError::Unable(format!("cannot read {}: {error}", folder.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unable)? {
        let path = entry.map_err(unable)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".toml") && !name.ends_with(".cases.toml") && is_policy(&path)? {
            files.push(path);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn is_policy(path: &Path) -> Result<bool, CliError> {
    let faults = Faults::new();
    let document = Document::parse("", crate::cli::read_text(path)?, &faults);
    let root = document.root(&faults);
    Ok(["extends", "checks", "rule", "spec"].iter().any(|key| root.has(key)))
}

fn row(chosen: &Chosen) -> Result<Row, CliError> {
    let (name, built_in) = (chosen.name.clone(), chosen.path.is_none());
    let Ok((policy, effective)) = chosen.effective(&Map::new()) else {
        return Ok(Row { name, built_in, about: None });
    };
    let checks = policy.rules().filter(|rule| ALL.iter().any(|check| check.about().id == &*rule.id)).count();
    let cases = chosen.cases()?.and_then(|(name, text)| Suite::read(&name, &text, &Faults::new()));
    Ok(Row {
        name,
        built_in,
        about: Some(About {
            id: policy.id().to_string(),
            version: policy.version().to_string(),
            title: policy.title().to_string(),
            spec: policy.spec().to_string(),
            checks,
            rules: policy.rules().count() - checks,
            cases: cases.map(|suite| suite.len()),
            extends: effective.files.into_iter().skip(1).collect(),
        }),
    })
}

impl Row {
    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Some(about) = &self.about else {
            let name = &self.name;
            return writeln!(out, "{name}\n    cannot be used: `dcrgate policy show {name}` tells why");
        };
        let from = if self.built_in { "built in".to_owned() } else { self.name.clone() };
        let extends =
            if about.extends.is_empty() { String::new() } else { format!(", extends {}", about.extends.join(", ")) };
        let cases = about.cases.map_or_else(|| "no cases".to_owned(), |cases| counted(cases, "case", "cases"));
        writeln!(out, "{} {}  ({from}{extends})", Text::long(&about.id), Text::long(&about.version))?;
        writeln!(out, "    {}", Text::long(&about.title))?;
        writeln!(out, "    {}", Text::long(&about.spec))?;
        let (checks, rules) = (counted(about.checks, "check", "checks"), counted(about.rules, "rule", "rules"));
        writeln!(out, "    {checks}, {rules}, {cases}")
    }

    fn json(&self) -> Value {
        let file = (!self.built_in).then_some(&self.name);
        match &self.about {
            None => json!({ "file": file, "usable": false }),
            Some(about) => json!({
                "file": file, "usable": true, "id": about.id, "version": about.version, "title": about.title,
                "spec": about.spec, "checks": about.checks, "rules": about.rules, "cases": about.cases,
                "extends": about.extends,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_and_files_are_told_with_what_they_build_on() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
        let rule = "[[rule]]\nid = 'm.x'\nerror = 'invalid_request'\nrequire = 'true'\nmessage = 'm'\n";
        write(
            "own.toml",
            "id = 'own'\nversion = '1'\ntitle = 't'\nspec = 's'\n[checks.metadata.types]\n[checks.scope.form]\n",
        );
        write("mine.toml", &format!("extends = 'own'\nid = 'mine'\nversion = '7'\n{rule}"));
        write("mine.cases.toml", "[[case]]\nname = 'a'\nnow = '2026-01-01T00:00:00Z'\nexpect = 'accept'\n");
        write("dcrgate.toml", "[store]\n");
        let run = |output| {
            let mut out = Vec::new();
            let status = list(&Arguments { folder: Some(home.path().to_owned()), output }, &mut out).unwrap();
            (status, String::from_utf8(out).unwrap().replace(&format!("{}/", home.path().display()), ""))
        };
        let (status, text) = run(Output::Text);
        assert_eq!(status, Status::Good, "{text}");
        assert!(text.contains("mine 7  (mine.toml, extends own.toml)\n"), "{text}");
        assert!(text.contains("\n    2 checks, 1 rule, 1 case\n"), "{text}");
        assert!(text.contains("open-finance-brasil 2.1.0  (built in, extends rfc7591.toml)\n"), "{text}");
        write("mine.toml", "extends = 'own'\nmode = 'maybe'\n");
        let (status, text) = run(Output::Json);
        let told: Value = serde_json::from_str(&text).unwrap();
        let broken = json!({ "file": "mine.toml", "usable": false });
        assert!(told.as_array().is_some_and(|rows| rows.contains(&broken)), "{text}");
        assert_eq!(status, Status::Bad);
    }
}
