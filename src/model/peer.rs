//! The client certificate: as presented, and as judged.
//!
//! Presenting proves possession of the key, no more. Trust is judged per
//! request ([`Judgement`]), because the authorities, their revocation lists and
//! the time change while a connection lives (RFC 5280 §6).

use std::sync::{Arc, OnceLock};

use rustls_pki_types::CertificateDer;

use super::certificate::{Certificate, InvalidCertificate};
use super::digest::Digest;
use super::id::AuthorityName;
use super::time::Timestamp;

/// A certificate whose private key its holder proved to have, with the chain that came with it: in the
/// handshake of TLS, or by signing a token.
#[derive(Debug)]
pub struct Peer {
    /// As sent: leaf first, then whatever the client added, in its order.
    pub chain: Vec<CertificateDer<'static>>,
    /// SHA-256 over all of the chain: the key of judgement caches.
    pub digest: Digest,
    /// The leaf, read.
    pub certificate: Certificate,
    /// Printed once for header, record and rules.
    names: OnceLock<(String, String)>,
}

impl Peer {
    /// From parts that were read elsewhere.
    pub const fn new(chain: Vec<CertificateDer<'static>>, digest: Digest, certificate: Certificate) -> Self {
        Self { chain, digest, certificate, names: OnceLock::new() }
    }

    /// The leaf's subject in RFC 4514 form.
    pub fn subject(&self) -> &str {
        &self.names().0
    }

    /// The leaf's issuer in RFC 4514 form.
    pub fn issuer(&self) -> &str {
        &self.names().1
    }

    fn names(&self) -> &(String, String) {
        self.names.get_or_init(|| (self.certificate.subject.to_string(), self.certificate.issuer.to_string()))
    }

    /// From a chain as presented, leaf first.
    ///
    /// # Errors
    /// [`InvalidCertificate`] where the chain breaks a limit or the leaf cannot be read. The other certificates are
    /// not read here: they are the client's suggestions for a path.
    pub fn present(chain: Vec<CertificateDer<'static>>) -> Result<Self, InvalidCertificate> {
        check_size(chain.iter().map(AsRef::as_ref))?;
        let leaf = chain.first().ok_or(InvalidCertificate::Empty)?;
        let certificate = Certificate::from_der(leaf)?;
        // Each certificate is preceded by its length, so that no two chains share one sequence of bytes.
        let lengths: Vec<[u8; 8]> =
            chain.iter().map(|der| u64::try_from(der.len()).unwrap_or(0).to_be_bytes()).collect();
        let parts: Vec<&[u8]> =
            lengths.iter().zip(&chain).flat_map(|(length, der)| [length.as_slice(), der.as_ref()]).collect();
        let digest = Digest::of_parts(&parts);
        Ok(Self::new(chain, digest, certificate))
    }
}

/// Whether a presented chain stays within the limits, which bound the work of reading and judging it.
///
/// # Errors
/// [`InvalidCertificate::TooMany`] and [`InvalidCertificate::TooLarge`].
pub fn check_size<'a>(chain: impl Iterator<Item = &'a [u8]>) -> Result<(), InvalidCertificate> {
    let (count, bytes) = chain.fold((0_usize, 0_usize), |(count, bytes), der| (count + 1, bytes + der.len()));
    if count > MAX_CERTIFICATES {
        return Err(InvalidCertificate::TooMany);
    }
    if bytes > MAX_CHAIN_BYTES {
        return Err(InvalidCertificate::TooLarge);
    }
    Ok(())
}

/// Path building tries every certificate as every other one's issuer; the deepest real paths have four.
const MAX_CERTIFICATES: usize = 10;

/// Ten times what a path of RSA-4096 certificates needs; what is presented stays in memory with its connection.
const MAX_CHAIN_BYTES: usize = 64 * 1024;

/// What every authority says of one chain, and for how long that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// One verdict per configured authority, in configuration order.
    pub verdicts: Vec<(AuthorityName, Result<Trusted, Distrust>)>,
    /// The judgement holds from here: the last instant at which anything below began or ended. A clock that is set
    /// back makes it void.
    pub not_before: Timestamp,
    /// … until here, exclusively: the first instant at which a certificate that was sent or is configured begins or
    /// ends its validity, or a revocation list its time (nextUpdate plus grace), and at most one hour.
    pub valid_until: Timestamp,
}

impl Judgement {
    /// The first of these authorities that trusts the chain.
    pub fn trusted_by(&self, authorities: &[AuthorityName]) -> Option<(&AuthorityName, &Trusted)> {
        authorities.iter().find_map(|wanted| {
            self.verdicts
                .iter()
                .find(|(name, _)| name == wanted)
                .and_then(|(name, verdict)| verdict.as_ref().ok().map(|trusted| (name, trusted)))
        })
    }

    /// The verdict of the first authority that trusts the chain.
    pub fn trusted(&self) -> Option<&Trusted> {
        self.verdicts.iter().find_map(|(_, verdict)| verdict.as_ref().ok())
    }

