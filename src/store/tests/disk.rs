//! No room on the disk, as `max_page_count` shows it.

use super::*;

async fn fill(world: &World) {
    world
        .store
        .inspect(|connection| {
            let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
            connection.pragma_update(None, "max_page_count", pages).unwrap();
        })
        .await;
}

async fn make_room(world: &World) {
    world.store.inspect(|connection| connection.pragma_update(None, "max_page_count", 1_000_000).unwrap()).await;
}

fn large(world: &World, seed: u16) -> Opening {
    Opening { body: vec![b'x'; 20_000], ..world.opening(seed, &[(ClaimKind::Jti, "a")]) }
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_heals_by_itself() {
    let world = World::sqlite();
    let ballast = world.folder().join("dcrgate.db.reserve");
    assert!(ballast.exists());
    fill(&world).await;
    let failed = world.store.open_decision(large(&world, 1)).await.unwrap_err();
    assert_eq!(failed, OpenError::Store(StoreError::Full));
    assert_eq!(world.store.health(), Health::Failing);
    assert!(!ballast.exists(), "the reserve is given up before an admitted decision is");
    assert_eq!(world.store.answer(&request(1), world.now()).await.unwrap(), None);

    make_room(&world).await;
    let opened = world.store.open_decision(large(&world, 1)).await.unwrap();
    assert_eq!(world.store.health(), Health::ReserveOnly);
    world.close(opened, Release::Nothing).await;
    assert_eq!(world.reader().verify("gate-1").unwrap().unwrap().seq, 2);
}

#[tokio::test]
async fn strangers_stop_first() {
    let world = World::sqlite();
    fill(&world).await;
    assert!(world.store.open_decision(large(&world, 1)).await.is_err());
    make_room(&world).await;
    let stranger = world.store.append(world.refusal(2, Standing::Stranger)).await;
    assert_eq!(stranger, Err(StoreError::Reserved));
    world.store.append(world.refusal(3, Standing::Trusted)).await.unwrap();
    let summary = Entry { at: world.now(), event: EntryEvent::Summary(b"{}".into()), standing: Standing::Stranger };
    world.store.append(summary).await.unwrap();
}

#[tokio::test]
async fn a_closing_that_failed_comes_back_and_succeeds_later() {
    let world = World::sqlite();
    let opened = world.open(1, &[(ClaimKind::Slot, "s")]).await.unwrap();
    fill(&world).await;
    let mut closing = world.closing(opened, Release::SlotAndQuota);
    closing.ended.body = vec![b'x'; 20_000];
    let failed = world.store.close(closing).await.unwrap_err();
    assert_eq!(failed.error, StoreError::Full);
    assert!(failed.error.may_pass());
    assert_eq!(world.count("SELECT count(*) FROM claims").await, 1);
    make_room(&world).await;
    world.store.close(failed.closing.unwrap()).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM claims").await, 0);
    assert_eq!(world.reader().decision(world.decision(1)).unwrap().unwrap().outcome(), "admitted");
}
