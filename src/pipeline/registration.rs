//! POST of a registration request (RFC 7591 §3). The order below is the product.
//!
//! 1. Certificate and initial access token are judged; a stranger's body is read only where neither is asked for.
//! 2. The same request of the same party again gets the same answer.
//! 3. The body is read whole, strictly, once.
//! 4. Where it names a template it is laid over it; evidence is gathered, and the decision made of it.
//! 5. The record and every claim are on disk before anything leaves.
//! 6. The identity server is asked, once.
//! 7. The result, the binding and the answer are on disk before the caller is told.
//!
//! From step 4 on the work runs in a counted task of its own: hyper drops a
//! request whose client hangs up, and a registration must not be half told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::answer::{Correlation, Refusal};
use super::caller::Caller;
use super::challenge::challenge;
use super::connection::Connection;
use super::decide::{Decision, Verdict, decide};
use super::decode::{self, Form, FormFault};
use super::receive::{linger, read};
use super::record::{self, Told};
use super::routes::{Host, PolicyUse, RegistrationRoute, Route};
use super::snapshot::{Recording, Snapshot};
use super::token::{Scheme, Target};
use super::{carry_out, gather, template};
use crate::audit::{Admission, Ending, Event, RefuseError, Text};
use crate::model::claim::{Claim, ClaimKind};
use crate::model::digest::Digest;
use crate::model::facts::Operation;
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;
use crate::model::trace::Trace;
use crate::store::{OpenError, Standing};
use crate::tls::RefusedInHandshake;
use crate::upstream::Body;

/// One registration request on its way through.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) recording: Arc<Recording>,
    pub(super) route: Arc<Route>,
    pub(super) host: Arc<Host>,
    pub(super) connection: Arc<Connection>,
    pub(super) headers: HeaderMap,
    pub(super) caller: Caller,
    /// The client that is to be managed.
    pub(super) client_id: Option<String>,
    pub(super) path: Box<str>,
    pub(super) body: Bytes,
    pub(super) correlation: Correlation,
    pub(super) id: DecisionId,
    pub(super) operation: Operation,
    /// The one time of the decision: when the body was complete.
    pub(super) now: Timestamp,
    /// Monotonic, for the duration.
    pub(super) began: Instant,
    /// SHA-256 of the body: in the record and in the key of a repeated request.
    pub(super) body_digest: Digest,
}

/// Answers a request on a registration route.
pub async fn register(
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
    if parts.method != Method::POST {
        linger(body, &parts.headers);
        return Refusal::Method { allow: "POST" }.answer(correlation);
    }
    let (Some(recording), Some(settings)) = (&snapshot.recording, route.registration()) else {
        return Refusal::StoreUnavailable.answer(correlation);
    };
    let target = Target { method: &parts.method, base: host.public_base.as_str(), path: parts.uri.path() };
    let caller = Caller::gather(snapshot, settings, connection, (&parts.headers, target), arrived).await;
    let mut attempt = Attempt {
        snapshot: Arc::clone(snapshot),
        recording: Arc::clone(recording),
        route: Arc::clone(route),
        host: Arc::clone(host),
        connection: Arc::clone(connection),
        headers: parts.headers,
        caller,
        client_id: None,
        path: parts.uri.path().into(),
        body: Bytes::new(),
        correlation,
        id,
        operation: Operation::Register,
        now: arrived,
        began: Instant::now(),
        body_digest: Digest::of(b""),
    };
    let Some(policy) = attempt.caller.policy(settings) else {
        linger(body, &attempt.headers);
        return attempt.refuse_caller(settings).await;
    };
    let read = match decode::media_type(&attempt.headers, Form::of(&policy.policy)) {
        Ok(()) => read(&mut body, settings.body_bytes, snapshot.limits.body_timeout).await,
        Err(fault) => Err(fault),
    };
    attempt.now = snapshot.clock.now();
    attempt.began = Instant::now();
    match read {
        Ok(body) => {
            attempt.body_digest = Digest::of(&body);
            attempt.body = body;
        }
        Err(fault) => {
            // A body that broke off or stopped has nothing more to be thrown away.
            if matches!(fault, FormFault::MediaType(_) | FormFault::TooLarge) {
                linger(body, &attempt.headers);
            }
            return attempt.refuse_form(policy, &fault).await;
        }
    }
    let task = snapshot.tasks.spawn(attempt.run());
    // A panic is told as a fault of ours; the ledger records what was opened as interrupted.
    task.await.unwrap_or_else(|_| Refusal::Internal.answer(correlation))
}

