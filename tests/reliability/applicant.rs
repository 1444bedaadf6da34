//! A third party with a registration request that was made beforehand, and how to read its answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dcrgate::model::id::DecisionId;
use dcrgate::sandbox::statement::Signature;
use dcrgate::sandbox::{Identity, KeyKind, Software, ThirdParty, World};
use http::Response;
use serde_json::Value;

use crate::gate::PATIENCE;

/// A third party whose request is ready.
#[derive(Clone)]
pub(crate) struct Applicant {
    pub(crate) software: Software,
    pub(crate) identity: Arc<Identity>,
    pub(crate) client: ThirdParty,
    /// The compact form that stands in the request.
    pub(crate) statement: String,
    pub(crate) body: Bytes,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As in `DCR-Decision-Id`.
    pub(crate) decision: Option<DecisionId>,
    /// As in `Retry-After`.
    pub(crate) retry_after: Option<String>,
    pub(crate) bytes: Bytes,
    pub(crate) json: Value,
}

impl Applicant {
    /// A software of this name with a certificate and a statement of its own, all good.
    pub(crate) fn new(world: &World, name: &str) -> Self {
        let software = world.enrol(name);
        let identity = world.transport(&software, KeyKind::Ecdsa).expect("a certificate");
        Self::with(world, software, identity)
    }

    /// The same software with another certificate.
    pub(crate) fn with(world: &World, software: Software, identity: Identity) -> Self {
        let client = world.third_party(Some(&identity)).expect("a client");
        let mut applicant =
            Self { software, identity: Arc::new(identity), client, statement: String::new(), body: Bytes::new() };
        applicant.state(world, |draft| draft);
        applicant
    }

    /// With another statement, changed before it is signed.
    pub(crate) fn state(
        &mut self,
        world: &World,
        change: impl FnOnce(dcrgate::sandbox::statement::Draft) -> dcrgate::sandbox::statement::Draft,
    ) {
        let draft = change(world.statement(&self.software));
        let statement = draft.sign(world.directory.signer(), Signature::Ps256).expect("a statement");
        self.body = body(world, &self.software, &statement);
        self.statement = statement;
    }

    /// Sends the request over a connection of its own.
    pub(crate) async fn apply(&self, proxy: SocketAddr) -> Answer {
        self.try_to_apply(proxy).await.expect("a complete answer")
    }

    /// The same where the connection may be cut.
    pub(crate) async fn try_to_apply(&self, proxy: SocketAddr) -> Option<Answer> {
        self.client.register(proxy, self.body.clone()).await.ok().map(Answer::from)
    }
}

/// A good request around a statement.
pub(crate) fn body(world: &World, software: &Software, statement: &str) -> Bytes {
    Value::Object(world.request_with(software, statement)).to_string().into()
}

impl Answer {
    /// The `error` member.
    pub(crate) fn error(&self) -> &str {
        self.json["error"].as_str().unwrap_or_default()
    }

    /// The `error_description` member.
    pub(crate) fn description(&self) -> &str {
        self.json["error_description"].as_str().unwrap_or_default()
    }

    /// Status and error, for comparisons.
    pub(crate) fn outcome(&self) -> (u16, &str) {
        (self.status, self.error())
    }

    /// Which decision it belongs to.
    pub(crate) fn id(&self) -> DecisionId {
        self.decision.expect("a decision id")
    }
}

impl From<Response<Bytes>> for Answer {
    fn from(answer: Response<Bytes>) -> Self {
        let header = |name: &str| answer.headers().get(name)?.to_str().ok();
        Self {
            status: answer.status().as_u16(),
            decision: header("dcr-decision-id").and_then(|id| DecisionId::parse(id).ok()),
            retry_after: header("retry-after").map(str::to_owned),
            json: serde_json::from_slice(answer.body()).unwrap_or_default(),
            bytes: answer.body().clone(),
        }
    }
}

/// What has to come, or the end of the test.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    let patience: Duration = PATIENCE;
    tokio::time::timeout(patience, what).await.expect("it comes")
}
