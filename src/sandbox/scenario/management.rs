//! What the owner of a client, and somebody else, do with it (RFC 7592): the end of the scenario.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Method, Response};
use serde_json::Value;

use super::{Expectation, Outcome};
use crate::sandbox::third_party::{Protocol, management};
use crate::sandbox::{KeyKind, SandboxError, ThirdParty, World};

/// A registered client, and who holds its token.
struct Registered {
    party: ThirdParty,
    client_id: String,
    token: String,
    update: String,
}

/// Plays it, one request after the other.
pub(super) async fn play(world: &World, proxy: SocketAddr) -> Result<Vec<Outcome>, SandboxError> {
    let (Some(owner), Some(other)) =
        (Registered::new(world, proxy, "managed").await?, Registered::new(world, proxy, "another managed").await?)
    else {
        // The registrations before this one say what is wrong.
        return Ok(Vec::new());
    };
    let own = |method, body: &str| management(method, &owner.path(), &owner.token, body.to_owned());
    let steps = [
        ("the owner reads its client", &owner, own(Method::GET, ""), (200, None, 1)),
        ("the owner updates it, with a new statement", &owner, own(Method::PUT, &owner.update), (200, None, 1)),
        (
            "somebody else deletes it with a token of its own",
            &other,
            management(Method::DELETE, &owner.path(), &other.token, ""),
            (401, Some("client.owned"), 0),
        ),
        (
            "somebody else reads it with the owner's token",
            &other,
            management(Method::GET, &owner.path(), &owner.token, ""),
            (401, Some("client.owned"), 0),
        ),
        (
            "the owner updates it without a statement",
            &owner,
            own(Method::PUT, "{\"client_name\":\"x\"}"),
            (400, Some("statement.present"), 0),
        ),
        ("the owner deletes it", &owner, own(Method::DELETE, ""), (204, None, 1)),
        ("the owner reads what is deleted", &owner, own(Method::GET, ""), (401, Some("client.owned"), 0)),
    ];
    let mut outcomes = Vec::new();
    for (sent, who, request, (status, rule, forwarded)) in steps {
        let before = world.identity_server.requests().len();
        let answer = who.party.send(proxy, Protocol::Http1, request).await;
        let seen = world.identity_server.requests().len() - before;
        let expected = Expectation {
            status,
            error: rule.map(|rule| {
                if rule == "client.owned" { "invalid_token" } else { "invalid_software_statement" }.to_owned()
            }),
            rule: rule.map(str::to_owned),
            forwarded,
        };
        outcomes.push(outcome(sent, &answer, expected, seen));
    }
    Ok(outcomes)
}

fn outcome(sent: &str, answer: &Result<Response<Bytes>, SandboxError>, expected: Expectation, seen: usize) -> Outcome {
    let body: Value =
        answer.as_ref().ok().and_then(|answer| serde_json::from_slice(answer.body()).ok()).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (error, rule) = (text("/error"), text("/violations/0/rule"));
    let status = answer.as_ref().ok().map(|answer| answer.status().as_u16());
    let message = match answer {
        Err(fault) => Some(fault.to_string()),
        Ok(_) => text("/violations/0/message").or_else(|| text("/error_description")).or_else(|| {
            Some(text("/client_id").map_or_else(|| "the client is gone".to_owned(), |id| format!("client {id}")))
        }),
    };
    let difference = if status != Some(expected.status) || error != expected.error || rule != expected.rule {
        let rule = expected.rule.as_deref().unwrap_or("no refusal");
        Some(format!("expected {} ({rule})", expected.status))
    } else if seen != expected.forwarded {
        Some(format!("expected {} at the identity server, which saw {seen}", expected.forwarded))
    } else {
        None
    };
    Outcome { sent: sent.to_owned(), status, error, rule, message, expected, difference }
}

impl Registered {
    async fn new(world: &World, proxy: SocketAddr, name: &str) -> Result<Option<Self>, SandboxError> {
        let software = world.enrol(name);
        let identity = world.transport(&software, KeyKind::Ecdsa)?;
        let party = world.third_party(Some(&identity))?;
        let body = || world.request(&software).map(|members| Value::Object(members).to_string());
        let Ok(answer) = party.register(proxy, body()?).await else { return Ok(None) };
        let client: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let text = |name: &str| client.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(client_id), Some(token)) = (text("client_id"), text("registration_access_token")) else {
            return Ok(None);
        };
        Ok(Some(Self { party, client_id, token, update: body()? }))
    }

    fn path(&self) -> String {
        format!("/register/{}", self.client_id)
    }
}
