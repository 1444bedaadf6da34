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
use dcrgate::cli::policy::test::tested::{Finding, Tested};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn tested(name: &str, mutate: bool) -> Tested {
    Tested::of(&Pair::of(&folder("policies").join(name)), "", mutate).expect("readable files")
}

fn findings(tested: &Tested) -> Vec<String> {
    let line = |finding: Finding| format!("{} {}: {}", finding.place(), finding.about, finding.lines.join("; "));
    tested.findings().map(line).collect()
}

/// Every change of the policy is noticed by a case.
fn is_held_fast(name: &str) {
    has_no_survivor_of(50, name);
}

/// The same, of a policy that says little itself: a mutation run changes its own file alone.
fn has_no_survivor_of(more_than: usize, name: &str) {
    let tested = tested(name, true);
    assert_eq!(findings(&tested), [""; 0], "dcrgate policy test policies/{name}.toml --mutate");
    assert!(tested.mutation.is_some_and(|mutation| mutation.mutants > more_than), "{name} has mutants");
}

fn holds(name: &str) {
    let mut tested = tested(name, false);
    let bless = std::env::var_os("BLESS").is_some();
    golden::compare(&mut tested, &folder("tests/golden"), bless).expect("a writable folder");
    let findings = findings(&tested);
    assert!(findings.is_empty(), "BLESS=1 cargo test --test policies\n{findings:#?}");
    assert!(!tested.cases.is_empty(), "{name} has no cases");
}

#[test]
fn cdr_australia() {
    holds("cdr-australia");
}

#[test]
fn every_change_of_cdr_australia_is_noticed() {
    is_held_fast("cdr-australia");
}

#[test]
fn fapi2() {
    holds("fapi2");
}

#[test]
fn open_finance_brasil() {
    holds("open-finance-brasil");
}

#[test]
fn open_insurance_brasil() {
    holds("open-insurance-brasil");
}

#[test]
fn mcp() {
    holds("mcp");
}

#[test]
fn mobile() {
    holds("mobile");
}

#[test]
fn portal() {
    holds("portal");
}

#[test]
fn psd2_eidas() {
    holds("psd2-eidas");
}

#[test]
fn rfc7591() {
    holds("rfc7591");
}

#[test]
fn udap() {
    holds("udap");
}

#[test]
fn every_change_of_udap_is_noticed() {
    is_held_fast("udap");
}

#[test]
fn uk_open_banking() {
    holds("uk-open-banking");
}

#[test]
fn every_change_of_uk_open_banking_is_noticed() {
    is_held_fast("uk-open-banking");
}

#[test]
fn every_change_of_mcp_is_noticed() {
    is_held_fast("mcp");
}

#[test]
fn every_change_of_mobile_is_noticed() {
    is_held_fast("mobile");
}

#[test]
fn every_change_of_open_finance_brasil_is_noticed() {
    is_held_fast("open-finance-brasil");
}

#[test]
fn every_change_of_portal_is_noticed() {
    is_held_fast("portal");
}

#[test]
fn every_change_of_psd2_eidas_is_noticed() {
    is_held_fast("psd2-eidas");
}

#[test]
fn every_change_of_rfc7591_is_noticed() {
    is_held_fast("rfc7591");
}

#[test]
fn every_change_of_fapi2_is_noticed() {
    is_held_fast("fapi2");
}

#[test]
fn every_change_of_open_insurance_brasil_is_noticed() {
    has_no_survivor_of(10, "open-insurance-brasil");
}

/// The files of the worked example in the reference are what they say: run by the program itself.
#[test]
fn the_worked_example_works() {
    let page = fs::read_to_string(folder("policies/README.md")).unwrap();
    let home = tempfile::tempdir().unwrap();
    let mut files = 0;
    for part in page.split("<!-- file: ").skip(1) {
        let (name, rest) = part.split_once(" -->\n```toml\n").unwrap();
        let (text, _) = rest.split_once("```\n").unwrap();
        fs::write(home.path().join(name), text).unwrap();
        files += 1;
    }
    assert_eq!(files, 2);
    for command in ["test", "lint", "show"] {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_dcrgate"))
            .args(["policy", command, "harbour.toml"])
            .current_dir(home.path())
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&run.stdout);
        assert_eq!((run.status.code(), run.stderr.as_slice()), (Some(0), b"".as_slice()), "{command}: {out}");
    }
}
