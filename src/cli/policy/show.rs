//! `policy show`: what holds once `extends` and parameters are applied, and which line says so.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::chosen::{Chosen, Options};
use super::toml;
use crate::cli::{CliError, Output, Status};
use crate::policy::Policy;
use crate::policy::effective::{Effective, Entry, Table};

/// `policy show`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A file, or the name of a policy that comes with dcrgate.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    #[command(flatten)]
    options: Options,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate policy show open-finance-brasil --params environment=sandbox
  dcrgate policy show policies/mine.toml > flat.toml";

/// Prints the policy.
///
/// # Errors
/// A policy that cannot be used, parameters that are none.
pub fn show(arguments: &Arguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let chosen = Chosen::find(&arguments.policy)?;
    let (policy, effective) = chosen.effective(&arguments.options.parameters()?)?;
    match arguments.options.output {
        Output::Text => out.write_all(text(&policy, &effective)?.as_bytes())?,
        Output::Json => writeln!(out, "{:#}", as_json(&policy, &effective))?,
    }
    Ok(Status::Good)
}

fn text(policy: &Policy, effective: &Effective) -> Result<String, CliError> {
    let mut text = format!("# {policy}, as {} make it", effective.files.join(" over "));
    text += &format!("; what it says has the digest {}.\n", effective.digest());
    for table in &effective.tables {
        if table.name == "forward" || table.name.starts_with("forward.") {
            continue;
        }
        if !table.name.is_empty() {
            text += &format!("\n[{}]\n", toml::path(&table.name));
        }
        entries(&mut text, table)?;
    }
    for rule in &effective.rules {
        text += "\n[[rule]]\n";
        entries(&mut text, rule)?;
    }
    for table in effective.tables.iter().filter(|table| table.name.starts_with("forward")) {
        text += &format!("\n[{}]\n", toml::path(&table.name));
        entries(&mut text, table)?;
    }
    if !effective.accepted.is_empty() {
        text += "\n[lint]\naccept = [\n";
        for accepted in &effective.accepted {
            let entry = json!({ "id": accepted.id.value, "reason": accepted.reason });
            text += &format!("  {},  # {:?}\n", inline(&entry)?, accepted.id.place);
        }
        text += "]\n";
    }
    Ok(text)
}

fn entries(text: &mut String, table: &Table) -> Result<(), CliError> {
    let width = table.entries.iter().map(|entry| toml::key(&entry.key).len()).max().unwrap_or(0);
    for entry in &table.entries {
        let came_to =
            if entry.came_to == entry.value { String::new() } else { format!(", here {}", inline(&entry.came_to)?) };
        let (key, value) = (toml::key(&entry.key), inline(&entry.value)?);
        *text += &format!("{key:<width$} = {value}  # {}{came_to}\n", entry.from());
    }
    Ok(())
}

fn inline(value: &Value) -> Result<String, CliError> {
    toml::value(value).ok_or_else(|| CliError::Usage("a parameter holds null, which a policy file cannot".to_owned()))
}

fn as_json(policy: &Policy, effective: &Effective) -> Value {
    let entry = |entry: &Entry| {
        let mut told = json!({ "value": entry.came_to, "from": entry.from() });
        if let (Value::Object(told), true) = (&mut told, entry.came_to != entry.value) {
            told.insert("written".to_owned(), entry.value.clone());
        }
        (entry.key.clone(), told)
    };
    let table = |table: &Table| Value::Object(table.entries.iter().map(entry).collect::<Map<_, _>>());
    let (about, tables): (Vec<&Table>, Vec<&Table>) = effective.tables.iter().partition(|table| table.name.is_empty());
    json!({
        "id": policy.id(),
        "version": policy.version(),
        "title": policy.title(),
        "spec": policy.spec(),
        "files": effective.files,
        "sha256": policy.digest(),
        "effective_sha256": effective.digest(),
        "about": about.first().map(|about| table(about)),
        "tables": tables.iter().map(|one| (one.name.clone(), table(one))).collect::<Map<_, _>>(),
        "rules": effective.rules.iter().map(table).collect::<Vec<_>>(),
        "accepted": effective.accepted.iter().map(|accepted| json!({
            "id": accepted.id.value, "reason": accepted.reason, "from": format!("{:?}", accepted.id.place),
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::document::Faults;
    use crate::policy::{cases::Suite, packs};

    fn of(name: &str, params: &[&str], output: Output) -> String {
        let mut out = Vec::new();
        let params = params.iter().map(|text| (*text).to_owned()).collect();
        show(&Arguments { policy: name.into(), options: Options { params, output } }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Every pack, flattened, is a policy that judges all of its cases alike.
    #[test]
    fn the_text_is_a_policy_that_judges_alike() {
        for (file, _) in packs::PACKS {
            let pack = Chosen::pack(file).unwrap();
            let (policy, effective) = pack.effective(&Map::new()).unwrap();
            let flat = Chosen { name: "flat.toml".to_owned(), text: of(file, &[], Output::Text), path: None };
            let (again, effective_again) =
                flat.effective(&Map::new()).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(effective_again.digest(), effective.digest(), "{file}");
            assert!(policy.rules().eq(again.rules()), "{file}");
            let (name, text) = pack.cases().unwrap().unwrap();
            let suite = Suite::read(&name, &text, &Faults::new()).unwrap();
            let matrix = |chosen: &Chosen| suite.run(&|params| chosen.compile(params).ok()).matrix;
            assert_eq!(matrix(&pack), matrix(&flat), "{file}");
        }
    }

    #[test]
    fn each_setting_says_where_it_comes_from() {
        let text = of("open-finance-brasil", &["environment=sandbox"], Output::Text);
        assert!(text.contains("\nenvironment = \"sandbox\"  # given parameter\n"), "{text}");
        assert!(text.contains("{ cel = \"params.max_age\" }  # open-finance-brasil.toml:"), "{text}");
        assert!(text.contains(", here \"5m\"\n") && text.contains("max_length = 255  # rfc7591.toml:"), "{text}");
        let told: Value = serde_json::from_str(&of("open-finance-brasil", &[], Output::Json)).unwrap();
        let age = &told["tables"]["checks.statement.age"]["max_age"];
        assert_eq!((&age["value"], &age["written"]["cel"]), (&json!("5m"), &json!("params.max_age")));
        let scopes =
            told["rules"].as_array().and_then(|rules| rules.iter().find(|rule| rule["id"]["value"] == "ofb.scopes"));
        assert_eq!(scopes.map(|rule| &rule["field"]["value"]), Some(&json!("scope")));
        assert_eq!(told["sha256"].as_str().map(str::len), Some(64));
    }
}
