//! Floor 2: the store. The home of SQL; it keeps records as bytes and does not know what they say.
//!
//! It offers whole operations, never connections. One thread writes (SQLite, WAL,
//! `synchronous = FULL`): what waits together is committed together, and nothing
//! is answered before it is on disk. A second process is refused at once
//! ([`StoreError::Locked`]); readers are welcome ([`Reader`]).
//!
//! Read [`operation`](Opening) for what can be asked, `apply` for its SQL, `writer`
//! for the order of things, `chain` for what makes tampering show.

mod apply;
mod chain;
mod claims;
mod error;
mod live;
mod operation;
mod reader;
mod reserve;
mod schema;
mod seal;
#[cfg(test)]
mod tests;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use tokio::sync::oneshot;

pub use chain::{Broken, Fault, Head, Link};
pub use error::{OpenError, StoreError};
pub use operation::{
    Closing, Ended, Entry, EntryEvent, Interruption, NotClosed, OnConflict, Opened, Opening, Release, Standing, Stored,
};
pub use reader::{Decision, Filter, OPEN, Reader, StoredEntry};
pub use seal::{SealError, SealedAnswer, Sealer, SealingKey};

use crate::model::binding::Binding;
use crate::model::digest::Digest;
use crate::model::id::DecisionId;
use crate::model::time::{Clock, Timestamp};
use live::{Live, Liveness};
use operation::Operation;
use writer::Writer;

/// Where and as whom.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// The SQLite file; it and its folder are made where missing.
    pub path: PathBuf,
    /// The name of this writer's chain, 1 to 64 characters.
    pub writer: String,
    /// Bytes of disk kept for admitted decisions; 0 for none.
    pub reserve: u64,
    /// Makes the record of a decision that was opened and will not be closed.
    pub interrupted: fn(&Interruption<'_>) -> Vec<u8>,
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

/// The open store; clones share it.
#[derive(Clone)]
pub struct Store {
    writer: SyncSender<Operation>,
    reader: SyncSender<Question>,
    live: Arc<Live>,
    health: Arc<AtomicU8>,
    recovery: Recovery,
}

enum Question {
    Ask(Box<dyn FnOnce(&Reader) + Send>),
    Stop(oneshot::Sender<()>),
}

impl Store {
    /// Opens the database, takes the lease and records as interrupted what this writer left open. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another process has it; else what keeps it from being opened.
    pub fn open(settings: &StoreSettings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let (writer, recovery) = Writer::open(settings, clock)?;
        let (live, health) = (Arc::clone(&writer.live), Arc::clone(&writer.health));
        let reader = Reader::open(&settings.path)?;
        let (questions, asked) = sync_channel(QUEUE);
        spawn("store-reader", move || answer_questions(reader, &asked))?;
        let (operations, queue) = sync_channel(QUEUE);
        spawn("store-writer", move || writer.run(queue))?;
        tracing::info!(entries = recovery.entries, interrupted = recovery.interrupted, "store open");
        Ok(Self { writer: operations, reader: questions, live, health, recovery })
    }

    /// What was found at the start.
    pub const fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// How the last commit went.
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Good,
            1 => Health::ReserveOnly,
            _ => Health::Failing,
        }
    }

    /// Opens an admitted decision: its request, all its claims and its entry, or none of them.
    ///
    /// # Errors
    /// [`OpenError::Conflict`] or [`OpenError::Exhausted`] when a claim is taken: then the refusal is on record instead.
    /// [`OpenError::Repeated`] when the request is known. Else the store's failure, and nothing is on record.
    pub async fn open_decision(&self, opening: Opening) -> Result<Opened, OpenError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Operation::Open(Box::new(opening), self.writer.clone(), reply))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Ends a decision: its entry, the released claims, the binding and the stored answer, or none of them.
    ///
    /// # Errors
    /// Gives the closing back, to be tried again.
    pub async fn close(&self, closing: Box<Closing>) -> Result<(), NotClosed> {
        let (reply, answer) = oneshot::channel();
        match self.writer.try_send(Operation::Close(closing, reply)) {
            Ok(()) => answer.await.unwrap_or(Err(NotClosed { closing: None, error: StoreError::Closed })),
            Err(error) => {
                let reason = refused(&error);
                let (TrySendError::Full(operation) | TrySendError::Disconnected(operation)) = error;
                Err(NotClosed { closing: operation.into_closing(), error: reason })
            }
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

    /// Frees whatever claims a decision still holds, and tells how many. For an operator who knows that it came to nothing.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn release_claims(&self, decision: DecisionId) -> Result<usize, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.submit(Operation::Release(decision, reply))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// What is stored for a request. One never seen costs no SQL.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn answer(&self, request: &Digest, now: Timestamp) -> Result<Option<Stored>, StoreError> {
        match self.live.find(request, now) {
            None => Ok(None),
            Some(Liveness::Open) => Ok(Some(Stored::InProgress)),
            Some(Liveness::Until(_)) => {
                let request = *request;
                Ok(self.ask(move |reader| reader.stored(&request)).await?.map(|(stored, _)| stored))
            }
        }
    }

    /// Who owns a client.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn binding(&self, upstream: &str, client_id: &str) -> Result<Option<Binding>, StoreError> {
        let (upstream, client_id) = (upstream.to_owned(), client_id.to_owned());
        self.ask(move |reader| reader.binding(&upstream, &client_id)).await
    }

    /// Does what is queued, moves the WAL into the database and closes it. Every operation after this fails.
    pub async fn shutdown(&self) {
        // The reader first: SQLite empties the WAL when the last connection closes.
        let (reply, answer) = oneshot::channel();
        if self.reader.try_send(Question::Stop(reply)).is_ok() {
            drop(answer.await);
        }
        loop {
            let (reply, answer) = oneshot::channel();
            match self.writer.try_send(Operation::Stop(reply)) {
                Ok(()) => return drop(answer.await),
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(_)) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
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
    pub(crate) async fn hold(&self) -> std::sync::mpsc::Sender<()> {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (here, arrived) = oneshot::channel();
        let look = move |_: &rusqlite::Connection| {
            _ = here.send(());
            _ = wait.recv();
        };
        assert!(self.submit(Operation::Inspect(Box::new(look))).is_ok());
        arrived.await.unwrap();
        go
    }

    fn submit(&self, operation: Operation) -> Result<(), StoreError> {
        self.writer.try_send(operation).map_err(|error| refused(&error))
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question = move |reader: &Reader| drop(reply.send(question(reader)));
        self.reader.try_send(Question::Ask(Box::new(question))).map_err(|error| refused(&error))?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("recovery", &self.recovery)
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

fn refused<T>(error: &TrySendError<T>) -> StoreError {
    match error {
        TrySendError::Full(_) => StoreError::Busy,
        TrySendError::Disconnected(_) => StoreError::Closed,
    }
}

fn answer_questions(reader: Reader, asked: &Receiver<Question>) {
    while let Ok(question) = asked.recv() {
        match question {
            Question::Ask(question) => question(&reader),
            Question::Stop(reply) => {
                drop(reader);
                _ = reply.send(());
                return;
            }
        }
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    match thread::Builder::new().name(name.to_owned()).spawn(work) {
        Ok(_) => Ok(()),
        Err(error) => Err(StoreError::Database { reason: error.to_string().into() }),
    }
}

/// Operations that may wait: a thousand admitted registrations is more than any deployment has in flight.
const QUEUE: usize = 1024;
