//! What `policy test` tells people.

use std::io::{self, Write};

use super::tested::Tested;
use crate::cli::problems::counted;

/// What is wrong with each policy, then a line for each.
///
/// # Errors
/// When the output cannot be written to.
pub fn print(out: &mut dyn Write, all: &[Tested], verbose: bool) -> io::Result<()> {
    for tested in all {
        if verbose {
            for case in tested.cases.iter().filter(|case| case.differences.is_empty()) {
                writeln!(out, "ok    {:?} {}", case.place, case.name)?;
            }
        }
        for finding in tested.findings() {
            writeln!(out, "FAIL  {} {}", finding.place(), finding.about)?;
            for line in &finding.lines {
                writeln!(out, "      {line}")?;
            }
        }
    }
    for tested in all {
        writeln!(out, "{}", summary(tested))?;
    }
    Ok(())
}

/// One line on one policy.
pub(super) fn summary(tested: &Tested) -> String {
    let word = if tested.is_good() { "ok  " } else { "FAIL" };
    let failed = tested.cases.len() - tested.passed();
    let mut parts = vec![counted(tested.cases.len(), "case", "cases")];
    if failed > 0 {
        parts.push(format!("{failed} failed"));
    }
    parts.push(counted(tested.rules, "check or rule", "checks and rules"));
    if !tested.untried.is_empty() {
        parts.push(format!("{} untried", tested.untried.len()));
    }
    if let Some(mutation) = &tested.mutation {
        let (survivors, equivalent) = (mutation.survivors.len(), mutation.equivalent);
        parts.push(counted(mutation.mutants, "mutant", "mutants"));
        parts.push(format!("{survivors} of them survived"));
        if equivalent > 0 {
            parts.push(format!("{equivalent} declared equivalent"));
        }
    }
    if !tested.problems.is_empty() {
        parts.push(counted(tested.problems.len(), "fault", "faults"));
    }
    format!("{word}  {}: {}", tested.title, parts.join(", "))
}
