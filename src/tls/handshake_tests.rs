//! Handshakes of the assembled configuration with a rustls client, in memory.

use std::io;
use std::sync::Arc;

use rcgen::{KeyPair, SanType};
use rustls::client::{ResolvesClientCert, Resumption as ClientResumption};
use rustls::sign::CertifiedKey;
use rustls::{
    CipherSuite, ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore, SignatureScheme,
    SupportedProtocolVersion, version,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::fixtures::*;
use super::*;
use crate::model::digest::Digest;
use crate::model::peer::{Distrust, Peer};

const BOTH_VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// What the server saw of a connection.
#[derive(Debug)]
struct Seen {
    chain: Option<Vec<CertificateDer<'static>>>,
    version: ProtocolVersion,
    suite: CipherSuite,
    group: Option<NamedGroup>,
    kind: HandshakeKind,
    /// The server's certificate, as the client saw it.
    server: CertificateDer<'static>,
    alpn: Option<Vec<u8>>,
}

/// The server's side: a root for its own certificates, and the configuration under test.
struct Server {
    root: Issuer,
    config: Arc<rustls::ServerConfig>,
}

impl Server {
    fn new(client_auth: ClientAuth, resumption: Resumption) -> Self {
        Self::judging(client_auth, resumption, |_| Err(Distrust::UnknownIssuer))
    }

    fn judging(
        client_auth: ClientAuth,
        resumption: Resumption,
        judge: impl Fn(&Peer) -> Result<(), Distrust> + Send + Sync + 'static,
    ) -> Self {
        let root = Issuer::root("server root");
        let leaf = server_leaf(&root, &rcgen::PKCS_ECDSA_P256_SHA256, "bank.example");
        let certificates = ServerCertificates::new(vec![pair(&leaf)]).unwrap();
        let config = server_config(&certificates, client_auth, resumption, Arc::new(judge)).unwrap();
        Self { root, config: Arc::new(config) }
    }

    fn client(&self, version: &'static SupportedProtocolVersion, identity: Option<CertifiedKey>) -> ClientConfig {
        client(&self.root, version, identity)
    }

    async fn connect(&self, client: &Arc<ClientConfig>) -> io::Result<Seen> {
        connect(Arc::clone(&self.config), client, "bank.example").await
    }
}

fn server_leaf(root: &Issuer, algorithm: &'static rcgen::SignatureAlgorithm, name: &str) -> Leaf {
    root.leaf(KeyPair::generate_for(algorithm).unwrap(), |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
    })
}

fn pair(leaf: &Leaf) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    (vec![leaf.der.clone()], leaf.private_key())
}

fn identity(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'static>) -> CertifiedKey {
    CertifiedKey::new(chain, rustls::crypto::aws_lc_rs::sign::any_supported_type(key).unwrap())
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
    fn has_certs(&self) -> bool {
        true
    }
}

/// The client looks at the real time, and the server's certificate holds until 2028.
#[derive(Debug)]
struct Noon;

impl rustls::time_provider::TimeProvider for Noon {
    fn current_time(&self) -> Option<rustls_pki_types::UnixTime> {
        Some(super::revocation::unix_time(at(NOW)))
    }
}

fn client(root: &Issuer, version: &'static SupportedProtocolVersion, identity: Option<CertifiedKey>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(root.der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Noon));
    let builder = builder.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
    match identity {
        Some(identity) => builder.with_client_cert_resolver(Arc::new(Always(Arc::new(identity)))),
        None => builder.with_no_client_auth(),
    }
}

