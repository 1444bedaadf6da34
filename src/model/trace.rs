//! The trace of a decision: every step that was taken, with its result.
//!
//! The trace, not the log, is the evidence: `explain` prints it, the ledger
//! keeps it, the answer to the caller is made from its failures.

use std::sync::Arc;

use serde::Serialize;

use super::error_code::ErrorCode;

/// What a check or a rule is, apart from any request. Made once, at load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Stable id, such as `ofb.scopes` or `statement.age`.
    pub id: Arc<str>,
    /// Where the obligation is written; empty where it is dcrgate's own.
    pub clause: Arc<str>,
    /// Whether a failure refuses.
    pub mode: Mode,
    /// The code of a failure.
    pub error: ErrorCode,
    /// The member of the request that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<Arc<str>>,
    /// Told to the caller: fixed, public, ASCII without `"` and `\` (RFC 6749 §5.2).
    pub message: Arc<str>,
    /// Told to the caller: what to do. Fixed and public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<Arc<str>>,
}

/// Whether a failure refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It does.
    Enforce,
    /// It is recorded, and changes nothing.
    Shadow,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It does not apply, or a step that it comes after failed.
    Skip,
    /// It could not be evaluated; counts as a failure.
    Error,
}

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The check or rule.
    #[serde(flatten)]
    pub rule: Arc<Rule>,
    /// How it ended.
    pub outcome: Outcome,
    /// For the audit and `explain` only, never for the caller: what was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<str>>,
}

impl Step {
    /// Whether this step refuses the request.
    pub fn refuses(&self) -> bool {
        self.rule.mode == Mode::Enforce && matches!(self.outcome, Outcome::Fail | Outcome::Error)
    }
}

/// Every step of a decision, in the order in which it was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Trace {
    steps: Vec<Step>,
}

impl Trace {
    /// Nothing done yet.
    pub const fn new() -> Self {
        Self { steps: Vec::new() }
    }

    /// Adds a step.
    pub fn push(&mut self, rule: &Arc<Rule>, outcome: Outcome, detail: Option<Box<str>>) {
        self.steps.push(Step { rule: Arc::clone(rule), outcome, detail });
    }

    /// The steps in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The steps that refuse, in order; the first gives the top-level `error`.
    pub fn failures(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.refuses())
    }

    /// Whether the request would be refused if every shadow rule were enforced.
    pub fn would_refuse(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.outcome, Outcome::Fail | Outcome::Error))
    }
}
