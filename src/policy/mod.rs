//! Policies: what a regime asks of a registration, read from a file.
//!
//! [`compile`] reads a policy and the policies that it extends, and reports every
//! fault. A [`Policy`] is pure: [`Policy::judge`] merges the statement over the
//! request and judges the facts. It never fetches, never reads a clock or a file,
//! and parses nothing once it is made.
//!
//! Beside it stand the tools of people who write a policy and answer for it. None is on
//! the way of a request:
//!
//! - [`cases`]: examples with their verdicts, and which checks and rules they tried;
//! - [`mutants`]: the policy with one thing changed, which a case has to notice;
//! - [`effective`]: what its files say together, each word with its line; over that
//!   [`diff`] tells what changes, and [`lint`] what protects less than it seems to;
//! - [`mod@reference`]: every gate, check and setting; [`packs`]: the policies that come along.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::checks::{Active, Asker, ClientLimits, SECTOR, SectorPolicy, SoftwareKeysPolicy, is_before_request, text};
use crate::model::claim::Claim;
use crate::model::digest::Digest;
use crate::model::facts::{Facts, Operation};
use crate::model::statement::Statement;
use crate::model::trace::{Outcome, Rule, Trace};

mod aliases;
pub mod cases;
pub mod cel;
pub mod diff;
pub mod effective;
mod forward;
mod gates;
mod layers;
pub mod lint;
mod looked;
pub mod mutants;
pub mod packs;
mod read;
pub mod reference;
mod rules;
mod sources;
mod subject;
pub mod template;

pub use gates::{ALGORITHMS, CertificatePolicy, Gate, RequestPolicy, Signer, StatementPolicy};
pub use looked::{Looked, LookedAt};
pub use read::{compile, follow};
pub use sources::Sources;
pub use subject::Subject;

use aliases::Aliases;
use cel::{Library, Session, TooLong, Uses, Values};
use forward::Forward;
use gates::Gates;
use rules::Ruling;
use subject::SubjectPolicy;

/// A policy, ready to judge.
#[derive(Debug)]
pub struct Policy {
    about: Description,
    gates: Gates,
    software_keys: Option<SoftwareKeysPolicy>,
    sector: Option<SectorPolicy>,
    checks: Vec<Active>,
    rulings: Vec<Ruling>,
    aliases: Aliases,
    forward: Forward,
    subject: SubjectPolicy,
    library: Library,
    uses: Uses,
    limits: Limits,
}

/// What a policy says of itself.
#[derive(Debug)]
struct Description {
    id: Arc<str>,
    version: Arc<str>,
    title: Arc<str>,
    spec: Arc<str>,
    digest: Digest,
}

/// Rules of our own, under which facts that are too large are refused.
#[derive(Debug)]
struct Limits {
    request: Arc<Rule>,
    evidence: Arc<Rule>,
}

/// A request and its statement as checks and rules see them.
struct Seen<'f> {
    /// Every member under the name that is meant.
    request: Cow<'f, Map<String, Value>>,
    /// Every claim under the name that is meant.
    statement: Option<Cow<'f, Statement>>,
    /// Both merged, as the policy says.
    metadata: Map<String, Value>,
}

impl Seen<'_> {
    /// The facts with these in place of what was sent.
    fn over<'s>(&'s self, facts: &Facts<'s>) -> Facts<'s> {
        Facts { request: &self.request, statement: self.statement.as_deref(), metadata: &self.metadata, ..*facts }
    }
}

/// What an evaluation came to, besides its trace.
#[derive(Debug, Default)]
pub struct Judged {
    /// Single-use things that the decision takes when it admits.
    pub claims: Vec<Claim>,
    /// On whose behalf the request came.
    pub subject: Subject,
}

impl Policy {
    /// The id, such as `open-finance-brasil`.
    pub fn id(&self) -> &Arc<str> {
        &self.about.id
    }

    /// The version, of the file's own counting.
    pub fn version(&self) -> &Arc<str> {
        &self.about.version
    }

    /// The title, for people.
    pub fn title(&self) -> &Arc<str> {
        &self.about.title
    }

    /// The specification that it holds.
    pub fn spec(&self) -> &Arc<str> {
        &self.about.spec
    }

    /// SHA-256 of the files and parameters that it was made from.
    pub const fn digest(&self) -> Digest {
        self.about.digest
    }

    /// What it asks of the client certificate.
    pub const fn certificate(&self) -> &CertificatePolicy {
        self.gates.certificate()
    }

    /// How a software statement is to be verified; `None` where the policy reads none.
    pub const fn statement(&self) -> Option<&StatementPolicy> {
        self.gates.statement()
    }

    /// How a signed request is to be verified; `None` where requests are JSON.
    pub const fn request(&self) -> Option<&RequestPolicy> {
        self.gates.request()
    }

    /// Which key set of the software is wanted; `None` where the policy looks at none.
    pub const fn software_keys(&self) -> Option<&SoftwareKeysPolicy> {
        self.software_keys.as_ref()
    }

    /// Which sector documents are wanted; `None` where the policy looks at none.
    pub const fn sector(&self) -> Option<&SectorPolicy> {
        self.sector.as_ref()
    }

    /// The address of the sector's document that these members will have as they are forwarded. `facts.metadata` is
    /// not looked at.
    pub fn sector_address(&self, facts: &Facts<'_>) -> Option<String> {
        text(&self.see(facts).metadata, SECTOR).map(str::to_owned)
    }

