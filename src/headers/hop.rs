//! Hop-by-hop fields (RFC 9110 §7.6.1): they belong to one connection and are never forwarded.

use http::HeaderMap;
use http::header::{self, HeaderName};

/// `Connection` may name this many fields; a longer list is an attack on the proxy's patience.
const MAX_NAMED: usize = 32;

/// Whether the field is about the connection and not about the message.
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    *name == header::CONNECTION
        || *name == header::TRANSFER_ENCODING
        || *name == header::UPGRADE
        || *name == header::TE
        || *name == header::TRAILER
        || *name == header::PROXY_AUTHORIZATION
        || *name == header::PROXY_AUTHENTICATE
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// The fields that `Connection` lists.
pub fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        .filter(|name| *name != header::CONNECTION)
        .take(MAX_NAMED)
        .collect()
}

/// Removes them from an answer of the identity server.
pub fn strip_outbound(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(&name);
    }
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TRAILER,
        header::PROXY_AUTHENTICATE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_connection_names_goes_with_it() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, "close, X-Internal".parse().unwrap());
        headers.insert("x-internal", "1".parse().unwrap());
        headers.insert("keep-alive", "timeout=5".parse().unwrap());
        headers.insert("etag", "\"1\"".parse().unwrap());
        strip_outbound(&mut headers);
        assert_eq!(headers.len(), 1);
        assert!(headers.contains_key("etag"));
    }
}
