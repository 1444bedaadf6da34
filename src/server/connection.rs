//! One connection: handshake with a deadline, HTTP by ALPN, limits of both protocols.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::lifetime::{Activity, live};
use super::socket::Socket;
use super::{Shared, dispatch};
use crate::config::{HttpLimits, ListenerPlan};
use crate::model::peer::Peer;
use crate::pipeline::connection::{Connection, Presented, TlsFacts};
use crate::tls;

/// Accepts TLS and serves HTTP until the connection ends.
pub(super) async fn serve(
    socket: TcpStream,
    remote: SocketAddr,
    listener: Arc<str>,
    plan: Arc<ListenerPlan>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    let socket = Socket::new(socket, plan.limits.idle);
    let shaking = handshake(socket, &plan, &shared.handshakes);
    let handshake = tokio::time::timeout(plan.limits.handshake, shaking).await;
    let (stream, client_auth) = match handshake {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(error)) => {
            if let Some(refused) = tls::refused_in_handshake(&error) {
                dispatch::record_cut(&shared, remote, &listener, &refused).await;
            } else {
                tracing::debug!(%remote, %error, "handshake failed");
            }
            return;
        }
        Err(_) => {
            tracing::debug!(%remote, "handshake timed out");
            return;
        }
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let connection = Arc::new(describe(&stream, remote, listener, client_auth));
    let limits = &plan.limits;
    let activity = Arc::new(Activity::new());
    let service = service_fn(|request| {
        let (shared, connection, activity) = (Arc::clone(&shared), Arc::clone(&connection), Arc::clone(&activity));
        async move {
            let _open = activity.begin();
            Ok::<_, std::convert::Infallible>(dispatch::dispatch(&shared, &connection, request).await)
        }
    });
    let stream = TokioIo::new(stream);
    let ended = if http2 {
        live(http2_builder(limits).serve_connection(stream, service), &activity, limits, &stop).await
    } else {
        live(http1_builder(limits).serve_connection(stream, service), &activity, limits, &stop).await
    };
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%remote, %error, "connection ended"),
        None => tracing::debug!(%remote, "connection cut: it did not end when it was told to"),
    }
}

/// The handshake, under the configuration of the host that the client names.
///
/// A turn is taken for what costs: our answer to the client's hello, a signature. Waiting for the client holds none,
/// so that who connects and says nothing, or stops half way, keeps nobody else from shaking hands.
async fn handshake(
    socket: Socket,
    plan: &ListenerPlan,
    turns: &Semaphore,
) -> std::io::Result<(TlsStream<Socket>, tls::ClientAuth)> {
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket).await?;
    let name = hello.client_hello().server_name().map(str::to_ascii_lowercase);
    let chosen = name.and_then(|name| plan.by_host.get(&*name)).unwrap_or(&plan.tls);
    let mut accepting = pin!(hello.into_stream(Arc::clone(&chosen.config)));
    let answered = {
        // Never closed; waiting for a turn counts against the deadline.
        let _turn = turns.acquire().await;
        poll_fn(|cx| Poll::Ready(accepting.as_mut().poll(cx))).await
    };
    let stream = match answered {
        Poll::Ready(stream) => stream?,
        Poll::Pending => accepting.await?,
    };
    Ok((stream, chosen.client_auth))
}

fn describe(
    stream: &TlsStream<Socket>,
    remote: SocketAddr,
    listener: Arc<str>,
    client_auth: tls::ClientAuth,
) -> Connection {
    let (_, session) = stream.get_ref();
    let facts = TlsFacts {
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            _ => "unknown",
        },
        cipher: session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()).unwrap_or("unknown"),
        server_name: session.server_name().map(Into::into),
    };
    let peer = match session.peer_certificates() {
        None | Some([]) => Presented::Nothing,
        Some(chain) => {
            let chain: Vec<CertificateDer<'static>> = chain.iter().map(|der| der.clone().into_owned()).collect();
            Peer::present(chain).map_or(Presented::Unreadable, |peer| Presented::Certificate(Arc::new(peer)))
        }
    };
    Connection::new(remote, listener, client_auth, facts, peer)
}

fn http1_builder(limits: &HttpLimits) -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // Also bounds how long a kept connection idles between requests.
        .header_read_timeout(limits.header)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes)
        .half_close(false);
    builder
}

fn http2_builder(limits: &HttpLimits) -> hyper::server::conn::http2::Builder<TokioExecutor> {
    let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        // What a client may make us hold of its bodies, and what we hold of ours while it does not read.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(STREAM_WINDOW as usize)
        // A peer that does not answer a ping is gone; without it a dead connection keeps its permit.
        .keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.idle);
    builder
}

/// Bytes of a body on its way through one HTTP/2 stream: a gated body by default, and no slower than a disk over
/// 20 ms. hyper's defaults are 1 MB for what comes and 400 KB for what goes, of every stream.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes of bodies that one HTTP/2 connection may have sent and nobody taken yet.
const CONNECTION_WINDOW: u32 = 256 * 1024;
