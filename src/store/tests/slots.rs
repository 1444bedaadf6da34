//! What one client has alone: its slots, from its registration over its updates to its end.

use super::*;

fn of_client(key: &str, owner: Option<DecisionId>) -> Claim {
    Claim { owner, ..claim(ClaimKind::Slot, key, None) }
}

async fn open(world: &World, seed: u16, claims: Vec<Claim>) -> Result<Opened, OpenError> {
    let mut opening = world.opening(seed, &[]);
    opening.claims = claims;
    world.store.open_decision(opening).await
}

/// Closes what was opened with this change.
async fn close(world: &World, opened: Opened, change: BindingChange) {
    let mut closing = world.closing(opened, Release::Nothing);
    closing.binding = Some(change);
    world.store.close(closing).await.unwrap();
}

/// A client that holds this key; gives the decision that registered it.
async fn registered(world: &World, seed: u16, key: &str) -> DecisionId {
    let opened = open(world, seed, vec![of_client(key, None)]).await.unwrap();
    close(world, opened, BindingChange::Registered(Box::new(of(world, seed)))).await;
    world.decision(seed)
}

/// The binding of the client that this decision registered.
fn of(world: &World, seed: u16) -> Binding {
    Binding { client_id: format!("client {seed}"), ..super::bindings::binding(world, seed) }
}

/// Ends the client that this decision registered.
async fn delete(world: &World, seed: u16, client: u16) {
    let decision = world.decision(client);
    let change = BindingChange::Deleted { upstream: "idp".to_owned(), client_id: format!("client {client}"), decision };
    close(world, open(world, seed, Vec::new()).await.unwrap(), change).await;
}

const TAKEN: OpenError = OpenError::Conflict { claim: 0 };

on_both!(a_key_of_a_live_client_is_nobody_elses);
async fn a_key_of_a_live_client_is_nobody_elses(world: World) {
    let client = registered(&world, 1, "a").await;
    assert_eq!(open(&world, 2, vec![of_client("a", None)]).await.unwrap_err(), TAKEN);
    let another = registered(&world, 3, "b").await;
    assert_eq!(open(&world, 4, vec![of_client("a", Some(another))]).await.unwrap_err(), TAKEN);
    assert_eq!(open(&world, 5, vec![of_client("b", Some(client))]).await.unwrap_err(), TAKEN);
    delete(&world, 6, 1).await;
    open(&world, 7, vec![of_client("a", None)]).await.unwrap();
}

on_both!(a_refusal_of_the_identity_server_frees_it);
async fn a_refusal_of_the_identity_server_frees_it(world: World) {
    let opened = open(&world, 1, vec![of_client("a", None)]).await.unwrap();
    world.close(opened, Release::SlotAndQuota).await;
    open(&world, 2, vec![of_client("a", None)]).await.unwrap();
}

on_both!(what_an_update_takes_is_the_clients);
async fn what_an_update_takes_is_the_clients(world: World) {
    let client = registered(&world, 1, "a").await;
    for (seed, key) in [(2, "next"), (3, "next"), (4, "a")] {
        let claims = vec![of_client("a", Some(client)), of_client(key, Some(client))];
        let opened = open(&world, seed, claims).await.unwrap();
        close(&world, opened, BindingChange::Updated(Box::new(of(&world, 1)))).await;
    }
    assert_eq!(open(&world, 5, vec![of_client("next", None)]).await.unwrap_err(), TAKEN);
    delete(&world, 6, 1).await;
    open(&world, 7, vec![of_client("next", None), of_client("a", None)]).await.unwrap();
}

on_both!(an_update_that_is_refused_frees_what_it_took_and_nothing_else);
async fn an_update_that_is_refused_frees_what_it_took_and_nothing_else(world: World) {
    let client = registered(&world, 1, "a").await;
    let opened = open(&world, 2, vec![of_client("a", Some(client)), of_client("next", Some(client))]).await.unwrap();
    world.close(opened, Release::SlotAndQuota).await;
    open(&world, 3, vec![of_client("next", None)]).await.unwrap();
    assert_eq!(open(&world, 4, vec![of_client("a", None)]).await.unwrap_err(), TAKEN);
}

on_both!(an_update_of_a_client_that_was_deleted_meanwhile_holds_nothing);
async fn an_update_of_a_client_that_was_deleted_meanwhile_holds_nothing(world: World) {
    let client = registered(&world, 1, "a").await;
    let opened = open(&world, 2, vec![of_client("next", Some(client))]).await.unwrap();
    delete(&world, 3, 1).await;
    close(&world, opened, BindingChange::Updated(Box::new(of(&world, 1)))).await;
    open(&world, 4, vec![of_client("next", None), of_client("a", None)]).await.unwrap();
}
