//! Hop-by-hop fields (RFC 9110 §7.6.1): they belong to one connection and are never forwarded.

use http::HeaderMap;
use http::header::{self, HeaderName};

/// Fields about the connection and not about the message, whichever way it goes.
static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::TRAILER,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The fields that `Connection` lists: no more than a header section has room for.
pub fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|token| HeaderName::from_bytes(token.trim().as_bytes()).ok())
        .collect()
}

/// Removes them, and what `Connection` lists.
pub fn strip(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(&name);
    }
    for name in &HOP_BY_HOP {
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
        strip(&mut headers);
        assert_eq!(headers.len(), 1);
        assert!(headers.contains_key("etag"));
    }

    #[test]
    fn however_many_connection_names() {
        let named: Vec<String> = (0..40).map(|number| format!("x-{number}")).collect();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, named.join(", ").parse().unwrap());
        for name in &named {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), "1".parse().unwrap());
        }
        strip(&mut headers);
        assert!(headers.is_empty());
    }
}
