//! `explain`: a request on file, judged offline by the same `decide` as the server's.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rustls_pki_types::CertificateDer;
use serde_json::{Map, Value, json};

use self::basis::Basis;
use super::policy::chosen::Chosen;
use super::problems::counted;
use super::steps::{self, Line};
use super::{CliError, Output, Status, read_text, time_or_now};
use crate::jose::choose;
use crate::model::digest::Digest;
use crate::model::evidence::{Evidence, Known, Token};
use crate::model::facts::Operation;
use crate::model::id::AuthorityName;
use crate::model::json as strict;
use crate::model::key::KeySet;
use crate::model::peer::{Judgement, Peer, Revocation, Trusted};
use crate::model::sector::Sector;
use crate::model::time::Timestamp;
use crate::model::token::{AccessToken, Shown, Vouched};
use crate::model::trace::{Mode, Outcome, Step};
use crate::pipeline::answer::Refusal;
use crate::pipeline::decide::{self, Decision, Question, decide};
use crate::pipeline::decode::{self, Form, FormFault, Sent};
use crate::pipeline::signer;
use crate::policy::{LookedAt, Policy};
use crate::tls::{self, Authorities, Authority, AuthoritySource, CompleteChain, RevocationMode, RevocationRule};

mod basis;
mod chain;
mod values;

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArguments {
    /// The registration request: JSON, or a JWS in compact form where the policy wants it signed.
    #[arg(value_name = "REQUEST")]
    request: PathBuf,
    /// The client's certificate chain (PEM, leaf first); without it the client shows none.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The policy: a file, or the name of one that comes with dcrgate.
    #[arg(long, value_name = "POLICY")]
    policy: PathBuf,
    /// The authority's anchors (PEM).
    #[arg(long, value_name = "FILE", required_unless_present = "assume_trusted")]
    anchors: Option<PathBuf>,
    /// The authority's intermediates (PEM), where chains may be completed with them.
    #[arg(long, value_name = "FILE", requires = "anchors")]
    intermediates: Option<PathBuf>,
    /// Take certificates as trusted, and judge the rest.
    #[arg(long, conflicts_with = "anchors")]
    assume_trusted: bool,
    /// The directory's JWK set; without it no statement can be verified.
    #[arg(long, value_name = "JWKS.json")]
    keys: Option<PathBuf>,
    /// The software's own JWK set, which the server would fetch.
    #[arg(long, value_name = "JWKS.json")]
    software_keys: Option<PathBuf>,
    /// The document at the request's sector_identifier_uri, which the server would fetch.
    #[arg(long, value_name = "FILE")]
    sector: Option<PathBuf>,
    /// Claims of the initial access token (JSON).
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Parameters of the deployment, as in `[policies.NAME.params]` (a JSON object).
    #[arg(long, value_name = "JSON")]
    params: Option<String>,
    /// Judge as of this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate explain request.json --policy open-finance-brasil --cert tpp.pem --anchors roots.pem \\
      --keys directory.jwks --software-keys software.jwks
  dcrgate explain request.json --policy mine.toml --cert tpp.pem --assume-trusted \\
      --keys directory.jwks --params '{\"environment\": \"sandbox\"}' --at 2026-11-23T12:00:00Z

Exit status: 0 it would be admitted, 1 refused.";

/// Judges and prints; [`Status::Bad`] when the request would be refused.
///
/// # Errors
/// A file that cannot be read or is not what it should be.
pub fn explain(arguments: &ExplainArguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let now = time_or_now(arguments.at.as_deref())?;
    let params = match &arguments.params {
        None => Map::new(),
        Some(text) => serde_json::from_str(text).map_err(|error| CliError::Usage(format!("--params: {error}")))?,
    };
    let policy = Chosen::find(&arguments.policy)?.compile(&params)?;
    let body = std::fs::read(&arguments.request)
        .map_err(|error| CliError::Unable(format!("cannot read {}: {error}", arguments.request.display())))?;
    let request = match read(&body, Form::of(&policy)) {
        Ok(request) => request,
        Err(fault) => {
            let refusal = Refusal::Form(&fault);
            match arguments.output {
                Output::Text => {
                    writeln!(out, "REFUSED   before any policy: {}", refusal.status_and_error().1)?;
                    print_answer(out, &refusal)?;
                }
                Output::Json => {
                    let told = json!({ "outcome": "rejected", "checks": [], "answer": answer_json(&refusal) });
                    writeln!(out, "{told:#}")?;
                }
            }
            return Ok(Status::Bad);
        }
    };
    let authority = AuthorityName::new("given");
    let anchors = arguments.anchors.as_deref().map(certificates).transpose()?.unwrap_or_default();
    let evidence = evidence(arguments, &policy, &request, (&authority, &anchors), now)?;
    let question = Question {
        policy: &policy,
        authorities: &[authority],
        operation: Operation::Register,
        remote: None,
        token: None,
        request: &request,
        now,
    };
    let decision = decide(&question, &evidence);
    let basis = Basis::of(&question, &evidence, &decision, &anchors);
    let looked_at = decide::looked_at(&question, &evidence, &decision);
    match arguments.output {
        Output::Text => print(out, &policy, &basis, &decision, &looked_at)?,
        Output::Json => writeln!(out, "{:#}", as_json(&policy, &basis, &decision, &looked_at))?,
    }
    Ok(match decision.verdict {
        decide::Verdict::Admitted(_) => Status::Good,
        decide::Verdict::Refused => Status::Bad,
    })
}

/// Reads the request as the server would that was told its media type.
fn read(body: &[u8], wanted: Form) -> Result<Sent, FormFault> {
    // Editors and shells end a file with a line feed, which is part of no JWS.
    let body = body.trim_ascii();
    let form = if body.starts_with(b"{") { Form::Json } else { wanted };
    if form == wanted { decode::body(body, form) } else { Err(FormFault::MediaType(wanted)) }
}

fn unusable(path: &Path, why: &impl Display) -> CliError {
    CliError::Unable(format!("{}: {why}", path.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CliError> {
    let text = read_text(path)?;
    tls::read_certificates(text.as_bytes()).map_err(|error| unusable(path, &error))
}

fn evidence(
    arguments: &ExplainArguments,
    policy: &Policy,
    request: &Sent,
    (authority, anchors): (&AuthorityName, &[CertificateDer<'static>]),
    now: Timestamp,
) -> Result<Evidence, CliError> {
    let authorities = match &arguments.anchors {
        None => None,
        Some(path) => {
            let source = AuthoritySource {
                name: authority.clone(),
                anchors: anchors.to_vec(),
                intermediates: arguments.intermediates.as_deref().map(certificates).transpose()?.unwrap_or_default(),
                complete_chain: CompleteChain::FromConfiguration,
                revocation: RevocationRule { mode: RevocationMode::Off, crls: Vec::new(), grace: Duration::ZERO },
            };
            let authority = Authority::new(source).map_err(|error| unusable(path, &error))?;
            Some(Authorities::new(vec![authority]))
        }
    };
    let peer = match &arguments.cert {
        None => Known::Absent,
        Some(path) => {
            let peer = Peer::present(certificates(path)?).map_err(|error| unusable(path, &error))?;
            let judgement =
                authorities.as_ref().map_or_else(|| assumed(authority, &peer, now), |all| all.judge(&peer, now));
            Known::Value((Arc::new(peer), judgement))
        }
    };
    let mut evidence = decide::offline(peer);
    evidence.signer = signer::signer_of(policy, &request.members, |signer| {
        authorities.as_ref().map_or_else(|| assumed(authority, signer, now), |all| all.judge_signer(signer, now))
    });
    let set = |path: &Path| KeySet::from_json(read_text(path)?.as_bytes()).map_err(|fault| unusable(path, &fault));
    evidence.statement_key = match &arguments.keys {
        None => Known::Unavailable("not given: use --keys".into()),
        Some(path) => {
            let keys = set(path)?;
            let chosen = decide::statement_header(request).and_then(|compact| choose(&keys, compact.header()));
            chosen.map_or(Known::Absent, Known::Value)
        }
    };
    evidence.software_keys = match &arguments.software_keys {
        None => Known::Unavailable("not fetched: use --software-keys".into()),
        Some(path) => Known::Value(Arc::new(set(path)?)),
    };
    evidence.sector = match &arguments.sector {
        None => Known::Unavailable("not fetched: use --sector".into()),
        Some(path) => Known::Value(Sector::from_json(read_text(path)?.as_bytes()).map(Arc::new)),
    };
    if let Some(path) = &arguments.token {
        let claims =
            strict::object(read_text(path)?.as_bytes(), &strict::REQUEST).map_err(|fault| unusable(path, &fault))?;
        let digest = Digest::of(Value::Object(claims.clone()).to_string().as_bytes());
        let given = AccessToken { claims, vouched: Vouched::Signed, digest, shown: Shown::Bearer };
        evidence.token = Known::Value(Token::Vouched(Arc::new(given)));
    }
    Ok(evidence)
}

fn assumed(authority: &AuthorityName, peer: &Peer, now: Timestamp) -> Arc<Judgement> {
    let trusted = Trusted {
        path: vec![peer.certificate.thumbprint],
        anchor: None,
        intermediates: Vec::new(),
        revocation: Revocation::NotChecked,
    };
    Arc::new(Judgement { verdicts: vec![(authority.clone(), Ok(trusted))], not_before: now, valid_until: now })
}

type AllLookedAt = BTreeMap<Arc<str>, LookedAt>;

fn print(
    out: &mut dyn Write,
    policy: &Policy,
    basis: &Basis,
    decision: &Decision,
    looked_at: &AllLookedAt,
) -> Result<(), CliError> {
    let by = format!("by {} {}", policy.id(), policy.version());
    match decision.trace.failures().next() {
        None => writeln!(out, "ADMITTED  {by}")?,
        Some(first) => {
            let failed = counted(decision.trace.failures().count(), "check failed", "checks failed");
            writeln!(out, "REFUSED   {by}: {} ({failed})", first.rule.error)?;
        }
    }
    writeln!(out)?;
    basis.print(out)?;
    writeln!(out)?;
    let lines: Vec<Line> = decision.trace.steps().iter().map(|step| line(step, looked_at)).collect();
    steps::print(out, &lines)?;
    match &decision.verdict {
        decide::Verdict::Admitted(admitted) => {
            let body = serde_json::to_string_pretty(admitted.metadata()).unwrap_or_default();
            writeln!(out, "\nBody that would be forwarded:\n{body}")?;
        }
        decide::Verdict::Refused => print_answer(out, &Refusal::Decided(&decision.trace))?,
    }
    Ok(())
}

fn print_answer(out: &mut dyn Write, refusal: &Refusal<'_>) -> std::io::Result<()> {
    let (status, body) = refusal.preview();
    writeln!(out, "\nAnswer that the client would get: HTTP {status}\n{body}")
}

fn line(step: &Step, looked_at: &AllLookedAt) -> Line {
    let rule = &step.rule;
    let word = match (step.outcome, rule.mode) {
        (Outcome::Pass, _) => "pass",
        (Outcome::Skip, _) => "skip",
        (Outcome::Fail, Mode::Enforce) => "FAIL",
        (Outcome::Error, Mode::Enforce) => "ERROR",
        (Outcome::Fail | Outcome::Error, Mode::Shadow) => "shadow",
    };
    let mut line = Line { word, id: rule.id.to_string(), clause: rule.clause.to_string(), ..Line::default() };
    line.values = looked_at.get(&rule.id).map(values::lines).unwrap_or_default();
    if !matches!(step.outcome, Outcome::Pass | Outcome::Skip) {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        line.message = rule.message.to_string();
        line.field = text(rule.field.as_deref());
        line.found = text(step.detail.as_deref());
        line.hint = text(rule.hint.as_deref());
    }
    line
}

fn as_json(policy: &Policy, basis: &Basis, decision: &Decision, looked_at: &AllLookedAt) -> Value {
    let mut checks = json!(decision.trace);
    for step in checks.as_array_mut().into_iter().flatten() {
        let looked = step["id"].as_str().and_then(|id| looked_at.get(id)).map(values::as_json);
        if let (Some(members), Some(looked)) = (step.as_object_mut(), looked) {
            members.insert("looked_at".to_owned(), looked);
        }
    }
    let (outcome, name, what) = match &decision.verdict {
        decide::Verdict::Admitted(admitted) => ("admitted", "forwarded", json!(admitted.metadata())),
        decide::Verdict::Refused => ("rejected", "answer", answer_json(&Refusal::Decided(&decision.trace))),
    };
    json!({
        "outcome": outcome,
        "policy": { "id": policy.id(), "version": policy.version(), "sha256": policy.digest() },
        "basis": basis,
        "checks": checks,
        (name): what,
    })
}

fn answer_json(refusal: &Refusal<'_>) -> Value {
    let (status, body) = refusal.preview();
    json!({ "status": status.as_u16(), "body": serde_json::from_str::<Value>(&body).unwrap_or_default() })
}
