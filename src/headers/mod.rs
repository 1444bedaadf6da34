//! Floor 1: what leaves in the header section, and what must never come in.
//!
//! Names that carry an identity ([`identity`]) or tell of earlier hops
//! ([`forwarded`]) are removed from every inbound request; fields of one
//! connection go no further in either direction ([`hop`]); cookies pass in
//! another form ([`cookie`]). What dcrgate writes itself: the verified
//! certificate ([`rfc9440`], [`verified`]), the decision ([`decision`]), the
//! way of the request ([`forwarded`]) and which pages may read an answer ([`cors`]). Nothing here reads a clock or a socket.

pub mod cookie;
pub mod cors;
pub mod decision;
pub mod forwarded;
pub mod hop;
pub mod identity;
pub mod rfc9440;
pub mod verified;

use http::HeaderMap;
use http::header::HeaderName;

/// Removes everything that a client may not say to the identity server:
/// hop-by-hop fields, identity headers of every dialect in every spelling,
/// overrides of method and path, and forwarding headers.
///
/// What `Connection` names goes too, but it cannot take away what dcrgate
/// writes, because writing comes later (CVE-2025-48865).
pub fn strip_inbound(headers: &mut HeaderMap) {
    hop::strip(headers);
    let claims = |name: &&HeaderName| identity::is_identity(name.as_str()) || forwarded::is_forwarding(name.as_str());
    let doomed: Vec<HeaderName> = headers.keys().filter(claims).cloned().collect();
    for name in doomed {
        headers.remove(&name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripping_keeps_what_is_harmless() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("accept", "*/*"),
            ("client-cert", ":AA==:"),
            ("client-cert", ":BB==:"),
            ("connection", "keep-alive, x-private"),
            ("x-private", "1"),
            ("x-forwarded-for", "203.0.113.9"),
            ("x-http-method-override", "DELETE"),
            ("authorization", "Bearer t"),
        ] {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        strip_inbound(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "authorization"]);
    }
}
