//! A regime over the wire: every example of a policy's cases file, played by a third party.
//!
//! The cases say what is in a certificate, a statement, a token and a request,
//! and what has to come of it. Here all of it is made real: authorities issue
//! the certificates, the directory signs the statements and publishes the keys,
//! and each example goes over mutual TLS to a proxy that judges it at the time
//! that the example names. So a regime needs no code here: its policy and its
//! cases are all there is of it.
//!
//! Left out is what no single registration can show: updates, evidence that is
//! missing through an outage, and what somebody else used up before.

mod configuration;
mod material;
mod visitor;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value};

use super::clock::WorldClock;
use super::egress::Egress;
use super::scenario::{Expectation, Outcome};
use super::third_party::Protocol;
use super::{Authority, SandboxError, World};
use crate::model::document::Faults;
use crate::model::time::Timestamp;
use crate::policy::cases::{Example, Suite};
use crate::policy::{Policy, packs};

/// A world for the examples of one policy.
#[derive(Debug)]
pub struct Regime {
    world: World,
    clock: Arc<WorldClock>,
    egress: Egress,
    authorities: BTreeMap<String, Authorities>,
    hosts: BTreeSet<String>,
    plays: Vec<Play>,
    left_out: usize,
}

/// Whoever vouches for certificates under one name, and a namesake that the proxy has never heard of.
#[derive(Debug)]
struct Authorities {
    root: Authority,
    issuing: Authority,
    strangers: Authority,
}

impl Authorities {
    fn named(name: &str, now: Timestamp) -> Result<Self, SandboxError> {
        let root = Authority::root(name, now)?;
        let issuing = root.intermediate("Issuing authority", now)?;
        Ok(Self { root, issuing, strangers: Authority::root(name, now)? })
    }
}

/// One example, and where the proxy judges it.
#[derive(Debug)]
struct Play {
    example: Example,
    policy: Policy,
    /// Of the case in its file, from 1; 0 for the visitor.
    number: usize,
    /// Of its policy in the configuration.
    name: String,
    /// Of its route.
    path: String,
}

impl Regime {
    /// Makes a world in a directory that exists, for a proxy on this port of 127.0.0.1 (0: any), with the
    /// examples of this pack.
    ///
    /// # Errors
    /// [`SandboxError::Policy`] for a pack that is none or does not compile; keys, sockets, files.
    pub async fn create(home: &Path, port: u16, pack: &str, clock: Arc<WorldClock>) -> Result<Self, SandboxError> {
        let (plays, left_out) = plays(pack)?;
        let hosts: BTreeSet<String> = plays.iter().flat_map(|play| hosts(&play.example)).collect();
        let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let world = World::naming(home, Arc::clone(&clock) as _, &names).await?;
        // Authorities are older than what they issue, also in a case that is about the past.
        let earliest = plays.iter().map(|play| play.example.now).min().unwrap_or_else(|| world.now());
        let mut authorities: BTreeMap<String, Authorities> = BTreeMap::new();
        for name in plays.iter().flat_map(|play| authorities_of(&play.example)) {
            if let Entry::Vacant(entry) = authorities.entry(name) {
                let named = Authorities::named(&format!("Root of {}", entry.key()), earliest)?;
                entry.insert(named);
            }
        }
        let egress = Egress::start(world.directory.address()).await?;
        let hosts = hosts.into_iter().chain(["localhost".to_owned()]).collect();
        let regime = Self { world, clock, egress, authorities, hosts, plays, left_out };
        regime.write(port, pack)?;
        Ok(regime)
    }

