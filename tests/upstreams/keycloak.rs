//! Keycloak: registers who has its initial access token, which only the gate has; refuses members that it does
//! not know; reads the forwarded certificate through its lookup provider for RFC 9440.

use bytes::Bytes;
use dcrgate::model::peer::Peer;
use http::Request;
use serde_json::json;

use crate::bank::{Bank, ISSUER, Upstream, members, text, web_client};
use crate::programs::{self, IdentityServer, Missing, or_skip};

const TOKEN: &str = "/realms/bank/protocol/openid-connect/token";

async fn bank() -> Result<Bank, Missing> {
    let server = IdentityServer::keycloak(&json!({ "issuer_host": ISSUER, "lookup": "rfc9440" }).to_string())?;
    let token = server.initial_access_token().expect("an initial access token").to_owned();
    let upstream = Upstream {
        profile: "keycloak",
        headers: "{ certificate = \"rfc9440\" }",
        to: "/realms/bank/clients-registrations/openid-connect",
        policy: "rfc7591",
        settings: "",
        route: "token_to_upstream = \"initial\"\n",
        more: r#"
[credentials.initial]
secret = { file = "initial.token" }

[[routes]]
path = "/realms/bank/protocol/*"
kind = "proxy"
upstream = "identity-server"
"#,
    };
    let write = |world: &dcrgate::sandbox::World| std::fs::write(world.path("initial.token"), &token).expect("written");
    Ok(Bank::with_files(server, &upstream, write).await)
}

/// One Keycloak for all of it: it takes half a minute to start.
#[tokio::test(flavor = "multi_thread")]
async fn registers_with_the_gates_own_token_and_issues_tokens_by_the_forwarded_certificate() {
    let bank = or_skip!(bank().await);

    let mut metadata = web_client();
    metadata["software_roles"] = json!(["DADOS"]);
    let answer = bank.register(&metadata).await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    let registered = members(&answer);
    let client_id = text(&registered, "client_id");
    assert_eq!(text(&registered, "registration_client_uri"), format!("{ISSUER}/register/{client_id}"));
    assert!(!String::from_utf8_lossy(answer.body()).contains("clients-registrations"), "{answer:?}");

    let peer = Peer::present(bank.identity.chain().to_vec()).expect("a certificate");
    let metadata = json!({
        "client_name": "Certificate",
        "redirect_uris": ["https://tpp.example/cb"],
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": peer.subject(),
        "grant_types": ["authorization_code", "client_credentials"],
        "response_types": ["code"],
        "scope": "accounts",
    });
    let answer = bank.register(&metadata).await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    let registered = members(&answer);
    let form = format!("grant_type=client_credentials&client_id={}&scope=accounts", text(&registered, "client_id"));
    let request = |body: &str| {
        let request = Request::post(TOKEN).header("content-type", "application/x-www-form-urlencoded");
        request.body(Bytes::from(body.to_owned())).expect("a request")
    };
    let answer = bank.send(request(&form)).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(!text(&members(&answer), "access_token").is_empty());

    // Another certificate of the same authority, and none.
    let other = bank.another("another");
    let answer = other.send(bank.gate.address, dcrgate::sandbox::third_party::Protocol::Http1, request(&form)).await;
    assert_eq!(answer.expect("an answer").status(), 401);
}
