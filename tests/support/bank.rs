//! A proxy in front of a real identity server, and a client of it.
#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use dcrgate::audit::view;
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::sandbox::{Identity, KeyKind, ThirdParty, World};
use dcrgate::store::{Filter, Reader};
use http::{Request, Response};
use serde_json::{Map, Value, json};

use crate::gate::{self, Gate};
use crate::programs::IdentityServer;

/// The public base of the world's host.
pub(crate) const ISSUER: &str = "https://localhost";

/// A proxy, the identity server behind it, and a client with a certificate that the proxy trusts.
pub(crate) struct Bank {
    pub(crate) gate: Gate,
    pub(crate) third_party: ThirdParty,
    /// Its certificate.
    pub(crate) identity: Identity,
    /// Ends with the test.
    _server: IdentityServer,
}

/// How dcrgate reaches an identity server.
pub(crate) struct Upstream<'a> {
    /// The profile's word.
    pub(crate) profile: &'a str,
    /// `headers = …` of the upstream.
    pub(crate) headers: &'a str,
    /// Its registration path.
    pub(crate) to: &'a str,
    /// The pack that judges registrations.
    pub(crate) policy: &'a str,
    /// More keys of `[policies.NAME]`, and its tables.
    pub(crate) settings: &'a str,
    /// More keys of the registration route.
    pub(crate) route: &'a str,
    /// More sections.
    pub(crate) more: &'a str,
}

impl<'a> Upstream<'a> {
    /// Registrations by the base policy, and no certificate in headers.
    pub(crate) const fn plain(profile: &'a str, to: &'a str) -> Self {
        Self {
            profile,
            headers: "{ certificate = \"none\" }",
            to,
            policy: "rfc7591",
            settings: "",
            route: "",
            more: "",
        }
    }
}

impl Bank {
    /// Starts the proxy; registrations are at `/register`.
    pub(crate) async fn before(server: IdentityServer, upstream: &Upstream<'_>) -> Self {
        Self::with_files(server, upstream, |_| ()).await
    }

    /// With more files in the folder of the configuration.
    pub(crate) async fn with_files(
        server: IdentityServer,
        upstream: &Upstream<'_>,
        write: impl FnOnce(&World),
    ) -> Self {
        let (home, world) = gate::world(|text| configuration(&text, &server, upstream)).await;
        write(&world);
        let gate = Gate::over(home, world).await;
        let software = gate.world.enrol("upstreams");
        let identity = gate.world.transport(&software, KeyKind::Rsa).expect("a certificate");
        let third_party = gate.world.third_party(Some(&identity)).expect("a client");
        Self { gate, third_party, identity, _server: server }
    }

    /// Another client, with a certificate of its own.
    pub(crate) fn another(&self, name: &str) -> ThirdParty {
        let software = self.gate.world.enrol(name);
        let identity = self.gate.world.transport(&software, KeyKind::Rsa).expect("a certificate");
        self.gate.world.third_party(Some(&identity)).expect("a client")
    }

    /// Registers this metadata.
    pub(crate) async fn register(&self, metadata: &Value) -> Response<Bytes> {
        self.register_with(metadata, None).await
    }

    /// Registers this metadata with an Authorization header.
    pub(crate) async fn register_with(&self, metadata: &Value, authorization: Option<&str>) -> Response<Bytes> {
        let mut request = registration(metadata.to_string());
        if let Some(value) = authorization {
            request.headers_mut().insert("authorization", value.parse().expect("a header value"));
        }
        self.send(request).await
    }

    /// Sends a request over HTTP/1.1.
    pub(crate) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.third_party.send(self.gate.address, Protocol::Http1, request).await.expect("an answer")
    }

    /// The record of the last decision.
    pub(crate) fn last_record(&self) -> Value {
        let reader = Reader::open(&self.gate.database()).expect("the ledger");
        let everything = Filter { outcome: None, since: None, limit: 1 };
        let decisions = reader.decisions(&everything).expect("decisions");
        Value::Object(view::join(decisions.first().expect("a decision")))
    }
}

/// The members of an answer.
pub(crate) fn members(answer: &Response<Bytes>) -> Map<String, Value> {
    serde_json::from_slice(answer.body()).unwrap_or_else(|_| panic!("no JSON object: {answer:?}"))
}

/// A member that is a string.
pub(crate) fn text<'a>(members: &'a Map<String, Value>, name: &str) -> &'a str {
    members.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("{name} in {members:?}"))
}

/// Metadata of a web client that authenticates with a secret.
pub(crate) fn web_client() -> Value {
    json!({
        "client_name": "Example",
        "redirect_uris": ["https://tpp.example/cb"],
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
    })
}

fn configuration(text: &str, server: &IdentityServer, upstream: &Upstream<'_>) -> String {
    let text = gate::before(server.address(), text)
        .replace("profile = \"oidc-provider\"", &format!("profile = \"{}\"", upstream.profile))
        .replace("{ certificate = \"rfc9440\", chain = true }", upstream.headers);
    let (head, rest) = text.split_once("[policies.open-finance-brasil]").expect("a policy");
    let (_, store) = rest.split_once("\n[store]").expect("a store");
    let Upstream { to, policy, settings, route, more, .. } = upstream;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    format!(
        r#"{head}[policies.{policy}]
file = "{folder}/{policy}.toml"
authorities = ["sandbox"]
{settings}

[[routes]]
path = "/register"
kind = "registration"
upstream = "identity-server"
to = "{to}"
policy = "{policy}"
{route}
{more}
[store]{store}"#
    )
}
