//! `NAME.cases.toml`: what a policy has to say of examples, and proof that every rule was tried.
//!
//! A case is the defaults with some members changed and some removed. It names
//! the verdict, the code, and exactly which checks and rules refuse. Signatures
//! and chains are not part of it: a case's statement counts as verified, its
//! certificate as trusted. Pure: compiling is the caller's, files are too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Gate, Policy};
use crate::model::document::{Document, Faults, Located, Place, Section};
use crate::model::facts::{Facts, Operation};
use crate::model::time::Timestamp;
use crate::model::trace::{Mode, Outcome, Step, Trace};

mod given;

use given::Given;

/// The cases of one policy.
#[derive(Debug)]
pub struct Suite {
    cases: Vec<Case>,
}

/// One case.
#[derive(Debug)]
struct Case {
    name: Located<String>,
    given: Given,
    now: Timestamp,
    operation: Operation,
    params: Map<String, Value>,
    accepted: bool,
    error: Option<String>,
    failed: BTreeSet<String>,
    shadow: BTreeSet<String>,
    taken: BTreeSet<String>,
    forwarded: Map<String, Value>,
    absent: Vec<String>,
}

/// What running a suite came to.
#[derive(Debug)]
pub struct Results {
    /// One for each case, in file order.
    pub cases: Vec<CaseResult>,
    /// Checks and rules that no case made pass, or none made fail.
    pub untried: Vec<String>,
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
}

impl Results {
    /// Whether every case came out as it says and every rule was tried.
    pub fn is_good(&self) -> bool {
        self.untried.is_empty() && self.cases.iter().all(|case| case.differences.is_empty())
    }
}

/// Words for outcomes in the matrix: enforced and shadow.
const SYMBOLS: &[(Outcome, char, char)] =
    &[(Outcome::Pass, '.', '.'), (Outcome::Skip, '-', '-'), (Outcome::Fail, 'F', 'f'), (Outcome::Error, 'E', 'e')];

impl Suite {
    /// Reads a suite. `None` when it has a fault, which is recorded.
    pub fn read(name: &str, text: &str, faults: &Faults) -> Option<Self> {
        let document = Document::parse(name, text, faults);
        let root = document.root(faults);
        let defaults = root.section("defaults");
        let defaults = Defaults {
            facts: defaults.as_ref().map(given::facts_of).unwrap_or_default(),
            now: defaults.as_ref().and_then(now),
            operation: defaults.as_ref().and_then(operation),
            params: defaults.as_ref().map(params).unwrap_or_default(),
        };
        let sections = root.list("case");
        let count = sections.len();
        let cases: Vec<Case> = sections
            .into_iter()
            .filter_map(|section| Case::read(&section, &defaults).inspect(|_| section.finish()))
            .collect();
        root.finish();
        let mut names = BTreeSet::new();
        for case in cases.iter().filter(|case| !names.insert(case.name.value.as_str())) {
            faults.error(Some(&case.name.place), format!("two cases are named `{}`", case.name.value), None);
        }
        (cases.len() == count && !faults.any_error()).then_some(Self { cases })
    }

