//! Identity servers whose answers depart from RFC 7591: `normalise` makes them what clients expect.

use dcrgate::audit::view;
use dcrgate::sandbox::KeyKind;
use dcrgate::store::{Filter, Reader};
use serde_json::{Value, json};

use crate::gate::{self, Gate};
use crate::server::Server;

/// What a client gets of an identity server with this profile that answers 200, and what the record says of it.
async fn registered(settings: &str) -> (u16, Value, Value) {
    let server = Server::start().await;
    let answer = json!({
        "client_id": "c/1",
        "client_secret": "s",
        "client_id_issued_at": "1795443993",
        "x_own": null,
        "client_id_expires_at": 7,
    });
    server.say(200, &[("content-type", "text/html")], answer.to_string());
    let gate =
        Gate::with(|text| gate::before(server.address, &text).replacen("profile = \"oidc-provider\"", settings, 1))
            .await;
    let software = gate.world.enrol("normalised");
    let identity = gate.world.transport(&software, KeyKind::Ecdsa).expect("a certificate");
    let client = gate.world.third_party(Some(&identity)).expect("a client");
    let request = gate.world.request(&software).expect("a request");
    let answer = client.register(gate.address, Value::Object(request).to_string()).await.expect("an answer");
    let mut members: Value = serde_json::from_slice(answer.body()).expect("JSON");
    let all = members.as_object_mut().expect("an object");
    // Other members are told back as the policy has them.
    all.retain(|name, _| ["client_id", "client_secret", "x_own"].contains(&name.as_str()) || name.ends_with("_at"));
    let filter = Filter { outcome: None, since: None, limit: 1 };
    let decisions = Reader::open(&gate.database()).expect("the ledger").decisions(&filter).expect("decisions");
    let record = Value::Object(view::join(decisions.first().expect("a decision")));
    (answer.status().as_u16(), members, record["response"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_rfc_7591_and_the_record_has_the_status_that_came() {
    let normal = json!({
        "client_id": "c/1", "client_secret": "s", "client_id_issued_at": 1_795_443_993, "client_secret_expires_at": 7,
    });
    let (status, members, record) = registered("profile = \"lemonldap-ng\"").await;
    assert_eq!((status, members), (201, normal));
    assert_eq!((&record["status"], &record["upstream_status"]), (&json!(201), &json!(200)));

    let (status, members, _) = registered("profile = \"generic\"\nnormalise = true").await;
    assert_eq!((status, &members["client_secret_expires_at"]), (201, &json!(0)));
    assert_eq!(members["client_id_expires_at"], 7, "another profile knows nothing of that name");

    let (status, members, _) = registered("profile = \"glewlwyd\"\nnormalise = false").await;
    assert_eq!((status, &members["client_id_issued_at"]), (200, &json!("1795443993")));
    assert_eq!(members.get("client_secret_expires_at"), None);
    assert_eq!(members.get("x_own"), Some(&Value::Null), "as it came");
}
