//! GET, PUT and DELETE of a registered client (RFC 7592 §2), in this order.
//!
//! 1. A certificate is judged and a token read; who has neither in the right form hears no more.
//! 2. The owner is proved against the client's binding, here alone: the identity server hears nothing of a token
//!    that is used on another client. (One destroys the token of whoever was robbed of it.)
//! 3. The policy under which the client was registered judges; an update like a registration.
//! 4. The record is on disk before a change leaves. A read changes nothing and is recorded when it has ended.
//! 5. The identity server is asked, once.
//! 6. The result, the client's next token and the binding are on disk before the caller is told.

mod exchange;
mod proof;
mod reply;

use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::answer::{Correlation, Refusal};
use super::caller::Caller;
use super::connection::Connection;
use super::decide::{Decision, Verdict, decide};
use super::decode::{self, Form, FormFault, Sent};
use super::receive::{linger, read};
use super::record::{self, Told};
use super::registration::{Attempt, conceal, random, seconds_until, status_code};
use super::routes::{Host, ManagementRoute, PolicyUse, Route};
use super::snapshot::Snapshot;
use super::{gather, template, token};
use crate::audit::Admission;
use crate::bindings::Owned;
use crate::model::digest::Digest;
use crate::model::evidence::Known;
use crate::model::facts::Operation;
use crate::model::id::DecisionId;
use crate::model::trace::Trace;
use crate::policy::Gate;
use crate::store::{OpenError, Standing};
use crate::upstream::Body;

/// One request on its way to a client's configuration.
struct Management {
    attempt: Attempt,
    client_id: String,
    /// As sent; `None` without one.
    token: Option<String>,
}

/// Answers a request on a management route.
pub async fn manage(
    snapshot: &Arc<Snapshot>,
    route: &Arc<Route>,
    host: &Arc<Host>,
    connection: &Arc<Connection>,
    request: Request<Incoming>,
    correlation: impl FnOnce(&HeaderMap) -> Correlation,
) -> Response<Body> {
    let (mut parts, mut body) = request.into_parts();
    conceal(&mut parts.headers);
    let arrived = snapshot.clock.now();
    let id = DecisionId::new(arrived, random());
    let correlation = Correlation { decision: Some(id), ..correlation(&parts.headers) };
    let Some(operation) = operation(&parts.method) else {
        linger(body, &parts.headers);
        return Refusal::Method { allow: route.kind.methods() }.answer(correlation);
    };
    let (Some(recording), Some(settings)) = (&snapshot.recording, route.management()) else {
        return Refusal::StoreUnavailable.answer(correlation);
    };
    let path = parts.uri.path();
    // `/register/x/` is `/register/x`: judged like it, as the routes have it.
    let plain = path.strip_suffix('/').unwrap_or(path);
    let Some(client_id) = settings.client.client_id(plain, parts.uri.query()) else {
        linger(body, &parts.headers);
        return Refusal::NoClient.answer(correlation);
    };
    let mut attempt = Attempt {
        snapshot: Arc::clone(snapshot),
        recording: Arc::clone(recording),
        route: Arc::clone(route),
        host: Arc::clone(host),
        connection: Arc::clone(connection),
        caller: Caller::of_connection(snapshot, connection, arrived),
        client_id: Some(client_id.clone()),
        path: path.into(),
        headers: parts.headers,
        body: Bytes::new(),
        correlation,
        id,
        operation,
        now: arrived,
        began: Instant::now(),
        body_digest: Digest::of(b""),
    };
    let token = match token::bearer(&attempt.headers) {
        Ok(token) => token.map(str::to_owned),
        Err(why) => {
            linger(body, &attempt.headers);
            return refuse_stranger(&attempt, settings, proof::refused(why)).await;
        }
    };
    if !settings.policies.iter().any(|policy| attempt.caller.may_pass(policy)) {
        linger(body, &attempt.headers);
        return refuse_certificate(&attempt, settings).await;
    }
    if operation == Operation::Update {
        let read = read(&mut body, settings.body_bytes, snapshot.limits.body_timeout).await;
        attempt.now = snapshot.clock.now();
        attempt.began = Instant::now();
        match read {
            Ok(body) => {
                attempt.body_digest = Digest::of(&body);
                attempt.body = body;
            }
            Err(fault) => {
                if matches!(fault, FormFault::TooLarge) {
                    linger(body, &attempt.headers);
                }
                let Some(policy) = settings.policies.first() else { return Refusal::Internal.answer(correlation) };
                return refuse_form(&attempt, policy, standing(&attempt, settings), &fault).await;
            }
        }
    } else {
        linger(body, &attempt.headers);
    }
    let management = Management { attempt, client_id, token };
    let task = snapshot.tasks.spawn(management.run());
    // A panic is told as a fault of ours; the ledger records what was opened as interrupted.
    task.await.unwrap_or_else(|_| Refusal::Internal.answer(correlation))
}

