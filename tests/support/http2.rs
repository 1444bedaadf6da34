//! HTTP/2 frame by frame, for what no library sends or shows (RFC 9113 §4, RFC 7541 §6.2).
//!
//! Included by the tests that need it with `#[path = "support/http2.rs"] mod http2;`.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::io;
use std::net::SocketAddr;

use dcrgate::sandbox::ThirdParty;
use dcrgate::sandbox::third_party::Protocol;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A field as it is encoded: whatever stands in it.
pub type Field<'a> = (&'a str, &'a str);

/// A good request that the sandbox's identity server answers with 200.
pub const ECHO: [Field<'static>; 4] =
    [(":method", "GET"), (":scheme", "https"), (":path", "/echo"), (":authority", "localhost")];

/// A good registration, but for its body.
pub const REGISTER: [Field<'static>; 5] = [
    (":method", "POST"),
    (":scheme", "https"),
    (":path", "/register"),
    (":authority", "localhost"),
    ("content-type", "application/json"),
];

/// A connection whose frames are written and read one by one. It acknowledges nothing.
pub struct Http2(TlsStream<TcpStream>);

/// A frame as it came.
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Http2 {
    /// A connection with the preface and our empty settings sent.
    pub async fn connect(client: &ThirdParty, proxy: SocketAddr) -> Self {
        let mut connection = Self(client.handshake(proxy, Protocol::Http2).await.expect("a handshake"));
        connection.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
        connection.write(SETTINGS, 0, 0, &[]).await;
        connection
    }

    /// Sends a frame.
    pub async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, a, b, c] = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let frame = [&[a, b, c, kind, flags], stream.to_be_bytes().as_slice(), payload].concat();
        // The other side may have had enough already.
        let _ = self.0.write_all(&frame).await;
    }

    /// Sends a whole field block, each field a literal that is never indexed.
    pub async fn fields(&mut self, flags: u8, stream: u32, fields: &[Field<'_>]) {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0x10);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).ok().filter(|length| *length < 0x7f).expect("short"));
                block.extend(text.as_bytes());
            }
        }
        self.write(HEADERS, flags | END_HEADERS, stream, &block).await;
    }

    /// The next frame.
    pub async fn next(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await?;
        let [a, b, c, kind, _, w, x, y, z] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await?;
        Ok(Frame { kind, stream: u32::from_be_bytes([w, x, y, z]), payload })
    }

    /// The next frame of this kind; those before it are passed over.
    pub async fn until(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("a frame");
            if frame.kind == kind {
                return frame;
            }
        }
    }
}

impl Frame {
    /// The status of a HEADERS frame where it is 200, 400 or 404; others are 0.
    pub fn status(&self) -> u16 {
        // `:status` comes first, from the static table where it can.
        match self.payload.iter().find(|byte| **byte & 0xe0 != 0x20) {
            Some(0x88) => 200,
            Some(0x8c) => 400,
            Some(0x8d) => 404,
            _ => 0,
        }
    }
}

// RFC 9113 §6: kinds of frames, and flags.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
/// The error code CANCEL (RFC 9113 §7).
pub const CANCEL: u32 = 8;
