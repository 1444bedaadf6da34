//! Gated requests: an admitted registration on its way, once, with its answer read whole.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use super::body::Body;
use super::connect::Upstream;
use crate::bindings::Owned;
use crate::store::Opened;

/// Answers larger than this are an error: a registration answer holds metadata, a statement and a token.
const MAX_ANSWER: usize = 256 * 1024;

/// A request to a gated path. Only what the ledger has opened can become one.
#[derive(Debug)]
pub struct GatedRequest {
    method: Method,
    target: PathAndQuery,
    headers: HeaderMap,
    body: Bytes,
}

impl GatedRequest {
    /// POST of an admitted registration (RFC 7591 §3.1): `body` is what was judged, framed anew.
    pub fn registration(_pass: &Opened, target: PathAndQuery, mut headers: HeaderMap, body: Bytes) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        headers.remove(HOST);
        Self { method: Method::POST, target, headers, body }
    }

    /// GET of a client's configuration by its owner (RFC 7592 §2.1).
    pub fn read(_owner: &Owned, target: PathAndQuery, headers: HeaderMap) -> Self {
        Self::without_body(Method::GET, target, headers)
    }

    /// PUT of an admitted update by the owner of the client (RFC 7592 §2.2): `body` is what was judged.
    pub fn update(_owner: &Owned, pass: &Opened, target: PathAndQuery, headers: HeaderMap, body: Bytes) -> Self {
        Self { method: Method::PUT, ..Self::registration(pass, target, headers, body) }
    }

    /// DELETE of a client by its owner (RFC 7592 §2.3).
    pub fn delete(_owner: &Owned, _pass: &Opened, target: PathAndQuery, headers: HeaderMap) -> Self {
        Self::without_body(Method::DELETE, target, headers)
    }

    fn without_body(method: Method, target: PathAndQuery, mut headers: HeaderMap) -> Self {
        headers.remove(HOST);
        Self { method, target, headers, body: Bytes::new() }
    }
}

/// What the identity server answered.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Whether anything left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Not a byte: the identity server cannot have acted.
    Nothing,
    /// Bytes may have left: whether it acted is unknown.
    Perhaps,
}

/// The identity server did not answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection could be made.
    #[error("the identity server cannot be reached")]
    Unreachable,
    /// It did not answer in time.
    #[error("the identity server did not answer in time")]
    TimedOut {
        /// Whether it may have acted.
        sent: Sent,
    },
    /// It closed the connection or spoke no HTTP.
    #[error("the identity server broke off its answer")]
    BrokenOff {
        /// Whether it may have acted.
        sent: Sent,
    },
    /// It takes one registration after the other, and too many wait or it took too long.
    #[error("the identity server has no turn for it")]
    NoTurn,
    /// Its answer is larger than any registration answer.
    #[error("the identity server's answer is too large")]
    TooLarge,
}

impl SendError {
    /// Whether the identity server may have acted.
    pub const fn sent(&self) -> Sent {
        match self {
            Self::Unreachable | Self::NoTurn => Sent::Nothing,
            Self::TimedOut { sent } | Self::BrokenOff { sent } => *sent,
            Self::TooLarge => Sent::Perhaps,
        }
    }

    pub(super) const fn address() -> Self {
        Self::Unreachable
    }

    pub(super) fn from_client(error: &hyper_util::client::legacy::Error) -> Self {
        if error.is_connect() { Self::Unreachable } else { Self::BrokenOff { sent: Sent::Perhaps } }
    }
}

impl Upstream {
    /// Sends a gated request and reads the whole answer. Never retried.
    ///
    /// # Errors
    /// [`SendError`], which says whether the identity server may have acted.
    pub async fn send(&self, request: GatedRequest) -> Result<Reply, SendError> {
        let mut outgoing = Request::new(Body::from(request.body));
        *outgoing.method_mut() = request.method;
        *outgoing.headers_mut() = request.headers;
        *outgoing.uri_mut() = self.uri(request.target).ok_or(SendError::address())?;
        let _turn = match &self.turns {
            Some(turns) => Some(turns.take().await.ok_or(SendError::NoTurn)?),
            None => None,
        };
        let exchange = async {
            let response = self.gated.request(outgoing).await.map_err(|error| SendError::from_client(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    SendError::TooLarge
                } else {
                    SendError::BrokenOff { sent: Sent::Perhaps }
                }
            })?;
            Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        tokio::time::timeout(self.answer_timeout, exchange)
            .await
            .unwrap_or(Err(SendError::TimedOut { sent: Sent::Perhaps }))
    }
}
