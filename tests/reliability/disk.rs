//! R2: the database is held by another program, or the disk takes no more.

use std::collections::BTreeSet;
use std::process::Command;

use dcrgate::sandbox::identity_server::Behaviour;
use rusqlite::Connection;

use crate::applicant::{Answer, Applicant, soon};
use crate::gate::{self, Gate, Program};
use crate::programs::{self, or_skip};
use crate::records::Records;

/// Another program that holds the database's write lock until it is dropped.
fn hold(gate: &Gate) -> Connection {
    let other = Connection::open(gate.database()).expect("the database");
    other.busy_timeout(gate::PATIENCE).expect("patience");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_without_the_store_nothing_is_forwarded_and_no_verdict_is_told() {
    let gate = Gate::start().await;
    let mut applicant = Applicant::new(&gate.world, "store held");
    let held = hold(&gate);
    let answer = soon(applicant.apply(gate.address)).await;
    assert_eq!(answer.outcome(), (503, "temporarily_unavailable"), "admitted, but it cannot be recorded");
    assert!(answer.retry_after.is_some());
    let good = applicant.body.clone();
    applicant.state(&gate.world, |draft| draft.claim("iss", "somebody else"));
    assert_eq!(soon(applicant.apply(gate.address)).await.status, 503, "refused, but it cannot be recorded");
    let stranger = gate.world.third_party(None).expect("a client");
    let answer = soon(stranger.register(gate.address, "{}")).await.expect("an answer");
    assert_eq!(answer.status(), 503, "a stranger's refusal cannot be recorded");
    assert!(gate.world.identity_server.requests().is_empty());
    drop(held);

    applicant.body = good;
    assert_eq!(soon(applicant.apply(gate.address)).await.status, 201, "healthy by itself");
    assert_eq!(Records::of(&gate.database()).outcomes(), ["admitted"], "what failed left nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_result_that_cannot_be_recorded_is_told_later_to_whoever_repeats_the_request() {
    let gate = Gate::start().await;
    let applicant = Applicant::new(&gate.world, "result held");
    gate.world.identity_server.behave(Behaviour::Hold);
    let (client, address) = (applicant.clone(), gate.address);
    let first = tokio::spawn(async move { client.apply(address).await });
    soon(gate.world.identity_server.arrived(1)).await;
    let held = hold(&gate);
    gate.world.identity_server.behave(Behaviour::Work);
    let first = soon(first).await.expect("no panic");
    assert_eq!(first.outcome(), (503, "temporarily_unavailable"), "no 201 without a record");
    assert!(first.description().contains("repeat the same request"), "{}", first.description());
    let again = soon(applicant.apply(gate.address)).await;
    assert_eq!(again.status, 503, "still in progress");
    drop(held);
    let told = soon(async {
        loop {
            let answer = applicant.apply(gate.address).await;
            if answer.status == 201 {
                break answer;
            }
            assert_eq!(answer.status, 503);
        }
    })
    .await;
    assert_eq!(told.id(), first.id());
    assert_eq!(gate.world.identity_server.requests().len(), 1);
    assert_eq!(Records::of(&gate.database()).outcomes(), ["admitted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_a_disk_that_takes_no_more_is_503_and_healthy_by_itself_when_there_is_room() {
    or_skip!(programs::find("prlimit"));
    let (_home, world) = gate::world(|text| text.replace("reserve = 1048576", "reserve = 0")).await;
    // A limit of the file size fails writes as a full disk does, at any byte.
    let script = "trap '' XFSZ; ulimit -S -f 512; exec \"$0\" run --config \"$1\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_dcrgate")]).arg(world.configuration());
    let mut program = Program::by(command);
    let mut told: Vec<Answer> = Vec::new();
    let mut unanswered = Vec::new();
    for n in 0..MOST {
        let applicant = Applicant::new(&world, &format!("full disk {n}"));
        let answer = soon(applicant.apply(program.address)).await;
        match answer.status {
            201 => told.push(answer),
            503 => unanswered.push(applicant),
            other => panic!("{other}: {}", answer.json),
        }
        if unanswered.len() == 3 {
            break;
        }
    }
    assert_eq!(unanswered.len(), 3, "the disk was never full");
    assert!(!told.is_empty());
    let sent = world.identity_server.requests().len();
    assert!(sent <= told.len() + 1, "{sent} were sent, {} were told", told.len());

    let pid = program.child.id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited"]).status();
    assert!(raised.expect("prlimit").success());
    for applicant in &unanswered {
        let answer = soon(async {
            loop {
                let answer = applicant.apply(program.address).await;
                if answer.status != 503 {
                    break answer;
                }
            }
        })
        .await;
        assert_eq!(answer.status, 201, "{}", answer.json);
        told.push(answer);
    }
    program.signal("TERM");
    assert_eq!(program.ended(), Some(0));
    let records = Records::of(&world.path("data/dcrgate.db"));
    assert_eq!(records.outcomes(), vec!["admitted"; told.len()]);
    let on_record: BTreeSet<_> = records.all().iter().map(|decision| decision.id.to_string()).collect();
    assert_eq!(told.iter().map(|answer| answer.id().to_string()).collect::<BTreeSet<_>>(), on_record);
    let sent = world.identity_server.requests();
    let ids: BTreeSet<_> = sent.iter().map(|request| request.headers()["dcr-decision-id"].as_bytes()).collect();
    assert_eq!((sent.len(), ids.len()), (told.len(), told.len()), "each was sent once");
}

/// More registrations than 256 KB of journal take.
const MOST: usize = 200;