/// One connection with a byte each way; the server's error, where it has one.
async fn connect(server: Arc<rustls::ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> io::Result<Seen> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let accept = async {
        let mut stream = TlsAcceptor::from(server).accept(near).await?;
        stream.write_all(b"!").await?;
        stream.read_exact(&mut [0]).await?;
        let (_, connection) = stream.get_ref();
        Ok::<_, io::Error>(Seen {
            chain: connection
                .peer_certificates()
                .map(|chain| chain.iter().map(|der| der.clone().into_owned()).collect()),
            version: connection.protocol_version().unwrap(),
            suite: connection.negotiated_cipher_suite().unwrap().suite(),
            group: connection.negotiated_key_exchange_group().map(|group| group.name()),
            kind: connection.handshake_kind().unwrap(),
            server: CertificateDer::from(Vec::new()),
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
        })
    };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connect = async {
        let mut stream = TlsConnector::from(Arc::clone(client)).connect(name, far).await?;
        stream.read_exact(&mut [0]).await?;
        stream.write_all(b"!").await?;
        let server = stream.get_ref().1.peer_certificates().map(|chain| chain[0].clone().into_owned());
        Ok::<_, io::Error>((server, stream))
    };
    let (seen, client) = tokio::join!(accept, connect);
    let (server, _open) = match client {
        Ok(client) => client,
        Err(error) => return seen.and(Err(error)),
    };
    seen.map(|seen| Seen { server: server.unwrap(), ..seen })
}

#[tokio::test]
async fn any_certificate_whose_key_is_held_passes_a_request_for_one() {
    let server = Server::new(ClientAuth::Request, Resumption::Off);
    let stranger = Issuer::root("stranger");
    for version in BOTH_VERSIONS {
        for algorithm in [
            &rcgen::PKCS_ECDSA_P256_SHA256,
            &rcgen::PKCS_ECDSA_P384_SHA384,
            &rcgen::PKCS_ECDSA_P521_SHA512,
            &rcgen::PKCS_ED25519,
            &rcgen::PKCS_RSA_SHA256,
        ] {
            let leaf = stranger.leaf(KeyPair::generate_for(algorithm).unwrap(), |_| {});
            let chain = vec![leaf.der.clone(), stranger.der()];
            let client = server.client(version, Some(identity(chain.clone(), &leaf.private_key())));
            let seen = server.connect(&Arc::new(client)).await.unwrap();
            assert_eq!((seen.version, seen.chain), (version.version, Some(chain)), "{algorithm:?}");
        }
    }
}

#[tokio::test]
async fn without_a_certificate() {
    for version in BOTH_VERSIONS {
        for auth in [ClientAuth::Off, ClientAuth::Request] {
            let server = Server::new(auth, Resumption::Off);
            let seen = server.connect(&Arc::new(server.client(version, None))).await.unwrap();
            assert_eq!(seen.chain, None);
        }
        let server = Server::judging(ClientAuth::Require, Resumption::Off, |_| Ok(()));
        let error = server.connect(&Arc::new(server.client(version, None))).await.unwrap_err();
        assert_eq!(refused_in_handshake(&error), Some(RefusedInHandshake::NoCertificate));
    }
}

#[tokio::test]
async fn a_certificate_is_not_asked_for_when_off() {
    let server = Server::new(ClientAuth::Off, Resumption::Off);
    let leaf = server.root.client();
    let client = server.client(&version::TLS13, Some(identity(vec![leaf.der.clone()], &leaf.private_key())));
    assert_eq!(server.connect(&Arc::new(client)).await.unwrap().chain, None);
}

#[tokio::test]
async fn a_certificate_with_another_s_key_fails() {
    let root = Issuer::root("root");
    let (victim, thief) = (root.client(), root.client());
    for version in BOTH_VERSIONS {
        for auth in [ClientAuth::Request, ClientAuth::Require] {
            let server = Server::judging(auth, Resumption::Off, |_| Ok(()));
            let stolen = identity(vec![victim.der.clone()], &thief.private_key());
            let error = server.connect(&Arc::new(server.client(version, Some(stolen)))).await.unwrap_err();
            assert!(error.to_string().contains("BadSignature"), "{error}");
        }
    }
}

