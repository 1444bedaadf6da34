//! How long a connection lives: until it idles, is old, or the server stops; then it is told to
//! end, and ends when its open requests have.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::HttpLimits;

/// The requests that a connection is busy with.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    open: usize,
    last_ended: Instant,
}

/// One of them, until it is answered.
pub(super) struct Request<'a>(&'a Activity);

impl Activity {
    /// Of a connection that begins.
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { open: 0, last_ended: Instant::now() }))
    }

    /// A request has come.
    pub(super) fn begin(&self) -> Request<'_> {
        self.change(|state| state.open += 1);
        Request(self)
    }

    /// Returns once no request has been open for so long. Of one whose answer still streams the connection takes
    /// care: it is told to end, and ends after it.
    async fn idles(&self, limit: Duration) {
        loop {
            let idle = self.change(|state| if state.open == 0 { state.last_ended.elapsed() } else { Duration::ZERO });
            match limit.checked_sub(idle) {
                None | Some(Duration::ZERO) => return,
                Some(rest) => sleep(rest).await,
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // Nothing panics while it is held.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.open = state.open.saturating_sub(1);
            state.last_ended = Instant::now();
        });
    }
}

/// Serves the connection to its end. `None` where it was cut.
///
/// HTTP/2 knows pings and no idle limit of its own: who answers pings, or leaves an answer
/// unread behind a closed window, would otherwise keep a place for ever.
pub(super) async fn live<C: GracefulConnection>(
    connection: C,
    activity: &Activity,
    limits: &HttpLimits,
    stop: &CancellationToken,
) -> Option<C::Output> {
    let ending = GracefulShutdown::new();
    let mut serving = std::pin::pin!(ending.watch(connection));
    let old = sleep(limits.age);
    tokio::pin!(old);
    tokio::select! {
        ended = &mut serving => return Some(ended),
        () = stop.cancelled() => {}
        () = activity.idles(limits.idle) => {}
        () = &mut old => {}
    }
    let ended = async {
        let (ended, ()) = tokio::join!(serving, ending.shutdown());
        ended
    };
    if stop.is_cancelled() {
        // The server cuts it at the end of its drain.
        return Some(ended.await);
    }
    timeout(limits.age, ended).await.ok()
}
