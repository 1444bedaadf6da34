//! The decision: synchronous and pure, the same for the server, `explain` and the cases of policies.
//!
//! Gates come first, because what follows needs their product: a trusted
//! certificate, a statement, its signature, that of the request. Then every check and every rule
//! runs, so that the caller learns of all failures in one answer.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::decode::Sent;
use crate::jose::{Algorithm, Compact, JwsFault};
use crate::model::claim::Claim;
use crate::model::evidence::{Evidence, Known, Token};
use crate::model::facts::{Facts, Operation};
use crate::model::id::AuthorityName;
use crate::model::peer::{Judgement, Peer, Revocation, Trusted};
use crate::model::statement::{Signed, Statement};
use crate::model::time::Timestamp;
use crate::model::token::AccessToken;
use crate::model::trace::{Outcome, Trace};
use crate::policy::{self, Gate, Policy, Subject};

use super::signer::signed_by_certificate;
use super::template::Made;
use super::token::{self, TokenRule, Unfit};

mod looked;
mod sector;
mod signed;

pub use looked::looked_at;
pub use sector::sector_address;
pub use signed::request_header;

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
    /// What the route asks of an initial access token; `None` where it asks for none.
    pub token: Option<&'a TokenRule>,
    /// The request; of one that has to be signed nothing counts before its signature is verified.
    pub request: &'a Sent,
    /// The one time of this decision: when the body was complete.
    pub now: Timestamp,
}

impl Question<'_> {
    /// Whether there is a request to be judged, with its statement and signature: a read and a deletion have none.
    const fn has_body(&self) -> bool {
        matches!(self.operation, Operation::Register | Operation::Update)
    }
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
    /// The certificate that signed it, trusted or not, where the policy has certificates sign.
    pub signer: Option<Signer>,
    /// The initial access token, where its issuer vouches for it.
    pub token: Option<Arc<AccessToken>>,
    /// The template that the request was made from.
    pub template: Option<Made>,
    /// The verified request, where it had to be signed.
    pub signed: Option<Signed>,
}

impl Decision {
    /// Refused for what the trace says, before anything was verified.
    pub fn refused(trace: Trace) -> Self {
        let (subject, verdict) = (Subject::default(), Verdict::Refused);
        Self { trace, verdict, subject, statement: None, signer: None, token: None, template: None, signed: None }
    }
}

/// A certificate that signed a statement, and what each authority says of its chain.
pub type Signer = (Arc<Peer>, Arc<Judgement>);

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
    let policy = question.policy;
    let vouched = match &evidence.token {
        Known::Value(Token::Vouched(token)) => Some(Arc::clone(token)),
        _ => None,
    };
    let signer = evidence.signer.value().cloned();
    let refused = |trace| Decision { signer, token: vouched, ..Decision::refused(trace) };
    let Ok(peer) = client(question, evidence, &mut trace) else { return refused(trace) };
    let Ok(token) = valid_token(question, evidence, &mut trace) else { return refused(trace) };
    let Ok(Verified { statement, signer: signed_by }) = verified_statement(question, evidence, &mut trace) else {
        return refused(trace);
    };
    let none = Map::new();
    let facts = Facts {
        operation: question.operation,
        request: &none,
        metadata: &none,
        statement: statement.as_ref(),
        peer,
        signer: signed_by,
        token: token.map(|token| (&**token).into()),
        remote: question.remote,
        client: evidence.binding.value().map(|binding| &**binding),
        software_keys: &evidence.software_keys,
        sector: &evidence.sector,
        now: question.now,
    };
    let verified = if question.has_body() { signed::verified(policy, question.request, evidence) } else { Ok(None) };
    let signed = match verified {
        Ok(signed) => signed,
        Err(signed::Refused { gate, outcome, detail }) => {
            // A statement that is refused anyway is told first: whoever signs again needs a new one too.
            let subject = policy.evaluate_early(&facts, &mut trace);
            trace.push(policy.gate(gate), outcome, Some(detail));
            return Decision { subject, statement, ..refused(trace) };
        }
    };
    let request = match &signed {
        Some(signed) => {
            trace.push(policy.gate(Gate::RequestSignature), Outcome::Pass, None);
            &signed.claims
        }
        None => &question.request.members,
    };
    let (metadata, judged) = policy.judge(&Facts { request, ..facts }, &mut trace);
    let verdict = if trace.failures().next().is_some() {
        Verdict::Refused
    } else {
        Verdict::Admitted(Admitted { metadata, claims: judged.claims })
    };
    Decision { verdict, subject: judged.subject, statement, signed, ..refused(trace) }
}