    /// How many cases there are.
    pub const fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// Runs every case. `compile` makes the policy with these parameters; one that
    /// cannot be made is a difference of the case.
    pub fn run(&self, compile: &dyn Fn(&Map<String, Value>) -> Option<Policy>) -> Results {
        let mut policies: BTreeMap<String, Option<Arc<Policy>>> = BTreeMap::new();
        let mut tried: BTreeMap<String, (bool, bool)> = BTreeMap::new();
        let mut columns: Vec<String> = Vec::new();
        let mut rows: Vec<(String, BTreeMap<String, char>)> = Vec::new();
        let mut results = Vec::new();
        for case in &self.cases {
            let key = Value::Object(case.params.clone()).to_string();
            let policy = policies.entry(key).or_insert_with(|| compile(&case.params).map(Arc::new));
            let Some(policy) = policy else {
                results.push(case.result(vec!["the policy does not compile with these parameters".to_owned()]));
                continue;
            };
            for rule in policy.rules().filter(|rule| !tried.contains_key(&*rule.id)).collect::<Vec<_>>() {
                tried.insert(rule.id.to_string(), (false, false));
                columns.push(rule.id.to_string());
            }
            let (trace, metadata) = case.judge(policy);
            let mut row = BTreeMap::new();
            for step in trace.steps() {
                let (passed, failed) = tried.entry(step.rule.id.to_string()).or_default();
                *passed |= step.outcome == Outcome::Pass;
                *failed |= matches!(step.outcome, Outcome::Fail | Outcome::Error);
                row.insert(step.rule.id.to_string(), symbol(step));
            }
            rows.push((case.summary(&trace), row));
            results.push(case.result(case.differences(&trace, &metadata)));
        }
        let untried = columns
            .iter()
            .filter_map(|id| match tried.get(id) {
                Some((true, true)) | None => None,
                Some((false, _)) => Some(format!("no case makes `{id}` pass")),
                Some((true, false)) => Some(format!("no case makes `{id}` fail")),
            })
            .collect();
        Results { cases: results, untried, matrix: matrix(&columns, &rows) }
    }
}

fn symbol(step: &Step) -> char {
    let found = SYMBOLS.iter().find(|(outcome, ..)| *outcome == step.outcome);
    found.map_or('?', |(_, enforced, shadow)| if step.rule.mode == Mode::Enforce { *enforced } else { *shadow })
}

fn matrix(columns: &[String], rows: &[(String, BTreeMap<String, char>)]) -> String {
    let mut text =
        String::from("Columns, from the left (. pass  - skip  F fail  E error  f, e in shadow  blank not run):\n");
    for (index, column) in columns.iter().enumerate() {
        let _ = writeln!(text, "{:>3} {column}", index + 1);
    }
    text.push('\n');
    for (summary, row) in rows {
        let cells: String = columns.iter().map(|column| row.get(column).copied().unwrap_or(' ')).collect();
        let _ = writeln!(text, "{cells} {summary}");
    }
    text
}

/// What cases start from.
struct Defaults {
    facts: Map<String, Value>,
    now: Option<Timestamp>,
    operation: Option<Operation>,
    params: Map<String, Value>,
}

/// Parameters that stand in for the deployment's.
fn params(section: &Section<'_>) -> Map<String, Value> {
    match section.json("params").map(|found| found.value) {
        Some(Value::Object(params)) => params,
        _ => Map::new(),
    }
}

fn now(section: &Section<'_>) -> Option<Timestamp> {
    let text = section.text("now")?;
    let time = Timestamp::parse(&text.value);
    if let Err(why) = &time {
        section.faults().error(Some(&text.place), why.to_string(), None);
    }
    time.ok()
}

fn operation(section: &Section<'_>) -> Option<Operation> {
    let words = [Operation::Register, Operation::Update, Operation::Read, Operation::Delete]
        .map(|operation| (operation.as_str(), operation));
    section.word("operation", &words).map(|found| found.value)
}

impl Case {
    fn read(section: &Section<'_>, defaults: &Defaults) -> Option<Self> {
        let name = section.required_text("name");
        section.require("expect");
        let accepted = section.word("expect", &[("accept", true), ("reject", false)]);
        let set = |key: &str| -> BTreeSet<String> {
            section.texts(key).into_iter().flatten().map(|text| text.value).collect()
        };
        let map = |key: &str| match section.json(key).map(|found| found.value) {
            Some(Value::Object(map)) => map,
            _ => Map::new(),
        };
        let facts = given::changed(&defaults.facts, section);
        let now = now(section).or(defaults.now);
        if now.is_none() {
            section.faults().error(Some(&section.place()), "`now` is missing, here and in `defaults`", None);
        }
        Some(Self {
            given: Given::read(&facts, section)?,
            now: now?,
            operation: operation(section).or(defaults.operation).unwrap_or(Operation::Register),
            params: defaults
                .params
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .chain(params(section))
                .collect(),
            accepted: accepted?.value,
            error: section.text("error").map(|text| text.value),
            failed: set("failed"),
            shadow: set("shadow"),
            taken: set("taken"),
            forwarded: map("forwarded"),
            absent: set("absent").into_iter().collect(),
            name: name?,
        })
    }

