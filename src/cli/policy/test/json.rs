//! What `policy test` tells programs.

use serde_json::{Value, json};

use super::mutation::Mutation;
use super::tested::{Finding, Tested};

/// Everything, for all policies.
pub fn of(all: &[Tested]) -> Value {
    json!({
        "program": "dcrgate",
        "version": env!("CARGO_PKG_VERSION"),
        "good": all.iter().all(Tested::is_good),
        "policies": all.iter().map(one).collect::<Vec<_>>(),
    })
}

fn one(tested: &Tested) -> Value {
    let cases = tested.cases.iter().map(|case| {
        json!({
            "name": case.name,
            "file": case.place.source.name,
            "line": case.place.line(),
            "passed": case.differences.is_empty(),
            "differences": case.differences,
            "first_failure": case.first().map(|first| json!({
                "id": first.id,
                "error": first.error,
                "message": first.message,
                "detail": first.detail,
            })),
        })
    });
    json!({
        "policy": tested.title,
        "file": tested.file,
        "cases_file": tested.cases_file,
        "good": tested.is_good(),
        "rules": tested.rules,
        "passed": tested.passed(),
        "failed": tested.cases.len() - tested.passed(),
        "cases": cases.collect::<Vec<_>>(),
        "untried": tested.untried.iter().map(|(untried, place)| json!({
            "id": untried.id,
            "message": untried.to_string(),
            "file": place.as_ref().map(|place| &place.source.name),
            "line": place.as_ref().map(crate::model::document::Place::line),
        })).collect::<Vec<_>>(),
        "problems": tested.problems.iter().map(crate::cli::problems::json).collect::<Vec<_>>(),
        "mutation": tested.mutation.as_ref().map(mutation),
        "changed": tested.changed.as_ref().map(finding),
    })
}

fn mutation(mutation: &Mutation) -> Value {
    json!({
        "mutants": mutation.mutants,
        "equivalent": mutation.equivalent,
        "survivors": mutation.survivors.iter().map(|mutant| json!({
            "id": mutant.id,
            "file": mutant.place.source.name,
            "line": mutant.place.line(),
            "change": mutant.change,
            "wanted": mutant.wanted,
        })).collect::<Vec<_>>(),
        "outdated": mutation.outdated.iter().map(|(id, why)| json!({
            "id": id.value,
            "file": id.place.source.name,
            "line": id.place.line(),
            "message": why,
        })).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    json!({ "file": finding.file, "line": finding.line, "about": finding.about, "message": finding.lines.join("\n") })
}
