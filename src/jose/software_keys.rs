//! The key sets of the software itself, at the URL in its verified statement (RFC 7591 §2, `jwks_uri`).
//!
//! The host must be one that the policy lists; the fetcher sees to it that no
//! address inside the house is reached. Sets are remembered for a minute, which is what
//! one registration with its repetitions needs; rotation is then felt at once.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use super::algorithm::choose;
use super::compact::Header;
use crate::checks::fetch_hosts;
use crate::model::evidence::Known;
use crate::model::key::{KeySet, KeySetFault};
use crate::net::{FetchError, Fetcher, UrlTrust};

/// Fetches and remembers the key sets of software.
#[derive(Debug)]
pub struct SoftwareKeys {
    fetcher: Arc<Fetcher>,
    flights: Cache<String, Arc<Flight>>,
    /// The last fetches that an unknown `kid` caused; what they found beside the old set, so that one that fails
    /// takes nothing away.
    again: Cache<String, Arc<Flight>>,
    cool_down: Duration,
    good_for: Duration,
    failed_for: Duration,
}

/// One fetch, shared by all who want its URL, and what came of it.
#[derive(Debug, Default)]
struct Flight {
    landed: OnceCell<Landed>,
}

#[derive(Debug)]
struct Landed {
    keys: Known<Arc<KeySet>>,
    at: Instant,
    good_until: Instant,
}

impl SoftwareKeys {
    /// Knows nothing yet.
    pub fn new(fetcher: Arc<Fetcher>) -> Self {
        Self {
            fetcher,
            flights: Cache::new(SETS),
            again: Cache::new(SETS),
            cool_down: COOL_DOWN,
            good_for: GOOD_FOR,
            failed_for: FAILED_FOR,
        }
    }

    /// The set at this URL of a verified statement.
    ///
    /// `hosts` is the policy's list, as [`fetch_hosts::allows`] reads it.
    ///
    /// [`Known::Absent`] when the URL may not be fetched or has no set with a key, which a
    /// repetition would not change; [`Known::Unavailable`] when the set could not be fetched.
    pub async fn fetch(&self, url: &str, hosts: &[String]) -> Known<Arc<KeySet>> {
        let Some(url) = permitted(url, hosts) else { return Known::Absent };
        self.flight(&url).await.0
    }

    /// The set at this URL, as [`SoftwareKeys::fetch`] gives it, for a signature with this header.
    ///
    /// A set that has no key for it and that is older than ten seconds is fetched once more: the software may have
    /// changed its keys. When that fails the keys are [`Known::Unavailable`] for this header, and as before for others.
    pub async fn fetch_for(&self, url: &str, hosts: &[String], header: &Header) -> Known<Arc<KeySet>> {
        let Some(url) = permitted(url, hosts) else { return Known::Absent };
        let (keys, at) = self.flight(&url).await;
        match &keys {
            Known::Value(set) if choose(set, header).is_none() && at.elapsed() >= self.cool_down => {
                self.fetch_again(&url).await
            }
            _ => keys,
        }
    }

    async fn flight(&self, url: &Url) -> (Known<Arc<KeySet>>, Instant) {
        let now = Instant::now();
        let flight = self.flights.entry_by_ref(url.as_str()).or_insert_with_if(Arc::default, |flight| {
            flight.landed.get().is_some_and(|landed| landed.good_until <= now)
        });
        let landed = flight.value().landed.get_or_init(|| self.land(url)).await;
        (landed.keys.clone(), landed.at)
    }

    /// At most one fetch of a URL per cool-down, whatever key ids are asked for.
    async fn fetch_again(&self, url: &Url) -> Known<Arc<KeySet>> {
        let now = Instant::now();
        let flight = self.again.entry_by_ref(url.as_str()).or_insert_with_if(Arc::default, |flight| {
            flight.landed.get().is_some_and(|landed| landed.at + self.cool_down <= now)
        });
        let landed = flight.value().landed.get_or_init(|| self.land(url)).await;
        if matches!(landed.keys, Known::Value(_)) {
            self.flights.insert(url.as_str().to_owned(), Arc::clone(flight.value()));
        }
        landed.keys.clone()
    }

    async fn land(&self, url: &Url) -> Landed {
        let keys = match self.fetcher.get(url, UrlTrust::FromStatement, SET_BYTES, FETCH_DEADLINE).await {
            // What cannot be used here is judged by the policy, and may be for others: keys for encryption.
            Ok(bytes) => match KeySet::published(&bytes) {
                Ok(set) => Known::Value(Arc::new(set)),
                Err(KeySetFault::Empty | KeySetFault::NoneUsable) => Known::Absent,
                Err(fault) => Known::Unavailable(fault.to_string().into()),
            },
            // There is no set there, and the URL itself is at fault.
            Err(
                FetchError::Status(404 | 410) | FetchError::Scheme | FetchError::UserInfo | FetchError::PrivateAddress,
            ) => Known::Absent,
            Err(fault) => Known::Unavailable(fault.to_string().into()),
        };
        if !matches!(keys, Known::Value(_)) {
            // The host is one of the policy's list; the rest of the URL is a stranger's.
            tracing::warn!(host = url.host_str(), outcome = ?keys, "the software's key set cannot be used");
        }
        let is_good = keys.value().is_some_and(|set| !set.keys.is_empty());
        let life = if is_good { self.good_for } else { self.failed_for };
        let at = Instant::now();
        Landed { keys, at, good_until: at + life }
    }
}