    /// The proxy's configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.world.configuration()
    }

    /// The world below.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Cases that are not played, because a single registration cannot show them.
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// Plays every example, one after the other. The clock of the world stands at the time of each.
    ///
    /// # Errors
    /// When the sandbox itself fails. A proxy that does not answer is an outcome.
    pub async fn play(&self, proxy: SocketAddr) -> Result<Vec<Outcome>, SandboxError> {
        let mut outcomes = Vec::new();
        for play in self.plays.iter().filter(|play| !play.is_visitor()) {
            outcomes.push(self.play_one(play, proxy).await?);
        }
        self.clock.go_on();
        Ok(outcomes)
    }

    async fn play_one(&self, play: &Play, proxy: SocketAddr) -> Result<Outcome, SandboxError> {
        self.clock.stand_at(play.example.now);
        let seen = self.world.identity_server.requests().len();
        let material = self.material(play, &play.example)?;
        let client = self.world.third_party(material.identity.as_ref())?;
        let sent = client.send(proxy, Protocol::Http1, material.request).await;
        let forwarded: Vec<Request<Bytes>> = self.world.identity_server.requests().into_iter().skip(seen).collect();
        Ok(outcome(play, &material.expected, sent, &forwarded))
    }

    fn write(&self, port: u16, pack: &str) -> Result<(), SandboxError> {
        for (name, authority) in &self.authorities {
            self.world.write(&format!("{}.pem", configuration::root_file(name)), &authority.root.pem())?;
            self.world.write(&format!("{}.pem", configuration::issuing_file(name)), &authority.issuing.pem())?;
        }
        for play in &self.plays {
            let overlay =
                format!("extends = {}\nid = {}\n", text_of(&pack.into()), text_of(&play.name.as_str().into()));
            self.world.write(&format!("policies/{}.toml", play.name), &overlay)?;
        }
        self.write_visitor()?;
        self.world.write(super::world::CONFIGURATION, &configuration::text(port, self))
    }
}

/// The examples of a pack that can be played, and how many cannot.
fn plays(pack: &str) -> Result<(Vec<Play>, usize), SandboxError> {
    let faults = Faults::new();
    let told = |faults: Faults| {
        let problems: Vec<String> = faults.into_problems().iter().map(ToString::to_string).collect();
        SandboxError::Policy(problems.join("; "))
    };
    let Some(cases) = packs::cases(pack) else {
        let known: Vec<&str> = packs::PACKS.iter().map(|(file, _)| *file).collect();
        return Err(SandboxError::Policy(format!("there is no pack `{pack}`; packs: {}", known.join(", "))));
    };
    let Some(suite) = Suite::read(&format!("{pack}.cases.toml"), cases, &faults) else { return Err(told(faults)) };
    let mut plays = Vec::new();
    let mut left_out = 0;
    for (at, example) in suite.examples().enumerate() {
        if !material::is_playable(&example) {
            left_out += 1;
            continue;
        }
        let Some(policy) = compiled(pack, &example, &faults) else { return Err(told(faults)) };
        let name = format!("case-{}", at + 1);
        plays.push(Play { path: format!("/register/{name}"), example, policy, number: at + 1, name });
    }
    if let Some(first) = plays.iter().find(|play| play.example.accepted) {
        let example = first.example.clone();
        let Some(policy) = compiled(pack, &example, &faults) else { return Err(told(faults)) };
        let (path, name) = ("/register".to_owned(), visitor::NAME.to_owned());
        plays.push(Play { path, name, example, policy, number: 0 });
    }
    Ok((plays, left_out))
}

fn compiled(pack: &str, example: &Example, faults: &Faults) -> Option<Policy> {
    let read = |name: &str| packs::pack(name).map(str::to_owned).ok_or_else(|| "not a pack".to_owned());
    crate::policy::compile(&format!("{pack}.toml"), packs::pack(pack)?, &read, &example.params, faults)
}

/// Names of the authorities that an example's certificates come from.
fn authorities_of(example: &Example) -> Vec<String> {
    let of = |key: &str| {
        let name = example.facts.get(key).and_then(Value::as_object).and_then(|facts| facts.get("authority"));
        name.and_then(Value::as_str).unwrap_or(material::AUTHORITY).to_owned()
    };
    vec![of("certificate"), of("signer")]
}

