//! Quotas over the wire: as many registrations as are allowed, and then again when their window is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use dcrgate::model::time::{Clock, SystemClock, Timestamp};

use crate::gate::{Gate, world};
use crate::target::{Target, refused, rule};

#[derive(Debug)]
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst))
    }
}

async fn target(quota: &str) -> (Target, Arc<Hand>) {
    let clock = Arc::new(Hand(AtomicI64::new(SystemClock.now().unix_micros())));
    let (home, world) = world(|text| text.replace("policies/open-finance-brasil.toml", "policies/quota.toml")).await;
    let policy = format!(
        "extends = \"open-finance-brasil.toml\"\nid = \"quota\"\n[checks.registration.duplicates]\nmode = \"off\"\n\
         [checks.registration.quota]\n{quota}"
    );
    std::fs::write(world.path("policies/quota.toml"), policy).expect("a policy");
    let gate = Gate::clocked(Arc::clone(&clock) as Arc<dyn Clock>, home, world).await;
    (Target::of(gate), clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_a_full_quota_is_free_again_when_its_window_is_over() {
    let (target, clock) = target("limit = 2\nwindow = \"2m\"\nper = \"certificate\"\n").await;
    for _ in 0..2 {
        assert_eq!(target.submit(&target.request()).await.status(), 201);
    }
    let full = target.submit(&target.request()).await;
    refused("a full quota", &full, 429, "temporarily_unavailable");
    assert_eq!(rule(&full), "registration.quota");
    let seconds: u64 = full.headers()["retry-after"].to_str().expect("text").parse().expect("a number");
    assert!((1..=121).contains(&seconds), "{seconds}");
    target.recorded("a full quota", &full);
    assert_eq!(target.reached(), 2);
    clock.0.fetch_add(i64::try_from(Duration::from_secs(seconds).as_micros()).expect("small"), Ordering::SeqCst);
    assert_eq!(target.submit(&target.request()).await.status(), 201, "after the time that was told");
}

#[tokio::test(flavor = "multi_thread")]
async fn t15_live_registrations_are_limited_and_a_refusal_gives_its_unit_back() {
    use dcrgate::sandbox::identity_server::Behaviour;
    let (target, _) = target("limit = 1\nper = \"organisation\"\n").await;
    target.gate.world.identity_server.behave(Behaviour::Refuse);
    assert_eq!(target.submit(&target.request()).await.status(), 400);
    target.gate.world.identity_server.behave(Behaviour::Work);
    assert_eq!(target.submit(&target.request()).await.status(), 201, "nothing was registered before");
    let full = target.submit(&target.request()).await;
    refused("a full quota", &full, 403, "access_denied");
    assert!(!full.headers().contains_key("retry-after"), "waiting does not help");
    assert_eq!(target.reached(), 2);
}
