//! Strangers cannot fill the ledger: beyond a rate they are counted, in one summary.

use crate::applicant::{Answer, Applicant, soon};
use crate::gate::Gate;
use crate::records::Records;

fn at_most(limits: &str) -> impl FnOnce(String) -> String {
    move |text| text + limits + "\n"
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_beyond_the_rate_get_429_and_one_summary_counts_them() {
    let mut gate = Gate::with(at_most("strangers_per_address_per_minute = 2")).await;
    let stranger = gate.world.third_party(None).expect("a client");
    let mut answers = Vec::new();
    for _ in 0..6 {
        let answer = soon(stranger.register(gate.address, "{}")).await.expect("an answer");
        answers.push(Answer::from(answer));
    }
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [401, 401, 429, 429, 429, 429]);
    assert!(answers[2..].iter().all(|answer| answer.retry_after.is_some()));
    // A trusted client of the same address is not held back, nor are its refusals.
    let mut honest = Applicant::new(&gate.world, "honest");
    assert_eq!(soon(honest.apply(gate.address)).await.status, 201);
    honest.state(&gate.world, |draft| draft.claim("iss", "somebody else"));
    assert_eq!(soon(honest.apply(gate.address)).await.status, 400);

    gate.stop().await;
    let records = Records::of(&gate.database());
    assert_eq!(records.outcomes(), ["rejected", "rejected", "admitted", "rejected"]);
    let summaries = records.events("strangers.refused");
    assert_eq!(summaries.len(), 1);
    assert_eq!(summaries[0]["refusals"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_are_cut_beyond_the_rate_are_counted_too() {
    let change = at_most("strangers_per_minute = 1");
    let mut gate =
        Gate::with(|text| change(text.replace("client_auth = \"request\"", "client_auth = \"require\""))).await;
    let revoked = gate.world.third_party(Some(&gate.world.revoked)).expect("a client");
    for _ in 0..4 {
        assert!(soon(revoked.register(gate.address, "{}")).await.is_err());
    }
    gate.stop().await;
    let records = Records::of(&gate.database());
    assert_eq!(records.events("tls.handshake").len(), 1);
    assert_eq!(records.events("strangers.refused")[0]["refusals"], 3);
}
