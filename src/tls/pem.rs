//! Certificates, keys and revocation lists in PEM (RFC 7468). The reader is that
//! of `rustls-pki-types`, where the archived `rustls-pemfile` lives on. No error
//! shows what was in the file.

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem};

/// Why PEM cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// No section of the wanted kind.
    #[error("no PEM section of the expected kind: {expected}")]
    Missing {
        /// The labels that were looked for.
        expected: &'static str,
    },
    /// A section is broken.
    #[error("a PEM section is broken: its base64 or its END line")]
    Broken,
    /// A key that needs a passphrase.
    #[error("the private key is encrypted; decrypt it, or protect the file by its permissions")]
    Encrypted,
}

/// Every certificate, in the order of the file; other sections are passed over.
///
/// # Errors
/// [`PemError`] where a section is broken or there is no certificate.
pub fn read_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    sections(pem, "CERTIFICATE")
}

/// Every revocation list of a PEM file, or the one that a DER file is.
///
/// # Errors
/// [`PemError`] where a section is broken or there is no list. What the DER says is not looked at.
pub fn read_crls(bytes: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    if bytes.first() == Some(&DER_SEQUENCE) {
        return Ok(vec![bytes.to_vec()]);
    }
    let lists: Vec<CertificateRevocationListDer<'static>> = sections(bytes, "X509 CRL")?;
    Ok(lists.iter().map(|list| list.to_vec()).collect())
}

/// The first private key: PKCS#8, PKCS#1 or SEC 1.
///
/// # Errors
/// [`PemError`] where there is none, or it is encrypted.
pub fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => Ok(key),
        // Either a section of its own or a header inside of one.
        Err(_) if pem.windows(ENCRYPTED.len()).any(|window| window == ENCRYPTED) => Err(PemError::Encrypted),
        Err(pem::Error::NoItemsFound) => {
            Err(PemError::Missing { expected: "PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY" })
        }
        Err(_) => Err(PemError::Broken),
    }
}

fn sections<T: PemObject>(pem: &[u8], expected: &'static str) -> Result<Vec<T>, PemError> {
    let found: Vec<T> = T::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| PemError::Broken)?;
    if found.is_empty() { Err(PemError::Missing { expected }) } else { Ok(found) }
}

/// The first byte of every list in DER, and of no PEM file.
const DER_SEQUENCE: u8 = 0x30;

const ENCRYPTED: &[u8] = b"ENCRYPTED";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_in_the_order_of_the_file() {
        let made = |_| rcgen::generate_simple_self_signed(Vec::new()).unwrap();
        let pair: Vec<_> = (0..2).map(made).collect();
        let text =
            format!("a comment\n{}{}{}", pair[0].cert.pem(), pair[0].signing_key.serialize_pem(), pair[1].cert.pem());
        let read = read_certificates(text.as_bytes()).unwrap();
        assert_eq!(read, [pair[0].cert.der().clone(), pair[1].cert.der().clone()]);
        assert_eq!(read_key(text.as_bytes()).unwrap().secret_der(), pair[0].signing_key.serialized_der());
    }

    #[test]
    fn missing_broken_and_encrypted() {
        assert_eq!(read_certificates(b"").unwrap_err(), PemError::Missing { expected: "CERTIFICATE" });
        assert_eq!(read_certificates(b"-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap_err(), PemError::Broken);
        assert!(matches!(read_key(b"no key").unwrap_err(), PemError::Missing { .. }));
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(read_key(encrypted).unwrap_err(), PemError::Encrypted);
    }

    #[test]
    fn revocation_lists_in_pem_and_in_der() {
        let pem = b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n";
        assert_eq!(read_crls(&pem.repeat(2)).unwrap(), [[0x30, 0], [0x30, 0]]);
        assert_eq!(read_crls(&[0x30, 0]).unwrap(), [[0x30, 0]]);
        assert_eq!(read_crls(b"").unwrap_err(), PemError::Missing { expected: "X509 CRL" });
    }
}
