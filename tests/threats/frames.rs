//! T6 and T7 in HTTP/2: frames and field blocks that no library would send (RFC 9113 §8.2, RFC 7541 §6.2).

use crate::http2::{DATA, ECHO as GET, END_STREAM, Field, GOAWAY, HEADERS, Http2, REGISTER, RST_STREAM};
use crate::tap::Tap;
use crate::target::Target;

/// What the proxy did with a request.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// Answered with this status where it is 200, 400 or 404; others are 0.
    Answered(u16),
    /// The stream or the connection was ended.
    Cut,
}

async fn connect(target: &Target) -> Http2 {
    Http2::connect(&target.attacker.client, target.gate.address).await
}

/// What becomes of the one request of a connection.
async fn fate(connection: &mut Http2) -> Fate {
    loop {
        match connection.next().await {
            Ok(frame) if frame.kind == HEADERS => return Fate::Answered(frame.status()),
            Ok(frame) if frame.kind != RST_STREAM && frame.kind != GOAWAY => {}
            _ => return Fate::Cut,
        }
    }
}

async fn send(target: &Target, fields: &[Field<'_>], body: Option<&str>) -> Fate {
    let mut connection = connect(target).await;
    match body {
        None => connection.fields(END_STREAM, 1, fields).await,
        Some(body) => {
            connection.fields(0, 1, fields).await;
            connection.write(DATA, END_STREAM, 1, body.as_bytes()).await;
        }
    }
    fate(&mut connection).await
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
    for length in ["0", "1", "3", "999999", "-1", "+5", "0x10", "5, 5", "18446744073709551616", ""] {
        let fields = [&REGISTER[..], &[("content-length", length)]].concat();
        let fate = send(&target, &fields, Some(&body)).await;
        assert!(matches!(fate, Fate::Cut | Fate::Answered(0 | 400)), "{length}: {fate:?}");
        assert_eq!(target.reached(), 0, "{length}");
    }
    let length = body.len().to_string();
    send(&target, &[&REGISTER[..], &[("content-length", &length)]].concat(), Some(&body)).await;
    assert_eq!(target.reached(), 1, "the true length is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn t7_trailers_carry_no_identity() {
    let tap = Tap::open().await;
    let target = Target::with(|text| tap.instead(&text)).await;
    let mut connection = connect(&target).await;
    connection
        .fields(0, 1, &[&[(":method", "POST")], &GET[1..], &[("trailer", "client-cert"), ("te", "trailers")]].concat())
        .await;
    connection.write(DATA, 0, 1, b"body").await;
    connection.fields(END_STREAM, 1, &[("client-cert", ":forged:"), ("x-client-cert-verified", "forged")]).await;
    assert_eq!(fate(&mut connection).await, Fate::Answered(200));
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
