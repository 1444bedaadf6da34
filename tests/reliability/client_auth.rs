//! Client authentication in the handshake: `require`, and hosts that ask for different things.

use bytes::Bytes;
use dcrgate::sandbox::subject::Subject;
use dcrgate::sandbox::third_party::Protocol;
use dcrgate::sandbox::{KeyKind, Validity};
use http::Request;
use rustls::version::TLS13;

use crate::applicant::{Answer, Applicant, soon};
use crate::gate::{self, Gate, Program};
use crate::records::Records;
use crate::wire::{Caller, request};

fn requiring(text: &str) -> String {
    text.replace("client_auth = \"request\"", "client_auth = \"require\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn require_cuts_the_handshake_of_a_stranger_and_records_it() {
    let mut gate = Gate::with(|text| requiring(&text)).await;
    let world = &gate.world;
    let software = world.enrol("stranger");
    let (subject, validity) = (Subject::transport(&software), Validity::current(world.now()));
    let stranger = world.strangers.client(&subject, &software.host, KeyKind::Ecdsa, &validity).expect("a certificate");
    let digest = dcrgate::model::digest::Digest::of(stranger.certificate()).to_string();
    let stranger = Applicant::with(world, software, stranger);
    assert!(soon(stranger.try_to_apply(gate.address)).await.is_none(), "a stranger");
    let revoked = world.third_party(Some(&world.revoked)).expect("a client");
    assert!(soon(revoked.register(gate.address, "{}")).await.is_err(), "revoked");
    let nobody = world.third_party(None).expect("a client");
    assert!(soon(nobody.register(gate.address, "{}")).await.is_err(), "no certificate");
    let known = Applicant::new(world, "known");
    assert_eq!(soon(known.apply(gate.address)).await.status, 201);

    gate.stop().await;
    let cut = Records::of(&gate.database()).events("tls.handshake");
    assert_eq!(cut.len(), 3, "{cut:?}");
    // Connections are served side by side, so the order of their records is not the order of their making.
    assert!(cut.iter().all(|record| record["outcome"] == "rejected"), "{cut:?}");
    for reason in ["does not verify", "revoked", "no client certificate", &digest] {
        assert_eq!(
            cut.iter().filter(|record| record["checks"].to_string().contains(reason)).count(),
            1,
            "{reason}: {cut:?}"
        );
    }
    assert_eq!(gate.world.identity_server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn require_holds_on_every_route_of_a_connection_whose_authority_was_removed() {
    let (_home, world) = gate::world(|text| requiring(&text)).await;
    let program = Program::run(&world.configuration());
    let known = Applicant::new(&world, "known");
    let mut connection = known.client.connect(program.address, Protocol::Http2).await.expect("a connection");
    let echo = || Request::get("/echo").body(Bytes::new()).expect("a request");
    assert_eq!(connection.send(echo()).await.expect("an answer").status(), 200);
    let list = world.clients.revocation_list(&[&known.identity], world.now()).expect("a list");
    std::fs::write(world.path("certs/authorities/clients-issuing.crl"), list).expect("a list");
    program.signal("HUP");
    program.until("configuration reloaded");
    let answer = Answer::from(connection.send(echo()).await.expect("an answer"));
    assert_eq!(answer.outcome(), (401, "invalid_client"));
    assert_eq!(world.identity_server.requests().len(), 1);
}

/// A second host behind the same listener and certificate.
fn second_host(text: &str, first: &str, second: &str) -> String {
    let (before, after) = text.split_once("[hosts.\"localhost\"]\n").expect("the host");
    let gated = ["path = \"/register\"\n", "path = \"/register/{client_id}\"\n"];
    let moved = |text: String, path: &&str| text.replace(path, &format!("{path}hosts = [\"bank.localhost\"]\n"));
    let after = gated.iter().fold(after.to_owned(), moved);
    let second = format!("[hosts.\"bank.localhost\"]\npublic_base = \"https://bank.localhost\"\n{second}\n");
    format!("{before}{second}[hosts.\"localhost\"]\n{first}\n{after}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_for_something_else_than_the_handshake_did_answers_421() {
    let cases = [
        ("client_auth = \"request\"", "client_auth = \"require\"", "request"),
        ("client_auth = \"off\"", "client_auth = \"request\"", "request"),
        // The second host says nothing: the listener's word counts for it.
        ("client_auth = \"off\"", "", "require"),
        ("client_auth = \"request\"", "", "require"),
    ];
    for (first, second, listener) in cases {
        let listener = format!("client_auth = \"{listener}\"");
        let gate =
            Gate::with(|text| second_host(&text.replacen("client_auth = \"request\"", &listener, 1), first, second))
                .await;
        let caller = Caller::new(&gate.world, None, "http/1.1", &TLS13);
        let own = caller.call(gate.address, &request("GET", "/echo", "localhost", "")).await.expect("an answer");
        assert!(own.answer.starts_with("HTTP/1.1 200"), "{first} {second} {listener}: {}", own.answer);
        for path in ["/echo", "/register"] {
            let other = request("POST", path, "bank.localhost", "{}");
            let other = caller.call(gate.address, &other).await.expect("an answer");
            assert!(other.answer.starts_with("HTTP/1.1 421"), "{first} {second} {listener}: {}", other.answer);
        }
        assert_eq!(gate.world.identity_server.requests().len(), 1);
    }
}
