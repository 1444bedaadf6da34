//! The sandbox's sockets: a small HTTP/1.1 server on loopback, plain or over TLS.
//!
//! Bodies are read whole, up to a limit, before they are answered. A server
//! stops, and cuts what is open, when its [`Serving`] is dropped.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::SandboxError;
use super::identity::Identity;

/// What a server of the sandbox does with a request.
pub(super) trait Answer: Send + Sync + 'static {
    /// The answer, or nothing: then the connection is cut without one.
    fn answer(&self, request: Request<Bytes>) -> impl Future<Output = Option<Response<Bytes>>> + Send;
}

/// A running server.
#[derive(Debug)]
pub(super) struct Serving {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Serving {
    /// Starts on a free port of 127.0.0.1; over TLS when an identity is given.
    pub(super) async fn start(identity: Option<&Identity>, answers: Arc<impl Answer>) -> Result<Self, SandboxError> {
        let acceptor = identity.map(server_config).transpose()?.map(TlsAcceptor::from);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, acceptor, answers)).abort_handle();
        Ok(Self { address, accepting })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, answers: Arc<impl Answer>) {
    // Dropped with this task, and every connection with it.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (acceptor, answers) = (acceptor.clone(), Arc::clone(&answers));
        connections.spawn(async move {
            match acceptor {
                None => converse(socket, answers).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(socket).await {
                        converse(stream, answers).await;
                    }
                }
            }
        });
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, answers: Arc<impl Answer>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answers = &answers;
        async move {
            let (parts, body) = request.into_parts();
            let answer = match Limited::new(body, BODY_LIMIT).collect().await {
                Ok(body) => answers.answer(Request::from_parts(parts, body.to_bytes())).await,
                Err(_) => Some(plain(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "")),
            };
            answer.map(|answer| answer.map(Full::new)).ok_or(Cut)
        }
    });
    // An error here is the other side's hanging up or our own cut.
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let _ended = connection.await;
}

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(identity.chain(), identity.key())?;
    Ok(Arc::new(config))
}

/// An answer with a media type.
pub(super) fn plain(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(media_type));
    answer
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: &serde_json::Value) -> Response<Bytes> {
    plain(status, "application/json", body.to_string())
}

/// More than any document of the sandbox; tests send bodies above the proxy's own limits through it.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// Certificate chains travel in headers.
const READ_BUFFER: usize = 256 * 1024;

/// One exchange over HTTP/1.1 without TLS; nothing when the connection was cut.
#[cfg(test)]
pub(super) async fn exchange(address: SocketAddr, request: Request<Bytes>) -> Option<Response<Bytes>> {
    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.unwrap();
    let _driving = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request.map(Full::new)).await.ok()?.into_parts();
    Some(Response::from_parts(parts, body.collect().await.ok()?.to_bytes()))
}
