//! The order of recording: opened before anything is sent, closed before the client is told.
//!
//! Every wait is bounded. An opening that does not come to disk in time is an
//! error, and nothing was sent. A closing that does not is kept in memory and
//! tried again behind the caller's back, for as long as the process lives.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::task::TaskTracker;

use super::code::{Event, Outcome};
use super::record::{self, Ending, Record, Response, Written};
use super::strangers::{StrangerLimits, Strangers};
use super::text::Text;
use crate::model::claim::{Claim, ClaimKind};
use crate::model::digest::Digest;
use crate::model::facts::Operation;
use crate::model::id::DecisionId;
use crate::model::time::{Clock, Timestamp};
use crate::model::trace::{self, Step};
use crate::store::{
    BindingChange, Closing, Ended, Entry, EntryEvent, Interruption, NotClosed, OpenError, Opened, Opening, Release,
    SealedAnswer, Standing, Store, StoreError,
};

/// Records decisions. Made within a runtime; ends its minute's task when dropped.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    clock: Arc<dyn Clock>,
    strangers: Arc<Strangers>,
    unfinished: TaskTracker,
    summaries: tokio::task::JoinHandle<()>,
    patience: Duration,
}

/// An admitted decision, to be opened.
#[derive(Debug)]
pub struct Admission<'a> {
    /// What is known of it.
    pub record: &'a Record<'a>,
    /// What it takes.
    pub claims: Vec<Claim>,
    /// Digest of route, certificate and body: names the same request sent again.
    pub request: Digest,
    /// When the stored answer may be forgotten.
    pub answer_expires: Timestamp,
    /// The HTTP status of the refusal where this claim is taken, for the record of it.
    pub status: fn(&Claim) -> u16,
}

/// The end of an opened decision.
#[derive(Debug)]
pub struct Conclusion<'a> {
    /// The pass that opening gave.
    pub opened: Opened,
    /// What was asked for.
    pub event: Event,
    /// How it ended.
    pub ending: Ending<'a>,
    /// Which claims become free again.
    pub release: Release,
    /// The client that now exists, as it now is, or that is gone.
    pub binding: Option<BindingChange>,
    /// The answer that the same request gets again.
    pub answer: Option<SealedAnswer>,
}

/// The end is not on disk: the caller must not be told the result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// Not yet; it is tried again, and the same request will get the answer.
    #[error("the result is not on disk yet")]
    Pending,
    /// It never will be; the decision is recorded as interrupted.
    #[error(transparent)]
    Lost(StoreError),
}

