//! django-oauth-toolkit: paths end in a slash, answers leave members out.

use serde_json::json;

use crate::bank::{Bank, ISSUER, Upstream, members, text, web_client};
use crate::programs::{self, IdentityServer, Missing, or_skip};

async fn bank() -> Result<Bank, Missing> {
    let server = IdentityServer::django_oauth_toolkit(&json!({ "issuer": ISSUER }).to_string())?;
    Ok(Bank::before(server, &Upstream::plain("django-oauth-toolkit", "/o/register/")).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn registers_through_the_gate() {
    let bank = or_skip!(bank().await);
    let answer = bank.register(&web_client()).await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    let registered = members(&answer);
    let client_id = text(&registered, "client_id");
    // Its own address of the client has a slash at the end; ours has not.
    assert_eq!(text(&registered, "registration_client_uri"), format!("{ISSUER}/register/{client_id}"));
    assert!(!text(&registered, "registration_access_token").is_empty());
    assert!(!answer.headers().contains_key("set-cookie"));
    assert!(registered.contains_key("client_secret"));
    assert_eq!(registered["client_secret_expires_at"], 0, "it leaves that out, and RFC 7591 does not");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_refuses_is_told_and_recorded() {
    let bank = or_skip!(bank().await);
    let mut metadata = web_client();
    metadata["grant_types"] = json!(["authorization_code", "client_credentials"]);
    let answer = bank.register(&metadata).await;
    assert_eq!(answer.status(), 400, "{answer:?}");
    assert_eq!(members(&answer)["error"], "invalid_client_metadata");
    let record = bank.last_record();
    assert_eq!((&record["outcome"], &record["response"]["upstream_status"]), (&json!("refused_upstream"), &json!(400)));
}
