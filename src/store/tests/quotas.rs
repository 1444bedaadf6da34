//! Quotas: exactly so many decisions hold a unit at the same time.

use super::*;

fn units(key: &str, units: u32, expires: Option<Timestamp>) -> Claim {
    Claim { units, ..claim(ClaimKind::Quota, key, expires) }
}

async fn open(world: &World, seed: u16, claim: Claim) -> Result<Opened, OpenError> {
    let mut opening = world.opening(seed, &[(ClaimKind::Jti, &format!("jti {seed}"))]);
    opening.claims.push(claim);
    world.store.open_decision(opening).await
}

fn exhausted(until: Option<Timestamp>) -> OpenError {
    OpenError::Exhausted { claim: 1, until }
}

on_both!(of_twenty_at_once_as_many_pass_as_there_are_units);
async fn of_twenty_at_once_as_many_pass_as_there_are_units(world: World) {
    let world = Arc::new(world);
    let tasks: Vec<_> = (0..20)
        .map(|seed| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { open(&world, seed, units("q", 7, None)).await })
        })
        .collect();
    let mut opened = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(one) => opened.push(one),
            Err(error) => assert_eq!(error, exhausted(None)),
        }
    }
    assert_eq!(opened.len(), 7);
    assert_eq!(world.count("SELECT count(*) FROM claims WHERE kind = 'quota'").await, 7);
    // Who was refused took nothing else either.
    assert_eq!(world.count("SELECT count(*) FROM claims WHERE kind = 'jti'").await, 7);
    let filter = Filter { outcome: Some("rejected".to_owned()), since: None, limit: 100 };
    assert_eq!(world.reader().decisions(&filter).unwrap().len(), 13);
}

on_both!(units_are_given_back_and_taken_again);
async fn units_are_given_back_and_taken_again(world: World) {
    let mut opened = Vec::new();
    for seed in 0..3 {
        opened.push(open(&world, seed, units("q", 3, None)).await.unwrap());
    }
    assert_eq!(open(&world, 10, units("q", 3, None)).await.unwrap_err(), exhausted(None));
    // The identity server refused the second: its unit is free, and no other.
    world.close(opened.remove(1), Release::SlotAndQuota).await;
    opened.push(open(&world, 11, units("q", 3, None)).await.unwrap());
    assert_eq!(open(&world, 12, units("q", 3, None)).await.unwrap_err(), exhausted(None));
    // What is registered keeps its unit until it is released by its decision.
    let first = opened.remove(0);
    let decision = first.decision();
    world.close(first, Release::Nothing).await;
    assert_eq!(open(&world, 13, units("q", 3, None)).await.unwrap_err(), exhausted(None));
    assert_eq!(world.freed(decision).await, 2);
    open(&world, 14, units("q", 3, None)).await.unwrap();
}

on_both!(a_window_ends_for_each_unit_by_itself_and_leaves_no_row);
async fn a_window_ends_for_each_unit_by_itself_and_leaves_no_row(world: World) {
    let start = world.now();
    let later = |seconds| start.plus(Duration::from_secs(seconds));
    let take = |seed| open(&world, seed, units("q", 2, Some(world.now().plus(Duration::from_secs(100)))));
    take(1).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    take(2).await.unwrap();
    assert_eq!(take(3).await.unwrap_err(), exhausted(Some(later(100))));
    world.clock.advance(Duration::from_secs(40));
    take(4).await.unwrap();
    assert_eq!(take(5).await.unwrap_err(), exhausted(Some(later(160))));
    assert_eq!(world.count("SELECT count(*) FROM claims WHERE kind = 'quota'").await, 2);
    // Nothing is kept of windows that are over, though nobody purged them.
    world.clock.advance(Duration::from_secs(100));
    take(6).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM claims WHERE kind = 'quota'").await, 1);
}

on_both!(a_limit_that_was_lowered_counts_what_is_held_above_it);
async fn a_limit_that_was_lowered_counts_what_is_held_above_it(world: World) {
    let mut opened = Vec::new();
    for seed in 0..4 {
        opened.push(open(&world, seed, units("q", 4, None)).await.unwrap());
    }
    world.close(opened.remove(0), Release::All).await;
    assert_eq!(open(&world, 10, units("q", 3, None)).await.unwrap_err(), exhausted(None));
    world.close(opened.remove(0), Release::All).await;
    open(&world, 11, units("q", 3, None)).await.unwrap();
    assert_eq!(open(&world, 12, units("q", 3, None)).await.unwrap_err(), exhausted(None));
}

on_both!(quotas_of_others_are_theirs_and_one_decision_takes_one_unit);
async fn quotas_of_others_are_theirs_and_one_decision_takes_one_unit(world: World) {
    open(&world, 1, units("q", 1, None)).await.unwrap();
    open(&world, 2, units("r", 1, None)).await.unwrap();
    assert_eq!(open(&world, 3, units("q", 1, None)).await.unwrap_err(), exhausted(None));
    let mut opening = world.opening(4, &[]);
    opening.claims = vec![units("s", 2, None), units("s", 2, None)];
    world.store.open_decision(opening).await.unwrap();
    open(&world, 5, units("s", 2, None)).await.unwrap();
}

on_both!(units_survive_a_restart);
async fn units_survive_a_restart(world: World) {
    for seed in 0..2 {
        let opened = open(&world, seed, units("q", 2, None)).await.unwrap();
        world.close(opened, Release::Nothing).await;
    }
    world.store.shutdown().await;
    let store = world.beside("gate-1").unwrap();
    let mut opening = world.opening(9, &[]);
    opening.claims = vec![units("q", 2, None)];
    assert_eq!(store.open_decision(opening).await.unwrap_err(), OpenError::Exhausted { claim: 0, until: None });
}

#[test]
fn claims_of_the_first_schema_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dcrgate.db");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(include_str!("../sqlite/migrations/0001-ledger.sql")).unwrap();
    old.execute_batch(
        "INSERT INTO claims VALUES ('slot', 'kept', '01JDCX3M9V7Q0T8E4K2N5R6S1A', NULL, 7);
         PRAGMA application_id = 1145262663; PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    let clock = Arc::new(TestClock(AtomicI64::new(0)));
    drop(Writer::open(&path, &settings(&path), clock as Arc<dyn Clock>).unwrap());
    let new = rusqlite::Connection::open(&path).unwrap();
    let row = new
        .query_row("SELECT kind, key, unit, decision, expires, taken FROM claims", [], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, i64>(2)?,
                row.get::<_, String>(3)?,
                row.get::<_, Option<i64>>(4)?,
                row.get::<_, i64>(5)?,
            ))
        })
        .unwrap();
    assert_eq!(row, ("slot".into(), "kept".into(), 0, "01JDCX3M9V7Q0T8E4K2N5R6S1A".into(), None, 7));
}
