//! Key sets that rotate, fail and come back.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;
use tokio::sync::Notify;

use crate::jose::key_slot::KeyLocation;
use crate::jose::signer::Signer;
use crate::jose::{Algorithm, choose};
use crate::net::FetchSettings;
use crate::net::directory::{Answer, Directory, authority};

use super::*;

const MAX_STALE: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

/// A clock that a test moves.
#[derive(Debug)]
struct TestClock(AtomicI64);

impl TestClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_micros().try_into().unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_micros(self.0.load(Ordering::SeqCst))
    }
}

fn clock() -> Arc<TestClock> {
    Arc::new(TestClock(AtomicI64::new(1_800_000_000_000_000)))
}

/// What a directory answers that has one key by this name.
fn set_of(key_id: &str) -> Answer {
    Answer::json(&set_text(key_id))
}

fn set_text(key_id: &str) -> String {
    let mut key = Signer::of(Algorithm::ES256).jwk();
    key["kid"] = key_id.into();
    json!({ "keys": [key] }).to_string()
}

fn at(location: KeyLocation, disk_copy: Option<&Path>) -> KeySource {
    let disk_copy = disk_copy.map(Path::to_path_buf);
    KeySource { name: "ofb".into(), location, refresh: HOUR, max_stale: MAX_STALE, disk_copy }
}

fn of(directory: &Directory) -> KeySource {
    at(KeyLocation::Url(directory.url()), None)
}

fn sets(source: KeySource, clock: &Arc<TestClock>) -> KeySets {
    let settings = FetchSettings { roots: vec![authority().certificate()], ..FetchSettings::default() };
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    KeySets::new(vec![source], &Arc::new(crate::net::Fetcher::new(&settings).unwrap()), &clock)
}

fn without_cool_down(source: KeySource, clock: &Arc<TestClock>) -> KeySets {
    let mut sets = sets(source, clock);
    for slot in sets.slots.values_mut() {
        Arc::get_mut(slot).unwrap().cool_down = Duration::ZERO;
    }
    sets
}

fn header(key_id: &str) -> Header {
    Header { algorithm: Algorithm::ES256, key_id: Some(key_id.to_owned()), typ: None, chain: Vec::new(), key: None }
}

async fn has(sets: &KeySets, key_id: &str) -> bool {
    matches!(sets.key("ofb", &header(key_id)).await, Known::Value(key) if &*key.key_id == key_id)
}

async fn is_absent(sets: &KeySets, key_id: &str) -> bool {
    matches!(sets.key("ofb", &header(key_id)).await, Known::Absent)
}

async fn trouble(sets: &KeySets, key_id: &str) -> Option<Arc<str>> {
    match sets.key("ofb", &header(key_id)).await {
        Known::Unavailable(why) => Some(why),
        Known::Value(_) | Known::Absent => None,
    }
}

#[tokio::test]
async fn r4_rotation_is_picked_up_within_one_request() {
    let directory = Directory::answering(set_of("old")).await;
    let sets = sets(of(&directory), &clock());
    sets.start();
    directory.next_request().await;
    assert!(sets.slots["ofb"].refresh().await == Outcome::Answered && has(&sets, "old").await);
    directory.set(set_of("new"));
    assert!(has(&sets, "new").await);
    assert!(is_absent(&sets, "old").await, "what the directory withdrew is gone");
    assert_eq!(directory.requests(), 3);
}

#[tokio::test]
async fn r4_ten_thousand_unknown_key_ids_cause_one_fetch() {
    let directory = Directory::answering(set_of("known")).await;
    let sets = Arc::new(sets(of(&directory), &clock()));
    let mut requests = JoinSet::new();
    for n in 0..10_000 {
        let sets = Arc::clone(&sets);
        requests.spawn(async move { is_absent(&sets, &format!("unknown-{n}")).await });
    }
    assert!(requests.join_all().await.into_iter().all(|absent| absent));
    assert_eq!(directory.requests(), 1);
    assert!(has(&sets, "known").await);
}

#[tokio::test]
async fn after_the_cool_down_it_is_asked_again() {
    let directory = Directory::answering(set_of("known")).await;
    let sets = without_cool_down(of(&directory), &clock());
    for expected in 1..=3 {
        assert!(is_absent(&sets, "unknown").await);
        assert_eq!(directory.requests(), expected);
    }
}

#[tokio::test]
async fn r4_down_means_stale_keys_up_to_the_limit_and_then_unavailable() {
    let (directory, clock) = (Directory::answering(set_of("k")).await, clock());
    let sets = without_cool_down(of(&directory), &clock);
    assert!(has(&sets, "k").await);
    drop(directory);
    clock.advance(MAX_STALE);
    assert!(has(&sets, "k").await);
    assert!(trouble(&sets, "unknown").await.is_some(), "an outage is not the client's fault");
    assert!(sets.states()[0].usable && sets.states()[0].failure.is_some());
    clock.advance(Duration::from_micros(1));
    assert!(trouble(&sets, "k").await.unwrap().starts_with("key set ofb: "));
    assert!(!sets.states()[0].usable);
}

#[tokio::test]
async fn a_clock_that_jumps_back_does_no_harm() {
    let (directory, clock) = (Directory::answering(set_of("k")).await, clock());
    let sets = sets(of(&directory), &clock);
    assert!(has(&sets, "k").await);
    clock.0.fetch_sub(31_536_000_000_000, Ordering::SeqCst);
    assert!(has(&sets, "k").await);
}

