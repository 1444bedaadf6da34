//! Authorities, certificates and lists for the tests of this module, made as they are needed.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{Authorities, Authority, AuthoritySource, CompleteChain, RevocationMode, RevocationRule};
use crate::model::id::AuthorityName;
use crate::model::peer::{Distrust, Peer, Trusted};
use crate::model::time::Timestamp;

/// The present of these tests. Certificates hold from 2026-01-01 to 2028-01-01, lists from 2026-06-01 to 2026-07-01.
pub(super) const NOW: &str = "2026-06-15T12:00:00Z";

pub(super) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// critical certificatePolicies { 1.2.3 }, as some eIDAS certificates have it.
pub(super) fn critical_policies(params: &mut CertificateParams) {
    let mut extension = CustomExtension::from_oid_content(&[2, 5, 29, 32], vec![0x30, 6, 0x30, 4, 6, 2, 0x2a, 3]);
    extension.set_criticality(true);
    params.custom_extensions = vec![extension];
}

/// A certificate with its key.
pub(super) struct Leaf {
    pub(super) der: CertificateDer<'static>,
    pub(super) key: KeyPair,
}

impl Leaf {
    pub(super) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

/// An authority's certificate with its key.
pub(super) struct Issuer(CertifiedIssuer<'static, KeyPair>);

impl Issuer {
    pub(super) fn root(name: &str) -> Self {
        Self::root_with(name, |_| {})
    }

    pub(super) fn root_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = issuer_params(name);
        change(&mut params);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn intermediate(&self, name: &str) -> Self {
        self.intermediate_with(name, |_| {})
    }

    pub(super) fn intermediate_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = issuer_params(name);
        change(&mut params);
        Self(CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.0).unwrap())
    }

    /// A client certificate as it should be.
    pub(super) fn client(&self) -> Leaf {
        self.client_with(|_| {})
    }

    pub(super) fn client_with(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        self.leaf(KeyPair::generate().unwrap(), change)
    }

    pub(super) fn leaf(&self, key: KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        Leaf { der: self.certify(&key, change), key }
    }

    pub(super) fn certify(
        &self,
        key: &impl rcgen::PublicKeyData,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateDer<'static> {
        let mut params = params("client");
        params.serial_number = Some(CLIENT_SERIAL.into());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        params.signed_by(key, &self.0).unwrap().der().clone()
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A list that revokes nothing.
    pub(super) fn list(&self) -> Vec<u8> {
        self.list_with(|_| {})
    }

    /// A list that revokes the client of [`Self::client`].
    pub(super) fn list_with_client(&self) -> Vec<u8> {
        self.list_with(|list| list.revoked_certs.push(revoked(CLIENT_SERIAL)))
    }

    pub(super) fn list_with(&self, change: impl FnOnce(&mut CertificateRevocationListParams)) -> Vec<u8> {
        let mut list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 6, 1),
            next_update: date_time_ymd(2026, 7, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        change(&mut list);
        list.signed_by(&self.0).unwrap().der().to_vec()
    }
}

pub(super) fn revoked(serial: u64) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: date_time_ymd(2026, 6, 1),
        reason_code: None,
        invalidity_date: None,
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2028, 1, 1);
    params
}

fn issuer_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.serial_number = Some(ISSUER_SERIAL.into());
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(super) fn source(name: &str, root: &Issuer) -> AuthoritySource {
    AuthoritySource {
        name: AuthorityName::new(name),
        anchors: vec![root.der()],
        intermediates: Vec::new(),
        complete_chain: CompleteChain::Never,
        revocation: rule(RevocationMode::Off, Vec::new()),
    }
}

pub(super) fn rule(mode: RevocationMode, crls: Vec<Vec<u8>>) -> RevocationRule {
    RevocationRule { mode, crls, grace: Duration::ZERO }
}

pub(super) fn authorities(sources: Vec<AuthoritySource>) -> Authorities {
    Authorities::new(sources.into_iter().map(|source| Authority::new(source).unwrap()).collect())
}

pub(super) fn peer<const N: usize>(chain: [&CertificateDer<'static>; N]) -> Peer {
    Peer::present(chain.into_iter().cloned().collect()).unwrap()
}

/// The verdict of the only authority, at [`NOW`].
pub(super) fn verdict<const N: usize>(
    source: AuthoritySource,
    chain: [&CertificateDer<'static>; N],
) -> Result<Trusted, Distrust> {
    authorities(vec![source]).judge(&peer(chain), at(NOW)).verdicts[0].1.clone()
}

pub(super) const CLIENT_SERIAL: u64 = 0x4711;
pub(super) const ISSUER_SERIAL: u64 = 0x0815;
