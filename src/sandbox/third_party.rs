//! A third party: an HTTPS client with, or without, a certificate of its own.
//!
//! It trusts the sandbox's server authority only, connects to whatever address
//! it is given and calls it `localhost`. It sends what it is told, also what no
//! decent client would.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, Uri, Version, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::SandboxError;
use super::identity::Identity;

/// An HTTPS client.
#[derive(Clone, Debug)]
pub struct ThirdParty {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl ThirdParty {
    /// A client that trusts this authority and presents this identity, if any, when it is asked.
    ///
    /// # Errors
    /// [`SandboxError::Tls`].
    pub fn new(trusted: &CertificateDer<'static>, identity: Option<&Identity>) -> Result<Self, SandboxError> {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match identity {
            Some(identity) => builder.with_client_auth_cert(identity.chain(), identity.key())?,
            None => builder.with_no_client_auth(),
        };
        let speaking = |protocol: &[u8]| {
            let mut config = config.clone();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        Ok(Self { http1: speaking(b"http/1.1"), http2: speaking(b"h2") })
    }

    /// Registers: POSTs JSON to `/register` over HTTP/1.1.
    ///
    /// # Errors
    /// [`SandboxError::Socket`] or [`SandboxError::Http`] when no complete answer came.
    pub async fn register(&self, proxy: SocketAddr, body: impl Into<Bytes>) -> Result<Response<Bytes>, SandboxError> {
        self.send(proxy, Protocol::Http1, registration(body)).await
    }

