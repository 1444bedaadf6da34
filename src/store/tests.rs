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
mod quotas;
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

/// A store in a folder of its own.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<TestClock>,
    store: Store,
}

const WINDOW: Duration = Duration::from_secs(600);

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_435_200_000_000)));
        let store = start(&folder.path().join("dcrgate.db"), &clock).unwrap();
        Self { folder, clock, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("dcrgate.db")
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
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
        self.store.inspect(move |connection| connection.query_row(sql, [], |row| row.get(0)).unwrap()).await
    }
}

fn start(path: &Path, clock: &Arc<TestClock>) -> Result<Store, StoreError> {
    Store::open(&settings(path), Arc::clone(clock) as Arc<dyn Clock>)
}

fn settings(path: &Path) -> StoreSettings {
    StoreSettings {
        path: path.to_owned(),
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
