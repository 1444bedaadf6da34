//! The ledger over a real store: records, rates, and results that come late.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::*;
use crate::audit::{Client, Correlation, Policy, Request, Source, Statement, Subject, Tls, view};
use crate::model::claim::ClaimKind;
use crate::model::error_code::ErrorCode;
use crate::model::id::DecisionId;
use crate::model::peer::Revocation;
use crate::model::trace::{Mode, Rule, Trace};
use crate::store::{Filter, Reader, StoreSettings};

#[derive(Debug)]
struct TestClock(AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst))
    }
}

struct World {
    _folder: tempfile::TempDir,
    path: PathBuf,
    clock: Arc<TestClock>,
    ledger: Ledger,
}

impl World {
    fn new() -> Self {
        Self::with(StrangerLimits::default())
    }

    fn with(limits: StrangerLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dcrgate.db");
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_435_200_000_000)));
        let settings = StoreSettings {
            database: path.as_path().into(),
            writer: "gate-1".to_owned(),
            reserve: 0,
            interrupted: super::interrupted,
        };
        let store = Store::open(&settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
        let ledger = Ledger::new(store, limits, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { _folder: folder, path, clock, ledger }
    }

    fn id(&self, seed: u8) -> DecisionId {
        DecisionId::new(self.clock.now(), [seed; 10])
    }

    fn record<'a>(&self, seed: u8, checks: &'a Trace) -> Record<'a> {
        Record {
            id: self.id(seed),
            event: Event::Dcr(Operation::Register),
            time: self.clock.now(),
            correlation: Correlation { interaction_id: Some(Text::new("5c0a1a52-0000-4000-8000-000000000000")) },
            source: Source { ip: [203, 0, 113, 7].into(), port: 51234 },
            tls: None,
            request: Some(Request {
                method: Text::new("POST"),
                path: Text::path("/register?access_token=secret"),
                bytes: 4211,
                signed: None,
                sha256: Some(Digest::of(b"body")),
            }),
            subject: Subject { organisation: Some(Text::new("org-1")), ..Subject::default() },
            statement: None,
            token: None,
            template: None,
            policy: None,
            configuration: Digest::of(b"configuration"),
            checks,
        }
    }

    fn read(&self, seed: u8) -> Map<String, Value> {
        view::join(&Reader::open(self.path.as_path()).unwrap().decision(self.id(seed)).unwrap().unwrap())
    }

    fn admission<'a>(&self, record: &'a Record<'a>, claims: Vec<Claim>, request: u8) -> Admission<'a> {
        Admission {
            record,
            claims,
            request: Digest::of(&[request]),
            answer_expires: self.clock.now().plus(MINUTE),
            status: |_| 400,
        }
    }

    async fn summaries(&self) -> Vec<Value> {
        self.ledger.shutdown(Duration::ZERO).await;
        let entries = Reader::open(self.path.as_path()).unwrap().entries("gate-1", 1, 100).unwrap();
        let bodies = entries.into_iter().filter(|entry| entry.kind == "summary").map(|entry| entry.body);
        bodies.map(|body| serde_json::from_slice(&body).unwrap()).collect()
    }
}

fn rule(id: &str, mode: Mode) -> Arc<Rule> {
    Arc::new(Rule {
        id: id.into(),
        clause: "DCR-BR 7.1".into(),
        mode,
        error: ErrorCode::InvalidClientMetadata,
        field: Some("scope".into()),
        message: "scope asks for too much".into(),
        hint: None,
    })
}

fn ending(outcome: Outcome, status: u16) -> Ending<'static> {
    Ending {
        outcome,
        duration: Duration::from_micros(1841),
        client_id: None,
        response: Response { status: Some(status), error: None, forwarded: false, upstream_status: None },
    }
}

fn jti(key: &str) -> Claim {
    Claim {
        kind: ClaimKind::Jti,
        key: key.into(),
        expires: None,
        units: 1,
        owner: None,
        refusal: rule("statement.unused", Mode::Enforce),
    }
}

