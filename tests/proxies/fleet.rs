//! Several proxies over one world and one database.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dcrgate::sandbox::World;
use dcrgate::sandbox::third_party::{Protocol, registration};
use dcrgate::store::{Database, DatabaseUrl, Decision, Filter, PostgresSettings, Reader};
use http::Request;
use tokio::task::JoinSet;

use crate::applicant::{Answer, Applicant, soon};
use crate::gate::{self, Program};

/// The world, the database, and three running proxies: `gate-1` to `gate-3`.
pub(crate) struct Fleet {
    pub(crate) world: World,
    pub(crate) proxies: Vec<Program>,
    url: String,
    /// How long a silent proxy is waited for.
    lease: &'static str,
    _home: tempfile::TempDir,
}

impl Fleet {
    /// On this database.
    pub(crate) async fn on(url: String) -> Self {
        Self::with(url, "", |text| text).await
    }

    /// With a lease that a test can wait for.
    pub(crate) async fn impatient(url: String) -> Self {
        Self::leased(url, "2s", "", |text| text).await
    }

    /// With a policy of their own, `policies/fleet.toml`, which extends the sandbox's by this text, and another
    /// configuration text.
    pub(crate) async fn with(url: String, policy: &str, change: impl FnOnce(String) -> String) -> Self {
        Self::leased(url, "30s", policy, change).await
    }

    async fn leased(url: String, lease: &'static str, policy: &str, change: impl FnOnce(String) -> String) -> Self {
        let (home, world) = gate::world(change).await;
        let text = format!("extends = \"open-finance-brasil.toml\"\nid = \"fleet\"\n{policy}");
        std::fs::write(world.path("policies/fleet.toml"), text).expect("a policy");
        let mut fleet = Self { world, proxies: Vec::new(), url, lease, _home: home };
        for number in 1..=3 {
            let program = fleet.start(number);
            fleet.proxies.push(program);
        }
        fleet
    }

    /// Starts a proxy under the name `gate-NUMBER`.
    pub(crate) fn start(&self, number: usize) -> Program {
        Program::by(self.command(number))
    }

    /// What starts a proxy under the name `gate-NUMBER`.
    pub(crate) fn command(&self, number: usize) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcrgate"));
        command.args(["run", "--config"]).arg(self.configuration(number)).env(VARIABLE, &self.url);
        command
    }

    /// The configuration file of a proxy.
    pub(crate) fn configuration(&self, number: usize) -> PathBuf {
        let lease = self.lease;
        let text = std::fs::read_to_string(self.world.configuration()).expect("a configuration");
        let store =
            format!("postgres = {{ env = \"{VARIABLE}\" }}\nlease = \"{lease}\"\nkey_copies = \"data/keys-{number}\"");
        let text = text
            .replace("sqlite = \"data/dcrgate.db\"", &store)
            .replace("writer = \"sandbox\"\nreserve = 1048576\n", &format!("writer = \"gate-{number}\"\n"))
            .replace("policies/open-finance-brasil.toml", "policies/fleet.toml");
        let path = self.world.path(&format!("gate-{number}.toml"));
        std::fs::write(&path, text).expect("a configuration");
        path
    }

    /// The database, as an auditor opens it.
    pub(crate) fn reader(&self) -> Reader {
        Reader::open(self.database()).expect("a ledger")
    }

    fn database(&self) -> Database {
        let tls = dcrgate::net::client_config(&[], None).expect("the system's roots");
        let url = DatabaseUrl::parse(&self.url).expect("a URL");
        Database::Postgres(Arc::new(PostgresSettings { url, tls: Arc::new(tls), lease: Duration::from_secs(2) }))
    }

    /// Every decision, oldest first, after each proxy's chain was verified.
    pub(crate) fn decisions(&self) -> Vec<Decision> {
        let reader = self.reader();
        for number in 1..=3 {
            reader.verify(&format!("gate-{number}")).expect("readable").expect("an unbroken chain");
        }
        let everything = Filter { outcome: None, since: None, limit: 10_000 };
        let mut decisions = reader.decisions(&everything).expect("decisions");
        decisions.reverse();
        decisions
    }

    /// How many decisions ended so.
    pub(crate) fn ended(&self, outcome: &str) -> usize {
        self.decisions().iter().filter(|decision| decision.outcome() == outcome).count()
    }

    /// Sends all at once, spread over the proxies.
    pub(crate) async fn at_once(&self, requests: Vec<(Applicant, Request<Bytes>)>) -> Vec<Answer> {
        let mut running = JoinSet::new();
        for (index, (applicant, request)) in requests.into_iter().enumerate() {
            let address = self.proxies[index % self.proxies.len()].address;
            running.spawn(async move { (index, applicant.client.send(address, Protocol::Http1, request).await) });
        }
        let mut answers = Vec::new();
        while let Some(ended) = soon(running.join_next()).await {
            let (index, answer) = ended.expect("no panic");
            answers.push((index, Answer::from(answer.expect("an answer"))));
        }
        answers.sort_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

/// The applicant's request, made another one by white space.
pub(crate) fn varied(applicant: &Applicant, blanks: usize) -> Request<Bytes> {
    registration([&applicant.body[..], &b" ".repeat(blanks)].concat())
}

/// How many answers have this status.
pub(crate) fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

const VARIABLE: &str = "DCRGATE_TEST_DATABASE";
