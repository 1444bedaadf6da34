//! One case: what it says, and what is not so.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::gates::Proofs;
use super::given::{self, Given};
use super::{Answer, CaseResult, Example, Failure};
use crate::model::claim::Claim;
use crate::model::document::{Located, Section};
use crate::model::facts::{Facts, Operation};
use crate::model::time::Timestamp;
use crate::model::trace::{Mode, Outcome, Step, Trace};
use crate::policy::Policy;

/// One case.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: Located<String>,
    facts: Map<String, Value>,
    given: Given,
    proofs: Proofs,
    now: Timestamp,
    operation: Operation,
    pub(super) params: Map<String, Value>,
    accepted: bool,
    error: Option<String>,
    field: Option<String>,
    failed: BTreeSet<String>,
    shadow: BTreeSet<String>,
    taken: BTreeSet<String>,
    /// In order; `None`: whatever it asks for.
    takes: Option<Vec<String>>,
    forwarded: Map<String, Value>,
    absent: BTreeSet<String>,
}

/// What a case came to, before it is compared with what it says.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) trace: Trace,
    pub(super) metadata: Map<String, Value>,
    claims: Vec<Claim>,
}

/// What cases start from.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    facts: Map<String, Value>,
    now: Option<Timestamp>,
    operation: Option<Operation>,
    /// Stand in for the deployment's.
    pub(super) params: Map<String, Value>,
}

impl Defaults {
    pub(super) fn read(section: &Section<'_>) -> Self {
        Self {
            facts: given::facts_of(section),
            now: now(section),
            operation: operation(section),
            params: map(section, "params"),
        }
    }
}

