//! The proxy under attack, and what an attacker with a good certificate can send.

use bytes::Bytes;
use dcrgate::sandbox::statement::{Draft, Signature};
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::sandbox::{Identity, KeyKind, Software, ThirdParty, World};
use dcrgate::store::{Filter, Reader};
use http::{Request, Response};
use serde_json::{Map, Value};

use crate::gate::Gate;

/// The proxy, and one attacker who is a member of the ecosystem.
pub(crate) struct Target {
    pub(crate) gate: Gate,
    pub(crate) attacker: Attacker,
}

/// Someone with a software, a certificate and everything else in order.
pub(crate) struct Attacker {
    pub(crate) software: Software,
    pub(crate) identity: Identity,
    pub(crate) client: ThirdParty,
}

impl Attacker {
    pub(crate) fn new(world: &World, name: &str) -> Self {
        let software = world.enrol(name);
        let identity = world.transport(&software, KeyKind::Ecdsa).expect("a certificate");
        let client = world.third_party(Some(&identity)).expect("a client");
        Self { software, identity, client }
    }
}

impl Target {
    pub(crate) async fn new() -> Self {
        Self::of(Gate::start().await)
    }

    /// With another configuration text.
    pub(crate) async fn with(change: impl FnOnce(String) -> String) -> Self {
        Self::of(Gate::with(change).await)
    }

    /// Behind this gate.
    pub(crate) fn of(gate: Gate) -> Self {
        let attacker = Attacker::new(&gate.world, "attacker");
        Self { gate, attacker }
    }

    /// A good request.
    pub(crate) fn request(&self) -> Map<String, Value> {
        self.gate.world.request(&self.attacker.software).expect("a request")
    }

    /// A good request around a statement that was changed before it was signed.
    pub(crate) fn stated(&self, change: impl FnOnce(Draft) -> Draft) -> Map<String, Value> {
        let draft = change(self.gate.world.statement(&self.attacker.software));
        let statement = draft.sign(self.gate.world.directory.signer(), Signature::Ps256).expect("a statement");
        self.around(&statement)
    }

    /// A good request around this statement.
    pub(crate) fn around(&self, statement: &str) -> Map<String, Value> {
        self.gate.world.request_with(&self.attacker.software, statement)
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.attacker.client.send(self.gate.address, Protocol::Http1, request).await.expect("an answer")
    }

    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> Response<Bytes> {
        self.send(registration(body)).await
    }

    pub(crate) async fn submit(&self, request: &Map<String, Value>) -> Response<Bytes> {
        self.post(serde_json::to_vec(request).expect("JSON")).await
    }

    /// How many requests reached the identity server, whatever their path.
    pub(crate) fn reached(&self) -> usize {
        self.gate.world.identity_server.requests().len()
    }

    /// Sends bytes as they are and reads until the proxy closes.
    pub(crate) async fn throw(&self, bytes: impl AsRef<[u8]>) -> String {
        let answer = self.attacker.client.exchange(self.gate.address, bytes.as_ref()).await.expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Asserts that this refusal is in the ledger, under the id that the caller was told.
    pub(crate) fn recorded(&self, name: &str, answer: &Response<Bytes>) {
        let told = answer.headers().get("dcr-decision-id").unwrap_or_else(|| panic!("{name}: no decision id"));
        let everything = Filter { outcome: Some("rejected".to_owned()), since: None, limit: 1000 };
        let ledger = Reader::open(&self.gate.database()).expect("a ledger");
        let decisions = ledger.decisions(&everything).expect("decisions");
        let found = decisions.iter().any(|decision| told == decision.id.to_string().as_str());
        assert!(found, "{name}: decision {told:?} is not on record");
    }

    /// The last body that reached it.
    pub(crate) fn forwarded(&self) -> Map<String, Value> {
        let requests = self.gate.world.identity_server.requests();
        serde_json::from_slice(requests.last().expect("something was forwarded").body()).expect("JSON")
    }
}

/// The first rule that an answer names.
pub(crate) fn rule(answer: &Response<Bytes>) -> String {
    let json: Value = serde_json::from_slice(answer.body()).expect("JSON");
    json["violations"][0]["rule"].as_str().unwrap_or_default().to_owned()
}

/// Asserts a refusal: status, code, and what every refusal promises.
pub(crate) fn refused(name: &str, answer: &Response<Bytes>, status: u16, error: &str) {
    let text = String::from_utf8_lossy(answer.body());
    assert_eq!(answer.status().as_u16(), status, "{name}: {text}");
    assert_eq!(answer.headers()["content-type"], "application/json", "{name}");
    assert_eq!(answer.headers()["cache-control"], "no-store", "{name}");
    assert!(answer.headers().contains_key("x-fapi-interaction-id"), "{name}");
    let json: Value = serde_json::from_str(&text).expect("a JSON error");
    let id = answer.headers().get("dcr-decision-id").map(|id| id.to_str().expect("text"));
    assert_eq!(json["decision_id"].as_str(), id, "{name}");
    assert_eq!(json["error"], error, "{name}: {text}");
    assert!(json.get("client_id").is_none(), "{name}");
}