/// The URL, where the policy's list has its host and port.
fn permitted(url: &str, hosts: &[String]) -> Option<Url> {
    Url::parse(url).ok().filter(|url| hosts.iter().any(|entry| fetch_hosts::allows(entry, url)))
}

/// URLs remembered at once: more software than registers within a minute.
const SETS: u64 = 1_000;

/// Real sets have a handful of keys, a few KB with their certificates.
const SET_BYTES: usize = 256 * 1024;

/// Within the time that a registration may take as a whole.
const FETCH_DEADLINE: Duration = Duration::from_secs(3);

/// A registration and its repetitions fetch once.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// A broken endpoint is not hammered, and a repaired one is soon believed.
const FAILED_FOR: Duration = Duration::from_secs(10);

/// Between two fetches of one set that unknown key ids cause, as for the sets of directories.
const COOL_DOWN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::task::JoinSet;

    use crate::jose::Algorithm;
    use crate::jose::signer::Signer;
    use crate::model::key::{Entry, Form};
    use crate::net::FetchSettings;
    use crate::net::directory::{Answer, Directory, authority};

    use super::*;

    fn set() -> Answer {
        Answer::json(&json!({ "keys": [Signer::of(Algorithm::ES256).jwk()] }).to_string())
    }

    fn keys(private_hosts: &[&str]) -> SoftwareKeys {
        let private_hosts = private_hosts.iter().map(|host| (*host).to_owned()).collect();
        let settings = FetchSettings { roots: vec![authority().certificate()], private_hosts, proxy: None };
        SoftwareKeys::new(Arc::new(Fetcher::new(&settings).unwrap()))
    }

    fn listing(directory: &Directory) -> Vec<String> {
        vec![format!("localhost:{}", directory.url().port().unwrap())]
    }

    #[tokio::test]
    async fn one_fetch_for_all_who_want_it_and_for_a_minute() {
        let directory = Directory::answering(set()).await;
        let (keys, hosts) = (Arc::new(keys(&["localhost"])), listing(&directory));
        let mut requests = JoinSet::new();
        for _ in 0..100 {
            let (keys, hosts, url) = (Arc::clone(&keys), hosts.clone(), directory.url());
            requests.spawn(async move { keys.fetch(url.as_str(), &hosts).await });
        }
        let expected = Known::Value(Arc::new(Signer::of(Algorithm::ES256).key_set()));
        assert!(requests.join_all().await.into_iter().all(|answer| answer == expected));
        assert_eq!(directory.requests(), 1);
    }

    #[tokio::test]
    async fn a_set_is_fetched_again_when_its_time_is_over() {
        let directory = Directory::answering(set()).await;
        let keys = SoftwareKeys { good_for: Duration::ZERO, ..keys(&["localhost"]) };
        for _ in 0..3 {
            assert!(keys.fetch(directory.url().as_str(), &listing(&directory)).await.value().is_some());
        }
        assert_eq!(directory.requests(), 3);
    }

    #[tokio::test]
    async fn failures_are_remembered_for_a_shorter_time() {
        let directory = Directory::answering(Answer::of(500, "application/json", "{}")).await;
        let url = directory.url();
        let (remembers, forgets) =
            (keys(&["localhost"]), SoftwareKeys { failed_for: Duration::ZERO, ..keys(&["localhost"]) });
        for _ in 0..3 {
            assert!(matches!(remembers.fetch(url.as_str(), &listing(&directory)).await, Known::Unavailable(_)));
        }
        assert_eq!(directory.requests(), 1);
        assert!(matches!(forgets.fetch(url.as_str(), &listing(&directory)).await, Known::Unavailable(_)));
        directory.set(set());
        assert!(forgets.fetch(url.as_str(), &listing(&directory)).await.value().is_some());
        assert_eq!(directory.requests(), 3);
    }

    fn header(key_id: &str) -> Header {
        Header { algorithm: Algorithm::ES256, key_id: Some(key_id.to_owned()), typ: None, chain: Vec::new(), key: None }
    }

    #[tokio::test]
    async fn an_unknown_key_asks_again_once_the_set_is_old() {
        let directory = Directory::answering(set()).await;
        let (url, hosts) = (directory.url(), listing(&directory));
        let known = Known::Value(Arc::new(Signer::of(Algorithm::ES256).key_set()));
        let fresh = keys(&["localhost"]);
        for key_id in ["k", "unknown", "another"] {
            assert_eq!(fresh.fetch_for(url.as_str(), &hosts, &header(key_id)).await, known, "{key_id}");
        }
        assert_eq!(directory.requests(), 1, "a set that was just fetched has no other keys");

        let old = SoftwareKeys { cool_down: Duration::ZERO, ..keys(&["localhost"]) };
        assert_eq!(old.fetch_for(url.as_str(), &hosts, &header("k")).await, known);
        assert_eq!(old.fetch_for(url.as_str(), &hosts, &header("k")).await, known);
        assert_eq!(directory.requests(), 2, "a known key asks for nothing");
        let mut jwk = Signer::of(Algorithm::ES256).jwk();
        jwk["kid"] = "next".into();
        directory.set(Answer::json(&json!({ "keys": [jwk] }).to_string()));
        let rotated = old.fetch_for(url.as_str(), &hosts, &header("next")).await;
        assert!(choose(rotated.value().unwrap(), &header("next")).is_some());
        assert_eq!(old.fetch(url.as_str(), &hosts).await, rotated, "for everybody from now on");
        assert_eq!(directory.requests(), 3);
        assert_eq!(old.fetch_for(url.as_str(), &[], &header("next")).await, Known::Absent);
    }

    #[tokio::test]
    async fn an_unknown_key_during_an_outage_is_nobodys_fault_and_harms_no_known_one() {
        let directory = Directory::answering(set()).await;
        let (url, hosts) = (directory.url(), listing(&directory));
        let keys = SoftwareKeys { cool_down: Duration::ZERO, ..keys(&["localhost"]) };
        let known = keys.fetch(url.as_str(), &hosts).await;
        directory.set(Answer::of(500, "application/json", "{}"));
        assert!(matches!(keys.fetch_for(url.as_str(), &hosts, &header("x")).await, Known::Unavailable(_)));
        assert_eq!(keys.fetch_for(url.as_str(), &hosts, &header("k")).await, known);
        assert_eq!(directory.requests(), 2);
    }

    #[tokio::test]
    async fn many_unknown_keys_cause_one_fetch() {
        let directory = Directory::answering(set()).await;
        let (url, hosts) = (directory.url(), listing(&directory));
        let mut keys = keys(&["localhost"]);
        keys.fetch(url.as_str(), &hosts).await;
        keys.flights.insert(url.to_string(), Arc::new(aged(&keys, &url, COOL_DOWN).await));
        keys.good_for = Duration::from_secs(600);
        directory.set(Answer::of(500, "application/json", "{}"));
        for key_id in ["x", "y", "z"] {
            assert!(matches!(keys.fetch_for(url.as_str(), &hosts, &header(key_id)).await, Known::Unavailable(_)));
        }
        assert_eq!(directory.requests(), 2);
    }

    /// What is known of the URL, as if it had been fetched earlier.
    async fn aged(keys: &SoftwareKeys, url: &Url, by: Duration) -> Flight {
        let (set, at) = keys.flight(url).await;
        let at = at.checked_sub(by).unwrap();
        Flight { landed: OnceCell::from(Landed { keys: set, at, good_until: at + GOOD_FOR }) }
    }

    #[tokio::test]
    async fn what_is_missing_and_what_is_out_of_order() {
        let directory = Directory::answering(set()).await;
        let fetch = async |answer: Answer| {
            directory.set(answer);
            keys(&["localhost"]).fetch(directory.url().as_str(), &listing(&directory)).await
        };
        for answer in [Answer::of(404, "text/html", ""), Answer::json(r#"{"keys":[]}"#)] {
            assert_eq!(fetch(answer).await, Known::Absent);
        }
        let disclosed = fetch(Answer::json(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#)).await;
        let entries = vec![Entry { form: Form::Private, thumbprint: None }];
        assert_eq!(disclosed, Known::Value(Arc::new(KeySet { keys: Vec::new(), entries })));
        let large = Answer::json(&" ".repeat(SET_BYTES + 1));
        for answer in [Answer::json("garbage"), Answer::of(200, "text/html", "{}"), Answer::of(302, "", ""), large] {
            assert!(matches!(fetch(answer).await, Known::Unavailable(_)));
        }
    }

    #[tokio::test]
    async fn t15_nothing_is_fetched_from_where_the_policy_does_not_allow() {
        let directory = Directory::answering(set()).await;
        let url = directory.url();
        let other = vec!["localhost".to_owned(), "directory.example".to_owned()];
        assert_eq!(keys(&["localhost"]).fetch(url.as_str(), &other).await, Known::Absent);
        assert_eq!(keys(&["localhost"]).fetch(url.as_str(), &[]).await, Known::Absent);
        assert_eq!(keys(&["localhost"]).fetch("no URL", &other).await, Known::Absent);
        // Listed, but inside the house.
        assert_eq!(keys(&[]).fetch(url.as_str(), &listing(&directory)).await, Known::Absent);
        assert_eq!(directory.requests(), 0);
    }
}
