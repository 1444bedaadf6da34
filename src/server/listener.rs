//! Bound sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use super::StartError;

/// Connections that the kernel keeps until they are accepted; std's 128 drops bursts of third parties.
const BACKLOG: i32 = 4096;

/// A listener whose socket is bound.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) name: Arc<str>,
    pub(super) address: SocketAddr,
    pub(super) socket: TcpListener,
}

/// Binds; port 0 takes a free one.
pub(super) fn bind(name: &str, address: SocketAddr) -> Result<Bound, StartError> {
    let fail = |source| StartError::Bind { listener: name.to_owned(), address, source };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).map_err(fail)?;
    // A restarted server takes its address back while old connections linger in TIME_WAIT.
    socket.set_reuse_address(true).map_err(fail)?;
    socket.set_nonblocking(true).map_err(fail)?;
    socket.bind(&address.into()).map_err(fail)?;
    socket.listen(BACKLOG).map_err(fail)?;
    let socket = TcpListener::from_std(socket.into()).map_err(fail)?;
    let address = socket.local_addr().map_err(fail)?;
    Ok(Bound { name: name.into(), address, socket })
}
