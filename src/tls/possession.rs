//! The verifier of the handshake: whoever presents a certificate holds its key
//! (RFC 8446 §4.4.3, RFC 5246 §7.4.8). It never says whom to trust.
//!
//! Only the public key of the certificate is looked at. rustls' own functions
//! parse all of it with webpki, and so would refuse, with an alert that explains
//! nothing, every certificate with critical policies, as some eIDAS authorities
//! issue them.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use webpki::RawPublicKeyEntity;

use crate::model::certificate::Certificate;
use crate::model::digest::Digest;
use crate::model::peer::{Distrust, Peer, check_size};

/// A client was cut in the handshake. Found again in the error of the accept with [`refused_in_handshake`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedInHandshake {
    /// It had no certificate where one is required.
    #[error("no client certificate was presented")]
    NoCertificate,
    /// Its chain is not to be had.
    #[error("{distrust}; certificate {certificate}")]
    Distrusted {
        /// Why.
        distrust: Distrust,
        /// SHA-256 of the leaf.
        certificate: Digest,
    },
}

/// The refusal that an accept's error carries, if it carries one.
pub fn refused_in_handshake(error: &io::Error) -> Option<RefusedInHandshake> {
    let error: &rustls::Error = error.get_ref()?.downcast_ref()?;
    match error {
        rustls::Error::NoCertificatesPresented => Some(RefusedInHandshake::NoCertificate),
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref().copied(),
        _ => None,
    }
}

/// Proves possession and bounds the chain's size; with a judge, cuts what the judge distrusts.
pub(super) struct Possession {
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    /// Knows authorities and time. `None`: the certificate is optional and any will do.
    #[expect(clippy::type_complexity, reason = "an alias would hide what is asked of whom")]
    pub(super) judge: Option<Arc<dyn Fn(&Peer) -> Result<(), Distrust> + Send + Sync>>,
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        self.judge.is_some()
    }

    /// None. The list of every anchor's name is long enough to break some clients, and a client whose authority was
    /// cross-certified would look in vain for its own and send no certificate; without a list it sends what it has.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let chain = || std::iter::once(leaf).chain(others);
        let refuse = |distrust| cut(RefusedInHandshake::Distrusted { distrust, certificate: Digest::of(leaf) });
        check_size(chain().map(AsRef::as_ref)).map_err(|_| refuse(Distrust::Malformed))?;
        if let Some(judge) = &self.judge {
            let peer = Peer::present(chain().map(|der| der.clone().into_owned()).collect());
            peer.map_err(|_| Distrust::Malformed).and_then(|peer| judge(&peer)).map_err(refuse)?;
        }
        Ok(ClientCertVerified::assertion())
    }

    /// In TLS 1.2 a scheme names the hash but not the curve, so every algorithm of the scheme is tried.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = public_key(leaf)?;
        let key = RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        let offered = self.algorithms.mapping.iter().filter(|(scheme, _)| OFFERED.contains(scheme));
        let mut algorithms = offered.filter(|(scheme, _)| *scheme == signed.scheme).flat_map(|(_, list)| *list);
        if algorithms.any(|algorithm| key.verify_signature(*algorithm, message, signed.signature()).is_ok()) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature_with_raw_key(message, &public_key(leaf)?, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = self.algorithms.mapping.iter().map(|(scheme, _)| *scheme);
        known.filter(|scheme| OFFERED.contains(scheme)).collect()
    }
}

impl fmt::Debug for Possession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Possession").field("judges", &self.judge.is_some()).finish_non_exhaustive()
    }
}

fn public_key(leaf: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, rustls::Error> {
    Certificate::public_key_of(leaf).map_err(|_| CertificateError::BadEncoding.into())
}

fn cut(refused: RefusedInHandshake) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(refused))).into()
}

/// The schemes of the keys that are trusted at all (`Distrust::WeakKey` refuses the others).
const OFFERED: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];
