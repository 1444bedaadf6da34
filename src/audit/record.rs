//! What is recorded of a decision, as JSON of the schema `dcrgate.audit/1`.
//!
//! An admitted decision is two entries: its opening holds everything that was
//! known when it was made, its end the rest, under the same id. A refusal is one
//! entry with both. Never a token, never a body: digests of them; a stranger's
//! text only as [`Text`].

use std::net::IpAddr;
use std::time::Duration;

use serde::ser::{Serialize, SerializeSeq, Serializer};

mod signed;

use signed::presence;
pub use signed::{Signed, Statement, Token};

use super::code::{Code, Event, Outcome};
use super::text::Text;
use crate::model::digest::Digest;
use crate::model::id::DecisionId;
use crate::model::peer::Revocation;
use crate::model::time::Timestamp;
use crate::model::trace::{self, Mode, Step, Trace};

/// Everything known of a decision when it is made.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Record<'a> {
    /// The decision.
    pub id: DecisionId,
    /// What was asked for.
    pub event: Event,
    /// The one time of the decision.
    pub time: Timestamp,
    /// What ties it to other logs.
    pub correlation: Correlation<'a>,
    /// Who connected.
    pub source: Source,
    /// The connection; `None` without TLS.
    pub tls: Option<Tls<'a>>,
    /// The request; `None` for a handshake that was cut.
    pub request: Option<Request<'a>>,
    /// Whom the policy read from the verified statement.
    pub subject: Subject<'a>,
    /// The software statement; `None` when there was none or it could not be read.
    #[serde(serialize_with = "presence")]
    pub statement: Option<Statement<'a>>,
    /// The initial access token; absent when none came whose issuer vouches for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token<'a>>,
    /// The template that the request named; absent when it named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Template<'a>>,
    /// The policy that judged; `None` when it did not come to that.
    pub policy: Option<Policy<'a>>,
    /// SHA-256 of the configuration in force.
    pub configuration: Digest,
    /// Every step of the decision.
    #[serde(skip)]
    pub checks: &'a Trace,
}

/// What ties a record to other logs.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Correlation<'a> {
    /// `x-fapi-interaction-id`, the client's or ours.
    pub interaction_id: Option<Text<'a>>,
}

/// Who connected.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Source {
    /// The address, as a trusted balancer told it where there is one.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
}

/// The TLS connection.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Tls<'a> {
    /// `1.2` or `1.3`.
    pub version: &'a str,
    /// The suite's IANA name.
    pub cipher: &'a str,
    /// The server name that the client asked for (RFC 6066 §3).
    pub sni: Option<Text<'a>>,
    /// The client's certificate, when it showed one.
    pub client: Option<Client<'a>>,
}

/// A certificate: the client's, or the one that signed a statement.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Client<'a> {
    /// SHA-256 of the DER.
    pub sha256: Digest,
    /// Serial number, hexadecimal.
    pub serial: Text<'a>,
    /// Subject in RFC 4514 form.
    pub subject: Text<'a>,
    /// Issuer in RFC 4514 form.
    pub issuer: Text<'a>,
    /// End of validity.
    pub not_after: Timestamp,
    /// The authority that vouches for it.
    pub authority: Option<&'a str>,
    /// SHA-256 of each certificate on the trusted path; empty when there is none.
    pub path: &'a [Digest],
    /// What is known of revocation; `None` when no authority trusts it.
    #[serde(serialize_with = "revocation")]
    pub revocation: Option<&'a Revocation>,
}

/// The request.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Request<'a> {
    /// The method.
    pub method: Text<'a>,
    /// The path, see [`Text::path`].
    pub path: Text<'a>,
    /// Length of the body.
    pub bytes: usize,
    /// SHA-256 of the body; `None` when it was not read to its end.
    pub sha256: Option<Digest>,
    /// What a signed request says of itself; left out where the body is JSON or its signature was not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed<'a>>,
}

/// Whom the policy read from the verified statement.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Subject<'a> {
    /// The organisation's id.
    pub organisation: Option<Text<'a>>,
    /// The organisation's name.
    pub organisation_name: Option<Text<'a>>,
    /// The software's id.
    pub software: Option<Text<'a>>,
    /// Active roles; the first 32 are kept.
    #[serde(serialize_with = "first_ones")]
    pub roles: Vec<Text<'a>>,
}

/// The policy that judged.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Policy<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its version.
    pub version: &'a str,
    /// SHA-256 of its text.
    pub sha256: Digest,
}

/// The template that a request named.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Template<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its version.
    pub version: &'a str,
    /// SHA-256 of its text.
    pub sha256: Digest,
}

/// How a decision ended.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// In a word.
    pub outcome: Outcome,
    /// From the complete request to the answer.
    pub duration: Duration,
    /// The client it is about or that it made.
    pub client_id: Option<Text<'a>>,
    /// What the caller got.
    pub response: Response<'a>,
}

/// What the caller got.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Response<'a> {
    /// Status of the answer; `None` when the connection was cut instead.
    pub status: Option<u16>,
    /// `error` of the answer.
    pub error: Option<Text<'a>>,
    /// Whether anything was sent to the identity server.
    pub forwarded: bool,
    /// Its status, when it answered.
    pub upstream_status: Option<u16>,
}

/// A record in bytes up to its last check, so that what follows is told once more or less without building it again.
#[derive(Debug)]
pub(super) struct Written {
    event: Event,
    would_refuse: bool,
    bytes: Vec<u8>,
    no_checks: bool,
}

