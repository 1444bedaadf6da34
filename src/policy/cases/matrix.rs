//! Rule by case as text: a change of policy shows as a difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::{Never, Untried};
use crate::model::trace::{Mode, Outcome, Step, Trace};
use crate::policy::Policy;

/// Words for outcomes in the matrix: enforced and shadow.
const SYMBOLS: &[(Outcome, char, char)] =
    &[(Outcome::Pass, '.', '.'), (Outcome::Skip, '-', '-'), (Outcome::Fail, 'F', 'f'), (Outcome::Error, 'E', 'e')];

/// What every gate, check and rule came to in every case.
#[derive(Debug, Default)]
pub(super) struct Matrix {
    /// Gates, checks and rules in the order of evaluation, as the cases' parameters bring them up.
    columns: Vec<String>,
    rows: Vec<(String, BTreeMap<String, char>)>,
    passed: BTreeSet<String>,
    failed: BTreeSet<String>,
}

impl Matrix {
    /// Knows the gates, checks and rules of a policy.
    pub(super) fn know(&mut self, policy: &Policy) {
        use crate::model::facts::Operation;
        let gates = policy.gates(Operation::Register).map(|gate| policy.gate(gate));
        for rule in gates.chain(policy.rules()) {
            if !self.columns.iter().any(|known| **known == *rule.id) {
                self.columns.push(rule.id.to_string());
            }
        }
    }

    /// Adds what a case came to.
    pub(super) fn add(&mut self, name: &str, trace: &Trace) {
        let mut row = BTreeMap::new();
        for step in trace.steps() {
            let id = step.rule.id.to_string();
            match step.outcome {
                Outcome::Pass => self.passed.insert(id.clone()),
                Outcome::Fail | Outcome::Error => self.failed.insert(id.clone()),
                Outcome::Skip => false,
            };
            row.insert(id, symbol(step));
        }
        let summary = match trace.failures().next() {
            Some(first) => format!("reject {} | {name}", first.rule.error),
            None => format!("accept | {name}"),
        };
        self.rows.push((summary, row));
    }

    /// What no case made pass, and what none made fail.
    pub(super) fn untried(&self) -> Vec<Untried> {
        let never = |seen: &BTreeSet<String>, never: Never| {
            let unseen: Vec<_> = self.columns.iter().filter(|id| !seen.contains(*id)).cloned().collect();
            unseen.into_iter().map(move |id| Untried { id, never })
        };
        never(&self.passed, Never::Passes).chain(never(&self.failed, Never::Fails)).collect()
    }

    /// As text.
    pub(super) fn text(&self) -> String {
        let mut text =
            String::from("Columns, from the left (. pass  - skip  F fail  E error  f, e in shadow  blank not run):\n");
        for (index, column) in self.columns.iter().enumerate() {
            let _ = writeln!(text, "{:>3} {column}", index + 1);
        }
        text.push('\n');
        for (summary, row) in &self.rows {
            let cells: String = self.columns.iter().map(|column| row.get(column).copied().unwrap_or(' ')).collect();
            let _ = writeln!(text, "{cells} {summary}");
        }
        text
    }
}

fn symbol(step: &Step) -> char {
    let found = SYMBOLS.iter().find(|(outcome, ..)| *outcome == step.outcome);
    found.map_or('?', |(_, enforced, shadow)| if step.rule.mode == Mode::Enforce { *enforced } else { *shadow })
}
