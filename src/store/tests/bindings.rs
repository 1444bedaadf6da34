//! Bindings: who owns a client, from its registration to its end.

use serde_json::json;

use super::*;
use crate::model::binding::{MadeFrom, SealedToken};

pub(super) fn binding(world: &World, seed: u16) -> Binding {
    let metadata = json!({"scope": "openid caf\u{e9}", "redirect_uris": ["https://a.example/cb"]});
    Binding {
        upstream: "idp".to_owned(),
        client_id: "client \u{e9}/1".to_owned(),
        authority: Some(AuthorityName::new("icp-brasil")),
        organisation: Some("org-1".to_owned()),
        software: None,
        policy: "open-finance-brasil".to_owned(),
        certificate: Some(Digest::of(b"certificate")),
        certificate_expires: Some(world.now().plus(WINDOW)),
        subject: None,
        token_fingerprint: Some(Digest::of(b"token")),
        token_expires: Some(world.now()),
        sealed_token: Some(SealedToken { key_id: "k".to_owned(), blob: vec![1, 2] }),
        metadata: metadata.as_object().unwrap().clone(),
        template: Some(MadeFrom { name: "app".to_owned(), digest: Digest::of(b"t"), own: vec!["scope".to_owned()] }),
        decision: world.decision(seed),
        registered: world.now(),
        updated: None,
    }
}

async fn ended(world: &World, seed: u16, claims: &[(ClaimKind, &str)], change: BindingChange) {
    let opened = world.open(seed, claims).await.unwrap();
    let mut closing = world.closing(opened, Release::Nothing);
    closing.binding = Some(change);
    world.store.close(closing).await.unwrap();
}

async fn found(world: &World) -> Option<Binding> {
    world.store.binding("idp", "client \u{e9}/1").await.unwrap()
}

on_both!(a_binding_comes_back_as_it_was);
async fn a_binding_comes_back_as_it_was(world: World) {
    let full = binding(&world, 1);
    ended(&world, 1, &[], BindingChange::Registered(Box::new(full.clone()))).await;
    assert_eq!(found(&world).await, Some(full));
    assert_eq!(world.store.binding("idp", "client \u{e9}").await.unwrap(), None);
    assert_eq!(world.store.binding("other", "client \u{e9}/1").await.unwrap(), None);
}

on_both!(a_client_id_given_out_again_has_its_last_owner);
async fn a_client_id_given_out_again_has_its_last_owner(world: World) {
    for (seed, organisation) in [(1, "org-1"), (2, "org-2")] {
        let bound = Binding { organisation: Some(organisation.to_owned()), ..binding(&world, seed) };
        ended(&world, seed, &[], BindingChange::Registered(Box::new(bound))).await;
    }
    let last = found(&world).await.unwrap();
    assert_eq!((last.organisation.as_deref(), last.decision), (Some("org-2"), world.decision(2)));
}

on_both!(an_update_replaces_token_and_members_and_keeps_the_registration);
async fn an_update_replaces_token_and_members_and_keeps_the_registration(world: World) {
    ended(&world, 1, &[], BindingChange::Registered(Box::new(binding(&world, 1)))).await;
    let updated = Binding {
        token_fingerprint: Some(Digest::of(b"another token")),
        token_expires: None,
        sealed_token: None,
        metadata: json!({"scope": "openid"}).as_object().unwrap().clone(),
        updated: Some(world.now().plus(WINDOW)),
        ..binding(&world, 1)
    };
    ended(&world, 2, &[], BindingChange::Updated(Box::new(updated.clone()))).await;
    assert_eq!(found(&world).await, Some(updated));
}

on_both!(an_update_neither_brings_back_a_deleted_client_nor_touches_the_next_one);
async fn an_update_neither_brings_back_a_deleted_client_nor_touches_the_next_one(world: World) {
    let first = binding(&world, 1);
    ended(&world, 1, &[], BindingChange::Updated(Box::new(first.clone()))).await;
    assert_eq!(found(&world).await, None);
    ended(&world, 2, &[], BindingChange::Registered(Box::new(binding(&world, 2)))).await;
    ended(&world, 3, &[], BindingChange::Updated(Box::new(first))).await;
    assert_eq!(found(&world).await, Some(binding(&world, 2)));
}

on_both!(what_is_adopted_takes_nobodys_place);
async fn what_is_adopted_takes_nobodys_place(world: World) {
    let adopted = Binding { organisation: Some("org-2".to_owned()), ..binding(&world, 1) };
    for (seed, change) in [
        (1, BindingChange::Registered(Box::new(binding(&world, 1)))),
        (2, BindingChange::Adopted(Box::new(adopted.clone()))),
    ] {
        let ended = Ended { outcome: "admitted", body: b"read".to_vec() };
        let event = EntryEvent::Read(world.decision(seed), ended, Some(change));
        world.store.append(Entry { at: world.now(), event, standing: Standing::Trusted }).await.unwrap();
    }
    assert_eq!(found(&world).await, Some(binding(&world, 1)));
    assert_eq!(world.reader().decision(world.decision(2)).unwrap().unwrap().outcome(), "admitted");
}

on_both!(a_deleted_client_gives_back_what_it_held_and_nothing_else);
async fn a_deleted_client_gives_back_what_it_held_and_nothing_else(world: World) {
    let window = world.now().plus(WINDOW);
    let mut opening =
        world.opening(1, &[(ClaimKind::Slot, "s"), (ClaimKind::Quota, "live"), (ClaimKind::Jti, "for ever")]);
    opening.claims.push(claim(ClaimKind::Jti, "j", Some(window)));
    opening.claims.push(claim(ClaimKind::Quota, "over a window", Some(window)));
    opening.claims.push(claim(ClaimKind::TokenUse, "t", None));
    let mut closing = world.closing(world.store.open_decision(opening).await.unwrap(), Release::Nothing);
    closing.binding = Some(BindingChange::Registered(Box::new(binding(&world, 1))));
    world.store.close(closing).await.unwrap();
    let _other = world.open(2, &[(ClaimKind::Slot, "another's")]).await.unwrap();

    let deleted = |decision| BindingChange::Deleted {
        upstream: "idp".to_owned(),
        client_id: "client \u{e9}/1".to_owned(),
        decision,
    };
    ended(&world, 3, &[], deleted(world.decision(1))).await;
    assert_eq!(found(&world).await, None);
    assert_eq!(world.count("SELECT count(*) FROM claims WHERE key IN ('s', 'live')").await, 0);
    assert_eq!(world.count("SELECT count(*) FROM claims").await, 5);
    // The slot is free for the next, whom a deletion that was told late does not touch.
    ended(&world, 4, &[(ClaimKind::Slot, "s")], BindingChange::Registered(Box::new(binding(&world, 4)))).await;
    ended(&world, 5, &[], deleted(world.decision(1))).await;
    assert_eq!(found(&world).await, Some(binding(&world, 4)));
    assert_eq!(world.open(6, &[(ClaimKind::Slot, "s")]).await.unwrap_err(), OpenError::Conflict { claim: 0 });
}

on_both!(a_token_leads_to_its_client);
async fn a_token_leads_to_its_client(world: World) {
    ended(&world, 1, &[], BindingChange::Registered(Box::new(binding(&world, 1)))).await;
    let owner = world.store.token_owner(vec![Digest::of(b"x"), Digest::of(b"token")]).await.unwrap();
    assert_eq!(owner, Some(("idp".to_owned(), "client \u{e9}/1".to_owned())));
    assert_eq!(world.store.token_owner(vec![Digest::of(b"x")]).await.unwrap(), None);
}
