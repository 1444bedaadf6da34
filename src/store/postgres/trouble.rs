//! What an error of the database means for what was asked of it.

use tokio_postgres::error::SqlState;

use crate::store::error::StoreError;

/// Why something did not work, by what is to be done about it.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection is gone or useless: a new one may do better.
    Lost(StoreError),
    /// Two transactions stood in each other's way; this one was undone and may be done again.
    Again(StoreError),
    /// The operation or the database's state is at fault.
    Failed(StoreError),
}

impl Trouble {
    /// It took too long: whatever runs on that connection is not to be relied on.
    pub(super) fn slow() -> Self {
        Self::Lost(StoreError::Stalled)
    }

    /// A column that no dcrgate wrote.
    pub(super) fn unreadable(what: &str) -> Self {
        Self::Failed(unreadable(what))
    }

    pub(super) fn into_error(self) -> StoreError {
        let (Self::Lost(error) | Self::Again(error) | Self::Failed(error)) = self;
        error
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(told) = error.as_db_error() else {
            let reason =
                std::error::Error::source(&error).map_or_else(|| error.to_string(), |why| format!("{error}: {why}"));
            return Self::Lost(StoreError::Database { reason: reason.into() });
        };
        // The message names tables and constraints; values are in the detail, which is left out.
        let reason = format!("{} ({})", told.message(), told.code().code()).into();
        let code = told.code();
        match code.code().get(..2).unwrap_or_default() {
            _ if *code == SqlState::DISK_FULL => Self::Failed(StoreError::Full),
            _ if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED => {
                Self::Again(StoreError::Database { reason })
            }
            _ if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE => {
                Self::Failed(StoreError::Stalled)
            }
            // Integrity constraints; values that no column takes.
            "23" | "22" => Self::Failed(StoreError::Constraint { reason }),
            // Connections; operators who stop the server; too many connections; a server that became a standby;
            // who may connect; a transaction that the server ended.
            "08" | "57" | "53" | "25" | "28" | "40" => Self::Lost(StoreError::Database { reason }),
            _ => Self::Failed(StoreError::Database { reason }),
        }
    }
}

/// A column that no dcrgate wrote.
pub(super) fn unreadable(what: &str) -> StoreError {
    StoreError::Database { reason: format!("{what} cannot be read").into() }
}
