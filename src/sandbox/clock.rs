//! The time of a world: the system's, or the instant at which it is told to stand.

use std::sync::{Mutex, PoisonError};

use crate::model::time::{Clock, SystemClock, Timestamp};

/// A clock that can be stopped at an instant. Cases of policies name the time at which they are judged.
#[derive(Debug, Default)]
pub struct WorldClock(Mutex<Option<Timestamp>>);

impl WorldClock {
    /// Stands at this instant until told otherwise.
    pub fn stand_at(&self, instant: Timestamp) {
        self.set(Some(instant));
    }

    /// Goes with the system's clock again.
    pub fn go_on(&self) {
        self.set(None);
    }

    fn set(&self, instant: Option<Timestamp>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = instant;
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        let stands = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stands.unwrap_or_else(|| SystemClock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_and_goes_on() {
        let clock = WorldClock::default();
        let long_ago = Timestamp::from_unix_seconds(1);
        assert!(clock.now() > long_ago);
        clock.stand_at(long_ago);
        assert_eq!((clock.now(), clock.now()), (long_ago, long_ago));
        clock.go_on();
        assert!(clock.now() > long_ago);
    }
}
