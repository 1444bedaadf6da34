//! The demo's scenario through the assembled proxy: every outcome as promised.

#![cfg(test)]

#[path = "support/gate.rs"]
mod gate;

use dcrgate::sandbox::scenario;

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_the_demo_ends_as_it_says() {
    let gate = gate::Gate::start().await;
    let outcomes = scenario::play(&gate.world, gate.address).await.expect("played");
    assert!(outcomes.len() >= 19);
    assert!(outcomes.iter().any(|outcome| outcome.sent == "the owner deletes it"));
    let unexpected: Vec<_> = outcomes.iter().filter(|outcome| !outcome.as_expected()).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}