#[tokio::test]
async fn a_restart_during_an_outage_works_from_the_disk_copy() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("ofb.json");
    let (directory, clock) = (Directory::answering(set_of("k")).await, clock());
    let source = at(KeyLocation::Url(directory.url()), Some(&copy));
    assert!(has(&sets(source.clone(), &clock), "k").await);
    drop(directory);
    clock.advance(MAX_STALE);
    let restarted = sets(source.clone(), &clock);
    assert!(has(&restarted, "k").await);
    clock.advance(HOUR);
    assert!(trouble(&restarted, "k").await.is_some(), "the age counts from the fetch");
    assert!(trouble(&sets(source, &clock), "k").await.is_some());
}

#[tokio::test]
async fn t22_garbage_keeps_the_old_set() {
    let directory = Directory::answering(set_of("k")).await;
    let sets = without_cool_down(of(&directory), &clock());
    assert!(has(&sets, "k").await);
    let before = sets.states()[0].fetched;
    for answer in [
        Answer::json(r#"{"keys":[]}"#),
        Answer::json("{}"),
        Answer::json(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#),
        Answer::json("<html>"),
        Answer::of(200, "text/html", &set_text("evil")),
        Answer::of(500, "application/json", &set_text("evil")),
        Answer::json(&format!("{}{}", set_text("evil"), " ".repeat(1 << 20))),
        Answer::Raw("HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{".into()),
    ] {
        directory.set(answer);
        assert!(trouble(&sets, "evil").await.is_some());
        assert!(has(&sets, "k").await);
    }
    assert_eq!(sets.states()[0].fetched, before);
}

#[tokio::test]
async fn r4_a_slow_fetch_delays_nobody_whose_key_is_there() {
    let directory = Directory::answering(set_of("k")).await;
    let sets = Arc::new(without_cool_down(of(&directory), &clock()));
    assert!(has(&sets, "k").await);
    directory.next_request().await;
    directory.set(Answer::Never);
    let slow = tokio::spawn({
        let sets = Arc::clone(&sets);
        async move { has(&sets, "unknown").await }
    });
    directory.next_request().await;
    assert!(has(&sets, "k").await);
    assert!(!slow.is_finished());
}

#[tokio::test]
async fn one_fetch_serves_all_who_wait_even_if_the_first_hangs_up() {
    let word = Arc::new(Notify::new());
    let held = Answer::Held(Arc::clone(&word), Box::new(set_of("k")));
    let directory = Directory::answering(held).await;
    let sets = Arc::new(sets(of(&directory), &clock()));
    let ask = || {
        let sets = Arc::clone(&sets);
        tokio::spawn(async move { has(&sets, "k").await })
    };
    let first = ask();
    directory.next_request().await;
    let others = [ask(), ask(), ask()];
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    word.notify_one();
    for other in others {
        assert!(other.await.unwrap());
    }
    assert_eq!(directory.requests(), 1);
}

#[tokio::test]
async fn the_background_refreshes_until_it_is_dropped() {
    let directory = Directory::answering(set_of("k")).await;
    let sets = sets(KeySource { refresh: Duration::from_millis(1), ..of(&directory) }, &clock());
    sets.start();
    sets.start();
    for _ in 0..3 {
        directory.next_request().await;
    }
    let slot = Arc::downgrade(&sets.slots["ofb"]);
    drop(sets);
    while slot.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let source = at(KeyLocation::File(path.clone()), None);
    assert!(sets(source.clone(), &clock()).states()[0].failure.is_some());
    std::fs::write(&path, set_text("old")).unwrap();
    let sets = without_cool_down(source, &clock());
    assert_eq!(sets.states()[0].keys, 1);
    std::fs::write(&path, set_text("new")).unwrap();
    assert!(has(&sets, "old").await, "nothing is read for a key that is there");
    assert!(has(&sets, "new").await);
    std::fs::remove_file(&path).unwrap();
    assert!(trouble(&sets, "other").await.is_some());
    assert!(has(&sets, "new").await);
}

#[tokio::test]
async fn a_reload_during_an_outage_loses_no_key() {
    let (directory, clock) = (Directory::answering(set_of("k")).await, clock());
    let source = of(&directory);
    let older = sets(source.clone(), &clock);
    assert!(has(&older, "k").await);
    drop(directory);
    let reloaded = sets(source, &clock);
    reloaded.adopt(&older);
    assert!(has(&reloaded, "k").await);
    let elsewhere = Directory::answering(Answer::Never).await;
    let moved = sets(of(&elsewhere), &clock);
    moved.adopt(&older);
    assert_eq!(moved.states()[0].keys, 0, "another directory is asked anew");
}

#[tokio::test]
async fn a_set_that_is_not_configured() {
    let sets = sets(at(KeyLocation::File("/nonexistent".into()), None), &clock());
    assert!(matches!(sets.key("other", &header("k")).await, Known::Unavailable(_)));
    assert!(choose(&Signer::of(Algorithm::ES256).key_set(), &header("k")).is_some());
}

#[test]
fn the_pause_is_spread_over_its_last_tenth() {
    for _ in 0..1_000 {
        let pause = jittered(HOUR);
        assert!(pause <= HOUR && pause >= HOUR - HOUR / 10);
    }
}
