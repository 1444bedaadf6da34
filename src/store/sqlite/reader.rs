//! Questions to the database over a connection that cannot write.
//!
//! A reader works beside the writer (WAL) and sees every committed operation. It
//! is for one thread; the command line opens its own.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::apply::{decision_id, stored};
use super::bindings;
use super::schema;
use crate::model::binding::Binding;
use crate::model::digest::Digest;
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;
use crate::store::chain::{Broken, Head};
use crate::store::error::StoreError;
use crate::store::operation::Stored;
use crate::store::query::{ClientFilter, Decision, Filter, HeldClaim, OPEN, StoredEntry};

/// A connection that only reads.
#[derive(Debug)]
pub(in crate::store) struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens the database of a server, running or not.
    ///
    /// # Errors
    /// When the file cannot be read, is no dcrgate database or has another schema.
    pub(in crate::store) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_read_only(path)?;
        connection.set_prepared_statement_cache_capacity(16);
        Ok(Self { connection })
    }

    /// The decisions that a filter lets through, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(in crate::store) fn decisions(&self, filter: &Filter) -> Result<Vec<Decision>, StoreError> {
        let from = filter.since.map(|since| DecisionId::new(since, [0; 10]).to_string()).unwrap_or_default();
        let mut ids = match filter.outcome.as_deref() {
            Some(OPEN) => self.ids(NOT_ENDED, params![from, filter.limit])?,
            Some(outcome) => self.ids(ENDED_SO, params![from, outcome, filter.limit])?,
            None => {
                let mut ids = self.ids(ENDED, params![from, filter.limit])?;
                ids.extend(self.ids(NOT_ENDED, params![from, filter.limit])?);
                ids
            }
        };
        ids.sort_unstable_by(|one, other| other.cmp(one));
        ids.dedup();
        ids.truncate(usize::try_from(filter.limit).unwrap_or(usize::MAX));
        ids.into_iter().filter_map(|id| self.decision(id).transpose()).collect()
    }

    /// One decision.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(in crate::store) fn decision(&self, id: DecisionId) -> Result<Option<Decision>, StoreError> {
        let entry = |sql: &str| self.connection.prepare_cached(sql)?.query_row([id.to_string()], entry).optional();
        let (opened, ended) = (entry(OPENING)?, entry(END)?);
        Ok((opened.is_some() || ended.is_some()).then_some(Decision { id, opened, ended }))
    }

    /// A stretch of a writer's chain, from this number on.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(in crate::store) fn entries(
        &self,
        writer: &str,
        from: i64,
        limit: u32,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let mut statement = self.connection.prepare_cached(STRETCH)?;
        let entries = statement.query_map(params![writer, from, limit], entry)?;
        Ok(entries.collect::<Result<_, _>>()?)
    }

    /// Goes along a writer's chain from its first entry; gives where it stands at its end.
    ///
    /// # Errors
    /// The store's, or the first broken entry inside.
    pub(in crate::store) fn verify(&self, writer: &str) -> Result<Result<Head, Broken>, StoreError> {
        let mut statement = self.connection.prepare_cached(STRETCH)?;
        let mut rows = statement.query(params![writer, 0, i64::MAX])?;
        let mut head = Head::start();
        while let Some(row) = rows.next()? {
            let entry = entry(row)?;
            if let Err(broken) = head.verify(&entry.link(), &entry.previous, &entry.hash) {
                return Ok(Err(broken));
            }
        }
        Ok(Ok(head))
    }

    pub(super) fn stored(&self, request: &Digest) -> Result<Option<(Stored, Timestamp)>, StoreError> {
        stored(&self.connection, request)
    }

    /// Who owns a client.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(in crate::store) fn binding(&self, upstream: &str, client_id: &str) -> Result<Option<Binding>, StoreError> {
        bindings::find(&self.connection, upstream, client_id)
    }

    /// A client whose registration access token has one of these fingerprints: upstream and client id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(in crate::store) fn token_owner(
        &self,
        fingerprints: &[Digest],
    ) -> Result<Option<(String, String)>, StoreError> {
        bindings::find_by_token(&self.connection, fingerprints)
    }

    /// The clients that a filter lets through, those that were registered last first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(in crate::store) fn clients(&self, filter: &ClientFilter) -> Result<Vec<Binding>, StoreError> {
        bindings::list(&self.connection, filter)
    }

    /// What a decision holds.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(in crate::store) fn claims(&self, decision: DecisionId) -> Result<Vec<HeldClaim>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT kind, expires FROM claims WHERE decision = $1 ORDER BY kind, key, unit")?;
        let held = statement.query_map([decision.to_string()], |row| {
            let expires: Option<i64> = row.get(1)?;
            Ok(HeldClaim { kind: row.get(0)?, expires: expires.map(Timestamp::from_unix_micros) })
        })?;
        Ok(held.collect::<Result<_, _>>()?)
    }

    fn ids(&self, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<DecisionId>, StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(decision_id(row.get_ref(0)?.as_str().unwrap_or_default())?);
        }
        Ok(ids)
    }
}

/// A row of all columns, in the order of [`StoredEntry`].
fn entry(row: &Row<'_>) -> rusqlite::Result<StoredEntry> {
    // Another length cannot be stored, and would be found by the chain.
    let digest =
        |index| row.get::<_, [u8; 32]>(index).map(|bytes| Digest::from_bytes(&bytes).unwrap_or(Head::start().hash));
    Ok(StoredEntry {
        writer: row.get(0)?,
        seq: row.get(1)?,
        decision: row.get(2)?,
        kind: row.get(3)?,
        outcome: row.get(4)?,
        time: Timestamp::from_unix_micros(row.get(5)?),
        body: row.get(6)?,
        previous: digest(7)?,
        hash: digest(8)?,
    })
}

const OPENING: &str = "
    SELECT writer, seq, decision, kind, outcome, time, body, previous, hash
    FROM entries WHERE decision = $1 AND kind = 'opened'";

const END: &str = "
    SELECT writer, seq, decision, kind, outcome, time, body, previous, hash
    FROM entries WHERE decision = $1 AND outcome IS NOT NULL";

const STRETCH: &str = "
    SELECT writer, seq, decision, kind, outcome, time, body, previous, hash
    FROM entries WHERE writer = $1 AND seq >= $2 ORDER BY seq LIMIT $3";

// Ids sort by time, and an index holds them: no entry is read to find the newest.
const ENDED: &str = "
    SELECT decision FROM entries WHERE outcome IS NOT NULL AND decision >= $1 ORDER BY decision DESC LIMIT $2";

const ENDED_SO: &str = "
    SELECT decision FROM entries WHERE decision >= $1 AND outcome = $2 ORDER BY decision DESC LIMIT $3";

/// Found by the requests in progress, which are few, not by looking through all openings.
const NOT_ENDED: &str = "
    SELECT decision FROM answers WHERE state = 'open' AND decision >= $1 ORDER BY decision DESC LIMIT $2";
