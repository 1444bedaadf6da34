//! Questions of the command line: a connection that does nothing but read.

use std::thread;

use tokio::runtime::{Builder, Runtime};

use super::session::Session;
use super::trouble::Trouble;
use super::{PostgresSettings, bindings, rows, schema};
use crate::model::binding::Binding;
use crate::model::digest::Digest;
use crate::model::id::DecisionId;
use crate::store::chain::{Broken, Head};
use crate::store::error::StoreError;
use crate::store::query::{ClientFilter, Decision, Filter, HeldClaim, StoredEntry};

/// A connection that only reads, and what drives it. Blocks.
pub(in crate::store) struct Reader {
    /// Absent only while it is dropped.
    runtime: Option<Runtime>,
    session: Session,
}

impl Reader {
    /// Connects to the database of a server, running or not.
    pub(in crate::store) fn open(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| StoreError::Database { reason: error.to_string().into() })?;
        let session = wait(&runtime, async {
            let session = Session::open(settings).await?;
            session.batch("SET default_transaction_read_only TO on").await?;
            schema::expect(&session).await?;
            Ok(session)
        })?;
        Ok(Self { runtime: Some(runtime), session })
    }

    pub(in crate::store) fn decisions(&self, filter: &Filter) -> Result<Vec<Decision>, StoreError> {
        self.wait(async {
            let mut decisions = Vec::new();
            for id in rows::ids(&self.session, filter).await? {
                decisions.extend(rows::decision(&self.session, id).await?);
            }
            Ok(decisions)
        })
    }

    pub(in crate::store) fn decision(&self, id: DecisionId) -> Result<Option<Decision>, StoreError> {
        self.wait(rows::decision(&self.session, id))
    }

    pub(in crate::store) fn entries(
        &self,
        writer: &str,
        from: i64,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        self.wait(rows::stretch(&self.session, writer, from, limit))
    }

    pub(in crate::store) fn verify(&self, writer: &str) -> Result<Result<Head, Broken>, StoreError> {
        let mut head = Head::start();
        // A place to go on from, which is not `head` when numbers are missing.
        let mut from = 0;
        loop {
            let entries = self.entries(writer, from, STRETCH)?;
            let Some(last) = entries.last() else { return Ok(Ok(head)) };
            from = last.seq + 1;
            for entry in &entries {
                if let Err(broken) = head.verify(&entry.link(), &entry.previous, &entry.hash) {
                    return Ok(Err(broken));
                }
            }
        }
    }

    pub(in crate::store) fn binding(&self, upstream: &str, client_id: &str) -> Result<Option<Binding>, StoreError> {
        self.wait(bindings::find(&self.session, upstream, client_id))
    }

    pub(in crate::store) fn token_owner(
        &self,
        fingerprints: &[Digest],
    ) -> Result<Option<(String, String)>, StoreError> {
        self.wait(bindings::find_by_token(&self.session, fingerprints))
    }

    pub(in crate::store) fn clients(&self, filter: &ClientFilter) -> Result<Vec<Binding>, StoreError> {
        self.wait(bindings::list(&self.session, filter))
    }

    pub(in crate::store) fn claims(&self, decision: DecisionId) -> Result<Vec<HeldClaim>, StoreError> {
        self.wait(rows::claims(&self.session, decision))
    }

    fn wait<T: Send>(&self, work: impl Future<Output = Result<T, Trouble>> + Send) -> Result<T, StoreError> {
        match &self.runtime {
            Some(runtime) => wait(runtime, work),
            None => Err(StoreError::Closed),
        }
    }
}

/// On a thread of its own: the caller's may be one that drives other work, which must not block.
fn wait<T: Send>(runtime: &Runtime, work: impl Future<Output = Result<T, Trouble>> + Send) -> Result<T, StoreError> {
    let done = thread::scope(|scope| scope.spawn(|| runtime.block_on(work)).join());
    done.unwrap_or_else(|_| Err(Trouble::unreadable("the database"))).map_err(Trouble::into_error)
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Dropped by itself it would wait for its threads, which a task may not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// Entries that are held in memory at a time.
const STRETCH: u32 = 1000;
