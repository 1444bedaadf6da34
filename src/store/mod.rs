//! Floor 2: the store. The home of SQL; it keeps records as bytes and does not know what they say.
//!
//! It offers whole operations, never connections. One writes: what waits together is
//! committed together, and nothing is answered before it is on disk.
//!
//! Read [`operation`](Opening) for what can be asked, `sqlite::apply` for its SQL,
//! `sqlite::writer` for the order of things, `chain` for what makes tampering show.

mod chain;
mod change;
mod error;
mod operation;
mod postgres;
mod query;
mod queue;
mod reader;
mod seal;
mod sqlite;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::oneshot;

pub use chain::{Broken, Fault, Head, Link};
pub use change::BindingChange;
pub use error::{OpenError, StoreError};
pub use operation::{
    Closing, Ended, Entry, EntryEvent, Freeing, Interruption, NotClosed, OnConflict, Opened, Opening, Release,
    Standing, Stored,
};
pub use postgres::{DatabaseUrl, PostgresSettings, UrlFault};
pub use query::{ClientFilter, Decision, Filter, HeldClaim, OPEN, StoredEntry};
pub use reader::Reader;
pub use seal::{SealError, SealedAnswer, Sealer, SealingKey};

use crate::model::binding::Binding;
use crate::model::claim::Claim;
use crate::model::digest::Digest;
use crate::model::id::DecisionId;
use crate::model::time::{Clock, Timestamp};
use operation::Operation;
use queue::Queue;

/// Where and as whom.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Where the records are.
    pub database: Database,
    /// The name of this writer's chain, 1 to 64 characters.
    pub writer: String,
    /// Bytes of disk kept for admitted decisions, beside an SQLite file; 0 for none.
    pub reserve: u64,
    /// Makes the record of a decision that was opened and will not be closed.
    pub interrupted: fn(&Interruption<'_>) -> Vec<u8>,
}

impl StoreSettings {
    fn party(&self, clock: Arc<dyn Clock>) -> postgres::Party {
        postgres::Party { writer: self.writer.as_str().into(), interrupted: self.interrupted, clock }
    }
}

/// The database of a store.
#[derive(Clone, Debug)]
pub enum Database {
    /// An SQLite file, for one proxy; it and its folder are made where missing.
    Sqlite(PathBuf),
    /// A PostgreSQL database, which several proxies share.
    Postgres(Arc<PostgresSettings>),
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Database {
    fn from(file: &P) -> Self {
        Self::Sqlite(file.as_ref().to_owned())
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(settings) => settings.url.fmt(f),
        }
    }
}

/// [`StoreSettings::reserve`] unless configured: some five thousand registrations.
pub const DEFAULT_RESERVE: u64 = 32 * 1024 * 1024;

/// What was found at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Decisions that were open and are now recorded as interrupted.
    pub interrupted: usize,
    /// Entries in this writer's chain, these included.
    pub entries: i64,
}

/// How the store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The last commit succeeded.
    Good,
    /// It succeeded out of the disk reserve; refusals of strangers are not recorded.
    ReserveOnly,
    /// It failed; the next operation tries again.
    Failing,
}

/// [`Health`] as the one that writes tells it; clones share it.
#[derive(Clone, Debug, Default)]
struct SharedHealth(Arc<AtomicU8>);