    /// The most telling reason why none of these authorities trusts the chain.
    pub fn distrust(&self, authorities: &[AuthorityName]) -> Option<Distrust> {
        most_telling(self.verdicts.iter().filter(|(name, _)| authorities.contains(name)))
    }

    /// The most telling reason why no authority at all trusts the chain.
    pub fn distrust_of_all(&self) -> Option<Distrust> {
        most_telling(self.verdicts.iter())
    }

    /// Whether it is true at this time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.valid_until
    }
}

fn most_telling<'a>(
    verdicts: impl Iterator<Item = &'a (AuthorityName, Result<Trusted, Distrust>)>,
) -> Option<Distrust> {
    verdicts.filter_map(|(_, verdict)| verdict.as_ref().err().copied()).max_by_key(|distrust| distrust.rank())
}

/// A path to an anchor of the authority exists and holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// SHA-256 of each certificate on the path: leaf, intermediates, not the anchor.
    pub path: Vec<Digest>,
    /// SHA-256 of the anchor in which the path ends; `None` where trust was assumed and no path looked for.
    pub anchor: Option<Digest>,
    /// DER of the intermediates on the path, for `Client-Cert-Chain` (RFC 9440 §2.3).
    pub intermediates: Vec<CertificateDer<'static>>,
    /// What is known of revocation along the path.
    pub revocation: Revocation,
}

/// What is known of revocation along a trusted path. A revoked certificate is never trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The authority's mode is `off`.
    NotChecked,
    /// Every certificate of the path is covered by a current list and on none.
    Good,
    /// Not known, and the authority's mode is `prefer`.
    Unknown(Arc<str>),
}

/// Why an authority does not trust a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Distrust {
    /// No path ends in one of the authority's anchors.
    #[error("no path to an anchor of this authority")]
    UnknownIssuer,
    /// The certificate cannot be read, or has a critical extension that cannot be processed (RFC 5280 §4.2).
    #[error("the certificate is malformed or has a critical extension that is not supported")]
    Malformed,
    /// A certificate that may issue others was presented as a client's.
    #[error("a certificate authority's certificate is not a client certificate")]
    Authority,
    /// Extended key usage without clientAuth (RFC 5280 §4.2.1.12).
    #[error("the certificate is not meant for client authentication")]
    Usage,
    /// keyUsage without digitalSignature, or none at all (RFC 5280 §4.2.1.3).
    #[error("the certificate is not meant for signatures")]
    NotForSignatures,
    /// RSA below 2048 bits, or a key type that is not RSA, P-256, P-384, P-521 or Ed25519.
    #[error("the key is too small or of an unsupported type")]
    WeakKey,
    /// A signature on the path is made with an unsupported algorithm or does not verify.
    #[error("a signature on the path does not verify")]
    Signature,
    /// Name constraints, path length, or another condition of RFC 5280 §6 fails.
    #[error("a constraint on the path is violated")]
    Constraint,
    /// Before notBefore.
    #[error("a certificate on the path is not valid yet")]
    NotYetValid,
    /// After notAfter.
    #[error("a certificate on the path has expired")]
    Expired,
    /// Revocation is required and not known.
    #[error("the revocation state is unknown")]
    RevocationUnknown,
    /// On a revocation list.
    #[error("a certificate on the path is revoked")]
    Revoked,
}

impl Distrust {
    /// How telling a reason is: of several authorities' reasons the highest is reported.
    const fn rank(self) -> u8 {
        match self {
            Self::UnknownIssuer => 0,
            Self::Malformed => 1,
            Self::Authority => 2,
            Self::Usage | Self::NotForSignatures => 3,
            Self::WeakKey => 4,
            Self::Signature => 5,
            Self::Constraint => 6,
            Self::NotYetValid => 7,
            Self::Expired => 8,
            Self::RevocationUnknown => 9,
            Self::Revoked => 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_too_large_and_none() {
        let junk = |size: usize, count: usize| vec![CertificateDer::from(vec![0x30; size]); count];
        assert_eq!(Peer::present(junk(0, 0)).unwrap_err(), InvalidCertificate::Empty);
        assert_eq!(Peer::present(junk(4, 10)).unwrap_err(), InvalidCertificate::Encoding);
        assert_eq!(Peer::present(junk(4, 11)).unwrap_err(), InvalidCertificate::TooMany);
        assert_eq!(Peer::present(junk(33 * 1024, 2)).unwrap_err(), InvalidCertificate::TooLarge);
    }

    #[test]
    fn the_digest_covers_order_and_borders_of_the_whole_chain() {
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = rcgen::CertificateParams::default().self_signed(&key).unwrap().der().clone();
        let digest = |rest: &[&[u8]]| {
            let rest = rest.iter().map(|der| CertificateDer::from(der.to_vec()));
            Peer::present(std::iter::once(leaf.clone()).chain(rest).collect()).unwrap().digest
        };
        let digests =
            [digest(&[]), digest(&[b"ab"]), digest(&[b"a", b"b"]), digest(&[b"b", b"a"]), digest(&[b"ab", b""])];
        for (i, a) in digests.iter().enumerate() {
            assert!(digests.iter().skip(i + 1).all(|b| a != b), "{i}");
        }
    }
}
