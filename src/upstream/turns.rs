//! Identity servers that take so many gated requests at once: the others wait their turn, and not too many of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

/// Who may send now.
#[derive(Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    places: Arc<Semaphore>,
    pause: Duration,
    patience: Duration,
}

/// One request's turn: it lasts as long as this value, and the pause after it.
#[derive(Debug)]
pub(super) struct Turn {
    held: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
    pause: Duration,
}

impl Turns {
    pub(super) fn new(at_once: usize, pause: Duration) -> Self {
        let free = Arc::new(Semaphore::new(at_once));
        let places = Arc::new(Semaphore::new(at_once.saturating_add(WAITING)));
        Self { free, places, pause, patience: PATIENCE }
    }

    /// Waits; `None` where too many wait already, or it took too long.
    pub(super) async fn take(&self) -> Option<Turn> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let free = timeout(self.patience, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()?;
        Some(Turn { held: Some((free, place)), pause: self.pause })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (Some(held), false) = (self.held.take(), self.pause.is_zero()) else { return };
        let pause = self.pause;
        tokio::spawn(async move {
            sleep(pause).await;
            drop(held);
        });
    }
}

/// So many wait: at one a second the last of them would wait longer than [`PATIENCE`].
const WAITING: usize = 16;
/// Callers give up after some 15 to 30 s, and an open registration holds its claims.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test]
    async fn one_after_the_other_with_a_pause() {
        let pause = Duration::from_millis(20);
        let turns = Turns::new(1, pause);
        let began = Instant::now();
        for before in 0..3 {
            let turn = turns.take().await.unwrap();
            assert!(began.elapsed() >= pause * before, "{before}");
            drop(turn);
        }
    }

    #[tokio::test]
    async fn who_waits_too_long_or_finds_too_many_is_sent_away() {
        let turns = Arc::new(Turns { patience: Duration::from_millis(50), ..Turns::new(1, Duration::ZERO) });
        let first = turns.take().await.unwrap();
        let began = Instant::now();
        let wait = || {
            let turns = Arc::clone(&turns);
            tokio::spawn(async move { turns.take().await.is_some() })
        };
        let waiting: Vec<_> = (0..WAITING).map(|_| wait()).collect();
        while turns.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(turns.take().await.is_none(), "too many");
        for one in waiting {
            assert!(!one.await.unwrap(), "too long");
        }
        assert!(began.elapsed() >= turns.patience);
        drop(first);
        assert!(turns.take().await.is_some());
    }
}
