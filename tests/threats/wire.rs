//! T6: request smuggling, in bytes that no HTTP library would send.

use crate::target::Target;

/// How many answers came.
fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_framing_that_can_be_read_in_two_ways_is_refused_and_ends_the_connection() {
    let target = Target::new().await;
    let smuggled = "GET /echo?smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let post = |headers: &str, body: &str| format!("POST /echo HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n{body}");
    let chunked = "0\r\n\r\n";
    for (name, request) in [
        ("CL and TE", post("content-length: 5\r\ntransfer-encoding: chunked\r\n", &format!("{chunked}{smuggled}"))),
        ("TE and CL", post("transfer-encoding: chunked\r\ncontent-length: 60\r\n", &format!("{chunked}{smuggled}"))),
        ("two lengths", post("content-length: 3\r\ncontent-length: 60\r\n", &format!("abc{smuggled}"))),
        ("a list of lengths", post("content-length: 3, 60\r\n", &format!("abc{smuggled}"))),
        ("a signed length", post("content-length: +3\r\n", &format!("abc{smuggled}"))),
        ("a negative length", post("content-length: -1\r\n", smuggled)),
        ("a hexadecimal length", post("content-length: 0x3\r\n", &format!("abc{smuggled}"))),
        ("TE xchunked", post("transfer-encoding: xchunked\r\n", &format!("{chunked}{smuggled}"))),
        ("TE chunked, identity", post("transfer-encoding: chunked, identity\r\n", &format!("{chunked}{smuggled}"))),
        ("TE identity", post("transfer-encoding: identity\r\ncontent-length: 3\r\n", &format!("abc{smuggled}"))),
        ("a space before the colon", post("transfer-encoding : chunked\r\n", &format!("{chunked}{smuggled}"))),
        ("a folded line", post("transfer-encoding:\r\n chunked\r\n", &format!("{chunked}{smuggled}"))),
        (
            "a chunk size with a sign",
            post("transfer-encoding: chunked\r\n", &format!("+3\r\nabc\r\n0\r\n\r\n{smuggled}")),
        ),
        (
            "a chunk size that overflows",
            post("transfer-encoding: chunked\r\n", &format!("ffffffffffffffff1\r\nabc\r\n0\r\n\r\n{smuggled}")),
        ),
        (
            "a chunk extension with a bare LF",
            post("transfer-encoding: chunked\r\n", &format!("3;a\nb\r\nabc\r\n0\r\n\r\n{smuggled}")),
        ),
        ("two hosts", format!("GET /echo HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n{smuggled}")),
        ("another authority", format!("GET https://evil.example/echo HTTP/1.1\r\nhost: localhost\r\n\r\n{smuggled}")),
        ("no host", format!("GET /echo HTTP/1.1\r\naccept: */*\r\n\r\n{smuggled}")),
        ("a host with user information", format!("GET /echo HTTP/1.1\r\nhost: a@localhost\r\n\r\n{smuggled}")),
        ("a NUL in a value", format!("GET /echo HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n{smuggled}")),
        ("a bare CR", format!("GET /echo HTTP/1.1\r\nhost: localhost\r\nx: a\rclient-cert: b\r\n\r\n{smuggled}")),
    ] {
        let answer = target.throw(&request).await;
        assert!(answers(&answer) <= 1, "{name}: what was smuggled got an answer: {answer}");
        // RFC 9112 §6.1: with both, chunks decide, and the connection ends with the answer.
        assert!(!answer.contains("HTTP/1.1 2") || name.contains("CL"), "{name}: {answer}");
        let requests = target.gate.world.identity_server.requests();
        assert!(requests.iter().all(|request| request.uri().query().is_none()), "{name}: it was smuggled through");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_what_is_forwarded_is_framed_anew() {
    let target = Target::new().await;
    let body = serde_json::to_string(&target.request()).expect("JSON");
    let (first, second) = body.split_at(body.len() / 2);
    let chunks = format!(
        "{:x};name=value\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\nclient-cert: :AA==:\r\n\r\n",
        first.len(),
        second.len()
    );
    let answer = target
        .throw(format!(
            "POST /register HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
             transfer-encoding: chunked\r\ntrailer: client-cert\r\nconnection: close\r\n\r\n{chunks}"
        ))
        .await;
    assert!(answer.contains("HTTP/1.1 201 "), "{answer}");
    let requests = target.gate.world.identity_server.requests();
    let sent = requests.last().expect("a request");
    assert_eq!(sent.headers()["content-length"], sent.body().len().to_string());
    for name in ["transfer-encoding", "trailer", "expect", "connection"] {
        assert!(!sent.headers().contains_key(name), "{name}");
    }
    assert_eq!(sent.headers().get_all("client-cert").iter().count(), 1);
    assert_ne!(sent.headers()["client-cert"], ":AA==:");
}
