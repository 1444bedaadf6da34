//! Counts of what policies judged: by policy, and by gate, check and rule.
//!
//! A [`Tally`] is made at load, so that a request only adds to numbers that are there: it takes no lock, hashes
//! nothing and allocates nothing. The numbers outlive snapshots: a policy and a rule that keep their ids go on
//! counting after a reload. They begin at zero with the process; the ledger is what lasts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::model::id::DecisionId;
use crate::model::trace::{Mode, Outcome, Rule, Trace};
use crate::policy::Policy;

mod counts;

pub use counts::{PolicyCounts, RuleCounts, Sample};

/// An evaluation that takes longer is slow: it is counted, and warned of. Usual ones take a tenth of it, with
/// every signature that they verify.
pub const SLOW: Duration = Duration::from_millis(5);

/// Of one policy's slow evaluations no more than one in this time is warned of.
const QUIET: Duration = Duration::from_secs(60);

/// How often the counts are logged.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The counts of every policy that this process has had, by its id.
#[derive(Debug, Default)]
pub struct Tallies(Mutex<BTreeMap<Arc<str>, Kept>>);

/// What is counted of one policy, whatever texts it had.
#[derive(Debug)]
struct Kept {
    totals: Arc<Totals>,
    rules: BTreeMap<Arc<str>, Arc<Results>>,
}

/// Where the decisions of one policy are counted.
#[derive(Debug)]
pub struct Tally {
    policy: Arc<str>,
    totals: Arc<Totals>,
    /// In about the order of a trace, so that the next step is mostly found at once.
    rules: Box<[(Arc<str>, Arc<Results>)]>,
}

#[derive(Debug)]
struct Totals {
    judged: AtomicU64,
    refused: AtomicU64,
    would_refuse: AtomicU64,
    slow: AtomicU64,
    since: Instant,
    /// Milliseconds after `since` at which a slow evaluation was warned of last, and one more; 0: never.
    warned: AtomicU64,
    /// How many were judged when it was logged last.
    told: AtomicU64,
}

#[derive(Debug, Default)]
struct Results {
    pass: AtomicU64,
    fail: AtomicU64,
    skip: AtomicU64,
    error: AtomicU64,
    would_refuse: AtomicU64,
}

impl Tallies {
    /// Where the decisions of this policy are counted. For load alone: it takes a lock.
    pub fn of(&self, policy: &Policy) -> Arc<Tally> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.entry(Arc::clone(policy.id())).or_insert_with(|| Kept::new(Instant::now()));
        let rules = policy.steps().into_iter().map(|id| {
            let results = Arc::clone(kept.rules.entry(Arc::clone(&id)).or_default());
            (id, results)
        });
        Arc::new(Tally { policy: Arc::clone(policy.id()), rules: rules.collect(), totals: Arc::clone(&kept.totals) })
    }

    /// What was counted so far, by policy id and rule id.
    pub fn read(&self) -> Vec<PolicyCounts> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(policy, kept)| kept.read(policy)).collect()
    }

    /// Logs the counts since the process began, one line for each policy that judged anything.
    pub fn tell(&self) {
        self.tell_after(0);
    }

    /// Logs them once an hour, as far as anything was judged in it. Ends when it is dropped.
    pub async fn tell_hourly(&self) {
        let mut hour = interval_at(Instant::now() + HOUR, HOUR);
        hour.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            hour.tick().await;
            self.tell_after(u64::MAX);
        }
    }

    /// Leaves out policies that judged nothing since their last line; with a `most` of 0 none counts as told.
    fn tell_after(&self, most: u64) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (policy, kept) in all.iter() {
            let counts = kept.read(policy);
            if counts.judged > kept.totals.told.swap(counts.judged, Ordering::Relaxed).min(most) {
                tracing::info!(
                    policy = &*counts.policy,
                    judged = counts.judged,
                    refused = counts.refused,
                    would_refuse = counts.would_refuse,
                    slow = counts.slow,
                    rules = counts.not_held(),
                    "judged since the start"
                );
            }
        }
    }
}

impl Kept {
    fn new(since: Instant) -> Self {
        let [judged, refused, would_refuse, slow, warned, told] = Default::default();
        let totals = Arc::new(Totals { judged, refused, would_refuse, slow, since, warned, told });
        Self { totals, rules: BTreeMap::new() }
    }

    fn read(&self, policy: &Arc<str>) -> PolicyCounts {
        PolicyCounts {
            policy: Arc::clone(policy),
            judged: read(&self.totals.judged),
            refused: read(&self.totals.refused),
            would_refuse: read(&self.totals.would_refuse),
            slow: read(&self.totals.slow),
            rules: self.rules.iter().map(|(rule, results)| results.read(rule)).collect(),
        }
    }
}

impl Tally {
    /// Counts a decision and each of its steps. `taken` is the rule that refused when its claim was asked for: what
    /// it claims was held already.
    ///
    /// A check with several failures counts once, by its first.
    pub fn count(&self, trace: &Trace, taken: Option<&Rule>) {
        add(&self.totals.judged);
        if taken.is_some() || trace.failures().next().is_some() {
            add(&self.totals.refused);
        } else if trace.would_refuse() {
            add(&self.totals.would_refuse);
        }
        let (mut next, mut before) = (0, None);
        for step in trace.steps() {
            let rule = &*step.rule;
            if before.replace(&rule.id) == Some(&rule.id) {
                continue;
            }
            let (rest, first) = (self.rules.iter().enumerate().skip(next), self.rules.iter().enumerate().take(next));
            let Some((place, (_, results))) = rest.chain(first).find(|(_, (id, _))| *id == rule.id) else { continue };
            next = place + 1;
            let is_taken = taken.is_some_and(|taken| taken.id == rule.id);
            results.count(if is_taken { Outcome::Fail } else { step.outcome }, rule.mode);
        }
    }

    /// Counts an evaluation that took longer than [`SLOW`]; warns of one a minute.
    pub fn took(&self, took: Duration, now: Instant, decision: DecisionId) {
        if took > SLOW {
            add(&self.totals.slow);
            if self.totals.may_warn(now) {
                let (policy, slow) = (&*self.policy, read(&self.totals.slow));
                tracing::warn!(decision_id = %decision, policy, ?took, slow, "a slow evaluation");
            }
        }
    }
}

impl Totals {
    /// Whether the last warning is long enough ago; of several callers at once one gets the turn.
    fn may_warn(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since);
        let mark = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let last = read(&self.warned);
        let quiet = u64::try_from(QUIET.as_millis()).unwrap_or(u64::MAX);
        let is_due = last == 0 || mark.saturating_sub(last) >= quiet;
        is_due && self.warned.compare_exchange(last, mark, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Results {
    fn count(&self, outcome: Outcome, mode: Mode) {
        add(match outcome {
            Outcome::Pass => &self.pass,
            Outcome::Fail => &self.fail,
            Outcome::Skip => &self.skip,
            Outcome::Error => &self.error,
        });
        if mode == Mode::Shadow && matches!(outcome, Outcome::Fail | Outcome::Error) {
            add(&self.would_refuse);
        }
    }

    fn read(&self, rule: &Arc<str>) -> RuleCounts {
        RuleCounts {
            rule: Arc::clone(rule),
            pass: read(&self.pass),
            fail: read(&self.fail),
            skip: read(&self.skip),
            error: read(&self.error),
            would_refuse: read(&self.would_refuse),
        }
    }
}

/// Nothing is ordered by these numbers, so the weakest order does.
fn add(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}

fn read(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests;
