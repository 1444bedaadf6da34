//! A certificate whose subject is put in the place of its own, signed again.
//!
//! `rcgen` knows no name that has an attribute twice, or several in one RDN, and
//! cases of policies need such names: two values are no answer.

use rustls_pki_types::CertificateDer;

use super::der::{SEQUENCE, contents, element, elements};
use super::{Authority, SandboxError};

/// The same certificate under this subject, the DER of a Name (RFC 5280 §4.1).
///
/// # Errors
/// [`SandboxError::Certificate`].
pub(super) fn with_subject(
    certificate: &CertificateDer<'_>,
    subject: &[u8],
    issuer: &Authority,
) -> Result<CertificateDer<'static>, SandboxError> {
    let [to_be_signed, algorithm] = {
        let mut parts = elements(contents(certificate)).into_iter();
        [(); 2].map(|()| parts.next().unwrap_or_default())
    };
    let mut fields = elements(contents(&to_be_signed));
    if let Some(field) = fields.get_mut(SUBJECT) {
        *field = subject.to_vec();
    }
    let to_be_signed = element(SEQUENCE, &fields.concat());
    let signature = [&[0], issuer.sign(&to_be_signed)?.as_slice()].concat();
    let signed = [to_be_signed, algorithm, element(BIT_STRING, &signature)].concat();
    Ok(CertificateDer::from(element(SEQUENCE, &signed)))
}

/// Version, serial number, signature, issuer and validity stand before it.
const SUBJECT: usize = 5;
const BIT_STRING: u8 = 0x03;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::certificate::Certificate;
    use crate::model::name::DistinguishedName;
    use crate::model::time::Timestamp;
    use crate::sandbox::{KeyKind, Validity};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_435_200);

    #[test]
    fn attributes_may_come_twice_and_the_signature_holds() {
        let root = Authority::root("Root", NOW).unwrap();
        let identity = root.server(&[], KeyKind::Ecdsa, &Validity::current(NOW)).unwrap();
        let wanted = DistinguishedName::parse("UID=a+UID=b,OU=one,OU=two,2.5.4.5=#130131").unwrap();
        let made = with_subject(&identity.chain()[0], &wanted.to_der(), &root).unwrap();
        let read = Certificate::from_der(&made).unwrap();
        assert!(read.subject.matches(&wanted));
        assert_eq!(read.subject.to_string(), wanted.to_string());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.certificate().clone()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            rustls::client::WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        let now = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_795_435_200));
        let name = "localhost".try_into().unwrap();
        rustls::client::danger::ServerCertVerifier::verify_server_cert(&*verifier, &made, &[], &name, &[], now)
            .unwrap();
    }
}
