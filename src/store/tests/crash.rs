//! What is left after a crash, a restart, a dropped pass.

use super::*;

/// A copy of the files as they are now: what a crash would leave, as the copied
/// database is not checkpointed meanwhile.
fn copy(world: &World) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["dcrgate.db", "dcrgate.db-wal"] {
        std::fs::copy(world.folder().join(name), folder.path().join(name)).unwrap();
    }
    let path = folder.path().join("dcrgate.db");
    (folder, path)
}

#[tokio::test]
async fn what_was_left_open_is_interrupted_at_the_next_start() {
    let world = World::sqlite();
    let _open = world.open(1, &[(ClaimKind::Jti, "a")]).await.unwrap();
    world.store.append(world.refusal(2, Standing::Trusted)).await.unwrap();
    let (_folder, path) = copy(&world);
    let store = start(&path, &world.clock).unwrap();
    assert_eq!(store.recovery(), Recovery { interrupted: 1, entries: 3 });
    let reader = Reader::open(path.as_path()).unwrap();
    let decision = reader.decision(world.decision(1)).unwrap().unwrap();
    assert_eq!(decision.outcome(), "interrupted");
    assert_eq!(decision.ended.unwrap().body, b"interrupted: opening 1");
    assert_eq!(reader.verify("gate-1").unwrap().unwrap().seq, 3);
    // The statement stays used; the request may come again.
    let again = |claims: &[(ClaimKind, &str)]| Opening { decision: world.decision(3), ..world.opening(1, claims) };
    assert_eq!(store.answer(&request(1), world.now()).await.unwrap(), None);
    assert_eq!(
        store.open_decision(again(&[(ClaimKind::Jti, "a")])).await.unwrap_err(),
        OpenError::Conflict { claim: 0 }
    );
    store.shutdown().await;
    assert_eq!(start(&path, &world.clock).unwrap().recovery(), Recovery { interrupted: 0, entries: 4 });
}

