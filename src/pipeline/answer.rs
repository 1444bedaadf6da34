//! From refusal to HTTP: the one file that knows which status goes with what.
//!
//! Every text here is fixed. Nothing that a stranger or the identity server
//! chose is told back, no key, no token, no internal address.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::decode::FormFault;
use super::discovery::Unobtainable;
use crate::headers::decision::DECISION_ID;
use crate::model::error_code::ErrorCode;
use crate::model::id::DecisionId;
use crate::model::trace::{Rule, Trace};
use crate::upstream::{Body, SendError, Sent};

mod form;

use form::form;

/// FAPI 1.0 Baseline §6.2.1: it correlates a caller's log with ours.
pub const INTERACTION_ID: HeaderName = HeaderName::from_static("x-fapi-interaction-id");

/// More violations than this are counted, not listed: the answer stays small.
const MAX_VIOLATIONS: usize = 50;

/// Seconds that a caller should wait after an outage.
const RETRY_SECONDS: u32 = 5;

/// Which answer a caller's request belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Correlation {
    /// The decision, where there is one.
    pub decision: Option<DecisionId>,
    /// The client's interaction id where it sent a valid one, else made here.
    pub interaction: uuid::Uuid,
}

/// Why a caller does not get what was asked for.
#[derive(Debug, Clone)]
pub enum Refusal<'a> {
    /// The decision, with its failures.
    Decided(&'a Trace),
    /// A claim that another request has taken.
    Conflict(&'a Rule),
    /// A quota that is used up.
    Exhausted {
        /// The check that asked for a unit of it.
        rule: &'a Rule,
        /// Whether it counts over a window, so that waiting helps; then the seconds after which a unit is free.
        retry_after: Option<u32>,
    },
    /// The form of the request.
    Form(&'a FormFault),
    /// Nothing is here.
    NotFound,
    /// The path can be read in two ways.
    Path,
    /// A host that can be read in two ways.
    Ambiguous,
    /// The connection's handshake asked for another kind of client authentication (RFC 9110 §15.5.20).
    Misdirected,
    /// The certificate is not trusted any more where the handshake required one that is.
    Distrusted,
    /// Another method is wanted.
    Method {
        /// For `Allow`.
        allow: &'static str,
    },
    /// CONNECT or Upgrade.
    NotImplemented,
    /// Too many refusals from strangers.
    TooMany,
    /// The same request is under way.
    InProgress,
    /// Our store cannot record.
    StoreUnavailable,
    /// The result is on its way to the store, and the caller may ask again.
    ResultPending,
    /// The credential that the identity server wants of us cannot be had.
    NoCredential,
    /// The identity server did not answer.
    Upstream(&'a SendError),
    /// The identity server wants fewer requests.
    UpstreamBusy(u32),
    /// The identity server refused for a reason that is not the caller's.
    UpstreamRefused,
    /// The identity server answered something that is no registration answer; it may have acted.
    BadAnswer,
    /// The identity server's metadata cannot be told.
    Metadata(Unobtainable),
    /// The identity server does not accept the registration access token.
    TokenRefusedUpstream,
    /// The identity server does not let the client do this (RFC 7592 §2.2).
    ForbiddenUpstream,
    /// The identity server does not offer this method for its clients (RFC 7592 §2.3).
    MethodUpstream,
    /// The identity server refused to manage a client for a reason that is not the caller's.
    ManagementRefused,
    /// No client is named, or in a way that can be read in two ways.
    NoClient,
    /// The certificate does not fit the identity server's header limits.
    CertificateTooLarge,
    /// A fault of ours.
    Internal,
}

/// What is told: status, code, text.
pub(super) struct Told {
    status: StatusCode,
    pub(super) error: ErrorCode,
    pub(super) description: String,
    retry_after: Option<u32>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a ErrorCode,
    error_description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_id: Option<DecisionId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    violations: Vec<Violation<'a>>,
}

#[derive(Serialize)]
struct Violation<'a> {
    rule: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    clause: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl<'a> From<&'a Rule> for Violation<'a> {
    fn from(rule: &'a Rule) -> Self {
        Self {
            rule: &rule.id,
            clause: &rule.clause,
            field: rule.field.as_deref(),
            message: &rule.message,
            hint: rule.hint.as_deref(),
        }
    }
}

impl Refusal<'_> {
    /// The status and the `error` code, for the record.
    pub fn status_and_error(&self) -> (StatusCode, ErrorCode) {
        let told = self.told();
        (told.status, told.error)
    }

    /// The answer.
    pub fn answer(&self, correlation: Correlation) -> Response<Body> {
        let told = self.told();
        let body = serde_json::to_vec(&self.body(&told, correlation.decision)).unwrap_or_default();
        let mut response = json(told.status, Bytes::from(body), correlation);
        if let Some(seconds) = told.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        let allow = match self {
            Self::Method { allow } => Some(*allow),
            Self::MethodUpstream => Some("GET, PUT"),
            _ => None,
        };
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }

    /// Status and body of the answer as a person reads them, without the ids of an exchange.
    pub fn preview(&self) -> (StatusCode, String) {
        let told = self.told();
        (told.status, serde_json::to_string_pretty(&self.body(&told, None)).unwrap_or_default())
    }

    fn body<'a>(&'a self, told: &'a Told, decision_id: Option<DecisionId>) -> ErrorBody<'a> {
        let violations = match self {
            Self::Decided(trace) => {
                trace.failures().take(MAX_VIOLATIONS).map(|step| Violation::from(&*step.rule)).collect()
            }
            Self::Conflict(rule) | Self::Exhausted { rule, .. } => vec![Violation::from(*rule)],
            _ => Vec::new(),
        };
        ErrorBody { error: &told.error, error_description: &told.description, decision_id, violations }
    }

    pub(super) fn told(&self) -> Told {
        use ErrorCode::{
            AccessDenied, InvalidClient, InvalidRequest, InvalidToken, ServerError, TemporarilyUnavailable,
        };
        let plain = |status, error, description: &str| Told {
            status,
            error,
            description: description.to_owned(),
            retry_after: None,
        };
        let later = |status, description: &str| Told {
            status,
            error: TemporarilyUnavailable,
            description: description.to_owned(),
            retry_after: Some(RETRY_SECONDS),
        };
        match self {
            Self::Decided(trace) => decided(trace),
            Self::Conflict(rule) => plain(status_of(&rule.error), rule.error.clone(), &rule.message),
            Self::Exhausted { rule, retry_after } => Told {
                status: status_where_taken(&rule.error, retry_after.is_some()),
                error: rule.error.clone(),
                description: rule.message.to_string(),
                retry_after: *retry_after,
            },
            Self::Form(fault) => form(fault),
            Self::NotFound => plain(StatusCode::NOT_FOUND, InvalidRequest, "there is nothing at this path"),
            Self::Path => plain(StatusCode::BAD_REQUEST, InvalidRequest, "the path can be read in more than one way"),
            Self::Ambiguous => {
                plain(StatusCode::BAD_REQUEST, InvalidRequest, "the request's host can be read in more than one way")
            }
            Self::Misdirected => plain(
                StatusCode::MISDIRECTED_REQUEST,
                InvalidRequest,
                "this host wants another kind of client authentication: open a new connection for it",
            ),
            Self::Distrusted => {
                plain(StatusCode::UNAUTHORIZED, InvalidClient, "the client certificate is not trusted any more")
            }
            Self::Method { .. } => {
                plain(StatusCode::METHOD_NOT_ALLOWED, InvalidRequest, "this method is not allowed here")
            }
            Self::NotImplemented => {
                plain(StatusCode::NOT_IMPLEMENTED, InvalidRequest, "upgrades and tunnels are not served")
            }
            Self::TooMany => Told {
                status: StatusCode::TOO_MANY_REQUESTS,
                error: TemporarilyUnavailable,
                description: "too many refused requests: slow down".to_owned(),
                retry_after: Some(60),
            },
            Self::InProgress => {
                later(StatusCode::SERVICE_UNAVAILABLE, "the same request is being processed: repeat it later")
            }
            Self::StoreUnavailable => later(
                StatusCode::SERVICE_UNAVAILABLE,
                "the request could not be recorded and was not forwarded: repeat it later",
            ),
            Self::ResultPending => {
                later(StatusCode::SERVICE_UNAVAILABLE, "the result is unknown: repeat the same request")
            }
            Self::NoCredential => {
                later(StatusCode::SERVICE_UNAVAILABLE, "the identity server cannot be asked: nothing was sent to it")
            }
            Self::Upstream(error) => match (error, error.sent()) {
                (SendError::NoTurn, _) => later(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the identity server takes one request after the other, and nothing was sent to it: repeat it later",
                ),
                (SendError::Unreachable, _) | (_, Sent::Nothing) => {
                    later(StatusCode::BAD_GATEWAY, "the identity server cannot be reached, and nothing was sent to it")
                }
                (SendError::TimedOut { .. }, Sent::Perhaps) => later(
                    StatusCode::GATEWAY_TIMEOUT,
                    "the identity server did not answer in time: the result is unknown",
                ),
                (SendError::BrokenOff { .. } | SendError::TooLarge, Sent::Perhaps) => {
                    later(StatusCode::BAD_GATEWAY, "the identity server broke off its answer: the result is unknown")
                }
            },
            Self::UpstreamBusy(seconds) => Told {
                status: StatusCode::TOO_MANY_REQUESTS,
                error: TemporarilyUnavailable,
                description: "the identity server has too much to do: repeat the request later".to_owned(),
                retry_after: Some(*seconds),
            },
            Self::UpstreamRefused => plain(
                StatusCode::BAD_GATEWAY,
                ServerError,
                "the identity server does not accept registrations from this proxy: nothing was registered",
            ),
            Self::BadAnswer => plain(
                StatusCode::BAD_GATEWAY,
                ServerError,
                "the identity server's answer is not a registration answer: the result is unknown",
            ),
            Self::Metadata(Unobtainable::Unavailable) => later(
                StatusCode::SERVICE_UNAVAILABLE,
                "the identity server's metadata cannot be had: repeat the request later",
            ),
            Self::Metadata(Unobtainable::Unusable) => plain(
                StatusCode::BAD_GATEWAY,
                ServerError,
                "what the identity server gives here is not the metadata of an authorization server",
            ),
            Self::TokenRefusedUpstream => plain(
                StatusCode::UNAUTHORIZED,
                InvalidToken,
                "the identity server does not accept the registration access token",
            ),
            Self::ForbiddenUpstream => plain(
                StatusCode::FORBIDDEN,
                AccessDenied,
                "the identity server does not allow this for the client: nothing was changed",
            ),
            Self::MethodUpstream => {
                plain(StatusCode::METHOD_NOT_ALLOWED, InvalidRequest, "the identity server does not offer this method")
            }
            Self::ManagementRefused => plain(
                StatusCode::BAD_GATEWAY,
                ServerError,
                "the identity server does not let this proxy manage the client: nothing was changed",
            ),
            Self::NoClient => plain(StatusCode::BAD_REQUEST, InvalidRequest, "the request does not name one client"),
            Self::CertificateTooLarge => plain(
                StatusCode::BAD_REQUEST,
                InvalidClient,
                "the client certificate or its chain is too large to be forwarded",
            ),
            Self::Internal => {
                plain(StatusCode::INTERNAL_SERVER_ERROR, ServerError, "the request could not be processed")
            }
        }
    }
}

fn decided(trace: &Trace) -> Told {
    let mut failures = trace.failures();
    let Some(first) = failures.next() else { return Refusal::Internal.told() };
    let error = first.rule.error.clone();
    let more = failures.count();
    let description = match more {
        0 => first.rule.message.to_string(),
        1 => format!("{} (1 more problem)", first.rule.message),
        _ => format!("{} ({more} more problems)", first.rule.message),
    };
    let status = status_of(&error);
    let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(RETRY_SECONDS);
    Told { status, error, description, retry_after }
}

/// 401 for certificate and tokens, 403 for rights, 503 for outages, 400 with the RFC 7591 code otherwise.
pub(super) const fn status_of(error: &ErrorCode) -> StatusCode {
    match error {
        ErrorCode::InvalidClient | ErrorCode::InvalidToken | ErrorCode::InvalidDpopProof => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope | ErrorCode::AccessDenied => StatusCode::FORBIDDEN,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::InvalidRedirectUri
        | ErrorCode::InvalidClientMetadata
        | ErrorCode::InvalidSoftwareStatement
        | ErrorCode::UnapprovedSoftwareStatement
        | ErrorCode::InvalidRequest
        | ErrorCode::Regime(_) => StatusCode::BAD_REQUEST,
    }
}

/// RFC 6585 §4 where waiting helps, whatever code a policy gives; else as the code has it.
pub(super) const fn status_where_taken(error: &ErrorCode, passes: bool) -> StatusCode {
    if passes { StatusCode::TOO_MANY_REQUESTS } else { status_of(error) }
}

/// A JSON answer that no cache keeps.
pub fn json(status: StatusCode, body: Bytes, correlation: Correlation) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    correlate(headers, correlation);
    response
}

/// `Cache-Control: no-store`, the decision's id and the interaction id.
pub fn correlate(headers: &mut HeaderMap, correlation: Correlation) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(id) = correlation.decision.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
        headers.insert(DECISION_ID, id);
    }
    if let Ok(id) = HeaderValue::try_from(correlation.interaction.to_string()) {
        headers.insert(INTERACTION_ID, id);
    }
}

#[cfg(test)]
mod tests;
