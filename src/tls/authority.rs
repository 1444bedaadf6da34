//! One authority: its anchors, the intermediates it may lend, and its rule of
//! revocation (RFC 5280 §6.1.1).
//!
//! webpki takes anything as an anchor. What may not be one is refused here, when
//! the configuration is loaded: a certificate that may not issue others, or one
//! with a critical extension that nobody understands.

use rustls_pki_types::{CertificateDer, TrustAnchor};

use super::revocation::{ListFault, RevocationRule, Revocations};
use crate::model::certificate::{Certificate, InvalidCertificate};
use crate::model::id::AuthorityName;
use crate::model::time::Timestamp;

/// What an authority is made from.
#[derive(Clone, Debug)]
pub struct AuthoritySource {
    /// The name that policies and records use.
    pub name: AuthorityName,
    /// The certificates in which a path may end.
    pub anchors: Vec<CertificateDer<'static>>,
    /// Certificates between anchors and leaves.
    pub intermediates: Vec<CertificateDer<'static>>,
    /// Whether the intermediates may complete a chain.
    pub complete_chain: CompleteChain,
    /// How revocation is looked at.
    pub revocation: RevocationRule,
}

/// Whether intermediates that the client did not send may be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompleteChain {
    /// Never: the client sends its whole chain (RFC 8446 §4.4.2).
    Never,
    /// From the configured intermediates; nothing is fetched.
    FromConfiguration,
}

/// One authority, ready to judge.
#[derive(Debug)]
pub struct Authority {
    pub(super) name: AuthorityName,
    /// What webpki searches; `facts` has the rest of the same certificate at the same place.
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    pub(super) facts: Vec<Certificate>,
    /// Empty unless chains may be completed.
    pub(super) intermediates: Vec<CertificateDer<'static>>,
    pub(super) revocations: Revocations,
    /// When anything of the above begins or ends to hold.
    pub(super) edges: Vec<Timestamp>,
}

/// Why an authority cannot be used. Certificates and lists are counted from 1, in the order of their file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// There is nothing in which a path could end.
    #[error("authority {authority} has no anchors")]
    NoAnchors {
        /// Which authority.
        authority: AuthorityName,
    },
    /// An anchor may not be one.
    #[error("authority {authority}: anchor {place} {fault}")]
    Anchor {
        /// Which authority.
        authority: AuthorityName,
        /// Which certificate.
        place: usize,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// An intermediate cannot be read.
    #[error("authority {authority}: intermediate {place} {fault}")]
    Intermediate {
        /// Which authority.
        authority: AuthorityName,
        /// Which certificate.
        place: usize,
        /// What is wrong with it.
        fault: CertificateFault,
    },
    /// A revocation list cannot be used.
    #[error("authority {authority}: revocation list {place} {fault}")]
    RevocationList {
        /// Which authority.
        authority: AuthorityName,
        /// Which list.
        place: usize,
        /// What is wrong with it.
        fault: ListFault,
    },
}

/// What is wrong with a configured certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(InvalidCertificate),
    /// webpki cannot process it, most often for a critical extension (RFC 5280 §4.2).
    #[error("is malformed or has a critical extension that is not supported")]
    Unsupported,
    /// basicConstraints or keyUsage forbid it to issue certificates.
    #[error("may not issue certificates: basicConstraints must say CA, and keyUsage, where present, keyCertSign")]
    NotAuthority,
}

/// An anchor, by subject and key, that two authorities share: a chain that ends in it belongs to both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedAnchor {
    /// The authority that comes first in the configuration.
    pub first: AuthorityName,
    /// The other one.
    pub second: AuthorityName,
    /// The anchor's subject.
    pub subject: String,
}

impl Authority {
    /// Makes an authority ready to judge.
    ///
    /// # Errors
    /// [`AuthorityError`] for the first certificate or list that cannot be used.
    pub fn new(source: AuthoritySource) -> Result<Self, AuthorityError> {
        let AuthoritySource { name, anchors, intermediates, complete_chain, revocation } = source;
        let authority = || name.clone();
        if anchors.is_empty() {
            return Err(AuthorityError::NoAnchors { authority: authority() });
        }
        let read = |(place, der): (usize, &CertificateDer<'static>)| {
            read_anchor(der).map_err(|fault| AuthorityError::Anchor { authority: authority(), place: place + 1, fault })
        };
        let (anchors, facts): (Vec<_>, Vec<_>) =
            anchors.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let mut edges: Vec<_> = facts.iter().flat_map(validity_edges).collect();
        for (place, der) in intermediates.iter().enumerate() {
            let certificate = Certificate::from_der(der).map_err(|fault| AuthorityError::Intermediate {
                authority: authority(),
                place: place + 1,
                fault: CertificateFault::Unreadable(fault),
            })?;
            edges.extend(validity_edges(&certificate));
        }
        let revocations = Revocations::new(&revocation, &facts).map_err(|(place, fault)| {
            AuthorityError::RevocationList { authority: authority(), place: place + 1, fault }
        })?;
        edges.extend(revocations.edges());
        let intermediates = match complete_chain {
            CompleteChain::Never => Vec::new(),
            CompleteChain::FromConfiguration => intermediates,
        };
        Ok(Self { name, anchors, facts, intermediates, revocations, edges })
    }

    /// The first anchor that another authority has too.
    pub(super) fn shared_with(&self, other: &Self) -> Option<SharedAnchor> {
        let same = |a: &TrustAnchor<'_>, b: &TrustAnchor<'_>| {
            a.subject == b.subject && a.subject_public_key_info == b.subject_public_key_info
        };
        let mut anchors = self.anchors.iter().zip(&self.facts);
        let (_, shared) = anchors.find(|(anchor, _)| other.anchors.iter().any(|theirs| same(anchor, theirs)))?;
        Some(SharedAnchor { first: self.name.clone(), second: other.name.clone(), subject: shared.subject.to_string() })
    }
}

/// The first instants at which a certificate is valid and at which it no longer is; notAfter belongs to its validity.
pub(super) fn validity_edges(certificate: &Certificate) -> [Timestamp; 2] {
    [certificate.not_before, certificate.not_after.plus(std::time::Duration::from_secs(1))]
}

fn read_anchor(der: &CertificateDer<'static>) -> Result<(TrustAnchor<'static>, Certificate), CertificateFault> {
    let facts = Certificate::from_der(der).map_err(CertificateFault::Unreadable)?;
    if !facts.is_authority || facts.key_usage.is_some_and(|usage| !usage.key_cert_sign) {
        return Err(CertificateFault::NotAuthority);
    }
    // An anchor is otherwise read without regard to critical extensions.
    webpki::EndEntityCert::try_from(der).map_err(|_| CertificateFault::Unsupported)?;
    let anchor = webpki::anchor_from_trusted_cert(der).map_err(|_| CertificateFault::Unsupported)?;
    Ok((anchor.to_owned(), facts))
}
