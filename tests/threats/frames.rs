//! T6 and T7 in HTTP/2: frames and field blocks that no library would send (RFC 9113 §8.2, RFC 7541 §6.2).

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::tap::Tap;
use crate::target::Target;

/// A field as it is encoded: whatever stands in it.
type Field<'a> = (&'a str, &'a str);

const GET: [Field<'static>; 4] =
    [(":method", "GET"), (":scheme", "https"), (":path", "/echo"), (":authority", "localhost")];

/// What the proxy did with a request.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Answered with this status where it is 200, 400 or 404; others are 0.
    Answered(u16),
    /// The stream or the connection was ended.
    Cut,
}

/// One connection with one request.
struct Http2(TlsStream<TcpStream>);

impl Http2 {
    async fn connect(target: &Target) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(target.gate.world.servers.certificate().clone()).expect("a root");
        let identity = &target.attacker.identity;
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_client_auth_cert(identity.chain(), identity.key())
            .expect("an identity");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let socket = TcpStream::connect(target.gate.address).await.expect("a socket");
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("a handshake");
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
        let mut connection = Self(stream);
        connection.write(SETTINGS, 0, 0, &[]).await;
        connection
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, a, b, c] = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let frame = [&[a, b, c, kind, flags], stream.to_be_bytes().as_slice(), payload].concat();
        // The other side may have had enough already.
        let _ = self.0.write_all(&frame).await;
    }

    async fn fields(&mut self, flags: u8, fields: &[Field<'_>]) {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0x10); // a literal that is never indexed
            for text in [name, value] {
                block.push(u8::try_from(text.len()).ok().filter(|length| *length < 0x7f).expect("short"));
                block.extend(text.as_bytes());
            }
        }
        self.write(HEADERS, flags | END_HEADERS, 1, &block).await;
    }

    async fn fate(&mut self) -> Fate {
        loop {
            let mut head = [0; 9];
            if self.0.read_exact(&mut head).await.is_err() {
                return Fate::Cut;
            }
            let [a, b, c, kind, ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            if self.0.read_exact(&mut payload).await.is_err() {
                return Fate::Cut;
            }
            match kind {
                // `:status` comes first, from the static table where it can.
                HEADERS => {
                    return Fate::Answered(match payload.iter().find(|byte| **byte & 0xe0 != 0x20) {
                        Some(0x88) => 200,
                        Some(0x8c) => 400,
                        Some(0x8d) => 404,
                        _ => 0,
                    });
                }
                RST_STREAM | GOAWAY => return Fate::Cut,
                _ => {}
            }
        }
    }
}

async fn send(target: &Target, fields: &[Field<'_>], body: Option<&str>) -> Fate {
    let mut connection = Http2::connect(target).await;
    match body {
        None => connection.fields(END_STREAM, fields).await,
        Some(body) => {
            connection.fields(0, fields).await;
            connection.write(DATA, END_STREAM, 1, body.as_bytes()).await;
        }
    }
    connection.fate().await
}

fn with<'a>(more: &[Field<'a>]) -> Vec<Field<'a>> {
    GET.iter().copied().chain(more.iter().copied()).collect()
}

