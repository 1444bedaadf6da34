//! One bounded GET of a JSON document.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, ClientBuilder, Proxy, Response, redirect};
use rustls_pki_types::CertificateDer;
use url::{Host, Url};

use super::resolver::{PublicOnly, plain};
use super::tls::fetch_config;
use crate::model::address::{is_public, is_this_machine};

/// How outbound fetches leave the machine.
#[derive(Clone, Default)]
pub struct FetchSettings {
    /// Egress proxy for every fetch. It then resolves the names, so addresses are no longer checked
    /// here and the policy's list of hosts is what bounds a statement's URLs.
    pub proxy: Option<Url>,
    /// Trusted besides the system's roots.
    pub roots: Vec<CertificateDer<'static>>,
    /// Names or literal addresses that may be private or loopback, also in a statement's URL.
    pub private_hosts: Vec<String>,
}

/// Without the proxy's URL, which may hold a password.
impl fmt::Debug for FetchSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchSettings")
            .field("proxy", &self.proxy.as_ref().and_then(Url::host_str))
            .field("roots", &self.roots.len())
            .field("private_hosts", &self.private_hosts)
            .finish()
    }
}

/// Who chose a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlTrust {
    /// The operator: any address, and plain HTTP on the machine itself. Not through an egress proxy, which would
    /// carry it in clear text to a machine of its own.
    Configured,
    /// A registered party, in a statement or a request that passed every gate: https to the public internet and
    /// [`FetchSettings::private_hosts`].
    FromStatement,
}

/// Why a document was not fetched. For logs and the audit; callers see fixed texts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The egress proxy or the roots cannot be used.
    #[error("outbound fetches cannot be set up: {0}")]
    Settings(String),
    /// Not https.
    #[error("the URL is not https")]
    Scheme,
    /// `user:password@` in the URL.
    #[error("the URL has user information")]
    UserInfo,
    /// The host is, or resolves only to, addresses that are not public.
    #[error("the host is not on the public internet")]
    PrivateAddress,
    /// No answer within the deadline.
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    /// Resolving, connecting, TLS or HTTP failed.
    #[error("{0}")]
    Transport(String),
    /// Any status but 200, redirects too.
    #[error("answered with status {0}")]
    Status(u16),
    /// HTML, for one.
    #[error("answered with another content type than JSON")]
    ContentType,
    /// More bytes than the limit.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// Fetches documents; cheap to share, keeps no connections.
#[derive(Debug)]
pub struct Fetcher {
    open: Client,
    guarded: Client,
    /// No egress proxy stands between.
    direct: bool,
    private_hosts: Arc<[String]>,
}

impl Fetcher {
    /// Reads the system's roots; fetches nothing.
    ///
    /// # Errors
    /// [`FetchError::Settings`].
    pub fn new(settings: &FetchSettings) -> Result<Self, FetchError> {
        let private_hosts: Arc<[String]> = settings.private_hosts.iter().map(|host| plain(host)).collect();
        let tls = fetch_config(&settings.roots).map_err(|fault| FetchError::Settings(fault.to_string()))?;
        let builder = || bounded(tls.clone()).pool_max_idle_per_host(0);
        let (open, guarded) = match &settings.proxy {
            Some(url) => {
                let client = built(builder().proxy(egress(url)?))?;
                (client.clone(), client)
            }
            None => {
                let resolver = PublicOnly { except: Arc::clone(&private_hosts) };
                (built(builder())?, built(builder().dns_resolver(resolver))?)
            }
        };
        Ok(Self { open, guarded, direct: settings.proxy.is_none(), private_hosts })
    }

