//! The document at a `sector_identifier_uri` (OpenID Connect Registration §5), fetched.
//!
//! Nothing is remembered: it is asked for once in a registration, and who has
//! corrected it is believed at once.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::model::evidence::Known;
use crate::model::json::JsonFault;
use crate::model::sector::{KnownSector, MAX_BYTES, Sector, SectorFault};
use crate::net::{FetchError, Fetcher, UrlTrust};

/// Within the time that a registration may take as a whole.
const DEADLINE: Duration = Duration::from_secs(3);

/// What stands at this address, whose host the policy allows.
///
/// What is answered is the client's word; that nothing fitting is answered is nobody's.
pub(super) async fn fetch(fetcher: &Fetcher, address: &str) -> KnownSector {
    let Ok(url) = Url::parse(address) else { return Known::Absent };
    let found = match fetcher.get(&url, UrlTrust::FromStatement, MAX_BYTES, DEADLINE).await {
        Ok(bytes) => Known::Value(Sector::from_json(&bytes).map(Arc::new)),
        Err(FetchError::TooLarge(_)) => Known::Value(Err(SectorFault::Json(JsonFault::TooLarge))),
        // There is nothing there, and the address itself is at fault.
        Err(FetchError::Status(404 | 410) | FetchError::Scheme | FetchError::UserInfo | FetchError::PrivateAddress) => {
            Known::Absent
        }
        Err(fault) => Known::Unavailable(fault.to_string().into()),
    };
    if !matches!(found, Known::Value(Ok(_))) {
        // The host is one of the policy's list; the rest of the address is a client's.
        tracing::warn!(host = url.host_str(), outcome = ?found, "the sector's document cannot be used");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::FetchSettings;
    use crate::net::directory::{Answer, Directory, authority};

    fn fetcher(private_hosts: &[&str]) -> Fetcher {
        let private_hosts = private_hosts.iter().map(|host| (*host).to_owned()).collect();
        let roots = vec![authority().certificate()];
        Fetcher::new(&FetchSettings { roots, private_hosts, proxy: None }).unwrap()
    }

    async fn found(answer: Answer) -> KnownSector {
        let directory = Directory::answering(answer).await;
        fetch(&fetcher(&["localhost"]), directory.url().as_str()).await
    }

    #[tokio::test]
    async fn what_is_answered_is_the_clients_word() {
        let known = found(Answer::json(r#"["https://client.example/cb"]"#)).await;
        assert!(known.value().is_some_and(|read| read.as_ref().unwrap().lists("https://client.example/cb")));
        let fault = |fault| Known::Value(Err(SectorFault::Json(fault)));
        assert_eq!(found(Answer::json("{}")).await, fault(JsonFault::NotAnArray));
        assert_eq!(found(Answer::json("garbage")).await, fault(JsonFault::Syntax));
        assert_eq!(found(Answer::json(&" ".repeat(MAX_BYTES + 1))).await, fault(JsonFault::TooLarge));
        for gone in [404, 410] {
            assert_eq!(found(Answer::of(gone, "text/html", "")).await, Known::Absent, "{gone}");
        }
    }

    #[tokio::test]
    async fn an_outage_is_nobodys_fault() {
        let pages =
            [Answer::of(500, "application/json", "[]"), Answer::of(302, "", ""), Answer::of(200, "text/html", "[]")];
        for answer in pages {
            assert!(matches!(found(answer).await, Known::Unavailable(_)));
        }
    }

    #[tokio::test]
    async fn t15_what_may_not_be_fetched_is_not() {
        let directory = Directory::answering(Answer::json("[]")).await;
        let private = fetch(&fetcher(&[]), directory.url().as_str()).await;
        let plain = fetch(&fetcher(&["localhost"]), &directory.url().as_str().replace("https:", "http:")).await;
        let none = fetch(&fetcher(&["localhost"]), "no URL").await;
        assert_eq!([private, plain, none], [Known::Absent, Known::Absent, Known::Absent]);
        assert_eq!(directory.requests(), 0);
    }
}
