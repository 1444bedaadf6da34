//! The client side of TLS: whom dcrgate trusts when it connects, and as whom.

use std::sync::Arc;

use rustls::client::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{Error, InconsistentKeys, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

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
    config(with_roots(system_roots(), roots)?, None)
}

fn config(
    store: RootCertStore,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certified = identity.map(|(chain, key)| certify(chain, key, &provider)).transpose()?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store);
    Ok(match certified {
        Some(certified) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified))),
        None => builder.with_no_client_auth(),
    })
}

/// As `CertifiedKey::from_der`, but a certificate that webpki cannot read is no error: the server judges it.
fn certify(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Error> {
    let certified = CertifiedKey::new(chain, provider.key_provider.load_private_key(key)?);
    match certified.keys_match() {
        Err(fault @ (Error::InconsistentKeys(InconsistentKeys::KeyMismatch) | Error::NoCertificatesPresented)) => {
            Err(fault)
        }
        _ => Ok(certified),
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
        let made = rcgen::generate_simple_self_signed(["client.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes()).unwrap();
        (vec![made.cert.der().clone()], key)
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

    #[test]
    fn a_root_that_is_no_certificate_is_refused() {
        assert!(client_config(&[CertificateDer::from(vec![1, 2, 3])], None).is_err());
    }
}
