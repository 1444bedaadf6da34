//! An admitted registration at the identity server, and what becomes of its answer.
//!
//! Sent once. Whatever comes back is on disk before the caller hears of it: the
//! result, the binding, and the sealed answer that the same request gets again.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Map, Value};

use super::answer::{Refusal, correlate};
use super::decide::Decision;
use super::record::Told;
use super::registration::Attempt;
use super::reply::{self, Ended, interpret};
use super::routes::{PolicyUse, RegistrationRoute, UpstreamToken};
use super::token::DPOP;
use crate::audit::{self, CloseError, Conclusion, Ending, Event, Outcome, Text};
use crate::headers::decision::DecisionHeaders;
use crate::headers::hop;
use crate::oauth::NoCredential;
use crate::store::Opened;
use crate::upstream::{Body, GatedRequest, SendError, Sent, Upstream};

/// What may travel from the caller to the identity server on a gated request; everything else is ours or stays.
const ALLOWED: &[&str] = &["accept", "accept-language", "user-agent", "traceparent", "tracestate"];

/// Sends and concludes.
pub(super) async fn carry_out(
    attempt: &Attempt,
    settings: &RegistrationRoute,
    policy: &PolicyUse,
    decision: &Decision,
    metadata: Map<String, Value>,
    opened: Opened,
) -> Response<Body> {
    let told = Told::new(attempt);
    let shown = authorization(attempt, settings).await;
    let leaving = match &decision.template {
        Some(made) => made.leaving(metadata.clone()),
        None => metadata.clone(),
    };
    let request = match &shown {
        Ok(shown) => outgoing(attempt, settings, policy, decision, leaving, shown.as_ref(), &opened),
        Err(_) => Err(Refusal::NoCredential),
    };
    let ended = match request {
        Ok(request) => match settings.upstream.send(request).await {
            Ok(reply) => {
                // Never sent again: the next registration shows another one.
                if reply.status == StatusCode::UNAUTHORIZED
                    && let (UpstreamToken::Replace(credential), Ok(Some(shown))) = (&settings.token_to_upstream, &shown)
                {
                    credential.refused(shown);
                }
                interpret(attempt, settings, policy, decision, &metadata, &told, &reply)
            }
            Err(error) => unanswered(attempt, &settings.upstream, &error),
        },
        Err(refusal) => Ended::unsent(attempt, &refusal),
    };
    conclude(attempt, opened, ended).await
}

/// What the identity server is shown of tokens: nothing, the caller's, or ours.
async fn authorization(attempt: &Attempt, settings: &RegistrationRoute) -> Result<Option<HeaderValue>, NoCredential> {
    match &settings.token_to_upstream {
        UpstreamToken::Drop => Ok(None),
        UpstreamToken::Forward => Ok(attempt.caller.token().and_then(|_| attempt.headers.get(AUTHORIZATION)).cloned()),
        UpstreamToken::Replace(credential) => credential.authorization().await.map(Some),
    }
}

/// No answer came: whether the identity server acted is known only where nothing was sent.
pub(super) fn unanswered(attempt: &Attempt, upstream: &Upstream, error: &SendError) -> Ended {
    tracing::warn!(decision_id = %attempt.id, upstream = &*upstream.name, %error, "no answer");
    let refusal = Refusal::Upstream(error);
    match error.sent() {
        Sent::Nothing => Ended::unsent(attempt, &refusal),
        Sent::Perhaps => Ended { forwarded: true, ..Ended::refusal(attempt, &refusal) },
    }
}

/// The request as it leaves: headers of an allow-list, the verified certificate, the decision, the judged body.
fn outgoing(
    attempt: &Attempt,
    settings: &RegistrationRoute,
    policy: &PolicyUse,
    decision: &Decision,
    mut metadata: Map<String, Value>,
    shown: Option<&HeaderValue>,
    opened: &Opened,
) -> Result<GatedRequest, Refusal<'static>> {
    let upstream = &settings.upstream;
    let mut headers = headers(attempt, upstream, policy, decision)?;
    if let Some(shown) = shown {
        headers.insert(AUTHORIZATION, shown.clone());
        // Without its proof a token that is bound to a key is worth nothing.
        if let (UpstreamToken::Forward, Some(proof)) = (&settings.token_to_upstream, attempt.headers.get(DPOP)) {
            headers.insert(DPOP, proof.clone());
        }
    }
    for member in upstream.profile.refused_members {
        metadata.remove(*member);
    }
    let body = serde_json::to_vec(&metadata).map_err(|_| Refusal::Internal)?;
    Ok(GatedRequest::registration(opened, settings.to.clone(), headers, body.into()))
}