fn operation(method: &Method) -> Option<Operation> {
    match *method {
        Method::GET => Some(Operation::Read),
        Method::PUT => Some(Operation::Update),
        Method::DELETE => Some(Operation::Delete),
        _ => None,
    }
}

impl Management {
    async fn run(mut self) -> Response<Body> {
        let route = Arc::clone(&self.attempt.route);
        let Some(settings) = route.management() else { return Refusal::Internal.answer(self.attempt.correlation) };
        // Judged again: while the body came the certificate may have expired or a reload distrusted its authority.
        self.attempt.caller =
            self.attempt.caller.again(&self.attempt.snapshot, &self.attempt.connection, self.attempt.now);
        let store = self.attempt.recording.ledger.store();
        let binding = match store.binding(&settings.upstream.name, &self.client_id).await {
            Ok(binding) => binding.map(Arc::new),
            Err(error) => return self.attempt.store_failed(&error),
        };
        let policy = match binding.as_ref().map(|binding| settings.policy_of(binding)) {
            Some(Some(policy)) => Some(policy),
            Some(None) => {
                tracing::error!(decision_id = %self.attempt.id, "the policy that registered this client is not configured any more");
                return Refusal::Internal.answer(self.attempt.correlation);
            }
            None => None,
        };
        let proved = match (binding, policy) {
            (Some(binding), Some(policy)) => proof::prove(&self, policy, binding).map(|owned| (owned, policy)),
            _ => Err(proof::unknown()),
        };
        match proved {
            Ok((owned, policy)) => self.judge(settings, policy, owned).await,
            Err(refused) => {
                // The answer with the next token may have been lost on its way: the same request gets it again.
                if self.attempt.operation != Operation::Read
                    && let Some(answer) = self.attempt.answered_before(&self.key(settings)).await
                {
                    return answer;
                }
                refuse_stranger(&self.attempt, settings, refused).await
            }
        }
    }

    /// The policy judges what the owner asks for.
    async fn judge(self, settings: &ManagementRoute, policy: &PolicyUse, owned: Owned) -> Response<Body> {
        let attempt = &self.attempt;
        let mut evidence = attempt.caller.evidence();
        evidence.binding = Known::Value(owned.shared());
        let request = if attempt.operation == Operation::Update {
            let form = Form::of(&policy.policy);
            let decoded = decode::media_type(&attempt.headers, form).and_then(|()| decode::body(&attempt.body, form));
            match decoded {
                Ok(request) => request,
                Err(fault) => return refuse_form(attempt, policy, Standing::Trusted, &fault).await,
            }
        } else {
            Sent::nothing()
        };
        let (request, made) = match template::keep(&settings.templates, owned.binding(), request) {
            Ok(kept) if attempt.operation == Operation::Update => kept,
            Ok(_) => (Sent::nothing(), None),
            Err(mut decision) => {
                proof::proved(&mut decision, owned.binding());
                let refusal = Refusal::Decided(&decision.trace);
                return attempt.refuse(policy, Standing::Trusted, &decision, &refusal).await;
            }
        };
        let question = attempt.caller.question_of_owner(policy, attempt.operation, &request);
        if attempt.operation == Operation::Update {
            evidence = gather::gather(&attempt.snapshot, policy, &question, evidence).await;
        }
        let judging = Instant::now();
        let mut decision = decide(&question, &evidence);
        decision.template = made;
        policy.tally.took(judging.elapsed(), Instant::now(), attempt.id);
        policy.tally.count(&decision.trace, None);
        proof::proved(&mut decision, owned.binding());
        match std::mem::replace(&mut decision.verdict, Verdict::Refused) {
            Verdict::Refused => {
                let refusal = Refusal::Decided(&decision.trace);
                attempt.refuse(policy, Standing::Trusted, &decision, &refusal).await
            }
            Verdict::Admitted(_) if attempt.operation == Operation::Read => {
                exchange::read(&self, settings, policy, &decision, &owned).await
            }
            Verdict::Admitted(admitted) => {
                let (metadata, claims) = admitted.into_parts();
                let told = Told::new(attempt);
                let record = record::decided(attempt, &told, policy, &decision);
                let admission = Admission {
                    record: &record,
                    claims: claims.clone(),
                    request: self.key(settings),
                    answer_expires: attempt.now.plus(attempt.snapshot.limits.answer_window),
                    status: status_code,
                };
                match attempt.recording.ledger.open(admission).await {
                    Ok(opened) => exchange::change(&self, settings, policy, &decision, metadata, &owned, opened).await,
                    Err(OpenError::Conflict { claim }) => match claims.get(claim) {
                        Some(claim) => attempt.told(&Refusal::Conflict(&claim.refusal)),
                        None => Refusal::Internal.answer(attempt.correlation),
                    },
                    Err(OpenError::Exhausted { claim, until }) => match claims.get(claim) {
                        Some(claim) => attempt.told(&Refusal::Exhausted {
                            rule: &claim.refusal,
                            retry_after: until.map(|until| seconds_until(until, attempt.now)),
                        }),
                        None => Refusal::Internal.answer(attempt.correlation),
                    },
                    Err(OpenError::Repeated(stored)) => attempt.repeat(stored),
                    Err(OpenError::Store(error)) => attempt.store_failed(&error),
                }
            }
        }
    }

