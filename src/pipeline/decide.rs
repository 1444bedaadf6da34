//! The decision: synchronous and pure, the same for the server, `explain` and the cases of policies.
//!
//! Gates come first, because what follows needs their product: a trusted
//! certificate, a statement, its signature. Then every check and every rule
//! runs, so that the caller learns of all failures in one answer.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::jose::{Algorithm, Compact};
use crate::model::claim::Claim;
use crate::model::evidence::{Evidence, Known};
use crate::model::facts::{Facts, Operation};
use crate::model::id::AuthorityName;
use crate::model::peer::{Judgement, Peer, Revocation, Trusted};
use crate::model::statement::Statement;
use crate::model::time::Timestamp;
use crate::model::trace::{Outcome, Trace};
use crate::policy::{Gate, Policy, Subject};

/// What is asked, by whom it may be vouched for, and when.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The policy that judges.
    pub policy: &'a Policy,
    /// Who may vouch for the client certificate.
    pub authorities: &'a [AuthorityName],
    /// What is asked for.
    pub operation: Operation,
    /// The address that it came from; `None` where a decision is made without a connection.
    pub remote: Option<IpAddr>,
    /// The request's members.
    pub request: &'a Map<String, Value>,
    /// The one time of this decision: when the body was complete.
    pub now: Timestamp,
}

/// A decision with its reasons. There is no way to get the verdict without them.
#[derive(Debug)]
pub struct Decision {
    /// Every step that was taken.
    pub trace: Trace,
    /// The verdict.
    pub verdict: Verdict,
    /// Who asked, as far as verified.
    pub subject: Subject,
    /// The verified statement, where there is one.
    pub statement: Option<Statement>,
}

/// Admitted or refused, and nothing in between.
#[derive(Debug)]
pub enum Verdict {
    /// May be forwarded, once its record and claims are on disk.
    Admitted(Admitted),
    /// The trace holds the reasons.
    Refused,
}

/// What may be forwarded. Made here only, when nothing failed.
#[derive(Debug)]
pub struct Admitted {
    metadata: Map<String, Value>,
    claims: Vec<Claim>,
}

impl Admitted {
    /// The members as judged, and the claims to take.
    pub fn into_parts(self) -> (Map<String, Value>, Vec<Claim>) {
        (self.metadata, self.claims)
    }

    /// The members as judged.
    pub const fn metadata(&self) -> &Map<String, Value> {
        &self.metadata
    }
}

/// Decides.
pub fn decide(question: &Question<'_>, evidence: &Evidence) -> Decision {
    let mut trace = Trace::new();
    let decision = |trace: Trace, verdict, subject, statement| Decision { trace, verdict, subject, statement };
    let Some((peer, authority)) = trusted_peer(question, evidence, &mut trace) else {
        return decision(trace, Verdict::Refused, Subject::default(), None);
    };
    let Ok(statement) = verified_statement(question, evidence, &mut trace) else {
        return decision(trace, Verdict::Refused, Subject::default(), None);
    };
    if question.policy.request().is_some() {
        trace.push(question.policy.gate(Gate::RequestSignature), Outcome::Fail, Some("the request is JSON".into()));
        return decision(trace, Verdict::Refused, Subject::default(), statement);
    }
    let (metadata, judged) = question.policy.judge(
        &Facts {
            operation: question.operation,
            request: question.request,
            metadata: &Map::new(),
            statement: statement.as_ref(),
            peer: Some((peer, authority)),
            signer: None,
            token: evidence.token.value().map(|claims| &**claims),
            remote: question.remote,
            client: evidence.binding.value().map(|binding| &**binding),
            software_keys: &evidence.software_keys,
            now: question.now,
        },
        &mut trace,
    );
    let verdict = if trace.failures().next().is_some() {
        Verdict::Refused
    } else {
        Verdict::Admitted(Admitted { metadata, claims: judged.claims })
    };
    decision(trace, verdict, judged.subject, statement)
}

