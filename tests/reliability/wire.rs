//! What no HTTP library shows: the frames of HTTP/2, whether a TLS session was resumed, half a request.

use std::net::SocketAddr;
use std::sync::Arc;

use dcrgate::sandbox::{Identity, World};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A TLS client that keeps its sessions.
#[derive(Clone)]
pub(crate) struct Caller(Arc<ClientConfig>);

/// What came of one call.
pub(crate) struct Called {
    pub(crate) handshake: HandshakeKind,
    /// TLS 1.3 tickets that came with the answer.
    pub(crate) tickets: u32,
    /// Everything until the connection was closed.
    pub(crate) answer: String,
}

impl Caller {
    pub(crate) fn new(
        world: &World,
        identity: Option<&Identity>,
        protocol: &str,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(world.servers.certificate().clone()).expect("a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(identity) => builder.with_client_auth_cert(identity.chain(), identity.key()).expect("an identity"),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.into()];
        Self(Arc::new(config))
    }

    pub(crate) async fn connect(&self, proxy: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::clone(&self.0)).connect(name, TcpStream::connect(proxy).await?).await
    }

    /// The first message of a handshake.
    pub(crate) fn hello(&self) -> Vec<u8> {
        let name = ServerName::try_from("localhost").expect("a name");
        let mut hello = Vec::new();
        let mut client = ClientConnection::new(Arc::clone(&self.0), name).expect("a client");
        client.write_tls(&mut hello).expect("a message");
        hello
    }

    /// Sends these bytes over a new connection and reads until it is closed.
    pub(crate) async fn call(&self, proxy: SocketAddr, bytes: &str) -> std::io::Result<Called> {
        let mut stream = self.connect(proxy).await?;
        stream.write_all(bytes.as_bytes()).await?;
        let answer = read(&mut stream).await?;
        let (_, session) = stream.get_ref();
        let handshake = session.handshake_kind().expect("a handshake");
        Ok(Called { handshake, tickets: session.tls13_tickets_received(), answer })
    }
}

/// Reads until the connection is closed, politely or not.
pub(crate) async fn read(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        Err(fault) if fault.kind() != std::io::ErrorKind::UnexpectedEof => Err(fault),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// A request in HTTP/1.1 after which the connection is closed.
pub(crate) fn request(method: &str, path: &str, host: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// A connection whose HTTP/2 frames are written and read one by one (RFC 9113 §4).
pub(crate) struct Http2(TlsStream<TcpStream>);

/// A frame as it came.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Http2 {
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const GOAWAY: u8 = 7;

    /// A connection with the preface and our empty settings sent.
    pub(crate) async fn connect(world: &World, identity: Option<&Identity>, proxy: SocketAddr) -> Self {
        let caller = Caller::new(world, identity, "h2", &rustls::version::TLS13);
        let mut connection = Self(caller.connect(proxy).await.expect("a connection"));
        connection.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
        connection.write(Self::SETTINGS, 0, 0, &[]).await;
        connection
    }

    /// GET of a path, as the whole request of this stream (RFC 7541: indexed fields and literals).
    pub(crate) async fn get(&mut self, stream: u32, path: &str) {
        const END_STREAM_AND_HEADERS: u8 = 0x05;
        let mut block = vec![0x82, 0x87];
        for (name, value) in [(0x04, path), (0x01, "localhost")] {
            block.extend([name, u8::try_from(value.len()).expect("short")]);
            block.extend(value.as_bytes());
        }
        self.write(1, END_STREAM_AND_HEADERS, stream, &block).await;
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.expect("sent");
    }

    /// The next frame of this kind; those before it are passed over.
    pub(crate) async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("a frame");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    async fn next(&mut self) -> std::io::Result<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let [a, b, c, kind, _, w, x, y, z] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await?;
        Ok(Frame { kind, stream: u32::from_be_bytes([w, x, y, z]), payload })
    }
}
