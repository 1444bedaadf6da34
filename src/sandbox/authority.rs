//! Certificate authorities of the sandbox and what they issue (RFC 5280).
//!
//! An [`Authority`] is a root or an intermediate with its key. It issues client
//! and server certificates as [`Identity`] values and signs revocation lists.
//! Nothing is stored: writing files is for [`super::World`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType,
    SerialNumber, SigningKey as _, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

use super::SandboxError;
use super::identity::{DAY, Identity, KeyKind, Validity};
use super::subject::Subject;
use crate::model::time::Timestamp;

/// A root or an intermediate, able to issue.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Intermediates that an issued certificate travels with, nearest first; a root's is empty.
    chain: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// A self-signed root of this common name.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`].
    pub fn root(name: &str, now: Timestamp) -> Result<Self, SandboxError> {
        let params = authority_params(name, BasicConstraints::Constrained(1), now)?;
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?, chain: Vec::new() })
    }

    /// An intermediate below this authority, which may issue to end entities only.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`].
    pub fn intermediate(&self, name: &str, now: Timestamp) -> Result<Self, SandboxError> {
        let params = authority_params(name, BasicConstraints::Constrained(0), now)?;
        let issuer = CertifiedIssuer::signed_by(params, KeyPair::generate()?, &self.issuer)?;
        let chain = std::iter::once(issuer.der().clone()).chain(self.chain.iter().cloned()).collect();
        Ok(Self { issuer, chain })
    }

    /// Its own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        self.issuer.der()
    }

    /// Its own certificate as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for TLS client authentication; `host` becomes its dNSName.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`], also for a subject or host that ASN.1 cannot express.
    pub fn client(
        &self,
        subject: &Subject,
        host: &str,
        key: KeyKind,
        validity: &Validity,
    ) -> Result<Identity, SandboxError> {
        let mut params = CertificateParams::new([host.to_owned()])?;
        params.distinguished_name = subject.to_name()?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params, key, validity)
    }

    /// A certificate for a TLS server on `localhost`, 127.0.0.1 and `::1`.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`].
    pub fn loopback_server(&self, key: KeyKind, validity: &Validity) -> Result<Identity, SandboxError> {
        self.server(&[], key, validity)
    }

    /// The same for a server that has other names besides.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`], also for a name that ASN.1 cannot express.
    pub fn server(&self, names: &[&str], key: KeyKind, validity: &Validity) -> Result<Identity, SandboxError> {
        let names: Vec<String> = ["localhost"].iter().chain(names).map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        params.subject_alt_names.extend(addresses.map(SanType::IpAddress));
        params.distinguished_name = common_name("localhost");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params, key, validity)
    }

    /// A revocation list (RFC 5280 §5) of this authority, current from `now` for a month, as PEM.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`].
    pub fn revocation_list(&self, revoked: &[&Identity], now: Timestamp) -> Result<String, SandboxError> {
        let entry = |identity: &&Identity| RevokedCertParams {
            serial_number: SerialNumber::from_slice(identity.serial()),
            revocation_time: date_time_ymd(1970, 1, 1) + since_epoch(now),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + since_epoch(now.minus(CLOCK_TOLERANCE)),
            next_update: date_time_ymd(1970, 1, 1) + since_epoch(now.plus(30 * DAY)),
            crl_number: SerialNumber::from(u64::try_from(now.unix_micros()).unwrap_or(0)),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }

    /// Its signature over these bytes.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`].
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SandboxError> {
        Ok(self.issuer.key().sign(message)?)
    }

    /// A certificate of these parameters, for an end entity; without any keyUsage it is that of a client in TLS.
    ///
    /// # Errors
    /// [`SandboxError::Certificate`].
    pub(super) fn issue(
        &self,
        mut params: CertificateParams,
        key: KeyKind,
        validity: &Validity,
    ) -> Result<Identity, SandboxError> {
        let mut serial = [0; 16];
        aws_lc_rs::rand::fill(&mut serial)?;
        serial[0] = 0x40 | (serial[0] >> 2); // positive and never shortened
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(validity.not_before);
        params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(validity.not_after);
        params.is_ca = IsCa::ExplicitNoCa;
        if params.key_usages.is_empty() {
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        }
        params.use_authority_key_identifier_extension = true;
        let pair = key.generate()?;
        let leaf = params.signed_by(&pair, &self.issuer)?;
        let chain = std::iter::once(leaf.der().clone()).chain(self.chain.iter().cloned()).collect();
        Ok(Identity::new(chain, pair.serialize_der(), key, serial))
    }
}

