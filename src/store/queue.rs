//! The way of an operation to the one that writes: bounded, and never waited for.

use std::sync::mpsc::{SyncSender, TrySendError};

use tokio::sync::mpsc;

use super::error::StoreError;
use super::operation::Operation;

/// Where operations wait; clones are the same queue.
#[derive(Clone)]
pub(super) enum Queue {
    /// To a thread that writes.
    Thread(SyncSender<Operation>),
    /// To a task that writes.
    Task(mpsc::Sender<Operation>),
}

/// An operation that was not taken, and why.
pub(super) struct NotTaken {
    pub(super) operation: Operation,
    pub(super) error: StoreError,
}

impl Queue {
    /// Puts the operation at the end of the queue.
    pub(super) fn submit(&self, operation: Operation) -> Result<(), Box<NotTaken>> {
        let (operation, error) = match self {
            Self::Thread(sender) => match sender.try_send(operation) {
                Ok(()) => return Ok(()),
                Err(refused) => {
                    let error = not_taken(&refused);
                    let (TrySendError::Full(operation) | TrySendError::Disconnected(operation)) = refused;
                    (operation, error)
                }
            },
            Self::Task(sender) => match sender.try_send(operation) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(operation)) => (operation, StoreError::Busy),
                Err(mpsc::error::TrySendError::Closed(operation)) => (operation, StoreError::Closed),
            },
        };
        Err(Box::new(NotTaken { operation, error }))
    }
}

/// What a full or closed queue means.
pub(super) fn not_taken<T>(error: &TrySendError<T>) -> StoreError {
    match error {
        TrySendError::Full(_) => StoreError::Busy,
        TrySendError::Disconnected(_) => StoreError::Closed,
    }
}

/// Operations that may wait: a thousand admitted registrations is more than any deployment has in flight.
pub(super) const QUEUE: usize = 1024;