/// The good request with one of its pseudo-fields replaced.
fn instead<'a>(name: &'a str, value: &'a str) -> Vec<Field<'a>> {
    GET.iter().map(|field| if field.0 == name { (name, value) } else { *field }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_fields_that_would_become_lines_of_http1_are_refused() {
    let target = Target::new().await;
    assert_eq!(send(&target, &with(&[("x-a", "b")]), None).await, Fate::Answered(200), "a good request is served");
    let before = target.reached();
    for (name, fields) in [
        ("CR LF in a value", with(&[("x-a", "b\r\nclient-cert: :AA==:")])),
        ("LF in a value", with(&[("x-a", "b\nclient-cert: :AA==:")])),
        ("CR in a value", with(&[("x-a", "b\rclient-cert: :AA==:")])),
        ("NUL in a value", with(&[("x-a", "b\0c")])),
        ("CR LF in a name", with(&[("x-a: b\r\nclient-cert", ":AA==:")])),
        ("a colon in a name", with(&[("client-cert: :AA==:, x-a", "b")])),
        ("a space in a name", with(&[("client-cert ", ":AA==:")])),
        ("upper case in a name", with(&[("Client-Cert", ":AA==:")])),
        ("an empty name", with(&[("", ":AA==:")])),
        ("a connection field", with(&[("connection", "client-cert")])),
        ("chunks", with(&[("transfer-encoding", "chunked")])),
        ("an upgrade", with(&[("upgrade", "h2c")])),
        ("keep-alive", with(&[("keep-alive", "timeout=5")])),
        ("te that is not trailers", with(&[("te", "gzip")])),
        ("an unknown pseudo-field", with(&[(":client-cert", ":AA==:")])),
        ("a pseudo-field after the others", [&[("x-a", "b")][..], &GET[..]].concat()),
        ("two paths", with(&[(":path", "/reg")])),
        ("two methods", with(&[(":method", "POST")])),
        ("two authorities", with(&[(":authority", "evil.example")])),
        ("another host", with(&[("host", "evil.example")])),
        ("two hosts", with(&[("host", "localhost"), ("host", "localhost")])),
        ("a request line in the path", instead(":path", "/echo HTTP/1.1\r\nclient-cert: :AA==:")),
        ("a space in the path", instead(":path", "/echo /reg")),
        ("no path", GET.iter().copied().filter(|field| field.0 != ":path").collect()),
        ("an empty path", instead(":path", "")),
        ("a path without a slash", instead(":path", "reg")),
        ("an absolute path", instead(":path", "https://localhost/reg")),
        ("the registration endpoint", instead(":path", "/reg")),
        ("a request line in the method", instead(":method", "GET /reg HTTP/1.1\r\nx-a:")),
        ("a space in the method", instead(":method", "GET /reg")),
        ("a URL in the scheme", instead(":scheme", "https://localhost/reg?x=")),
        ("a path in the authority", instead(":authority", "localhost/reg?")),
        ("user information in the authority", instead(":authority", "localhost@localhost")),
        ("CR LF in the authority", instead(":authority", "localhost\r\nclient-cert: :AA==:")),
        ("an empty authority", instead(":authority", "")),
        ("no method", GET.iter().copied().filter(|field| field.0 != ":method").collect()),
    ] {
        let fate = send(&target, &fields, None).await;
        assert!(matches!(fate, Fate::Cut | Fate::Answered(400 | 404)), "{name}: {fate:?}");
        assert_eq!(target.reached(), before, "{name} went through");
    }
}

/// The length of HTTP/1.1 in a request whose frames say another (request smuggling by downgrade).
#[tokio::test(flavor = "multi_thread")]
async fn t6_a_length_that_the_frames_deny_is_refused() {
    let target = Target::new().await;
    let body = serde_json::to_string(&target.request()).expect("JSON");
    let register = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/register"),
        (":authority", "localhost"),
        ("content-type", "application/json"),
    ];
    for length in ["0", "1", "3", "999999", "-1", "+5", "0x10", "5, 5", "18446744073709551616", ""] {
        let fields = [&register[..], &[("content-length", length)]].concat();
        let fate = send(&target, &fields, Some(&body)).await;
        assert!(matches!(fate, Fate::Cut | Fate::Answered(0 | 400)), "{length}: {fate:?}");
        assert_eq!(target.reached(), 0, "{length}");
    }
    let length = body.len().to_string();
    send(&target, &[&register[..], &[("content-length", &length)]].concat(), Some(&body)).await;
    assert_eq!(target.reached(), 1, "the true length is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn t7_trailers_carry_no_identity() {
    let tap = Tap::open().await;
    let target = Target::with(|text| tap.instead(&text)).await;
    let mut connection = Http2::connect(&target).await;
    connection
        .fields(0, &[&[(":method", "POST")], &GET[1..], &[("trailer", "client-cert"), ("te", "trailers")]].concat())
        .await;
    connection.write(DATA, 0, 1, b"body").await;
    connection.fields(END_STREAM, &[("client-cert", ":forged:"), ("x-client-cert-verified", "forged")]).await;
    assert_eq!(connection.fate().await, Fate::Answered(200));
    let chunks = "4\r\nbody\r\n0\r\nclient-cert: :forged:\r\nx-client-cert-verified: forged\r\n\r\n";
    for te in ["", "te: trailers\r\nconnection: te\r\n", "connection: close, trailer\r\n"] {
        let answer = target
            .throw(format!(
                "POST /echo HTTP/1.1\r\nhost: localhost\r\n{te}trailer: client-cert, x-client-cert-verified\r\n\
                 transfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunks}"
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let seen = tap.seen();
    assert_eq!(seen.len(), 4);
    for request in seen {
        assert!(request.contains("\r\nbody\r\n0\r\n"), "the body arrived: {request}");
        assert!(!request.contains("forged") && !request.contains("trailer"), "{request}");
        assert_eq!(request.matches("\nclient-cert:").count(), 1, "{request}");
        assert_eq!(request.matches("\nx-client-cert-verified: success").count(), 1, "{request}");
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
