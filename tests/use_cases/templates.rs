//! Template clients: many devices share their settings, and a registration names them.

use dcrgate::sandbox::World;
use http::Request;
use serde_json::json;

use crate::bank::{Bank, ISSUER, Upstream, members, text};
use crate::programs::{self, IdentityServer, Missing, or_skip};

/// What every till of the bank's branches is.
const TILL: &str = r#"
id = "till"
version = "1.0.0"
title = "The till of a branch"
software_id = "com.example.till"
mode = "expand"
authorities = ["sandbox"]
instance = ["client_name"]

[metadata]
client_name = "Till"
redirect_uris = ["https://till.example/cb"]
grant_types = ["authorization_code"]
response_types = ["code"]
token_endpoint_auth_method = "client_secret_basic"
"#;

const MORE: &str = r#"
[templates.till]
file = "till.toml"

[[routes]]
path = "/register/{client_id}"
kind = "management"
upstream = "identity-server"
to = "/reg/{client_id}"
"#;

async fn bank() -> Result<Bank, Missing> {
    let server = IdentityServer::start(&json!({ "issuer": ISSUER }).to_string(), None)?;
    let upstream = Upstream {
        profile: "oidc-provider",
        headers: "{ certificate = \"none\" }",
        to: "/reg",
        policy: "rfc7591",
        settings: "",
        route: "templates = [\"till\"]\n",
        more: MORE,
    };
    let write = |world: &World| std::fs::write(world.path("till.toml"), TILL).expect("written");
    Ok(Bank::with_files(server, &upstream, write).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn template_clients() {
    let bank = or_skip!(bank().await);
    // The device says which template, and its own name; its certificate says that it may.
    let answer = bank.register(&json!({ "software_id": "com.example.till", "client_name": "Till 7" })).await;
    assert_eq!(answer.status(), 201, "{answer:?}");
    let registered = members(&answer);
    assert_eq!(registered["redirect_uris"], json!(["https://till.example/cb"]));
    assert_eq!(text(&registered, "client_name"), "Till 7");
    assert_eq!(bank.last_record()["template"]["version"], "1.0.0");

    // The identity server, which knows no templates, has the whole client.
    let token = format!("Bearer {}", text(&registered, "registration_access_token"));
    let path = format!("/register/{}", text(&registered, "client_id"));
    let request = Request::get(path).header("authorization", token).body(bytes::Bytes::new()).expect("a request");
    let kept = bank.send(request).await;
    assert_eq!(kept.status(), 200, "{kept:?}");
    assert_eq!(text(&members(&kept), "token_endpoint_auth_method"), "client_secret_basic");
    assert_eq!(text(&members(&kept), "client_name"), "Till 7");

    let wider = json!({ "software_id": "com.example.till", "redirect_uris": ["https://evil.example/cb"] });
    let refused = bank.register(&wider).await;
    assert_eq!(refused.status(), 400, "{refused:?}");
    assert_eq!(bank.last_record()["outcome"], "rejected");
}
