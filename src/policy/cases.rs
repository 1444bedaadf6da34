//! `NAME.cases.toml`: what a policy has to say of examples, and proof that every rule was tried.
//!
//! A case is the defaults with some members changed and some removed. It names
//! the verdict, the code, and exactly which gates, checks and rules refuse. Signatures
//! and chains are not part of it: it says in a word what they came to, and unless it does, its statement
//! counts as verified and its certificate as trusted. Pure: compiling is the caller's, files are too.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Policy;
use crate::model::document::{Document, Faults, Located, Place, Section};
use crate::model::trace::Trace;

mod case;
mod example;
mod gates;
mod given;
mod matrix;

pub use example::Example;

use case::{Case, Defaults};
use matrix::Matrix;

/// The cases of one policy.
#[derive(Debug)]
pub struct Suite {
    params: Map<String, Value>,
    cases: Vec<Case>,
    equivalents: Vec<Equivalent>,
}

/// A mutant that changes nothing, as a person says and gives the reason for.
#[derive(Debug)]
pub struct Equivalent {
    /// Its id.
    pub mutant: Located<String>,
    /// Why no case can notice it.
    pub reason: String,
}

/// What running a suite came to.
#[derive(Debug)]
pub struct Results {
    /// One for each case that was run, in file order.
    pub cases: Vec<CaseResult>,
    /// Gates, checks and rules that no case made pass, or none made fail.
    pub untried: Vec<Untried>,
    /// Rule by case, as text: a change of policy shows as a difference.
    pub matrix: String,
}

/// What one case came to.
#[derive(Debug)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What is not as the case says; empty when all is.
    pub differences: Vec<String>,
    /// How the policy answers it.
    pub answer: Answer,
}

/// How a policy answers a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Not at all: it cannot be used with the case's parameters.
    Unusable,
    /// It admits.
    Admitted,
    /// It refuses; the first step that does.
    Refused(Failure),
}

/// A case that is to be accepted.
#[derive(Debug)]
pub struct AcceptedCase<'s>(&'s Case);

impl AcceptedCase<'_> {
    /// The parameters under which it is.
    pub const fn params(&self) -> &Map<String, Value> {
        &self.0.params
    }

    /// Judges it by every gate, check and rule; nothing is read and nothing compiled.
    pub fn judge(&self, policy: &Policy) -> Trace {
        self.0.judge(policy).trace
    }
}

impl CaseResult {
    /// The first step that refused, where one did.
    pub const fn first(&self) -> Option<&Failure> {
        match &self.answer {
            Answer::Refused(first) => Some(first),
            Answer::Unusable | Answer::Admitted => None,
        }
    }
}

/// A step that refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The gate, check or rule.
    pub id: String,
    /// Its code.
    pub error: String,
    /// What callers are told.
    pub message: String,
    /// What was looked at; empty where nothing is to be told.
    pub detail: String,
}

/// A gate, check or rule of which the cases do not show that it does anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untried {
    /// Which.
    pub id: String,
    /// What no case makes it do.
    pub never: Never,
}

/// What no case makes a rule do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {
    /// No case makes it pass.
    Passes,
    /// No case makes it fail.
    Fails,
}

impl std::fmt::Display for Untried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.never {
            Never::Passes => "pass",
            Never::Fails => "fail",
        };
        write!(f, "no case makes `{}` {what}", self.id)
    }
}

impl Results {
    /// Whether every case came out as it says and every rule was tried.
    pub fn is_good(&self) -> bool {
        self.untried.is_empty() && self.cases.iter().all(|case| case.differences.is_empty())
    }
}

