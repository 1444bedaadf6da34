//! What comes from the other side: key sets that are none, an identity server that answers nonsense or nothing.

use bytes::Bytes;
use dcrgate::audit::view;
use dcrgate::model::id::DecisionId;
use dcrgate::sandbox::identity_server::Behaviour;
use dcrgate::sandbox::statement::{KeyUse, SigningKey};
use dcrgate::store::Reader;
use http::Response;
use serde_json::{Map, Value, json};

use crate::gate::Gate;
use crate::{Sender, told};

/// What the ledger says of the decision that an answer names.
fn record(gate: &Gate, answer: &Response<Bytes>) -> Map<String, Value> {
    let id = answer.headers()["dcr-decision-id"].to_str().expect("text");
    let ledger = Reader::open(&gate.database()).expect("a ledger");
    let decision = ledger.decision(DecisionId::parse(id).expect("an id")).expect("readable");
    view::join(&decision.expect("a decision on record"))
}

#[tokio::test(flavor = "multi_thread")]
async fn key_sets_of_software_that_are_none() {
    let gate = Gate::start().await;
    let directory = &gate.world.directory;
    let key = SigningKey::generate("enc").expect("a key").public_jwk(KeyUse::Encryption);
    let good = json!({ "keys": [key] }).to_string();
    let twice = good.replacen('{', "{\"keys\":[],", 1);
    let secret = json!({ "keys": [{ "kty": "oct", "use": "enc", "k": "AAAA" }] }).to_string();
    let outage = (503, "temporarily_unavailable".to_owned());
    let at_fault = (400, "invalid_client_metadata".to_owned());
    let json = "application/json";
    for (name, media_type, body, expected) in [
        ("a maintenance page", "text/html", "<h1>Back soon</h1>".to_owned(), &outage),
        ("a page that says it is JSON", json, "<!doctype html><title>Sign in</title>".to_owned(), &outage),
        ("a good set that says it is a page", "text/html", good.clone(), &outage),
        ("cut in the middle", json, good.get(..good.len() / 2).expect("half").to_owned(), &outage),
        ("two lists of keys", json, twice, &outage),
        ("a list", json, format!("[{good}]"), &outage),
        ("10 MB", json, format!("{}{good}", " ".repeat(10 << 20)), &outage),
        ("nested 10,000 deep", json, "[".repeat(10_000), &outage),
        ("no bytes", json, String::new(), &outage),
        ("no keys", json, json!({ "keys": [] }).to_string(), &at_fault),
        ("a secret key", json, secret, &at_fault),
    ] {
        let sender = Sender::new(&gate, name);
        directory.publish(&sender.software.keys_path(), media_type, body);
        let answer = sender.sends(&gate, sender.body.clone()).await;
        assert_eq!(&told(&answer), expected, "{name}");
        assert_eq!(answer.headers().contains_key("retry-after"), expected == &outage, "{name}");
        let record = record(&gate, &answer);
        assert_eq!(view::text(&record, "outcome"), "rejected", "{name}");
        assert_eq!(view::refusing(&record), ["keys.encryption"], "{name}");
    }
    assert_eq!(gate.world.identity_server.requests().len(), 0);
    Sender::new(&gate, "a good one").is_served(&gate).await;
}

/// Bytes were sent, so nobody knows what it did: that is what the caller is told and the ledger keeps.
#[tokio::test(flavor = "multi_thread")]
async fn an_identity_server_that_gives_no_registration_answer() {
    let answer_within = "timeouts = { answer = \"1s\" }\n\n[policies.open-finance-brasil]\n";
    let gate = Gate::with(|text| text.replace("[policies.open-finance-brasil]\n", answer_within)).await;
    let server = &gate.world.identity_server;
    for (name, behaviour, status, upstream_status) in [
        ("hangs", Behaviour::Hold, 504, Value::Null),
        ("closes early", Behaviour::Cut, 502, Value::Null),
        ("answers 500 in HTML", Behaviour::Fail, 502, json!(500)),
        ("answers with a header of 128 KB", Behaviour::AnswerWithHugeHeader, 502, Value::Null),
    ] {
        let sender = Sender::new(&gate, name);
        server.behave(behaviour);
        let answer = sender.sends(&gate, sender.body.clone()).await;
        server.behave(Behaviour::Work);
        let (told_status, error) = told(&answer);
        assert_eq!(told_status, status, "{name}");
        let text = String::from_utf8(answer.body().to_vec()).expect("text");
        assert!(text.contains("the result is unknown"), "{name}: {text}");
        assert!(!text.contains("<h1>") && !text.contains("client_id"), "{name}: {text}");
        assert!(!answer.headers().contains_key("x-huge"), "{name}");
        let record = record(&gate, &answer);
        assert_eq!(view::text(&record, "outcome"), "unknown", "{name}");
        assert_eq!(view::text(&record, "response.error"), error, "{name}");
        let response = &record["response"];
        assert_eq!((&response["forwarded"], &response["status"]), (&json!(true), &json!(status)), "{name}");
        assert_eq!(response["upstream_status"], upstream_status, "{name}");
        assert_eq!(server.registrations_of(&sender.software).len(), 1, "{name}: asked once");
        Sender::new(&gate, &format!("after it {name}")).is_served(&gate).await;
    }
}
