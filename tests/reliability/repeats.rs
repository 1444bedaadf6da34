//! Clients that hang up, and requests that come again.

use dcrgate::sandbox::identity_server::Behaviour;
use rustls::version::TLS13;
use tokio::io::AsyncWriteExt as _;

use crate::applicant::{Applicant, soon};
use crate::gate::Gate;
use crate::records::Records;
use crate::wire::{Caller, Http2, read, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_does_not_leave_a_registration_half_told() {
    let mut gate = Gate::start().await;
    let applicant = Applicant::new(&gate.world, "hangs up");
    gate.world.identity_server.behave(Behaviour::Hold);
    let caller = Caller::new(&gate.world, Some(&applicant.identity), "http/1.1", &TLS13);
    let mut stream = caller.connect(gate.address).await.expect("a connection");
    let body = std::str::from_utf8(&applicant.body).expect("JSON");
    stream.write_all(request("POST", "/register", "localhost", body).as_bytes()).await.expect("sent");
    soon(gate.world.identity_server.arrived(1)).await;
    stream.shutdown().await.expect("hung up");
    // The proxy has noticed: it closed its side without an answer.
    assert_eq!(soon(read(&mut stream)).await.unwrap_or_default(), "");
    gate.world.identity_server.behave(Behaviour::Work);

    gate.stop().await;
    let records = Records::of(&gate.database());
    let decision = &records.all()[0];
    assert_eq!(decision.outcome(), "admitted");
    let client = records.record(decision.id)["client_id"].as_str().expect("a client").to_owned();
    let binding = records.binding(&client).expect("a binding");
    assert_eq!(binding.software.as_deref(), Some(&*applicant.software.id));

    gate.restart().await;
    let again = soon(applicant.apply(gate.address)).await;
    assert_eq!((again.status, again.id()), (201, decision.id));
    assert_eq!(again.json["client_id"], client.as_str());
    assert_eq!(gate.world.identity_server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset_does_not_leave_a_registration_half_told() {
    let mut gate = Gate::start().await;
    let applicant = Applicant::new(&gate.world, "is reset");
    gate.world.identity_server.behave(Behaviour::Hold);
    let (client, address) = (applicant.clone(), gate.address);
    let running = tokio::spawn(async move { client.try_to_apply(address).await });
    soon(gate.world.identity_server.arrived(1)).await;
    running.abort();
    assert!(running.await.is_err_and(|gone| gone.is_cancelled()));
    gate.world.identity_server.behave(Behaviour::Work);
    gate.stop().await;
    assert_eq!(Records::of(&gate.database()).outcomes(), ["admitted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_waits_while_the_first_is_in_progress_and_then_gets_its_answer() {
    let gate = Gate::start().await;
    let applicant = Applicant::new(&gate.world, "impatient");
    gate.world.identity_server.behave(Behaviour::Hold);
    let (client, address) = (applicant.clone(), gate.address);
    let first = tokio::spawn(async move { client.apply(address).await });
    soon(gate.world.identity_server.arrived(1)).await;
    for _ in 0..3 {
        let again = soon(applicant.apply(gate.address)).await;
        assert_eq!(again.outcome(), (503, "temporarily_unavailable"));
        assert!(again.retry_after.is_some());
    }
    gate.world.identity_server.behave(Behaviour::Work);
    let first = soon(first).await.expect("no panic");
    assert_eq!(first.status, 201);
    let again = soon(applicant.apply(gate.address)).await;
    assert_eq!((again.status, &again.bytes, again.id()), (201, &first.bytes, first.id()));
    assert_eq!(gate.world.identity_server.requests().len(), 1);
    assert_eq!(Records::of(&gate.database()).outcomes(), ["admitted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sixteen_at_once_one_is_forwarded_and_all_that_get_an_answer_get_the_same() {
    let gate = Gate::start().await;
    let applicant = Applicant::new(&gate.world, "sixteen");
    let requests = (0..16).map(|_| dcrgate::sandbox::third_party::registration(applicant.body.clone())).collect();
    let protocol = dcrgate::sandbox::third_party::Protocol::Http1;
    let answers = soon(applicant.client.send_at_once(gate.address, protocol, requests)).await;
    let mut told = std::collections::BTreeSet::new();
    for answer in answers {
        let answer = answer.expect("an answer");
        match answer.status().as_u16() {
            201 => drop(told.insert(answer.into_body())),
            other => assert_eq!(other, 503),
        }
    }
    assert_eq!(told.len(), 1);
    assert_eq!(gate.world.identity_server.requests().len(), 1);
    assert_eq!(Records::of(&gate.database()).outcomes(), ["admitted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_body_with_another_certificate_is_another_request() {
    let gate = Gate::start().await;
    let applicant = Applicant::new(&gate.world, "two certificates");
    assert_eq!(soon(applicant.apply(gate.address)).await.status, 201);
    let other = gate.world.transport(&applicant.software, dcrgate::sandbox::KeyKind::Ecdsa).expect("a certificate");
    let mut other = Applicant::with(&gate.world, applicant.software.clone(), other);
    other.body = applicant.body.clone();
    let answer = soon(other.apply(gate.address)).await;
    assert_eq!(answer.status, 400, "an answer with its token is for the certificate that registered");
    assert!(answer.json["registration_access_token"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_stream_of_a_stranger_forwards_nothing() {
    let gate = Gate::start().await;
    let mut connection = Http2::connect(&gate.world, None, gate.address).await;
    connection.get(1, "/register").await;
    drop(connection);
    let applicant = Applicant::new(&gate.world, "after it");
    assert_eq!(soon(applicant.apply(gate.address)).await.status, 201);
    assert_eq!(gate.world.identity_server.requests().len(), 1);
}