#[tokio::test]
async fn a_refusal_is_one_whole_record() {
    let world = World::new();
    let mut checks = Trace::new();
    checks.push(&rule("certificate.trusted", Mode::Enforce), trace::Outcome::Pass, None);
    checks.push(&rule("ofb.scopes", Mode::Enforce), trace::Outcome::Fail, Some("payments\u{202e}\n".into()));
    checks.push(&rule("ofb.bound-tokens", Mode::Shadow), trace::Outcome::Fail, None);
    let (path, revocation) = ([Digest::of(b"leaf")], Revocation::Unknown("no list".into()));
    let mut record = world.record(1, &checks);
    record.tls = Some(Tls {
        version: "1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        sni: Some(Text::new("mtls.bank.example")),
        client: Some(Client {
            sha256: Digest::of(b"leaf"),
            serial: Text::new("6d7b"),
            subject: Text::long("CN=tpp"),
            issuer: Text::long("CN=ca"),
            not_after: Timestamp::parse("2026-12-13T14:24:50Z").unwrap(),
            authority: Some("icp-brasil"),
            path: &path,
            revocation: Some(&revocation),
        }),
    });
    record.statement = Some(Statement {
        issuer: Some(Text::new("Open Banking")),
        kid: Some(Text::new("signer")),
        alg: Text::new("PS256"),
        jti: None,
        iat: Some(Timestamp::parse("2026-11-23T14:18:02Z").unwrap()),
        sha256: Digest::of(b"statement"),
        signer: None,
    });
    record.policy = Some(Policy { id: "ofb", version: "2026.11.0", sha256: Digest::of(b"policy") });
    let mut end = ending(Outcome::Rejected, 400);
    end.response.error = Some(Text::new("invalid_client_metadata"));
    world.ledger.refuse(Standing::Trusted, &record, &end).await.unwrap();

    let mut read = world.read(1);
    let entries = read.remove("entries").unwrap();
    assert_eq!((&entries[0]["writer"], &entries[0]["seq"]), (&json!("gate-1"), &json!(1)));
    let lines: Vec<String> = read.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    checks: [{"id":"certificate.trusted","result":"pass"},{"clause":"DCR-BR 7.1","detail":"payments\\u{202e}\\u{a}","error":"invalid_client_metadata","field":"scope","id":"ofb.scopes","message":"scope asks for too much","result":"fail"},{"clause":"DCR-BR 7.1","error":"invalid_client_metadata","field":"scope","id":"ofb.bound-tokens","message":"scope asks for too much","mode":"shadow","result":"fail"}]
    client_id: null
    code: "DCR010E"
    configuration: "b7d64a9221007dfd5390f7df6cd5b8f3ea4f82faa1237141e35ebf161f5511a1"
    correlation: {"interaction_id":"5c0a1a52-0000-4000-8000-000000000000"}
    duration_us: 1841
    event: "dcr.register"
    id: "01M844DZG0040G2081040G2081"
    outcome: "rejected"
    policy: {"id":"ofb","sha256":"823412d1eacb67956220e532959f0104603057c88704863ca38e7cd188fda812","version":"2026.11.0"}
    request: {"bytes":4211,"method":"POST","path":"/register","sha256":"230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"}
    response: {"error":"invalid_client_metadata","forwarded":false,"status":400,"upstream_status":null}
    schema: "dcrgate.audit/1"
    source: {"ip":"203.0.113.7","port":51234}
    statement: {"alg":"PS256","iat":"2026-11-23T14:18:02.000000Z","issuer":"Open Banking","jti":null,"kid":"signer","present":true,"sha256":"b111c6e1d318f203063e5c16bab43c108326af0aa2f7b65760c95547a43dbe52"}
    subject: {"organisation":"org-1","organisation_name":null,"roles":[],"software":null}
    time: "2026-11-23T12:00:00.000000Z"
    tls: {"cipher":"TLS_AES_128_GCM_SHA256","client":{"authority":"icp-brasil","issuer":"CN=ca","not_after":"2026-12-13T14:24:50.000000Z","path":["9f91161f43433e49a6de6db680d79f60159f2e4ac9172621a12846428158440b"],"revocation":"unknown: no list","serial":"6d7b","sha256":"9f91161f43433e49a6de6db680d79f60159f2e4ac9172621a12846428158440b","subject":"CN=tpp"},"sni":"mtls.bank.example","version":"1.3"}
    would_be: "rejected"
    "#);
    assert_eq!(view::refusing(&read), ["ofb.scopes"]);
}

