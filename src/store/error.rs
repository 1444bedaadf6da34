//! What can go wrong with the store, coarse enough to act on.
//!
//! Texts of the database name tables and columns, never values; they go to the log,
//! never to a caller.

use std::path::PathBuf;
use std::sync::Arc;

use super::operation::Stored;
use crate::model::time::Timestamp;

/// The store could not do it. Nothing of the operation took effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the file.
    #[error("{} is in use by another dcrgate", .path.display())]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// Another process writes under this name.
    #[error("the writer `{writer}` is in use by another dcrgate: give each an `[audit] writer` of its own")]
    WriterInUse {
        /// The name.
        writer: Arc<str>,
    },
    /// A file or folder cannot be made or opened.
    #[error("cannot open {}: {reason}", .path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        reason: Arc<str>,
    },
    /// An SQLite file of another program.
    #[error("{} is not a dcrgate database", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The schema was written by a later dcrgate, or, for a reader, was not brought up to date yet.
    #[error("the database has schema {found}, this dcrgate works with {known}")]
    Schema {
        /// The number of the last migration.
        found: i64,
        /// The latest migration known here.
        known: i64,
    },
    /// No room on the disk, the reserve included.
    #[error("no space left for the store")]
    Full,
    /// Only the reserve is left, and it is kept for admitted decisions.
    #[error("only the disk reserve is left")]
    Reserved,
    /// More operations wait than may.
    #[error("the store is too far behind")]
    Busy,
    /// It took longer than the caller may wait; it may still take effect.
    #[error("the store did not answer in time")]
    Stalled,
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
    /// A constraint of the schema would be broken; the same operation will never succeed.
    #[error("a constraint of the store forbids it: {reason}")]
    Constraint {
        /// The database's words.
        reason: Arc<str>,
    },
    /// Reading, writing or syncing failed.
    #[error("the database failed: {reason}")]
    Database {
        /// The database's words.
        reason: Arc<str>,
    },
}

impl StoreError {
    /// Whether the same operation may succeed later.
    pub const fn may_pass(&self) -> bool {
        !matches!(self, Self::Constraint { .. } | Self::Closed | Self::WriterInUse { .. })
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::Full,
            Some(rusqlite::ErrorCode::ConstraintViolation) => Self::Constraint { reason: error.to_string().into() },
            _ => Self::Database { reason: error.to_string().into() },
        }
    }
}

/// Why an opening was not made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A claim is taken. None of the claims was taken, and the refusal is on record.
    #[error("a single-use thing is already taken")]
    Conflict {
        /// Which of the opening's claims, the first in order.
        claim: usize,
    },
    /// Every unit of a quota is taken. None of the claims was taken, and the refusal is on record.
    #[error("a quota is used up")]
    Exhausted {
        /// Which of the opening's claims, the first in order.
        claim: usize,
        /// When a unit is free again by itself; `None`: not before one is released.
        until: Option<Timestamp>,
    },
    /// The same request was seen before and its window has not ended.
    #[error("the same request was seen before")]
    Repeated(Stored),
    /// The store failed; nothing is on record and nothing may be sent.
    #[error(transparent)]
    Store(#[from] StoreError),
}
