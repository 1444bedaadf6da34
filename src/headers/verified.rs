//! The headers of a verified client certificate, made once per judged chain.
//!
//! RFC 9440 carries the certificate but no verdict, so plain headers beside it
//! say what it lacks: `X-Client-Cert-Verified` in nginx's words, the thumbprint
//! (RFC 8705 §3.1) and the subject in RFC 4514 form. Either all of them come
//! from the verified peer or none is sent.

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::rfc9440::{self, TooLarge};
use crate::model::peer::{Peer, Trusted};

/// `SUCCESS`, in the words of nginx's `$ssl_client_verify`. Never sent for an unverified certificate.
const VERIFIED: HeaderName = HeaderName::from_static("x-client-cert-verified");
/// base64url of SHA-256, equal to `x5t#S256` of bound tokens.
const THUMBPRINT: HeaderName = HeaderName::from_static("x-client-cert-sha256");
/// RFC 4514 in the form in which clients register `tls_client_auth_subject_dn`.
const SUBJECT: HeaderName = HeaderName::from_static("x-client-cert-subject-dn");

/// Which certificate headers an identity server wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// How the certificate travels. Default `rfc9440`.
    pub certificate: CertificateForm,
    /// Whether the intermediates of the verified path travel too. Default no: few servers read them, and they are large.
    pub chain: Chain,
}

/// How the certificate travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateForm {
    /// `Client-Cert` and `Client-Cert-Chain`.
    Rfc9440,
    /// Only the plain headers.
    None,
}

/// Whether the intermediates travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chain {
    /// They do.
    Send,
    /// They do not.
    Omit,
}

/// The header bytes of one judged chain in one dialect.
#[derive(Debug)]
pub struct VerifiedHeaders(Vec<(HeaderName, HeaderValue)>);

impl VerifiedHeaders {
    /// Made from the verified path: the intermediates are those that were judged, not those that were sent.
    ///
    /// # Errors
    /// [`TooLarge`] when the identity server could not read the header.
    pub fn new(peer: &Peer, trusted: &Trusted, dialect: Dialect) -> Result<Self, TooLarge> {
        let mut lines = Vec::with_capacity(5);
        if dialect.certificate == CertificateForm::Rfc9440 {
            let leaf = peer.chain.first().ok_or(TooLarge)?;
            lines.push((rfc9440::CLIENT_CERT, rfc9440::client_cert(leaf)?));
            if dialect.chain == Chain::Send
                && let Some(chain) = rfc9440::client_cert_chain(&trusted.intermediates)?
            {
                lines.push((rfc9440::CLIENT_CERT_CHAIN, chain));
            }
        }
        let thumbprint = peer.certificate.thumbprint.base64url();
        lines.push((VERIFIED, HeaderValue::from_static("SUCCESS")));
        lines.push((THUMBPRINT, HeaderValue::try_from(thumbprint).map_err(|_| TooLarge)?));
        lines.push((SUBJECT, subject(peer.subject())?));
        Ok(Self(lines))
    }

    /// Writes them; what a client sent under these names is gone already and would be overwritten.
    pub fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// RFC 4514 §2.4 lets any octet be written as `\XX`: whatever is not printable
/// ASCII is, so that no certificate text can end a header line or hide in it.
fn subject(text: &str) -> Result<HeaderValue, TooLarge> {
    const MAX_SUBJECT: usize = 4096;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (0x20..0x7f).contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("\\{byte:02X}"));
        }
    }
    if escaped.len() > MAX_SUBJECT {
        return Err(TooLarge);
    }
    HeaderValue::try_from(escaped).map_err(|_| TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_text_cannot_leave_its_line() {
        assert_eq!(subject("CN=a\r\nX: 1").unwrap(), "CN=a\\0D\\0AX: 1");
        assert_eq!(subject("O=Caf\u{e9}\u{202e}").unwrap(), "O=Caf\\C3\\A9\\E2\\80\\AE");
        assert_eq!(subject(&"x".repeat(20_000)), Err(TooLarge));
    }
}