/// A refusal has no record of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefuseError {
    /// Too many refusals before anything trusted came; it was counted.
    #[error("too many refusals from strangers; this one was only counted")]
    RateLimited,
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl Ledger {
    /// Over an open store. Records a summary of what strangers caused once a minute.
    pub fn new(store: Store, limits: StrangerLimits, clock: Arc<dyn Clock>) -> Self {
        let strangers = Arc::new(Strangers::new(limits));
        let summaries = tokio::spawn({
            let (store, clock, strangers) = (store.clone(), Arc::clone(&clock), Arc::clone(&strangers));
            async move {
                let mut minute = interval_at(Instant::now() + MINUTE, MINUTE);
                minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    minute.tick().await;
                    summarise(&store, &strangers, clock.now()).await;
                }
            }
        });
        Self { store, clock, strangers, unfinished: TaskTracker::new(), summaries, patience: PATIENCE }
    }

    /// The store, for what is not a record: answers and bindings.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Whether a refusal of this stranger would be recorded. Asked before a stranger's decision is opened, since
    /// what it takes may be taken already, which is recorded as a refusal whatever the rate.
    pub fn has_room_for_stranger(&self, record: &Record<'_>) -> bool {
        let room = self.strangers.has_room(record.source.ip, Instant::now());
        if !room {
            self.strangers.count(record.time);
        }
        room
    }

    /// Whether one more refusal of a stranger at this address would be recorded.
    pub fn has_room_for_address(&self, address: IpAddr) -> bool {
        self.strangers.has_room(address, Instant::now())
    }

    /// Counts a refusal of a stranger against the rate that was recorded by opening.
    pub fn charge_stranger(&self, record: &Record<'_>) {
        // Whether it is beyond the rate by now changes nothing: the record is written.
        self.strangers.admits(record.source.ip, Instant::now());
    }

    /// Opens an admitted decision. With what it gives, and only with that, the request may be sent.
    ///
    /// # Errors
    /// A conflict, which is then recorded as the refusal; a request seen before; or the store's failure within 2 s.
    pub async fn open(&self, admission: Admission<'_>) -> Result<Opened, OpenError> {
        // A result waits for the disk: what is opened now would be sent, and its result could not be told either.
        if !self.unfinished.is_empty() {
            return Err(StoreError::Stalled.into());
        }
        let Admission { record, claims, request, answer_expires, status } = admission;
        let (id, at, clock) = (record.id, record.time, Arc::clone(&self.clock));
        let written = Written::new(record);
        let opening = Opening {
            decision: id,
            at,
            body: written.opening(),
            claims,
            request,
            answer_expires,
            conflict: Box::new(move |claim: &Claim, holder| {
                let detail = match claim.kind {
                    ClaimKind::Quota => {
                        format!("all {} units of the quota are taken, one of them by decision {holder}", claim.units)
                    }
                    kind => format!("the {} is taken by decision {holder}", kind.as_str()),
                };
                let rule = Arc::clone(&claim.refusal);
                let step = Step { rule, outcome: trace::Outcome::Fail, detail: Some(detail.into()) };
                let ending = Ending {
                    outcome: Outcome::Rejected,
                    duration: clock.now().since(at),
                    client_id: None,
                    response: Response {
                        status: Some(status(claim)),
                        error: Some(Text::new(claim.refusal.error.as_str())),
                        forwarded: false,
                        upstream_status: None,
                    },
                };
                Ended { outcome: ending.outcome.as_str(), body: written.refusal(Some(&step), &ending) }
            }),
        };
        timeout(self.patience, self.store.open_decision(opening)).await.unwrap_or(Err(StoreError::Stalled.into()))
    }

    /// Takes a single-use thing before anything is decided. `false`: it was used before.
    ///
    /// # Errors
    /// The store's failure within 2 s.
    pub async fn take(&self, claim: Claim, decision: DecisionId, at: Timestamp) -> Result<bool, StoreError> {
        timeout(self.patience, self.store.take_claim(claim, decision, at)).await.unwrap_or(Err(StoreError::Stalled))
    }

    /// Ends an opened decision; only then may the client be told.
    ///
    /// # Errors
    /// [`CloseError::Pending`] after 2 s: it is tried again in the background. [`CloseError::Lost`] when that is in vain.
    pub async fn close(&self, conclusion: Conclusion<'_>) -> Result<(), CloseError> {
        let Conclusion { opened, event, ending, release, binding, answer } = conclusion;
        let at = self.clock.now();
        let body = record::closing(opened.decision(), event, at, &ending);
        let ended = Ended { outcome: ending.outcome.as_str(), body };
        let closing = Box::new(Closing { opened, at, ended, release, binding, answer });
        let mut work = Box::pin(persist(self.store.clone(), closing));
        match timeout(self.patience, &mut work).await {
            Ok(result) => result.map_err(CloseError::Lost),
            Err(_) => {
                self.unfinished.spawn(work);
                Err(CloseError::Pending)
            }
        }
    }

    /// Records a read that has ended, and what was learned of the client by it.
    ///
    /// # Errors
    /// The store's failure within 2 s.
    pub async fn read(
        &self,
        record: &Record<'_>,
        ending: &Ending<'_>,
        change: Option<BindingChange>,
    ) -> Result<(), StoreError> {
        let body = Written::new(record).refusal(None, ending);
        let ended = Ended { outcome: ending.outcome.as_str(), body };
        let event = EntryEvent::Read(record.id, ended, change);
        let entry = Entry { at: record.time, event, standing: Standing::Trusted };
        timeout(self.patience, self.store.append(entry)).await.unwrap_or(Err(StoreError::Stalled))
    }

    /// Records a refusal. One of a stranger is recorded up to a rate by address and in all.
    ///
    /// # Errors
    /// [`RefuseError::RateLimited`] beyond the rate, or when only the disk reserve is left; else the store's failure within 2 s.
    pub async fn refuse(
        &self,
        standing: Standing,
        record: &Record<'_>,
        ending: &Ending<'_>,
    ) -> Result<(), RefuseError> {
        if standing == Standing::Stranger && !self.strangers.admits(record.source.ip, Instant::now()) {
            self.strangers.count(record.time);
            return Err(RefuseError::RateLimited);
        }
        let body = Written::new(record).refusal(None, ending);
        let ended = Ended { outcome: ending.outcome.as_str(), body };
        let entry = Entry { at: record.time, event: EntryEvent::Refused(record.id, ended), standing };
        match timeout(self.patience, self.store.append(entry)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(StoreError::Reserved)) => {
                self.strangers.count(record.time);
                Err(RefuseError::RateLimited)
            }
            Ok(Err(error)) => Err(RefuseError::Store(error)),
            Err(_) => Err(RefuseError::Store(StoreError::Stalled)),
        }
    }

    /// Records what was counted so far; waits, no longer than this, for closings that are still to come to disk; closes the store.
    pub async fn shutdown(&self, patience: Duration) {
        self.summaries.abort();
        summarise(&self.store, &self.strangers, self.clock.now()).await;
        self.unfinished.close();
        if timeout(patience, self.unfinished.wait()).await.is_err() {
            tracing::error!(
                closings = self.unfinished.len(),
                "results are lost; recorded as interrupted at the next start"
            );
        }
        self.store.shutdown().await;
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.summaries.abort();
    }
}

