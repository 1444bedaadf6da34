//! Which request keys are known, in memory, so that a request never seen costs no SQL.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::model::digest::Digest;
use crate::model::time::Timestamp;

/// What is known of a request key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Liveness {
    /// Being worked on.
    Open,
    /// Answered; the answer is in the database until then.
    Until(Timestamp),
}

/// The keys in the `answers` table. Only admitted requests have one, so its size is bounded by
/// the rate of registrations times the window.
#[derive(Debug, Default)]
pub(in crate::store) struct Live(Mutex<HashMap<Digest, Liveness>>);

impl Live {
    /// What is known at this time.
    pub(super) fn find(&self, request: &Digest, now: Timestamp) -> Option<Liveness> {
        let known = self.keys().get(request).copied()?;
        match known {
            Liveness::Until(end) if end <= now => None,
            _ => Some(known),
        }
    }

    pub(super) fn set(&self, request: Digest, liveness: Liveness) {
        self.keys().insert(request, liveness);
    }

    pub(super) fn remove(&self, request: &Digest) {
        self.keys().remove(request);
    }

    #[cfg(test)]
    pub(in crate::store) fn len(&self) -> usize {
        self.keys().len()
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Liveness>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