/// Records a handshake that was cut: no certificate, or one that no authority trusts.
pub async fn record_cut(snapshot: &Snapshot, remote: SocketAddr, listener: &str, refused: &RefusedInHandshake) {
    tracing::info!(%remote, listener, reason = %refused, "handshake refused");
    let Some(recording) = &snapshot.recording else { return };
    let now = snapshot.clock.now();
    let trace = record::cut_trace(refused);
    let record = record::cut(snapshot, DecisionId::new(now, random()), now, remote, &trace);
    let ending = record::rejected(Duration::ZERO, None);
    if let Err(error @ RefuseError::Store(_)) = recording.ledger.refuse(Standing::Stranger, &record, &ending).await {
        tracing::error!(%error, "a refused handshake is not on record");
    }
}

/// However it is printed, a token does not show.
pub(super) fn conceal(headers: &mut HeaderMap) {
    headers.iter_mut().filter(|(name, _)| *name == AUTHORIZATION).for_each(|(_, value)| value.set_sensitive(true));
}

/// A fresh interaction id (RFC 9562 §5.4).
pub fn new_interaction() -> uuid::Uuid {
    uuid::Builder::from_random_bytes(random()).into_uuid()
}

impl Attempt {
    async fn run(mut self) -> Response<Body> {
        // Judged again: between head and body the certificate may have expired or a reload distrusted its authority.
        self.caller = self.caller.again(&self.snapshot, &self.connection, self.now);
        let Some(settings) = self.route.registration() else { return Refusal::Internal.answer(self.correlation) };
        let Some(policy) = self.caller.policy(settings) else { return self.refuse_caller(settings).await };
        if let Some(answer) = self.spend_proof(settings, policy).await {
            return answer;
        }
        let known = self.caller.is_known().then(|| self.request_key(policy, None));
        if let Some(key) = &known
            && let Some(answer) = self.answered_before(key).await
        {
            return answer;
        }
        // Asked again, as the policy was chosen again: another one may want another form.
        let form = Form::of(&policy.policy);
        let decoded = decode::media_type(&self.headers, form).and_then(|()| decode::body(&self.body, form));
        let request = match decoded {
            Ok(request) => request,
            Err(fault) => return self.refuse_form(policy, &fault).await,
        };
        let (request, made) = match template::expand(&self.caller, settings, policy, request) {
            Ok(expanded) => expanded,
            Err(decision) => {
                let refusal = Refusal::Decided(&decision.trace);
                return self.refuse(policy, self.standing(), &decision, &refusal).await;
            }
        };
        let question = self.caller.question(policy, settings, &request);
        let evidence = gather::gather(&self.snapshot, policy, &question, self.caller.evidence()).await;
        let key = match known {
            Some(key) => key,
            None => {
                let signer = evidence.signer.value().filter(|(_, judged)| policy.is_vouched_for(judged));
                let key = self.request_key(policy, signer.map(|(signer, _)| &**signer));
                if signer.is_some()
                    && let Some(answer) = self.answered_before(&key).await
                {
                    return answer;
                }
                key
            }
        };
        let judging = Instant::now();
        let mut decision = decide(&question, &evidence);
        decision.template = made;
        policy.tally.took(judging.elapsed(), Instant::now(), self.id);
        match std::mem::replace(&mut decision.verdict, Verdict::Refused) {
            Verdict::Refused => {
                policy.tally.count(&decision.trace, None);
                self.refuse(policy, self.standing(), &decision, &Refusal::Decided(&decision.trace)).await
            }
            Verdict::Admitted(admitted) => {
                let (metadata, claims) = admitted.into_parts();
                let told = Told::new(&self);
                let record = record::decided(&self, &told, policy, &decision);
                let is_stranger = self.standing() == Standing::Stranger;
                if is_stranger && !self.recording.ledger.has_room_for_stranger(&record) {
                    return Refusal::TooMany.answer(self.correlation);
                }
                let admission = Admission {
                    record: &record,
                    claims: claims.clone(),
                    request: key,
                    answer_expires: self.now.plus(self.snapshot.limits.answer_window),
                    status: status_code,
                };
                let opened = self.recording.ledger.open(admission).await;
                if is_stranger && matches!(opened, Err(OpenError::Conflict { .. } | OpenError::Exhausted { .. })) {
                    self.recording.ledger.charge_stranger(&record);
                }
                // Counted when it is known whether what it takes was free.
                let taken = match &opened {
                    Err(OpenError::Conflict { claim } | OpenError::Exhausted { claim, .. }) => claims.get(*claim),
                    Ok(_) | Err(OpenError::Repeated(_) | OpenError::Store(_)) => None,
                };
                policy.tally.count(&decision.trace, taken.map(|claim| &*claim.refusal));
                match opened {
                    Ok(opened) => carry_out::carry_out(&self, settings, policy, &decision, metadata, opened).await,
                    Err(OpenError::Conflict { claim }) => match claims.get(claim) {
                        Some(claim) => self.told(&Refusal::Conflict(&claim.refusal)),
                        None => Refusal::Internal.answer(self.correlation),
                    },
                    Err(OpenError::Exhausted { claim, until }) => match claims.get(claim) {
                        Some(claim) => self.told(&Refusal::Exhausted {
                            rule: &claim.refusal,
                            retry_after: until.map(|until| seconds_until(until, self.now)),
                        }),
                        None => Refusal::Internal.answer(self.correlation),
                    },
                    Err(OpenError::Repeated(stored)) => self.repeat(stored),
                    Err(OpenError::Store(error)) => self.store_failed(&error),
                }
            }
        }
    }

