//! One policy with its cases, run.

use std::cell::RefCell;

use serde_json::{Map, Value};

use super::mutation::Mutation;
use super::pairs::Pair;
use crate::cli::policy::chosen::Chosen;
use crate::cli::{CliError, read_text};
use crate::model::document::{Faults, Place, Problem};
use crate::policy::cases::{CaseResult, Suite, Untried};
use crate::policy::{Policy, Sources};

/// What one policy and its cases came to.
#[derive(Debug)]
pub struct Tested {
    /// NAME of NAME.toml.
    pub name: String,
    /// The policy's file, as the person gave it.
    pub file: String,
    /// The file of its cases.
    pub cases_file: String,
    /// What the policy says of itself; its file where it could not be read.
    pub title: String,
    /// Gates, checks and rules.
    pub rules: usize,
    /// Each case that was run.
    pub cases: Vec<CaseResult>,
    /// What no case makes pass or fail, and where it stands.
    pub untried: Vec<(Untried, Option<Place>)>,
    /// Faults of either file, a missing one among them.
    pub problems: Vec<Problem>,
    /// Rule by case.
    pub matrix: String,
    /// How the matrix differs from the one on file.
    pub changed: Option<Finding>,
    /// What the mutation run came to, where one was made: of a policy whose cases all come out as they say.
    pub mutation: Option<Mutation>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// Its line, from 1, where there is one.
    pub line: Option<usize>,
    /// What it is about: the name of a case, or a few words.
    pub about: String,
    /// What is wrong, a line each; at least one.
    pub lines: Vec<String>,
}

impl Finding {
    fn at(place: Option<&Place>, file: &str, about: impl Into<String>, lines: Vec<String>) -> Self {
        let (file, line) = place.map_or((file, None), |place| (place.source.name.as_str(), Some(place.line())));
        Self { file: file.to_owned(), line, about: about.into(), lines }
    }

    /// FILE:LINE.
    pub fn place(&self) -> String {
        self.line.map_or_else(|| self.file.clone(), |line| format!("{}:{line}", self.file))
    }
}

impl Tested {
    /// Reads both files and runs the cases that have `filter` in their name.
    ///
    /// # Errors
    /// [`CliError::Unable`] when a file is there and cannot be read.
    pub fn of(pair: &Pair, filter: &str, mutate: bool) -> Result<Self, CliError> {
        let faults = Faults::new();
        let (file, cases_file) = (pair.policy.display().to_string(), pair.cases.display().to_string());
        let mut tested = Self {
            name: pair.name(),
            title: file.clone(),
            rules: 0,
            cases: Vec::new(),
            untried: Vec::new(),
            problems: Vec::new(),
            matrix: String::new(),
            changed: None,
            mutation: None,
            file,
            cases_file,
        };
        let missing = |what: String, help: &str| faults.error(None, what, Some(help.to_owned()));
        if pair.policy.exists() {
            let sources = Chosen::find(&pair.policy)?.sources(&faults);
            let suite = if pair.cases.exists() {
                Suite::read(&tested.cases_file, &read_text(&pair.cases)?, &faults)
            } else {
                let what = format!("`{}` has no cases: there is no {}", tested.file, tested.cases_file);
                missing(what, "write cases that each gate, check and rule admits and refuses");
                None
            };
            let params = suite.as_ref().map(|suite| suite.params().clone()).unwrap_or_default();
            if let Some(policy) = sources.compile(&params, &faults) {
                tested.title = policy.to_string();
                tested.rules = policy.rules().count();
                suite.iter().for_each(|suite| tested.run(suite, &sources, filter, &faults));
                if mutate && tested.passed() == tested.cases.len() {
                    tested.mutation = suite.as_ref().map(|suite| Mutation::run(suite, &sources));
                }
            }
        } else {
            let what = format!("`{}` has no policy: there is no {}", tested.cases_file, tested.file);
            missing(what, "cases stand beside their policy, under its name");
        }
        tested.problems = faults.into_problems();
        Ok(tested)
    }

    fn run(&mut self, suite: &Suite, sources: &Sources, filter: &str, faults: &Faults) {
        // A set of parameters that does not fit is told once, for all of its cases.
        let told: RefCell<Vec<String>> = RefCell::default();
        let compile = |params: &Map<String, Value>| -> Option<Policy> {
            let own = Faults::new();
            let policy = sources.compile(params, &own);
            for problem in own.into_problems() {
                let text = problem.to_string();
                if !told.borrow().contains(&text) {
                    told.borrow_mut().push(text);
                    faults.push(problem);
                }
            }
            policy
        };
        let results = suite.run_named(filter, &compile);
        self.cases = results.cases;
        self.matrix = results.matrix;
        if filter.is_empty() {
            let place = |untried: &Untried| sources.place_of(&untried.id);
            self.untried = results.untried.into_iter().map(|untried| (untried.clone(), place(&untried))).collect();
        }
    }

    /// Whether all is as it should be.
    pub fn is_good(&self) -> bool {
        self.findings().next().is_none()
    }

    /// Cases that came out as they say.
    pub fn passed(&self) -> usize {
        self.cases.iter().filter(|case| case.differences.is_empty()).count()
    }

    /// Everything that is not as it should be: faults of the files, cases, what was not tried, the matrix.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        let cases = self.cases.iter().filter_map(|case| self.finding(case));
        self.problems().chain(cases).chain(self.others())
    }

    /// Faults of the files.
    pub fn problems(&self) -> impl Iterator<Item = Finding> {
        self.problems.iter().map(|problem| {
            let lines = std::iter::once(problem.message.clone()).chain(problem.help.clone()).collect();
            Finding::at(problem.place.as_ref(), &self.file, "not usable", lines)
        })
    }

    /// What is wrong with a case.
    pub fn finding(&self, case: &CaseResult) -> Option<Finding> {
        if case.differences.is_empty() {
            return None;
        }
        let mut lines = case.differences.clone();
        if let Some(first) = case.first() {
            lines.push(format!("first failure: {} ({}): {}", first.id, first.error, first.message));
            if !first.detail.is_empty() {
                lines.push(format!("it looked at: {}", first.detail));
            }
        }
        Some(Finding::at(Some(&case.place), &self.cases_file, case.name.clone(), lines))
    }

    /// What is wrong beside single cases.
    pub fn others(&self) -> impl Iterator<Item = Finding> {
        let untried = self.untried.iter().map(|(untried, place)| {
            Finding::at(place.as_ref(), &self.file, format!("untried: {}", untried.id), vec![untried.to_string()])
        });
        untried.chain(self.changed.clone()).chain(self.mutation.iter().flat_map(|mutation| self.of_mutation(mutation)))
    }

    fn of_mutation(&self, mutation: &Mutation) -> Vec<Finding> {
        let survivors = mutation.survivors.iter().map(|mutant| {
            let lines =
                vec![format!("no case notices this change: {}", mutant.change), format!("wanted: {}", mutant.wanted)];
            Finding::at(Some(&mutant.place), &self.file, format!("survivor: {}", mutant.id), lines)
        });
        let outdated = mutation.outdated.iter().map(|(id, why)| {
            let lines = vec![format!("{why}: take the declaration away")];
            Finding::at(Some(&id.place), &self.cases_file, format!("outdated: {}", id.value), lines)
        });
        survivors.chain(outdated).collect()
    }
}
