//! What the rules of a policy looked at: for `explain`, never on the way of a request.
//!
//! The facts are those of the decision, and so are the values; they are read a
//! second time, after it, so that no request pays for an explanation that nobody asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Policy;
use super::cel::{Session, Values};
use crate::model::facts::Facts;
use crate::model::trace::Trace;

/// What one rule looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LookedAt {
    /// In the order of its expressions, at most 8.
    pub values: Vec<Looked>,
    /// How many more there are.
    pub more: usize,
}

/// One thing that a rule looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// As the policy writes it: `metadata.scope`, or the name of an expression of `[let]`.
    pub path: String,
    /// `None`: not there, or it cannot be evaluated.
    pub value: Option<Value>,
}

/// Rules that name more are read in the policy.
const MOST: usize = 8;

impl Policy {
    /// What the rules looked at whose steps are in this trace of these facts, by id; a rule that was held back by
    /// another step looked at nothing. `facts.metadata` is not looked at. Empty where the facts are too large to be
    /// evaluated at all.
    ///
    /// Values are the caller's own, and as long as they were sent.
    pub fn looked_at(&self, facts: &Facts<'_>, trace: &Trace) -> BTreeMap<Arc<str>, LookedAt> {
        let seen = self.see(facts);
        let facts = seen.over(facts);
        let Ok(values) = Values::new(&self.library, &self.uses, &facts) else { return BTreeMap::new() };
        let mut session = Session::new(&self.library, &values);
        let mut all = BTreeMap::new();
        for ruling in &self.rulings {
            let Some(step) = trace.steps().iter().find(|step| step.rule.id == ruling.rule.id) else { continue };
            let mut looked = LookedAt::default();
            let mut seen: Vec<String> = Vec::new();
            for code in ruling.decisive(&mut session, step.outcome) {
                for (path, value) in session.looked_at(code, &values) {
                    if seen.contains(&path) {
                        continue;
                    }
                    seen.push(path.clone());
                    if looked.values.len() < MOST {
                        looked.values.push(Looked { path, value });
                    } else {
                        looked.more += 1;
                    }
                }
            }
            all.insert(Arc::clone(&ruling.rule.id), looked);
        }
        all
    }
}
