//! The client side of TLS: whom dcrgate trusts when it connects, and as whom.

use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::model::certificate::Certificate;

/// TLS 1.2 and 1.3 towards servers under these roots, or under the system's where there are none.
///
/// With an identity (chain and key) dcrgate authenticates itself where the server
/// asks. Its certificate may have extensions that webpki does not know, as
/// eIDAS certificates do. ALPN is left to the caller.
///
/// # Errors
/// A root that is no certificate; a key that cannot be used or is not that of the certificate.
pub fn client_config(
    roots: &[CertificateDer<'_>],
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, Error> {
    let store = if roots.is_empty() { system_roots() } else { RootCertStore::empty() };
    config(with_roots(store, roots)?, identity)
}

/// The same under the system's roots and these besides, with no identity.
pub(super) fn fetch_config(roots: &[CertificateDer<'_>]) -> Result<ClientConfig, Error> {
    fetch_config_as(roots, None)
}

/// The same as someone.
pub(super) fn fetch_config_as(
    roots: &[CertificateDer<'_>],
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, Error> {
    config(with_roots(system_roots(), roots)?, identity)
}

fn config(
    store: RootCertStore,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certified = identity.map(|(chain, key)| certified_key(chain, key, &provider)).transpose()?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store);
    Ok(match certified {
        Some(certified) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified))),
        None => builder.with_no_client_auth(),
    })
}

/// A chain, own certificate first, with its key. As `CertifiedKey::from_der`, but without webpki, which refuses to
/// parse certificates with critical extensions that it does not know: the other side judges them.
///
/// # Errors
/// [`Error::NoCertificatesPresented`]; a first certificate that cannot be read; a key that cannot be used; and
/// [`InconsistentKeys::KeyMismatch`] for the key of another certificate.
pub fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    let own = chain.first().ok_or(Error::NoCertificatesPresented)?;
    let own = Certificate::public_key_of(own).map_err(|_| CertificateError::BadEncoding)?;
    let key = provider.key_provider.load_private_key(key)?;
    if key.public_key() == Some(own) {
        Ok(CertifiedKey::new(chain, key))
    } else {
        Err(InconsistentKeys::KeyMismatch.into())
    }
}

fn with_roots(mut store: RootCertStore, roots: &[CertificateDer<'_>]) -> Result<RootCertStore, Error> {
    for root in roots {
        store.add(root.clone())?;
    }
    Ok(store)
}

/// Certificates that cannot be read are left out; a machine without any trusts nobody.
fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for fault in &found.errors {
        tracing::warn!(error = %fault, "the system's trusted roots could not be read in full");
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(found.certs);
    store
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::pem::PemObject as _;

    use super::*;
    use crate::net::directory::authority;

    fn identity() -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        identity_with(Vec::new())
    }

    fn identity_with(
        extensions: Vec<rcgen::CustomExtension>,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = rcgen::CertificateParams::new(["client.example".to_owned()]).unwrap();
        params.custom_extensions = extensions;
        let pair = rcgen::KeyPair::generate().unwrap();
        let key = PrivateKeyDer::from_pem_slice(pair.serialize_pem().as_bytes()).unwrap();
        (vec![params.self_signed(&pair).unwrap().der().clone()], key)
    }

    #[test]
    fn an_identity_is_presented() {
        let config = client_config(&[authority().certificate()], Some(identity())).unwrap();
        assert!(config.client_auth_cert_resolver.has_certs());
        assert!(!client_config(&[authority().certificate()], None).unwrap().client_auth_cert_resolver.has_certs());
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let ((chain, _), (_, key)) = (identity(), identity());
        let fault = client_config(&[], Some((chain, key))).unwrap_err();
        assert_eq!(fault, Error::InconsistentKeys(InconsistentKeys::KeyMismatch));
    }

    /// Critical certificatePolicies { 1.2.3 }, which webpki refuses to parse.
    #[test]
    fn what_webpki_cannot_read_is_held_against_its_key_all_the_same() {
        let eidas = || {
            let policies = vec![0x30, 6, 0x30, 4, 6, 2, 0x2a, 3];
            let mut extension = rcgen::CustomExtension::from_oid_content(&[2, 5, 29, 32], policies);
            extension.set_criticality(true);
            identity_with(vec![extension])
        };
        let (chain, key) = eidas();
        assert!(client_config(&[], Some((chain.clone(), key))).is_ok());
        let fault = client_config(&[], Some((chain, eidas().1))).unwrap_err();
        assert_eq!(fault, Error::InconsistentKeys(InconsistentKeys::KeyMismatch));
    }

    #[test]
    fn a_root_that_is_no_certificate_is_refused() {
        assert!(client_config(&[CertificateDer::from(vec![1, 2, 3])], None).is_err());
    }
}
