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

use crate::checks::fetch_hosts;
use crate::model::evidence::Known;
use crate::model::key::{KeySet, KeySetFault};
use crate::net::{FetchError, Fetcher, UrlTrust};

/// Fetches and remembers the key sets of software.
#[derive(Debug)]
pub struct SoftwareKeys {
    fetcher: Arc<Fetcher>,
    flights: Cache<String, Arc<Flight>>,
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
    good_until: Instant,
}

impl SoftwareKeys {
    /// Knows nothing yet.
    pub fn new(fetcher: Arc<Fetcher>) -> Self {
        Self { fetcher, flights: Cache::new(SETS), good_for: GOOD_FOR, failed_for: FAILED_FOR }
    }

    /// The set at this URL of a verified statement.
    ///
    /// `hosts` is the policy's list, as [`fetch_hosts::allows`] reads it.
    ///
    /// [`Known::Absent`] when the URL may not be fetched or has no set of usable keys, which a
    /// repetition would not change; [`Known::Unavailable`] when the set could not be fetched.
    pub async fn fetch(&self, url: &str, hosts: &[String]) -> Known<Arc<KeySet>> {
        let Ok(url) = Url::parse(url) else { return Known::Absent };
        if !hosts.iter().any(|entry| fetch_hosts::allows(entry, &url)) {
            return Known::Absent;
        }
        let now = Instant::now();
        let flight = self.flights.entry_by_ref(url.as_str()).or_insert_with_if(Arc::default, |flight| {
            flight.landed.get().is_some_and(|landed| landed.good_until <= now)
        });
        flight.value().landed.get_or_init(|| self.land(&url)).await.keys.clone()
    }

    async fn land(&self, url: &Url) -> Landed {
        let keys = match self.fetcher.get(url, UrlTrust::FromStatement, SET_BYTES, FETCH_DEADLINE).await {
            Ok(bytes) => match KeySet::from_json(&bytes) {
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
        let life = if matches!(keys, Known::Value(_)) { self.good_for } else { self.failed_for };
        Landed { keys, good_until: Instant::now() + life }
    }
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::task::JoinSet;

    use crate::jose::Algorithm;
    use crate::jose::signer::Signer;
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

    #[tokio::test]
    async fn what_is_missing_and_what_is_out_of_order() {
        let directory = Directory::answering(set()).await;
        let fetch = async |answer: Answer| {
            directory.set(answer);
            keys(&["localhost"]).fetch(directory.url().as_str(), &listing(&directory)).await
        };
        let refused = Answer::json(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#);
        for answer in [Answer::of(404, "text/html", ""), Answer::json(r#"{"keys":[]}"#), refused] {
            assert_eq!(fetch(answer).await, Known::Absent);
        }
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