/// Every host that an example's statement and request name: the directory answers for all of them.
fn hosts(example: &Example) -> BTreeSet<String> {
    let mut hosts = BTreeSet::new();
    for key in ["statement", "request"] {
        example.facts.get(key).into_iter().for_each(|facts| gather_hosts(facts, &mut hosts));
    }
    hosts
}

fn gather_hosts(value: &Value, hosts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let url = url::Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.port().is_none());
            hosts.extend(url.as_ref().and_then(url::Url::domain).filter(|name| name.is_ascii()).map(str::to_owned));
        }
        Value::Array(items) => items.iter().for_each(|item| gather_hosts(item, hosts)),
        Value::Object(members) => members.values().for_each(|value| gather_hosts(value, hosts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What came of an example, held against what its case says.
fn outcome(
    play: &Play,
    expected: &Map<String, Value>,
    sent: Result<Response<Bytes>, SandboxError>,
    forwarded: &[Request<Bytes>],
) -> Outcome {
    let example = &play.example;
    let rule = example.failed.iter().next().cloned();
    let mut outcome = Outcome {
        sent: example.name.clone(),
        status: None,
        error: None,
        rule: None,
        message: None,
        expected: Expectation {
            status: if example.accepted { 201 } else { 400 },
            error: example.error.clone(),
            rule,
            forwarded: usize::from(example.accepted),
        },
        difference: None,
    };
    let answer = match sent {
        Ok(answer) => answer,
        Err(fault) => {
            outcome.difference = Some("there was no answer".to_owned());
            outcome.message = Some(fault.to_string());
            return outcome;
        }
    };
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    outcome.status = Some(answer.status().as_u16());
    outcome.error = text("/error");
    outcome.rule = text("/violations/0/rule");
    outcome.message = text("/violations/0/message")
        .or_else(|| text("/error_description"))
        .or_else(|| Some(format!("registered as {}", text("/client_id")?)));
    outcome.difference = difference(example, expected, &answer, &body, forwarded);
    outcome
}

fn difference(
    example: &Example,
    expected: &Map<String, Value>,
    answer: &Response<Bytes>,
    body: &Value,
    forwarded: &[Request<Bytes>],
) -> Option<String> {
    let status = answer.status().as_u16();
    if (status == 201) != example.accepted {
        return Some(if example.accepted { "expected to be admitted" } else { "expected to be refused" }.to_owned());
    }
    if forwarded.len() != usize::from(example.accepted) {
        return Some(format!("the identity server saw {} requests", forwarded.len()));
    }
    let error = body.get("error").and_then(Value::as_str);
    if example.error.is_some() && example.error.as_deref() != error {
        return example.error.as_ref().map(|error| format!("expected {error}"));
    }
    let violations = body.get("violations").and_then(Value::as_array).into_iter().flatten();
    let told: BTreeSet<&str> = violations.filter_map(|one| one.get("rule")?.as_str()).collect();
    let failed: BTreeSet<&str> = example.failed.iter().map(String::as_str).collect();
    if told != failed {
        let list = |ids: &BTreeSet<&str>| ids.iter().copied().collect::<Vec<_>>().join(", ");
        return Some(format!("refused by {}, expected {}", list(&told), list(&failed)));
    }
    let sent: Value = forwarded.first().and_then(|one| serde_json::from_slice(one.body()).ok()).unwrap_or_default();
    let missing = expected.iter().find(|(name, value)| sent.get(name.as_str()) != Some(value));
    if let Some((name, _)) = missing {
        return Some(format!("`{name}` was not forwarded as expected"));
    }
    let extra = example.absent.iter().find(|name| sent.get(name.as_str()).is_some());
    extra.map(|name| format!("`{name}` was forwarded"))
}

/// A value as TOML has it: JSON, but for tables.
fn text_of(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{} = {}", Value::from(name.as_str()), text_of(value)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(text_of).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
