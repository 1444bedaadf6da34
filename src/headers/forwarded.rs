//! `Forwarded` (RFC 7239) and the `X-Forwarded-*` names that came before it.
//!
//! Written from configuration and the connection, never continued from what a
//! client sent: identity servers build their issuer and their URLs from these.

use std::net::{IpAddr, SocketAddr};

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};

use super::identity::folded_starts_with;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether a header tells of earlier hops, in any spelling that a server may fold.
pub fn is_forwarding(name: &str) -> bool {
    const EXACT: &[&str] = &["forwarded", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip"];
    folded_starts_with(name, "x-forwarded")
        || EXACT.iter().any(|exact| exact.len() == name.len() && folded_starts_with(name, exact))
}

/// Scheme, host and port under which clients know this host; made once, at load.
#[derive(Debug, Clone)]
pub struct PublicBase {
    text: String,
    host: HeaderValue,
    port: HeaderValue,
    forwarded_tail: String,
}

/// The text is not an https base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a public base is `https://`, a host name and perhaps a port, such as https://mtls.bank.example")]
pub struct InvalidPublicBase;

impl PublicBase {
    /// Reads `https://host` or `https://host:port`.
    ///
    /// # Errors
    /// [`InvalidPublicBase`] for another scheme, a path, a query or user information.
    pub fn parse(text: &str) -> Result<Self, InvalidPublicBase> {
        let url = url::Url::parse(text).map_err(|_| InvalidPublicBase)?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if url.scheme() != "https" || !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidPublicBase);
        }
        let host = url.host_str().ok_or(InvalidPublicBase)?;
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self {
            host: HeaderValue::try_from(&authority).map_err(|_| InvalidPublicBase)?,
            port: HeaderValue::from(url.port_or_known_default().unwrap_or(443)),
            forwarded_tail: format!(";host=\"{authority}\";proto=https"),
            text: format!("https://{authority}"),
        })
    }

    /// Without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Writes all five fields for a request that came from `client`.
    pub fn write(&self, client: SocketAddr, headers: &mut HeaderMap) {
        let address = client.ip().to_canonical();
        let node = match address {
            IpAddr::V4(v4) => format!("for={v4}{}", self.forwarded_tail),
            // RFC 7239 §6: an IPv6 address stands in brackets and quotes.
            IpAddr::V6(v6) => format!("for=\"[{v6}]\"{}", self.forwarded_tail),
        };
        for (name, value) in [(FORWARDED, node), (FOR, address.to_string())] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        self.write_base(headers);
    }

    /// Writes host, port and scheme, for a request of our own that came from nobody.
    pub fn write_own(&self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.forwarded_tail.trim_start_matches(';')) {
            headers.insert(FORWARDED, value);
        }
        self.write_base(headers);
    }

    fn write_base(&self, headers: &mut HeaderMap) {
        headers.insert(HOST, self.host.clone());
        headers.insert(PORT, self.port.clone());
        headers.insert(PROTO, HeaderValue::from_static("https"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_from_configuration() {
        let mut headers = HeaderMap::new();
        let base = PublicBase::parse("https://mtls.bank.example:8443/").unwrap();
        base.write("[2001:db8::1]:9".parse().unwrap(), &mut headers);
        assert_eq!(
            headers.get(FORWARDED).unwrap(),
            "for=\"[2001:db8::1]\";host=\"mtls.bank.example:8443\";proto=https"
        );
        assert_eq!(headers.get(FOR).unwrap(), "2001:db8::1");
        assert_eq!(headers.get(HOST).unwrap(), "mtls.bank.example:8443");
        assert_eq!(headers.get(PORT).unwrap(), "8443");
        assert_eq!(base.as_str(), "https://mtls.bank.example:8443");
        let mut own = HeaderMap::new();
        base.write_own(&mut own);
        assert_eq!(own.get(FORWARDED).unwrap(), "host=\"mtls.bank.example:8443\";proto=https");
        assert_eq!(own.get(HOST).unwrap(), "mtls.bank.example:8443");
        assert_eq!(own.len(), 4);
    }

    #[test]
    fn only_https_without_a_path() {
        for text in
            ["http://a.example", "https://a.example/x", "https://u@a.example", "a.example", "https://a.example/?q"]
        {
            assert_eq!(PublicBase::parse(text).err(), Some(InvalidPublicBase), "{text}");
        }
    }

    #[test]
    fn forwarding_names_in_any_spelling() {
        for name in [
            "forwarded",
            "x-forwarded-for",
            "X_Forwarded_Host",
            "x-forwarded-prefix-of-a-very-long-name",
            "x.forwarded.preferred.username",
            "x-real-ip",
        ] {
            assert!(is_forwarding(name), "{name}");
        }
        for name in ["x-fapi-customer-ip-address", "forwarded-by", "x-real-ip-address"] {
            assert!(!is_forwarding(name), "{name}");
        }
    }
}
