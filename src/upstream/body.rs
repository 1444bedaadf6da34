//! Bodies on their way through: whole, or streamed with an idle limit.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// The body of any request or answer that passes through dcrgate.
#[derive(Debug)]
pub enum Body {
    /// None, or given already.
    Empty,
    /// In memory: everything that was judged or made here.
    Whole(Bytes),
    /// As it arrives, without a limit of size; cut when nothing arrives for a while.
    Streamed(Streamed),
}

/// A body that could not be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Nothing arrived for the idle limit.
    #[error("the body stopped arriving")]
    Idle,
    /// The connection failed.
    #[error("the connection failed within the body")]
    Connection(#[source] hyper::Error),
}

/// A body in motion.
#[derive(Debug)]
pub struct Streamed {
    inner: Incoming,
    idle: Duration,
    /// Armed only while nothing is there to read: a body that is ready costs no timer.
    timer: Option<Pin<Box<Sleep>>>,
    /// Told of each frame that was taken.
    progress: Option<Progress>,
}

/// When the last frame of a body was taken.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    /// Returns once nothing was taken for so long.
    pub(super) async fn stalls(&self, limit: Duration) {
        loop {
            let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner) + limit;
            if end <= Instant::now() {
                return;
            }
            sleep_until(end).await;
        }
    }

    fn made(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl Body {
    /// Streams `inner`; a gap longer than `idle` ends it with an error.
    pub fn streamed(inner: Incoming, idle: Duration) -> Self {
        if http_body::Body::is_end_stream(&inner) {
            return Self::Empty;
        }
        Self::Streamed(Streamed { inner, idle, timer: None, progress: None })
    }

    /// How a body that streams gets on; `None` for one that is there whole.
    pub(super) fn progress(&mut self) -> Option<Progress> {
        let Self::Streamed(streamed) = self else { return None };
        Some(streamed.progress.insert(Progress(Arc::new(Mutex::new(Instant::now())))).clone())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Whole(bytes) }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        match this {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *this = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Streamed(streamed) => streamed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(_) => false,
            Self::Streamed(streamed) => streamed.inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(streamed) => streamed.inner.size_hint(),
        }
    }
}

impl Streamed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match http_body::Body::poll_frame(Pin::new(&mut self.inner), cx) {
            Poll::Ready(frame) => {
                self.timer = None;
                if let Some(progress) = &self.progress {
                    progress.made();
                }
                Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Connection)))
            }
            Poll::Pending => {
                let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.idle)));
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Some(Err(BodyError::Idle)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn a_body_stalls_when_nothing_was_taken_for_the_limit() {
        let limit = Duration::from_secs(3600);
        let progress = Progress(Arc::new(Mutex::new(Instant::now().checked_sub(limit).unwrap())));
        progress.stalls(limit).await;
        progress.made();
        let stalled = std::pin::pin!(progress.stalls(limit)).poll(&mut Context::from_waker(Waker::noop()));
        assert!(stalled.is_pending());
    }
}
