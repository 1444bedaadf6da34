//! An operator writes beside a running proxy: on a chain of its own, in turns, and never more than was asked for.

use super::bindings::binding;
use super::*;

const CLAIMS: [(ClaimKind, &str); 3] = [(ClaimKind::Jti, "j"), (ClaimKind::Slot, "s"), (ClaimKind::Quota, "q")];

fn beside(world: &World) -> Result<Store, StoreError> {
    let settings = StoreSettings { reserve: 0, ..world.place.settings("(operator)") };
    Store::open_beside(&settings, Arc::clone(&world.clock) as Arc<dyn Clock>)
}

on_both!(claims_are_freed_beside_a_running_proxy_and_noted);
async fn claims_are_freed_beside_a_running_proxy_and_noted(world: World) {
    let opened = world.open(1, &CLAIMS).await.unwrap();
    let decision = opened.decision();
    world.close(opened, Release::Nothing).await;
    let kinds: Vec<String> = world.reader().claims(decision).unwrap().into_iter().map(|claim| claim.kind).collect();
    assert_eq!(kinds, ["jti", "quota", "slot"]);

    let operator = beside(&world).unwrap();
    let another = beside(&world).unwrap_err();
    assert!(matches!(another, StoreError::Locked { .. } | StoreError::WriterInUse { .. }), "operators take turns");
    assert_eq!(operator.free(Freeing::Claims(decision), note(world.now())).await.unwrap(), 3);
    operator.shutdown().await;

    assert_eq!(world.reader().claims(decision).unwrap(), []);
    let notes = world.reader().entries("(operator)", 1, 9).unwrap();
    assert_eq!(
        notes.iter().map(|note| (note.kind.as_str(), &*note.body)).collect::<Vec<_>>(),
        [("note", &b"freed"[..])]
    );
    // The proxy goes on, and sees what is free.
    world.open(2, &CLAIMS).await.unwrap();
    for writer in ["gate-1", "(operator)"] {
        assert!(world.reader().verify(writer).unwrap().is_ok());
    }
    beside(&world).unwrap().shutdown().await;
}

on_both!(a_client_that_is_gone_leaves_its_slot_and_no_more);
async fn a_client_that_is_gone_leaves_its_slot_and_no_more(world: World) {
    let opened = world.open(1, &CLAIMS).await.unwrap();
    let mut closing = world.closing(opened, Release::Nothing);
    closing.binding = Some(BindingChange::Registered(Box::new(binding(&world, 1))));
    world.store.close(closing).await.unwrap();
    let Binding { upstream, client_id, decision, .. } = binding(&world, 1);
    let other =
        Freeing::Client { upstream: upstream.clone(), client_id: client_id.clone(), decision: world.decision(9) };
    assert_eq!(world.store.free(other, note(world.now())).await.unwrap(), 0);
    assert!(world.store.binding(&upstream, &client_id).await.unwrap().is_some(), "given out again meanwhile");

    let gone = Freeing::Client { upstream: upstream.clone(), client_id: client_id.clone(), decision };
    assert_eq!(world.store.free(gone, note(world.now())).await.unwrap(), 2);
    assert_eq!(world.store.binding(&upstream, &client_id).await.unwrap(), None);
    let left: Vec<String> = world.reader().claims(decision).unwrap().into_iter().map(|claim| claim.kind).collect();
    assert_eq!(left, ["jti"]);
}

on_both!(clients_are_listed_by_what_is_asked_for);
async fn clients_are_listed_by_what_is_asked_for(world: World) {
    for (seed, organisation) in [(1, "org-1"), (2, "org-2"), (3, "org-1")] {
        let client_id = format!("c{seed}");
        let organisation = Some(organisation.to_owned());
        let bound = Binding { client_id, organisation, ..binding(&world, seed) };
        let mut closing = world.closing(world.open(seed, &[]).await.unwrap(), Release::Nothing);
        closing.binding = Some(BindingChange::Registered(Box::new(bound)));
        world.store.close(closing).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
    let listed = |filter: ClientFilter| -> Vec<String> {
        world.reader().clients(&filter).unwrap().into_iter().map(|binding| binding.client_id).collect()
    };
    let all = ClientFilter { limit: 9, ..ClientFilter::default() };
    let of = |word: &str| Some(word.to_owned());
    assert_eq!(listed(all.clone()), ["c3", "c2", "c1"]);
    assert_eq!(listed(ClientFilter { limit: 1, ..all.clone() }), ["c3"]);
    assert_eq!(listed(ClientFilter { organisation: of("org-1"), ..all.clone() }), ["c3", "c1"]);
    assert_eq!(listed(ClientFilter { client_id: of("c2"), upstream: of("idp"), ..all.clone() }), ["c2"]);
    assert_eq!(listed(ClientFilter { template: of("app"), ..all.clone() }).len(), 3);
    for none in [
        ClientFilter { upstream: of("other"), ..all.clone() },
        ClientFilter { software: of("s"), ..all.clone() },
        ClientFilter { policy: of("p"), ..all.clone() },
        ClientFilter { template: of("other"), ..all },
    ] {
        assert_eq!(listed(none), [""; 0]);
    }
}

#[tokio::test]
async fn an_operator_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dcrgate.db");
    let clock = Arc::new(TestClock(AtomicI64::new(0)));
    assert!(matches!(Store::open_beside(&settings(&path), clock), Err(StoreError::Unusable { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
