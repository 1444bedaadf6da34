//! What was counted, as it is read: by the log, and by whoever collects metrics.

use std::fmt::Write as _;
use std::sync::Arc;

/// What one policy judged since the process began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyCounts {
    /// Its id.
    pub policy: Arc<str>,
    /// Decisions; those that the answer of an earlier one settled are none.
    pub judged: u64,
    /// Of them refused, also for what was taken already.
    pub refused: u64,
    /// Of them admitted though a shadow failed: refused if every shadow were enforced.
    pub would_refuse: u64,
    /// Evaluations that took longer than [`super::SLOW`].
    pub slow: u64,
    /// By gate, check and rule, in the order of their ids.
    pub rules: Vec<RuleCounts>,
}

/// What came of one gate, check or rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCounts {
    /// Its id.
    pub rule: Arc<str>,
    /// It held.
    pub pass: u64,
    /// It did not hold, enforced or not.
    pub fail: u64,
    /// It did not apply, or came after one that failed.
    pub skip: u64,
    /// It could not be evaluated, enforced or not.
    pub error: u64,
    /// How many of `fail` and `error` refused nothing, since it was a shadow.
    pub would_refuse: u64,
}

/// A number for metrics, with its name and labels as Prometheus has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The name.
    pub name: &'static str,
    /// `policy`, and of a rule `rule` and `result`.
    pub labels: Vec<(&'static str, Arc<str>)>,
    /// The count; it only grows.
    pub value: u64,
}

impl PolicyCounts {
    /// Every number with its name and labels.
    pub fn samples(&self) -> Vec<Sample> {
        let policy = || ("policy", Arc::clone(&self.policy));
        let mut samples: Vec<Sample> = [
            ("dcrgate_policy_judged_total", self.judged),
            ("dcrgate_policy_refused_total", self.refused),
            ("dcrgate_policy_would_refuse_total", self.would_refuse),
            ("dcrgate_policy_slow_total", self.slow),
        ]
        .into_iter()
        .map(|(name, value)| Sample { name, labels: vec![policy()], value })
        .collect();
        for counts in &self.rules {
            let rule = || ("rule", Arc::clone(&counts.rule));
            let results =
                [("pass", counts.pass), ("fail", counts.fail), ("skip", counts.skip), ("error", counts.error)];
            samples.extend(results.map(|(result, value)| Sample {
                name: "dcrgate_rule_results_total",
                labels: vec![policy(), rule(), ("result", result.into())],
                value,
            }));
            let (name, labels) = ("dcrgate_rule_would_refuse_total", vec![policy(), rule()]);
            samples.push(Sample { name, labels, value: counts.would_refuse });
        }
        samples
    }

    /// The gates, checks and rules that did not always hold, for the log.
    pub(super) fn not_held(&self) -> String {
        let mut text = String::new();
        for counts in self.rules.iter().filter(|counts| counts.fail + counts.error > 0) {
            text.push_str(if text.is_empty() { "" } else { ", " });
            text.push_str(&counts.rule);
            let numbers = [("fail", counts.fail), ("error", counts.error), ("would refuse", counts.would_refuse)];
            for (word, number) in numbers.into_iter().filter(|(_, number)| *number > 0) {
                // Writing to a string does not fail.
                let _infallible = write!(text, " {word} {number}");
            }
        }
        text
    }
}
