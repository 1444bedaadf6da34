//! What dcrgate itself shows to an identity server: a fixed token, or one of its own by client credentials
//! (RFC 6749 §4.4), fetched ahead.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderValue;
use secrecy::zeroize::Zeroizing;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::model::json::{self, Limits};
use crate::net::Endpoint;

/// A credential of ours.
#[derive(Debug)]
pub struct Credential {
    kind: Kind,
    fetching: OnceLock<JoinSet<()>>,
}

#[derive(Debug)]
enum Kind {
    Fixed(HeaderValue),
    Fetched(Arc<Fetched>),
}

/// There is none at the moment. For logs: callers see a fixed text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no token by client credentials: {0}")]
pub struct NoCredential(Arc<str>);

/// The token endpoint, and the last token that it gave.
struct Fetched {
    endpoint: Endpoint,
    scope: Option<String>,
    held: ArcSwapOption<Held>,
    /// Held while fetching: whoever comes meanwhile gets what comes of it.
    gate: Mutex<Option<(Instant, NoCredential)>>,
}

#[derive(Debug)]
struct Held {
    header: HeaderValue,
    /// When it is fetched anew,
    renewed: Instant,
    /// and when it is not shown any more.
    ends: Instant,
}

impl Credential {
    /// A token that the operator was given, as `Bearer`; `None` for what cannot stand in a header.
    pub fn fixed(token: &[u8]) -> Option<Self> {
        let kind = Kind::Fixed(bearer(std::str::from_utf8(token).ok()?)?);
        Some(Self { kind, fetching: OnceLock::new() })
    }

    /// Tokens of this endpoint, for this scope.
    pub fn client_credentials(endpoint: Endpoint, scope: Option<String>) -> Self {
        let fetched = Fetched { endpoint, scope, held: ArcSwapOption::empty(), gate: Mutex::new(None) };
        Self { kind: Kind::Fetched(Arc::new(fetched)), fetching: OnceLock::new() }
    }

    /// Fetches now and before every end, until this value is dropped. Needs a tokio runtime; a second call does nothing.
    pub fn start(&self) {
        let Kind::Fetched(fetched) = &self.kind else { return };
        self.fetching.get_or_init(|| std::iter::once(keep_fresh(Arc::clone(fetched))).collect());
    }

    /// The `Authorization` header to show. One fetch is under way at a time, and none within 2 s of one that failed.
    ///
    /// # Errors
    /// [`NoCredential`]: nothing can be sent.
    pub async fn authorization(&self) -> Result<HeaderValue, NoCredential> {
        match &self.kind {
            Kind::Fixed(header) => Ok(header.clone()),
            Kind::Fetched(fetched) => match fetched.usable() {
                Some(held) => Ok(held.header.clone()),
                None => fetched.renew(false).await.map(|held| held.header.clone()),
            },
        }
    }

    /// The identity server took this header for nothing: the next one that is asked for is another, where there can be.
    pub fn refused(&self, header: &HeaderValue) {
        if let Kind::Fetched(fetched) = &self.kind
            && let Some(held) = fetched.held.load_full().filter(|held| held.header == header)
        {
            // Unless another one came meanwhile.
            fetched.held.compare_and_swap(&held, None);
        }
    }
}

impl Fetched {
    fn usable(&self) -> Option<Arc<Held>> {
        self.held.load_full().filter(|held| Instant::now() < held.ends)
    }

    /// `ahead`: also while the one that is held can still be shown.
    async fn renew(&self, ahead: bool) -> Result<Arc<Held>, NoCredential> {
        let mut gate = self.gate.lock().await;
        if let Some(held) = self.usable()
            && !(ahead && held.renewed <= Instant::now())
        {
            return Ok(held);
        }
        if let Some((at, fault)) = &*gate
            && at.elapsed() < COOL_DOWN
        {
            return Err(fault.clone());
        }
        match self.fetch().await {
            Ok(held) => {
                *gate = None;
                let held = Arc::new(held);
                self.held.store(Some(Arc::clone(&held)));
                Ok(held)
            }
            Err(why) => {
                tracing::warn!(error = %why, "no token by client credentials");
                let fault = NoCredential(why.into());
                *gate = Some((Instant::now(), fault.clone()));
                Err(fault)
            }
        }
    }

    async fn fetch(&self) -> Result<Held, String> {
        let asked = Instant::now();
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let answer = self.endpoint.post(&form, ANSWER.bytes).await.map_err(|fault| fault.to_string())?;
        let (header, lifetime) = read(&answer)?;
        let renewed = asked + lifetime - (lifetime / 2).min(AHEAD);
        Ok(Held { header, renewed, ends: asked + lifetime - (lifetime / 4).min(AHEAD / 2) })
    }
}

/// The answer of RFC 6749 §5.1: what to show, and for how long.
fn read(answer: &[u8]) -> Result<(HeaderValue, Duration), String> {
    let members = json::object(answer, &ANSWER).map_err(|fault| format!("the token endpoint's answer: {fault}"))?;
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    if !text("token_type").is_some_and(|word| word.eq_ignore_ascii_case("bearer")) {
        return Err("the token endpoint's answer is no Bearer token".to_owned());
    }
    let header = text("access_token").and_then(bearer).ok_or("the token endpoint's answer has no usable token")?;
    let lifetime = match members.get("expires_in") {
        None => UNSAID,
        Some(seconds) => match seconds.as_u64() {
            Some(seconds @ 1..) => Duration::from_secs(seconds).min(LONGEST),
            Some(0) | None => return Err("the token endpoint's answer has no usable expires_in".to_owned()),
        },
    };
    Ok((header, lifetime))
}