    /// What the pipeline would do once signature and chain are proved.
    fn judge(&self, policy: &Policy) -> (Trace, Map<String, Value>) {
        let mut trace = Trace::new();
        let statement = self.given.statement.as_ref();
        let writes = matches!(self.operation, Operation::Register | Operation::Update);
        if writes && statement.is_none() && policy.statement().is_some_and(|statement| statement.required) {
            trace.push(policy.gate(Gate::StatementPresent), Outcome::Fail, None);
            return (trace, Map::new());
        }
        let metadata = policy.merge(&self.given.request, statement);
        let facts = Facts {
            operation: self.operation,
            request: &self.given.request,
            metadata: &metadata,
            statement,
            peer: self.given.peer.as_ref().map(|(peer, authority)| (peer, authority)),
            signer: self.given.signer.as_ref().map(|(signer, authority)| (signer, authority)),
            token: self.given.token.as_ref(),
            remote: self.given.remote,
            client: self.given.client.as_ref(),
            software_keys: &self.given.software_keys,
            now: self.now,
        };
        let judged = policy.evaluate(&facts, &mut trace);
        // As the store would find, were what these checks ask for taken by others.
        for claim in judged.claims.iter().filter(|claim| self.taken.contains(&*claim.refusal.id)) {
            trace.push(&claim.refusal, Outcome::Fail, None);
        }
        (trace, metadata)
    }

    fn summary(&self, trace: &Trace) -> String {
        match trace.failures().next() {
            Some(first) => format!("reject {} | {}", first.rule.error, self.name.value),
            None => format!("accept | {}", self.name.value),
        }
    }

    fn differences(&self, trace: &Trace, metadata: &Map<String, Value>) -> Vec<String> {
        let mut differences = Vec::new();
        let failed: BTreeSet<String> = trace.failures().map(|step| step.rule.id.to_string()).collect();
        let shadow = trace.steps().iter().filter(|step| !step.refuses() && symbol(step).is_ascii_lowercase());
        let shadow: BTreeSet<String> = shadow.map(|step| step.rule.id.to_string()).collect();
        if self.accepted != failed.is_empty() {
            let verdict = if failed.is_empty() { "accepted" } else { "rejected" };
            differences.push(format!("it was {verdict}"));
        }
        if self.failed != failed {
            let steps = trace.failures().filter(|step| !self.failed.contains(&*step.rule.id));
            let why: Vec<String> = steps
                .map(|step| {
                    format!("{}: {:?} {}", step.rule.id, step.outcome, step.detail.as_deref().unwrap_or_default())
                })
                .collect();
            differences.push(format!("failed {failed:?}, expected {:?}; {}", self.failed, why.join("; ")));
        }
        if self.shadow != shadow {
            differences.push(format!("failed in shadow {shadow:?}, expected {:?}", self.shadow));
        }
        let error = trace.failures().next().map(|step| step.rule.error.to_string());
        if self.error.is_some() && self.error != error {
            differences.push(format!("the code is {error:?}, expected {:?}", self.error));
        }
        for (name, value) in self.forwarded.iter().filter(|(name, value)| metadata.get(*name) != Some(value)) {
            differences.push(format!("`{name}` is forwarded as {:?}, expected {value}", metadata.get(name)));
        }
        for name in self.absent.iter().filter(|name| metadata.contains_key(*name)) {
            differences.push(format!("`{name}` is forwarded"));
        }
        differences
    }

    fn result(&self, differences: Vec<String>) -> CaseResult {
        CaseResult { name: self.name.value.clone(), place: self.name.place.clone(), differences }
    }
}