/// The headers of any gated request, without a token.
pub(super) fn headers(
    attempt: &Attempt,
    upstream: &Upstream,
    policy: &PolicyUse,
    decision: &Decision,
) -> Result<HeaderMap, Refusal<'static>> {
    let mut headers = HeaderMap::with_capacity(20);
    for (name, value) in &attempt.headers {
        let allowed = ALLOWED.contains(&name.as_str()) || name.as_str().starts_with("x-fapi-");
        if allowed && !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
    for name in hop::named_by_connection(&attempt.headers) {
        headers.remove(&name);
    }
    let verified = attempt
        .connection
        .verified_headers(&attempt.snapshot, attempt.now, upstream.dialect)
        .map_err(|_| Refusal::CertificateTooLarge)?;
    if let Some(verified) = verified {
        verified.write(&mut headers);
    }
    attempt.host.public_base.write(attempt.connection.remote, &mut headers);
    DecisionHeaders {
        id: attempt.id,
        policy: (policy.policy.id(), policy.policy.version()),
        organisation: decision.subject.organisation.as_deref(),
        software: decision.subject.software.as_deref(),
    }
    .write(&mut headers);
    if let Ok(id) = HeaderValue::try_from(attempt.correlation.interaction.to_string()) {
        headers.insert(super::answer::INTERACTION_ID, id);
    }
    Ok(headers)
}

/// Puts the end on disk, then tells it.
pub(super) async fn conclude(attempt: &Attempt, opened: Opened, ended: Ended) -> Response<Body> {
    let Ended { outcome, release, upstream_status, forwarded, answer, error, client_id, binding, keep } = ended;
    let sealed = keep.and_then(|(status, body)| attempt.recording.sealer.seal(attempt.id, &pack(status, &body)).ok());
    let conclusion = Conclusion {
        opened,
        event: Event::Dcr(attempt.operation),
        ending: Ending {
            outcome,
            duration: attempt.began.elapsed(),
            client_id: client_id.as_deref().map(Text::new),
            response: audit::Response {
                status: Some(answer.status().as_u16()),
                error: error.as_deref().map(Text::new),
                forwarded,
                upstream_status,
            },
        },
        release,
        binding,
        answer: sealed,
    };
    match attempt.recording.ledger.close(conclusion).await {
        Ok(()) => tell(attempt, outcome, answer),
        Err(error) => {
            tracing::error!(decision_id = %attempt.id, %error, "the result is not on record yet");
            match error {
                CloseError::Pending | CloseError::Lost(_) => Refusal::ResultPending.answer(attempt.correlation),
            }
        }
    }
}

/// The answer to a concluded request, and its line in the log.
pub(super) fn tell(attempt: &Attempt, outcome: Outcome, mut answer: Response<Body>) -> Response<Body> {
    correlate(answer.headers_mut(), attempt.correlation);
    tracing::info!(
        decision_id = %attempt.id,
        event = Event::Dcr(attempt.operation).as_str(),
        outcome = outcome.as_str(),
        status = answer.status().as_u16(),
        interaction_id = %attempt.correlation.interaction,
        "registration concluded"
    );
    answer
}

/// Status and body of an answer, to be sealed.
fn pack(status: StatusCode, body: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(body.len() + 2);
    packed.extend_from_slice(&status.as_u16().to_be_bytes());
    packed.extend_from_slice(body);
    packed
}

/// The answer of [`pack`]; `None` for bytes that it did not make.
pub(super) fn unpack(packed: &[u8]) -> Option<Response<Body>> {
    let (status, body) = packed.split_first_chunk::<2>()?;
    let status = StatusCode::from_u16(u16::from_be_bytes(*status)).ok()?;
    Some(reply::packed(status, Bytes::copy_from_slice(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_as_packed() {
        let response = unpack(&pack(StatusCode::CREATED, b"{}")).unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert!(unpack(b"x").is_none());
    }
}
