//! The store as its callers see it: real files, real threads, no sleeping.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::queue::QUEUE;
use super::sqlite::Writer;
use super::*;
use crate::model::claim::{Claim, ClaimKind};
use crate::model::error_code::ErrorCode;
use crate::model::id::{AuthorityName, DecisionId};
use crate::model::trace::{Mode, Rule};

mod bindings;
mod crash;
mod decisions;
mod disk;
mod ledger;
mod operator;
#[path = "../../tests/support/programs.rs"]
mod programs;
mod proxies;
mod quotas;
#[path = "../../tests/support/postgres.rs"]
mod server;
mod slots;

#[derive(Debug)]
struct TestClock(AtomicI64);

impl TestClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A store over a database of its own.
struct World {
    place: Place,
    clock: Arc<TestClock>,
    store: Store,
}

enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(String),
}

const WINDOW: Duration = Duration::from_secs(600);

/// Runs a test of the operations on both databases: what holds for one holds for the other.
macro_rules! on_both {
    ($test:ident) => {
        mod $test {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$test(World::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$test(programs::or_skip!(World::postgres())).await;
            }
        }
    };
}
use on_both;

impl World {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::at(Place::Sqlite(folder))
    }

    fn postgres() -> Result<Self, programs::Missing> {
        Ok(Self::at(Place::Postgres(server::Postgres::shared()?.database())))
    }

    fn at(place: Place) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_435_200_000_000)));
        let store = Store::open(&place.settings("gate-1"), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        Self { place, clock, store }
    }

    /// Another store over the same database.
    fn beside(&self, writer: &str) -> Result<Store, StoreError> {
        Store::open(&self.place.settings(writer), Arc::clone(&self.clock) as Arc<dyn Clock>)
    }

    fn path(&self) -> PathBuf {
        match self.place.database() {
            Database::Sqlite(path) => path,
            Database::Postgres(_) => panic!("no file"),
        }
    }

    fn folder(&self) -> PathBuf {
        self.path().parent().unwrap().to_owned()
    }

    fn reader(&self) -> Reader {
        Reader::open(self.place.database()).unwrap()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn opening(&self, seed: u16, claims: &[(ClaimKind, &str)]) -> Opening {
        Opening {
            decision: self.decision(seed),
            at: self.now(),
            body: format!("opening {seed}").into(),
            claims: claims.iter().map(|(kind, key)| claim(*kind, key, None)).collect(),
            request: request(seed),
            answer_expires: self.now().plus(WINDOW),
            conflict: Box::new(|claim: &Claim, holder| Ended {
                outcome: "rejected",
                body: format!("{} held by {holder}", claim.key).into(),
            }),
        }
    }

    fn decision(&self, seed: u16) -> DecisionId {
        let mut random = [0; 10];
        random[8..].copy_from_slice(&seed.to_be_bytes());
        DecisionId::new(self.now(), random)
    }

    async fn open(&self, seed: u16, claims: &[(ClaimKind, &str)]) -> Result<Opened, OpenError> {
        self.store.open_decision(self.opening(seed, claims)).await
    }

    fn closing(&self, opened: Opened, release: Release) -> Box<Closing> {
        let ended = Ended { outcome: "admitted", body: b"closing".to_vec() };
        Box::new(Closing { opened, at: self.now(), ended, release, binding: None, answer: None })
    }

    async fn close(&self, opened: Opened, release: Release) {
        self.store.close(self.closing(opened, release)).await.unwrap();
    }

    /// An operator frees what a decision holds.
    async fn freed(&self, decision: DecisionId) -> usize {
        self.store.free(Freeing::Claims(decision), note(self.now())).await.unwrap()
    }

    fn refusal(&self, seed: u16, standing: Standing) -> Entry {
        let ended = Ended { outcome: "rejected", body: format!("refusal {seed}").into() };
        Entry { at: self.now(), event: EntryEvent::Refused(self.decision(seed), ended), standing }
    }

    async fn count(&self, sql: &'static str) -> i64 {
        match &self.place {
            Place::Sqlite(_) => {
                self.store.inspect(move |connection| connection.query_row(sql, [], |row| row.get(0)).unwrap()).await
            }
            Place::Postgres(url) => postgres_rows(url, sql).unwrap()[0].parse().unwrap(),
        }
    }
}

impl Place {
    fn database(&self) -> Database {
        match self {
            Self::Sqlite(folder) => Database::Sqlite(folder.path().join("dcrgate.db")),
            Self::Postgres(url) => Database::Postgres(Arc::new(postgres_settings(url))),
        }
    }

    fn settings(&self, writer: &str) -> StoreSettings {
        StoreSettings { database: self.database(), writer: writer.to_owned(), ..settings(Path::new("")) }
    }
}

/// With a short lease, which tests wait for; nobody is trusted where the URL wants TLS.
fn postgres_settings(url: &str) -> PostgresSettings {
    trusting(url, &rcgen::generate_simple_self_signed(["nobody".to_owned()]).unwrap())
}

/// Where the URL wants TLS, this certificate is trusted.
fn trusting(url: &str, trusted: &rcgen::CertifiedKey<rcgen::KeyPair>) -> PostgresSettings {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).unwrap();
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let url = DatabaseUrl::parse(url).unwrap();
    PostgresSettings { url, tls: Arc::new(tls), lease: Duration::from_millis(900) }
}

/// The first column of a statement's rows.
fn postgres_rows(url: &str, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    server::query(url, &format!("SET search_path TO dcrgate; {sql}"))
}

fn start(path: &Path, clock: &Arc<TestClock>) -> Result<Store, StoreError> {
    Store::open(&settings(path), Arc::clone(clock) as Arc<dyn Clock>)
}

fn settings(path: &Path) -> StoreSettings {
    StoreSettings {
        database: path.into(),
        writer: "gate-1".to_owned(),
        reserve: 64 * 1024,
        interrupted: |found| [b"interrupted: ", found.opened].concat(),
    }
}

fn note(at: Timestamp) -> Entry {
    Entry { at, event: EntryEvent::Note(b"freed".to_vec()), standing: Standing::Trusted }
}

fn request(seed: u16) -> Digest {
    Digest::of(&seed.to_be_bytes())
}

fn claim(kind: ClaimKind, key: &str, expires: Option<Timestamp>) -> Claim {
    let rule = Rule {
        id: "statement.unused".into(),
        clause: "".into(),
        mode: Mode::Enforce,
        error: ErrorCode::InvalidSoftwareStatement,
        field: None,
        message: "the statement was used before".into(),
        hint: None,
    };
    Claim { kind, key: key.into(), expires, units: 1, owner: None, refusal: Arc::new(rule) }
}
