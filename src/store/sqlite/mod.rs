//! The ledger in one SQLite file, for one proxy.
//!
//! One thread writes (WAL, `synchronous = FULL`), another reads beside it. A second proxy is refused at once
//! ([`StoreError::Locked`]); the command line is welcome: it reads ([`Reader`]), and what an operator changes is
//! written beside the proxy, in short transactions on a chain of its own ([`open_beside`]).

mod apply;
mod bindings;
mod claims;
mod lease;
mod live;
mod reader;
mod reserve;
mod schema;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::oneshot;

use super::error::StoreError;
use super::operation::Stored;
use super::queue::{QUEUE, Queue, not_taken};
use super::{Recovery, SharedHealth, StoreSettings};
use crate::model::binding::Binding;
use crate::model::digest::Digest;
use crate::model::time::{Clock, Timestamp};
use live::{Live, Liveness};
pub(super) use reader::Reader;
pub(super) use writer::Writer;

/// The open database: where operations go, and where questions go.
pub(super) struct Opened {
    pub(super) queue: Queue,
    pub(super) questions: Questions,
    pub(super) health: SharedHealth,
    pub(super) recovery: Recovery,
}

/// Opens the database, takes the lease, records as interrupted what this writer left open. Blocks.
pub(super) fn open(path: &Path, settings: &StoreSettings, clock: Arc<dyn Clock>) -> Result<Opened, StoreError> {
    start(path, Writer::open(path, settings, clock)?)
}

/// Opens the database of a proxy, running or not, for what an operator changes. Blocks.
pub(super) fn open_beside(path: &Path, settings: &StoreSettings, clock: Arc<dyn Clock>) -> Result<Opened, StoreError> {
    start(path, Writer::on(schema::open_beside(path)?, path, settings, clock)?)
}

fn start(path: &Path, (writer, recovery): (Writer, Recovery)) -> Result<Opened, StoreError> {
    let (live, health) = (Arc::clone(&writer.live), writer.health.clone());
    let reader = Reader::open(path)?;
    let (questions, asked) = sync_channel(QUEUE);
    spawn("store-reader", move || answer_questions(reader, &asked))?;
    let (operations, queue) = sync_channel(QUEUE);
    spawn("store-writer", move || writer.run(queue))?;
    Ok(Opened { queue: Queue::Thread(operations), questions: Questions { reader: questions, live }, health, recovery })
}

/// Asks the thread that reads.
#[derive(Clone)]
pub(super) struct Questions {
    reader: SyncSender<Question>,
    live: Arc<Live>,
}

enum Question {
    Ask(Box<dyn FnOnce(&Reader) + Send>),
    Stop(oneshot::Sender<()>),
}

impl Questions {
    /// What is stored for a request. One never seen costs no SQL.
    pub(super) async fn answer(&self, request: &Digest, now: Timestamp) -> Result<Option<Stored>, StoreError> {
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
    pub(super) async fn binding(&self, upstream: &str, client_id: &str) -> Result<Option<Binding>, StoreError> {
        let (upstream, client_id) = (upstream.to_owned(), client_id.to_owned());
        self.ask(move |reader| reader.binding(&upstream, &client_id)).await
    }

    /// A client whose registration access token has one of these fingerprints.
    pub(super) async fn token_owner(&self, fingerprints: Vec<Digest>) -> Result<Option<(String, String)>, StoreError> {
        self.ask(move |reader| reader.token_owner(&fingerprints)).await
    }

    /// Closes the reader's connection: SQLite empties the WAL when the last one closes.
    pub(super) async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if self.reader.try_send(Question::Stop(reply)).is_ok() {
            drop(answer.await);
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let question = move |reader: &Reader| drop(reply.send(question(reader)));
        self.reader.try_send(Question::Ask(Box::new(question))).map_err(|error| not_taken(&error))?;
        answer.await.map_err(|_| StoreError::Closed)?
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