/// Whether the gates that need no body let this caller through: who does not pass is refused without being read.
pub fn admits_caller(question: &Question<'_>, evidence: &Evidence) -> bool {
    let mut trace = Trace::new();
    client(question, evidence, &mut trace).is_ok() && valid_token(question, evidence, &mut trace).is_ok()
}

/// A certificate and the authority that vouches for it.
type Vouched<'e> = (&'e Peer, &'e AuthorityName);

/// Gate 1: one of the policy's authorities vouches for the certificate (RFC 5280 §6). `None` where the policy
/// does without one and none was shown; one that is shown is judged all the same.
fn client<'e>(question: &Question<'_>, evidence: &'e Evidence, trace: &mut Trace) -> Result<Option<Vouched<'e>>, Stop> {
    let rule = question.policy.gate(Gate::CertificateTrusted);
    let wanted = question.policy.certificate();
    let refuse = |trace: &mut Trace, detail: String| {
        trace.push(rule, Outcome::Fail, Some(detail.into()));
        Err(Stop)
    };
    match &evidence.peer {
        Known::Absent if !wanted.required => {
            trace.push(rule, Outcome::Skip, None);
            Ok(None)
        }
        Known::Absent => refuse(trace, "no client certificate was presented".to_owned()),
        Known::Unavailable(why) => refuse(trace, why.to_string()),
        Known::Value((peer, judgement)) => match judgement.trusted_by(question.authorities) {
            Some(_) if !wanted.accepts(&peer.certificate) => {
                refuse(trace, "neither the certificate nor its key is pinned".to_owned())
            }
            Some((authority, trusted)) => {
                trace.push(rule, Outcome::Pass, trusted_detail(peer, trusted));
                Ok(Some((peer, authority)))
            }
            None => refuse(trace, distrusted(question, judgement)),
        },
    }
}

fn distrusted(question: &Question<'_>, judgement: &Judgement) -> String {
    let why = judgement.distrust(question.authorities);
    why.map_or_else(|| "no authority of the policy is configured".to_owned(), |why| why.to_string())
}

/// What is worth a word though the certificate is trusted.
fn trusted_detail(peer: &Peer, trusted: &Trusted) -> Option<Box<str>> {
    let revocation = match &trusted.revocation {
        Revocation::Unknown(why) => Some(format!("revocation unknown: {why}")),
        Revocation::Good | Revocation::NotChecked => None,
    };
    let statements = peer.certificate.statements.as_ref().err().map(|fault| format!("counted as none: {fault}"));
    let all: Vec<String> = revocation.into_iter().chain(statements).collect();
    (!all.is_empty()).then(|| all.join("; ").into())
}

/// The request stops here; the trace says why.
struct Stop;

/// Gate 2: the initial access token that the route asks for (RFC 7591 §3, RFC 6750 §3.1).
fn valid_token<'e>(
    question: &Question<'_>,
    evidence: &'e Evidence,
    trace: &mut Trace,
) -> Result<Option<&'e Arc<AccessToken>>, Stop> {
    let certificate = evidence.peer.value().map(|(peer, _)| &peer.certificate.thumbprint);
    match token::judge(question.token, &evidence.token, certificate, question.now) {
        Ok(token) => {
            if question.token.is_some() {
                let outcome = if token.is_some() { Outcome::Pass } else { Outcome::Skip };
                trace.push(question.policy.gate(Gate::TokenValid), outcome, None);
            }
            Ok(token)
        }
        Err(unfit) => {
            refuse_token(question.policy, &unfit, trace);
            Err(Stop)
        }
    }
}

/// Writes down why a token does not do.
pub(super) fn refuse_token(policy: &Policy, unfit: &Unfit, trace: &mut Trace) {
    let outcome = if unfit.gate == Gate::TokenKeys { Outcome::Error } else { Outcome::Fail };
    trace.push(policy.gate(unfit.gate), outcome, Some((&*unfit.why).into()));
}

