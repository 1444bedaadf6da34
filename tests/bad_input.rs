//! Bad input gets a clear JSON error, reaches nobody, and leaves the proxy as it was.

#![cfg(test)]

#[path = "support/gate.rs"]
mod gate;
#[path = "bad_input/others.rs"]
mod others;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use bytes::Bytes;
use dcrgate::sandbox::{KeyKind, Software, ThirdParty};
use dcrgate::store::{Filter, Reader};
use gate::Gate;
use http::{Request, Response};
use serde_json::Value;

/// A third party with a good certificate and a good body.
struct Sender {
    software: Software,
    client: ThirdParty,
    body: Vec<u8>,
}

impl Sender {
    fn new(gate: &Gate, name: &str) -> Self {
        let software = gate.world.enrol(name);
        let identity = gate.world.transport(&software, KeyKind::Ecdsa).expect("a certificate");
        let client = gate.world.third_party(Some(&identity)).expect("a client");
        let request = gate.world.request(&software).expect("a request");
        Self { software, client, body: serde_json::to_vec(&request).expect("JSON") }
    }

    async fn sends(&self, gate: &Gate, body: impl Into<Bytes>) -> Response<Bytes> {
        let request = Request::post("/register").header("content-type", "application/json").body(body.into());
        let protocol = dcrgate::sandbox::third_party::Protocol::Http1;
        self.client.send(gate.address, protocol, request.expect("a request")).await.expect("an answer")
    }

    async fn is_served(&self, gate: &Gate) {
        assert_eq!(self.sends(gate, self.body.clone()).await.status(), 201, "a good request is served afterwards");
    }
}

/// Status and `error`, after everything that every refusal promises.
fn told(answer: &Response<Bytes>) -> (u16, String) {
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let json: Value = serde_json::from_slice(answer.body()).expect("JSON");
    assert!(json["error_description"].as_str().is_some_and(|text| !text.is_empty() && text.is_ascii()));
    (answer.status().as_u16(), json["error"].as_str().expect("an error").to_owned())
}

fn outcomes(gate: &Gate) -> Vec<String> {
    let everything = Filter { outcome: None, since: None, limit: 100 };
    let decisions = Reader::open(&gate.database()).expect("a ledger").decisions(&everything).expect("decisions");
    decisions.iter().map(|decision| decision.outcome().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_registration_request() {
    let gate = Gate::start().await;
    let sender = Sender::new(&gate, "bodies");
    let text = String::from_utf8(sender.body.clone()).expect("text");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("10 MB", format!("{{\"a\":\"{}\"}}", "x".repeat(10 << 20)).into_bytes(), 413),
        ("nested 10,000 deep", deep.into_bytes(), 400),
        ("a member twice", text.replacen('{', "{\"jwks_uri\":\"https://a.example\",", 1).into_bytes(), 400),
        ("UTF-16", utf16, 400),
        ("UTF-8 cut short", [sender.body.as_slice(), b"\xc3"].concat(), 400),
        ("two documents", [sender.body.as_slice(), sender.body.as_slice()].concat(), 400),
        ("a list", b"[]".to_vec(), 400),
        ("nothing", Vec::new(), 400),
    ];
    for (name, body, status) in &cases {
        let answer = sender.sends(&gate, body.clone()).await;
        assert_eq!(told(&answer), (*status, "invalid_request".to_owned()), "{name}");
        assert!(answer.headers().contains_key("dcr-decision-id"), "{name}");
    }
    assert_eq!(gate.world.identity_server.requests().len(), 0);
    assert_eq!(outcomes(&gate), vec!["rejected"; cases.len()], "every refusal is on record");
    sender.is_served(&gate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_speak_no_tls_or_break_off() {
    let gate = Gate::start().await;
    let sender = Sender::new(&gate, "connections");
    let address = gate.address;
    let noise: Vec<u8> = (0..4096_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[1]).collect();
    let sslv2 = b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10\x00\x00\x04\x00\x00\x05\x00\x00\x0a".to_vec();
    let cut_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    let sslv3 =
        [b"\x16\x03\x00\x00\x2d\x01\x00\x00\x29\x03\x00".as_slice(), &[7; 32], b"\0\0\x02\0\x0a\x01\0"].concat();
    let heartbeat = b"\x18\x03\x02\x00\x03\x01\x40\x00".to_vec(); // CVE-2014-0160
    let too_long = [b"\x16\x03\x01\xff\xff".as_slice(), &[1; 0xffff]].concat();
    let alert = b"\x15\x03\x03\x00\x02\x02\x28".to_vec();
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    let plain = b"POST /register HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}".to_vec();
    for bytes in [noise, sslv2, sslv3, heartbeat, too_long, alert, cut_hello, http2, plain, Vec::new()] {
        tokio::task::spawn_blocking(move || throw(address, &bytes)).await.expect("thrown");
    }
    assert_eq!(gate.world.identity_server.requests().len(), 0);
    assert!(outcomes(&gate).is_empty(), "nobody was there to be refused");
    sender.is_served(&gate).await;
}

/// Sends bytes that are no TLS and reads until the other side has enough of it.
fn throw(address: SocketAddr, bytes: &[u8]) {
    let mut socket = TcpStream::connect(address).expect("a connection");
    // It may be closed while this is written.
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    // A TLS alert, or nothing.
    assert!(answer.first().is_none_or(|kind| *kind == 0x15), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_is_no_request() {
    let limits = "\n[limits]\nheader_timeout = \"1s\"\nbody_timeout = \"1s\"\n";
    let gate = Gate::with(|text| text + limits).await;
    let sender = Sender::new(&gate, "half");
    let head = format!(
        "POST /register HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        sender.body.len()
    );
    let half = [head.as_bytes(), sender.body.get(..sender.body.len() / 2).expect("half")].concat();
    for part in [&half, head.as_bytes()] {
        let answer = sender.client.exchange(gate.address, part).await.expect("an answer");
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("did not arrive in time"), "{answer}");
    }
    // Where not even the head arrived there is nobody to answer: the connection is closed.
    let answer = sender.client.exchange(gate.address, &head.as_bytes()[..20]).await.expect("a close");
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "half a head is answered");
    assert_eq!(gate.world.identity_server.requests().len(), 0);
    assert_eq!(outcomes(&gate), ["rejected"; 2]);
    sender.is_served(&gate).await;
}
