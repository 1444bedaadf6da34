//! What the sandbox sends to a proxy, and what has to come of it.
//!
//! A [`Case`] is a good registration with one thing changed, the answer that is
//! expected, and a software of its own, so that cases do not disturb each
//! other. [`play`] runs them over real mutual TLS. Whatever the answer, the
//! identity server is asked how often it saw the software: what is refused must
//! not arrive.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use super::statement::{Draft, Signature};
use super::third_party::{Protocol, registration};
use super::{Identity, KeyKind, SandboxError, Software, World};
use crate::model::time::Timestamp;

mod cases;
mod management;

pub use cases::CASES;

/// One thing that is sent, and the answer it must get.
#[derive(Debug)]
pub struct Case {
    /// Name of the case and of its software.
    pub name: &'static str,
    /// What is sent, in words.
    pub sent: &'static str,
    /// What must come of it.
    pub expected: Expected,
    change: Change,
    proof: Option<Proof>,
}

/// What must come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Status of the last answer.
    pub status: u16,
    /// Its `error`.
    pub error: Option<&'static str>,
    /// The first rule that it names.
    pub rule: Option<&'static str>,
    /// How often the identity server sees the software.
    pub forwarded: usize,
}

/// What had to come, as an outcome tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expectation {
    /// Status of the last answer.
    pub status: u16,
    /// Its `error`.
    pub error: Option<String>,
    /// The first rule that it names.
    pub rule: Option<String>,
    /// How often the identity server sees the software.
    pub forwarded: usize,
}

impl From<Expected> for Expectation {
    fn from(expected: Expected) -> Self {
        let Expected { status, error, rule, forwarded } = expected;
        Self { status, error: error.map(str::to_owned), rule: rule.map(str::to_owned), forwarded }
    }
}

/// The one thing that differs from a good registration.
#[derive(Debug)]
enum Change {
    Certificate(fn(&World, &Software) -> Result<Option<Identity>, SandboxError>),
    Statement(fn(Draft, Timestamp) -> Draft),
    Signature(fn(Draft, &World) -> Result<String, SandboxError>),
    Metadata(fn(&mut Map<String, Value>)),
    Body(fn(String) -> String),
    Headers(&'static [(&'static str, &'static str)]),
    Protocol(Protocol),
    /// Registered once before, with another statement.
    SoftwareAgain,
    /// The same bytes were sent once before.
    RequestAgain,
}

/// Something beyond the answer's status that has to hold.
#[derive(Debug)]
struct Proof {
    claim: &'static str,
    holds: fn(&Observed<'_>) -> bool,
}

/// What can be seen of a case once it is over.
#[derive(Debug)]
struct Observed<'a> {
    answers: &'a [Response<Bytes>],
    forwarded: &'a [Request<Bytes>],
    certificate: &'a [u8],
}

/// What came of a case.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// What was sent, in words.
    pub sent: String,
    /// Status of the last answer; none when there was no answer.
    pub status: Option<u16>,
    /// Its `error`.
    pub error: Option<String>,
    /// The first rule that it names.
    pub rule: Option<String>,
    /// What it says of that rule, or of itself; of a client, its id.
    pub message: Option<String>,
    /// What had to come.
    pub expected: Expectation,
    /// Where both differ; nothing when the outcome is as expected.
    pub difference: Option<String>,
}

impl Outcome {
    /// Whether everything came as it had to.
    pub const fn as_expected(&self) -> bool {
        self.difference.is_none()
    }
}

/// Plays all cases, one after the other, and then what is done with a registered client, against a proxy over this world.
///
/// # Errors
/// When the sandbox itself fails. A proxy that does not answer is an outcome.
pub async fn play(world: &World, proxy: SocketAddr) -> Result<Vec<Outcome>, SandboxError> {
    let mut outcomes = Vec::new();
    for case in CASES {
        outcomes.push(case.play(world, proxy).await?);
    }
    outcomes.extend(management::play(world, proxy).await?);
    Ok(outcomes)
}

impl Case {
    /// Plays this case.
    ///
    /// # Errors
    /// As [`play`].
    pub async fn play(&self, world: &World, proxy: SocketAddr) -> Result<Outcome, SandboxError> {
        let software = world.enrol(self.name);
        let identity = match self.change {
            Change::Certificate(choose) => choose(world, &software)?,
            _ => Some(world.transport(&software, KeyKind::Ecdsa)?),
        };
        let protocol = match self.change {
            Change::Protocol(protocol) => protocol,
            _ => Protocol::Http1,
        };
        let client = world.third_party(identity.as_ref())?;
        let mut answers = Vec::new();
        for request in self.requests(world, &software)? {
            match client.send(proxy, protocol, request).await {
                Ok(answer) => answers.push(answer),
                Err(fault) => return Ok(self.unanswered(&fault)),
            }
        }
        let forwarded = world.identity_server.registrations_of(&software);
        let certificate = identity.as_ref().map_or(&[][..], Identity::certificate);
        Ok(self.judge(&Observed { answers: &answers, forwarded: &forwarded, certificate }))
    }

