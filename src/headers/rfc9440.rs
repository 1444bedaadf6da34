//! `Client-Cert` and `Client-Cert-Chain` (RFC 9440).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::header::HeaderName;
use rustls_pki_types::CertificateDer;

/// The leaf.
pub const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
/// The rest of the path, without the leaf; the anchor is not sent.
pub const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// A leaf larger than this is refused and not cut short (header limits downstream are commonly 8 KB a field).
pub const MAX_LEAF: usize = 8 * 1024;
/// A chain header larger than this is refused and not cut short.
pub const MAX_CHAIN: usize = 16 * 1024;

/// The certificate or its chain does not fit the header limits of identity servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client certificate or its chain is too large to be forwarded")]
pub struct TooLarge;

/// RFC 9440 §2.2: one byte sequence (RFC 8941 §3.3.5).
///
/// # Errors
/// [`TooLarge`] beyond [`MAX_LEAF`].
pub fn client_cert(leaf: &CertificateDer<'_>) -> Result<HeaderValue, TooLarge> {
    let mut text = String::with_capacity(leaf.len() * 4 / 3 + 8);
    byte_sequence(&mut text, leaf);
    finish(text, MAX_LEAF)
}

/// RFC 9440 §2.3: a list of byte sequences, each certifying the one before; `None` when there is none to send.
///
/// # Errors
/// [`TooLarge`] beyond [`MAX_CHAIN`].
pub fn client_cert_chain(intermediates: &[CertificateDer<'_>]) -> Result<Option<HeaderValue>, TooLarge> {
    let mut text = String::new();
    for certificate in intermediates {
        if !text.is_empty() {
            text.push_str(", ");
        }
        byte_sequence(&mut text, certificate);
    }
    if text.is_empty() { Ok(None) } else { finish(text, MAX_CHAIN).map(Some) }
}

fn byte_sequence(text: &mut String, der: &[u8]) {
    text.push(':');
    STANDARD.encode_string(der, text);
    text.push(':');
}

fn finish(text: String, limit: usize) -> Result<HeaderValue, TooLarge> {
    if text.len() > limit {
        return Err(TooLarge);
    }
    HeaderValue::try_from(text).map_err(|_| TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_the_fields() {
        let leaf = CertificateDer::from(vec![0xfb, 0xff, 0xfe]);
        assert_eq!(client_cert(&leaf).unwrap(), ":+//+:");
        let chain = [CertificateDer::from(vec![1]), CertificateDer::from(vec![2])];
        assert_eq!(client_cert_chain(&chain).unwrap().unwrap(), ":AQ==:, :Ag==:");
        assert_eq!(client_cert_chain(&[]).unwrap(), None);
    }

    #[test]
    fn too_large_is_refused_and_not_cut() {
        assert_eq!(client_cert(&CertificateDer::from(vec![0; MAX_LEAF])), Err(TooLarge));
    }
}
