//! Keys that two clients would share (FAPI 1.0 Advanced §8.10).

use bytes::Bytes;
use dcrgate::audit::view;
use dcrgate::sandbox::identity_server::Behaviour;
use dcrgate::sandbox::statement::{KeyUse, SigningKey};
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::store::Reader;
use http::Response;
use serde_json::{Value, json};

use crate::certified::world;
use crate::gate::Gate;
use crate::signed::record;
use crate::target::{Target, refused, rule};

/// Keys come by value, from whoever has a certificate.
const POLICY: &str = r#"
id      = "keys"
version = "1"
title   = "Keys by value"
spec    = "FAPI 2.0 Security Profile"

[checks.keys.set]

[checks.keys.unshared]
max_keys = 2
"#;

async fn target() -> Target {
    let (home, world) = world("keys", POLICY, |text| text).await;
    Target::of(Gate::over(home, world).await)
}

fn key(id: &str) -> Value {
    SigningKey::generate_ec(id).expect("a key").public_jwk(KeyUse::Signature)
}

async fn register(target: &Target, name: &str, keys: &[&Value]) -> Response<Bytes> {
    let body = json!({
        "client_name": name, "redirect_uris": ["https://app.example/cb"], "jwks": { "keys": keys },
        "token_endpoint_auth_method": "private_key_jwt",
    });
    target.post(body.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_live_client_is_refused_for_another_one() {
    let target = target().await;
    let (one, two, three) = (key("one"), key("two"), key("three"));
    let first = register(&target, "first", &[&one, &two]).await;
    assert_eq!(first.status(), 201, "{:?}", first.body());

    let mut renamed = one.clone();
    renamed["kid"] = "renamed".into();
    renamed["use"] = "enc".into();
    for (name, keys) in [("the same", vec![&two]), ("under another name", vec![&three, &renamed])] {
        let answer = register(&target, name, &keys).await;
        refused(name, &answer, 400, "invalid_client_metadata");
        assert_eq!(rule(&answer), "keys.unshared", "{name}");
        target.recorded(name, &answer);
        assert_eq!(view::refusing(&record(&target, &answer)), ["keys.unshared"], "{name}");
    }
    assert_eq!(target.reached(), 1, "nothing of it reached the identity server");
    let free = register(&target, "another", &[&three]).await;
    assert_eq!(free.status(), 201, "what was asked for beside a taken key is free: {:?}", free.body());

    let (four, five, six) = (key("four"), key("five"), key("six"));
    let many = register(&target, "many", &[&four, &five, &six]).await;
    refused("too many", &many, 400, "invalid_client_metadata");
    assert_eq!(rule(&many), "keys.unshared");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_gets_the_key() {
    let target = target().await;
    let key = key("one");
    let registering = (0..8).map(|number| {
        let (key, client, address) = (key.clone(), target.attacker.client.clone(), target.gate.address);
        async move {
            let body = json!({
                "client_name": format!("client {number}"), "redirect_uris": ["https://app.example/cb"],
                "jwks": { "keys": [key] }, "token_endpoint_auth_method": "private_key_jwt",
            });
            client.send(address, Protocol::Http1, registration(body.to_string())).await.expect("an answer").status()
        }
    });
    let tasks: tokio::task::JoinSet<_> = registering.collect();
    let mut statuses: Vec<u16> = tasks.join_all().await.into_iter().map(|status| status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400, 400, 400, 400, 400, 400, 400]);
    assert_eq!(target.reached(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_kept_over_a_restart_and_free_again_when_the_identity_server_refused() {
    let mut target = target().await;
    let key = key("one");
    target.gate.world.identity_server.behave(Behaviour::Refuse);
    assert_eq!(register(&target, "refused", &[&key]).await.status(), 400);
    target.gate.world.identity_server.behave(Behaviour::Work);
    let first = register(&target, "first", &[&key]).await;
    assert_eq!(first.status(), 201, "{:?}", first.body());
    let second = register(&target, "second", &[&key]).await;
    refused("second", &second, 400, "invalid_client_metadata");
    target.gate.restart().await;
    let third = register(&target, "third", &[&key]).await;
    refused("after a restart", &third, 400, "invalid_client_metadata");

    let body: Value = serde_json::from_slice(first.body()).expect("JSON");
    let reader = Reader::open(&target.gate.database()).expect("a ledger");
    let client_id = body["client_id"].as_str().expect("a client");
    let binding = reader.binding("identity-server", client_id).expect("readable").expect("a binding");
    assert_eq!(first.headers()["dcr-decision-id"], binding.decision.to_string().as_str(), "who frees it knows by what");
}
