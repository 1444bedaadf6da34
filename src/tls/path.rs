//! One authority's verdict on one chain: the path is built by webpki, within its
//! budgets, and what webpki leaves out is checked here (RFC 5280 §6.1).

use std::cell::RefCell;
use std::ptr;

use rustls_pki_types::CertificateDer;
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, VerifiedPath};

use super::authority::Authority;
use super::revocation::unix_time;
use crate::model::certificate::{Certificate, PublicKeyFacts};
use crate::model::digest::Digest;
use crate::model::peer::{Distrust, Peer, Revocation, Trusted};
use crate::model::time::Timestamp;

/// What a certificate is presented for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Purpose {
    /// TLS client authentication.
    Client,
    /// The signature of a token whose header brings the chain (RFC 7515 §4.1.6).
    Token,
}

/// Why a certificate is not for this purpose, whoever issued it.
pub(super) fn unfit(certificate: &Certificate, purpose: Purpose) -> Option<Distrust> {
    if certificate.is_authority || certificate.key_usage.is_some_and(|usage| usage.key_cert_sign) {
        return Some(Distrust::Authority);
    }
    match purpose {
        Purpose::Client if !may_authenticate(certificate) => Some(Distrust::Usage),
        Purpose::Token if !certificate.key_usage.is_some_and(|usage| usage.digital_signature) => {
            // Nothing else says so: extended key usages are of protocols, and signing tokens is none of them.
            Some(Distrust::NotForSignatures)
        }
        Purpose::Client | Purpose::Token => weak(certificate),
    }
}

/// Where an extension is absent, the key is not restricted.
fn may_authenticate(certificate: &Certificate) -> bool {
    // RFC 8446 §4.4.2.4: a client certificate signs the handshake.
    certificate.key_usage.is_none_or(|usage| usage.digital_signature)
        // anyExtendedKeyUsage alone is no clientAuth, as for webpki.
        && certificate.extended_key_usage.as_ref().is_none_or(|names| names.iter().any(|name| name == CLIENT_AUTH))
}

/// webpki asks this of keys that sign certificates, not of the leaf's.
fn weak(certificate: &Certificate) -> Option<Distrust> {
    match certificate.key {
        PublicKeyFacts::Rsa { bits } if bits >= MIN_RSA_BITS => None,
        PublicKeyFacts::Ec { .. } | PublicKeyFacts::Ed25519 => None,
        PublicKeyFacts::Rsa { .. } | PublicKeyFacts::Other => Some(Distrust::WeakKey),
    }
}

impl ExtendedKeyUsageValidator for Purpose {
    fn validate(&self, mut purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        match self {
            Self::Client => KeyUsage::client_auth().validate(purposes),
            Self::Token => purposes.try_for_each(|purpose| purpose.map(drop)),
        }
    }
}

impl Authority {
    /// Looks for a path from the leaf to one of the anchors.
    pub(super) fn verdict(
        &self,
        peer: &Peer,
        leaf: &EndEntityCert<'_>,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Trusted, Distrust> {
        let sent = peer.chain.iter().skip(1);
        let offered: Vec<CertificateDer<'_>> =
            sent.chain(&self.intermediates).map(|der| CertificateDer::from(der.as_ref())).collect();
        let revocation = RefCell::new(Revocation::NotChecked);
        let accept = |path: &VerifiedPath<'_>| {
            self.check_issuers(path, now)?;
            revocation.replace(self.revocations.assess(leaf, path, purpose, now)?);
            Ok(())
        };
        let path = leaf
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &self.anchors,
                &offered,
                unix_time(now),
                purpose,
                None,
                Some(&accept),
            )
            .map_err(|error| distrust(&error))?;
        let intermediates: Vec<_> = path.intermediate_certificates().map(|cert| cert.der().into_owned()).collect();
        let digests = intermediates.iter().map(|der| Digest::of(der));
        Ok(Trusted {
            path: std::iter::once(peer.certificate.thumbprint).chain(digests).collect(),
            anchor: self.anchor_of(&path).map(|anchor| anchor.thumbprint),
            intermediates,
            revocation: revocation.into_inner(),
        })
    }

    /// The certificate of the anchor in which a path ends.
    fn anchor_of(&self, path: &VerifiedPath<'_>) -> Option<&Certificate> {
        let mut anchors = self.anchors.iter().zip(&self.facts);
        anchors.find(|(anchor, _)| ptr::eq(*anchor, path.anchor())).map(|(_, facts)| facts)
    }

    /// What webpki does not look at: an anchor's validity, and keyCertSign of the intermediates (RFC 5280 §6.1.4 n).
    fn check_issuers(&self, path: &VerifiedPath<'_>, now: Timestamp) -> Result<(), webpki::Error> {
        let time = unix_time(now);
        let anchor = self.anchor_of(path).ok_or(webpki::Error::UnknownIssuer)?;
        if now.unix_seconds() < anchor.not_before.unix_seconds() {
            return Err(webpki::Error::CertNotValidYet { time, not_before: unix_time(anchor.not_before) });
        }
        if now.unix_seconds() > anchor.not_after.unix_seconds() {
            return Err(webpki::Error::CertExpired { time, not_after: unix_time(anchor.not_after) });
        }
        for intermediate in path.intermediate_certificates() {
            let facts = Certificate::from_der(&intermediate.der()).map_err(|_| webpki::Error::BadDer)?;
            if facts.key_usage.is_some_and(|usage| !usage.key_cert_sign) {
                return Err(webpki::Error::EndEntityUsedAsCa);
            }
        }
        Ok(())
    }
}

/// webpki reports the most specific reason of all the paths it tried.
fn distrust(error: &webpki::Error) -> Distrust {
    use webpki::Error as E;
    match error {
        E::UnknownIssuer => Distrust::UnknownIssuer,
        E::CertExpired { .. } => Distrust::Expired,
        E::CertNotValidYet { .. } => Distrust::NotYetValid,
        E::CertRevoked => Distrust::Revoked,
        E::UnknownRevocationStatus => Distrust::RevocationUnknown,
        E::CaUsedAsEndEntity => Distrust::Authority,
        E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => Distrust::Usage,
        E::InvalidSignatureForPublicKey
        | E::SignatureAlgorithmMismatch
        | E::UnsupportedSignatureAlgorithmContext(_)
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Distrust::Signature,
        E::EndEntityUsedAsCa
        | E::PathLenConstraintViolated
        | E::NameConstraintViolation
        | E::MalformedNameConstraint
        | E::InvalidNetworkMaskConstraint
        | E::MaximumPathDepthExceeded
        | E::MaximumPathBuildCallsExceeded
        | E::MaximumSignatureChecksExceeded
        | E::MaximumNameConstraintComparisonsExceeded => Distrust::Constraint,
        _ => Distrust::Malformed,
    }
}

/// id-kp-clientAuth (RFC 5280 §4.2.1.12).
const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";

/// NIST SP 800-57 part 1.
const MIN_RSA_BITS: usize = 2048;
