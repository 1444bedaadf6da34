//! Addresses that are inside the house: what a URL from outside must never reach.
//!
//! After the special-purpose registries of IANA (RFC 6890): private, loopback,
//! link-local (the metadata services of clouds live there), shared, multicast,
//! documentation, benchmarking, reserved, and IPv6 forms that carry an IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Whether the address belongs to the public internet.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Whether the host of a URL is this machine itself.
pub fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The absolute URL that the text is as it is written: without what `Url` would repair, spaces, control characters
/// and backslashes, which other readers repair in other ways.
pub fn as_written(text: &str) -> Option<Url> {
    let repaired = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.contains(repaired) { None } else { Url::parse(text).ok() }
}

/// Whether a host is the domain or below it; nothing is below the empty domain. An address in numbers is only itself.
pub fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| !domain.is_empty() && (rest.is_empty() || rest.ends_with('.')))
}

/// Whether the host of a URL is inside by its name or as an address; what a name resolves to is not asked.
/// `Url` has read `127.1`, `0x7f000001` and `2130706433` as the address that they are.
pub fn is_inner(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            // RFC 6761 §6.3, RFC 6762 §3, and the name that ICANN keeps for private use.
            name.is_empty() || ["localhost", "local", "internal"].into_iter().any(|zone| is_below(name, zone))
        }
        Some(Host::Ipv4(address)) => !is_public_v4(address),
        Some(Host::Ipv6(address)) => !is_public_v6(address),
        None => true,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b) {
        (0 | 10 | 127, _) | (169, 254) | (192, 168) => true, // this network, private, loopback, link-local
        (172, 16..=31) => true,                              // private
        (100, 64..=127) => true,                             // shared by carriers, RFC 6598
        (192, 0) => matches!(c, 0 | 2),                      // protocol assignments, documentation
        (192, 88) => c == 99,                                // 6to4 relays, RFC 7526
        (198, 18 | 19) => true,                              // benchmarking, RFC 2544
        (198, 51) => c == 100,                               // documentation, RFC 5737
        (203, 0) => c == 113,                                // documentation, RFC 5737
        (224.., _) => true,                                  // multicast, reserved, broadcast
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // ::ffff:a.b.c.d, and NAT64 (RFC 6052 §2.1): it is the IPv4 address that is reached.
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, c, d, e, f, high, low] = address.segments();
    if (a, b, c, d, e, f) == (0x64, 0xff9b, 0, 0, 0, 0) {
        let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
        return is_public_v4(Ipv4Addr::new(w, x, y, z));
    }
    // Global unicast is 2000::/3; loopback, unspecified, unique local, link-local and multicast lie outside.
    let global = a & 0xe000 == 0x2000;
    let special = match (a, b) {
        (0x2001, 0..=0x01ff) => true, // protocol assignments, Teredo among them
        (0x2001, 0x0db8) => true,     // documentation
        (0x2002, _) => true,          // 6to4: carries an IPv4 address
        (0x3fff, 0..=0x0fff) => true, // documentation, RFC 9637
        _ => false,
    };
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_the_house() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn urls_of_the_house() {
        let inner = |text: &str| is_inner(&Url::parse(text).unwrap());
        for text in [
            "https://localhost/",
            "https://LOCALHOST./",
            "https://x.localhost/",
            "https://printer.local/",
            "https://metadata.google.internal/",
            "https://127.1/",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://[::ffff:127.0.0.1]/",
            "file:///etc/passwd",
        ] {
            assert!(inner(text), "{text}");
        }
        for text in ["https://tpp.example/", "https://notlocalhost/", "https://local.example/", "https://1.1.1.1/"] {
            assert!(!inner(text), "{text}");
        }
    }

    #[test]
    fn outside() {
        for address in [
            "1.1.1.1",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.169.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