fn map(section: &Section<'_>, key: &str) -> Map<String, Value> {
    match section.json(key).map(|found| found.value) {
        Some(Value::Object(map)) => map,
        Some(_) => {
            section.faults().error(Some(&section.place_of_key(key)), format!("`{key}` has to be a table"), None);
            Map::new()
        }
        None => Map::new(),
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
    let words = Operation::ALL.map(|operation| (operation.as_str(), operation));
    section.word("operation", &words).map(|found| found.value)
}

impl Case {
    pub(super) fn read(section: &Section<'_>, defaults: &Defaults) -> Option<Self> {
        let name = section.required_text("name");
        section.require("expect");
        let accepted = section.word("expect", &[("accept", true), ("reject", false)]);
        let set = |key: &str| -> BTreeSet<String> {
            section.texts(key).into_iter().flatten().map(|text| text.value).collect()
        };
        let facts = given::changed(&defaults.facts, section);
        let now = now(section).or(defaults.now);
        if now.is_none() {
            section.faults().error(Some(&section.place()), "`now` is missing, here and in `defaults`", None);
        }
        Some(Self {
            given: Given::read(&facts, section)?,
            proofs: Proofs::read(&facts, section),
            now: now?,
            operation: operation(section).or(defaults.operation).unwrap_or(Operation::Register),
            params: defaults.params.clone().into_iter().chain(map(section, "params")).collect(),
            accepted: accepted?.value,
            error: section.text("error").map(|text| text.value),
            field: section.text("field").map(|text| text.value),
            failed: set("failed"),
            shadow: set("shadow"),
            taken: set("taken"),
            takes: section.texts("takes").map(|texts| sorted(texts.into_iter().map(|text| text.value))),
            forwarded: map(section, "forwarded"),
            absent: set("absent"),
            name: name?,
            facts,
        })
    }

    /// The case as data.
    pub(super) fn example(&self) -> Example {
        Example {
            name: self.name.value.clone(),
            operation: self.operation,
            now: self.now,
            params: self.params.clone(),
            facts: self.facts.clone(),
            accepted: self.accepted,
            error: self.error.clone(),
            failed: self.failed.clone(),
            taken: self.taken.clone(),
            forwarded: self.forwarded.clone(),
            absent: self.absent.clone(),
        }
    }

    /// Whether a check or rule is to fail.
    pub(super) fn is_about(&self, id: &str) -> bool {
        self.failed.contains(id) || self.shadow.contains(id)
    }

    /// Whether it is to be accepted.
    pub(super) const fn is_accepted(&self) -> bool {
        self.accepted
    }

    /// What the pipeline does, with the case's word for every proof.
    pub(super) fn judge(&self, policy: &Policy) -> Judgement {
        let mut trace = Trace::new();
        let refused = self.proofs.pass(&self.given, self.operation, policy, &mut trace).err();
        let none = Map::new();
        let facts = Facts {
            operation: self.operation,
            request: &none,
            metadata: &none,
            statement: self.given.statement.as_ref(),
            peer: self.given.peer.as_ref().map(|(peer, authority)| (peer, authority)),
            signer: self.given.signer.as_ref().map(|(signer, authority)| (signer, authority)),
            token: self.given.token.as_ref().map(Into::into),
            remote: self.given.remote,
            client: self.given.client.as_ref(),
            software_keys: self.given.software_keys(policy),
            sector: &self.given.sector,
            now: self.now,
        };
        if let Some(gate) = refused {
            if gate.is_of_request() {
                policy.evaluate_early(&facts, &mut trace);
            }
            gate.tell(policy, &mut trace);
            return Judgement { trace, metadata: none, claims: Vec::new() };
        }
        let (metadata, judged) = policy.judge(&Facts { request: &self.given.request, ..facts }, &mut trace);
        // As the store would find, were what these checks ask for taken by others.
        for claim in judged.claims.iter().filter(|claim| self.taken.contains(&*claim.refusal.id)) {
            trace.push(&claim.refusal, Outcome::Fail, None);
        }
        Judgement { trace, metadata, claims: judged.claims }
    }

    /// What is not as the case says; nothing when all is.
    pub(super) fn differences(&self, judgement: &Judgement) -> Vec<String> {
        let Judgement { trace, metadata, claims } = judgement;
        let mut differences = Vec::new();
        let failed: BTreeSet<String> = trace.failures().map(id).collect();
        if self.accepted != failed.is_empty() {
            differences.push(match self.accepted {
                true => "it was refused, and should be accepted".to_owned(),
                false => "it was accepted, and should be refused".to_owned(),
            });
        }
        for id in failed.difference(&self.failed) {
            differences.push(format!("`{id}` failed, and is not in `failed`"));
        }
        for id in self.failed.difference(&failed) {
            let ran = trace.steps().iter().find(|step| *step.rule.id == **id);
            let how = ran.map_or("did not run", |step| match step.outcome {
                Outcome::Skip => "was skipped",
                Outcome::Pass => "passed",
                Outcome::Fail | Outcome::Error => "failed in shadow alone",
            });
            differences.push(format!("`{id}` {how}, and should fail"));
        }
        let shadow: BTreeSet<String> = trace.steps().iter().filter(|step| is_shadow_failure(step)).map(id).collect();
        if self.shadow != shadow {
            differences.push(format!("failed in shadow: {}; expected: {}", list(&shadow), list(&self.shadow)));
        }
        let first = trace.failures().next().map(|step| &step.rule);
        let (error, field) = (first.map(|rule| rule.error.as_str()), first.and_then(|rule| rule.field.as_deref()));
        for (key, said, found) in [("error", &self.error, error), ("field", &self.field, field)] {
            if let Some(said) = said.as_deref().filter(|said| Some(*said) != found) {
                differences.push(format!("`{key}` is {}, expected {said}", found.unwrap_or("absent")));
            }
        }
        for (name, value) in self.forwarded.iter().filter(|(name, value)| metadata.get(*name) != Some(value)) {
            let found =
                metadata.get(name).map_or_else(|| "not forwarded".to_owned(), |found| format!("forwarded as {found}"));
            differences.push(format!("`{name}` is {found}, expected {value}"));
        }
        for name in self.absent.iter().filter(|name| metadata.contains_key(*name)) {
            differences.push(format!("`{name}` is forwarded, and should not be"));
        }
        if let Some(said) = &self.takes {
            let found = sorted(claims.iter().map(|claim| claim.described(self.now)));
            if *said != found {
                differences.push(format!("it takes: {}; expected: {}", list(&found), list(said)));
            }
        }
        differences
    }

    /// What it came to.
    pub(super) fn result(&self, judgement: &Judgement) -> CaseResult {
        let first = judgement.trace.failures().next().map(|step| Failure {
            id: step.rule.id.to_string(),
            error: step.rule.error.to_string(),
            message: step.rule.message.to_string(),
            detail: step.detail.as_deref().unwrap_or_default().to_owned(),
        });
        self.told(self.differences(judgement), first.map_or(Answer::Admitted, Answer::Refused))
    }

    /// What it came to where the policy cannot be used with its parameters.
    pub(super) fn unusable(&self) -> CaseResult {
        let difference = "the policy cannot be used with the parameters of this case".to_owned();
        self.told(vec![difference], Answer::Unusable)
    }

    fn told(&self, differences: Vec<String>, answer: Answer) -> CaseResult {
        CaseResult { name: self.name.value.clone(), place: self.name.place.clone(), differences, answer }
    }
}

fn id(step: &Step) -> String {
    step.rule.id.to_string()
}

fn is_shadow_failure(step: &Step) -> bool {
    step.rule.mode == Mode::Shadow && matches!(step.outcome, Outcome::Fail | Outcome::Error)
}

fn sorted(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut texts: Vec<String> = texts.collect();
    texts.sort_unstable();
    texts
}

fn list<'t>(texts: impl IntoIterator<Item = &'t String>) -> String {
    let texts: Vec<&str> = texts.into_iter().map(String::as_str).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}
