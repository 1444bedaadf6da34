//! Openings, closings, claims, requests seen before.

use super::*;

on_both!(one_commit_ends_a_decision_with_binding_and_answer);
async fn one_commit_ends_a_decision_with_binding_and_answer(world: World) {
    let sealer = Sealer::new(SealingKey::new(&[7; 32]).unwrap(), Vec::new());
    let opened = world.open(1, &[(ClaimKind::Jti, "a")]).await.unwrap();
    assert_eq!(world.store.answer(&request(1), world.now()).await.unwrap(), Some(Stored::InProgress));
    let reader = world.reader();
    assert_eq!(reader.decision(world.decision(1)).unwrap().unwrap().outcome(), OPEN);

    let sealed = sealer.seal(world.decision(1), b"{\"client_secret\":\"s\"}").unwrap();
    let mut closing = world.closing(opened, Release::Nothing);
    closing.binding = Some(BindingChange::Registered(Box::new(bindings::binding(&world, 1))));
    closing.answer = Some(sealed.clone());
    world.store.close(closing).await.unwrap();

    let decision = reader.decision(world.decision(1)).unwrap().unwrap();
    assert_eq!(decision.outcome(), "admitted");
    assert_eq!((decision.opened.unwrap().body, decision.ended.unwrap().body), (b"opening 1".into(), b"closing".into()));
    assert_eq!(world.store.binding("idp", "client \u{e9}/1").await.unwrap(), Some(bindings::binding(&world, 1)));
    let Some(Stored::Answer(found)) = world.store.answer(&request(1), world.now()).await.unwrap() else {
        panic!("no answer");
    };
    assert_eq!(sealer.open(&found).unwrap(), b"{\"client_secret\":\"s\"}");
    assert_eq!(world.open(1, &[]).await.unwrap_err(), OpenError::Repeated(Stored::Answer(sealed)));
}

on_both!(of_sixteen_at_once_one_takes_the_jti);
async fn of_sixteen_at_once_one_takes_the_jti(world: World) {
    let world = Arc::new(world);
    let tasks: Vec<_> = (0..16)
        .map(|seed| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.open(seed, &[(ClaimKind::Jti, "the one")]).await })
        })
        .collect();
    let mut opened = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(one) => opened.push(one),
            Err(error) => assert_eq!(error, OpenError::Conflict { claim: 0 }),
        }
    }
    assert_eq!(opened.len(), 1);
    let filter = Filter { outcome: Some("rejected".to_owned()), since: None, limit: 100 };
    let refused = world.reader().decisions(&filter).unwrap();
    assert_eq!(refused.len(), 15);
    let told = format!("the one held by {}", opened[0].decision());
    assert!(refused.iter().all(|decision| decision.ended.as_ref().unwrap().body == told.as_bytes()));
}

on_both!(a_conflict_takes_nothing);
async fn a_conflict_takes_nothing(world: World) {
    let _holder = world.open(1, &[(ClaimKind::Slot, "b")]).await.unwrap();
    let wanted = [(ClaimKind::Jti, "a"), (ClaimKind::Slot, "b"), (ClaimKind::Quota, "c")];
    assert_eq!(world.open(2, &wanted).await.unwrap_err(), OpenError::Conflict { claim: 1 });
    assert_eq!(world.count("SELECT count(*) FROM claims").await, 1);
    assert_eq!(world.store.answer(&request(2), world.now()).await.unwrap(), None);
    // The same key of another kind is another thing, and the same claim twice is one.
    world.open(3, &[(ClaimKind::Jti, "b"), (ClaimKind::Jti, "a"), (ClaimKind::Jti, "a")]).await.unwrap();
}

on_both!(claims_are_released_by_how_the_decision_ended);
async fn claims_are_released_by_how_the_decision_ended(world: World) {
    let all = [(ClaimKind::Jti, "j"), (ClaimKind::Slot, "s"), (ClaimKind::TokenUse, "t"), (ClaimKind::Quota, "q")];
    for (seed, release, left) in [(1, Release::Nothing, 4), (2, Release::All, 0), (3, Release::SlotAndQuota, 2)] {
        let opened = world.open(seed, &all).await.unwrap();
        world.close(opened, release).await;
        assert_eq!(world.count("SELECT count(*) FROM claims").await, left);
        assert_eq!(world.count("SELECT count(*) FROM claims WHERE kind IN ('slot', 'quota')").await, left / 4 * 2);
        assert_eq!(world.freed(world.decision(seed)).await, usize::try_from(left).unwrap());
    }
}

on_both!(a_request_without_a_stored_answer_may_be_tried_anew);
async fn a_request_without_a_stored_answer_may_be_tried_anew(world: World) {
    let opened = world.open(1, &[]).await.unwrap();
    assert_eq!(world.open(1, &[]).await.unwrap_err(), OpenError::Repeated(Stored::InProgress));
    world.close(opened, Release::All).await;
    assert_eq!(world.store.answer(&request(1), world.now()).await.unwrap(), None);
    let again = Opening { decision: world.decision(2), ..world.opening(1, &[]) };
    world.store.open_decision(again).await.unwrap();
}

