//! The directory: signs software statements and publishes keys over HTTPS.
//!
//! After regimes of the Open Finance Brasil kind: `/openbanking.jwks` holds the
//! keys that sign statements, `/{organisation}/{software}/application.jwks` a
//! software's own. What it serves, and whether it serves at all, can be changed
//! while it runs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::SandboxError;
use super::identity::Identity;
use super::participant::Software;
use super::statement::{Draft, KeyUse, Signature, SigningKey};
use super::wire::{self, Answer, Serving};
use crate::model::time::Timestamp;

/// A running directory.
#[derive(Debug)]
pub struct Directory {
    signer: SigningKey,
    curve_signer: SigningKey,
    software_keys: SoftwareKeys,
    shelf: Arc<Shelf>,
    serving: Serving,
}

impl Directory {
    /// Starts a directory that serves with this certificate, with one signing key published.
    ///
    /// # Errors
    /// Keys, TLS settings or the socket.
    pub async fn start(identity: &Identity) -> Result<Self, SandboxError> {
        let shelf = Arc::new(Shelf::default());
        let directory = Self {
            signer: SigningKey::generate("signer")?,
            curve_signer: SigningKey::generate_ec("signer-ec")?,
            software_keys: SoftwareKeys {
                signature: SigningKey::generate("software-sig")?,
                encryption: SigningKey::generate("software-enc")?,
                curve: SigningKey::generate_ec("software-ec")?,
            },
            serving: Serving::start(Some(identity), Arc::clone(&shelf)).await?,
            shelf,
        };
        let signers = [&directory.signer, &directory.curve_signer].map(|key| key.public_jwk(KeyUse::Signature));
        directory.publish_keys(KEYS_PATH, &signers);
        Ok(directory)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.serving.address()
    }

    /// Host and port, as they stand in its URLs.
    pub fn authority(&self) -> String {
        format!("localhost:{}", self.serving.address().port())
    }

    /// The URL of one of its paths.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.authority())
    }

    /// The key that signs statements.
    pub const fn signer(&self) -> &SigningKey {
        &self.signer
    }

    /// The key that makes this signature: RSA, or on P-256.
    pub const fn signer_for(&self, signature: Signature) -> &SigningKey {
        if matches!(signature, Signature::Es256) { &self.curve_signer } else { &self.signer }
    }

    /// The RSA key with which a software signs its assertions and requests.
    pub const fn software_key(&self) -> &SigningKey {
        &self.software_keys.signature
    }

    /// The key with which a software makes this signature: RSA, or on P-256.
    pub const fn software_key_for(&self, signature: Signature) -> &SigningKey {
        if matches!(signature, Signature::Es256) { &self.software_keys.curve } else { &self.software_keys.signature }
    }

    /// Publishes a software's keys: two for signatures, one for encryption. Every software of
    /// the sandbox has the same.
    pub fn enrol(&self, software: &Software) {
        let SoftwareKeys { signature, encryption, curve } = &self.software_keys;
        let keys = [
            signature.public_jwk(KeyUse::Signature),
            encryption.public_jwk(KeyUse::Encryption),
            curve.public_jwk(KeyUse::Signature),
        ];
        self.publish_keys(&software.keys_path(), &keys);
    }

    /// A good statement about a software, to be changed and signed.
    pub fn statement(&self, software: &Software, issued_at: Timestamp) -> Draft {
        Draft::of(software, &self.url(""), issued_at)
    }

    /// Serves this JWK Set under a path, instead of what was there.
    pub fn publish_keys(&self, path: &str, keys: &[Value]) {
        self.publish(path, "application/jwk-set+json", json!({ "keys": keys }).to_string());
    }

    /// Serves this document under a path, instead of what was there.
    pub fn publish(&self, path: &str, media_type: &'static str, body: impl Into<Bytes>) {
        let document = Document { media_type, body: body.into() };
        lock(&self.shelf.documents).insert(path.to_owned(), document);
    }

    /// How often a path was asked for, whatever came of it.
    pub fn fetches(&self, path: &str) -> usize {
        lock(&self.shelf.fetches).get(path).copied().unwrap_or(0)
    }

    /// Changes what it does with requests from now on, also with those that it holds.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shelf.behaviour.send_replace(behaviour);
    }
}

/// The keys of all software.
#[derive(Debug)]
struct SoftwareKeys {
    signature: SigningKey,
    encryption: SigningKey,
    curve: SigningKey,
}

/// What the directory does with requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Serves what is published.
    #[default]
    Serve,
    /// Answers 503.
    Fail,
    /// Answers 200 with JSON that is cut in the middle.
    ServeGarbage,
    /// Answers 200 with a maintenance page.
    ServeHtml,
    /// Answers 302 to the same path below [`ELSEWHERE`], of its own host: whoever follows is counted there.
    Redirect,
    /// Keeps requests waiting until it is told otherwise.
    Hold,
}

