//! `policy lint`: what a policy allows and most likely does not mean.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::chosen::{Chosen, Options};
use crate::audit::Text;
use crate::cli::problems::{self, Style, counted};
use crate::cli::{CliError, Output, Status};
use crate::policy::lint::{Finding, LINTS};

/// `policy lint`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Files, or names of policies that come with dcrgate; without any, what is looked for is listed.
    #[arg(value_name = "POLICY")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    options: Options,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate policy lint policies/mine.toml
  dcrgate policy lint

A policy that means what is found says so, with its reason:
  [lint]
  accept = [{ id = \"statement.optional\", reason = \"sandbox, without a directory\" }]

Exit status: 0 nothing is found but what is accepted, 1 something is.";

/// Looks through policies; [`Status::Bad`] when something is found that none accepts.
///
/// # Errors
/// A policy that cannot be used, parameters that are none.
pub fn lint(arguments: &Arguments, out: &mut dyn Write) -> Result<Status, CliError> {
    if arguments.policies.is_empty() {
        return known(arguments.options.output, out);
    }
    let params = arguments.options.parameters()?;
    let mut told = Vec::new();
    let mut status = Status::Good;
    for path in &arguments.policies {
        let (policy, effective) = Chosen::find(path)?.effective(&params)?;
        let found = crate::policy::lint::lint(&effective);
        let (accepted, open): (Vec<&Finding>, Vec<&Finding>) =
            found.iter().partition(|finding| finding.accepted.is_some());
        if !open.is_empty() {
            status = Status::Bad;
        }
        match arguments.options.output {
            Output::Json => told.push(json!({
                "policy": policy.id(), "version": policy.version(),
                "findings": found.iter().map(as_json).collect::<Value>(),
            })),
            Output::Text => {
                let problems: Vec<_> = open.iter().map(|finding| finding.problem()).collect();
                write!(out, "{}", problems::text(&problems, Style::Plain))?;
                for finding in &accepted {
                    let reason = finding.accepted.as_deref().unwrap_or_default();
                    writeln!(out, "accepted  {}: {}", finding.lint.id, Text::long(reason))?;
                }
                let count = counted(open.len(), "finding", "findings");
                writeln!(out, "{policy}: {count}, {} accepted", accepted.len())?;
            }
        }
    }
    if arguments.options.output == Output::Json {
        writeln!(out, "{:#}", Value::Array(told))?;
    }
    Ok(status)
}

fn known(output: Output, out: &mut dyn Write) -> Result<Status, CliError> {
    match output {
        Output::Text => {
            for lint in LINTS {
                writeln!(out, "{}\n    {}\n    hint: {}", lint.id, lint.sentence, lint.hint)?;
            }
        }
        Output::Json => {
            let all: Value = LINTS
                .iter()
                .map(|lint| json!({ "id": lint.id, "sentence": lint.sentence, "hint": lint.hint }))
                .collect();
            writeln!(out, "{all:#}")?;
        }
    }
    Ok(Status::Good)
}

fn as_json(finding: &Finding) -> Value {
    let place = finding.place.as_ref();
    json!({
        "id": finding.lint.id,
        "sentence": finding.to_string(),
        "hint": finding.lint.hint,
        "file": place.map(|place| &place.source.name),
        "line": place.map(crate::model::document::Place::line),
        "accepted": finding.accepted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(policy: &str, output: Output) -> (Status, String) {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("p.toml");
        std::fs::write(&file, policy).unwrap();
        let mut out = Vec::new();
        let arguments = Arguments { policies: vec![file], options: Options { output, ..Options::default() } };
        let status = lint(&arguments, &mut out).unwrap();
        (status, String::from_utf8(out).unwrap().replace(&format!("{}/", home.path().display()), ""))
    }

    const OPEN: &str = "id = 'p'\nversion = '1'\ntitle = 't'\nspec = 's'\n[checks.metadata.addresses]\nmembers = ['logo_uri']\nhosts = ['com']\n\
        [checks.redirects.form]\n[lint]\naccept = [{ id = 'unsigned', reason = 'a test' }]\n";

    #[test]
    fn findings_stand_under_their_line_and_acceptances_with_their_reason() {
        let (status, text) = run(OPEN, Output::Text);
        insta::assert_snapshot!(text, @r#"
        warning: a list of hosts has an entry that is no host of one owner: `com` in `hosts`
         --> p.toml:7:9
          |
        7 | hosts = ['com']
          |         ^^^^^^^
          |
          = help: name the hosts in full: from all others nothing may be fetched; or accept `hosts.broad` under [lint] with a reason

        warning: whoever has a trusted certificate may register as many clients as it likes
         --> p.toml:1:6
          |
        1 | id = 'p'
          |      ^^^
          |
          = help: ask for a software statement, a token with [checks.token.present], or limit with [checks.registration.quota]; or accept `registration.open` under [lint] with a reason

        accepted  unsigned: a test
        p 1: 2 findings, 1 accepted
        "#);
        assert_eq!(status, Status::Bad);
        let (_, text) = run(OPEN, Output::Json);
        let told: Value = serde_json::from_str(&text).unwrap();
        let findings = &told[0]["findings"];
        assert_eq!((&findings[0]["id"], &findings[0]["accepted"]), (&json!("unsigned"), &json!("a test")));
        assert_eq!((&findings[1]["id"], &findings[1]["line"]), (&json!("hosts.broad"), &json!(7)));
    }

    #[test]
    fn what_is_looked_for_is_listed() {
        let arguments = Arguments { policies: Vec::new(), options: Options::default() };
        let mut out = Vec::new();
        assert_eq!(lint(&arguments, &mut out).unwrap(), Status::Good);
        assert!(String::from_utf8(out).unwrap().starts_with("unsigned\n    nothing in a registration is signed"));
    }
}
