//! The configuration of the server's handshakes.
//!
//! Never early data: a registration must not be replayed (RFC 8446 §8). Never a
//! key log. The crypto provider is given explicitly, so that no global default
//! decides what is offered.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::{ServerConfig, SupportedCipherSuite, version};

use super::possession::Possession;
use super::server_certificates::ServerCertificates;
use crate::model::peer::{Distrust, Peer};

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Not asked.
    Off,
    /// Asked; none will do, and any whose key the client holds. Trust is judged later, in HTTP.
    Request,
    /// Asked; the handshake is cut without one, and with one that the judge distrusts. A resumed session is not
    /// asked again, so trust is judged in HTTP here too.
    Require,
}

/// Whether sessions may be resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// No tickets and no session store: each connection proves possession anew.
    Off,
    /// From a store in memory, which keeps the client's chain with the session.
    On,
}

/// The configuration of one listener. `judge` is asked in [`ClientAuth::Require`] only.
///
/// # Errors
/// [`rustls::Error`] where the provider lacks what the suites need, which a build of dcrgate never does.
#[expect(clippy::type_complexity, reason = "an alias would hide what is asked of whom")]
pub fn server_config(
    certificates: &ServerCertificates,
    client_auth: ClientAuth,
    resumption: Resumption,
    judge: Arc<dyn Fn(&Peer) -> Result<(), Distrust> + Send + Sync>,
) -> Result<ServerConfig, rustls::Error> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = SUITES.to_vec();
    let algorithms = provider.signature_verification_algorithms;
    let verifier = |judge| Arc::new(Possession { algorithms, judge });
    let builder = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])?;
    let builder = match client_auth {
        ClientAuth::Off => builder.with_no_client_auth(),
        ClientAuth::Request => builder.with_client_cert_verifier(verifier(None)),
        ClientAuth::Require => builder.with_client_cert_verifier(verifier(Some(judge))),
    };
    let mut config = builder.with_cert_resolver(Arc::new(certificates.clone()));
    config.ignore_client_order = true;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.max_early_data_size = 0;
    match resumption {
        Resumption::Off => {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Resumption::On => {
            config.session_storage = ServerSessionMemoryCache::new(SESSIONS_KEPT);
            config.send_tls13_tickets = 1;
        }
    }
    Ok(config)
}

/// AES-128 first: the same security against every attack known, and cheaper. In TLS 1.2 only ECDHE with AES-GCM, as
/// FAPI and Open Finance Brasil demand it.
const SUITES: &[SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
];

/// Sessions hold client chains of some kilobytes each.
const SESSIONS_KEPT: usize = 10_000;
