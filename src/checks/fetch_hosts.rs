//! `fetch_hosts`: from which hosts a policy lets things be fetched that a statement names.

use url::Url;

/// Whether an entry of the policy's list allows the URL's host and port.
///
/// `api.example` allows that host on port 443, `api.example:8443` on that port; with a leading dot, `.example` allows
/// every host below `example`, but not `example` itself.
pub fn allows(entry: &str, url: &Url) -> bool {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
    let (name, allowed_port) = match entry.rsplit_once(':') {
        Some((name, digits)) if let Ok(port) = digits.parse() => (name, port),
        _ => (entry, 443),
    };
    let name = name.to_ascii_lowercase();
    let named = if name.starts_with('.') { host.len() > name.len() && host.ends_with(&name) } else { host == name };
    named && port == allowed_port
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_the_policy() {
        let table = [
            ("api.example", "https://api.example/jwks", true),
            ("api.example", "https://API.example:443/jwks", true),
            ("API.example", "https://api.example/jwks", true),
            ("api.example", "https://api.example:8443/jwks", false),
            ("api.example:8443", "https://api.example:8443/jwks", true),
            ("api.example:8443", "https://api.example/jwks", false),
            ("api.example", "https://evil-api.example/", false),
            ("api.example", "https://api.example.evil/", false),
            ("api.example", "https://api.example./", false),
            ("api.example", "https://evil.example/api.example", false),
            ("api.example", "https://api.example@evil.example/", false),
            (".example", "https://api.example/", true),
            (".example", "https://a.b.example/", true),
            (".example", "https://example/", false),
            (".example", "https://.example/", false),
            (".example", "https://evilexample/", false),
            ("", "https://api.example/", false),
            ("[2001:4860::1]", "https://[2001:4860::1]/", true),
            ("[2001:4860::1]:8443", "https://[2001:4860::1]:8443/", true),
            ("*", "https://api.example/", false),
        ];
        for (entry, url, expected) in table {
            assert_eq!(allows(entry, &Url::parse(url).unwrap()), expected, "{entry} {url}");
        }
    }
}
