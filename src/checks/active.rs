//! A check as a policy switched it on.

use std::sync::Arc;

use super::report::{Asker, Failure, Report};
use super::{About, ClientLimits, Judge};
use crate::model::claim::Claim;
use crate::model::error_code::ErrorCode;
use crate::model::facts::{Facts, Operation};
use crate::model::trace::{Mode, Outcome, Rule, Trace};

/// What the record says of a shadow that would have asked for something.
const UNTAKEN: &str = "what this takes when it is enforced was not asked for: it may be taken already";

/// A check as a policy switched it on.
#[derive(Debug)]
pub struct Active {
    rule: Arc<Rule>,
    texts: Texts,
    operations: Vec<Operation>,
    judge: Box<dyn Judge>,
}

/// What a policy says of a check or gate in its own words; `None` keeps the check's.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    /// The regime's clause.
    pub clause: Option<Arc<str>>,
    /// Another code.
    pub error: Option<ErrorCode>,
    /// Told in place of every fault's message.
    pub message: Option<Arc<str>>,
    /// Told in place of every fault's hint.
    pub hint: Option<Arc<str>>,
}

impl Texts {
    /// The rule of a check or gate: its own description under the policy's words.
    pub fn rule(&self, about: &About, mode: Mode) -> Rule {
        let first = about.faults.first();
        Rule {
            id: about.id.into(),
            clause: self.clause.clone().unwrap_or_else(|| about.clause.into()),
            mode,
            error: self.error.clone().unwrap_or_else(|| about.error.clone()),
            field: about.field.map(Into::into),
            message: self.message.clone().unwrap_or_else(|| first.map_or("", |fault| fault.message).into()),
            hint: self.hint.clone().or_else(|| first.map(|fault| fault.hint.into())),
        }
    }
}

impl Active {
    /// A check under the policy's words and mode; `operations` of `None` are the check's own.
    pub fn new(
        about: &About,
        mode: Mode,
        texts: Texts,
        operations: Option<Vec<Operation>>,
        judge: Box<dyn Judge>,
    ) -> Self {
        let operations = operations.unwrap_or_else(|| about.operations.to_vec());
        let mut rule = texts.rule(about, mode);
        if let Some((code, fault)) = judge.taken() {
            rule.error = texts.error.clone().unwrap_or(code);
            rule.message = texts.message.clone().unwrap_or_else(|| fault.message.into());
            rule.hint = texts.hint.clone().or_else(|| Some(fault.hint.into()));
        }
        Self { rule: Arc::new(rule), texts, operations, judge }
    }

    /// The rule under which it reports.
    pub const fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// Tells which methods and algorithms new clients may have, where a failure of it refuses them.
    pub fn limit(&self, limits: &mut ClientLimits) {
        if self.rule.mode == Mode::Enforce && self.operations.contains(&Operation::Register) {
            self.judge.limit(limits);
        }
    }

    /// Runs the check, adds its steps to the trace and its claims to `claims`.
    /// Gives whether what comes after it is still worth a look.
    pub fn run(&self, asker: &Asker<'_>, facts: &Facts<'_>, trace: &mut Trace, claims: &mut Vec<Claim>) -> bool {
        if !self.operations.contains(&facts.operation) {
            return true;
        }
        let mut report = Report::new(asker, &self.rule, claims);
        self.judge.judge(facts, &mut report);
        let (failures, untaken) = (report.failures, report.untaken);
        if failures.is_empty() {
            trace.push(&self.rule, Outcome::Pass, untaken.then(|| UNTAKEN.into()));
            return true;
        }
        for failure in failures {
            trace.push(&self.rule_of(&failure), failure.outcome, failure.detail);
        }
        self.rule.mode == Mode::Shadow
    }

    fn rule_of(&self, failure: &Failure) -> Arc<Rule> {
        let own = &self.rule;
        let error = match &failure.code {
            Some(code @ ErrorCode::TemporarilyUnavailable) => code,
            Some(code) if self.texts.error.is_none() => code,
            _ => &own.error,
        };
        Arc::new(Rule {
            error: error.clone(),
            field: failure.field.map(Into::into).or_else(|| own.field.clone()),
            message: self.texts.message.clone().unwrap_or_else(|| failure.fault.message.into()),
            hint: self.texts.hint.clone().or_else(|| Some(failure.fault.hint.into())),
            ..Rule::clone(own)
        })
    }
}