    /// Operation, client, party and body: two requests with the same key are the same request.
    fn key(&self, settings: &ManagementRoute) -> Digest {
        let attempt = &self.attempt;
        let certificate = attempt.connection.peer().map(|peer| peer.certificate.thumbprint);
        Digest::of_parts(&[
            attempt.operation.as_str().as_bytes(),
            b"\n",
            settings.upstream.name.as_bytes(),
            b"\n",
            Digest::of(self.client_id.as_bytes()).as_bytes(),
            Digest::of(self.token.as_deref().unwrap_or_default().as_bytes()).as_bytes(),
            attempt.body_digest.as_bytes(),
            certificate.as_ref().map_or(&[], |digest| digest.as_bytes().as_slice()),
        ])
    }
}

/// Whose refusal it is that is recorded, before an owner is proved.
fn standing(attempt: &Attempt, settings: &ManagementRoute) -> Standing {
    let trusted = settings.policies.iter().any(|policy| attempt.caller.is_trusted_by(policy));
    if trusted { Standing::Trusted } else { Standing::Stranger }
}

/// Refuses whoever is not the owner, in the same words whatever is wrong.
async fn refuse_stranger(attempt: &Attempt, settings: &ManagementRoute, trace: Trace) -> Response<Body> {
    let decision = Decision::refused(trace);
    let Some(policy) = settings.policies.first() else { return Refusal::NotFound.answer(attempt.correlation) };
    let refusal = Refusal::Decided(&decision.trace);
    attempt.refuse(policy, standing(attempt, settings), &decision, &refusal).await
}

/// Refuses a certificate that none of the route's policies accepts; that says nothing of any client.
async fn refuse_certificate(attempt: &Attempt, settings: &ManagementRoute) -> Response<Body> {
    let Some(policy) = settings.policies.first() else { return Refusal::NotFound.answer(attempt.correlation) };
    let nothing = Sent::nothing();
    let question = attempt.caller.question_of_owner(policy, attempt.operation, &nothing);
    let mut decision = decide(&question, &attempt.caller.evidence());
    if decision.trace.failures().next().is_none() {
        // Another policy's pins would have refused it.
        let mut trace = Trace::new();
        trace.push(policy.policy.gate(Gate::CertificateTrusted), crate::model::trace::Outcome::Fail, None);
        decision = Decision::refused(trace);
    }
    attempt.refuse(policy, Standing::Stranger, &decision, &Refusal::Decided(&decision.trace)).await
}

async fn refuse_form(attempt: &Attempt, policy: &PolicyUse, standing: Standing, fault: &FormFault) -> Response<Body> {
    let decision = Decision::refused(Trace::new());
    attempt.refuse(policy, standing, &decision, &Refusal::Form(fault)).await
}

/// The token that goes to the identity server is the caller's own.
fn authorization(attempt: &Attempt) -> Option<&http::HeaderValue> {
    attempt.headers.get(AUTHORIZATION)
}
