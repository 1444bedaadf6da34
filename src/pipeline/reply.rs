//! What the identity server's answer means: admitted, refused, or unknown.
//!
//! Its texts are never told on; its code is, where it is one that callers know.
//! Read as strictly as a request, and `registration_client_uri` leads back to us.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

use super::answer::Refusal;
use super::decide::Decision;
use super::normalise;
use super::record::Told;
use super::registration::Attempt;
use super::routes::{PolicyUse, RegistrationRoute};
use crate::audit::Outcome;
use crate::bindings::{self, Registrant};
use crate::model::client_path;
use crate::model::id::AuthorityName;
use crate::model::json::{self, Limits};
use crate::model::peer::Peer;
use crate::store::{BindingChange, Release};
use crate::upstream::{Body, Reply};

/// How an exchange with the identity server ended, before it is on disk.
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) release: Release,
    pub(super) upstream_status: Option<u16>,
    /// Whether anything may have been sent.
    pub(super) forwarded: bool,
    pub(super) answer: Response<Body>,
    /// The error that the caller is told, for the record.
    pub(super) error: Option<String>,
    /// The client, for the record.
    pub(super) client_id: Option<String>,
    pub(super) binding: Option<BindingChange>,
    /// The answer's bytes, kept for a repetition where the result is known.
    pub(super) keep: Option<(StatusCode, Bytes)>,
}

impl Ended {
    /// Nothing left, so that everything is free again.
    pub(super) fn unsent(attempt: &Attempt, refusal: &Refusal<'_>) -> Self {
        Self { outcome: Outcome::NotSent, release: Release::All, ..Self::refusal(attempt, refusal) }
    }

    /// The identity server said no: slot and quota are free again, what was used once stays used.
    pub(super) fn refused_upstream(attempt: &Attempt, status: StatusCode, refusal: &Refusal<'_>) -> Self {
        Self {
            outcome: Outcome::RefusedUpstream,
            release: Release::SlotAndQuota,
            upstream_status: Some(status.as_u16()),
            forwarded: true,
            ..Self::refusal(attempt, refusal)
        }
    }

    pub(super) fn refusal(attempt: &Attempt, refusal: &Refusal<'_>) -> Self {
        let (_, error) = refusal.status_and_error();
        Self {
            outcome: Outcome::Unknown,
            release: Release::Nothing,
            upstream_status: None,
            forwarded: false,
            answer: refusal.answer(attempt.correlation),
            error: Some(error.to_string()),
            client_id: attempt.client_id.clone(),
            binding: None,
            keep: None,
        }
    }
}

/// Whose client it becomes: the holder of the client certificate or, where none was shown, of the certificate that
/// signed the statement. `None`: whoever has the registration access token.
pub(super) fn owner<'a>(
    attempt: &'a Attempt,
    policy: &PolicyUse,
    decision: &'a Decision,
    told: &'a Told,
) -> Option<(&'a AuthorityName, &'a Peer)> {
    match (attempt.connection.peer(), &decision.signer) {
        (Some(peer), _) => told.trusted(policy).map(|(authority, _)| (authority, peer)),
        (None, Some((signer, judgement))) => {
            judgement.trusted_by(&policy.authorities).map(|(authority, _)| (authority, &**signer))
        }
        (None, None) => None,
    }
}

