//! The writer's thread: takes what is queued, commits it at once, answers all.
//!
//! Operations that wait together share one transaction and one sync to the disk;
//! when one breaks a constraint the batch is done again with a savepoint each, so
//! that one cannot spoil the others. Nothing is answered before the commit, and a failed commit fails every operation of the
//! batch. A failed sync is never taken for a success: SQLite writes those frames
//! of the WAL again with the next transaction, on the same connection.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, params};
use tokio::time::Instant;

use super::apply::{Book, decision_id, unreadable};
use super::lease;
use super::live::{Live, Liveness};
use super::reserve::Reserve;
use super::schema::{self, Database};
use crate::model::digest::Digest;
use crate::model::time::{Clock, Timestamp};
use crate::store::chain::Head;
use crate::store::error::StoreError;
use crate::store::operation::{Effect, EntryEvent, Interruption, Operation, Standing};
use crate::store::{Health, Recovery, SharedHealth, StoreSettings};

/// The one that writes.
pub(in crate::store) struct Writer {
    pub(in crate::store) live: Arc<Live>,
    pub(in crate::store) health: SharedHealth,
    database: Database,
    name: String,
    epoch: i64,
    head: Head,
    reserve: Reserve,
    interrupted: fn(&Interruption<'_>) -> Vec<u8>,
    clock: Arc<dyn Clock>,
    beat_due: Instant,
    purge_due: Instant,
}

impl Writer {
    /// Opens the database, takes the lease, reads the chain's head and the known requests, ends what was left open.
    pub(in crate::store) fn open(
        path: &Path,
        settings: &StoreSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), StoreError> {
        Self::on(schema::open(path)?, path, settings, clock)
    }

    /// The same over a database that is open.
    pub(super) fn on(
        database: Database,
        path: &Path,
        settings: &StoreSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Recovery), StoreError> {
        let mut ballast = path.as_os_str().to_owned();
        ballast.push(".reserve");
        let now = Instant::now();
        let mut writer = Self {
            live: Arc::new(Live::default()),
            health: SharedHealth::default(),
            database,
            name: settings.writer.clone(),
            epoch: 0,
            head: Head::start(),
            reserve: Reserve::new(ballast.into(), settings.reserve),
            interrupted: settings.interrupted,
            clock,
            beat_due: now + HEARTBEAT,
            purge_due: now,
        };
        let recovery = writer.recover()?;
        Ok((writer, recovery))
    }

    fn recover(&mut self) -> Result<Recovery, StoreError> {
        let now = self.clock.now();
        let connection = &self.database.connection;
        let transaction = connection.unchecked_transaction()?;
        self.epoch = lease::take(connection, &self.name, now)?;
        let mut head = lease::head(connection, &self.name)?;
        let ended = self.end_abandoned(&mut head, now, &self.name)?;
        transaction.commit()?;
        self.head = head;
        load_requests(connection, &self.live)?;
        Ok(Recovery { interrupted: ended.len(), entries: self.head.seq })
    }