    fn requests(&self, world: &World, software: &Software) -> Result<Vec<Request<Bytes>>, SandboxError> {
        let once = || self.body(world, software);
        let bodies = match self.change {
            Change::SoftwareAgain => vec![once()?, once()?],
            Change::RequestAgain => vec![once()?; 2],
            _ => vec![once()?],
        };
        let with_headers = |body| {
            let mut request = registration(body);
            if let Change::Headers(headers) = self.change {
                for (name, value) in headers {
                    let (name, value) = (http::HeaderName::from_static(name), http::HeaderValue::from_static(value));
                    request.headers_mut().append(name, value);
                }
            }
            request
        };
        Ok(bodies.into_iter().map(with_headers).collect())
    }

    /// Two bodies of one case differ: every PS256 signature is another one.
    fn body(&self, world: &World, software: &Software) -> Result<String, SandboxError> {
        let mut draft = world.statement(software);
        if let Change::Statement(change) = self.change {
            draft = change(draft, world.now());
        }
        let statement = match self.change {
            Change::Signature(sign) => sign(draft, world)?,
            _ => draft.sign(world.directory.signer(), Signature::Ps256)?,
        };
        let mut members = world.request_with(software, &statement);
        if let Change::Metadata(change) = self.change {
            change(&mut members);
        }
        let body = Value::Object(members).to_string();
        Ok(if let Change::Body(change) = self.change { change(body) } else { body })
    }

    fn judge(&self, observed: &Observed<'_>) -> Outcome {
        let last = observed.answers.last();
        let body: Value = last.and_then(|answer| serde_json::from_slice(answer.body()).ok()).unwrap_or_default();
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let mut outcome = Outcome {
            sent: self.sent.to_owned(),
            status: last.map(|answer| answer.status().as_u16()),
            error: text("/error"),
            rule: text("/violations/0/rule"),
            message: text("/violations/0/message")
                .or_else(|| text("/error_description"))
                .or_else(|| Some(format!("registered as {}", text("/client_id")?))),
            expected: self.expected.into(),
            difference: None,
        };
        outcome.difference = self.difference(&outcome, observed);
        outcome
    }

    fn difference(&self, outcome: &Outcome, observed: &Observed<'_>) -> Option<String> {
        let Expected { status, error, rule, forwarded } = self.expected;
        if outcome.status != Some(status) || outcome.error.as_deref() != error {
            let error = error.map(|error| format!(" {error}")).unwrap_or_default();
            return Some(format!("expected {status}{error}"));
        }
        if rule.is_some() && outcome.rule.as_deref() != rule {
            return rule.map(|rule| format!("expected rule {rule}"));
        }
        if observed.forwarded.len() != forwarded {
            let seen = observed.forwarded.len();
            return Some(format!("expected {forwarded} at the identity server, which saw {seen}"));
        }
        let broken = self.proof.as_ref().filter(|proof| !(proof.holds)(observed));
        broken.map(|proof| format!("expected that {}", proof.claim))
    }

    fn unanswered(&self, fault: &SandboxError) -> Outcome {
        let Expected { status, .. } = self.expected;
        Outcome {
            sent: self.sent.to_owned(),
            status: None,
            error: None,
            rule: None,
            message: Some(fault.to_string()),
            expected: self.expected.into(),
            difference: Some(format!("expected {status}, there was no answer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::time::SystemClock;
    use crate::sandbox::Validity;
    use crate::sandbox::wire::{self, Answer, Serving};

    /// A proxy that asks for no certificate, checks nothing and forwards everything.
    struct OpenDoor(SocketAddr);

    impl Answer for OpenDoor {
        async fn answer(&self, mut request: Request<Bytes>) -> Option<Response<Bytes>> {
            *request.uri_mut() = http::Uri::from_static("/reg");
            request.headers_mut().insert("dcr-decision-id", http::HeaderValue::from_static("none"));
            request.headers_mut().insert("client-cert", http::HeaderValue::from_static(":AQID:"));
            wire::exchange(self.0, request).await
        }
    }

    async fn world() -> (tempfile::TempDir, World) {
        let home = tempfile::tempdir().unwrap();
        let world = World::create(home.path(), 0, Arc::new(SystemClock)).await.unwrap();
        (home, world)
    }

    #[tokio::test]
    async fn an_open_door_is_found_out() {
        let (_home, world) = world().await;
        let identity = world.servers.loopback_server(KeyKind::Ecdsa, &Validity::current(world.now())).unwrap();
        let door = Arc::new(OpenDoor(world.identity_server.address()));
        let proxy = Serving::start(Some(&identity), door).await.unwrap();
        for case in CASES {
            let outcome = case.play(&world, proxy.address()).await.unwrap();
            // What is good and needs no proxy to be good comes through; everything else is told.
            let passes = case.name == "good";
            assert_eq!(outcome.as_expected(), passes, "{}: {:?}", case.name, outcome.difference);
        }
    }

    #[tokio::test]
    async fn a_proxy_that_is_down_is_an_outcome() {
        let (_home, world) = world().await;
        let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let outcome = CASES[0].play(&world, nobody).await.unwrap();
        assert_eq!((outcome.status, outcome.as_expected()), (None, false));
    }

    #[test]
    fn every_case_has_a_software_of_its_own() {
        let names: std::collections::BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
    }
}
