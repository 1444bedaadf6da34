//! The server's own certificates, chosen by name and signature scheme
//! (RFC 6066 §3, RFC 8446 §4.2.3).
//!
//! They are not validated: whether a client trusts them is the client's matter.
//! Only that key and certificate belong together is checked, and without webpki,
//! which refuses to parse certificates with critical policies.

use std::sync::Arc;

use rustls::Error;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::model::certificate::{Certificate, InvalidCertificate};
use crate::net::certified_key;

/// The certificates of a listener, in the order of the configuration.
#[derive(Clone, Debug)]
pub struct ServerCertificates(Arc<[Entry]>);

/// Why a certificate and its key cannot be used. They are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerCertificateError {
    /// There is none.
    #[error("a TLS listener needs at least one certificate")]
    None,
    /// The first certificate of a chain cannot be read.
    #[error("server certificate {place} cannot be read: {fault}")]
    Unreadable {
        /// Which one.
        place: usize,
        /// What is wrong with it.
        fault: InvalidCertificate,
    },
    /// The key is of a kind that cannot sign handshakes, or RSA below 2048 bits.
    #[error("the private key of server certificate {place} cannot be used")]
    Key {
        /// Which one.
        place: usize,
    },
    /// Key and certificate do not belong together.
    #[error(
        "the private key does not belong to server certificate {place}; the chain must begin with the server's own"
    )]
    Mismatch {
        /// Which one.
        place: usize,
    },
}

#[derive(Debug)]
struct Entry {
    key: Arc<CertifiedKey>,
    /// dNSName entries, in lower case.
    names: Vec<String>,
}

impl ServerCertificates {
    /// From chains, own certificate first, each with its key.
    ///
    /// # Errors
    /// [`ServerCertificateError`] for the first pair that cannot be used.
    pub fn new(
        pairs: Vec<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Self, ServerCertificateError> {
        if pairs.is_empty() {
            return Err(ServerCertificateError::None);
        }
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let entries = pairs.into_iter().zip(1..).map(|((chain, key), place)| Entry::new(chain, key, place, &provider));
        entries.collect::<Result<_, _>>().map(Self)
    }
}

impl ResolvesServerCert for ServerCertificates {
    /// Of the certificates for the name, or of all where none is, the one that the client's signature schemes prefer.
    /// A client that supports none gets the first, and then the alert that says so.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let fits = |entry: &&Entry| name.as_deref().is_some_and(|name| entry.is_for(name));
        let chosen = preferred(self.0.iter().filter(fits), &hello).or_else(|| preferred(self.0.iter(), &hello));
        chosen.or_else(|| self.0.first()).map(|entry| Arc::clone(&entry.key))
    }
}

impl Entry {
    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        place: usize,
        provider: &CryptoProvider,
    ) -> Result<Self, ServerCertificateError> {
        let unreadable = |fault| ServerCertificateError::Unreadable { place, fault };
        let leaf = chain.first().ok_or(unreadable(InvalidCertificate::Empty))?;
        let certificate = Certificate::from_der(leaf).map_err(unreadable)?;
        let key = certified_key(chain, key, provider).map_err(|error| match error {
            Error::InconsistentKeys(_) => ServerCertificateError::Mismatch { place },
            _ => ServerCertificateError::Key { place },
        })?;
        let names = certificate.dns_names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Ok(Self { key: Arc::new(key), names })
    }

    /// Whether a dNSName is this host, or a wildcard for its first label (RFC 9525 §6.3).
    fn is_for(&self, host: &str) -> bool {
        let domain = host.split_once('.').map(|(_, domain)| domain);
        self.names.iter().any(|name| name == host || name.strip_prefix("*.").is_some_and(|rest| Some(rest) == domain))
    }

    /// The place of the first of the client's schemes that the key can sign.
    fn preference(&self, hello: &ClientHello<'_>) -> Option<usize> {
        hello.signature_schemes().iter().position(|scheme| self.key.key.choose_scheme(&[*scheme]).is_some())
    }
}

fn preferred<'a>(entries: impl Iterator<Item = &'a Entry>, hello: &ClientHello<'_>) -> Option<&'a Entry> {
    let able = entries.filter_map(|entry| Some((entry.preference(hello)?, entry)));
    able.min_by_key(|(preference, _)| *preference).map(|(_, entry)| entry)
}