#[tokio::test]
async fn critical_policies_pass_the_handshake_and_are_judged_malformed() {
    let root = Issuer::root("root");
    let leaf = root.client_with(critical_policies);
    for version in BOTH_VERSIONS {
        let server = Server::new(ClientAuth::Request, Resumption::Off);
        let client = server.client(version, Some(identity(vec![leaf.der.clone()], &leaf.private_key())));
        let seen = server.connect(&Arc::new(client)).await.unwrap();
        let peer = Peer::present(seen.chain.unwrap()).unwrap();
        assert_eq!(peer.certificate.subject.to_string(), "CN=client");
        let judged = authorities(vec![source("a", &root)]).judge(&peer, at(NOW));
        assert_eq!(judged.verdicts[0].1, Err(Distrust::Malformed));
    }
}

#[tokio::test]
async fn require_cuts_what_is_distrusted_and_the_error_tells_why() {
    let (trusted, stranger) = (Issuer::root("trusted"), Issuer::root("stranger"));
    let all = authorities(vec![source("a", &trusted)]);
    let server = Server::judging(ClientAuth::Require, Resumption::Off, move |peer| {
        all.judge(peer, at(NOW)).verdicts[0].1.clone().map(drop)
    });
    for version in BOTH_VERSIONS {
        let leaf = trusted.client();
        let client = server.client(version, Some(identity(vec![leaf.der.clone()], &leaf.private_key())));
        assert!(server.connect(&Arc::new(client)).await.is_ok());

        let leaf = stranger.client();
        let client = server.client(version, Some(identity(vec![leaf.der.clone()], &leaf.private_key())));
        let error = server.connect(&Arc::new(client)).await.unwrap_err();
        let refused =
            RefusedInHandshake::Distrusted { distrust: Distrust::UnknownIssuer, certificate: Digest::of(&leaf.der) };
        assert_eq!(refused_in_handshake(&error), Some(refused));

        let error = server.connect(&Arc::new(server.client(version, None))).await.unwrap_err();
        assert_eq!(refused_in_handshake(&error), Some(RefusedInHandshake::NoCertificate));
    }
    assert_eq!(refused_in_handshake(&io::Error::other("reset")), None);
}

#[tokio::test]
async fn thirty_certificates_are_cut() {
    let root = Issuer::root("root");
    let leaf = root.client();
    let chain = [vec![leaf.der.clone()], vec![root.der(); 29]].concat();
    for version in BOTH_VERSIONS {
        let server = Server::new(ClientAuth::Request, Resumption::Off);
        let client = server.client(version, Some(identity(chain.clone(), &leaf.private_key())));
        let error = server.connect(&Arc::new(client)).await.unwrap_err();
        let refused =
            RefusedInHandshake::Distrusted { distrust: Distrust::Malformed, certificate: Digest::of(&leaf.der) };
        assert_eq!(refused_in_handshake(&error), Some(refused));
    }
}

#[tokio::test]
async fn sessions_are_resumed_only_when_on_and_keep_the_chain() {
    let root = Issuer::root("root");
    let leaf = root.client();
    let all = authorities(vec![source("a", &root)]);
    for version in BOTH_VERSIONS {
        for (resumption, expected) in [(Resumption::Off, HandshakeKind::Full), (Resumption::On, HandshakeKind::Resumed)]
        {
            let server = Server::new(ClientAuth::Request, resumption);
            let identity = identity(vec![leaf.der.clone()], &leaf.private_key());
            let mut client = server.client(version, Some(identity));
            client.resumption = ClientResumption::in_memory_sessions(8);
            let client = Arc::new(client);
            let first = server.connect(&client).await.unwrap();
            let second = server.connect(&client).await.unwrap();
            assert_ne!(first.kind, HandshakeKind::Resumed);
            assert_eq!(second.kind == HandshakeKind::Resumed, expected == HandshakeKind::Resumed, "{version:?}");
            assert_eq!(first.chain, second.chain);
            // The verifier was not asked again; the judge is, and the time has passed.
            let peer = Peer::present(second.chain.unwrap()).unwrap();
            assert!(all.judge(&peer, at(NOW)).verdicts[0].1.is_ok());
            assert_eq!(all.judge(&peer, at("2028-01-02T00:00:00Z")).verdicts[0].1, Err(Distrust::Expired));
        }
    }
}