/// What the gates of the statement give.
#[derive(Default)]
struct Verified<'e> {
    statement: Option<Statement>,
    signer: Option<Vouched<'e>>,
}

/// Gate 3: the statement is there and a trusted key signed it (RFC 7591 §2.3, RFC 8725).
fn verified_statement<'e>(
    question: &Question<'_>,
    evidence: &'e Evidence,
    trace: &mut Trace,
) -> Result<Verified<'e>, Stop> {
    let policy = question.policy;
    let Some(wanted) = policy.statement().filter(|_| question.has_body()) else { return Ok(Verified::default()) };
    let present = policy.gate(Gate::StatementPresent);
    let token = match question.request.members.get("software_statement") {
        Some(Value::String(token)) => token,
        None if !wanted.required => {
            trace.push(present, Outcome::Skip, None);
            return Ok(Verified::default());
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
    let fault = |fault: JwsFault| format!("the software statement {fault}");
    let parsed = match wanted.signer {
        policy::Signer::Directory => Compact::parse(token),
        policy::Signer::Certificate => Compact::parse_certified(token),
    };
    let compact = match parsed {
        Ok(compact) => compact,
        Err(why) => return refuse(trace, fault(why)),
    };
    let allowed: Vec<Algorithm> = wanted.algorithms.iter().filter_map(|name| Algorithm::parse(name)).collect();
    if !allowed.contains(&compact.header().algorithm) {
        return refuse(trace, "the policy does not allow this algorithm".to_owned());
    }
    if wanted.signer == policy::Signer::Certificate {
        let (signer, statement) = match signed_by_certificate(&compact, &allowed) {
            Ok(signed) => signed,
            Err(why) => return refuse(trace, fault(why)),
        };
        trace.push(signature, Outcome::Pass, None);
        let signer = Some(trusted_signer(question, &signer, evidence, trace)?);
        return Ok(Verified { statement: Some(statement), signer });
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
            Ok(Verified { statement: Some(statement), signer: None })
        }
        Err(why) => refuse(trace, fault(why)),
    }
}

/// Gate 3, where certificates sign: one of the policy's authorities vouches for this one (RFC 7515 §4.1.6).
fn trusted_signer<'e>(
    question: &Question<'_>,
    signer: &Peer,
    evidence: &'e Evidence,
    trace: &mut Trace,
) -> Result<Vouched<'e>, Stop> {
    let rule = question.policy.gate(Gate::StatementCertificate);
    let mut stop = |outcome, detail: String| {
        trace.push(rule, outcome, Some(detail.into()));
        Err(Stop)
    };
    match &evidence.signer {
        Known::Value((judged, judgement)) if judged.digest == signer.digest => {
            match judgement.trusted_by(question.authorities) {
                Some((authority, trusted)) => {
                    trace.push(rule, Outcome::Pass, trusted_detail(judged, trusted));
                    Ok((judged, authority))
                }
                None => {
                    let thumbprint = judged.certificate.thumbprint.base64url();
                    stop(Outcome::Fail, format!("{}; x5t#S256 {thumbprint}", distrusted(question, judgement)))
                }
            }
        }
        Known::Value(_) | Known::Absent => stop(Outcome::Error, "its chain was not judged".to_owned()),
        Known::Unavailable(why) => stop(Outcome::Error, why.to_string()),
    }
}

/// The statement's header, for choosing its key; `None` where there is nothing to choose for.
pub fn statement_header(request: &Sent) -> Option<Compact<'_>> {
    Compact::parse(request.members.get("software_statement")?.as_str()?).ok()
}

/// What evidence there is without any network: a certificate's judgement and a key, both given.
pub fn offline(peer: Known<(Arc<Peer>, Arc<Judgement>)>) -> Evidence {
    Evidence {
        peer,
        token: Known::Absent,
        statement_key: Known::Unavailable("no key set was given".into()),
        signer: Known::Unavailable("no authority was given".into()),
        software_keys: Known::Unavailable("not fetched offline".into()),
        sector: Known::Unavailable("not fetched offline".into()),
        binding: Known::Absent,
    }
}
