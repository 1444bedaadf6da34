//! glewlwyd: registers with 200, refuses with empty bodies, reads the certificate as PEM on one line.

use serde_json::{Value, json};

use crate::bank::{Bank, ISSUER, Upstream, members, text, web_client};
use crate::programs::{self, IdentityServer, Missing, or_skip};

async fn bank() -> Result<Bank, Missing> {
    let server = IdentityServer::glewlwyd(&json!({ "issuer": ISSUER }).to_string())?;
    Ok(Bank::before(server, &Upstream::plain("glewlwyd", "/api/oidc/register")).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn registers_through_the_gate() {
    let bank = or_skip!(bank().await);
    let answer = bank.register(&web_client()).await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    let registered = members(&answer);
    let client_id = text(&registered, "client_id");
    assert_eq!(text(&registered, "registration_client_uri"), format!("{ISSUER}/register/{client_id}"));
    assert!(!text(&registered, "client_secret").is_empty());
    assert!(registered["client_secret_expires_at"].is_number(), "{registered:?}");
    let record = bank.last_record();
    assert_eq!((&record["outcome"], &record["response"]["upstream_status"]), (&json!("admitted"), &json!(200)));
    assert_eq!(record["client_id"], Value::from(client_id));
}