/// The record of a decision that was opened and will not be closed ([`crate::store::StoreSettings::interrupted`]).
pub fn interrupted(found: &Interruption<'_>) -> Vec<u8> {
    #[derive(serde::Deserialize)]
    struct Head {
        event: String,
    }
    let event = serde_json::from_slice(found.opened).ok().and_then(|Head { event }| Event::parse(&event));
    let ending = Ending {
        outcome: Outcome::Interrupted,
        duration: Duration::ZERO,
        client_id: None,
        response: Response { status: None, error: None, forwarded: true, upstream_status: None },
    };
    // An opening that cannot be read was not made by this program; a registration is the usual one.
    record::closing(found.decision, event.unwrap_or(Event::Dcr(Operation::Register)), found.at, &ending)
}

/// Tries until the closing is on disk or never can be.
async fn persist(store: Store, mut closing: Box<Closing>) -> Result<(), StoreError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match store.close(closing).await {
            Ok(()) => return Ok(()),
            Err(NotClosed { closing: Some(again), error }) if error.may_pass() => closing = again,
            Err(NotClosed { closing, error }) => {
                tracing::error!(decision = ?closing.map(|closing| closing.opened), %error, "result lost");
                return Err(error);
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn summarise(store: &Store, strangers: &Strangers, now: Timestamp) {
    let Some(counted) = strangers.take() else { return };
    let body = record::summary(counted.since, now, counted.refusals);
    let entry = Entry { at: now, event: EntryEvent::Summary(body), standing: Standing::Stranger };
    if let Err(error) = store.append(entry).await {
        tracing::warn!(%error, "summary of refused strangers not recorded; it goes into the next");
        strangers.add(counted);
    }
}

/// How long a request waits for the disk.
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A disk that has room again is noticed within this.
const LAST_PAUSE: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
