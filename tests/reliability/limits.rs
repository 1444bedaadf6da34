//! Limits of connections: how many, how slow, how many streams.

use dcrgate::sandbox::identity_server::Behaviour;
use dcrgate::sandbox::third_party::{Protocol, registration};
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::applicant::{Applicant, soon};
use crate::gate::Gate;
use crate::wire::{Caller, Http2, read};

async fn limited(limits: &str) -> Gate {
    Gate::with(|text| format!("{text}\n[limits]\n{limits}\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let gate = limited("connections = 2").await;
    let applicants = [1, 2, 3, 4].map(|n| Applicant::new(&gate.world, &format!("connection {n}")));
    let mut open = Vec::new();
    for applicant in &applicants[..2] {
        open.push(applicant.client.connect(gate.address, Protocol::Http1).await.expect("a connection"));
    }
    let waiting = applicants[2..].iter().cloned().map(|applicant| {
        let address = gate.address;
        tokio::spawn(async move { applicant.apply(address).await.status })
    });
    let waiting: Vec<_> = waiting.collect();
    for (connection, applicant) in open.iter_mut().zip(&applicants) {
        let answer = soon(connection.send(registration(applicant.body.clone()))).await.expect("an answer");
        assert_eq!(answer.status(), 201);
    }
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    assert_eq!(gate.world.identity_server.requests().len(), 2);
    drop(open);
    for waiting in waiting {
        assert_eq!(soon(waiting).await.expect("no panic"), 201);
    }
}

/// Sends these bytes, then nothing, and reads what comes until the connection is closed.
fn stall(caller: &Caller, gate: &Gate, bytes: String) -> impl Future<Output = String> + use<> {
    let (caller, address) = (caller.clone(), gate.address);
    async move {
        let mut stream = caller.connect(address).await.expect("a connection");
        stream.write_all(bytes.as_bytes()).await.expect("sent");
        soon(read(&mut stream)).await.expect("a close")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_head_is_cut() {
    let gate = limited("header_timeout = \"1s\"").await;
    let caller = Caller::new(&gate.world, None, "http/1.1", &TLS13);
    let heads = ["", "POST /register HTT", "POST /register HTTP/1.1\r\nHost: localhost\r\nX-Slow: "];
    let stalled: JoinSet<String> = heads.into_iter().map(|head| stall(&caller, &gate, head.to_owned())).collect();
    for answer in stalled.join_all().await {
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_is_cut_and_nothing_is_forwarded() {
    let gate = limited("body_timeout = \"1s\"").await;
    let applicant = Applicant::new(&gate.world, "slow body");
    let caller = Caller::new(&gate.world, Some(&applicant.identity), "http/1.1", &TLS13);
    let head = "POST /register HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let bodies = ["Content-Length: 4000\r\n\r\n{\"a\":", "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n"];
    let stalled: JoinSet<String> =
        bodies.into_iter().map(|body| stall(&caller, &gate, format!("{head}{body}"))).collect();
    for answer in stalled.join_all().await {
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    assert!(gate.world.identity_server.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_never_shakes_hands_is_cut() {
    let gate = limited("handshake_timeout = \"1s\"").await;
    let mut sockets = Vec::new();
    for bytes in [&b""[..], &[0x16, 3, 1]] {
        let mut socket = TcpStream::connect(gate.address).await.expect("a connection");
        socket.write_all(bytes).await.expect("sent");
        sockets.push(socket);
    }
    for mut socket in sockets {
        let mut rest = Vec::new();
        // Cut with bytes unread it may be a reset.
        let _closed = soon(socket.read_to_end(&mut rest)).await;
        assert!(rest.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_a_connection_are_limited() {
    let gate = limited("streams = 2").await;
    let mut connection = Http2::connect(&gate.world, None, gate.address).await;
    let settings = soon(connection.until(Http2::SETTINGS)).await.payload;
    let most = settings.chunks(6).find(|setting| setting[..2] == [0, 3]).expect("SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(most[2..], [0, 0, 0, 2]);
    gate.world.identity_server.behave(Behaviour::Hold);
    for stream in [1, 3, 5] {
        connection.get(stream, "/echo").await;
    }
    let reset = soon(connection.until(Http2::RST_STREAM)).await;
    assert_eq!((reset.stream, reset.payload), (5, vec![0, 0, 0, 7]), "REFUSED_STREAM");
    soon(gate.world.identity_server.arrived(2)).await;
    assert_eq!(gate.world.identity_server.requests().len(), 2);
}

/// Slowloris before TLS: who says nothing, or half of a handshake, takes no turn.
#[tokio::test(flavor = "multi_thread")]
async fn stalled_handshakes_keep_nobody_from_shaking_hands() {
    let gate = limited("handshakes = 1").await;
    let caller = Caller::new(&gate.world, None, "http/1.1", &TLS13);
    let mut stalled = Vec::new();
    for bytes in [Vec::new(), vec![0x16, 3, 1], caller.hello(), caller.hello()] {
        let mut socket = TcpStream::connect(gate.address).await.expect("a connection");
        socket.write_all(&bytes).await.expect("sent");
        if bytes.len() > 3 {
            // The server has answered: from now on it waits for the client.
            soon(socket.readable()).await.expect("an answer");
        }
        stalled.push(socket);
    }
    let applicant = Applicant::new(&gate.world, "behind stalled handshakes");
    assert_eq!(soon(applicant.apply(gate.address)).await.status, 201);
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_of_http2_is_told_to_end() {
    let gate = limited("idle_timeout = \"1s\"").await;
    let mut connection = Http2::connect(&gate.world, None, gate.address).await;
    connection.get(1, "/echo").await;
    let goodbye = soon(connection.until(Http2::GOAWAY)).await;
    assert_eq!(goodbye.payload[4..8], [0, 0, 0, 0], "NO_ERROR");
    assert_eq!(gate.world.identity_server.requests().len(), 1, "after what was asked");
}
