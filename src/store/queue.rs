//! The way of an operation to the one that writes: bounded, and never waited for.

use std::sync::mpsc::{SyncSender, TrySendError};

use super::error::StoreError;
use super::operation::Operation;

/// Where operations wait; clones are the same queue.
#[derive(Clone)]
pub(super) struct Queue(SyncSender<Operation>);

/// An operation that was not taken, and why.
pub(super) struct NotTaken {
    pub(super) operation: Operation,
    pub(super) error: StoreError,
}

impl Queue {
    /// To a thread that writes.
    pub(super) const fn to_thread(sender: SyncSender<Operation>) -> Self {
        Self(sender)
    }

    /// Puts the operation at the end of the queue.
    pub(super) fn submit(&self, operation: Operation) -> Result<(), Box<NotTaken>> {
        self.0.try_send(operation).map_err(|refused| {
            let error = not_taken(&refused);
            let (TrySendError::Full(operation) | TrySendError::Disconnected(operation)) = refused;
            Box::new(NotTaken { operation, error })
        })
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