impl Written {
    pub(super) fn new(record: &Record<'_>) -> Self {
        let mut bytes = Vec::with_capacity(TYPICAL);
        members(&mut bytes, SCHEMA, record);
        bytes.extend_from_slice(b",\"checks\":");
        value(&mut bytes, &Checks(record.checks));
        bytes.pop();
        let (would_refuse, no_checks) = (record.checks.would_refuse(), record.checks.steps().is_empty());
        Self { event: record.event, would_refuse, bytes, no_checks }
    }

    /// The opening of an admitted decision.
    pub(super) fn opening(&self) -> Vec<u8> {
        let mut bytes = self.checks(None);
        bytes.push(b'}');
        bytes
    }

    /// A refusal: with its end, and with one more step where a claim was taken by another.
    pub(super) fn refusal(&self, taken: Option<&Step>, ending: &Ending<'_>) -> Vec<u8> {
        let mut bytes = self.checks(taken);
        members(&mut bytes, b",", &End::new(self.event, ending));
        bytes.push(b'}');
        bytes
    }

    fn checks(&self, more: Option<&Step>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes.len() + TYPICAL / 4);
        bytes.extend_from_slice(&self.bytes);
        if let Some(step) = more {
            bytes.extend_from_slice(if self.no_checks { b"" } else { b"," });
            value(&mut bytes, &Check::new(step));
        }
        let would_be: &[u8] = if self.would_refuse || more.is_some() { b"rejected" } else { b"admitted" };
        for part in [b"],\"would_be\":\"", would_be, b"\""] {
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// The end of an admitted decision.
pub(super) fn closing(id: DecisionId, event: Event, at: Timestamp, ending: &Ending<'_>) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Closing<'a> {
        id: DecisionId,
        event: Event,
        time: Timestamp,
        #[serde(flatten)]
        end: End<'a>,
    }
    let mut bytes = Vec::with_capacity(TYPICAL / 4);
    members(&mut bytes, SCHEMA, &Closing { id, event, time: at, end: End::new(event, ending) });
    bytes.push(b'}');
    bytes
}

/// The record of a count, of refusals of strangers that got none of their own.
pub(super) fn summary(from: Timestamp, to: Timestamp, refusals: u64) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Summary {
        event: &'static str,
        code: &'static str,
        time: Timestamp,
        from: Timestamp,
        refusals: u64,
    }
    let mut bytes = Vec::new();
    let summary = Summary { event: "strangers.refused", code: "DCR070I", time: to, from, refusals };
    members(&mut bytes, SCHEMA, &summary);
    bytes.push(b'}');
    bytes
}

#[derive(serde::Serialize)]
struct End<'a> {
    code: Code,
    outcome: Outcome,
    duration_us: u64,
    client_id: Option<Text<'a>>,
    response: Response<'a>,
}

impl<'a> End<'a> {
    fn new(event: Event, ending: &Ending<'a>) -> Self {
        Self {
            code: Code(event, ending.outcome),
            outcome: ending.outcome,
            duration_us: u64::try_from(ending.duration.as_micros()).unwrap_or(u64::MAX),
            client_id: ending.client_id,
            response: ending.response,
        }
    }
}

struct Checks<'a>(&'a Trace);

impl Serialize for Checks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.steps().iter().map(Check::new))
    }
}

/// A step. What a rule says stands in the policy; it is repeated where the step did not pass.
#[derive(serde::Serialize)]
struct Check<'a> {
    id: &'a str,
    result: trace::Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Text<'a>>,
}

#[derive(serde::Serialize)]
struct Failure<'a> {
    error: &'a str,
    clause: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    message: &'a str,
}

impl<'a> Check<'a> {
    fn new(step: &'a Step) -> Self {
        let rule = &*step.rule;
        let failed = matches!(step.outcome, trace::Outcome::Fail | trace::Outcome::Error);
        Self {
            id: &rule.id,
            result: step.outcome,
            mode: (rule.mode == Mode::Shadow).then_some(Mode::Shadow),
            failure: failed.then(|| Failure {
                error: rule.error.as_str(),
                clause: &rule.clause,
                field: rule.field.as_deref(),
                message: &rule.message,
            }),
            detail: step.detail.as_deref().map(Text::new),
        }
    }
}

/// Appends the value's members behind `before`, without the braces.
fn members(bytes: &mut Vec<u8>, before: &[u8], object: &impl Serialize) {
    let start = bytes.len();
    value(bytes, object);
    bytes.pop();
    bytes.splice(start..=start, before.iter().copied());
}

/// Appends a value. Nothing here can fail to serialise; if it did, `null` is better than half a value.
fn value(bytes: &mut Vec<u8>, value: &impl Serialize) {
    let start = bytes.len();
    if serde_json::to_writer(&mut *bytes, value).is_err() {
        bytes.truncate(start);
        bytes.extend_from_slice(b"null");
    }
}

fn revocation<S: Serializer>(known: &Option<&Revocation>, serializer: S) -> Result<S::Ok, S::Error> {
    match known {
        None => serializer.serialize_none(),
        Some(Revocation::NotChecked) => serializer.serialize_str("not_checked"),
        Some(Revocation::Good) => serializer.serialize_str("good"),
        Some(Revocation::Unknown(why)) => serializer.collect_str(&format_args!("unknown: {}", Text::new(why))),
    }
}

fn first_ones<S: Serializer>(roles: &[Text<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(None)?;
    for role in roles.iter().take(ROLES) {
        list.serialize_element(role)?;
    }
    list.end()
}

const SCHEMA: &[u8] = b"{\"schema\":\"dcrgate.audit/1\",";
/// A registration under a policy of thirty rules.
const TYPICAL: usize = 4096;
const ROLES: usize = 32;
