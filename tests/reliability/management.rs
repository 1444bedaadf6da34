//! R3, R1: management whose result is unknown, that is interrupted, or that outlives a restart.

use dcrgate::sandbox::identity_server::{Behaviour, Manners};
use dcrgate::sandbox::third_party::{Protocol, management};
use http::Method;
use serde_json::Value;

use crate::applicant::{Answer, Applicant, soon};
use crate::gate::{self, Gate, Program};
use crate::records::Records;

/// A registered client.
struct Client {
    applicant: Applicant,
    id: String,
    token: String,
}

impl Client {
    async fn registered(world: &dcrgate::sandbox::World, proxy: std::net::SocketAddr, name: &str) -> Self {
        let mut applicant = Applicant::new(world, name);
        let answer = applicant.apply(proxy).await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        let text = |name: &str| answer.json[name].as_str().expect("text").to_owned();
        applicant.state(world, |draft| draft.claim("jti", "of the update"));
        Self { id: text("client_id"), token: text("registration_access_token"), applicant }
    }

    async fn send(&self, proxy: std::net::SocketAddr, method: Method) -> Option<Answer> {
        let body = if method == Method::PUT { self.applicant.body.clone() } else { bytes::Bytes::new() };
        let request = management(method, &format!("/register/{}", self.id), &self.token, body);
        self.applicant.client.send(proxy, Protocol::Http1, request).await.ok().map(Answer::from)
    }

    async fn asks(&self, proxy: std::net::SocketAddr, method: Method) -> Answer {
        soon(self.send(proxy, method)).await.expect("an answer")
    }
}

fn impatient(text: &str) -> String {
    text.replace(
        "[policies.open-finance-brasil]\n",
        "timeouts = { answer = \"1s\" }\n\n[policies.open-finance-brasil]\n",
    )
}

fn outcome(gate: &Gate, answer: &Answer) -> (String, String, bool) {
    let record = Records::of(&gate.database()).record(answer.id());
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&record["event"]), text(&record["outcome"]), record["response"]["forwarded"].as_bool().expect("a flag"))
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_an_update_or_deletion_that_hangs_is_unknown_never_retried_and_leaves_the_owner_its_client() {
    let gate = Gate::with(|text| impatient(&text)).await;
    let client = Client::registered(&gate.world, gate.address, "hangs").await;
    gate.world.identity_server.behave(Behaviour::Hold);
    for (method, event) in [(Method::PUT, "dcr.update"), (Method::DELETE, "dcr.delete"), (Method::GET, "dcr.read")] {
        let before = gate.world.identity_server.requests().len();
        let answer = client.asks(gate.address, method).await;
        assert_eq!(answer.outcome(), (504, "temporarily_unavailable"), "{event}");
        assert!(answer.description().contains("the result is unknown"), "{event}");
        assert_eq!(outcome(&gate, &answer), (event.to_owned(), "unknown".to_owned(), true));
        assert_eq!(gate.world.identity_server.requests().len(), before + 1, "{event}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_a_deletion_that_failed_frees_nothing_and_one_that_succeeded_the_slot() {
    let gate = Gate::start().await;
    let mut client = Client::registered(&gate.world, gate.address, "deleted").await;
    gate.world.identity_server.behave(Behaviour::Cut);
    let cut = client.asks(gate.address, Method::DELETE).await;
    assert_eq!(cut.status, 502);
    assert_eq!(outcome(&gate, &cut), ("dcr.delete".to_owned(), "unknown".to_owned(), true));
    gate.world.identity_server.behave(Behaviour::Work);
    assert_eq!(client.applicant.apply(gate.address).await.status, 400, "the slot is taken");
    let deleted = client.asks(gate.address, Method::DELETE).await;
    assert_eq!(deleted.status, 204);
    assert_eq!(outcome(&gate, &deleted), ("dcr.delete".to_owned(), "admitted".to_owned(), true));
    // Whoever lost that answer gets it again, and the identity server hears nothing.
    let before = gate.world.identity_server.requests().len();
    assert_eq!(client.asks(gate.address, Method::DELETE).await.status, 204);
    assert_eq!(gate.world.identity_server.requests().len(), before);
    client.applicant.state(&gate.world, |draft| draft.claim("jti", "after"));
    assert_eq!(client.applicant.apply(gate.address).await.status, 201, "the slot is free");
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_owners_and_their_last_tokens_survive_a_restart() {
    let mut gate = Gate::start().await;
    gate.world.identity_server.manners(Manners { rotates: true, ..Manners::default() });
    let mut client = Client::registered(&gate.world, gate.address, "survives").await;
    let updated = client.asks(gate.address, Method::PUT).await;
    assert_eq!(updated.status, 200, "{}", updated.json);
    gate.restart().await;
    let again = client.asks(gate.address, Method::PUT).await;
    assert_eq!((again.status, &again.bytes), (200, &updated.bytes), "the answer that may have been lost");
    assert_eq!(client.asks(gate.address, Method::GET).await.status, 401, "the token before");
    client.token = updated.json["registration_access_token"].as_str().expect("a token").to_owned();
    assert_eq!(client.asks(gate.address, Method::GET).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_crash_within_an_update_is_on_record_and_the_owner_goes_on() {
    let (_home, world) = gate::world(|text| text).await;
    let mut program = Program::run(&world.configuration());
    let client = Client::registered(&world, program.address, "crash").await;
    world.identity_server.behave(Behaviour::Hold);
    let before = world.identity_server.requests().len();
    {
        let update = client.send(program.address, Method::PUT);
        tokio::pin!(update);
        tokio::select! {
            _ = &mut update => panic!("it is held"),
            () = soon(world.identity_server.arrived(before + 1)) => {}
        }
        program.kill();
    }
    world.identity_server.behave(Behaviour::Work);
    let program = Program::run(&world.configuration());
    let filter = dcrgate::store::Filter { outcome: Some("interrupted".to_owned()), since: None, limit: 10 };
    let reader = dcrgate::store::Reader::open(&world.path("data/dcrgate.db")).expect("a ledger");
    assert_eq!(reader.decisions(&filter).expect("decisions").len(), 1);
    assert_eq!(client.asks(program.address, Method::PUT).await.status, 200);
    assert_eq!(client.asks(program.address, Method::GET).await.status, 200);
}
