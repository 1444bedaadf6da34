//! The one that writes: takes what is queued, commits it at once, answers all.
//!
//! Operations that wait together share one transaction; when one breaks a constraint the batch is done again with a
//! savepoint each. Nothing is answered before the commit. When the connection is lost before the commit was sent,
//! nothing took effect, and the batch is tried once more on a new connection. When it is lost after, nobody is
//! answered until a new connection tells what became of it ([`super::lease::find`]): an operation is never done twice.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::book::{Book, Entries};
use super::lease::{self, Position};
use super::others::{self, Others};
use super::session::Session;
use super::transaction::{self, Done, Fate, Isolation, Work};
use super::trouble::Trouble;
use super::{PostgresSettings, resume};
use crate::model::time::Clock;
use crate::store::error::StoreError;
use crate::store::operation::{Interruption, Operation};
use crate::store::{Health, Recovery, SharedHealth};

/// A writer and where it stands.
pub(super) struct Writer {
    pub(super) settings: Arc<PostgresSettings>,
    pub(super) name: Arc<str>,
    pub(super) interrupted: fn(&Interruption<'_>) -> Vec<u8>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) health: SharedHealth,
    pub(super) at: Position,
    others: Others,
    beat_due: Instant,
    purge_due: Instant,
    /// A batch whose commit was sent and not answered.
    pub(super) doubt: Option<Done>,
}

/// What ended the work of a connection.
enum Pause {
    /// It was lost, for this reason.
    Lost(StoreError),
    /// Another process has the name.
    Superseded,
}

impl Writer {
    /// Takes the lease over an open connection and ends what this writer left open.
    pub(super) async fn open(
        session: &Session,
        settings: Arc<PostgresSettings>,
        name: Arc<str>,
        interrupted: fn(&Interruption<'_>) -> Vec<u8>,
        clock: Arc<dyn Clock>,
        health: SharedHealth,
    ) -> Result<(Self, Recovery), Trouble> {
        lease::lock(session, &name).await?;
        let now = clock.now();
        session.batch("BEGIN").await?;
        let at = lease::take(session, &name, now).await?;
        let entries = Entries::default();
        let mut book = Book { session, writer: &name, head: at.head, interrupted, now, entries };
        let mut ended = 0;
        loop {
            let step = others::end_open(&mut book, &[name.to_string()]).await?;
            ended += step;
            if step < usize::try_from(others::STEP).unwrap_or(1) {
                break;
            }
        }
        book.entries.insert(session, &name).await?;
        let head = book.head;
        session.batch("COMMIT").await?;
        let recovery = Recovery { interrupted: ended, entries: head.seq };
        let due = Instant::now();
        let writer = Self {
            beat_due: due + settings.lease / BEATS,
            settings,
            name,
            interrupted,
            clock,
            health,
            at: Position { head, ..at },
            others: Others::default(),
            purge_due: due,
            doubt: None,
        };
        Ok((writer, recovery))
    }

    /// Works until it is told to stop or nobody can ask any more. What is queued then is still done.
    pub(super) async fn run(mut self, session: Session, mut queue: mpsc::Receiver<Operation>) {
        let mut link = Some(session);
        let mut batch: Vec<Operation> = Vec::with_capacity(BATCH);
        let mut stop = None;
        while stop.is_none() {
            let Some(session) = &mut link else {
                match resume::regain(&mut self, &mut queue, &mut batch).await {
                    Ok(session) => link = Some(session),
                    Err(told) => {
                        stop = told;
                        break;
                    }
                }
                self.others.forget();
                continue;
            };
            if batch.is_empty() {
                tokio::select! {
                    biased;
                    count = queue.recv_many(&mut batch, BATCH) => if count == 0 { break },
                    () = session.ended() => {
                        self.lost(&StoreError::Database { reason: "the connection ended".into() });
                        link = None;
                        continue;
                    }
                    () = sleep_until(self.purge_due.min(self.beat_due)) => {}
                }
            }
            while batch.len() < BATCH {
                let Ok(operation) = queue.try_recv() else { break };
                batch.push(operation);
            }
            // The last in its batch: what came behind it gets no answer, which tells that the store is closed.
            if let Some(index) = batch.iter().position(|operation| matches!(operation, Operation::Stop(_))) {
                batch.truncate(index + 1);
                stop = batch.pop();
            }
            #[cfg(test)]
            hold(&mut batch).await;
            match self.work(session, &mut batch).await {
                Ok(()) => {}
                Err(Pause::Lost(error)) => {
                    self.lost(&error);
                    link = None;
                }
                Err(Pause::Superseded) => {
                    let superseded = lease::superseded(&self.name).into_error();
                    stop = resume::refuse_all(&self, &mut queue, &mut batch, &superseded).await;
                    break;
                }
            }
        }
        // From here on an operation fails at once, with its closing given back.
        queue.close();
        drop(queue);
        if let Some(mut session) = link {
            // What the last callers left to be done.
            drop(self.work(&mut session, &mut batch).await);
            session.close().await;
        }
        if let Some(done) = self.doubt.take() {
            resume::refuse(done.batch, &StoreError::Closed);
        }
        resume::refuse(std::mem::take(&mut batch), &StoreError::Closed);
        if let Some(stop) = stop {
            stop.answer(Ok(crate::store::operation::Effect::Done));
        }
    }

    /// Commits a batch and answers it. Leaves in it what is still to be done, also when the connection was lost.
    async fn work(&mut self, session: &mut Session, batch: &mut Vec<Operation>) -> Result<(), Pause> {
        let beat = Instant::now() >= self.beat_due;
        let mut isolation = Isolation::Together;
        let mut again = 0;
        while !batch.is_empty() || beat {
            let operations = std::mem::take(batch);
            let dead = if beat { self.dead(session).await? } else { Vec::new() };
            let work = Work {
                session,
                writer: &self.name,
                at: self.at,
                interrupted: self.interrupted,
                now: self.clock.now(),
                isolation,
                dead: &dead,
            };
            match transaction::run(work, operations).await {
                Fate::Committed(done) => {
                    self.settle(done, batch);
                    break;
                }
                Fate::InDoubt(done, error) => {
                    self.doubt = Some(done);
                    return Err(Pause::Lost(error));
                }
                Fate::Undone(operations, trouble) => {
                    *batch = operations;
                    match trouble {
                        Trouble::Lost(error) => return Err(Pause::Lost(error)),
                        Trouble::Again(_) if again < RETRIES => again += 1,
                        Trouble::Failed(StoreError::Constraint { .. }) if isolation == Isolation::Together => {
                            isolation = Isolation::Apart;
                        }
                        Trouble::Failed(StoreError::WriterInUse { .. }) => return Err(Pause::Superseded),
                        Trouble::Again(error) | Trouble::Failed(error) => {
                            tracing::error!(%error, operations = batch.len(), "the store failed");
                            self.health.set(Health::Failing);
                            *batch = resume::refuse(std::mem::take(batch), &error);
                            break;
                        }
                    }
                }
            }
        }
        if beat {
            self.beat_due = Instant::now() + self.settings.lease / BEATS;
        }
        self.purge(session).await
    }

    async fn dead(&mut self, session: &Session) -> Result<Vec<String>, Pause> {
        match self.others.dead(session, &self.name, self.settings.lease).await {
            Ok(dead) => Ok(dead),
            Err(Trouble::Lost(error)) => Err(Pause::Lost(error)),
            Err(trouble) => {
                tracing::warn!(error = %trouble.into_error(), "the other writers were not looked at");
                Ok(Vec::new())
            }
        }
    }

    /// A batch is on disk: goes on from there, and tells. What callers that went away left to be done stays.
    pub(super) fn settle(&mut self, done: Done, batch: &mut Vec<Operation>) {
        self.at = done.at;
        self.health.set(Health::Good);
        let answers = done.batch.into_iter().zip(done.results);
        batch.extend(answers.filter_map(|(operation, result)| operation.answer(result)));
    }

    fn lost(&self, error: &StoreError) {
        tracing::error!(%error, "the connection to the database is lost; gated routes answer 503");
        self.health.set(Health::Failing);
    }

    /// Forgets a bounded number of answers and claims whose time is over. Needs no transaction of the writer.
    async fn purge(&mut self, session: &Session) -> Result<(), Pause> {
        if Instant::now() < self.purge_due {
            return Ok(());
        }
        let now = self.clock.now().unix_micros();
        let mut behind = false;
        for sql in [PURGE_ANSWERS, PURGE_CLAIMS] {
            match session.execute(sql, &[&now, &PURGE_STEP]).await {
                Ok(rows) => behind |= rows >= PURGE_STEP.unsigned_abs(),
                Err(Trouble::Lost(error)) => return Err(Pause::Lost(error)),
                Err(trouble) => tracing::warn!(error = %trouble.into_error(), "expired rows were not purged"),
            }
        }
        self.purge_due = Instant::now() + if behind { Duration::ZERO } else { PURGE };
        Ok(())
    }
}

/// Lets a test keep the writer busy.
#[cfg(test)]
async fn hold(batch: &mut Vec<Operation>) {
    for operation in batch.extract_if(.., |operation| matches!(operation, Operation::Hold(..))).collect::<Vec<_>>() {
        if let Operation::Hold(arrived, go) = operation {
            _ = arrived.send(());
            _ = go.await;
        }
    }
}

// Rows that another proxy is purging or taking over at this moment are left to it.
const PURGE_ANSWERS: &str = "
    DELETE FROM answers WHERE request IN
      (SELECT request FROM answers WHERE state = 'answered' AND expires <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";

const PURGE_CLAIMS: &str = "
    DELETE FROM claims WHERE (kind, key, unit) IN
      (SELECT kind, key, unit FROM claims WHERE expires <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// Operations in one transaction: a round trip of 5 ms and six of them each leave it below what callers wait.
const BATCH: usize = 64;
/// How often a batch is done again that stood in the way of another one.
const RETRIES: u32 = 5;
/// Heartbeats in one lease: two may be missed.
const BEATS: u32 = 3;
/// How often expired rows are looked for.
const PURGE: Duration = Duration::from_secs(1);
/// Rows forgotten in one step, so that a backlog never stalls a registration.
const PURGE_STEP: i64 = 512;
