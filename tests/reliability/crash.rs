//! R1: `kill -9` at moments that vary, fifty times, then everything that was promised is looked for.

use std::collections::BTreeMap;

use dcrgate::sandbox::World;
use tokio::task::JoinSet;

use crate::applicant::{Answer, Applicant, body, soon};
use crate::gate::{self, Program};
use crate::records::Records;

#[tokio::test(flavor = "multi_thread")]
async fn r1_fifty_crashes_lose_no_answer_and_use_no_statement_twice() {
    let (_home, world) = gate::world(|text| text).await;
    let mut applicants = Vec::new();
    let mut told = BTreeMap::new();
    for round in 0..CRASHES {
        // A lock that outlived the last process would keep this one from starting.
        let mut program = Program::run(&world.configuration());
        let before = world.identity_server.requests().len();
        let first = applicants.len();
        applicants.extend((0..AT_ONCE).map(|n| Applicant::new(&world, &format!("crash {round} {n}"))));
        let mut running = JoinSet::new();
        for (index, applicant) in applicants.iter().cloned().enumerate().skip(first) {
            let address = program.address;
            running.spawn(async move { (index, applicant.try_to_apply(address).await) });
        }
        let keep = |told: &mut BTreeMap<usize, Answer>, (index, answer): (usize, Option<Answer>)| {
            if let Some(answer) = answer.filter(|answer| answer.status == 201) {
                told.insert(index, answer);
            }
        };
        match round % 3 {
            0 => soon(world.identity_server.arrived(before + 1 + round % AT_ONCE)).await,
            1 => {
                for _ in 0..=round % (AT_ONCE - 1) {
                    keep(&mut told, soon(running.join_next()).await.expect("one more").expect("no panic"));
                }
            }
            _ => {
                for _ in 0..round * 40 {
                    tokio::task::yield_now().await;
                }
            }
        }
        program.kill();
        while let Some(ended) = soon(running.join_next()).await {
            keep(&mut told, ended.expect("no panic"));
        }
    }

    let mut program = Program::run(&world.configuration());
    let arrived = arrivals(&world);
    assert!(told.len() >= CRASHES / 3, "only {} clients were told anything", told.len());
    let interrupted = on_record(&world, &told, &arrived);
    assert!(interrupted > 0, "no crash hit a registration in progress");

    for (index, applicant) in applicants.iter().enumerate() {
        let sent = arrived.contains_key(&applicant.software.redirect_uris().concat());
        let again = applicant.apply(program.address).await;
        match told.get(&index) {
            Some(answer) => {
                assert_eq!((again.status, &again.bytes), (201, &answer.bytes), "the stored answer");
                assert_eq!(again.id(), answer.id());
            }
            // The answer was on its way, or the crash came before it; counted below.
            None => assert!(matches!(again.status, 201 | 400), "{}: {}", again.status, again.json),
        }
        if sent && index % 5 == 0 {
            // Another request with the statement that was used.
            let mut other: serde_json::Value = serde_json::from_slice(&applicant.body).expect("JSON");
            other["scope"] = "openid".into();
            let other = Applicant { body: other.to_string().into(), ..applicant.clone() };
            assert_eq!(other.apply(program.address).await.status, 400, "a used statement");
        }
    }
    for (software, decisions) in arrivals(&world) {
        assert_eq!(decisions.len(), 1, "{software} reached the identity server more than once");
    }
    program.signal("TERM");
    assert_eq!(program.ended(), Some(0));
    let outcomes = Records::of(&world.path(DATABASE)).outcomes();
    assert!(!outcomes.iter().any(|outcome| outcome == "open"), "{outcomes:?}");
}

/// Holds what was told and what arrived against the ledger; gives how many were interrupted.
fn on_record(world: &World, told: &BTreeMap<usize, Answer>, arrived: &BTreeMap<String, Vec<String>>) -> usize {
    let records = Records::of(&world.path(DATABASE));
    let decisions = records.all();
    for answer in told.values() {
        let record = records.record(answer.id());
        assert_eq!(record["outcome"], "admitted", "a client was told 201");
        assert_eq!(record["client_id"], answer.json["client_id"]);
        assert!(records.binding(answer.json["client_id"].as_str().expect("a client")).is_some());
    }
    for id in arrived.values().flatten() {
        let decision = decisions.iter().find(|decision| decision.id.to_string() == *id);
        let decision = decision.expect("what reached the identity server has a record");
        assert!(decision.opened.is_some(), "{id} was not opened");
        assert!(matches!(decision.outcome(), "admitted" | "interrupted"), "{id} is {}", decision.outcome());
    }
    for decision in &decisions {
        assert_eq!((decision.opened.is_some(), decision.ended.is_some()), (true, true), "{} is torn", decision.id);
    }
    decisions.iter().filter(|decision| decision.outcome() == "interrupted").count()
}

/// Which decisions reached the identity server, by the redirect URIs of their software.
fn arrivals(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut arrived: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for request in world.identity_server.requests() {
        let metadata: serde_json::Value = serde_json::from_slice(request.body()).expect("a whole registration");
        let uris = metadata["redirect_uris"].as_array().expect("redirect URIs");
        let software = uris.iter().filter_map(serde_json::Value::as_str).collect();
        let decision = request.headers()["dcr-decision-id"].to_str().expect("an id").to_owned();
        arrived.entry(software).or_default().push(decision);
    }
    arrived
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_a_registration_cut_by_a_crash_is_interrupted_and_keeps_its_statement() {
    let (_home, world) = gate::world(|text| text).await;
    let mut applicant = Applicant::new(&world, "cut by a crash");
    world.identity_server.behave(dcrgate::sandbox::identity_server::Behaviour::Hold);
    let mut program = Program::run(&world.configuration());
    let (running, address) = (applicant.clone(), program.address);
    let running = tokio::spawn(async move { running.try_to_apply(address).await });
    soon(world.identity_server.arrived(1)).await;
    program.kill();
    assert!(soon(running).await.expect("no panic").is_none());
    world.identity_server.behave(dcrgate::sandbox::identity_server::Behaviour::Work);

    let program = Program::run(&world.configuration());
    let records = Records::of(&world.path(DATABASE));
    assert_eq!(records.outcomes(), ["interrupted"]);
    assert_eq!(applicant.apply(program.address).await.status, 400, "the same request");
    applicant.body = body(&world, &applicant.software, &applicant.statement).iter().chain(b" ").copied().collect();
    assert_eq!(applicant.apply(program.address).await.status, 400, "the same statement");
    applicant.state(&world, |draft| draft.claim("jti", "another"));
    assert_eq!(applicant.apply(program.address).await.status, 400, "the slot of the software");
    assert_eq!(world.identity_server.requests().len(), 1);
    assert_eq!(records.outcomes(), ["interrupted", "rejected", "rejected", "rejected"]);
}

const CRASHES: usize = 50;
/// Registrations in progress at each crash.
const AT_ONCE: usize = 3;
/// The sandbox's `[store] sqlite`.
const DATABASE: &str = "data/dcrgate.db";
