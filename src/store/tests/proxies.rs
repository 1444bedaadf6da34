//! Several stores on one PostgreSQL, as several proxies have it; and what a lost connection leaves.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::AtomicBool;
use std::thread;

use super::programs::or_skip;
use super::*;

/// What three proxies hold of one database.
struct Three {
    world: Arc<World>,
    stores: [Store; 3],
}

fn three() -> Result<Three, programs::Missing> {
    let world = World::postgres()?;
    let stores = [world.store.clone(), world.beside("gate-2").unwrap(), world.beside("gate-3").unwrap()];
    Ok(Three { world: Arc::new(world), stores })
}

impl Three {
    /// So many openings at once, spread over the proxies; what `claims` gives for each is what it takes.
    async fn at_once(&self, count: u16, claims: impl Fn(u16) -> Vec<Claim>) -> Vec<Result<Opened, OpenError>> {
        let tasks: Vec<_> = (0..count)
            .map(|seed| {
                let store = self.stores[usize::from(seed) % 3].clone();
                let opening = Opening { claims: claims(seed), ..self.world.opening(seed, &[]) };
                tokio::spawn(async move { store.open_decision(opening).await })
            })
            .collect();
        let mut results = Vec::new();
        for task in tasks {
            results.push(task.await.unwrap());
        }
        results
    }

