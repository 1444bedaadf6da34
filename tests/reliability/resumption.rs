//! Resumed TLS sessions are judged like new ones, and by default there are none.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dcrgate::model::time::{Clock, SystemClock, Timestamp};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use crate::applicant::Applicant;
use crate::gate::{self, Gate, Program};
use crate::wire::{Caller, request};

/// The system's clock, ahead by what a test wants.
#[derive(Debug, Default)]
struct Ahead(AtomicI64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs()))
    }
}

fn resuming(text: &str) -> String {
    text.replace("client_auth = \"request\"\n", "client_auth = \"request\"\nresumption = true\n")
}

fn register(applicant: &Applicant) -> String {
    request("POST", "/register", "localhost", std::str::from_utf8(&applicant.body).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_no_ticket_is_sent_and_no_session_resumed() {
    let gate = Gate::start().await;
    let applicant = Applicant::new(&gate.world, "no tickets");
    for version in [&TLS12, &TLS13] {
        let caller = Caller::new(&gate.world, Some(&applicant.identity), "http/1.1", version);
        for _ in 0..2 {
            let called = caller.call(gate.address, &request("GET", "/echo", "localhost", "")).await.expect("an answer");
            assert!(called.answer.starts_with("HTTP/1.1 200"), "{}", called.answer);
            assert_eq!(called.tickets, 0);
            assert_ne!(called.handshake, HandshakeKind::Resumed, "{version:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_session_carries_the_certificate_of_the_first() {
    let gate = Gate::with(|text| resuming(&text)).await;
    for version in [&TLS12, &TLS13] {
        let applicant = Applicant::new(&gate.world, &format!("resumed {version:?}"));
        let caller = Caller::new(&gate.world, Some(&applicant.identity), "http/1.1", version);
        let first = caller.call(gate.address, &request("GET", "/echo", "localhost", "")).await.expect("an answer");
        let second = caller.call(gate.address, &register(&applicant)).await.expect("an answer");
        assert_eq!(first.handshake, HandshakeKind::Full);
        assert_eq!(second.handshake, HandshakeKind::Resumed, "{version:?}");
        assert!(second.answer.starts_with("HTTP/1.1 201"), "{}", second.answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_session_is_refused_once_its_certificate_has_expired() {
    let clock = Arc::new(Ahead::default());
    let gate = Gate::at(Arc::clone(&clock) as Arc<dyn Clock>, |text| resuming(&text)).await;
    for version in [&TLS12, &TLS13] {
        clock.0.store(0, Ordering::SeqCst);
        let applicant = Applicant::new(&gate.world, &format!("expired {version:?}"));
        let caller = Caller::new(&gate.world, Some(&applicant.identity), "http/1.1", version);
        let first = caller.call(gate.address, &request("GET", "/echo", "localhost", "")).await.expect("an answer");
        assert!(first.answer.contains("client-cert"), "{}", first.answer);
        clock.0.store(20 * 365 * 24 * 3600, Ordering::SeqCst);
        let second = caller.call(gate.address, &register(&applicant)).await.expect("an answer");
        assert_eq!(second.handshake, HandshakeKind::Resumed, "{version:?}");
        assert!(second.answer.starts_with("HTTP/1.1 401"), "{}", second.answer);
        let third = caller.call(gate.address, &request("GET", "/echo", "localhost", "")).await.expect("an answer");
        assert!(!third.answer.contains("client-cert"), "{}", third.answer);
    }
    assert!(gate.world.identity_server.requests().iter().all(|request| request.uri().path() == "/echo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reload_a_session_of_before_is_refused_like_a_new_one() {
    let (_home, world) = gate::world(|text| resuming(&text)).await;
    let program = Program::run(&world.configuration());
    let applicants = [&TLS12, &TLS13].map(|version| {
        let applicant = Applicant::new(&world, &format!("revoked {version:?}"));
        let caller = Caller::new(&world, Some(&applicant.identity), "http/1.1", version);
        (applicant, caller)
    });
    for (_, caller) in &applicants {
        caller.call(program.address, &request("GET", "/echo", "localhost", "")).await.expect("an answer");
    }
    let revoked = [&*applicants[0].0.identity, &*applicants[1].0.identity];
    let list = world.clients.revocation_list(&revoked, world.now()).expect("a list");
    std::fs::write(world.path("certs/authorities/clients-issuing.crl"), list).expect("a list");
    program.signal("HUP");
    program.until("configuration reloaded");
    for (applicant, caller) in &applicants {
        let called = caller.call(program.address, &register(applicant)).await.expect("an answer");
        assert!(called.answer.starts_with("HTTP/1.1 401"), "{}", called.answer);
    }
}