impl SharedHealth {
    fn set(&self, health: Health) {
        self.0.store(health as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Health {
        match self.0.load(Ordering::Relaxed) {
            0 => Health::Good,
            1 => Health::ReserveOnly,
            _ => Health::Failing,
        }
    }
}

/// The open store; clones share it.
#[derive(Clone)]
pub struct Store {
    queue: Queue,
    questions: Questions,
    health: SharedHealth,
    recovery: Recovery,
}

/// Where questions go: beside the one that writes.
#[derive(Clone)]
enum Questions {
    Sqlite(sqlite::Questions),
    Postgres(postgres::Questions),
}

impl Store {
    /// Opens the database, takes the lease and records as interrupted what this writer left open. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Locked`] and [`StoreError::WriterInUse`] when another process has it; else what keeps it from being opened.
    pub fn open(settings: &StoreSettings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let opened = match &settings.database {
            Database::Sqlite(path) => Self::sqlite(sqlite::open(path, settings, clock)?),
            Database::Postgres(database) => {
                Self::postgres(postgres::open(Arc::clone(database), settings.party(clock), postgres::Schema::Migrate)?)
            }
        };
        let recovery = opened.recovery;
        tracing::info!(entries = recovery.entries, interrupted = recovery.interrupted, "store open");
        Ok(opened)
    }

    /// Opens the database of a proxy, running or not, for what an operator changes: a writer beside the proxy, with a
    /// chain of its own. It makes no database and keeps no disk reserve. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Locked`] or [`StoreError::WriterInUse`] when another operator is at work; else what keeps it from being opened.
    pub fn open_beside(settings: &StoreSettings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Ok(match &settings.database {
            Database::Sqlite(path) => Self::sqlite(sqlite::open_beside(path, settings, clock)?),
            Database::Postgres(database) => {
                Self::postgres(postgres::open(Arc::clone(database), settings.party(clock), postgres::Schema::Expect)?)
            }
        })
    }

    fn sqlite(opened: sqlite::Opened) -> Self {
        let sqlite::Opened { queue, questions, health, recovery } = opened;
        Self { queue, questions: Questions::Sqlite(questions), health, recovery }
    }

    fn postgres(opened: postgres::Opened) -> Self {
        let postgres::Opened { queue, questions, health, recovery } = opened;
        Self { queue, questions: Questions::Postgres(questions), health, recovery }
    }

    /// What was found at the start.
    pub const fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// How the last commit went.
    pub fn health(&self) -> Health {
        self.health.get()
    }

    /// Opens an admitted decision: its request, all its claims and its entry, or none of them.
    ///
    /// # Errors
    /// [`OpenError::Conflict`] or [`OpenError::Exhausted`] when a claim is taken: then the refusal is on record instead.
    /// [`OpenError::Repeated`] when the request is known. Else the store's failure, and nothing is on record.
    pub async fn open_decision(&self, opening: Opening) -> Result<Opened, OpenError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Operation::Open(Box::new(opening), self.queue.clone(), reply))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Ends a decision: its entry, the released claims, the binding and the stored answer, or none of them.
    ///
    /// # Errors
    /// Gives the closing back, to be tried again.
    pub async fn close(&self, closing: Box<Closing>) -> Result<(), NotClosed> {
        let (reply, answer) = oneshot::channel();
        match self.queue.submit(Operation::Close(closing, reply)) {
            Ok(()) => answer.await.unwrap_or(Err(NotClosed { closing: None, error: StoreError::Closed })),
            Err(refused) => Err(NotClosed { closing: refused.operation.into_closing(), error: refused.error }),
        }
    }

    /// Appends one entry by itself: a refusal, a summary, a note.
    ///
    /// # Errors
    /// The store's failure; nothing is on record.
    pub async fn append(&self, entry: Entry) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Operation::Append(entry, reply))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Takes a single-use thing by itself, with no decision opened: what proves something once proves it to nobody
    /// again, whatever becomes of the request. `false`: another decision holds it.
    ///
    /// # Errors
    /// The store's failure; whether it is taken is not known.
    pub async fn take_claim(&self, claim: Claim, decision: DecisionId, at: Timestamp) -> Result<bool, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Operation::Take(claim, decision, at, reply))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Frees what an operator knows to have come to nothing, with the note of it, or neither; tells how many claims.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn free(&self, freeing: Freeing, note: Entry) -> Result<usize, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Operation::Release(freeing, note, reply))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// What is stored for a request.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn answer(&self, request: &Digest, now: Timestamp) -> Result<Option<Stored>, StoreError> {
        match &self.questions {
            Questions::Sqlite(questions) => questions.answer(request, now).await,
            Questions::Postgres(questions) => questions.answer(request, now).await,
        }
    }

    /// Who owns a client.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn binding(&self, upstream: &str, client_id: &str) -> Result<Option<Binding>, StoreError> {
        match &self.questions {
            Questions::Sqlite(questions) => questions.binding(upstream, client_id).await,
            Questions::Postgres(questions) => questions.binding(upstream, client_id).await,
        }
    }

    /// A client whose registration access token has one of these fingerprints: upstream and client id.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn token_owner(&self, fingerprints: Vec<Digest>) -> Result<Option<(String, String)>, StoreError> {
        match &self.questions {
            Questions::Sqlite(questions) => questions.token_owner(fingerprints).await,
            Questions::Postgres(questions) => questions.token_owner(&fingerprints).await,
        }
    }

    /// Does what is queued and closes the database; of SQLite, moves the WAL into it. Every operation after this fails.
    pub async fn shutdown(&self) {
        match &self.questions {
            Questions::Sqlite(questions) => questions.stop().await,
            Questions::Postgres(questions) => questions.stop(),
        }
        loop {
            let (reply, answer) = oneshot::channel();
            match self.queue.submit(Operation::Stop(reply)).map_err(|refused| refused.error) {
                Ok(()) => return drop(answer.await),
                Err(StoreError::Busy) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
                Err(_) => return,
            }
        }
    }

    /// Runs on the writer's connection, before the operations that are queued with it.
    #[cfg(test)]
    pub(crate) async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&rusqlite::Connection) -> T + Send + 'static,
    ) -> T {
        let (reply, answer) = oneshot::channel();
        let look = move |connection: &rusqlite::Connection| drop(reply.send(look(connection)));
        assert!(self.submit(Operation::Inspect(Box::new(look))).is_ok());
        answer.await.unwrap()
    }

    /// Keeps the writer busy until the sender is dropped, so that what is queued meanwhile is one batch.
    #[cfg(test)]
    pub(crate) async fn hold(&self) -> oneshot::Sender<()> {
        let (go, wait) = oneshot::channel();
        let (here, arrived) = oneshot::channel();
        assert!(self.submit(Operation::Hold(here, wait)).is_ok());
        arrived.await.unwrap();
        go
    }

    fn submit(&self, operation: Operation) -> Result<(), StoreError> {
        self.queue.submit(operation).map_err(|refused| refused.error)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("recovery", &self.recovery)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}