    /// Sends one request over a connection of its own. A URI without a host is completed.
    ///
    /// # Errors
    /// [`SandboxError::Socket`] or [`SandboxError::Http`] when no complete answer came.
    pub async fn send(
        &self,
        proxy: SocketAddr,
        protocol: Protocol,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, SandboxError> {
        self.connect(proxy, protocol).await?.send(request).await
    }

    /// Sends all of these at once, each over a connection of its own; answers in the order of the requests.
    pub async fn send_at_once(
        &self,
        proxy: SocketAddr,
        protocol: Protocol,
        requests: Vec<Request<Bytes>>,
    ) -> Vec<Result<Response<Bytes>, SandboxError>> {
        let mut running = JoinSet::new();
        for (index, request) in requests.into_iter().enumerate() {
            let client = self.clone();
            running.spawn(async move { (index, client.send(proxy, protocol, request).await) });
        }
        let mut answers = running.join_all().await;
        answers.sort_by_key(|(index, _)| *index);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// A connection for several requests one after the other.
    ///
    /// # Errors
    /// [`SandboxError::Socket`] or [`SandboxError::Http`].
    pub async fn connect(&self, proxy: SocketAddr, protocol: Protocol) -> Result<Connection, SandboxError> {
        let stream = TokioIo::new(self.handshake(proxy, protocol).await?);
        let (sender, driving) = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
                (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
            }
            Protocol::Http2 => {
                let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
                (Sender::Http2(sender), tokio::spawn(async { drop(connection.await) }))
            }
        };
        Ok(Connection { sender, host: format!("localhost:{}", proxy.port()), driving: driving.abort_handle() })
    }

    /// Writes these bytes after the handshake and reads until the other side closes: for what
    /// no HTTP library would send.
    ///
    /// # Errors
    /// [`SandboxError::Socket`].
    pub async fn exchange(&self, proxy: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>, SandboxError> {
        let mut stream = self.handshake(proxy, Protocol::Http1).await?;
        stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer).await {
            // A close without close_notify still delivered what was said.
            Err(fault) if fault.kind() != std::io::ErrorKind::UnexpectedEof => Err(fault.into()),
            _ => Ok(answer),
        }
    }

    /// An open TLS connection on which nothing was said yet.
    ///
    /// # Errors
    /// [`SandboxError::Socket`], also when the other side cut the handshake.
    pub async fn handshake(&self, proxy: SocketAddr, protocol: Protocol) -> Result<TlsStream<TcpStream>, SandboxError> {
        let config = match protocol {
            Protocol::Http1 => &self.http1,
            Protocol::Http2 => &self.http2,
        };
        let socket = TcpStream::connect(proxy).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").map_err(|_| rustls::Error::General("name".to_owned()))?;
        Ok(TlsConnector::from(Arc::clone(config)).connect(name, socket).await?)
    }
}

/// The version that is offered in the handshake (ALPN) and spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// An open connection; dropped, it is closed.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    host: String,
    driving: AbortHandle,
}

#[derive(Debug)]
enum Sender {
    Http1(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Http2(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Sends one request and reads the whole answer. A URI without a host is completed.
    ///
    /// # Errors
    /// [`SandboxError::Http`] when no complete answer came.
    pub async fn send(&mut self, mut request: Request<Bytes>) -> Result<Response<Bytes>, SandboxError> {
        let answer: Response<Incoming> = match &mut self.sender {
            Sender::Http1(sender) => {
                if !request.headers().contains_key(header::HOST) {
                    request
                        .headers_mut()
                        .insert(header::HOST, HeaderValue::try_from(&self.host).map_err(http::Error::from)?);
                }
                sender.ready().await?;
                sender.send_request(request.map(Full::new)).await?
            }
            Sender::Http2(sender) => {
                if request.uri().authority().is_none() {
                    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
                    *request.uri_mut() =
                        Uri::builder().scheme("https").authority(self.host.as_str()).path_and_query(path).build()?;
                }
                *request.version_mut() = Version::HTTP_2;
                sender.ready().await?;
                sender.send_request(request.map(Full::new)).await?
            }
        };
        let (parts, body) = answer.into_parts();
        Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

/// A POST of a signed request to `/register`, as `application/jose` or `application/jwt`.
pub fn signed_registration(token: impl Into<Bytes>, media_type: &'static str) -> Request<Bytes> {
    let mut request = registration(token);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    request
}

/// A POST of JSON to `/register`.
pub fn registration(body: impl Into<Bytes>) -> Request<Bytes> {
    let mut request = Request::new(body.into());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("/register");
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request
}

/// A request about a client, with its registration access token (RFC 7592 §2).
pub fn management(method: Method, path: &str, token: &str, body: impl Into<Bytes>) -> Request<Bytes> {
    let mut request = registration(body);
    *request.method_mut() = method;
    *request.uri_mut() = Uri::try_from(path).unwrap_or_default();
    if let Ok(value) = HeaderValue::try_from(format!("Bearer {token}")) {
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    request
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::service::service_fn;
    use rustls::ServerConfig;
    use rustls::server::WebPkiClientVerifier;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::model::time::{Clock as _, SystemClock};
    use crate::sandbox::subject::Subject;
    use crate::sandbox::{Authority, KeyKind, Organisation, Software, Validity};

    struct Meeting {
        server: SocketAddr,
        authority: Authority,
        identity: Identity,
    }

    impl Meeting {
        /// With a server that takes clients of its authority, or nobody's, and tells who came and what was said.
        async fn arrange() -> Self {
            let now = SystemClock.now();
            let authority = Authority::root("Root", now).unwrap();
            let validity = Validity::current(now);
            let subject = Subject::transport(&Software::named("budget", &Organisation::named("Exemplo Ltda.")));
            let identity = authority.client(&subject, "tpp.example", KeyKind::Ecdsa, &validity).unwrap();
            let certificate = authority.loopback_server(KeyKind::Ecdsa, &validity).unwrap();
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate().clone()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .allow_unauthenticated()
                .build()
                .unwrap();
            let mut config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_client_cert_verifier(verifier)
                .with_single_cert(certificate.chain(), certificate.key())
                .unwrap();
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = listener.local_addr().unwrap();
            tokio::spawn(listen(listener, TlsAcceptor::from(Arc::new(config))));
            Self { server, authority, identity }
        }

        fn client(&self, identity: Option<&Identity>) -> ThirdParty {
            ThirdParty::new(self.authority.certificate(), identity).unwrap()
        }
    }

    async fn listen(listener: TcpListener, acceptor: TlsAcceptor) {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let leaf = stream.get_ref().1.peer_certificates().map(|chain| chain[0].to_vec());
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = Response::builder()
                        .header("said", format!("{:?} {}", request.version(), request.uri()))
                        .header(
                            "host-was",
                            request.headers().get("host").cloned().unwrap_or(HeaderValue::from_static("")),
                        )
                        .body(Full::new(Bytes::from(leaf.clone().unwrap_or_default())));
                    async { Ok::<_, Infallible>(answer.unwrap()) }
                });
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ended = server.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    #[tokio::test]
    async fn presents_its_certificate_over_both_protocols() {
        let meeting = Meeting::arrange().await;
        let client = meeting.client(Some(&meeting.identity));
        let host = format!("localhost:{}", meeting.server.port());
        let first = client.register(meeting.server, "{}").await.unwrap();
        assert_eq!(
            (&first.headers()["said"], &first.headers()["host-was"]),
            (&"HTTP/1.1 /register".parse().unwrap(), &host.parse().unwrap())
        );
        let second = client.send(meeting.server, Protocol::Http2, registration("{}")).await.unwrap();
        assert_eq!(second.headers()["said"], format!("HTTP/2.0 https://{host}/register"));
        for answer in [first, second] {
            assert_eq!(answer.body(), meeting.identity.certificate());
        }
    }

    #[tokio::test]
    async fn comes_without_a_certificate_or_with_a_strange_one() {
        let meeting = Meeting::arrange().await;
        assert!(meeting.client(None).register(meeting.server, "{}").await.unwrap().body().is_empty());
        let other = Meeting::arrange().await;
        let strange = meeting.client(Some(&other.identity)).register(meeting.server, "{}").await;
        assert!(strange.is_err(), "{strange:?}");
        let distrusting = other.client(None).register(meeting.server, "{}").await;
        assert!(matches!(distrusting, Err(SandboxError::Socket(_))), "{distrusting:?}");
    }

    #[tokio::test]
    async fn sends_several_at_once_and_tells_them_apart() {
        let meeting = Meeting::arrange().await;
        let requests = (0..5).map(|at| Request::get(format!("/{at}")).body(Bytes::new()).unwrap()).collect();
        let answers = meeting.client(None).send_at_once(meeting.server, Protocol::Http1, requests).await;
        let said: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().headers()["said"].clone()).collect();
        assert_eq!(said, ["HTTP/1.1 /0", "HTTP/1.1 /1", "HTTP/1.1 /2", "HTTP/1.1 /3", "HTTP/1.1 /4"]);
    }

    #[tokio::test]
    async fn sends_bytes_as_they_are() {
        let meeting = Meeting::arrange().await;
        let bytes = b"GET /raw HTTP/1.0\r\n\r\n";
        let answer = meeting.client(None).exchange(meeting.server, bytes).await.unwrap();
        assert!(String::from_utf8_lossy(&answer).contains("said: HTTP/1.0 /raw"));
    }
}
