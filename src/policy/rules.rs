//! `[[rule]]`: what one regime says, in CEL.

use std::sync::Arc;

use super::cel::{Code, Condition, EvaluationFault, Session};
use crate::checks::report::shortened;
use crate::model::facts::Operation;
use crate::model::trace::{Mode, Outcome, Rule, Trace};

/// A rule, compiled.
#[derive(Debug)]
pub(super) struct Ruling {
    pub(super) rule: Arc<Rule>,
    pub(super) operations: Vec<Operation>,
    /// Checks and rules before it, by their place in the order of evaluation.
    pub(super) after: Vec<usize>,
    pub(super) when: Condition,
    pub(super) require: Code,
    pub(super) detail: Option<Code>,
}

impl Ruling {
    pub(super) const fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// Its expressions that may ever be evaluated.
    pub(super) fn codes(&self) -> impl Iterator<Item = &Code> {
        let parts = match &self.when {
            Condition::Always(_) => &[][..],
            Condition::When(parts) => parts,
        };
        let live = !matches!(self.when, Condition::Always(false));
        parts.iter().chain([&self.require]).chain(&self.detail).filter(move |_| live)
    }

    /// Adds the rule's step to the trace. Gives whether what comes after it is still worth a look.
    ///
    /// A shadow never holds anything back: it changes nothing.
    pub(super) fn judge(
        &self,
        session: &mut Session<'_>,
        operation: Operation,
        blocked: &[bool],
        trace: &mut Trace,
    ) -> bool {
        if !self.operations.contains(&operation) {
            return true;
        }
        if self.after.iter().any(|index| blocked.get(*index).copied().unwrap_or(false)) {
            trace.push(&self.rule, Outcome::Skip, None);
            return self.rule.mode == Mode::Shadow;
        }
        match self.applies(session).and_then(|applies| Ok((applies, !applies || session.holds(&self.require)?))) {
            Ok((false, _)) => trace.push(&self.rule, Outcome::Skip, None),
            Ok((true, true)) => trace.push(&self.rule, Outcome::Pass, None),
            Ok((true, false)) => {
                trace.push(&self.rule, Outcome::Fail, self.detail(session));
                return self.rule.mode == Mode::Shadow;
            }
            Err(fault) => {
                trace.push(&self.rule, Outcome::Error, Some(fault.into_text()));
                return self.rule.mode == Mode::Shadow;
            }
        }
        true
    }

    fn applies(&self, session: &mut Session<'_>) -> Result<bool, EvaluationFault> {
        match &self.when {
            Condition::Always(word) => Ok(*word),
            Condition::When(parts) => {
                for part in parts {
                    if !session.holds(part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// The expressions whose values decided a step that ended like this; of a rule that did not apply its conditions,
    /// of one that another step held back none.
    pub(super) fn decisive(&self, session: &mut Session<'_>, outcome: Outcome) -> Vec<&Code> {
        let conditions = match &self.when {
            Condition::Always(_) => &[][..],
            Condition::When(parts) => parts,
        };
        match outcome {
            Outcome::Skip if matches!(self.applies(session), Ok(false)) => conditions.iter().collect(),
            Outcome::Skip => Vec::new(),
            Outcome::Pass | Outcome::Fail | Outcome::Error => conditions.iter().chain([&self.require]).collect(),
        }
    }

    /// What was looked at, for the audit. When it cannot be told, that changes nothing.
    fn detail(&self, session: &mut Session<'_>) -> Option<Box<str>> {
        let text = match session.json(self.detail.as_ref()?) {
            Ok(serde_json::Value::String(text)) => text,
            Ok(value) => value.to_string(),
            Err(fault) => format!("no detail: {fault}"),
        };
        Some(shortened(&text))
    }
}
