//! Shadows over the wire: they refuse nothing, and record and counts say what they would have refused.

use std::sync::Arc;

use dcrgate::audit::view;
use dcrgate::model::id::DecisionId;
use dcrgate::model::time::SystemClock;
use dcrgate::pipeline::tally::PolicyCounts;
use dcrgate::store::Reader;
use http::Response;
use serde_json::{Map, Value, json};

use crate::gate::{Gate, world};
use crate::target::{Target, refused, rule};

/// The demo's policy with more to it.
async fn target(more: &str) -> Target {
    let (home, world) = world(|text| text.replace("policies/open-finance-brasil.toml", "policies/tried.toml")).await;
    let policy = format!("extends = \"open-finance-brasil.toml\"\nid = \"tried\"\n{more}");
    std::fs::write(world.path("policies/tried.toml"), policy).expect("a policy");
    Target::of(Gate::clocked(Arc::new(SystemClock), home, world).await)
}

fn record(target: &Target, answer: &Response<bytes::Bytes>) -> Map<String, Value> {
    let id = answer.headers()["dcr-decision-id"].to_str().expect("text");
    let ledger = Reader::open(&target.gate.database()).expect("a ledger");
    let decision = ledger.decision(DecisionId::parse(id).expect("an id")).expect("readable");
    view::join(&decision.expect("a decision on record"))
}

fn step(record: &Map<String, Value>, id: &str) -> Value {
    let steps = record["checks"].as_array().expect("checks").iter();
    steps.clone().find(|step| step["id"] == id).cloned().unwrap_or_else(|| panic!("no step {id}"))
}

fn counts(target: &Target) -> PolicyCounts {
    let [counts] = <[PolicyCounts; 1]>::try_from(target.gate.tallies.read()).expect("one policy");
    counts
}

/// Pass, fail, skip, error, would refuse.
fn results(counts: &PolicyCounts, id: &str) -> [u64; 5] {
    let found = counts.rules.iter().find(|counts| &*counts.rule == id).unwrap_or_else(|| panic!("no rule {id}"));
    [found.pass, found.fail, found.skip, found.error, found.would_refuse]
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_a_shadow_admits_and_forwards_and_says_what_it_would_have_refused() {
    let target = target(
        "[checks.statement.issuer]\nmode = \"shadow\"\nallow = [\"https://nobody.example\"]\n\
         [[rule]]\nid = \"tried.never\"\nmode = \"shadow\"\nerror = \"invalid_client_metadata\"\nmessage = \"never\"\n\
         require = \"false\"\n",
    )
    .await;
    let admitted = target.submit(&target.request()).await;
    assert_eq!(admitted.status(), 201);
    assert_eq!(target.reached(), 1);
    let told = record(&target, &admitted);
    assert_eq!((view::text(&told, "outcome"), view::text(&told, "would_be")), ("admitted", "rejected"));
    for id in ["statement.issuer", "tried.never"] {
        let step = step(&told, id);
        assert_eq!((&step["mode"], &step["result"]), (&json!("shadow"), &json!("fail")), "{id}");
    }
    // The software is registered by now: what is enforced goes on refusing, and its check counts as failed.
    let again = target.stated(|draft| draft.claim("jti", "another"));
    let duplicate = target.submit(&again).await;
    refused("a duplicate", &duplicate, 400, "invalid_client_metadata");
    assert_eq!(rule(&duplicate), "registration.duplicates");
    assert_eq!(target.reached(), 1);
    let stranger = target.gate.world.third_party(None).expect("a client");
    let cut = stranger.register(target.gate.address, "{}").await.expect("an answer");
    refused("a stranger", &cut, 401, "invalid_client");

    let counts = counts(&target);
    assert_eq!((&*counts.policy, counts.judged, counts.refused, counts.would_refuse), ("tried", 3, 2, 1));
    assert_eq!(results(&counts, "certificate.trusted"), [2, 1, 0, 0, 0]);
    assert_eq!(results(&counts, "statement.issuer"), [0, 2, 0, 0, 2]);
    assert_eq!(results(&counts, "tried.never"), [0, 2, 0, 0, 2]);
    assert_eq!(results(&counts, "registration.duplicates"), [1, 1, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_what_a_shadow_would_take_is_not_asked_for_and_the_record_says_so() {
    let target = target("[checks.registration.duplicates]\nmode = \"shadow\"\n").await;
    for jti in ["one", "two"] {
        let answer = target.submit(&target.stated(|draft| draft.claim("jti", jti))).await;
        assert_eq!(answer.status(), 201, "{jti}");
        let told = record(&target, &answer);
        assert_eq!(view::text(&told, "would_be"), "admitted", "{jti}");
        let step = step(&told, "registration.duplicates");
        assert_eq!(step["result"], "pass", "{jti}");
        let detail = "what this takes when it is enforced was not asked for: it may be taken already";
        assert_eq!(step["detail"], detail, "{jti}");
    }
    assert_eq!(results(&counts(&target), "registration.duplicates"), [2, 0, 0, 0, 0]);
}