#[derive(Debug, Default)]
struct Shelf {
    documents: Mutex<BTreeMap<String, Document>>,
    fetches: Mutex<BTreeMap<String, usize>>,
    behaviour: watch::Sender<Behaviour>,
}

#[derive(Clone, Debug)]
struct Document {
    media_type: &'static str,
    body: Bytes,
}

impl Answer for Shelf {
    async fn answer(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        let path = request.uri().path();
        *lock(&self.fetches).entry(path.to_owned()).or_default() += 1;
        let behaviour = *self.behaviour.subscribe().wait_for(|now| *now != Behaviour::Hold).await.ok()?;
        Some(match behaviour {
            Behaviour::Serve | Behaviour::Hold => match lock(&self.documents).get(path).cloned() {
                Some(document) => wire::plain(StatusCode::OK, document.media_type, document.body),
                None => wire::plain(StatusCode::NOT_FOUND, "text/plain", "no such document\n"),
            },
            Behaviour::Fail => wire::plain(StatusCode::SERVICE_UNAVAILABLE, "text/plain", "out of order\n"),
            Behaviour::ServeGarbage => wire::plain(StatusCode::OK, "application/json", "{\"keys\":[{\"kty\":"),
            Behaviour::ServeHtml => wire::plain(StatusCode::OK, "text/html", "<h1>Back soon</h1>"),
            Behaviour::Redirect => {
                let mut answer = wire::plain(StatusCode::FOUND, "text/plain", "");
                let location = http::HeaderValue::try_from(format!("{ELSEWHERE}{path}")).ok()?;
                answer.headers_mut().insert(http::header::LOCATION, location);
                answer
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the keys that sign statements stand.
pub const KEYS_PATH: &str = "/openbanking.jwks";
/// Where [`Behaviour::Redirect`] leads, before the path that was asked for.
pub const ELSEWHERE: &str = "/elsewhere";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::third_party::Protocol;
    use crate::sandbox::{Authority, KeyKind, Organisation, ThirdParty, Validity};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_435_200);

    struct Visit {
        directory: Directory,
        visitor: ThirdParty,
    }

    impl Visit {
        async fn begin() -> Self {
            let now = crate::model::time::Clock::now(&crate::model::time::SystemClock);
            let servers = Authority::root("Servers", now).unwrap();
            let identity = servers.loopback_server(KeyKind::Ecdsa, &Validity::current(now)).unwrap();
            let directory = Directory::start(&identity).await.unwrap();
            Self { directory, visitor: ThirdParty::new(servers.certificate(), None).unwrap() }
        }

        async fn fetch(&self, path: &str) -> Response<Bytes> {
            let request = Request::get(path).body(Bytes::new()).unwrap();
            self.visitor.send(self.directory.serving.address(), Protocol::Http1, request).await.unwrap()
        }

        async fn keys(&self, path: &str) -> Value {
            serde_json::from_slice(self.fetch(path).await.body()).unwrap()
        }
    }

    #[tokio::test]
    async fn publishes_its_own_and_the_softwares_keys() {
        let visit = Visit::begin().await;
        let software = Software::named("budget", &Organisation::named("Exemplo Servicos Ltda."));
        assert_eq!(visit.fetch(&software.keys_path()).await.status(), StatusCode::NOT_FOUND);
        visit.directory.enrol(&software);
        let keys = visit.keys(&software.keys_path()).await;
        assert_eq!((&keys["keys"][0]["use"], &keys["keys"][1]["use"]), (&json!("sig"), &json!("enc")));
        let keys = visit.keys(KEYS_PATH).await;
        assert_eq!(keys["keys"][0], visit.directory.signer().public_jwk(KeyUse::Signature));
        assert_eq!(visit.directory.fetches(&software.keys_path()), 2);
        let statement = visit.directory.statement(&software, NOW);
        assert_eq!(statement.claims()["software_jwks_uri"], visit.directory.url(&software.keys_path()));
    }

    #[tokio::test]
    async fn misbehaves_when_told() {
        let visit = Visit::begin().await;
        visit.directory.behave(Behaviour::Fail);
        assert_eq!(visit.fetch(KEYS_PATH).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        visit.directory.behave(Behaviour::ServeGarbage);
        assert!(serde_json::from_slice::<Value>(visit.fetch(KEYS_PATH).await.body()).is_err());
        visit.directory.behave(Behaviour::ServeHtml);
        assert_eq!(visit.fetch(KEYS_PATH).await.headers()["content-type"], "text/html");
        visit.directory.behave(Behaviour::Redirect);
        assert_eq!(visit.fetch(KEYS_PATH).await.headers()["location"], "/elsewhere/openbanking.jwks");
        visit.directory.behave(Behaviour::Hold);
        let release = async {
            while visit.directory.fetches(KEYS_PATH) < 5 {
                tokio::task::yield_now().await;
            }
            visit.directory.behave(Behaviour::Serve);
        };
        let (answer, ()) = tokio::join!(visit.fetch(KEYS_PATH), release);
        assert_eq!(answer.status(), StatusCode::OK);
    }
}
