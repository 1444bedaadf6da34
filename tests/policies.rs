//! The policies that come with dcrgate, against their cases.
//!
//! Every case has to come out as its file says, every check and rule has to be
//! passed by one case and failed by another, and the matrix of rule by case is
//! compared with `tests/golden/`, so that a change of policy shows as a
//! difference. `BLESS=1` writes it anew.

#![cfg(test)]
use std::fs;
use std::path::{Path, PathBuf};

use dcrgate::model::document::{Faults, Source};
use dcrgate::policy::cases::Suite;
use dcrgate::policy::{Policy, compile};
use serde_json::{Map, Value};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(folder(path)).map_err(|error| error.to_string())
}

fn source(name: &str) -> Source {
    let name = format!("policies/{name}");
    Source { text: read(&name).unwrap(), name }
}

fn make(name: &str, params: &Map<String, Value>) -> Option<Policy> {
    let source = source(name);
    let faults = Faults::new();
    let policy = compile(&source.name, &source.text, &read, params, &faults);
    let problems: Vec<String> = faults.into_problems().iter().map(ToString::to_string).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    policy
}

fn holds(name: &str) {
    let source = source(&format!("{name}.cases.toml"));
    let faults = Faults::new();
    let suite = Suite::read(&source.name, &source.text, &faults);
    let problems: Vec<String> = faults.into_problems().iter().map(ToString::to_string).collect();
    let suite = suite.unwrap_or_else(|| panic!("{problems:#?}"));

    let results = suite.run(&|params| make(&format!("{name}.toml"), params));
    let differences: Vec<String> = results
        .cases
        .iter()
        .flat_map(|case| case.differences.iter().map(move |line| format!("{:?} {}: {line}", case.place, case.name)))
        .collect();
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(results.untried.is_empty(), "{:#?}", results.untried);

    let golden = folder("tests/golden").join(format!("{name}.txt"));
    if std::env::var_os("BLESS").is_some() {
        fs::write(&golden, &results.matrix).unwrap();
    }
    assert_eq!(fs::read_to_string(&golden).unwrap_or_default(), results.matrix, "BLESS=1 cargo test --test policies");
}

#[test]
fn open_finance_brasil() {
    holds("open-finance-brasil");
}

#[test]
fn rfc7591() {
    holds("rfc7591");
}

/// The hand-written reference names everything that there is.
#[test]
fn the_reference_is_complete() {
    let text = fs::read_to_string(folder("policies/README.md")).unwrap();
    let gates = dcrgate::policy::GATES.iter().map(|about| (about.id, about.settings));
    let checks = dcrgate::checks::ALL.iter().map(|check| (check.about().id, check.about().settings));
    for (id, settings) in gates.chain(checks) {
        let row = text.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{id}`")));
        let row = row.unwrap_or_else(|| panic!("{id} is missing"));
        assert!(settings.iter().all(|(name, _)| row.contains(&format!("`{name}`"))), "{row}");
    }
    for function in dcrgate::policy::cel::FUNCTIONS {
        assert!(text.contains(&format!("`{}`", function.usage)), "{} is missing", function.usage);
    }
    for root in dcrgate::policy::cel::ROOTS {
        assert!(text.contains(&format!("`{root}`")), "{root} is missing");
    }
}