    /// Which methods and algorithms its checks admit for new clients; its rules may admit less.
    pub fn client_limits(&self) -> ClientLimits {
        let mut limits = ClientLimits::default();
        self.checks.iter().for_each(|check| check.limit(&mut limits));
        limits
    }

    /// The rule of a step that is taken before the policy is evaluated.
    pub const fn gate(&self, gate: Gate) -> &Arc<Rule> {
        self.gates.rule(gate)
    }

    /// The gates that an operation passes under this policy, in order.
    pub fn gates(&self, operation: Operation) -> impl Iterator<Item = Gate> {
        self.gates.on(operation)
    }

    /// Every check and rule, in the order of evaluation.
    pub fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.checks.iter().map(Active::rule).chain(self.rulings.iter().map(Ruling::rule))
    }

    /// The id of everything that may stand in a trace of this policy, each once, about in the order of its steps.
    pub fn steps(&self) -> Vec<Arc<str>> {
        let gates = self.gates.possible(Operation::Register).map(|gate| self.gate(gate));
        let computed = self.forward.rules().chain([&self.limits.request, &self.limits.evidence]);
        let judging = self.checks.iter().map(Active::rule).chain(computed).chain(self.rulings.iter().map(Ruling::rule));
        let mut ids: Vec<Arc<str>> = Vec::new();
        for rule in gates.chain(self.aliases.rules()).chain(judging) {
            if !ids.contains(&rule.id) {
                ids.push(Arc::clone(&rule.id));
            }
        }
        ids
    }

    /// Members that an answer has to hold where the request held them, whether the identity server keeps them or not:
    /// the statement, the scope, and what the statement says of the client.
    pub fn returned(&self) -> impl Iterator<Item = &str> {
        let said = self.forward.from_statement.iter().map(|(name, _)| *name);
        ["software_statement", "scope", "software_id", "software_version"].into_iter().chain(said)
    }

    /// A claim of a verified statement that is a text, under whichever of its spellings it has (`[aliases.statement]`).
    pub fn claim<'s>(&self, claims: &'s Map<String, Value>, name: &str) -> Option<&'s str> {
        self.aliases.claim(claims, name)
    }

    /// What comes after the gates: members and claims are read under one name, merged, and judged. Gives the members
    /// that may be forwarded where nothing in the trace refuses. `facts.metadata` is not looked at.
    ///
    /// The members are bounded by the request, the statement and the policy. One that could not be computed is
    /// `null`, and refuses.
    pub fn judge(&self, facts: &Facts<'_>, trace: &mut Trace) -> (Map<String, Value>, Judged) {
        let seen = self.see(facts);
        let judged = self.evaluate(&seen.over(facts), trace);
        (seen.metadata, judged)
    }

    /// Runs the checks that do not look at the request, for one whose signature was refused: what is wrong with its
    /// certificate or statement comes first. Nothing is claimed, since nothing will be admitted.
    pub fn evaluate_early(&self, facts: &Facts<'_>, trace: &mut Trace) -> Subject {
        let checks = self.checks.iter().take_while(|check| is_before_request(&check.rule().id));
        let (judged, _) = self.check(checks, &self.see(facts).over(facts), trace);
        judged.subject
    }

    /// What checks and rules see of a request and its statement.
    fn see<'f>(&self, facts: &Facts<'f>) -> Seen<'f> {
        let request = self.aliases.request(facts.request);
        let statement = facts.statement.map(|statement| self.aliases.statement(statement));
        let facts = Facts { request: &request, statement: statement.as_deref(), ..*facts };
        // A read and a deletion have no members (RFC 7592 §2.1, §2.3).
        let metadata = match facts.operation {
            Operation::Register | Operation::Update => self.forward.merge(&self.library, &facts),
            Operation::Read | Operation::Delete => Map::new(),
        };
        Seen { request, statement, metadata }
    }

    /// Runs these checks. Gives also which of them hold back what comes after them.
    fn check<'p>(
        &'p self,
        checks: impl Iterator<Item = &'p Active>,
        facts: &Facts<'_>,
        trace: &mut Trace,
    ) -> (Judged, Vec<bool>) {
        let mut judged = Judged { claims: Vec::new(), subject: self.subject.of(&self.library, facts) };
        let (organisation, software) = (judged.subject.organisation.as_deref(), judged.subject.software.as_deref());
        let asker = Asker { policy: &self.about.id, organisation, software };
        self.aliases.judge(facts, trace);
        let blocked = checks.map(|check| !check.run(&asker, facts, trace, &mut judged.claims)).collect();
        (judged, blocked)
    }

    /// Runs every check, then every rule; all failures are in the trace.
    fn evaluate(&self, facts: &Facts<'_>, trace: &mut Trace) -> Judged {
        let (mut judged, mut blocked) = self.check(self.checks.iter(), facts, trace);
        self.forward.judge(facts, trace);
        let values = match Values::new(&self.library, &self.uses, facts) {
            Ok(values) => values,
            Err(too_long) => {
                let rule = match too_long {
                    TooLong::Request => &self.limits.request,
                    TooLong::Evidence => &self.limits.evidence,
                };
                trace.push(rule, Outcome::Error, None);
                return judged;
            }
        };
        let mut session = Session::new(&self.library, &values);
        for ruling in &self.rulings {
            blocked.push(!ruling.judge(&mut session, facts.operation, &blocked, trace));
        }
        if let Some(Ok(Value::Array(roles))) = self.subject.roles.as_ref().map(|roles| session.json(roles)) {
            judged.subject.roles = roles.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
        judged
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.about.id, self.about.version)
    }
}

#[cfg(test)]
mod tests;
