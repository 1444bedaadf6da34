//! The body of a gated request: read whole within size and time, or thrown away.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::EXPECT;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use super::decode::FormFault;

/// A body that is thrown away is read this far: far more than any registration, nothing that hurts.
const LINGER_BYTES: usize = 16 * 1024 * 1024;
/// And for this long in all,
const LINGER_TIME: Duration = Duration::from_secs(10);
/// and this long without a byte: who sends nothing reads the answer already.
const LINGER_IDLE: Duration = Duration::from_secs(1);

/// The whole body, within size and time.
pub(super) async fn read(body: &mut Incoming, limit: usize, patience: Duration) -> Result<Bytes, FormFault> {
    // A length that is announced too large is refused before a byte of it is read.
    if http_body::Body::size_hint(body).lower() > limit as u64 {
        return Err(FormFault::TooLarge);
    }
    match tokio::time::timeout(patience, Limited::new(body, limit).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(FormFault::TooLarge),
        Ok(Err(_)) => Err(FormFault::Broken),
        Err(_) => Err(FormFault::TooSlow),
    }
}

/// Reads on for a while what an early refusal leaves unread, and throws it away. A socket closed with
/// unread bytes is reset, and the answer is lost on a client that still sends (RFC 9112 §9.6).
pub(super) fn linger(mut body: Incoming, headers: &HeaderMap) {
    // Who waits for a 100 sends nothing.
    if http_body::Body::is_end_stream(&body) || headers.contains_key(EXPECT) {
        return;
    }
    tokio::spawn(tokio::time::timeout(LINGER_TIME, async move {
        let mut left = LINGER_BYTES;
        while let Ok(Some(Ok(frame))) = tokio::time::timeout(LINGER_IDLE, body.frame()).await {
            match frame.data_ref().map_or(Some(left), |data| left.checked_sub(data.len())) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    }));
}