/// What came of it.
pub(super) fn interpret(
    attempt: &Attempt,
    settings: &RegistrationRoute,
    policy: &PolicyUse,
    decision: &Decision,
    metadata: &Map<String, Value>,
    told: &Told,
    reply: &Reply,
) -> Ended {
    let upstream_status = Some(reply.status.as_u16());
    let members = json::object(&reply.body, &ANSWER).ok();
    match (reply.status.as_u16(), members) {
        (200 | 201, Some(mut members)) => {
            let mut status = reply.status;
            if settings.upstream.normalise {
                status = normalise::REGISTERED;
                normalise::client(&mut members, settings.upstream.profile);
            }
            let owner = owner(attempt, policy, decision, told);
            let registrant = Registrant {
                upstream: &settings.upstream.name,
                authority: owner.map(|(authority, _)| authority),
                certificate: owner.map(|(_, owner)| owner.certificate.thumbprint),
                certificate_expires: owner.map(|(_, owner)| owner.certificate.not_after),
                subject: owner.map(|(_, owner)| owner.subject()),
                metadata,
                organisation: decision.subject.organisation.as_deref(),
                software: decision.subject.software.as_deref(),
                policy: policy.policy.id(),
                template: decision.template.as_ref().map(|made| &made.from),
                decision: attempt.id,
                at: attempt.now,
            };
            match bindings::from_answer(&members, &registrant, &attempt.recording.keeping()) {
                Ok(binding) => {
                    complete(&mut members, policy, metadata);
                    rewrite(&mut members, attempt, settings, &binding.client_id);
                    let body = Bytes::from(serde_json::to_vec(&members).unwrap_or_default());
                    Ended {
                        outcome: Outcome::Admitted,
                        release: Release::Nothing,
                        upstream_status,
                        forwarded: true,
                        answer: packed(status, body.clone()),
                        error: None,
                        client_id: Some(binding.client_id.clone()),
                        binding: Some(BindingChange::Registered(Box::new(binding))),
                        keep: Some((status, body)),
                    }
                }
                Err(why) => bad_answer(attempt, upstream_status, &why.to_string()),
            }
        }
        // It has no room for us now, and says so to whoever asks.
        (429, _) => Ended {
            outcome: Outcome::RefusedUpstream,
            release: Release::SlotAndQuota,
            upstream_status,
            forwarded: true,
            ..Ended::refusal(attempt, &Refusal::UpstreamBusy(retry_after(&reply.headers)))
        },
        // The identity server understood and said no: slot and quota are free again, the `jti` stays used.
        (400 | 409 | 422, members) => {
            let error = members.as_ref().and_then(|members| members.get("error")).and_then(Value::as_str);
            let body = refused_body(attempt, error);
            Ended {
                outcome: Outcome::RefusedUpstream,
                release: Release::SlotAndQuota,
                upstream_status,
                forwarded: true,
                answer: packed(StatusCode::BAD_REQUEST, body),
                error: error.map(str::to_owned),
                client_id: None,
                binding: None,
                keep: None,
            }
        }
        // 401, 403, 404 and the like are about us and our configuration, not about the caller.
        (status @ 400..=499, _) => {
            tracing::error!(decision_id = %attempt.id, status, "the identity server does not accept registrations from here");
            Ended {
                outcome: Outcome::RefusedUpstream,
                release: Release::SlotAndQuota,
                upstream_status,
                forwarded: true,
                ..Ended::refusal(attempt, &Refusal::UpstreamRefused)
            }
        }
        (status, _) => bad_answer(attempt, upstream_status, &format!("status {status}")),
    }
}

/// An answer that does not say whether a client was made: claims stay taken.
pub(super) fn bad_answer(attempt: &Attempt, upstream_status: Option<u16>, why: &str) -> Ended {
    tracing::warn!(decision_id = %attempt.id, why, "the identity server's answer is no registration answer");
    Ended {
        outcome: Outcome::Unknown,
        release: Release::Nothing,
        upstream_status,
        forwarded: true,
        ..Ended::refusal(attempt, &Refusal::BadAnswer)
    }
}

/// The identity server's error code if it is one of RFC 7591, under our words: its text may hold anything.
pub(super) fn refused_body(attempt: &Attempt, error: Option<&str>) -> Bytes {
    const KNOWN: &[&str] = &[
        "invalid_redirect_uri",
        "invalid_client_metadata",
        "invalid_software_statement",
        "unapproved_software_statement",
        "invalid_request",
        "invalid_token",
        "insufficient_scope",
        "access_denied",
        "temporarily_unavailable",
    ];
    let error = error.filter(|error| KNOWN.contains(error)).unwrap_or("invalid_client_metadata");
    let body = serde_json::json!({
        "error": error,
        "error_description": "the identity server refused the registration",
        "decision_id": attempt.id,
    });
    Bytes::from(body.to_string())
}

/// Seconds that the identity server asks to wait; a date or nonsense counts as a minute.
pub(super) fn retry_after(headers: &HeaderMap) -> u32 {
    headers
        .get(http::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .filter(|seconds| *seconds <= 86_400)
        .unwrap_or(60)
}

/// What the regime wants back though an identity server may drop it: the statement as it was sent and what was said
/// of the client (RFC 7591 §3.2.1, which has all registered metadata returned).
pub(super) fn complete(members: &mut Map<String, Value>, policy: &PolicyUse, metadata: &Map<String, Value>) {
    for name in policy.policy.returned() {
        if let Some(value) = metadata.get(name)
            && members.get(name).is_none_or(Value::is_null)
        {
            members.insert(name.to_owned(), value.clone());
        }
    }
}

/// `registration_client_uri` has to lead back through us (RFC 7592 §3): our base, our path, the client's id.
fn rewrite(members: &mut Map<String, Value>, attempt: &Attempt, settings: &RegistrationRoute, client_id: &str) {
    if members.contains_key("registration_client_uri") {
        let base = attempt.host.public_base.as_str();
        let path = match &settings.managed_at {
            Some(managed_at) => managed_at.of(client_id),
            None => format!("{}/{}", attempt.route.path.trim_end_matches('/'), client_path::encode(client_id)),
        };
        members.insert("registration_client_uri".to_owned(), Value::String(format!("{base}{path}")));
    }
}

/// A JSON answer of this status; no header of the identity server's travels on.
pub(super) fn packed(status: StatusCode, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Answers are read as strictly as requests, with room for what a server adds.
pub(super) const ANSWER: Limits =
    Limits { bytes: 256 * 1024, depth: 16, items: 2000, nodes: 20_000, string: 64 * 1024 };