on_both!(answers_and_claims_end_with_their_time_whether_purged_or_not);
async fn answers_and_claims_end_with_their_time_whether_purged_or_not(world: World) {
    let mut opening = world.opening(1, &[]);
    opening.claims.push(claim(ClaimKind::Jti, "a", Some(world.now().plus(WINDOW))));
    let mut closing = world.closing(world.store.open_decision(opening).await.unwrap(), Release::Nothing);
    let sealed = SealedAnswer { decision: world.decision(1), key_id: "k".to_owned(), blob: vec![1] };
    closing.answer = Some(sealed.clone());
    world.store.close(closing).await.unwrap();

    assert_eq!(world.open(2, &[(ClaimKind::Jti, "a")]).await.unwrap_err(), OpenError::Conflict { claim: 0 });
    world.clock.advance(WINDOW);
    assert_eq!(world.store.answer(&request(1), world.now()).await.unwrap(), None);
    world.open(1, &[(ClaimKind::Jti, "a")]).await.unwrap();
}

#[test]
fn what_is_over_is_purged() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock(AtomicI64::new(0)));
    let path = folder.path().join("dcrgate.db");
    drop(Writer::open(&path, &settings(&path), Arc::clone(&clock) as Arc<dyn Clock>).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute_batch(&format!(
            "INSERT INTO claims (kind, key, decision, expires, taken) VALUES ('jti', 'old', '{0:026}', 10, 0), ('jti', 'new', '{0:026}', 99999999, 0),
                                       ('slot', 'kept', '{0:026}', NULL, 0);
             INSERT INTO answers VALUES (zeroblob(32), '{0:026}', 'gate-1', 'answered', 10, 'k', x'00'),
                                        (randomblob(32), '{0:026}', 'gate-1', 'answered', 99999999, 'k', x'00');",
            0
        ))
        .unwrap();
    let (mut writer, _) = Writer::open(&path, &settings(&path), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    assert_eq!(writer.live.len(), 2);
    clock.advance(Duration::from_secs(1));
    writer.work(&mut Vec::new());
    assert_eq!(writer.live.len(), 1);
    let left = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((left("SELECT count(*) FROM claims"), left("SELECT count(*) FROM answers")), (2, 1));
}

on_both!(one_operation_that_fails_does_not_spoil_its_batch);
async fn one_operation_that_fails_does_not_spoil_its_batch(world: World) {
    let world = Arc::new(world);
    world.store.append(world.refusal(1, Standing::Trusted)).await.unwrap();
    let go = world.store.hold().await;
    let tasks: Vec<_> = [2, 1, 3]
        .map(|seed| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.store.append(world.refusal(seed, Standing::Trusted)).await })
        })
        .into_iter()
        .collect();
    tokio::task::yield_now().await;
    drop(go);
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    assert!(matches!(&results[..], [Ok(()), Err(StoreError::Constraint { .. }), Ok(())]), "{results:?}");
    assert_eq!(world.reader().verify("gate-1").unwrap().unwrap().seq, 3);
}

on_both!(a_caller_that_went_away_leaves_nothing_taken);
async fn a_caller_that_went_away_leaves_nothing_taken(world: World) {
    let go = world.store.hold().await;
    {
        let waiting = world.open(1, &[(ClaimKind::Jti, "a")]);
        tokio::pin!(waiting);
        assert!(futures_poll_once(waiting.as_mut()).await.is_none());
    }
    drop(go);
    assert_eq!(world.count("SELECT count(*) FROM claims").await, 0);
    world.open(1, &[(ClaimKind::Jti, "a")]).await.unwrap();
}

on_both!(an_opening_that_cannot_be_delivered_is_undone);
async fn an_opening_that_cannot_be_delivered_is_undone(world: World) {
    let (reply, gone) = oneshot::channel();
    drop(gone);
    let opening = Box::new(world.opening(1, &[(ClaimKind::Jti, "a")]));
    let left = Operation::Open(opening, world.store.queue.clone(), reply).answer(Ok(operation::Effect::Opened));
    assert!(matches!(left, Some(Operation::Abandon(abandoned))
        if abandoned.release == Release::All && abandoned.claims.len() == 1));
}

on_both!(more_than_the_queue_holds_is_refused);
async fn more_than_the_queue_holds_is_refused(world: World) {
    let go = world.store.hold().await;
    for _ in 0..QUEUE {
        world.store.submit(Operation::Hold(oneshot::channel().0, oneshot::channel().1)).unwrap();
    }
    let opened = world.open(1, &[]).await;
    assert_eq!(opened.unwrap_err(), OpenError::Store(StoreError::Busy));
    drop(go);
    world.store.shutdown().await;
}

/// Polls once; gives the result when it is ready.
async fn futures_poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

on_both!(a_thing_taken_by_itself_is_taken_once_and_lives_as_long_as_it_says);
async fn a_thing_taken_by_itself_is_taken_once_and_lives_as_long_as_it_says(world: World) {
    let world = Arc::new(world);
    let expires = world.now().plus(Duration::from_secs(60));
    let one = move || claim(ClaimKind::Jti, "proof", Some(expires));
    let tasks: Vec<_> = (0..20)
        .map(|seed| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.store.take_claim(one(), world.decision(seed), world.now()).await.unwrap() })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        taken += usize::from(task.await.unwrap());
    }
    assert_eq!(taken, 1);
    assert_eq!(world.count("SELECT count(*) FROM entries").await, 0, "nothing was decided");
    let later = expires.plus(Duration::from_secs(1));
    assert!(world.store.take_claim(one(), world.decision(30), later).await.unwrap());
    let mut opening = world.opening(31, &[]);
    opening.claims.push(one());
    assert_eq!(world.store.open_decision(opening).await.unwrap_err(), OpenError::Conflict { claim: 0 });
}