#[tokio::test]
async fn an_admitted_decision_is_joined_from_its_two_entries() {
    let world = World::new();
    let checks = Trace::new();
    let record = world.record(1, &checks);
    let opened = world.ledger.open(world.admission(&record, vec![jti("a")], 1)).await.unwrap();
    let open = world.read(1);
    assert_eq!((view::text(&open, "outcome"), view::text(&open, "would_be")), ("open", "admitted"));
    assert!(open.get("response").is_none());

    world.clock.0.fetch_add(2_000_000, Ordering::SeqCst);
    let mut end = ending(Outcome::Admitted, 201);
    end.client_id = Some(Text::new("c1"));
    let conclusion =
        Conclusion { opened, event: record.event, ending: end, release: Release::Nothing, binding: None, answer: None };
    world.ledger.close(conclusion).await.unwrap();
    let reader = Reader::open(world.path.as_path()).unwrap();
    let joined = view::join(&reader.decision(record.id).unwrap().unwrap());
    for (path, value) in [
        ("code", "DCR010I"),
        ("outcome", "admitted"),
        ("client_id", "c1"),
        ("subject.organisation", "org-1"),
        ("request.path", "/register"),
        ("time", "2026-11-23T12:00:00.000000Z"),
        ("ended", "2026-11-23T12:00:02.000000Z"),
    ] {
        assert_eq!(view::text(&joined, path), value, "{path}");
    }
    assert_eq!(joined["entries"].as_array().unwrap().len(), 2);
    assert_eq!(reader.verify("gate-1").unwrap().unwrap().seq, 2);
}

#[tokio::test]
async fn a_conflict_is_recorded_with_the_step_that_failed() {
    for earlier in [false, true] {
        let world = World::new();
        let mut checks = Trace::new();
        if earlier {
            checks.push(&rule("certificate.trusted", Mode::Enforce), trace::Outcome::Pass, None);
        }
        let first = world.record(1, &checks);
        let _opened = world.ledger.open(world.admission(&first, vec![jti("a")], 1)).await.unwrap();
        let second = world.record(2, &checks);
        let error = world.ledger.open(world.admission(&second, vec![jti("a")], 2)).await.unwrap_err();
        assert_eq!(error, OpenError::Conflict { claim: 0 });
        let read = world.read(2);
        assert_eq!(view::refusing(&read), ["statement.unused"]);
        assert_eq!(view::checks(&read).len(), 1 + usize::from(earlier));
        assert_eq!(
            (view::text(&read, "code"), view::text(&read, "would_be"), view::text(&read, "response.error")),
            ("DCR010E", "rejected", "invalid_client_metadata")
        );
        assert_eq!(read["response"]["status"], 400);
        let detail = view::checks(&read).last().unwrap()["detail"].as_str().unwrap();
        assert_eq!(detail, format!("the jti is taken by decision {}", first.id));
    }
}

#[tokio::test]
async fn an_interruption_keeps_the_event() {
    let world = World::new();
    let checks = Trace::new();
    let record = Record { event: Event::Dcr(Operation::Update), ..world.record(1, &checks) };
    drop(world.ledger.open(world.admission(&record, Vec::new(), 1)).await.unwrap());
    // The writer works in order: what was asked for before is done.
    world.ledger.refuse(Standing::Trusted, &world.record(2, &checks), &ending(Outcome::Rejected, 400)).await.unwrap();
    let read = world.read(1);
    assert_eq!((view::text(&read, "event"), view::text(&read, "code")), ("dcr.update", "DCR033E"));
    assert_eq!(view::text(&read, "outcome"), "interrupted");
}

