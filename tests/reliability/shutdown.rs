//! R11: SIGTERM while requests are in progress.

use bytes::Bytes;
use dcrgate::sandbox::identity_server::Behaviour;
use dcrgate::sandbox::third_party::{Protocol, registration};
use tokio::net::TcpStream;

use crate::applicant::{Applicant, soon};
use crate::gate::{self, Program};
use crate::records::Records;
use crate::wire::Http2;

#[tokio::test(flavor = "multi_thread")]
async fn r11_sigterm_lets_requests_finish_and_ends_with_status_0() {
    let (_home, world) = gate::world(|text| text).await;
    let mut program = Program::run(&world.configuration());
    let address = program.address;
    let mut idle = Http2::connect(&world, None, address).await;
    world.identity_server.behave(Behaviour::Hold);
    let mut running = tokio::task::JoinSet::new();
    for n in 0..8 {
        let protocol = if n % 2 == 0 { Protocol::Http1 } else { Protocol::Http2 };
        let Applicant { client, body, .. } = Applicant::new(&world, &format!("in progress {n}"));
        let mut connection = client.connect(address, protocol).await.expect("a connection");
        running.spawn(async move {
            let answer = connection.send(registration(body)).await.expect("an answer");
            let next = connection.send(http::Request::get("/echo").body(Bytes::new()).expect("a request")).await;
            (protocol, answer, next.is_err())
        });
    }
    soon(world.identity_server.arrived(8)).await;
    program.signal("TERM");
    program.until("draining");
    soon(async {
        // What was in the backlog is reset; then nobody listens any more.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    soon(idle.until(Http2::GOAWAY)).await;
    // It acknowledges nothing, so the drain would wait for it.
    drop(idle);

    world.identity_server.behave(Behaviour::Work);
    for (protocol, answer, closed) in soon(running.join_all()).await {
        assert_eq!(answer.status(), 201, "{protocol:?}");
        if protocol == Protocol::Http1 {
            assert_eq!(answer.headers()["connection"], "close");
        }
        assert!(closed, "{protocol:?}: no further request is taken");
    }
    assert_eq!(program.ended(), Some(0));
    assert!(!world.path("data/dcrgate.db-wal").exists(), "the database is closed cleanly");
    assert_eq!(Records::of(&world.path("data/dcrgate.db")).outcomes(), ["admitted"; 8]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_the_drain_ends_at_its_limit_and_what_was_cut_is_interrupted() {
    let (_home, world) = gate::world(|text| text + "\n[limits]\ndrain = \"1s\"\n").await;
    let mut program = Program::run(&world.configuration());
    world.identity_server.behave(Behaviour::Hold);
    let applicant = Applicant::new(&world, "never answered");
    let address = program.address;
    let running = tokio::spawn(async move { applicant.try_to_apply(address).await });
    soon(world.identity_server.arrived(1)).await;
    program.signal("TERM");
    assert_eq!(program.ended(), Some(0));
    assert!(soon(running).await.expect("no panic").is_none());
    let _next = Program::run(&world.configuration());
    assert_eq!(Records::of(&world.path("data/dcrgate.db")).outcomes(), ["interrupted"]);
}
