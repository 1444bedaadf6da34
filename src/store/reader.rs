//! Questions to the database over a connection that cannot write: for the command line, and for one thread.

use super::chain::{Broken, Head};
use super::error::StoreError;
use super::query::{ClientFilter, Decision, Filter, HeldClaim, StoredEntry};
use super::{Database, postgres, sqlite};
use crate::model::binding::Binding;
use crate::model::digest::Digest;
use crate::model::id::DecisionId;

/// A connection that only reads. It sees every committed operation, and disturbs no server. Blocks.
#[derive(Debug)]
pub struct Reader(Connection);

#[derive(Debug)]
enum Connection {
    Sqlite(sqlite::Reader),
    Postgres(Box<postgres::Reader>),
}

/// The same question to either.
macro_rules! ask {
    ($reader:expr, $question:ident($($value:expr),*)) => {
        match &$reader.0 {
            Connection::Sqlite(reader) => reader.$question($($value),*),
            Connection::Postgres(reader) => reader.$question($($value),*),
        }
    };
}

impl Reader {
    /// Opens the database of a server, running or not.
    ///
    /// # Errors
    /// When it cannot be read, is no dcrgate database or has another schema.
    pub fn open(database: impl Into<Database>) -> Result<Self, StoreError> {
        Ok(Self(match database.into() {
            Database::Sqlite(path) => Connection::Sqlite(sqlite::Reader::open(&path)?),
            Database::Postgres(settings) => Connection::Postgres(Box::new(postgres::Reader::open(&settings)?)),
        }))
    }

    /// The decisions that a filter lets through, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn decisions(&self, filter: &Filter) -> Result<Vec<Decision>, StoreError> {
        ask!(self, decisions(filter))
    }

    /// One decision.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn decision(&self, id: DecisionId) -> Result<Option<Decision>, StoreError> {
        ask!(self, decision(id))
    }

    /// A stretch of a writer's chain, from this number on.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn entries(&self, writer: &str, from: i64, limit: u32) -> Result<Vec<StoredEntry>, StoreError> {
        ask!(self, entries(writer, from, limit))
    }

    /// Goes along a writer's chain from its first entry; gives where it stands at its end.
    ///
    /// # Errors
    /// The store's, or the first broken entry inside.
    pub fn verify(&self, writer: &str) -> Result<Result<Head, Broken>, StoreError> {
        ask!(self, verify(writer))
    }

    /// Who owns a client.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn binding(&self, upstream: &str, client_id: &str) -> Result<Option<Binding>, StoreError> {
        ask!(self, binding(upstream, client_id))
    }

    /// A client whose registration access token has one of these fingerprints: upstream and client id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn token_owner(&self, fingerprints: &[Digest]) -> Result<Option<(String, String)>, StoreError> {
        ask!(self, token_owner(fingerprints))
    }

    /// The clients that a filter lets through, those that were registered last first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn clients(&self, filter: &ClientFilter) -> Result<Vec<Binding>, StoreError> {
        ask!(self, clients(filter))
    }

    /// What a decision holds.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn claims(&self, decision: DecisionId) -> Result<Vec<HeldClaim>, StoreError> {
        ask!(self, claims(decision))
    }
}
