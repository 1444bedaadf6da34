//! T12: a statement is used once, whatever it comes in and whatever became of it.

use std::collections::BTreeMap;

use dcrgate::sandbox::identity_server::Behaviour;
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::sandbox::{KeyKind, Software};
use serde_json::{Map, Value, json};

use crate::target::{Attacker, Target, refused, rule};

/// The same statement in a body that is another one.
fn varied(request: &Map<String, Value>, number: i64) -> Map<String, Value> {
    let mut varied = request.clone();
    varied.insert("default_max_age".to_owned(), number.into());
    varied
}

/// The identity server refuses, so that nothing but the statement itself can be in the way of a second use.
#[tokio::test(flavor = "multi_thread")]
async fn t12_a_used_statement_is_used_even_if_nothing_came_of_it() {
    let target = Target::new().await;
    let request = target.request();
    target.gate.world.identity_server.behave(Behaviour::Refuse);
    assert_eq!(target.submit(&request).await.status(), 400);
    assert_eq!(target.reached(), 1);
    target.gate.world.identity_server.behave(Behaviour::Work);
    let second = target.gate.world.transport(&target.attacker.software, KeyKind::Rsa).expect("a certificate");
    let second = target.gate.world.third_party(Some(&second)).expect("a client");
    let pretty = serde_json::to_vec_pretty(&request).expect("JSON");
    let escaped =
        serde_json::to_string(&request).expect("JSON").replacen("software_statement", "software\\u005fstatement", 1);
    let mut answers = vec![
        ("another body", target.submit(&varied(&request, 1)).await),
        ("other white space", target.post(pretty).await),
        ("another spelling", target.post(escaped).await),
    ];
    let body = serde_json::to_vec(&request).expect("JSON");
    answers.push(("another certificate", second.register(target.gate.address, body).await.expect("an answer")));
    for (name, answer) in answers {
        refused(name, &answer, 400, "invalid_software_statement");
        assert_eq!(rule(&answer), "statement.single-use", "{name}");
        target.recorded(name, &answer);
        assert_eq!(target.reached(), 1, "{name}");
    }
    assert_eq!(target.submit(&target.request()).await.status(), 201, "a new statement registers");
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_sixteen_at_once_are_forwarded_once_even_if_that_one_fails() {
    let target = Target::new().await;
    target.gate.world.identity_server.behave(Behaviour::Refuse);
    let request = target.request();
    let requests = (0..16).map(|number| registration(serde_json::to_vec(&varied(&request, number)).expect("JSON")));
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let client = &target.attacker.client;
        let answers = client.send_at_once(target.gate.address, protocol, requests.clone().collect()).await;
        for answer in answers {
            assert_eq!(answer.expect("an answer").status(), 400);
        }
        assert_eq!(target.reached(), 1);
    }
}

/// Two statements with one `jti` are one; the same `jti` of another software is still the issuer's.
#[tokio::test(flavor = "multi_thread")]
async fn t12_statements_of_one_identifier_are_one() {
    let target = Target::new().await;
    let first = target.stated(|draft| draft.claim("jti", "one").claim("software_version", "1"));
    assert_eq!(target.submit(&first).await.status(), 201);
    let other = Attacker::new(&target.gate.world, "other");
    let draft = target.gate.world.statement(&other.software).claim("jti", "one");
    let statement = draft.sign(target.gate.world.directory.signer(), dcrgate::sandbox::statement::Signature::Ps256);
    let request = target.gate.world.request_with(&other.software, &statement.expect("a statement"));
    let body = serde_json::to_vec(&request).expect("JSON");
    let answer = other.client.register(target.gate.address, body).await.expect("an answer");
    refused("the same jti", &answer, 400, "invalid_software_statement");
    assert_eq!(rule(&answer), "statement.single-use");
    assert_eq!(target.reached(), 1);
}

/// A refusal does not use a statement up, or nobody could correct a request.
#[tokio::test(flavor = "multi_thread")]
async fn t12_a_refused_request_leaves_its_statement_good() {
    let target = Target::new().await;
    let good = target.request();
    let mut bad = good.clone();
    bad.insert("scope".to_owned(), json!("openid admin"));
    refused("a scope", &target.submit(&bad).await, 400, "invalid_client_metadata");
    assert_eq!(target.submit(&good).await.status(), 201);
}

/// The same bytes again get the same answer, to the same certificate only, and are forwarded once.
#[tokio::test(flavor = "multi_thread")]
async fn t12_the_answer_of_a_registration_is_nobody_elses() {
    let target = Target::new().await;
    let body = serde_json::to_vec(&target.request()).expect("JSON");
    let mut seen = BTreeMap::new();
    for _ in 0..3 {
        let answer = target.post(body.clone()).await;
        assert_eq!(answer.status(), 201);
        *seen.entry(answer.into_body()).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 1, "three times the same answer");
    let thief = Attacker::new(&target.gate.world, "thief");
    let namesake = Software { id: target.attacker.software.id.clone(), ..thief.software.clone() };
    let namesake = target.gate.world.strangers.client(
        &dcrgate::sandbox::subject::Subject::transport(&namesake),
        &namesake.host,
        KeyKind::Ecdsa,
        &dcrgate::sandbox::Validity::current(target.gate.world.now()),
    );
    let namesake = target.gate.world.third_party(Some(&namesake.expect("a certificate"))).expect("a client");
    for (name, client, status) in [("another software", &thief.client, 400), ("a namesake", &namesake, 401)] {
        let answer = client.register(target.gate.address, body.clone()).await.expect("an answer");
        assert_eq!(answer.status(), status, "{name}");
        let text = String::from_utf8_lossy(answer.body());
        assert!(!text.contains("client_id") && !text.contains("registration_access_token"), "{name}: {text}");
    }
    assert_eq!(target.reached(), 1);
}