    fn chains_hold(&self) {
        for writer in ["gate-1", "gate-2", "gate-3"] {
            self.world.reader().verify(writer).unwrap().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_three_proxies_one_takes_what_is_single_and_as_many_as_there_are_units_the_quota() {
    let three = or_skip!(three());
    let results = three.at_once(30, |_| vec![claim(ClaimKind::Jti, "the one", None)]).await;
    let opened = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(opened, 1);
    assert!(results.iter().flat_map(Result::as_ref).count() == 1);
    assert!(results.iter().filter_map(|result| result.as_ref().err()).all(|e| *e == OpenError::Conflict { claim: 0 }));
    drop(results);

    let quota = |_| vec![Claim { units: 7, ..claim(ClaimKind::Quota, "q", None) }];
    let results = three.at_once(40, quota).await;
    // Thirty of these requests ended above, so all forty were tried.
    let opened: Vec<_> = results.into_iter().filter_map(Result::ok).collect();
    assert_eq!(opened.len(), 7);
    assert_eq!(three.world.count("SELECT count(*) FROM claims WHERE kind = 'quota'").await, 7);
    three.chains_hold();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_that_want_the_same_in_opposite_orders_do_not_stop_each_other() {
    let three = or_skip!(three());
    let mut held = Vec::new();
    for store in &three.stores {
        held.push(store.hold().await);
    }
    let work = three.at_once(60, |seed| {
        let keys: Vec<String> = (0..8).map(|n| format!("key {}", if seed % 2 == 0 { n } else { 7 - n })).collect();
        keys.iter().map(|key| claim(ClaimKind::Slot, key, None)).collect()
    });
    let (results, ()) = tokio::join!(work, async {
        tokio::task::yield_now().await;
        drop(held);
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(
        results.iter().filter_map(|result| result.as_ref().err()).all(|error| !matches!(error, OpenError::Store(_)))
    );
    assert_eq!(three.world.count("SELECT count(*) FROM claims").await, 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_progress_at_one_proxy_is_known_at_the_others_and_so_is_its_answer() {
    let three = or_skip!(three());
    let opened = three.stores[0].open_decision(three.world.opening(1, &[])).await.unwrap();
    let now = three.world.now();
    for store in &three.stores {
        assert_eq!(store.answer(&request(1), now).await.unwrap(), Some(Stored::InProgress));
    }
    let again = Opening { decision: three.world.decision(2), ..three.world.opening(1, &[]) };
    let repeated = three.stores[1].open_decision(again).await.unwrap_err();
    assert_eq!(repeated, OpenError::Repeated(Stored::InProgress));

    let sealed = SealedAnswer { decision: three.world.decision(1), key_id: "k".to_owned(), blob: vec![1] };
    let closing = Closing { answer: Some(sealed.clone()), ..*three.world.closing(opened, Release::Nothing) };
    three.stores[0].close(Box::new(closing)).await.unwrap();
    for store in &three.stores {
        assert_eq!(store.answer(&request(1), now).await.unwrap(), Some(Stored::Answer(sealed.clone())));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_in_use_once() {
    let world = or_skip!(World::postgres());
    let in_use = StoreError::WriterInUse { writer: "gate-1".into() };
    assert_eq!(world.beside("gate-1").unwrap_err(), in_use);
    assert!(in_use.to_string().contains("[audit] writer"), "{in_use}");
    world.store.shutdown().await;
    world.beside("gate-1").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_whose_epoch_is_over_writes_nothing_any_more() {
    let world = or_skip!(World::postgres());
    let Place::Postgres(url) = &world.place else { panic!("no URL") };
    let opened = world.open(1, &[]).await.unwrap();
    postgres_rows(url, "UPDATE writers SET epoch = epoch + 1").unwrap();
    let over = StoreError::WriterInUse { writer: "gate-1".into() };
    let failed = world.store.close(world.closing(opened, Release::Nothing)).await;
    assert!(matches!(failed, Err(NotClosed { error, .. }) if error == over || error == StoreError::Closed));
    assert!(matches!(world.open(2, &[]).await, Err(OpenError::Store(error)) if error == over));
    assert_eq!(world.count("SELECT count(*) FROM entries").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_writer_left_open_it_ends_at_its_start_and_another_after_the_lease() {
    let three = or_skip!(three());
    let world = &three.world;
    let own = three.stores[1].open_decision(world.opening(1, &[(ClaimKind::Jti, "a")])).await.unwrap();
    let left = three.stores[2].open_decision(world.opening(2, &[(ClaimKind::Jti, "b")])).await.unwrap();
    three.stores[1].shutdown().await;
    three.stores[2].shutdown().await;
    let outcome = |seed| world.reader().decision(world.decision(seed)).unwrap().unwrap().outcome().to_owned();

    let again = world.beside("gate-2").unwrap();
    assert_eq!(again.recovery(), Recovery { interrupted: 1, entries: 2 });
    assert_eq!((outcome(1), outcome(2)), ("interrupted".to_owned(), OPEN.to_owned()));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while outcome(2) == OPEN {
        assert!(tokio::time::Instant::now() < deadline, "nobody ended it");
        tokio::task::yield_now().await;
    }
    let ended = world.reader().decision(world.decision(2)).unwrap().unwrap().ended.unwrap();
    assert_eq!((&*ended.kind, &*ended.body), ("interrupted", &b"interrupted: opening 2"[..]));
    assert!(["gate-1", "gate-2"].contains(&&*ended.writer), "{}", ended.writer);
    // The statements stay used.
    assert_eq!(world.count("SELECT count(*) FROM claims").await, 2);
    assert_eq!(world.count("SELECT count(*) FROM entries WHERE kind = 'interrupted'").await, 2);
    three.chains_hold();
    drop((own, left));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_cannot_be_changed_in_the_database() {
    let world = or_skip!(World::postgres());
    let Place::Postgres(url) = &world.place else { panic!("no URL") };
    for seed in 0..3 {
        world.store.append(world.refusal(seed, Standing::Trusted)).await.unwrap();
    }
    let insert = "INSERT INTO entries SELECT";
    for sql in [
        "UPDATE entries SET body = 'x' WHERE seq = 1".to_owned(),
        "DELETE FROM entries WHERE seq = 3".to_owned(),
        "TRUNCATE entries".to_owned(),
        format!("{insert} writer, 9, NULL, 'note', NULL, time, body, hash, previous FROM entries WHERE seq = 1"),
        format!("{insert} writer, 4, NULL, 'closed', NULL, time, body, hash, previous FROM entries WHERE seq = 1"),
        format!("{insert} 'nobody', 1, NULL, 'note', NULL, time, body, hash, previous FROM entries WHERE seq = 1"),
    ] {
        let refused = postgres_rows(url, &sql).unwrap_err();
        assert!(refused.code().is_some_and(|code| code.code().starts_with("23")), "{sql}: {refused:?}");
    }
    assert_eq!(world.reader().verify("gate-1").unwrap().unwrap().seq, 3);
    // Whoever may drop the triggers is seen by the chain.
    let change = "ALTER TABLE entries DISABLE TRIGGER USER; UPDATE entries SET outcome = 'admitted' WHERE seq = 2";
    postgres_rows(url, change).unwrap();
    assert_eq!(world.reader().verify("gate-1").unwrap(), Err(Broken { seq: 2, fault: Fault::Hash }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_the_database_cannot_hold_is_taken_all_the_same() {
    let world = or_skip!(World::postgres());
    let _open = world.open(1, &[(ClaimKind::Jti, "a\0b")]).await.unwrap();
    assert_eq!(world.open(2, &[(ClaimKind::Jti, "a\0b")]).await.unwrap_err(), OpenError::Conflict { claim: 0 });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_is_verified_where_the_url_wants_tls() {
    let [certificate, another] =
        [(); 2].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    let (pem, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
    let (server, port) = or_skip!(server::Postgres::encrypted(&pem, &key));
    let name = server.database().split_once("@/").unwrap().1.split_once('?').unwrap().0.to_owned();
    let open = |host: &str, mode: &str, trusted| {
        let url = format!("postgres://dcrgate@{host}:{port}/{name}?sslmode={mode}");
        let database = Database::Postgres(Arc::new(trusting(&url, trusted)));
        let clock = Arc::new(TestClock(AtomicI64::new(0)));
        Store::open(&StoreSettings { database, ..settings(Path::new("")) }, clock)
    };
    let encrypted = || server.query("postgres", "SELECT count(*) FROM pg_stat_ssl WHERE ssl");
    assert!(matches!(open("localhost", "require", &another), Err(StoreError::Database { .. })), "another root");
    assert!(matches!(open("127.0.0.1", "require", &certificate), Err(StoreError::Database { .. })), "another name");
    assert_eq!(encrypted(), ["0"]);
    let store = open("localhost", "verify-full", &certificate).unwrap();
    assert_eq!(encrypted(), ["2"], "the writer's and the questions' connection");
    store.shutdown().await;
    open("localhost", "disable", &another).unwrap().shutdown().await;
}

/// A way to the server that can be cut behind a commit: before it arrives, or before its answer does.
struct Way {
    folder: tempfile::TempDir,
    cut: Arc<[AtomicBool; 2]>,
}

impl Way {
    fn to(server: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let cut: Arc<[AtomicBool; 2]> = Arc::default();
        let (server, cuts) = (server.join(".s.PGSQL.5432"), Arc::clone(&cut));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(&server) else { continue };
                let cuts = Arc::clone(&cuts);
                thread::spawn(move || carry(client, server, &cuts));
            }
        });
        Self { folder, cut }
    }
}

/// Carries bytes both ways until the connection is cut.
fn carry(mut client: UnixStream, mut server: UnixStream, cuts: &[AtomicBool; 2]) {
    let (mut back, mut answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let silent = Arc::new(AtomicBool::new(false));
    let quiet = Arc::clone(&silent);
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(count @ 1..) = answers.read(&mut bytes) {
            // The commit is done once it is answered.
            if quiet.load(Ordering::SeqCst) || back.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        _ = back.shutdown(std::net::Shutdown::Both);
        _ = answers.shutdown(std::net::Shutdown::Both);
    });
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let commit = bytes[..count].windows(6).any(|part| part == b"COMMIT");
        if commit && cuts[0].swap(false, Ordering::SeqCst) {
            break;
        }
        if commit && cuts[1].swap(false, Ordering::SeqCst) {
            silent.store(true, Ordering::SeqCst);
        }
        if server.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    _ = client.shutdown(std::net::Shutdown::Both);
    _ = server.shutdown(std::net::Shutdown::Both);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_done_once() {
    let shared = or_skip!(server::Postgres::shared());
    let url = shared.database();
    let (front, folder) = url.split_once("?host=").unwrap();
    let way = Way::to(Path::new(folder));
    let world = World::at(Place::Postgres(format!("{front}?host={}", way.folder.path().display())));
    for (seed, cut) in [(1, 0), (2, 1)] {
        way.cut[cut].store(true, Ordering::SeqCst);
        let opened = world.open(seed, &[(ClaimKind::Jti, &seed.to_string())]).await.unwrap();
        assert!(!way.cut[cut].load(Ordering::SeqCst), "nothing was cut");
        way.cut[cut].store(true, Ordering::SeqCst);
        world.close(opened, Release::SlotAndQuota).await;
        assert!(!way.cut[cut].load(Ordering::SeqCst), "nothing was cut");
        assert_eq!(world.store.health(), Health::Good);
    }
    assert_eq!(world.count("SELECT count(*) FROM claims").await, 2);
    assert_eq!(world.reader().verify("gate-1").unwrap().unwrap().seq, 4);
}