#[tokio::test]
async fn strangers_beyond_the_rate_are_counted_in_a_summary() {
    let world = World::with(StrangerLimits { per_address: 2, in_all: 10 });
    let checks = Trace::new();
    let end = ending(Outcome::Rejected, 401);
    let mut limited = 0;
    for seed in 0..5 {
        match world.ledger.refuse(Standing::Stranger, &world.record(seed, &checks), &end).await {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, RefuseError::RateLimited);
                limited += 1;
            }
        }
    }
    assert_eq!(limited, 3);
    // Whoever showed a trusted certificate is always recorded.
    world.ledger.refuse(Standing::Trusted, &world.record(9, &checks), &end).await.unwrap();
    let filter = Filter { outcome: None, since: None, limit: 100 };
    assert_eq!(Reader::open(world.path.as_path()).unwrap().decisions(&filter).unwrap().len(), 3);
    let summaries = world.summaries().await;
    assert_eq!(summaries.len(), 1);
    assert_eq!((&summaries[0]["refusals"], &summaries[0]["event"]), (&json!(3), &json!("strangers.refused")));
}

#[tokio::test]
async fn after_shutdown_nothing_is_opened_and_nothing_pends() {
    let world = World::new();
    let checks = Trace::new();
    let record = world.record(1, &checks);
    let opened = world.ledger.open(world.admission(&record, Vec::new(), 1)).await.unwrap();
    world.ledger.shutdown(Duration::ZERO).await;
    let conclusion = Conclusion {
        opened,
        event: record.event,
        ending: ending(Outcome::Admitted, 201),
        release: Release::Nothing,
        binding: None,
        answer: None,
    };
    assert_eq!(world.ledger.close(conclusion).await, Err(CloseError::Lost(StoreError::Closed)));
    let again = world.ledger.open(world.admission(&record, Vec::new(), 2)).await.unwrap_err();
    assert_eq!(again, OpenError::Store(StoreError::Closed));
}

#[tokio::test]
async fn a_store_that_stalls_opens_nothing() {
    let mut world = World::new();
    world.ledger.patience = Duration::ZERO;
    let checks = Trace::new();
    let record = world.record(1, &checks);
    let go = world.ledger.store().hold().await;
    let stalled = world.ledger.open(world.admission(&record, vec![jti("a")], 1)).await.unwrap_err();
    assert_eq!(stalled, OpenError::Store(StoreError::Stalled));
    drop(go);
    world.ledger.patience = PATIENCE;
    world.ledger.open(world.admission(&record, vec![jti("a")], 1)).await.unwrap();
}

#[tokio::test]
async fn a_result_that_does_not_come_to_disk_is_tried_again_behind_the_callers_back() {
    let mut world = World::new();
    let checks = Trace::new();
    let record = world.record(1, &checks);
    let opened = world.ledger.open(world.admission(&record, Vec::new(), 1)).await.unwrap();
    let store = world.ledger.store().clone();
    let pages = store
        .inspect(|connection| {
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
            connection.pragma_update(None, "max_page_count", pages).unwrap();
            pages
        })
        .await;
    let sealed = SealedAnswer { decision: record.id, key_id: "k".to_owned(), blob: vec![7; 20_000] };
    let conclusion = Conclusion {
        opened,
        event: record.event,
        ending: ending(Outcome::Admitted, 201),
        release: Release::Nothing,
        binding: None,
        answer: Some(sealed.clone()),
    };
    world.ledger.patience = Duration::ZERO;
    assert_eq!(world.ledger.close(conclusion).await, Err(CloseError::Pending));
    assert_eq!(world.read(1)["outcome"], "open");
    store.inspect(move |connection| connection.pragma_update(None, "max_page_count", pages + 1000).unwrap()).await;
    world.ledger.unfinished.close();
    world.ledger.unfinished.wait().await;
    assert_eq!(world.read(1)["outcome"], "admitted");
    let found = store.answer(&Digest::of(&[1]), world.clock.now()).await.unwrap();
    assert_eq!(found, Some(crate::store::Stored::Answer(sealed)));
}
