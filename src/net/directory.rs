//! Test only: a directory on loopback that counts its requests and answers as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// The authority of all test directories.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    });
    &AUTHORITY
}

impl Authority {
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    fn acceptor(&self) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let config =
            rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![certificate.der().clone()],
                    PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
                )
                .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// What the directory says to every request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// These bytes, then the end of the connection.
    Raw(String),
    /// These bytes, then silence.
    Stalls(String),
    /// Silence.
    Never,
    /// Silence until the test gives the word, then the other answer.
    Held(Arc<Notify>, Box<Self>),
}

impl Answer {
    pub(crate) fn json(body: &str) -> Self {
        Self::of(200, "application/json", body)
    }

    pub(crate) fn of(status: u16, content_type: &str, body: &str) -> Self {
        let length = body.len();
        Self::Raw(format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    }
}

/// Serves until it is dropped.
pub(crate) struct Directory {
    scheme: &'static str,
    port: u16,
    shared: Arc<Shared>,
    _served: JoinSet<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    requests: AtomicUsize,
    arrived: Notify,
    last: Mutex<String>,
}

impl Directory {
    pub(crate) async fn answering(answer: Answer) -> Self {
        Self::serve("https", Some(authority().acceptor()), answer).await
    }

    /// Without TLS.
    pub(crate) async fn plain(answer: Answer) -> Self {
        Self::serve("http", None, answer).await
    }

    async fn serve(scheme: &'static str, acceptor: Option<TlsAcceptor>, answer: Answer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            answer: Mutex::new(answer),
            requests: AtomicUsize::new(0),
            arrived: Notify::new(),
            last: Mutex::new(String::new()),
        });
        let mut served = JoinSet::new();
        let of_loop = Arc::clone(&shared);
        served.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (acceptor, shared) = (acceptor.clone(), Arc::clone(&of_loop));
                connections.spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(socket).await {
                                shared.answer(stream).await;
                            }
                        }
                        None => shared.answer(socket).await,
                    }
                });
            }
        });
        Self { scheme, port, shared, _served: served }
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("{}://localhost:{}/keys.json", self.scheme, self.port)).unwrap()
    }

    pub(crate) fn set(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }

    /// How many requests have come so far.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Returns once a request has come that nobody has waited for yet.
    pub(crate) async fn next_request(&self) {
        self.shared.arrived.notified().await;
    }

    pub(crate) fn last_request(&self) -> String {
        self.shared.last.lock().unwrap().clone()
    }
}

impl Shared {
    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        *self.last.lock().unwrap() = String::from_utf8(head).unwrap();
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.arrived.notify_one();
        let mut answer = self.answer.lock().unwrap().clone();
        while let Answer::Held(word, then) = answer {
            word.notified().await;
            answer = *then;
        }
        let (bytes, ends) = match answer {
            Answer::Raw(bytes) => (bytes, true),
            Answer::Stalls(bytes) => (bytes, false),
            Answer::Never | Answer::Held(..) => (String::new(), false),
        };
        let _ = stream.write_all(bytes.as_bytes()).await;
        let _ = stream.flush().await;
        if !ends {
            std::future::pending::<()>().await;
        }
        let _ = stream.shutdown().await;
    }
}
