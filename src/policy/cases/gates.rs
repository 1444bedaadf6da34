//! Gates in cases: what a case says in place of a proof.
//!
//! The pipeline proves with signatures and chains; a case says the result. The
//! gates, their order, their rules and what is refused are the policy's own in both.

use serde_json::{Map, Value};

use super::given::Given;
use crate::model::document::Section;
use crate::model::facts::Operation;
use crate::model::trace::{Outcome, Trace};
use crate::policy::{Gate, Policy};

/// Words that may stand in place of facts: where, which, the gate that stops there, and how.
const WORDS: &[(&str, &str, Gate, Outcome)] = &[
    ("certificate", "absent", Gate::CertificateTrusted, Outcome::Fail),
    ("certificate", "untrusted", Gate::CertificateTrusted, Outcome::Fail),
    ("statement", "absent", Gate::StatementPresent, Outcome::Fail),
    ("statement_keys", "unavailable", Gate::StatementKeys, Outcome::Error),
    ("statement_keys", "absent", Gate::StatementSignature, Outcome::Fail),
    ("signature", "invalid", Gate::StatementSignature, Outcome::Fail),
    ("signer", "absent", Gate::StatementSignature, Outcome::Fail),
    ("signer", "untrusted", Gate::StatementCertificate, Outcome::Fail),
    ("software_keys", "unavailable", Gate::RequestKeys, Outcome::Error),
    ("software_keys", "absent", Gate::RequestSignature, Outcome::Fail),
    ("request_signature", "invalid", Gate::RequestSignature, Outcome::Fail),
];

/// Keys that hold such words alone, and the one that says that nothing is wrong.
pub(super) const KEYS: &[(&str, &str)] =
    &[("statement_keys", "known"), ("signature", "valid"), ("request_signature", "valid")];

/// Nothing to say.
const PASS: (Outcome, &str) = (Outcome::Pass, "");

/// A gate at which a case stops, and how.
type Stop = (Gate, Outcome, &'static str);

/// The gate that refuses a case.
pub(super) struct Refused {
    gate: Gate,
    outcome: Outcome,
    why: &'static str,
}

impl Refused {
    /// Whether what the policy says of certificate, token and statement comes before it.
    pub(super) const fn is_of_request(&self) -> bool {
        matches!(self.gate, Gate::RequestKeys | Gate::RequestSignature)
    }

    /// Adds its step to the trace.
    pub(super) fn tell(self, policy: &Policy, trace: &mut Trace) {
        trace.push(policy.gate(self.gate), self.outcome, (!self.why.is_empty()).then(|| self.why.into()));
    }
}

/// What a case proves.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    stops: Vec<Stop>,
    /// Algorithm of the statement's signature; the first that the policy accepts where none is said.
    algorithm: Option<String>,
    /// The same of the request's, where requests are signed.
    request_algorithm: Option<String>,
}

impl Proofs {
    /// From the facts of a case. A word that means nothing is recorded.
    pub(super) fn read(facts: &Map<String, Value>, section: &Section<'_>) -> Self {
        let mut stops = Vec::new();
        for (key, found) in facts {
            let Some(word) = found.as_str() else { continue };
            let known: Vec<_> = WORDS.iter().filter(|(of, ..)| of == key).collect();
            let usual = KEYS.iter().find(|(of, _)| of == key).map(|(_, usual)| *usual);
            match known.iter().find(|(_, meant, ..)| *meant == word) {
                Some((_, meant, gate, outcome)) => stops.push((*gate, *outcome, *meant)),
                None if known.is_empty() || usual == Some(word) => {}
                None => {
                    let words = known.iter().map(|(_, word, ..)| *word).chain(usual).collect::<Vec<_>>().join(", ");
                    let place = section.place_of_key(key);
                    let message = format!("`{key}` does not know the word `{word}`");
                    section.faults().error(Some(&place), message, Some(format!("known words: {words}")));
                }
            }
        }
        let algorithm = |key: &str| facts.get(key).and_then(Value::as_str).map(str::to_owned);
        Self { stops, algorithm: algorithm("algorithm"), request_algorithm: algorithm("request_algorithm") }
    }

    /// Passes the policy's gates, as far as the case comes.
    ///
    /// # Errors
    /// The one that refuses, of which nothing is in the trace yet.
    pub(super) fn pass(
        &self,
        given: &Given,
        operation: Operation,
        policy: &Policy,
        trace: &mut Trace,
    ) -> Result<(), Refused> {
        for gate in policy.gates(operation) {
            let said = self.stops.iter().find(|(at, ..)| *at == gate).map(|(_, outcome, word)| (*outcome, *word));
            let required = policy.statement().is_some_and(|statement| statement.required);
            let accepted = match gate {
                Gate::StatementKeys | Gate::StatementSignature => {
                    accepts(policy.statement().map(|statement| &*statement.algorithms), self.algorithm.as_ref())
                }
                Gate::RequestKeys | Gate::RequestSignature => {
                    accepts(policy.request().map(|request| &*request.algorithms), self.request_algorithm.as_ref())
                }
                Gate::CertificateTrusted
                | Gate::TokenValid
                | Gate::TokenPresent
                | Gate::TokenScope
                | Gate::TokenProof
                | Gate::TokenKeys
                | Gate::StatementPresent
                | Gate::StatementCertificate => true,
            };
            let (outcome, why) = match gate {
                Gate::CertificateTrusted if let Some((peer, _)) = &given.peer => {
                    let pinned = policy.certificate().accepts(&peer.certificate);
                    said.unwrap_or(if pinned { PASS } else { (Outcome::Fail, "neither it nor its key is pinned") })
                }
                // One that is shown has to be trusted, whether or not there has to be one.
                Gate::CertificateTrusted => match said {
                    Some(said @ (_, "untrusted")) => said,
                    _ if policy.certificate().required => (Outcome::Fail, "absent"),
                    _ => {
                        trace.push(policy.gate(gate), Outcome::Skip, None);
                        continue;
                    }
                },
                Gate::StatementPresent if given.statement.is_none() && !required => {
                    trace.push(policy.gate(gate), Outcome::Skip, None);
                    return Ok(());
                }
                Gate::StatementPresent if given.statement.is_none() => said.unwrap_or((Outcome::Fail, "absent")),
                // An algorithm that is not accepted is refused before any key is looked for.
                Gate::StatementKeys | Gate::RequestKeys if !accepted => continue,
                Gate::StatementSignature | Gate::RequestSignature if !accepted => {
                    (Outcome::Fail, "the policy does not allow this algorithm")
                }
                Gate::RequestSignature if given.has_keys_out_of_reach(policy) => (Outcome::Fail, "no key set in reach"),
                _ => said.unwrap_or(PASS),
            };
            if outcome != Outcome::Pass {
                return Err(Refused { gate, outcome, why });
            }
            trace.push(policy.gate(gate), outcome, None);
        }
        Ok(())
    }
}

/// Whether an algorithm is among those that are accepted.
fn accepts(accepted: Option<&[String]>, algorithm: Option<&String>) -> bool {
    accepted.is_none_or(|accepted| algorithm.is_none_or(|algorithm| accepted.contains(algorithm)))
}