fn authority_params(
    name: &str,
    constraints: BasicConstraints,
    now: Timestamp,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = common_name(name);
    params.distinguished_name.push(DnType::OrganizationName, "dcrgate sandbox");
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    // Older than any certificate it issues, including those that have expired.
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(now.minus(3 * 365 * DAY));
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(now.plus(10 * 365 * DAY));
    Ok(params)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// What to add to the first of January 1970: `rcgen` makes its times from dates only.
fn since_epoch(at: Timestamp) -> Duration {
    Duration::from_secs(at.since(Timestamp::from_unix_seconds(0)).as_secs())
}

/// Lists are dated back so that a proxy whose clock is a little behind takes them.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::CertificateError::{self, Expired, InvalidPurpose, Revoked, UnknownIssuer};
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::server::WebPkiClientVerifier;
    use rustls::{Error, RootCertStore};
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateRevocationListDer, UnixTime};

    use super::*;
    use crate::sandbox::{Organisation, Software};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_435_200);

    fn software() -> Software {
        Software::named("budget", &Organisation::named("Exemplo Servicos Ltda."))
    }

    fn client(authority: &Authority, validity: &Validity) -> Identity {
        authority.client(&Subject::transport(&software()), "tpp.example", KeyKind::Ecdsa, validity).unwrap()
    }

    fn roots(root: &Authority) -> Arc<RootCertStore> {
        let mut store = RootCertStore::empty();
        store.add(root.certificate().clone()).unwrap();
        Arc::new(store)
    }

    fn as_client(identity: &Identity, root: &Authority, lists: &[String]) -> Result<(), CertificateError> {
        let lists = lists.iter().map(|text| CertificateRevocationListDer::from_pem_slice(text.as_bytes()).unwrap());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots(root), Arc::new(default_provider()))
            .with_crls(lists)
            .build()
            .unwrap();
        let chain = identity.chain();
        let now = UnixTime::since_unix_epoch(since_epoch(NOW));
        match verifier.verify_client_cert(&chain[0], &chain[1..], now) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(why)) => Err(why),
            Err(other) => panic!("{other}"),
        }
    }

    fn as_server(identity: &Identity, root: &Authority, name: &'static str) -> Result<(), Error> {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots(root), Arc::new(default_provider()));
        let chain = identity.chain();
        let now = UnixTime::since_unix_epoch(since_epoch(NOW));
        let name = name.try_into().unwrap();
        verifier.build().unwrap().verify_server_cert(&chain[0], &chain[1..], &name, &[], now).map(|_| ())
    }

    /// DER of a relative distinguished name of one attribute; every length here is below 128.
    fn relative_name(oid: &[u8], tag: u8, value: &str) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
        wrap(0x31, &wrap(0x30, &[wrap(0x06, oid), wrap(tag, value.as_bytes())].concat()))
    }

    #[test]
    fn transport_certificate_has_the_subject_of_the_standard() {
        let root = Authority::root("Root", NOW).unwrap();
        let (software, utf8, printable) = (software(), 0x0c, 0x13);
        let identifier = format!("OFBBR-{}", software.organisation.id);
        assert_eq!(identifier.len(), 42);
        let subject = [
            relative_name(&[0x55, 4, 15], utf8, "Private Organization"),
            relative_name(&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 60, 2, 1, 3], printable, "BR"),
            relative_name(&[0x55, 4, 5], printable, &software.organisation.number),
            relative_name(&[0x55, 4, 6], printable, "BR"),
            relative_name(&[0x55, 4, 10], utf8, "Exemplo Servicos Ltda."),
            relative_name(&[0x55, 4, 8], utf8, "SP"),
            relative_name(&[0x55, 4, 7], utf8, "Sao Paulo"),
            relative_name(&[0x55, 4, 97], utf8, &identifier),
            relative_name(&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 100, 1, 1], utf8, &software.id),
            relative_name(&[0x55, 4, 3], utf8, "budget.tpp.example"),
        ]
        .concat();
        let identity = client(&root, &Validity::current(NOW));
        assert!(identity.certificate().windows(subject.len()).any(|part| part == subject));
    }

    #[test]
    fn legacy_certificate_has_the_organisation_in_ou() {
        let root = Authority::root("Root", NOW).unwrap();
        let subject = Subject::legacy_transport(&software());
        let identity = root.client(&subject, "tpp.example", KeyKind::Ecdsa, &Validity::current(NOW)).unwrap();
        let unit = relative_name(&[0x55, 4, 11], 0x0c, &software().organisation.id);
        assert!(identity.certificate().windows(unit.len()).any(|part| part == unit));
    }

    #[test]
    fn client_chain_ends_in_its_own_root_only() {
        let root = Authority::root("Root", NOW).unwrap();
        let issuing = root.intermediate("Issuing", NOW).unwrap();
        let identity = client(&issuing, &Validity::current(NOW));
        assert_eq!(as_client(&identity, &root, &[]), Ok(()));
        assert_eq!(as_client(&identity.clone().leaf_only(), &root, &[]), Err(UnknownIssuer));
        let namesake = Authority::root("Root", NOW).unwrap();
        assert!(as_client(&identity, &namesake, &[]).is_err());
        let server = issuing.loopback_server(KeyKind::Ecdsa, &Validity::current(NOW)).unwrap();
        assert!(matches!(
            as_client(&server, &root, &[]),
            Err(InvalidPurpose | CertificateError::InvalidPurposeContext { .. })
        ));
    }

    #[test]
    fn expired_certificate_is_expired() {
        let root = Authority::root("Root", NOW).unwrap();
        let verdict = as_client(&client(&root, &Validity::expired(NOW)), &root, &[]);
        assert!(matches!(verdict, Err(Expired | CertificateError::ExpiredContext { .. })), "{verdict:?}");
    }

    #[test]
    fn revocation_lists_tell_the_revoked_from_the_good() {
        let root = Authority::root("Root", NOW).unwrap();
        let issuing = root.intermediate("Issuing", NOW).unwrap();
        let [revoked, good] = [(); 2].map(|()| client(&issuing, &Validity::current(NOW)));
        let lists = [root.revocation_list(&[], NOW).unwrap(), issuing.revocation_list(&[&revoked], NOW).unwrap()];
        assert_eq!(as_client(&revoked, &root, &lists), Err(Revoked));
        assert_eq!(as_client(&good, &root, &lists), Ok(()));
    }

    #[test]
    fn rsa_server_certificate_serves_localhost() {
        let root = Authority::root("Root", NOW).unwrap();
        let identity = root.loopback_server(KeyKind::Rsa, &Validity::current(NOW)).unwrap();
        for name in ["localhost", "127.0.0.1", "::1"] {
            assert_eq!(as_server(&identity, &root, name), Ok(()));
        }
        assert!(as_server(&identity, &root, "bank.example").is_err());
        let key = default_provider().key_provider.load_private_key(identity.key()).unwrap();
        assert_eq!(key.algorithm(), rustls::SignatureAlgorithm::RSA);
    }
}
