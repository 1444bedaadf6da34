//! Identity servers in trouble: an address where nobody listens yet, and a server that answers with given bytes.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// An address that refuses connections until it is opened; nobody else can take it.
pub(crate) struct Closed {
    socket: Socket,
    pub(crate) address: SocketAddr,
}

impl Closed {
    pub(crate) fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
        let address = socket.local_addr().expect("its port").as_socket().expect("an address");
        Self { socket, address }
    }

    /// From now on connections lead to this server.
    pub(crate) fn open(self, server: SocketAddr) {
        self.socket.listen(16).expect("a listener");
        let listener = TcpListener::from_std(self.socket.into()).expect("a listener");
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.expect("the server");
                    let _ended = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
    }
}

/// Reads one request a connection, writes what it was told to, and closes.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Vec<u8>>>,
    requests: Arc<Mutex<usize>>,
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("its port");
        let (script, requests) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Mutex<usize>>::default());
        let (says, counts) = (Arc::clone(&script), Arc::clone(&requests));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (says, counts) = (Arc::clone(&says), Arc::clone(&counts));
                tokio::spawn(async move {
                    if read_request(&mut socket).await {
                        *counts.lock().expect("a count") += 1;
                    }
                    let answer = says.lock().expect("a script").clone();
                    let _gone = socket.write_all(&answer).await;
                    let _gone = socket.shutdown().await;
                });
            }
        });
        Self { address, script, requests }
    }

    /// What it writes from now on.
    pub(crate) fn say(&self, answer: impl Into<Vec<u8>>) {
        *self.script.lock().expect("a script") = answer.into();
    }

    /// Complete requests so far.
    pub(crate) fn requests(&self) -> usize {
        *self.requests.lock().expect("a count")
    }
}

/// Whether a complete request with a Content-Length came.
async fn read_request(socket: &mut TcpStream) -> bool {
    let mut read = Vec::new();
    let mut part = [0; 4096];
    loop {
        match socket.read(&mut part).await {
            Ok(0) | Err(_) => return false,
            Ok(length) => read.extend_from_slice(&part[..length]),
        }
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        if body.len() >= length {
            return true;
        }
    }
}