    /// Whether a refusal counts as a stranger's. A signed statement proves no more than that somebody signed it: it
    /// may have been copied, so that who shows neither certificate nor token stays a stranger.
    fn standing(&self) -> Standing {
        self.route.registration().map_or(Standing::Stranger, |settings| self.caller.standing(settings))
    }

    /// Refuses whoever does not pass the first gates of any policy.
    async fn refuse_caller(&self, settings: &RegistrationRoute) -> Response<Body> {
        let Some((policy, decision)) = self.caller.refusal(settings) else {
            return Refusal::NotFound.answer(self.correlation);
        };
        policy.tally.count(&decision.trace, None);
        let standing = self.caller.standing(settings);
        self.refuse(policy, standing, &decision, &Refusal::Decided(&decision.trace)).await
    }

    async fn refuse_form(&self, policy: &PolicyUse, fault: &FormFault) -> Response<Body> {
        let token = self.caller.token().map(Arc::clone);
        let decision = Decision { token, ..Decision::refused(Trace::new()) };
        self.refuse(policy, self.standing(), &decision, &Refusal::Form(fault)).await
    }

    /// Records a refusal, then tells it. What cannot be recorded is not told as a verdict.
    pub(super) async fn refuse(
        &self,
        policy: &PolicyUse,
        standing: Standing,
        decision: &Decision,
        refusal: &Refusal<'_>,
    ) -> Response<Body> {
        let told = Told::new(self);
        let (status, error) = refusal.status_and_error();
        let record = record::decided(self, &told, policy, decision);
        let ending = record::rejected(self.began.elapsed(), Some((status.as_u16(), error.as_str())));
        let ending = Ending { client_id: self.client_id.as_deref().map(Text::new), ..ending };
        match self.recording.ledger.refuse(standing, &record, &ending).await {
            Ok(()) => self.told(refusal),
            Err(RefuseError::RateLimited) => Refusal::TooMany.answer(self.correlation),
            Err(RefuseError::Store(error)) => self.store_failed(&error),
        }
    }

    /// The answer to a recorded refusal, and its line in the log.
    pub(super) fn told(&self, refusal: &Refusal<'_>) -> Response<Body> {
        let (status, error) = refusal.status_and_error();
        let rules: Vec<&str> = match refusal {
            Refusal::Decided(trace) => trace.failures().map(|step| &*step.rule.id).collect(),
            Refusal::Conflict(rule) | Refusal::Exhausted { rule, .. } => vec![&*rule.id],
            _ => Vec::new(),
        };
        tracing::info!(
            decision_id = %self.id,
            event = Event::Dcr(self.operation).as_str(),
            status = status.as_u16(),
            error = error.as_str(),
            ?rules,
            interaction_id = %self.correlation.interaction,
            "registration rejected"
        );
        let mut answer = refusal.answer(self.correlation);
        let wanted = self.route.registration().and_then(|settings| self.caller.missing_scope(settings));
        challenge(&mut answer, refusal, Scheme::presented(&self.headers), wanted);
        answer
    }

    pub(super) fn store_failed(&self, error: &crate::store::StoreError) -> Response<Body> {
        tracing::error!(decision_id = %self.id, %error, "nothing was forwarded: the store cannot record");
        Refusal::StoreUnavailable.answer(self.correlation)
    }
}

/// The status of a refusal where this claim is taken, for the record of it.
pub(super) fn status_code(claim: &Claim) -> u16 {
    let passes = claim.kind == ClaimKind::Quota && claim.expires.is_some();
    super::answer::status_where_taken(&claim.refusal.error, passes).as_u16()
}

/// Whole seconds, at least one: who comes back after them is not early.
pub(super) fn seconds_until(until: Timestamp, now: Timestamp) -> u32 {
    u32::try_from(until.since(now).as_secs().saturating_add(1)).unwrap_or(u32::MAX)
}

/// Random bytes; ids only have to differ, so a failing generator is no reason to stop.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        tracing::error!("the system's random generator failed");
    }
    bytes
}
