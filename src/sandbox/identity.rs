//! A certificate with its key, as an authority issued it.

use std::time::Duration;

use base64::Engine as _;
use rcgen::KeyPair;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::SandboxError;
use crate::model::time::Timestamp;

/// A certificate, the intermediates it is sent with, and its private key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    kind: KeyKind,
    serial: [u8; 16],
}

impl Identity {
    pub(super) fn new(chain: Vec<CertificateDer<'static>>, pkcs8: Vec<u8>, kind: KeyKind, serial: [u8; 16]) -> Self {
        Self { chain, key: PrivatePkcs8KeyDer::from(pkcs8), kind, serial }
    }

    /// The kind of its key.
    pub(super) const fn key_kind(&self) -> KeyKind {
        self.kind
    }

    /// The private key, PKCS #8.
    pub(super) fn key_der(&self) -> &[u8] {
        self.key.secret_pkcs8_der()
    }

    /// DER of the certificate itself.
    pub fn certificate(&self) -> &[u8] {
        self.chain.first().map_or(&[], |leaf| leaf.as_ref())
    }

    pub(super) const fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// Leaf first, then the intermediates, without the root.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    /// The same key under another certificate.
    pub(super) fn resigned(
        mut self,
        change: impl FnOnce(&CertificateDer<'static>) -> Result<CertificateDer<'static>, SandboxError>,
    ) -> Result<Self, SandboxError> {
        if let Some(leaf) = self.chain.first_mut() {
            *leaf = change(leaf)?;
        }
        Ok(self)
    }

    /// The same certificate sent without its intermediates.
    #[must_use]
    pub fn leaf_only(mut self) -> Self {
        self.chain.truncate(1);
        self
    }

    /// The chain as `x5c` of a token's header (RFC 7515 §4.1.6).
    pub fn x5c(&self) -> Vec<String> {
        self.chain.iter().map(|der| base64::engine::general_purpose::STANDARD.encode(der)).collect()
    }

    /// The private key, PKCS #8.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone_key())
    }

    /// The chain as PEM.
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect()
    }

    /// The private key as PEM.
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", self.key.secret_pkcs8_der())
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key(), kind: self.kind, serial: self.serial }
    }
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// P-256, made in no time.
    Ecdsa,
    /// RSA 2048, what Open Finance Brasil asks for.
    Rsa,
}

impl KeyKind {
    pub(super) fn generate(self) -> Result<KeyPair, rcgen::Error> {
        match self {
            Self::Ecdsa => KeyPair::generate(),
            Self::Rsa => KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256),
        }
    }
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// First instant.
    pub not_before: Timestamp,
    /// Last instant.
    pub not_after: Timestamp,
}

impl Validity {
    /// A year around `now`.
    pub fn current(now: Timestamp) -> Self {
        Self { not_before: now.minus(DAY), not_after: now.plus(365 * DAY) }
    }

    /// Over since the day before.
    pub fn expired(now: Timestamp) -> Self {
        Self { not_before: now.minus(366 * DAY), not_after: now.minus(DAY) }
    }

    /// Begins the day after.
    pub fn future(now: Timestamp) -> Self {
        Self { not_before: now.plus(DAY), not_after: now.plus(365 * DAY) }
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    for (index, letter) in encoded.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text + &format!("\n-----END {label}-----\n")
}

pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject;

    use super::*;
    use crate::sandbox::Authority;

    #[test]
    fn pem_reads_back() {
        let now = Timestamp::from_unix_seconds(1_795_435_200);
        let issuing = Authority::root("Root", now).unwrap().intermediate("Issuing", now).unwrap();
        let identity = issuing.loopback_server(KeyKind::Ecdsa, &Validity::current(now)).unwrap();
        let text = identity.chain_pem();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<_, _>>().unwrap();
        assert_eq!(chain, identity.chain());
        assert_eq!(PrivateKeyDer::from_pem_slice(identity.key_pem().as_bytes()).unwrap(), identity.key());
    }
}