async fn keep_fresh(fetched: Arc<Fetched>) {
    loop {
        let next = match fetched.renew(true).await {
            Ok(held) => held.renewed,
            Err(_) => Instant::now() + RETRY,
        };
        tokio::time::sleep_until(next.max(Instant::now() + COOL_DOWN)).await;
    }
}

/// RFC 6750 §2.1.
fn bearer(token: &str) -> Option<HeaderValue> {
    let plain = |byte: u8| matches!(byte, 0x21..=0x7e);
    if token.is_empty() || !token.bytes().all(plain) {
        return None;
    }
    let text = Zeroizing::new(format!("Bearer {token}"));
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Without the token.
impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched").field("endpoint", &self.endpoint).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// A token answer has some KB.
const ANSWER: Limits = Limits { bytes: 64 * 1024, depth: 8, items: 200, nodes: 1_000, string: 32 * 1024 };

/// So long before its end, or after half of its life, a token is fetched anew; it is shown for half of that longer,
/// so that none expires on its way.
const AHEAD: Duration = Duration::from_secs(60);

/// Where the answer does not say how long (RFC 6749 §5.1 only recommends that it does).
const UNSAID: Duration = Duration::from_secs(300);

/// A token that lives longer is fetched anew all the same.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// After a failure nobody asks again before this,
const COOL_DOWN: Duration = Duration::from_secs(2);

/// and nobody needs it before this.
const RETRY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::net::directory::{Answer, Directory};
    use crate::net::{ClientAuthentication, EndpointSettings, FetchSettings};

    fn credential(url: Url) -> Credential {
        let secret = Zeroizing::new(b"hunter2".to_vec());
        let settings = EndpointSettings {
            url,
            authentication: ClientAuthentication::Secret { client_id: "gate".to_owned(), secret },
            roots: Vec::new(),
            at_once: 1,
            deadline: Duration::from_secs(20),
        };
        let endpoint = Endpoint::new(&FetchSettings::default(), settings).unwrap();
        Credential::client_credentials(endpoint, Some("dcr".to_owned()))
    }

    fn token(token: &str, expires_in: u64) -> Answer {
        Answer::json(&format!(r#"{{"access_token":"{token}","token_type":"bearer","expires_in":{expires_in}}}"#))
    }

    #[tokio::test]
    async fn one_token_serves_until_it_is_refused() {
        let server = Directory::plain(token("one", 3600)).await;
        let credential = credential(server.url());
        let (first, second) = tokio::join!(credential.authorization(), credential.authorization());
        let first = first.unwrap();
        assert_eq!((first.to_str().unwrap(), second.unwrap(), server.requests()), ("Bearer one", first.clone(), 1));
        assert!(!format!("{credential:?}{first:?}").contains("one"));
        server.set(token("two", 3600));
        assert_eq!(credential.authorization().await.unwrap(), first);
        credential.refused(&HeaderValue::from_static("Bearer older"));
        assert_eq!(credential.authorization().await.unwrap(), first, "the refusal of another one is none of this one");
        credential.refused(&first);
        assert_eq!(credential.authorization().await.unwrap(), "Bearer two");
        credential.refused(&first);
        assert_eq!(credential.authorization().await.unwrap(), "Bearer two");
        assert_eq!(server.requests(), 2);
    }

    #[tokio::test]
    async fn it_is_fetched_ahead() {
        let server = Directory::plain(token("one", 3600)).await;
        let credential = credential(server.url());
        credential.start();
        credential.start();
        server.next_request().await;
        assert_eq!(credential.authorization().await.unwrap(), "Bearer one");
        assert_eq!(server.requests(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_asked_again_at_once() {
        let server = Directory::plain(Answer::of(500, "application/json", "{}")).await;
        let credential = credential(server.url());
        let fault = credential.authorization().await.unwrap_err();
        assert_eq!(fault.to_string(), "no token by client credentials: answered with status 500");
        server.set(token("one", 3600));
        assert_eq!(credential.authorization().await, Err(fault));
        assert_eq!(server.requests(), 1);
    }

    #[test]
    fn only_a_bearer_token_with_a_life_is_one() {
        let good = read(br#"{"access_token":"a","token_type":"Bearer","expires_in":60}"#);
        assert_eq!(good, Ok((HeaderValue::from_static("Bearer a"), Duration::from_secs(60))));
        assert_eq!(read(br#"{"access_token":"a","token_type":"Bearer"}"#).unwrap().1, UNSAID);
        let long = read(br#"{"access_token":"a","token_type":"Bearer","expires_in":9000000000000000000}"#);
        assert_eq!(long.unwrap().1, LONGEST);
        for bad in [
            &br#"{"access_token":"a","token_type":"DPoP","expires_in":60}"#[..],
            br#"{"access_token":"a","expires_in":60}"#,
            br#"{"token_type":"Bearer","expires_in":60}"#,
            br#"{"access_token":"","token_type":"Bearer"}"#,
            br#"{"access_token":"a\r\nx: y","token_type":"Bearer"}"#,
            br#"{"access_token":"a","token_type":"Bearer","expires_in":0}"#,
            br#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#,
            br#"{"access_token":"a","token_type":"Bearer","expires_in":"60"}"#,
            br#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#,
            b"<html>",
        ] {
            assert!(read(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn a_fixed_token_is_shown_as_it_is() {
        let Kind::Fixed(header) = Credential::fixed(b"secret").unwrap().kind else { panic!() };
        assert_eq!((header.to_str().unwrap(), header.is_sensitive()), ("Bearer secret", true));
        for bad in [&b""[..], b"two words", b"line\n", &[0xff]] {
            assert!(Credential::fixed(bad).is_none());
        }
    }
}
