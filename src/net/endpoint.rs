//! One bounded POST of a form to an authorization server's endpoint, as a client of its own.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::Client;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::zeroize::Zeroizing;
use tokio::sync::Semaphore;
use url::{Url, form_urlencoded};

use super::fetch::{FetchError, FetchSettings, bounded, built, egress, read_json, transport};
use super::tls::{client_config, fetch_config_as};
use crate::model::address::is_this_machine;

/// How we authenticate.
pub enum ClientAuthentication {
    /// `client_secret_basic` (RFC 6749 §2.3.1).
    Secret {
        /// `client_id`.
        client_id: String,
        /// Its secret.
        secret: Zeroizing<Vec<u8>>,
    },
    /// Mutual TLS (RFC 8705 §2): the certificate says who asks, and `client_id` stands in the form.
    Certificate {
        /// `client_id`.
        client_id: String,
        /// Own certificate first, with its key.
        identity: (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    },
}

/// An endpoint that the operator configured.
#[derive(Debug)]
pub struct EndpointSettings {
    /// https, or http to this machine.
    pub url: Url,
    /// As whom.
    pub authentication: ClientAuthentication,
    /// Trusted instead of the system's roots; empty for those and the ones of [`FetchSettings`].
    pub roots: Vec<CertificateDer<'static>>,
    /// How many requests may be under way at one time; others wait within their deadline.
    pub at_once: usize,
    /// Limit for an exchange, the wait for a place included.
    pub deadline: Duration,
}

/// Asks one endpoint.
pub struct Endpoint {
    client: Client,
    url: Url,
    authorization: Option<HeaderValue>,
    client_id: Option<String>,
    places: Semaphore,
    deadline: Duration,
}

impl Endpoint {
    /// Prepares; asks nothing.
    ///
    /// # Errors
    /// 1. [`FetchError::Settings`] for roots, an identity, a secret or an egress proxy that cannot be used.
    /// 2. [`FetchError::Scheme`] for a URL that would carry credentials in clear text to another machine.
    pub fn new(fetch: &FetchSettings, settings: EndpointSettings) -> Result<Self, FetchError> {
        let secure = settings.url.scheme() == "https" || (fetch.proxy.is_none() && is_this_machine(&settings.url));
        if !secure {
            return Err(FetchError::Scheme);
        }
        let unusable = |fault: &dyn fmt::Display| FetchError::Settings(fault.to_string());
        let (authorization, client_id, identity) = match settings.authentication {
            ClientAuthentication::Secret { client_id, secret } => {
                let header = basic(&client_id, &secret).ok_or_else(|| unusable(&"the client's secret is not text"))?;
                (Some(header), None, None)
            }
            ClientAuthentication::Certificate { client_id, identity } => (None, Some(client_id), Some(identity)),
        };
        let tls = if settings.roots.is_empty() {
            fetch_config_as(&fetch.roots, identity)
        } else {
            client_config(&settings.roots, identity)
        };
        let client = bounded(tls.map_err(|fault| unusable(&fault))?).pool_idle_timeout(IDLE);
        let client = match &fetch.proxy {
            Some(url) => client.proxy(egress(url)?),
            None => client,
        };
        let places = Semaphore::new(settings.at_once);
        Ok(Self {
            client: built(client)?,
            url: settings.url,
            authorization,
            client_id,
            places,
            deadline: settings.deadline,
        })
    }

    /// Posts a form (RFC 6749 appendix B) and reads a JSON answer of status 200 and at most `limit` bytes, all within
    /// the deadline.
    ///
    /// # Errors
    /// The first [`FetchError`] met.
    pub async fn post(&self, form: &[(&str, &str)], limit: usize) -> Result<Bytes, FetchError> {
        let exchange = async {
            // Never closed.
            let _place = self.places.acquire().await;
            let mut request = self
                .client
                .post(self.url.clone())
                .header(ACCEPT, "application/json")
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(self.fields(form));
            if let Some(authorization) = &self.authorization {
                request = request.header(AUTHORIZATION, authorization.clone());
            }
            read_json(request.send().await.map_err(transport)?, limit).await
        };
        tokio::time::timeout(self.deadline, exchange).await.map_err(|_| FetchError::Deadline(self.deadline))?
    }

    fn fields(&self, form: &[(&str, &str)]) -> String {
        let mut fields = form_urlencoded::Serializer::new(String::new());
        fields.extend_pairs(form);
        if let Some(client_id) = &self.client_id {
            fields.append_pair("client_id", client_id);
        }
        fields.finish()
    }
}

/// RFC 6749 §2.3.1: both are form-encoded first, so that a colon or a space in one of them is no riddle.
fn basic(client_id: &str, secret: &[u8]) -> Option<HeaderValue> {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let secret = Zeroizing::new(encoded(std::str::from_utf8(secret).ok()?));
    let pair = Zeroizing::new(format!("{}:{}", encoded(client_id), *secret));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Without the secret.
impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret { client_id, .. } => write!(f, "Secret({client_id})"),
            Self::Certificate { client_id, .. } => write!(f, "Certificate({client_id})"),
        }
    }
}

