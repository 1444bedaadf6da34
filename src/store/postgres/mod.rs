//! The ledger in PostgreSQL, shared by several proxies.
//!
//! The same tables as in SQLite, in the schema `dcrgate`. What two proxies may both want is decided by unique keys in
//! the database; each proxy appends to its own chain under its own lease. One task writes ([`writer`]), another
//! connection answers questions ([`questions`]); both run on one thread of the store, so that neither waits for the
//! work of requests.

mod address;
mod bindings;
mod book;
mod claims;
mod connector;
mod lease;
mod locks;
mod others;
mod questions;
mod reader;
mod resume;
mod rows;
mod schema;
mod session;
mod transaction;
mod trouble;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::mpsc;

use super::error::StoreError;
use super::operation::{Interruption, Operation};
use super::queue::{QUEUE, Queue};
use super::{Recovery, SharedHealth};
use crate::model::time::Clock;
pub use address::{DatabaseUrl, UrlFault};
pub(super) use questions::Questions;
pub(super) use reader::Reader;
use session::Session;
use trouble::Trouble;
use writer::Writer;

/// How the database is reached, and how long a silent proxy is waited for.
#[derive(Clone)]
pub struct PostgresSettings {
    /// Where it is.
    pub url: DatabaseUrl,
    /// Under which roots, and as whom, where the URL wants TLS.
    pub tls: Arc<rustls::ClientConfig>,
    /// A proxy that shows no life for this long is dead: others end what it left open.
    pub lease: Duration,
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSettings").field("url", &self.url).field("lease", &self.lease).finish_non_exhaustive()
    }
}

/// The open database: where operations go, and where questions go.
pub(super) struct Opened {
    pub(super) queue: Queue,
    pub(super) questions: Questions,
    pub(super) health: SharedHealth,
    pub(super) recovery: Recovery,
}

/// Who writes, and what it makes of a decision that was left open.
pub(super) struct Party {
    pub(super) writer: Arc<str>,
    pub(super) interrupted: fn(&Interruption<'_>) -> Vec<u8>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What becomes of a schema that is not the one this program knows.
#[derive(Clone, Copy)]
pub(super) enum Schema {
    /// It is brought up to date.
    Migrate,
    /// It is for a proxy to change, and refused.
    Expect,
}

/// Connects, brings the schema up to date, takes the lease, records as interrupted what this writer left open. Blocks.
pub(super) fn open(settings: Arc<PostgresSettings>, party: Party, schema: Schema) -> Result<Opened, StoreError> {
    let failed = |reason: String| StoreError::Database { reason: reason.into() };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| failed(error.to_string()))?;
    let (operations, queue) = mpsc::channel::<Operation>(QUEUE);
    let (tell, told) = sync_channel(1);
    let work = move || {
        runtime.block_on(async move {
            match start(Arc::clone(&settings), party, schema).await {
                Ok(Started { writer, session, questions, recovery }) => {
                    let opened = (questions.clone(), writer.health.clone(), recovery);
                    tokio::spawn(questions.keep(settings));
                    if tell.send(Ok(opened)).is_ok() {
                        writer.run(session, queue).await;
                    }
                }
                Err(trouble) => drop(tell.send(Err(trouble.into_error()))),
            }
        });
    };
    thread::Builder::new().name("store-postgres".to_owned()).spawn(work).map_err(|error| failed(error.to_string()))?;
    let (questions, health, recovery) = told.recv().map_err(|_| StoreError::Closed)??;
    Ok(Opened { queue: Queue::Task(operations), questions, health, recovery })
}

struct Started {
    writer: Writer,
    session: Session,
    questions: Questions,
    recovery: Recovery,
}

async fn start(settings: Arc<PostgresSettings>, party: Party, schema: Schema) -> Result<Started, Trouble> {
    let session = Session::open(&settings).await?;
    match schema {
        Schema::Migrate => schema::migrate(&session).await?,
        Schema::Expect => schema::expect(&session).await?,
    }
    let questions = Questions::new(Session::open(&settings).await?);
    let Party { writer, interrupted, clock } = party;
    let health = SharedHealth::default();
    let (writer, recovery) = Writer::open(&session, settings, writer, interrupted, clock, health).await?;
    Ok(Started { writer, session, questions, recovery })
}
