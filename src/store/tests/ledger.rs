//! The ledger against change, and what its readers get.

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn entries_cannot_be_changed_deleted_replaced_or_skipped() {
    let world = World::sqlite();
    for seed in 0..3 {
        world.store.append(world.refusal(seed, Standing::Trusted)).await.unwrap();
    }
    let same = "writer, seq, decision, kind, outcome, time, body, hash, previous FROM entries WHERE seq =";
    let tampering = [
        "UPDATE entries SET body = x'00' WHERE seq = 1".to_owned(),
        "DELETE FROM entries WHERE seq = 3".to_owned(),
        format!("INSERT OR REPLACE INTO entries SELECT {same} 2"),
        "INSERT INTO entries SELECT writer, 9, NULL, 'note', NULL, time, body, hash, previous FROM entries WHERE seq = 1"
            .to_owned(),
        "INSERT INTO entries SELECT writer, 4, NULL, 'closed', NULL, time, body, hash, previous FROM entries WHERE seq = 1"
            .to_owned(),
        "INSERT INTO entries SELECT 'nobody', 1, NULL, 'note', NULL, time, body, hash, previous FROM entries WHERE seq = 1"
            .to_owned(),
    ];
    for sql in tampering {
        let refused = world
            .store
            .inspect({
                let sql = sql.clone();
                move |connection| connection.execute(&sql, [])
            })
            .await;
        assert!(refused.is_err(), "{sql}");
    }
    assert_eq!(world.reader().verify("gate-1").unwrap().unwrap().seq, 3);
}

#[tokio::test]
async fn tampering_with_the_file_shows() {
    let cases = [
        ("UPDATE entries SET body = CAST('refusal 9' AS BLOB) WHERE seq = 2", 2, Fault::Hash),
        ("UPDATE entries SET outcome = 'admitted' WHERE seq = 3", 3, Fault::Hash),
        ("UPDATE entries SET time = time + 1 WHERE seq = 1", 1, Fault::Hash),
        ("DELETE FROM entries WHERE seq = 2", 3, Fault::Sequence),
        ("UPDATE entries SET previous = zeroblob(32) WHERE seq = 2", 2, Fault::Previous),
        (
            "UPDATE entries SET seq = 9 WHERE seq = 2; UPDATE entries SET seq = 2 WHERE seq = 3;
             UPDATE entries SET seq = 3 WHERE seq = 9",
            2,
            Fault::Previous,
        ),
    ];
    for (sql, seq, fault) in cases {
        let world = World::sqlite();
        for seed in 0..4 {
            world.store.append(world.refusal(seed, Standing::Trusted)).await.unwrap();
        }
        let connection = rusqlite::Connection::open(world.path()).unwrap();
        connection
            .execute_batch(
                "DROP TRIGGER entries_are_not_changed; DROP TRIGGER entries_are_not_deleted;
                 DROP TRIGGER entries_follow_each_other;",
            )
            .unwrap();
        connection.execute_batch(sql).unwrap();
        assert_eq!(world.reader().verify("gate-1").unwrap(), Err(Broken { seq, fault }), "{sql}");
    }
}

on_both!(decisions_are_listed_newest_first_by_outcome_and_time);
async fn decisions_are_listed_newest_first_by_outcome_and_time(world: World) {
    world.store.append(world.refusal(1, Standing::Trusted)).await.unwrap();
    world.clock.advance(Duration::from_secs(60));
    let middle = world.now();
    let opened = world.open(2, &[]).await.unwrap();
    world.close(opened, Release::Nothing).await;
    world.clock.advance(Duration::from_secs(60));
    let _open = world.open(3, &[]).await.unwrap();

    let list = |outcome: Option<&str>, since, limit| -> Vec<String> {
        let filter = Filter { outcome: outcome.map(str::to_owned), since, limit };
        world.reader().decisions(&filter).unwrap().into_iter().map(|decision| decision.outcome().to_owned()).collect()
    };
    assert_eq!(list(None, None, 10), ["open", "admitted", "rejected"]);
    assert_eq!(list(None, None, 2), ["open", "admitted"]);
    assert_eq!(list(None, Some(middle), 10), ["open", "admitted"]);
    assert_eq!(list(Some("rejected"), None, 10), ["rejected"]);
    assert_eq!(list(Some("open"), None, 10), ["open"]);
    assert_eq!(list(Some("refused_upstream"), None, 10), Vec::<String>::new());
}

proptest! {
    #[test]
    fn no_two_entries_hash_alike(
        writer in "[a-z]{0,3}", decision in "[a-z]{0,3}", kind in "[a-z]{0,3}", outcome in "[a-z]{0,3}",
        body in proptest::collection::vec(any::<u8>(), 0..4), shift in 0_usize..3,
    ) {
        let start = Head::start().hash;
        let link = Link { writer: &writer, seq: 1, decision: &decision, kind: &kind, outcome: &outcome, time: 0, body: &body };
        let hash = link.hash(&start);
        // What moves from one column to its neighbour makes another entry.
        let joined = format!("{writer}{decision}");
        let split = shift.min(joined.len());
        let (front, back) = joined.split_at(split);
        let moved = Link { writer: front, decision: back, ..link };
        prop_assert_eq!(moved.hash(&start) == hash, split == writer.len());
        prop_assert_ne!(Link { seq: 2, ..link }.hash(&start), hash);
        prop_assert_ne!(link.hash(&hash), hash);
    }
}
