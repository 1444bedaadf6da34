//! lemonldap-ng: registers whoever asks, loses one of two at once, and speaks HTML of its errors.

use serde_json::{Value, json};

use crate::bank::{Bank, ISSUER, Upstream, members, text, web_client};
use crate::programs::{self, IdentityServer, Missing, or_skip};

async fn bank() -> Result<Bank, Missing> {
    let server = IdentityServer::lemonldap_ng(&json!({ "issuer": ISSUER }).to_string())?;
    Ok(Bank::before(server, &Upstream::plain("lemonldap-ng", "/oauth2/register")).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_it_would_let_in_the_gate_does_not() {
    let bank = or_skip!(bank().await);
    let stranger = bank.gate.world.third_party(None).expect("a client");
    let answer = stranger.register(bank.gate.address, web_client().to_string()).await.expect("an answer");
    assert_eq!(answer.status(), 401, "{answer:?}");
    assert_eq!(bank.last_record()["response"]["forwarded"], json!(false));

    let answer = bank.register(&web_client()).await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    assert!(!text(&members(&answer), "client_secret").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_at_once_both_are_registered_in_seconds_of_their_own() {
    let bank = or_skip!(bank().await);
    let named = |name: &str| {
        let mut metadata = web_client();
        metadata["client_name"] = name.into();
        metadata
    };
    let (one, other) = (named("one"), named("other"));
    let (one, other) = tokio::join!(bank.register(&one), bank.register(&other));
    let issued = |answer: &http::Response<bytes::Bytes>| {
        assert_eq!(answer.status(), 201, "{answer:?}");
        let registered = members(answer);
        assert_eq!(registered["client_secret_expires_at"], json!(0), "under the name of RFC 7591");
        assert!(!registered.contains_key("client_id_expires_at"));
        registered["client_id_issued_at"].clone()
    };
    let (one, other) = (issued(&one), issued(&other));
    assert!(one.is_number(), "{one}");
    assert_ne!(one, other, "it keeps clients by the second in which they came");
    assert_ne!(one, Value::Null);
}
