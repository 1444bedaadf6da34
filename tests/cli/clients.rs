//! `dcrgate clients`, beside a running server: who is registered, and what an operator frees.

use dcrgate::sandbox::identity_server::Behaviour;
use dcrgate::sandbox::statement::Signature;
use dcrgate::sandbox::{KeyKind, Software, ThirdParty};
use serde_json::Value;

use crate::gate::Gate;
use crate::{dcrgate, told};

/// A third party of this name that may register again and again, each time with a new statement.
struct Party {
    software: Software,
    client: ThirdParty,
}

impl Party {
    fn new(gate: &Gate, name: &str) -> Self {
        let software = gate.world.enrol(name);
        let identity = gate.world.transport(&software, KeyKind::Ecdsa).expect("a certificate");
        let client = gate.world.third_party(Some(&identity)).expect("a client");
        Self { software, client }
    }

    /// Status, id of the decision, and answer.
    async fn register(&self, gate: &Gate, jti: &str) -> (u16, String, Value) {
        let draft = gate.world.statement(&self.software).claim("jti", jti);
        let statement = draft.sign(gate.world.directory.signer(), Signature::Ps256).expect("a statement");
        let body = Value::Object(gate.world.request_with(&self.software, &statement)).to_string();
        let answer = self.client.register(gate.address, body).await.expect("an answer");
        let id = answer.headers()["dcr-decision-id"].to_str().expect("text").to_owned();
        (answer.status().as_u16(), id, serde_json::from_slice(answer.body()).expect("JSON"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_listed_and_shown_without_their_secrets() {
    let gate = Gate::start().await;
    let home = gate.world.path("");
    let (one, other) = (Party::new(&gate, "one"), Party::new(&gate, "other"));
    let (_, decision, first) = one.register(&gate, "1").await;
    let (_, _, second) = other.register(&gate, "2").await;
    let client_id = |answer: &Value| answer["client_id"].as_str().expect("a client").to_owned();
    let run = |arguments: &[&str]| told(&dcrgate(&home, &[&["clients"], arguments].concat()));
    let listed = |arguments: &[&str]| -> Vec<String> {
        let (status, out, err) = run(&[&["list", "--output", "json"], arguments].concat());
        assert_eq!((status, err.as_str()), (0, ""));
        let found: Vec<Value> = serde_json::from_str(&out).expect("JSON");
        found.iter().map(client_id).collect()
    };
    assert_eq!(listed(&[]), [client_id(&second), client_id(&first)]);
    assert_eq!(listed(&["--limit", "1"]), [client_id(&second)]);
    assert_eq!(listed(&["--software", &one.software.id.to_string()]), [client_id(&first)]);
    assert_eq!(listed(&["--policy", "fapi2"]), [""; 0]);
    let (_, out, _) = run(&["list", "--upstream", "identity-server"]);
    assert!(out.starts_with("REGISTERED (UTC)") && out.lines().count() == 3, "{out}");

    let (status, out, _) = run(&["show", &client_id(&first)]);
    assert_eq!(status, 0);
    for part in [&*decision, "fingerprint kept", "Holds         jti until ", "slot", "admitted", "redirect_uris = ["] {
        assert!(out.contains(part), "{part} in {out}");
    }
    let (_, json, _) = run(&["show", &client_id(&first), "--output", "json"]);
    let shown: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&shown["record"]["outcome"], &shown["software"]),
        (&"admitted".into(), &one.software.id.to_string().into())
    );
    let token = first["registration_access_token"].as_str().expect("a token");
    assert!(!out.contains(token) && !json.contains(token));
    let (status, out, _) = run(&["show", "nobody"]);
    assert_eq!((status, out.as_str()), (1, "no such client is registered here\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_unknown_result_holds_is_freed_beside_the_running_server() {
    let mut gate = Gate::start().await;
    let home = gate.world.path("");
    let party = Party::new(&gate, "unknown");
    let run = |arguments: &[&str]| told(&dcrgate(&home, &[&["clients", "release"], arguments].concat()));
    gate.world.identity_server.behave(Behaviour::Cut);
    let (status, decision, _) = party.register(&gate, "1").await;
    assert_eq!(status, 502);
    gate.world.identity_server.behave(Behaviour::Work);
    let (status, rejected, _) = party.register(&gate, "2").await;
    assert_eq!(status, 400, "its slot is held");

    assert_eq!(run(&[&decision]).0, 2, "a reason has to be given");
    assert_eq!(run(&["--reason", "x"]).0, 2, "and what");
    let (status, out, _) = run(&[&decision, "--reason", "not there"]);
    assert_eq!(status, 0);
    assert!(out.starts_with("would free 2 claims (jti, slot) of decision ") && out.contains("`--yes`"), "{out}");
    let (status, out, _) = run(&[&rejected, "--reason", "x", "--yes"]);
    assert_eq!((status, out), (1, format!("the result of decision {rejected} is known: rejected\n")));
    assert_eq!(party.register(&gate, "2").await.0, 400, "nothing was freed yet");

    let (status, out, err) = run(&[&decision, "--reason", "not there, ticket 4711", "--yes"]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.starts_with("freed 2 claims (jti, slot) of decision "), "{out}");
    let (status, out, _) = run(&[&decision, "--reason", "again", "--yes"]);
    assert_eq!((status, out), (1, format!("decision {decision} holds nothing any more\n")));
    let (status, admitted, answer) = party.register(&gate, "3").await;
    assert_eq!(status, 201);

    // The client goes, at the identity server and then here.
    let client_id = answer["client_id"].as_str().expect("a client");
    let (status, out, _) = run(&[&admitted, "--reason", "x", "--yes"]);
    assert_eq!(status, 1);
    assert!(out.contains("--client CLIENT_ID"), "{out}");
    gate.stop().await;
    let (status, out, _) = run(&["--client", client_id, "--reason", "deleted in the console", "--yes"]);
    assert_eq!(status, 0);
    assert!(out.starts_with("freed client ") && out.contains("and 1 claim:"), "{out}");
    gate.restart().await;
    assert_eq!(party.register(&gate, "4").await.0, 201);

    let notes = notes(&gate);
    assert_eq!(notes.len(), 2, "what was only looked at is no act");
    let of = |at: usize, name: &str| notes[at][name].as_str().map(str::to_owned);
    assert_eq!(of(0, "event").as_deref(), Some("operator.release"));
    assert_eq!(of(0, "reason").as_deref(), Some("not there, ticket 4711"));
    assert_eq!((of(0, "decision"), of(1, "client_id")), (Some(decision), Some(client_id.to_owned())));
    assert!(notes[0]["operator"]["uid"].is_u64() && notes[0]["operator"]["name"].is_string(), "{}", notes[0]);
}

fn notes(gate: &Gate) -> Vec<Value> {
    let reader = dcrgate::store::Reader::open(&gate.database()).expect("a ledger");
    assert!(reader.verify("(operator)").expect("a chain").is_ok());
    let entries = reader.entries("(operator)", 1, 100).expect("entries");
    entries.iter().map(|entry| serde_json::from_slice(&entry.body).expect("JSON")).collect()
}
