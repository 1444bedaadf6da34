//! What the identity server's answer to a management request means.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value};

use super::super::answer::Refusal;
use super::super::decide::Decision;
use super::super::normalise;
use super::super::record::Told;
use super::super::reply::{self, ANSWER, Ended, bad_answer, complete, owner, packed, refused_body, retry_after};
use super::super::routes::{ManagementRoute, PolicyUse};
use super::Management;
use super::exchange::challenged;
use crate::audit::Outcome;
use crate::bindings::{Owned, Updated};
use crate::model::facts::Operation;
use crate::model::json;
use crate::store::{BindingChange, Release};
use crate::upstream::{Body, Reply};

/// What was asked of the identity server, and on whose behalf.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) management: &'a Management,
    pub(super) settings: &'a ManagementRoute,
    pub(super) policy: &'a PolicyUse,
    pub(super) decision: &'a Decision,
    pub(super) owned: &'a Owned,
    /// The client's members: as admitted, or as they were.
    pub(super) metadata: &'a Map<String, Value>,
}

/// What came of it.
pub(super) fn interpret(asked: &Asked<'_>, answer: &Reply) -> Ended {
    let attempt = &asked.management.attempt;
    let status = answer.status;
    match (attempt.operation, status.as_u16()) {
        (Operation::Delete, 200 | 202 | 204) => deleted(asked, status),
        (Operation::Read | Operation::Update, 200 | 201) => match json::object(&answer.body, &ANSWER) {
            Ok(members) => told(asked, status, members),
            Err(_) => bad_answer(attempt, Some(status.as_u16()), "no JSON object of an answer's size"),
        },
        (_, 429) => {
            let busy = Refusal::UpstreamBusy(retry_after(&answer.headers));
            Ended::refused_upstream(attempt, status, &busy)
        }
        (_, 400 | 409 | 422) => {
            let members = json::object(&answer.body, &ANSWER).ok();
            let error = members.as_ref().and_then(|members| members.get("error")).and_then(Value::as_str);
            Ended {
                answer: packed(StatusCode::BAD_REQUEST, refused_body(attempt, error)),
                error: error.map(str::to_owned),
                ..Ended::refused_upstream(attempt, status, &Refusal::ManagementRefused)
            }
        }
        // It gave this token out itself: it has been revoked there, has expired, or the client is gone (RFC 7592 §2.1).
        (_, 401) => {
            let refusal = Refusal::TokenRefusedUpstream;
            challenged(Ended::refused_upstream(attempt, status, &refusal), &refusal)
        }
        (_, 403) => Ended::refused_upstream(attempt, status, &Refusal::ForbiddenUpstream),
        (_, 405) => Ended::refused_upstream(attempt, status, &Refusal::MethodUpstream),
        // 404 and the like are about us and our configuration.
        (_, 400..=499) => {
            tracing::error!(decision_id = %attempt.id, %status, "the identity server does not let clients be managed from here");
            Ended::refused_upstream(attempt, status, &Refusal::ManagementRefused)
        }
        (_, status) => bad_answer(attempt, Some(status), &format!("status {status}")),
    }
}

fn deleted(asked: &Asked<'_>, status: StatusCode) -> Ended {
    let binding = asked.owned.binding();
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ended {
        binding: Some(BindingChange::Deleted {
            upstream: binding.upstream.clone(),
            client_id: binding.client_id.clone(),
            decision: binding.decision,
        }),
        // A deletion whose answer was lost is told again: by then nobody owns the client.
        keep: Some((StatusCode::NO_CONTENT, Bytes::new())),
        ..done(asked, status, answer)
    }
}

/// The client as the identity server tells it (RFC 7592 §3).
fn told(asked: &Asked<'_>, status: StatusCode, mut members: Map<String, Value>) -> Ended {
    let attempt = &asked.management.attempt;
    let upstream = &asked.settings.upstream;
    if upstream.normalise {
        normalise::client(&mut members, upstream.profile);
    }
    let seen = Told::new(attempt);
    let owner = owner(attempt, asked.policy, asked.decision, &seen);
    let updated = Updated {
        certificate: owner.map(|(_, peer)| (peer.certificate.thumbprint, peer.certificate.not_after)),
        organisation: asked.decision.subject.organisation.as_deref(),
        software: asked.decision.subject.software.as_deref(),
        metadata: asked.metadata,
        token: asked.management.token.as_deref(),
        at: attempt.now,
    };
    let mut next = match asked.owned.updated(&members, &updated, &attempt.recording.keeping()) {
        Ok(next) => next,
        Err(why) => return bad_answer(attempt, Some(status.as_u16()), &why.to_string()),
    };
    if let Some(made) = &asked.decision.template {
        next.binding.template = Some(made.from.clone());
    }
    members.insert("client_id".to_owned(), Value::String(asked.management.client_id.clone()));
    complete(&mut members, asked.policy, asked.metadata);
    let base = attempt.host.public_base.as_str();
    let uri = format!("{base}{}", asked.settings.client.of(&asked.management.client_id));
    members.insert("registration_client_uri".to_owned(), Value::String(uri));
    // RFC 7592 §3: it is REQUIRED in every such answer; an identity server that leaves it out means the same one.
    if members.get("registration_access_token").is_none_or(Value::is_null)
        && let Some(token) = &asked.management.token
    {
        members.insert("registration_access_token".to_owned(), Value::String(token.clone()));
    }
    let body = Bytes::from(serde_json::to_vec(&members).unwrap_or_default());
    let is_update = attempt.operation == Operation::Update;
    Ended {
        binding: (is_update || next.has_new_token).then(|| BindingChange::Updated(Box::new(next.binding))),
        // With a new token the same request cannot be made again; without one it can.
        keep: (is_update && next.has_new_token).then(|| (StatusCode::OK, body.clone())),
        ..done(asked, status, packed(StatusCode::OK, body))
    }
}

fn done(asked: &Asked<'_>, status: StatusCode, answer: Response<Body>) -> Ended {
    reply::Ended {
        outcome: Outcome::Admitted,
        release: Release::Nothing,
        upstream_status: Some(status.as_u16()),
        forwarded: true,
        answer,
        error: None,
        client_id: Some(asked.management.client_id.clone()),
        binding: None,
        keep: None,
    }
}
