//! The policies that come with dcrgate, against their cases.
//!
//! Every case has to come out as its file says, every check and rule has to be
//! passed by one case and failed by another, and the matrix of rule by case is
//! compared with `tests/golden/`, so that a change of policy shows as a
//! difference. `BLESS=1` writes it anew.

#![cfg(test)]
use std::fs;
use std::path::{Path, PathBuf};

use dcrgate::cli::policy::test::golden;
use dcrgate::cli::policy::test::pairs::Pair;
use dcrgate::cli::policy::test::tested::Tested;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn holds(name: &str) {
    let pair = Pair::of(&folder("policies").join(name));
    let mut tested = Tested::of(&pair, "").expect("readable files");
    let bless = std::env::var_os("BLESS").is_some();
    golden::compare(&mut tested, &folder("tests/golden"), bless).expect("a writable folder");
    let findings: Vec<String> = tested
        .findings()
        .map(|finding| format!("{} {}: {}", finding.place(), finding.about, finding.lines.join("; ")))
        .collect();
    assert!(findings.is_empty(), "BLESS=1 cargo test --test policies\n{findings:#?}");
    assert!(!tested.cases.is_empty(), "{name} has no cases");
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
