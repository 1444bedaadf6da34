//! An admitted request at the identity server, once, and what becomes of its answer.

use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, Response};
use serde_json::{Map, Value};

use super::super::answer::Refusal;
use super::super::carry_out::{self, unanswered};
use super::super::challenge::challenge;
use super::super::decide::Decision;
use super::super::record::{self, Told};
use super::super::reply::Ended;
use super::super::routes::{ManagementRoute, PolicyUse};
use super::super::token::Scheme;
use super::reply::{self, Asked};
use super::{Management, authorization};
use crate::audit::{Ending, Text};
use crate::bindings::Owned;
use crate::model::facts::Operation;
use crate::store::Opened;
use crate::upstream::{Body, GatedRequest};

/// Reads the client's configuration; recorded when it has ended.
pub(super) async fn read(
    management: &Management,
    settings: &ManagementRoute,
    policy: &PolicyUse,
    decision: &Decision,
    owned: &Owned,
) -> Response<Body> {
    let attempt = &management.attempt;
    let asked = Asked { management, settings, policy, decision, owned, metadata: &owned.binding().metadata };
    let ended =
        match target(management, settings).and_then(|to| Ok((to, headers(management, settings, policy, decision)?))) {
            Ok((to, headers)) => match settings.upstream.send(GatedRequest::read(owned, to, headers)).await {
                Ok(answer) => reply::interpret(&asked, &answer),
                Err(error) => unanswered(attempt, &settings.upstream, &error),
            },
            Err(refusal) => Ended::unsent(attempt, &refusal),
        };
    let told = Told::new(attempt);
    let record = record::decided(attempt, &told, policy, decision);
    let ending = Ending {
        outcome: ended.outcome,
        duration: attempt.began.elapsed(),
        client_id: Some(Text::new(&management.client_id)),
        response: crate::audit::Response {
            status: Some(ended.answer.status().as_u16()),
            error: ended.error.as_deref().map(Text::new),
            forwarded: ended.forwarded,
            upstream_status: ended.upstream_status,
        },
    };
    match attempt.recording.ledger.read(&record, &ending, ended.binding).await {
        Ok(()) => carry_out::tell(attempt, ended.outcome, ended.answer),
        Err(error) => attempt.store_failed(&error),
    }
}

/// Updates or deletes the client.
pub(super) async fn change(
    management: &Management,
    settings: &ManagementRoute,
    policy: &PolicyUse,
    decision: &Decision,
    metadata: Map<String, Value>,
    owned: &Owned,
    opened: Opened,
) -> Response<Body> {
    let attempt = &management.attempt;
    let asked = Asked { management, settings, policy, decision, owned, metadata: &metadata };
    let ended = match request(&asked, &opened) {
        Ok(request) => match settings.upstream.send(request).await {
            Ok(answer) => reply::interpret(&asked, &answer),
            Err(error) => unanswered(attempt, &settings.upstream, &error),
        },
        Err(refusal) => Ended::unsent(attempt, &refusal),
    };
    carry_out::conclude(attempt, opened, ended).await
}

fn request(asked: &Asked<'_>, opened: &Opened) -> Result<GatedRequest, Refusal<'static>> {
    let Asked { management, settings, policy, decision, owned, metadata } = *asked;
    let to = target(management, settings)?;
    let headers = headers(management, settings, policy, decision)?;
    if management.attempt.operation == Operation::Delete {
        return Ok(GatedRequest::delete(owned, opened, to, headers));
    }
    // What the server issues does not travel (RFC 7592 §2.2): the policy kept it back. The client's id has to.
    let mut members = match &decision.template {
        Some(made) => made.leaving(metadata.clone()),
        None => metadata.clone(),
    };
    for member in settings.upstream.profile.refused_members {
        members.remove(*member);
    }
    members.insert("client_id".to_owned(), Value::String(management.client_id.clone()));
    let body = serde_json::to_vec(&members).map_err(|_| Refusal::Internal)?;
    Ok(GatedRequest::update(owned, opened, to, headers, body.into()))
}

fn target(management: &Management, settings: &ManagementRoute) -> Result<PathAndQuery, Refusal<'static>> {
    PathAndQuery::try_from(settings.to.of(&management.client_id)).map_err(|_| Refusal::Internal)
}

fn headers(
    management: &Management,
    settings: &ManagementRoute,
    policy: &PolicyUse,
    decision: &Decision,
) -> Result<HeaderMap, Refusal<'static>> {
    let mut headers = carry_out::headers(&management.attempt, &settings.upstream, policy, decision)?;
    if let Some(token) = authorization(&management.attempt) {
        headers.insert(AUTHORIZATION, token.clone());
    }
    Ok(headers)
}

/// The answer about a token has its challenge (RFC 6750 §3).
pub(super) fn challenged(mut ended: Ended, refusal: &Refusal<'_>) -> Ended {
    challenge(&mut ended.answer, refusal, Some(Scheme::Bearer), None);
    ended
}
