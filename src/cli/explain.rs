//! `explain`: a request on file, judged offline by the same `decide` as the server's.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use super::{CliError, Output, Status, problems, read_text, time_or_now};
use crate::jose::choose;
use crate::model::document::{Faults, Source};
use crate::model::evidence::{Evidence, Known};
use crate::model::facts::Operation;
use crate::model::id::AuthorityName;
use crate::model::json as strict;
use crate::model::key::KeySet;
use crate::model::peer::{Judgement, Peer, Revocation, Trusted};
use crate::model::time::Timestamp;
use crate::model::trace::{Mode, Outcome, Step};
use crate::pipeline::answer::Refusal;
use crate::pipeline::decide::{self, Decision, Question, decide};
use crate::policy::{Policy, packs};
use crate::tls::{self, Authorities, Authority, AuthoritySource, CompleteChain, RevocationMode, RevocationRule};

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The registration request (JSON).
    #[arg(value_name = "REQUEST.json")]
    request: PathBuf,
    /// The client's certificate chain (PEM, leaf first).
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// The policy: a file, or the name of one that comes with dcrgate.
    #[arg(long, value_name = "POLICY")]
    policy: PathBuf,
    /// The authority's anchors (PEM).
    #[arg(long, value_name = "FILE", required_unless_present = "assume_trusted")]
    anchors: Option<PathBuf>,
    /// The authority's intermediates (PEM), where chains may be completed with them.
    #[arg(long, value_name = "FILE", requires = "anchors")]
    intermediates: Option<PathBuf>,
    /// Take the certificate as trusted, and judge the rest.
    #[arg(long, conflicts_with = "anchors")]
    assume_trusted: bool,
    /// The directory's JWK set; without it the statement's signature cannot be judged.
    #[arg(long, value_name = "JWKS.json")]
    keys: Option<PathBuf>,
    /// The software's own JWK set, which the server would fetch.
    #[arg(long, value_name = "JWKS.json")]
    software_keys: Option<PathBuf>,
    /// Claims of the initial access token (JSON).
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// Parameters of the deployment, as in `[policies.NAME] params` (JSON).
    #[arg(long, value_name = "JSON")]
    params: Option<String>,
    /// Judge as of this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

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
    let policy = compile(&arguments.policy, &params)?;
    let body = std::fs::read(&arguments.request)
        .map_err(|error| CliError::Unable(format!("cannot read {}: {error}", arguments.request.display())))?;
    let request = match strict::object(&body, &strict::REQUEST) {
        Ok(request) => request,
        Err(fault) => {
            writeln!(out, "REFUSED  invalid_request   {fault}")?;
            return Ok(Status::Bad);
        }
    };
    let authority = AuthorityName::new("given");
    let evidence = evidence(arguments, &request, &authority, now)?;
    let question =
        Question { policy: &policy, authorities: &[authority], operation: Operation::Register, request: &request, now };
    let decision = decide(&question, &evidence);
    match arguments.output {
        Output::Text => print(out, &policy, &evidence, &decision)?,
        Output::Json => writeln!(out, "{}", as_json(&policy, &decision))?,
    }
    Ok(match decision.verdict {
        decide::Verdict::Admitted(_) => Status::Good,
        decide::Verdict::Refused => Status::Bad,
    })
}

/// Compiles a policy file; what it extends is read beside it.
pub(super) fn compile(path: &Path, params: &Map<String, Value>) -> Result<Policy, CliError> {
    // A name without a file is one of the packs that come with the program.
    let built_in = path.to_str().filter(|_| !path.exists()).and_then(packs::pack);
    let text = built_in.map_or_else(|| read_text(path), |text| Ok(text.to_owned()))?;
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let read = |name: &str| {
        let beside = folder.join(name);
        if let Some(text) = packs::pack(name).filter(|_| !beside.exists()) {
            return Ok(Source { name: name.to_owned(), text: text.to_owned() });
        }
        std::fs::read_to_string(&beside)
            .map(|text| Source { name: beside.display().to_string(), text })
            .map_err(|error| error.to_string())
    };
    let faults = Faults::new();
    let policy = crate::policy::compile(&path.display().to_string(), &text, &read, params, &faults);
    policy.ok_or_else(|| {
        CliError::Usage(format!(
            "the policy cannot be used\n{}",
            problems::text(&faults.into_problems(), problems::Style::Plain)
        ))
    })
}

