//! What a decision rested on: the certificate and its path, who signed what, the claims of the token.
//!
//! Nothing is judged here. It is told from the evidence and the trace of a decision that was made.

use std::io::{self, Write};

use rustls_pki_types::CertificateDer;
use serde::Serialize;
use serde_json::{Map, Value};

use super::chain::{BELOW, Chain};
use super::values::brief;
use crate::audit::Text;
use crate::jose::{Compact, JwsFault};
use crate::model::digest::Digest;
use crate::model::evidence::{Evidence, Known, Token};
use crate::model::trace::{Outcome, Trace};
use crate::pipeline::decide::{Decision, Question};
use crate::policy::{Gate, Signer};

/// What a decision rested on.
#[derive(Debug, Serialize)]
pub(super) struct Basis {
    /// `None` where the client showed none.
    certificate: Option<Chain>,
    /// `None` where the policy reads none or none was sent.
    statement: Option<Signature>,
    /// `None` where the policy takes requests unsigned.
    request: Option<Signature>,
    /// `None` where there is none.
    token: Option<Claims>,
}

/// Something signed, and whether the signature is what it says.
#[derive(Debug, Serialize)]
struct Signature {
    /// `alg` of the header; `None` where it cannot be read.
    algorithm: Option<&'static str>,
    /// `kid` of the header.
    kid: Option<String>,
    /// Of the compact form.
    sha256: String,
    verified: bool,
    /// Whose key it is, or why it is not verified.
    verdict: String,
    /// `iss`, of what is verified.
    issuer: Option<String>,
    /// The certificate of the header (`x5c`), where the policy has certificates sign.
    signer: Option<Chain>,
}

/// Claims of a token that nobody verified.
#[derive(Debug, Serialize)]
struct Claims {
    verified: bool,
    claims: Map<String, Value>,
}

impl Basis {
    /// Of a decision; `anchors` are those of the authority, empty where trust was assumed.
    pub(super) fn of(
        question: &Question<'_>,
        evidence: &Evidence,
        decision: &Decision,
        anchors: &[CertificateDer<'_>],
    ) -> Self {
        let chain =
            |(peer, judgement): &crate::pipeline::decide::Signer| Chain::of(peer, judgement, anchors, question.now);
        let statement = statement(question, decision)
            .map(|statement| Signature { signer: evidence.signer.value().map(chain), ..statement });
        let token = match &evidence.token {
            Known::Value(Token::Vouched(given)) => Some(Claims { verified: false, claims: given.claims.clone() }),
            _ => None,
        };
        Self { certificate: evidence.peer.value().map(chain), statement, request: request(question, decision), token }
    }

    /// Prints it.
    pub(super) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        match &self.certificate {
            Some(chain) => chain.print(out, "certificate")?,
            None => writeln!(out, "certificate  none was shown")?,
        }
        if let Some(statement) = &self.statement {
            statement.print(out, "statement")?;
        }
        if let Some(request) = &self.request {
            request.print(out, "request")?;
        }
        if let Some(token) = &self.token {
            writeln!(out, "token        claims as given, not verified")?;
            for (name, value) in token.claims.iter().take(CLAIMS) {
                writeln!(out, "{BELOW}{} = {}", Text::new(name), brief(value))?;
            }
            if token.claims.len() > CLAIMS {
                writeln!(out, "{BELOW}and {} more", token.claims.len() - CLAIMS)?;
            }
        }
        Ok(())
    }
}

/// Claims of a token that are printed; an access token of RFC 9068 has a dozen.
const CLAIMS: usize = 32;

impl Signature {
    fn print(&self, out: &mut dyn Write, title: &str) -> io::Result<()> {
        let algorithm = self.algorithm.unwrap_or("unreadable header");
        let key = match (&self.kid, &self.signer) {
            (Some(kid), _) => format!(" by key {kid}"),
            (None, Some(_)) => " by the certificate in its header".to_owned(),
            (None, None) => String::new(),
        };
        let issuer = self.issuer.as_deref().or(self.verified.then_some("(none)"));
        let issuer = issuer.map_or_else(String::new, |issuer| format!(", issuer {issuer}"));
        writeln!(out, "{title:<12} {algorithm}{}{}", Text::long(&key), Text::long(&issuer))?;
        writeln!(out, "{BELOW}SHA-256 {}", self.sha256)?;
        writeln!(out, "{BELOW}{}", Text::long(&self.verdict))?;
        self.signer.as_ref().map_or(Ok(()), |chain| chain.print(out, "  signer"))
    }

    /// Of a compact form whose header was read like this.
    fn of(token: &str, compact: &Result<Compact<'_>, JwsFault>) -> Self {
        let header = compact.as_ref().ok().map(Compact::header);
        Self {
            algorithm: header.map(|header| header.algorithm.name()),
            kid: header.and_then(|header| header.key_id.clone()),
            sha256: Digest::of(token.as_bytes()).to_string(),
            verified: false,
            verdict: String::new(),
            issuer: None,
            signer: None,
        }
    }
}

fn statement(question: &Question<'_>, decision: &Decision) -> Option<Signature> {
    let wanted = question.policy.statement()?;
    let token = question.request.members.get("software_statement")?.as_str()?;
    let statement = decision.statement.as_ref();
    let (compact, by) = match wanted.signer {
        Signer::Directory => {
            (Compact::parse(token), key_of(statement.map(|statement| &*statement.key_id), "directory"))
        }
        Signer::Certificate => (Compact::parse_certified(token), "the certificate in its header".to_owned()),
    };
    let gates = [Gate::StatementKeys, Gate::StatementSignature];
    let (verified, verdict) = verdict(question, &decision.trace, &gates, &by);
    let issuer = statement.and_then(|statement| statement.text("iss")).map(str::to_owned);
    Some(Signature { verified, verdict, issuer, ..Signature::of(token, &compact) })
}

fn request(question: &Question<'_>, decision: &Decision) -> Option<Signature> {
    question.policy.request()?;
    let token = question.request.jws.as_deref()?;
    let signed = decision.signed.as_ref();
    let gates = [Gate::RequestKeys, Gate::RequestSignature];
    let by = key_of(signed.map(|signed| &*signed.key_id), "software");
    let (verified, verdict) = verdict(question, &decision.trace, &gates, &by);
    let issuer = signed.and_then(|signed| signed.text("iss")).map(str::to_owned);
    Some(Signature { verified, verdict, issuer, ..Signature::of(token, &Compact::parse_request(token)) })
}

fn key_of(id: Option<&str>, whose: &str) -> String {
    let key = id.map_or_else(|| "a key".to_owned(), |id| format!("key {id}"));
    format!("{key} of the key set of the {whose}")
}

/// Whether the gates let a signature pass, and in words whose key it is or what stood against it.
fn verdict(question: &Question<'_>, trace: &Trace, gates: &[Gate], by: &str) -> (bool, String) {
    let taken = gates.iter().find_map(|gate| {
        let id = &question.policy.gate(*gate).id;
        trace.steps().iter().find(|step| step.rule.id == *id)
    });
    match taken {
        Some(step) if step.outcome == Outcome::Pass => (true, format!("verified by {by}")),
        Some(step) => (false, format!("not verified: {}", step.detail.as_deref().unwrap_or(&step.rule.message))),
        None => {
            let before = trace.failures().next().map_or("an earlier step", |step| &step.rule.id);
            (false, format!("not verified: the decision ended before, at {before}"))
        }
    }
}
