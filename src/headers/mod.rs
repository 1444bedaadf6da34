//! Floor 1: what leaves in the header section, and what must never come in.
//!
//! Three thoughts, one file each: names that carry an identity and are removed
//! from every inbound request ([`identity`]), connection-level fields that no
//! proxy forwards ([`hop`]), and what dcrgate writes itself: the verified
//! certificate ([`rfc9440`], [`verified`]), the decision ([`decision`]) and the
//! way of the request ([`forwarded`]). Cookies alone pass in another form ([`cookie`]). Nothing here reads a clock or a socket.

pub mod cookie;
pub mod decision;
pub mod forwarded;
pub mod hop;
pub mod identity;
pub mod rfc9440;
pub mod verified;

use http::HeaderMap;
use http::header::HeaderName;

/// Removes, in one pass, everything that a client may not say to the identity
/// server: identity headers of every dialect in every spelling, overrides of
/// method and path, forwarding headers, and hop-by-hop fields.
///
/// Hop-by-hop removal comes first in meaning: what `Connection` names goes too,
/// but it cannot take away what dcrgate writes, because writing comes later
/// (CVE-2025-48865).
pub fn strip_inbound(headers: &mut HeaderMap) {
    let named = hop::named_by_connection(headers);
    let doomed: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            hop::is_hop_by_hop(name)
                || identity::is_identity(name.as_str())
                || forwarded::is_forwarding(name.as_str())
                || named.iter().any(|other| other == *name)
        })
        .cloned()
        .collect();
    for name in doomed {
        while headers.remove(&name).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_keeps_what_is_harmless() {
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