    /// Works until it is told to stop or nobody can ask any more. What is queued then is still done.
    pub(in crate::store) fn run(mut self, queue: Receiver<Operation>) {
        let mut batch: Vec<Operation> = Vec::with_capacity(BATCH);
        let mut stop = None;
        let mut crowd = 0;
        while stop.is_none() {
            if batch.is_empty() {
                match queue.recv_timeout(TICK) {
                    Ok(operation) => batch.push(operation),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            if crowd > 1 && !batch.is_empty() {
                // Several come at a time: a moment of patience commits more of them with one sync. One alone never waits.
                std::thread::sleep(GATHER);
            }
            batch.extend(queue.try_iter().take(BATCH - batch.len()));
            crowd = batch.len();
            // The last in its batch: what came behind it gets no answer, which tells that the store is closed.
            if let Some(index) = batch.iter().position(|operation| matches!(operation, Operation::Stop(_))) {
                batch.truncate(index + 1);
                stop = batch.pop();
            }
            #[cfg(test)]
            self.inspect(&mut batch);
            self.work(&mut batch);
        }
        // From here on an operation fails at once, with its closing given back.
        drop(queue);
        // What the last callers left to be done.
        self.work(&mut batch);
        let Database { connection, _lock } = self.database;
        if let Err((_, error)) = connection.close() {
            tracing::warn!(%error, "the database was not closed cleanly; nothing committed is lost");
        }
        drop(_lock);
        if let Some(stop) = stop {
            stop.answer(Ok(Effect::Done));
        }
    }

    /// Commits a batch and answers it. Leaves in it what callers that went away left to be done.
    pub(in crate::store) fn work(&mut self, batch: &mut Vec<Operation>) {
        let mut results = self.commit(batch, Isolation::Together);
        if results.iter().any(|result| matches!(result, Err(StoreError::Full))) && self.reserve.spend() {
            results = self.commit(batch, Isolation::Together);
        }
        // One has a fault of its own, which none in normal operation has; the others are not to suffer for it.
        if results.iter().any(|result| matches!(result, Err(StoreError::Constraint { .. }))) {
            results = self.commit(batch, Isolation::Apart);
        }
        let left: Vec<Operation> =
            batch.drain(..).zip(results).filter_map(|(operation, result)| operation.answer(result)).collect();
        batch.extend(left);
    }

    /// One transaction for the whole batch; the results are those after its commit.
    fn commit(&mut self, batch: &[Operation], isolation: Isolation) -> Vec<Result<Effect, StoreError>> {
        let before = self.head;
        match self.transact(batch, isolation) {
            Ok(Committed { results, forgotten }) => {
                for (operation, result) in batch.iter().zip(&results) {
                    self.remember(operation, result);
                }
                for request in &forgotten {
                    self.live.remove(request);
                }
                let health = if self.reserve.is_spent() { Health::ReserveOnly } else { Health::Good };
                self.health.set(health);
                results
            }
            Err(error) => {
                self.head = before;
                if !self.database.connection.is_autocommit() {
                    drop(self.database.connection.execute_batch("ROLLBACK"));
                }
                tracing::error!(%error, operations = batch.len(), "the store failed");
                self.health.set(Health::Failing);
                batch.iter().map(|_| Err(error.clone())).collect()
            }
        }
    }

    fn transact(&mut self, batch: &[Operation], isolation: Isolation) -> Result<Committed, StoreError> {
        let now = self.clock.now();
        let chores = self.due();
        if batch.is_empty() && chores.is_none() {
            return Ok(Committed { results: Vec::new(), forgotten: Vec::new() });
        }
        let connection = &self.database.connection;
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut results = Vec::with_capacity(batch.len());
        for operation in batch {
            if operation.is_cancelled() {
                results.push(Err(StoreError::Stalled));
                continue;
            }
            if self.reserve.is_spent() && is_strangers(operation) {
                results.push(Err(StoreError::Reserved));
                continue;
            }
            let mut head = self.head;
            let mut book = Book { connection, writer: &self.name, head: &mut head, interrupted: self.interrupted, now };
            let result = match isolation {
                Isolation::Together => Ok(book.apply(operation)?),
                Isolation::Apart => apart(&mut book, operation)?,
            };
            if result.is_ok() {
                self.head = head;
            }
            results.push(result);
        }
        let forgotten = match chores {
            Some(beat) => self.chores(beat, now)?,
            None => Vec::new(),
        };
        self.database.connection.prepare_cached("COMMIT")?.execute([])?;
        Ok(Committed { results, forgotten })
    }

    /// Whether chores are due, and with them the heartbeat.
    fn due(&mut self) -> Option<Beat> {
        let now = Instant::now();
        if now >= self.beat_due {
            self.beat_due = now + HEARTBEAT;
            self.reserve.restore();
            return Some(Beat::Heart);
        }
        (now >= self.purge_due).then_some(Beat::Purge)
    }

    /// Forgets a bounded number of answers and claims whose time is over; shows that this writer lives and ends
    /// what dead writers left open. Gives the requests that are not known any more.
    fn chores(&mut self, beat: Beat, now: Timestamp) -> Result<Vec<Digest>, StoreError> {
        let connection = &self.database.connection;
        let mut forgotten = purge_answers(connection, now)?;
        let claims = connection
            .prepare_cached(
                "DELETE FROM claims WHERE (kind, key, unit) IN
                 (SELECT kind, key, unit FROM claims WHERE expires <= $1 LIMIT $2)",
            )?
            .execute(params![now.unix_micros(), PURGE_STEP])?;
        let behind = forgotten.len().max(claims) >= PURGE_STEP as usize;
        self.purge_due = Instant::now() + if behind { Duration::ZERO } else { TICK };
        if matches!(beat, Beat::Heart) {
            let rows = connection
                .prepare_cached("UPDATE writers SET heartbeat = $1 WHERE name = $2 AND epoch = $3")?
                .execute(params![now.unix_micros(), self.name, self.epoch])?;
            if rows == 0 {
                return Err(StoreError::Database { reason: "another writer took this writer's lease".into() });
            }
            let mut head = self.head;
            forgotten.extend(self.end_abandoned(&mut head, now, "")?);
            self.head = head;
        }
        Ok(forgotten)
    }

    /// Records as interrupted what was left open by this writer before it started, or by writers whose lease is over.
    fn end_abandoned(&self, head: &mut Head, now: Timestamp, own: &str) -> Result<Vec<Digest>, StoreError> {
        let connection = &self.database.connection;
        let mut statement = connection.prepare_cached(
            "SELECT request, decision FROM answers WHERE state = 'open' AND writer IN
             (SELECT name FROM writers WHERE name = $1 OR (name <> $2 AND heartbeat < $3))",
        )?;
        let stale = now.minus(LEASE).unix_micros();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?));
        let open: Vec<(Vec<u8>, String)> =
            statement.query_map(params![own, self.name, stale], read)?.collect::<Result<_, _>>()?;
        let mut ended = Vec::with_capacity(open.len());
        let mut book = Book { connection, writer: &self.name, head, interrupted: self.interrupted, now };
        for (request, decision) in open {
            let request = Digest::from_bytes(&request).ok_or_else(|| unreadable("a request key"))?;
            book.interrupt(&decision, &request)?;
            tracing::warn!(decision = %decision_id(&decision)?, "was left open; recorded as interrupted");
            ended.push(request);
        }
        Ok(ended)
    }