    /// One document of at most `limit` bytes within `deadline`, which covers everything from
    /// the name's resolution to the last byte.
    ///
    /// # Errors
    /// The first [`FetchError`] met.
    pub async fn get(&self, url: &Url, trust: UrlTrust, limit: usize, deadline: Duration) -> Result<Bytes, FetchError> {
        self.admit(url, trust)?;
        let client = match trust {
            UrlTrust::Configured => &self.open,
            UrlTrust::FromStatement => &self.guarded,
        };
        tokio::time::timeout(deadline, read(client, url, limit)).await.map_err(|_| FetchError::Deadline(deadline))?
    }

    fn admit(&self, url: &Url, trust: UrlTrust) -> Result<(), FetchError> {
        // The empty host of "https:///" does not get through Url; this is for data: and the like.
        let host = url.host().ok_or(FetchError::Scheme)?;
        match (url.scheme(), trust) {
            ("https", _) => {}
            ("http", UrlTrust::Configured) if self.direct && is_this_machine(url) => {}
            _ => return Err(FetchError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::UserInfo);
        }
        // A literal address never meets a resolver.
        let literal = match host {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        match (literal, trust) {
            (Some(address), UrlTrust::FromStatement)
                if !is_public(address) && !self.private_hosts.contains(&address.to_string()) =>
            {
                Err(FetchError::PrivateAddress)
            }
            _ => Ok(()),
        }
    }
}

/// What every outbound client keeps to: no redirect, no ambient proxy, one request at a time on a connection.
pub(super) fn bounded(tls: rustls::ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .user_agent(concat!("dcrgate/", env!("CARGO_PKG_VERSION")))
}

pub(super) fn egress(url: &Url) -> Result<Proxy, FetchError> {
    Proxy::all(url.clone()).map_err(|fault| FetchError::Settings(with_causes(&fault)))
}

pub(super) fn built(client: ClientBuilder) -> Result<Client, FetchError> {
    client.build().map_err(|fault| FetchError::Settings(with_causes(&fault)))
}

async fn read(client: &Client, url: &Url, limit: usize) -> Result<Bytes, FetchError> {
    let request = client.get(url.clone()).header(ACCEPT, "application/jwk-set+json, application/json");
    read_json(request.send().await.map_err(transport)?, limit).await
}

/// The body of a good answer, within the limit.
pub(super) async fn read_json(mut answer: Response, limit: usize) -> Result<Bytes, FetchError> {
    if answer.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    if !is_json(answer.headers()) {
        return Err(FetchError::ContentType);
    }
    if answer.content_length().is_some_and(|length| length > limit as u64) {
        return Err(FetchError::TooLarge(limit));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(transport)? {
        if chunk.len() > limit - body.len() {
            return Err(FetchError::TooLarge(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Absent is taken for JSON: some directories serve files from stores that know no types.
fn is_json(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_TYPE).iter().all(|value| {
        let value = value.to_str().unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default().trim();
        ["application/json", "application/jwk-set+json"].iter().any(|json| essence.eq_ignore_ascii_case(json))
    })
}

pub(super) fn transport(fault: reqwest::Error) -> FetchError {
    let fault = fault.without_url();
    let mut source: Option<&dyn Error> = Some(&fault);
    while let Some(error) = source {
        if let Some(FetchError::PrivateAddress) = error.downcast_ref() {
            return FetchError::PrivateAddress;
        }
        source = error.source();
    }
    FetchError::Transport(with_causes(&fault))
}

/// An error and its causes on one line.
pub fn with_causes(fault: &dyn Error) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::directory::{Answer, Directory, authority};

    const LIMIT: usize = 1024;
    const LONG: Duration = Duration::from_secs(20);

    fn fetcher(private_hosts: &[&str]) -> Fetcher {
        let private_hosts = private_hosts.iter().map(|host| (*host).to_owned()).collect();
        Fetcher::new(&FetchSettings { proxy: None, roots: vec![authority().certificate()], private_hosts }).unwrap()
    }

    async fn configured(answer: Answer) -> Result<Bytes, FetchError> {
        let directory = Directory::answering(answer).await;
        fetcher(&[]).get(&directory.url(), UrlTrust::Configured, LIMIT, LONG).await
    }

    #[tokio::test]
    async fn a_document() {
        assert_eq!(configured(Answer::json("{}")).await.unwrap(), "{}");
        for content_type in ["application/jwk-set+json", "Application/JSON; charset=utf-8"] {
            assert_eq!(configured(Answer::of(200, content_type, "{}")).await.unwrap(), "{}");
        }
        assert_eq!(configured(Answer::Raw("HTTP/1.1 200 OK\r\n\r\n{}".into())).await.unwrap(), "{}");
    }

    #[tokio::test]
    async fn no_redirect_is_followed() {
        let elsewhere = Directory::answering(Answer::json("{}")).await;
        let answer = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
        assert_eq!(configured(Answer::Raw(answer)).await, Err(FetchError::Status(302)));
        assert_eq!(elsewhere.requests(), 0);
    }

    #[tokio::test]
    async fn other_answers() {
        assert_eq!(configured(Answer::of(404, "application/json", "{}")).await, Err(FetchError::Status(404)));
        assert_eq!(configured(Answer::of(206, "application/json", "{}")).await, Err(FetchError::Status(206)));
        for html in ["text/html", "text/plain", "application/json-seq", ""] {
            assert_eq!(configured(Answer::of(200, html, "{}")).await, Err(FetchError::ContentType), "{html}");
        }
        assert!(matches!(configured(Answer::Raw("\0\0\0".into())).await, Err(FetchError::Transport(_))));
    }

    #[tokio::test]
    async fn too_large_with_and_without_a_length() {
        let body = "x".repeat(LIMIT + 1);
        assert_eq!(configured(Answer::json(&body)).await, Err(FetchError::TooLarge(LIMIT)));
        assert_eq!(
            configured(Answer::Raw(format!("HTTP/1.1 200 OK\r\n\r\n{body}"))).await,
            Err(FetchError::TooLarge(LIMIT))
        );
        let body = "x".repeat(LIMIT);
        assert_eq!(configured(Answer::json(&body)).await.unwrap().len(), LIMIT);
    }

    #[tokio::test]
    async fn no_answer_in_time() {
        let short = Duration::from_millis(50);
        let directory = Directory::answering(Answer::Never).await;
        let outcome = fetcher(&[]).get(&directory.url(), UrlTrust::Configured, LIMIT, short).await;
        assert_eq!(outcome, Err(FetchError::Deadline(short)));
        // A body that never ends is bounded by the same deadline.
        directory.set(Answer::Stalls("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{".into()));
        let outcome = fetcher(&[]).get(&directory.url(), UrlTrust::Configured, LIMIT, short).await;
        assert_eq!(outcome, Err(FetchError::Deadline(short)));
    }

    #[tokio::test]
    async fn a_server_of_another_authority() {
        let directory = Directory::answering(Answer::json("{}")).await;
        let stranger = Fetcher::new(&FetchSettings::default()).unwrap();
        let outcome = stranger.get(&directory.url(), UrlTrust::Configured, LIMIT, LONG).await;
        assert!(matches!(&outcome, Err(FetchError::Transport(why)) if why.contains("certificate")), "{outcome:?}");
        assert!(!format!("{outcome:?}").contains("keys.json"), "the URL is told");
        assert_eq!(directory.requests(), 0);
    }

    #[tokio::test]
    async fn t15_urls_of_a_statement() {
        let fetcher = fetcher(&["10.9.8.7"]);
        let table = [
            ("http://directory.example/", FetchError::Scheme),
            ("http://localhost/", FetchError::Scheme),
            ("ftp://directory.example/", FetchError::Scheme),
            ("file:///etc/passwd", FetchError::Scheme),
            ("data:application/json,{}", FetchError::Scheme),
            ("https://user@directory.example/", FetchError::UserInfo),
            ("https://:secret@directory.example/", FetchError::UserInfo),
            ("https://a@b@directory.example/", FetchError::UserInfo),
            ("https://127.0.0.1/", FetchError::PrivateAddress),
            ("https://2130706433/", FetchError::PrivateAddress),
            ("https://0x7f.1/", FetchError::PrivateAddress),
            ("https://0177.0.0.1/", FetchError::PrivateAddress),
            ("https://0/", FetchError::PrivateAddress),
            ("https://169.254.169.254/latest/meta-data", FetchError::PrivateAddress),
            ("https://10.9.8.6/", FetchError::PrivateAddress),
            ("https://[::1]/", FetchError::PrivateAddress),
            ("https://[::ffff:127.0.0.1]/", FetchError::PrivateAddress),
            ("https://[::ffff:7f00:1]/", FetchError::PrivateAddress),
            ("https://[fe80::1]/", FetchError::PrivateAddress),
            ("https://localhost/", FetchError::PrivateAddress),
            ("https://LOCALHOST/", FetchError::PrivateAddress),
        ];
        for (url, expected) in table {
            let outcome = fetcher.get(&Url::parse(url).unwrap(), UrlTrust::FromStatement, LIMIT, LONG).await;
            assert_eq!(outcome, Err(expected), "{url}");
        }
        let admitted = fetcher.admit(&Url::parse("https://10.9.8.7/").unwrap(), UrlTrust::FromStatement);
        assert_eq!(admitted, Ok(()));
    }

    #[tokio::test]
    async fn t15_a_name_that_resolves_to_loopback() {
        let directory = Directory::answering(Answer::json("{}")).await;
        let get = async |fetcher: Fetcher| fetcher.get(&directory.url(), UrlTrust::FromStatement, LIMIT, LONG).await;
        assert_eq!(get(fetcher(&[])).await, Err(FetchError::PrivateAddress));
        assert_eq!(directory.requests(), 0);
        assert!(get(fetcher(&["LocalHost"])).await.is_ok());
    }

    #[tokio::test]
    async fn plain_http_only_on_this_machine() {
        let url = |text| Url::parse(text).unwrap();
        let fetcher = fetcher(&[]);
        for here in ["http://localhost:1/", "http://127.0.0.1/", "http://[::1]/"] {
            assert_eq!(fetcher.admit(&url(here), UrlTrust::Configured), Ok(()), "{here}");
        }
        for elsewhere in ["http://directory.example/", "http://10.0.0.1/", "http://localhost.evil.example/"] {
            assert_eq!(fetcher.admit(&url(elsewhere), UrlTrust::Configured), Err(FetchError::Scheme), "{elsewhere}");
        }
    }

    #[tokio::test]
    async fn the_egress_proxy_is_asked_and_resolves() {
        let proxy = Directory::plain(Answer::Raw("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n".into())).await;
        let settings = FetchSettings { proxy: Some(proxy.url()), ..FetchSettings::default() };
        let fetcher = Fetcher::new(&settings).unwrap();
        let url = Url::parse("https://directory.invalid/keys.json").unwrap();
        for trust in [UrlTrust::Configured, UrlTrust::FromStatement] {
            assert!(matches!(fetcher.get(&url, trust, LIMIT, LONG).await, Err(FetchError::Transport(_))));
            assert!(proxy.last_request().starts_with("CONNECT directory.invalid:443 HTTP/1.1\r\n"));
        }
        let here = fetcher.get(&Url::parse("http://localhost:1/").unwrap(), UrlTrust::Configured, LIMIT, LONG).await;
        assert_eq!(here, Err(FetchError::Scheme), "the proxy's own machine is not this one");
        assert_eq!(proxy.requests(), 2);
        let secret = Url::parse("http://user:secret@proxy.example/").unwrap();
        assert!(!format!("{:?}", FetchSettings { proxy: Some(secret), ..settings }).contains("secret"));
    }
}
