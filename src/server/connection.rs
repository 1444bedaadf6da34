//! One connection: handshake with a deadline, HTTP by ALPN, limits of both protocols.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use super::{Shared, dispatch};
use crate::config::{HttpLimits, ListenerPlan, TlsPlan};
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
    drain: Watcher,
) {
    let shaking = async {
        // Never closed; waiting for a turn counts against the deadline.
        let _turn = shared.handshakes.acquire().await;
        handshake(socket, &plan).await
    };
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
    let service = service_fn(move |request| {
        let (shared, connection) = (Arc::clone(&shared), Arc::clone(&connection));
        async move { Ok::<_, std::convert::Infallible>(dispatch::dispatch(&shared, &connection, request).await) }
    });
    let stream = TokioIo::new(stream);
    let limits = &plan.limits;
    let ended = if http2 {
        drain.watch(http2_builder(limits).serve_connection(stream, service)).await
    } else {
        drain.watch(http1_builder(limits).serve_connection(stream, service)).await
    };
    if let Err(error) = ended {
        tracing::debug!(%remote, %error, "connection ended");
    }
}

/// The handshake, under the configuration of the host that the client names.
async fn handshake(socket: TcpStream, plan: &ListenerPlan) -> std::io::Result<(TlsStream<TcpStream>, tls::ClientAuth)> {
    if plan.by_host.is_empty() {
        let TlsPlan { config, client_auth } = &plan.tls;
        let stream = TlsAcceptor::from(Arc::clone(config)).accept(socket).await?;
        return Ok((stream, *client_auth));
    }
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), socket).await?;
    let name = hello.client_hello().server_name().map(str::to_ascii_lowercase);
    let chosen = name.and_then(|name| plan.by_host.get(&*name)).unwrap_or(&plan.tls);
    let stream = hello.into_stream(Arc::clone(&chosen.config)).await?;
    Ok((stream, chosen.client_auth))
}

fn describe(
    stream: &TlsStream<TcpStream>,
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
        // A peer that does not answer a ping is gone; without it a dead connection keeps its permit.
        .keep_alive_interval(limits.idle)
        .keep_alive_timeout(limits.idle);
    builder
}
