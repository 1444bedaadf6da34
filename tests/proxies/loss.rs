//! A proxy that dies, a name that is used twice, a database that goes and comes back.

use dcrgate::sandbox::identity_server::Behaviour;
use dcrgate::sandbox::third_party::Protocol;
use http::Request;

use crate::applicant::{Answer, Applicant, soon};
use crate::fleet::Fleet;
use crate::gate::PATIENCE;
use crate::postgres::Postgres;
use crate::programs::{self, or_skip};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_proxy_left_open_is_ended_by_another_after_its_lease() {
    let server = or_skip!(Postgres::shared());
    let mut fleet = Fleet::impatient(server.database()).await;
    let applicant = Applicant::new(&fleet.world, "cut off");
    fleet.world.identity_server.behave(Behaviour::Hold);
    let (running, address) = (applicant.clone(), fleet.proxies[0].address);
    let running = tokio::spawn(async move { running.try_to_apply(address).await });
    soon(fleet.world.identity_server.arrived(1)).await;
    fleet.proxies[0].kill();
    assert!(soon(running).await.expect("no panic").is_none());
    fleet.world.identity_server.behave(Behaviour::Work);

    // As long as the lease runs it may be in progress.
    let during = soon(applicant.apply(fleet.proxies[1].address)).await;
    assert_eq!(during.outcome(), (503, "temporarily_unavailable"));
    assert_eq!(fleet.ended("open"), 1);
    let until = tokio::time::Instant::now() + PATIENCE;
    while fleet.ended("interrupted") == 0 {
        assert!(tokio::time::Instant::now() < until, "nobody ended it");
        tokio::task::yield_now().await;
    }
    let decisions = fleet.decisions();
    let ended = decisions[0].ended.as_ref().expect("an end");
    assert!(["gate-2", "gate-3"].contains(&&*ended.writer), "{}", ended.writer);
    // The request is not in progress any more, and its statement stays used.
    assert_eq!(soon(applicant.apply(fleet.proxies[2].address)).await.status, 400);
    assert_eq!(fleet.world.identity_server.requests().len(), 1);
    // Its own place is free at once.
    fleet.proxies[0] = fleet.start(1);
    let next = Applicant::new(&fleet.world, "after it");
    assert_eq!(soon(next.apply(fleet.proxies[0].address)).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_of_the_same_name_does_not_start() {
    let server = or_skip!(Postgres::shared());
    let fleet = Fleet::on(server.database()).await;
    let second = fleet.command(2).output().expect("the binary runs");
    assert_eq!(second.status.code(), Some(3));
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(told.contains("the writer `gate-2` is in use by another dcrgate"), "{told}");
    let applicant = Applicant::new(&fleet.world, "undisturbed");
    assert_eq!(soon(applicant.apply(fleet.proxies[1].address)).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_gated_routes_answer_503_and_others_go_on_until_it_is_back() {
    let server = or_skip!(Postgres::start());
    let fleet = Fleet::on(server.database()).await;
    let before = Applicant::new(&fleet.world, "before");
    let first = soon(before.apply(fleet.proxies[0].address)).await;
    assert_eq!(first.status, 201);

    server.stop();
    let during = Applicant::new(&fleet.world, "during");
    for proxy in &fleet.proxies {
        let refused = soon(during.apply(proxy.address)).await;
        assert_eq!(refused.outcome(), (503, "temporarily_unavailable"));
        assert!(refused.retry_after.is_some());
        let get = Request::get("/.well-known/openid-configuration").body(bytes::Bytes::new()).expect("a request");
        let other = soon(during.client.send(proxy.address, Protocol::Http1, get)).await.expect("an answer");
        assert_eq!(other.status(), 200, "a proxy route");
    }
    assert_eq!(fleet.world.identity_server.requests().iter().filter(|request| request.method() == "POST").count(), 1);

    server.again();
    for proxy in &fleet.proxies {
        assert_eq!(recovered(&during, proxy.address).await.status, 201);
        let again = soon(before.apply(proxy.address)).await;
        assert_eq!((again.status, &again.bytes), (201, &first.bytes), "the stored answer");
    }
    assert_eq!(fleet.ended("admitted"), 2);
    assert_eq!(fleet.ended("open"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_costs_a_bounded_time_and_no_result() {
    let server = or_skip!(Postgres::start());
    let fleet = Fleet::on(server.database()).await;
    let applicant = Applicant::new(&fleet.world, "answered meanwhile");
    fleet.world.identity_server.behave(Behaviour::Hold);
    let (running, address) = (applicant.clone(), fleet.proxies[0].address);
    let running = tokio::spawn(async move { running.apply(address).await });
    soon(fleet.world.identity_server.arrived(1)).await;
    server.freeze();
    fleet.world.identity_server.behave(Behaviour::Work);
    // The client exists, which cannot be recorded now: it is not told.
    assert_eq!(soon(running).await.expect("no panic").status, 503);
    let other = Applicant::new(&fleet.world, "meanwhile");
    assert_eq!(soon(other.apply(fleet.proxies[1].address)).await.status, 503);

    server.thaw();
    // The result was kept in memory, and the same request gets it.
    assert_eq!(recovered(&applicant, fleet.proxies[2].address).await.status, 201);
    assert_eq!(fleet.world.identity_server.requests().len(), 1);
    assert_eq!(fleet.ended("admitted"), 1);
}

/// Applies until it is not told to come again.
async fn recovered(applicant: &Applicant, proxy: std::net::SocketAddr) -> Answer {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = soon(applicant.apply(proxy)).await;
        if answer.status != 503 {
            return answer;
        }
        assert!(tokio::time::Instant::now() < until, "it never recovered");
        tokio::task::yield_now().await;
    }
}