    /// Keeps the index of known requests as the commit left the table.
    fn remember(&self, operation: &Operation, result: &Result<Effect, StoreError>) {
        match (operation, result) {
            (Operation::Open(opening, ..), Ok(Effect::Opened)) => self.live.set(opening.request, Liveness::Open),
            (Operation::Close(closing, _), Ok(_)) => match closing.answer {
                Some(_) => self.live.set(closing.opened.request, Liveness::Until(closing.opened.answer_expires)),
                None => self.live.remove(&closing.opened.request),
            },
            (Operation::Abandon(abandoned), Ok(_)) => self.live.remove(&abandoned.request),
            _ => {}
        }
    }

    /// Takes the operations that only look or wait out of the batch and lets them.
    #[cfg(test)]
    fn inspect(&self, batch: &mut Vec<Operation>) {
        let looks = |operation: &mut Operation| matches!(operation, Operation::Inspect(_) | Operation::Hold(..));
        for look in batch.extract_if(.., looks) {
            match look {
                Operation::Inspect(look) => look(&self.database.connection),
                Operation::Hold(arrived, go) => {
                    _ = arrived.send(());
                    _ = go.blocking_recv();
                }
                _ => {}
            }
        }
    }
}

/// How the operations of a batch stand to each other.
#[derive(Clone, Copy)]
enum Isolation {
    /// One that fails undoes all. A savepoint each would copy every page that two of them touch.
    Together,
    /// Each in its own savepoint: one that breaks a constraint is undone alone.
    Apart,
}

/// What a commit did.
struct Committed {
    /// Of each operation of the batch.
    results: Vec<Result<Effect, StoreError>>,
    /// Requests that are not known any more.
    forgotten: Vec<Digest>,
}

/// What is due.
#[derive(Clone, Copy)]
enum Beat {
    Purge,
    Heart,
}

/// The outer error is the database's and the batch's; the inner one the operation's own.
fn apart(book: &mut Book<'_>, operation: &Operation) -> Result<Result<Effect, StoreError>, StoreError> {
    let connection = book.connection;
    connection.prepare_cached("SAVEPOINT operation")?.execute([])?;
    let result = book.apply(operation);
    match result {
        Ok(_) => {}
        Err(StoreError::Constraint { .. }) => {
            connection.prepare_cached("ROLLBACK TO operation")?.execute([])?;
        }
        Err(error) => return Err(error),
    }
    connection.prepare_cached("RELEASE operation")?.execute([])?;
    Ok(result)
}

fn is_strangers(operation: &Operation) -> bool {
    matches!(operation, Operation::Append(entry, _)
        if entry.standing == Standing::Stranger && matches!(entry.event, EntryEvent::Refused(..)))
}

fn load_requests(connection: &Connection, live: &Live) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT request, state = 'open', expires FROM answers")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let request = Digest::from_bytes(row.get_ref(0)?.as_blob().unwrap_or_default());
        let expires = Timestamp::from_unix_micros(row.get(2)?);
        let liveness = if row.get(1)? { Liveness::Open } else { Liveness::Until(expires) };
        live.set(request.ok_or_else(|| unreadable("a request key"))?, liveness);
    }
    Ok(())
}

fn purge_answers(connection: &Connection, now: Timestamp) -> Result<Vec<Digest>, StoreError> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM answers WHERE request IN
         (SELECT request FROM answers WHERE state = 'answered' AND expires <= $1 LIMIT $2) RETURNING request",
    )?;
    let mut rows = statement.query(params![now.unix_micros(), PURGE_STEP])?;
    let mut purged = Vec::new();
    while let Some(row) = rows.next()? {
        purged.extend(Digest::from_bytes(row.get_ref(0)?.as_blob().unwrap_or_default()));
    }
    Ok(purged)
}

/// Operations in one transaction; more only makes all of them wait longer.
const BATCH: usize = 256;
/// How long a batch waits for company when the last one had some: less than a sync takes on many disks.
const GATHER: Duration = Duration::from_millis(1);
/// Rows forgotten in one step, so that a backlog never stalls a registration.
const PURGE_STEP: u32 = 512;
/// How often an idle writer looks for chores.
const TICK: Duration = Duration::from_secs(1);
/// How often the lease is renewed; costs one sync.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// A writer that did not renew for this long is dead: three heartbeats.
const LEASE: Duration = Duration::from_secs(30);