on_both!(a_dropped_pass_is_interrupted_at_once);
async fn a_dropped_pass_is_interrupted_at_once(world: World) {
    drop(world.open(1, &[(ClaimKind::Jti, "a")]).await.unwrap());
    assert_eq!(world.count("SELECT count(*) FROM claims").await, 1);
    world.store.append(world.refusal(2, Standing::Trusted)).await.unwrap();
    assert_eq!(world.reader().decision(world.decision(1)).unwrap().unwrap().outcome(), "interrupted");
    assert_eq!(world.store.answer(&request(1), world.now()).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_acknowledged_survives_a_kill_at_any_moment() {
    let world = Arc::new(World::sqlite());
    let acknowledged = Arc::new(AtomicI64::new(0));
    let tasks: Vec<_> = (0..4_u16)
        .map(|task| {
            let (world, acknowledged) = (Arc::clone(&world), Arc::clone(&acknowledged));
            tokio::spawn(async move {
                for round in 0..25 {
                    let opened = world.open(task * 100 + round, &[]).await.unwrap();
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                    world.close(opened, Release::Nothing).await;
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    while !tasks.iter().all(tokio::task::JoinHandle::is_finished) {
        let before = acknowledged.load(Ordering::SeqCst);
        let (_folder, path) = copy(&world);
        let recovery = start(&path, &world.clock).unwrap().recovery();
        let interrupted = i64::try_from(recovery.interrupted).unwrap();
        assert!(recovery.entries - interrupted >= before, "{recovery:?}, {before} acknowledged");
        assert_eq!(Reader::open(path.as_path()).unwrap().verify("gate-1").unwrap().unwrap().seq, recovery.entries);
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(world.reader().verify("gate-1").unwrap().unwrap().seq, 200);
}

#[tokio::test]
async fn a_wal_cut_anywhere_leaves_whole_operations() {
    let world = World::sqlite();
    for seed in 0..6 {
        let opened = world.open(seed, &[(ClaimKind::Jti, &seed.to_string())]).await.unwrap();
        world.close(opened, Release::All).await;
    }
    let (folder, path) = copy(&world);
    let whole = std::fs::read(folder.path().join("dcrgate.db-wal")).unwrap();
    let mut most = 0;
    for length in (0..whole.len()).step_by(1499) {
        let (cut, path) = (tempfile::tempdir().unwrap(), &path);
        std::fs::copy(path, cut.path().join("dcrgate.db")).unwrap();
        std::fs::write(cut.path().join("dcrgate.db-wal"), &whole[..length]).unwrap();
        let path = cut.path().join("dcrgate.db");
        let (writer, recovery) =
            Writer::open(&path, &settings(&path), Arc::clone(&world.clock) as Arc<dyn Clock>).unwrap();
        drop(writer);
        let connection = rusqlite::Connection::open(&path).unwrap();
        let count = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        let (opened, ended) = (
            count("SELECT count(*) FROM entries WHERE kind = 'opened'"),
            count("SELECT count(*) FROM entries WHERE outcome IS NOT NULL"),
        );
        assert_eq!(opened, ended);
        assert_eq!(count("SELECT count(*) FROM claims"), i64::try_from(recovery.interrupted).unwrap());
        assert_eq!(Reader::open(path.as_path()).unwrap().verify("gate-1").unwrap().unwrap().seq, recovery.entries);
        most = most.max(recovery.entries);
    }
    assert!(most > 8, "{most}");
}

#[tokio::test]
async fn a_second_store_is_refused_at_once() {
    let world = World::sqlite();
    assert_eq!(start(&world.path(), &world.clock).unwrap_err(), StoreError::Locked { path: world.path() });
    world.store.shutdown().await;
    start(&world.path(), &world.clock).unwrap();
}

#[tokio::test]
async fn after_shutdown_everything_is_in_one_file_and_nothing_is_taken() {
    let world = World::sqlite();
    let opened = world.open(1, &[]).await.unwrap();
    world.store.shutdown().await;
    assert!(!world.folder().join("dcrgate.db-wal").exists());
    let failed = world.store.close(world.closing(opened, Release::Nothing)).await.unwrap_err();
    assert_eq!(failed.error, StoreError::Closed);
    assert!(failed.closing.is_some());
    assert_eq!(world.open(2, &[]).await.unwrap_err(), OpenError::Store(StoreError::Closed));
    assert_eq!(world.store.binding("idp", "c").await, Err(StoreError::Closed));
    world.store.shutdown().await;
}

#[test]
fn open_decisions_of_another_writer_wait_for_its_lease() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock(AtomicI64::new(1_795_435_200_000_000)));
    let path = folder.path().join("dcrgate.db");
    let other = StoreSettings { writer: "gate-2".to_owned(), ..settings(&path) };
    let open = |settings: StoreSettings| Writer::open(&path, &settings, Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    let (mut writer, _) = open(other);
    let (queue, _kept) = std::sync::mpsc::sync_channel(1);
    let queue = Queue::Thread(queue);
    let opening = Opening {
        decision: DecisionId::new(clock.now(), [1; 10]),
        at: clock.now(),
        body: b"opening".to_vec(),
        claims: Vec::new(),
        request: request(1),
        answer_expires: clock.now().plus(WINDOW),
        conflict: Box::new(|_: &Claim, _| Ended { outcome: "rejected", body: Vec::new() }),
    };
    let (reply, _waiting) = oneshot::channel();
    writer.work(&mut vec![Operation::Open(Box::new(opening), queue, reply)]);
    drop(writer);

    let (writer, recovery) = open(settings(&path));
    assert_eq!(recovery.interrupted, 0);
    drop(writer);
    clock.advance(Duration::from_secs(31));
    assert_eq!(open(settings(&path)).1, Recovery { interrupted: 1, entries: 1 });
}