/// Gate 1: one of the policy's authorities vouches for the certificate (RFC 5280 §6).
fn trusted_peer<'e>(
    question: &Question<'_>,
    evidence: &'e Evidence,
    trace: &mut Trace,
) -> Option<(&'e Peer, &'e AuthorityName)> {
    let rule = question.policy.gate(Gate::CertificateTrusted);
    let refuse = |trace: &mut Trace, detail: String| {
        trace.push(rule, Outcome::Fail, Some(detail.into()));
        None
    };
    match &evidence.peer {
        Known::Absent => refuse(trace, "no client certificate was presented".to_owned()),
        Known::Unavailable(why) => refuse(trace, why.to_string()),
        Known::Value((peer, judgement)) => match judgement.trusted_by(question.authorities) {
            Some(_) if !question.policy.certificate().accepts(&peer.certificate) => {
                refuse(trace, "neither the certificate nor its key is pinned".to_owned())
            }
            Some((authority, trusted)) => {
                trace.push(rule, Outcome::Pass, revocation_detail(trusted));
                Some((peer, authority))
            }
            None => {
                let why = judgement.distrust(question.authorities);
                refuse(
                    trace,
                    why.map_or_else(|| "no authority of the policy is configured".to_owned(), |why| why.to_string()),
                )
            }
        },
    }
}

fn revocation_detail(trusted: &Trusted) -> Option<Box<str>> {
    match &trusted.revocation {
        Revocation::Unknown(why) => Some(format!("revocation unknown: {why}").into()),
        Revocation::Good | Revocation::NotChecked => None,
    }
}

/// The request stops here; the trace says why.
struct Stop;

/// Gate 2: the statement is there and a trusted key signed it (RFC 7591 §2.3, RFC 8725).
fn verified_statement(
    question: &Question<'_>,
    evidence: &Evidence,
    trace: &mut Trace,
) -> Result<Option<Statement>, Stop> {
    let policy = question.policy;
    let Some(wanted) = policy.statement() else { return Ok(None) };
    let present = policy.gate(Gate::StatementPresent);
    let token = match question.request.get("software_statement") {
        Some(Value::String(token)) => token,
        None if !wanted.required => {
            trace.push(present, Outcome::Skip, None);
            return Ok(None);
        }
        None => {
            trace.push(present, Outcome::Fail, None);
            return Err(Stop);
        }
        Some(_) => {
            trace.push(present, Outcome::Fail, Some("not a string".into()));
            return Err(Stop);
        }
    };
    trace.push(present, Outcome::Pass, None);
    let signature = policy.gate(Gate::StatementSignature);
    let refuse = |trace: &mut Trace, detail: String| {
        trace.push(signature, Outcome::Fail, Some(detail.into()));
        Err(Stop)
    };
    let compact = match Compact::parse(token) {
        Ok(compact) => compact,
        Err(fault) => return refuse(trace, format!("the software statement {fault}")),
    };
    let allowed: Vec<Algorithm> = wanted.algorithms.iter().filter_map(|name| Algorithm::parse(name)).collect();
    if !allowed.contains(&compact.header().algorithm) {
        return refuse(trace, "the policy does not allow this algorithm".to_owned());
    }
    let key = match &evidence.statement_key {
        Known::Value(key) => key,
        Known::Absent => return refuse(trace, "the directory's key set has no key that fits the header".to_owned()),
        Known::Unavailable(why) => {
            trace.push(policy.gate(Gate::StatementKeys), Outcome::Error, Some(why.to_string().into()));
            return Err(Stop);
        }
    };
    match compact.verify(key, &allowed) {
        Ok(statement) => {
            trace.push(signature, Outcome::Pass, None);
            Ok(Some(statement.into()))
        }
        Err(fault) => refuse(trace, format!("the software statement {fault}")),
    }
}

/// The statement's header, for choosing its key; `None` where there is nothing to choose for.
pub fn statement_header(request: &Map<String, Value>) -> Option<Compact<'_>> {
    Compact::parse(request.get("software_statement")?.as_str()?).ok()
}

/// What evidence there is without any network: a certificate's judgement and a key, both given.
pub fn offline(peer: Known<(Arc<Peer>, Arc<Judgement>)>) -> Evidence {
    let offline = || Known::Unavailable("not fetched offline".into());
    Evidence {
        peer,
        token: Known::Absent,
        statement_key: Known::Unavailable("no key set was given".into()),
        software_keys: offline(),
        binding: Known::Absent,
    }
}