/// Without the secret, and without the path, which some put one into.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// A kept connection is used again within this: shorter than any server's keep-alive, so that no request meets one
/// that the other side is closing.
const IDLE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::directory::{Answer, Directory, authority};

    const LIMIT: usize = 1024;

    fn settings(url: Url) -> EndpointSettings {
        let secret = Zeroizing::new(b"hunter 2:".to_vec());
        let authentication = ClientAuthentication::Secret { client_id: "gate:1".to_owned(), secret };
        EndpointSettings {
            url,
            authentication,
            roots: vec![authority().certificate()],
            at_once: 1,
            deadline: Duration::from_secs(20),
        }
    }

    fn endpoint(directory: &Directory) -> Endpoint {
        Endpoint::new(&FetchSettings::default(), settings(directory.url())).unwrap()
    }

    #[tokio::test]
    async fn a_form_with_credentials_in_the_header() {
        let directory = Directory::answering(Answer::json("{}")).await;
        assert_eq!(endpoint(&directory).post(&[("token", "a+/=")], LIMIT).await.unwrap(), "{}");
        let head = directory.last_request().to_ascii_lowercase();
        assert!(head.starts_with("post /keys.json http/1.1\r\n"), "{head}");
        assert!(head.contains("content-type: application/x-www-form-urlencoded\r\n"));
        assert!(head.contains("content-length: 16\r\n"), "token=a%2B%2F%3D: {head}");
        let expected = format!("authorization: Basic {}\r\n", STANDARD.encode("gate%3A1:hunter+2%3A"));
        assert!(directory.last_request().contains(&expected), "{head}");
    }

    #[tokio::test]
    async fn what_is_no_good_answer_is_an_error() {
        let directory = Directory::answering(Answer::of(401, "application/json", "{}")).await;
        let endpoint = endpoint(&directory);
        let ask = async || endpoint.post(&[], LIMIT).await;
        assert_eq!(ask().await, Err(FetchError::Status(401)));
        directory.set(Answer::of(200, "text/html", "{}"));
        assert_eq!(ask().await, Err(FetchError::ContentType));
        directory.set(Answer::json(&"x".repeat(LIMIT + 1)));
        assert_eq!(ask().await, Err(FetchError::TooLarge(LIMIT)));
        let elsewhere = Directory::answering(Answer::json("{}")).await;
        directory.set(Answer::Raw(format!(
            "HTTP/1.1 307 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            elsewhere.url()
        )));
        assert_eq!(ask().await, Err(FetchError::Status(307)));
        assert_eq!(elsewhere.requests(), 0);
    }

    #[tokio::test]
    async fn the_wait_for_a_place_is_within_the_deadline() {
        let directory = Directory::answering(Answer::Never).await;
        let deadline = Duration::from_millis(50);
        let settings = EndpointSettings { deadline, ..settings(directory.url()) };
        let endpoint = Endpoint::new(&FetchSettings::default(), settings).unwrap();
        let both = tokio::join!(endpoint.post(&[], LIMIT), endpoint.post(&[], LIMIT));
        assert_eq!(both, (Err(FetchError::Deadline(deadline)), Err(FetchError::Deadline(deadline))));
        assert!(directory.requests() <= 1, "only one at a time leaves");
    }

    #[test]
    fn credentials_never_travel_in_clear_text_to_another_machine() {
        let endpoint =
            |url: &str, fetch: &FetchSettings| Endpoint::new(fetch, settings(Url::parse(url).unwrap())).map(drop);
        let direct = FetchSettings::default();
        assert_eq!(endpoint("http://127.0.0.1:1/introspect", &direct), Ok(()));
        assert_eq!(endpoint("http://idp.example/introspect", &direct), Err(FetchError::Scheme));
        let proxied = FetchSettings { proxy: Url::parse("http://proxy.example").ok(), ..direct };
        assert_eq!(endpoint("http://127.0.0.1:1/introspect", &proxied), Err(FetchError::Scheme));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let settings = settings(Url::parse("https://idp.example/introspect/hidden").unwrap());
        let printed = format!("{settings:?}");
        let endpoint = Endpoint::new(&FetchSettings::default(), settings).unwrap();
        let printed = format!("{printed}{endpoint:?}");
        assert!(!printed.contains("hunter") && !format!("{endpoint:?}").contains("hidden"), "{printed}");
    }
}