fn evidence(
    arguments: &ExplainArguments,
    request: &Map<String, Value>,
    authority: &AuthorityName,
    now: Timestamp,
) -> Result<Evidence, CliError> {
    let unusable = |path: &Path, why: String| CliError::Unable(format!("{}: {why}", path.display()));
    let certificates = |path: &Path| {
        let text = read_text(path)?;
        tls::read_certificates(text.as_bytes()).map_err(|error| unusable(path, error.to_string()))
    };
    let peer =
        Peer::present(certificates(&arguments.cert)?).map_err(|error| unusable(&arguments.cert, error.to_string()))?;
    let judgement = match &arguments.anchors {
        None => assumed(authority, &peer, now),
        Some(anchors) => {
            let source = AuthoritySource {
                name: authority.clone(),
                anchors: certificates(anchors)?,
                intermediates: arguments.intermediates.as_deref().map(certificates).transpose()?.unwrap_or_default(),
                complete_chain: CompleteChain::FromConfiguration,
                revocation: RevocationRule { mode: RevocationMode::Off, crls: Vec::new(), grace: Duration::ZERO },
            };
            let authority = Authority::new(source).map_err(|error| unusable(anchors, error.to_string()))?;
            Authorities::new(vec![authority]).judge(&peer, now)
        }
    };
    let set =
        |path: &Path| KeySet::from_json(read_text(path)?.as_bytes()).map_err(|fault| unusable(path, fault.to_string()));
    let mut evidence = decide::offline(Known::Value((Arc::new(peer), judgement)));
    if let Some(path) = &arguments.keys {
        let keys = set(path)?;
        let chosen = decide::statement_header(request).and_then(|compact| choose(&keys, compact.header()));
        evidence.statement_key = chosen.map_or(Known::Absent, Known::Value);
    }
    if let Some(path) = &arguments.software_keys {
        evidence.software_keys = Known::Value(Arc::new(set(path)?));
    }
    if let Some(path) = &arguments.token {
        let claims = strict::object(read_text(path)?.as_bytes(), &strict::REQUEST)
            .map_err(|fault| unusable(path, fault.to_string()))?;
        evidence.token = Known::Value(Arc::new(claims));
    }
    Ok(evidence)
}

fn assumed(authority: &AuthorityName, peer: &Peer, now: Timestamp) -> Arc<Judgement> {
    let trusted = Trusted {
        path: vec![peer.certificate.thumbprint],
        intermediates: Vec::new(),
        revocation: Revocation::NotChecked,
    };
    Arc::new(Judgement { verdicts: vec![(authority.clone(), Ok(trusted))], not_before: now, valid_until: now })
}

fn print(out: &mut dyn Write, policy: &Policy, evidence: &Evidence, decision: &Decision) -> Result<(), CliError> {
    let failures = decision.trace.failures().count();
    match (&decision.verdict, decision.trace.failures().next()) {
        (decide::Verdict::Admitted(_), _) => writeln!(out, "ADMITTED  by {} {}", policy.id(), policy.version())?,
        (_, Some(first)) => {
            writeln!(out, "REFUSED   {}   {failures} failed, {} {}", first.rule.error, policy.id(), policy.version())?;
        }
        (_, None) => writeln!(out, "REFUSED")?,
    }
    if let Known::Value((peer, _)) = &evidence.peer {
        writeln!(out, "\ncertificate  {}", peer.certificate.subject)?;
        writeln!(
            out,
            "             x5t#S256 {}  valid until {}",
            peer.certificate.thumbprint.base64url(),
            peer.certificate.not_after
        )?;
    }
    if let Some(statement) = &decision.statement {
        writeln!(
            out,
            "statement    {} by key {}, issuer {}",
            statement.algorithm,
            statement.key_id,
            statement.text("iss").unwrap_or("(none)")
        )?;
    }
    writeln!(out)?;
    let width = decision.trace.steps().iter().map(|step| step.rule.id.len()).max().unwrap_or(0);
    for step in decision.trace.steps() {
        writeln!(out, "  {:<6}  {:<width$}  {}", word(step), step.rule.id, step.rule.clause)?;
        if !matches!(step.outcome, Outcome::Pass | Outcome::Skip) {
            writeln!(out, "          {}", step.rule.message)?;
            for (title, text) in [("found", step.detail.as_deref()), ("hint", step.rule.hint.as_deref())] {
                if let Some(text) = text {
                    writeln!(out, "          {title}: {text}")?;
                }
            }
        }
    }
    match &decision.verdict {
        decide::Verdict::Admitted(admitted) => {
            writeln!(out, "\nBody that would be forwarded:\n{}", pretty(admitted.metadata()))?;
        }
        decide::Verdict::Refused => {
            let (status, error) = Refusal::Decided(&decision.trace).status_and_error();
            writeln!(out, "\nAnswer that the client would get: HTTP {} {error}", status.as_u16())?;
        }
    }
    Ok(())
}

fn pretty(metadata: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(metadata).unwrap_or_default()
}

fn word(step: &Step) -> &'static str {
    match (step.outcome, step.rule.mode) {
        (Outcome::Pass, _) => "pass",
        (Outcome::Skip, _) => "skip",
        (Outcome::Fail, Mode::Enforce) => "FAIL",
        (Outcome::Error, Mode::Enforce) => "ERROR",
        (Outcome::Fail | Outcome::Error, Mode::Shadow) => "shadow",
    }
}

fn as_json(policy: &Policy, decision: &Decision) -> Value {
    let (outcome, answer) = match &decision.verdict {
        decide::Verdict::Admitted(admitted) => ("admitted", json!({ "forwarded": admitted.metadata() })),
        decide::Verdict::Refused => {
            let (status, error) = Refusal::Decided(&decision.trace).status_and_error();
            ("rejected", json!({ "status": status.as_u16(), "error": error }))
        }
    };
    json!({
        "outcome": outcome,
        "policy": { "id": policy.id(), "version": policy.version(), "sha256": policy.digest() },
        "checks": decision.trace,
        "answer": answer,
    })
}