#[tokio::test]
async fn suites_and_protocols() {
    let server = Server::new(ClientAuth::Off, Resumption::Off);
    let mut modern = server.client(&version::TLS13, None);
    modern.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
    let seen = server.connect(&Arc::new(modern)).await.unwrap();
    assert_eq!((seen.suite, seen.alpn), (CipherSuite::TLS13_AES_128_GCM_SHA256, Some(b"h2".to_vec())));
    assert_eq!(seen.group, Some(NamedGroup::X25519MLKEM768));
    let seen = server.connect(&Arc::new(server.client(&version::TLS12, None))).await.unwrap();
    assert_eq!(seen.suite, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
}

mod own_certificates {
    use super::*;

    /// A client that supports only these schemes.
    fn only(
        root: &Issuer,
        version: &'static SupportedProtocolVersion,
        schemes: &[SignatureScheme],
    ) -> Arc<ClientConfig> {
        let mut config = client(root, version, None);
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        let mapping = provider.signature_verification_algorithms.mapping.iter();
        let kept: Vec<_> = mapping.filter(|(scheme, _)| schemes.contains(scheme)).copied().collect();
        provider.signature_verification_algorithms.mapping = Box::leak(kept.into_boxed_slice());
        let mut roots = RootCertStore::empty();
        roots.add(root.der()).unwrap();
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider)).build();
        config.dangerous().set_certificate_verifier(verifier.unwrap());
        Arc::new(config)
    }

    #[tokio::test]
    async fn are_chosen_by_name_and_signature_scheme() {
        let root = Issuer::root("server root");
        let ec = server_leaf(&root, &rcgen::PKCS_ECDSA_P256_SHA256, "bank.example");
        let rsa = server_leaf(&root, &rcgen::PKCS_RSA_SHA256, "bank.example");
        let wild = server_leaf(&root, &rcgen::PKCS_ECDSA_P256_SHA256, "*.Bank.example");
        let certificates = ServerCertificates::new(vec![pair(&rsa), pair(&ec), pair(&wild)]).unwrap();
        let config = server_config(&certificates, ClientAuth::Off, Resumption::Off, Arc::new(|_| Ok(())));
        let config = Arc::new(config.unwrap());
        let (ecdsa, pss) = (SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::RSA_PSS_SHA256);
        for version in BOTH_VERSIONS {
            for (schemes, name, expected) in [
                (&[ecdsa, pss][..], "bank.example", &ec.der),
                (&[ecdsa], "bank.example", &ec.der),
                (&[pss], "bank.example", &rsa.der),
                (&[ecdsa, pss], "mtls.bank.example", &wild.der),
            ] {
                let seen = connect(Arc::clone(&config), &only(&root, version, schemes), name).await.unwrap();
                assert_eq!(&seen.server, expected, "{name} {schemes:?}");
            }
        }
        // Nothing is for this name: a certificate is shown all the same, and the client refuses it.
        let error = connect(config, &only(&root, &version::TLS13, &[ecdsa]), "other.example").await.unwrap_err();
        assert!(error.to_string().contains("BadCertificate"), "{error}");
    }

    #[test]
    fn with_critical_policies_are_served() {
        let leaf = Issuer::root("root").client_with(critical_policies);
        assert!(ServerCertificates::new(vec![pair(&leaf)]).is_ok());
    }

    #[test]
    fn that_cannot_be_used() {
        let root = Issuer::root("root");
        let (good, other) = (root.client(), root.client());
        let fault = |pairs| ServerCertificates::new(pairs).unwrap_err();
        assert_eq!(fault(vec![]), ServerCertificateError::None);
        let mismatch = (vec![good.der.clone()], other.private_key());
        assert_eq!(fault(vec![pair(&good), mismatch]), ServerCertificateError::Mismatch { place: 2 });
        let key = PrivateKeyDer::Pkcs8(vec![0x30, 0].into());
        assert_eq!(fault(vec![(vec![good.der.clone()], key)]), ServerCertificateError::Key { place: 1 });
        assert!(matches!(fault(vec![(vec![], good.private_key())]), ServerCertificateError::Unreadable { .. }));
    }
}