impl Suite {
    /// Reads a suite. `None` when it has a fault, which is recorded.
    pub fn read(name: &str, text: &str, faults: &Faults) -> Option<Self> {
        let document = Document::parse(name, text, faults);
        let root = document.root(faults);
        let defaults = root.section("defaults");
        let defaults = defaults.map(|section| {
            let defaults = Defaults::read(&section);
            section.finish();
            defaults
        });
        let defaults = defaults.unwrap_or_default();
        let sections = root.list("case");
        let count = sections.len();
        let cases: Vec<Case> = sections
            .into_iter()
            .filter_map(|section| Case::read(&section, &defaults).inspect(|_| section.finish()))
            .collect();
        let equivalents = equivalents(&root);
        root.finish();
        if count == 0 {
            faults.error(None, format!("`{name}` has no case"), Some("add a [[case]]".to_owned()));
        }
        let mut names = BTreeSet::new();
        for case in cases.iter().filter(|case| !names.insert(case.name.value.as_str())) {
            faults.error(Some(&case.name.place), format!("two cases are named `{}`", case.name.value), None);
        }
        (cases.len() == count && !faults.any_error()).then_some(Self { params: defaults.params, cases, equivalents })
    }

    /// The parameters that every case starts from.
    pub const fn params(&self) -> &Map<String, Value> {
        &self.params
    }

    /// Every case as data, in file order.
    pub fn examples(&self) -> impl Iterator<Item = Example> {
        self.cases.iter().map(Case::example)
    }

    /// Mutants that need not be noticed.
    pub fn equivalents(&self) -> &[Equivalent] {
        &self.equivalents
    }

    /// Whether a case does not come out as it says under another policy, or cannot be judged by it. Cases in which
    /// `about` fails come first: they are the likeliest to notice.
    pub fn notices(&self, about: &str, compile: &dyn Fn(&Map<String, Value>) -> Option<Policy>) -> bool {
        let mut policies: BTreeMap<String, Policy> = BTreeMap::new();
        let (first, rest): (Vec<&Case>, Vec<&Case>) = self.cases.iter().partition(|case| case.is_about(about));
        for case in first.into_iter().chain(rest) {
            let key = Value::Object(case.params.clone()).to_string();
            let policy = match policies.entry(key) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => match compile(&case.params) {
                    Some(policy) => free.insert(policy),
                    None => return true,
                },
            };
            if !case.differences(&case.judge(policy)).is_empty() {
                return true;
            }
        }
        false
    }

    /// Each set of parameters that a case has, once.
    pub fn parameter_sets(&self) -> Vec<&Map<String, Value>> {
        let mut sets: Vec<&Map<String, Value>> = Vec::new();
        for case in &self.cases {
            if !sets.contains(&&case.params) {
                sets.push(&case.params);
            }
        }
        sets
    }

    /// How many cases there are.
    pub const fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// The first case that is to be accepted: for measuring what a judgement takes.
    pub fn accepted(&self) -> Option<AcceptedCase<'_>> {
        self.cases.iter().find(|case| case.is_accepted()).map(AcceptedCase)
    }

    /// Runs every case. `compile` makes the policy with these parameters; one that cannot be made is a difference of
    /// the case.
    pub fn run(&self, compile: &dyn Fn(&Map<String, Value>) -> Option<Policy>) -> Results {
        self.run_named("", compile)
    }

    /// Runs every case that has `filter` in its name.
    pub fn run_named(&self, filter: &str, compile: &dyn Fn(&Map<String, Value>) -> Option<Policy>) -> Results {
        let mut policies: BTreeMap<String, Option<Arc<Policy>>> = BTreeMap::new();
        let mut matrix = Matrix::default();
        let mut results = Vec::new();
        for case in self.cases.iter().filter(|case| case.name.value.contains(filter)) {
            let key = Value::Object(case.params.clone()).to_string();
            let policy = policies.entry(key).or_insert_with(|| compile(&case.params).map(Arc::new));
            let Some(policy) = policy else {
                results.push(case.unusable());
                continue;
            };
            matrix.know(policy);
            let judgement = case.judge(policy);
            matrix.add(&case.name.value, &judgement.trace);
            results.push(case.result(&judgement));
        }
        Results { cases: results, untried: matrix.untried(), matrix: matrix.text() }
    }
}

fn equivalents(root: &Section<'_>) -> Vec<Equivalent> {
    let read = |section: Section<'_>| {
        let (mutant, reason) = (section.required_text("mutant"), section.required_text("reason"));
        section.finish();
        Some(Equivalent { mutant: mutant?, reason: reason?.value })
    };
    root.list("equivalent").into_iter().filter_map(read).collect()
}
