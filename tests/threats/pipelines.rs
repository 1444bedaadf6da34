//! T6: what stands behind a request that was refused is not taken for the next one.

use crate::tap::Tap;
use crate::target::Target;

const SMUGGLED: &str = "GET /echo?smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n";
const LAST: &str = "GET /echo?last HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// Whether the identity server saw a request with this query.
fn saw(target: &Target, query: &str) -> bool {
    target.gate.world.identity_server.requests().iter().any(|request| request.uri().query() == Some(query))
}

/// The server answers before it has read the body, so what it does with the rest decides.
#[tokio::test(flavor = "multi_thread")]
async fn t6_the_body_of_a_refused_request_is_never_the_next_request() {
    let target = Target::new().await;
    let long = format!("{SMUGGLED}{}", "x".repeat(100_000));
    for (name, line, headers, body, status) in [
        ("no JSON", "POST /register", "content-type: text/plain\r\n", SMUGGLED, 415),
        ("a form", "POST /register", "content-type: application/x-www-form-urlencoded\r\n", SMUGGLED, 415),
        ("broken JSON", "POST /register", "content-type: application/json\r\n", SMUGGLED, 400),
        ("too large", "POST /register", "content-type: application/json\r\n", &long, 413),
        ("a method", "PUT /register", "content-type: application/json\r\n", SMUGGLED, 405),
        ("GET with a body", "GET /register", "", SMUGGLED, 405),
        ("nothing there", "POST /nowhere", "", SMUGGLED, 404),
        ("a reserved path", "POST /reg", "", SMUGGLED, 404),
        ("a path of two readings", "POST /x/../reg", "", SMUGGLED, 400),
        ("an upgrade", "POST /echo", "connection: upgrade\r\nupgrade: h2c\r\n", SMUGGLED, 501),
        ("a tunnel", "CONNECT localhost:443", "", SMUGGLED, 501),
    ] {
        for expect in ["", "expect: 100-continue\r\n"] {
            let length = body.len();
            let head =
                format!("{line} HTTP/1.1\r\nhost: localhost:443\r\n{headers}{expect}content-length: {length}\r\n\r\n");
            let head = if line.starts_with("CONNECT") { head } else { head.replacen(":443", "", 1) };
            let answer = target.throw(format!("{head}{body}{LAST}")).await;
            let answer = answer.trim_start_matches("HTTP/1.1 100 Continue\r\n\r\n");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
            assert!(answer.matches("HTTP/1.1 ").count() <= 2, "{name}: {answer}");
            assert!(!saw(&target, "smuggled"), "{name}: it was smuggled through");
        }
    }
}

/// Malformed framing ends the connection: nothing behind it is read as a request, good as it may look.
#[tokio::test(flavor = "multi_thread")]
async fn t6_nothing_is_read_behind_a_malformed_request() {
    let target = Target::new().await;
    let body = serde_json::to_string(&target.request()).expect("JSON");
    let good = format!(
        "POST /register HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    let register = "POST /register HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    for (name, first) in [
        ("a length that is none", format!("{register}content-length: abc\r\n\r\n")),
        ("two lengths", format!("{register}content-length: 0\r\ncontent-length: 1\r\n\r\n")),
        ("an unknown coding", format!("{register}transfer-encoding: gzip\r\n\r\n")),
        ("chunked and something", format!("{register}transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n")),
        ("a vertical tab", format!("{register}transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n")),
        ("quotes", format!("{register}transfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n")),
        (
            "chunks in HTTP/1.0",
            format!("{register}transfer-encoding: chunked\r\n\r\n0\r\n\r\n").replacen("1.1", "1.0", 1),
        ),
        ("a chunk without its end", format!("{register}transfer-encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n")),
        ("a chunk size that is none", format!("{register}transfer-encoding: chunked\r\n\r\nx\r\n\r\n0\r\n\r\n")),
        ("a chunk size in 0x", format!("{register}transfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n")),
        ("a bare LF in an extension", format!("{register}transfer-encoding: chunked\r\n\r\n1;x\nabc\r\n0\r\n\r\n")),
        ("a space before the colon", format!("{register}content-length : 0\r\n\r\n")),
        ("a name with a space", format!("{register}content length: 0\r\n\r\n")),
        ("a line without a colon", format!("{register}transfer-encoding chunked\r\n\r\n")),
        ("a folded line", format!("{register}x: a\r\n content-length: 0\r\n\r\n")),
        ("NUL in a name", format!("{register}x\0: a\r\n\r\n")),
        ("another version", "POST /register HTTP/3.7\r\nhost: localhost\r\n\r\n".to_owned()),
        ("no version", "POST /register\r\nhost: localhost\r\n\r\n".to_owned()),
        ("two spaces", "POST  /register  HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned()),
        ("two hosts", format!("{register}host: evil.example\r\ncontent-length: 0\r\n\r\n")),
        ("no host", "POST /register HTTP/1.1\r\ncontent-length: 0\r\n\r\n".to_owned()),
        ("a chunk size that overflows", format!("{register}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n")),
    ] {
        let answer = target.throw(format!("{first}{good}")).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{name}: {answer}");
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{name}: {answer}");
        assert_eq!(target.reached(), 0, "{name}: what followed was forwarded");
    }
    assert!(target.throw(good).await.starts_with("HTTP/1.1 201 "), "the good request is served where it stands alone");
}

/// RFC 9112 §6.1: where both are there chunks decide, the length does not travel, and the connection ends.
#[tokio::test(flavor = "multi_thread")]
async fn t6_length_and_chunks_together_are_framed_anew() {
    let tap = Tap::open().await;
    let target = Target::with(|text| tap.instead(&text)).await;
    for both in [
        "content-length: 60\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
        "transfer-encoding: Chunked\r\ncontent-length: 60\r\n",
        "content-length: 6\r\nTransfer-Encoding:\tchunked\r\n",
    ] {
        let head = format!("POST /echo HTTP/1.1\r\nhost: localhost\r\n{both}\r\n");
        let answer = target.throw(format!("{head}3;x=y\r\nabc\r\n0\r\n\r\n{SMUGGLED}")).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{both}: {answer}");
    }
    for request in tap.seen() {
        let (head, body) = request.split_once("\r\n\r\n").expect("a head");
        assert!(!head.contains("content-length") && head.contains("transfer-encoding: chunked"), "{request}");
        assert_eq!(body, "3\r\nabc\r\n0\r\n\r\n", "no extension, nothing behind it");
    }
}
