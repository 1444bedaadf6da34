//! The forms of single values of client metadata: addresses, names of hosts and mailboxes, languages, digests.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;
use url::Url;

use crate::model::address::{as_written, is_inner};
use crate::model::digest::Digest;

/// Characters of a host name, and of one label of it (RFC 1035 §2.3.4).
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// An absolute http or https address with a host, as it is written.
pub(super) fn web_address(text: &str) -> Option<Url> {
    as_written(text).filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
}

/// An https address that leads outside.
pub(super) fn is_endpoint(text: &str) -> bool {
    // Two slashes and no user information: nothing that readers repair or understand in two ways.
    let authority = text.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('@'))
        && web_address(text).is_some_and(|url| !is_inner(&url))
}

/// An endpoint whose fragment, where it has one, is the SHA-256 of what is found there (OpenID Connect Core §6.2).
pub(super) fn is_request_object(text: &str) -> bool {
    // Digest::parse reads hexadecimal too; 32 bytes are 43 characters in base64url alone.
    let digest = |fragment: &str| fragment.len() == 43 && Digest::parse(fragment).is_some();
    is_endpoint(text) && text.split_once('#').is_none_or(|(_, fragment)| digest(fragment))
}

/// An absolute address that no browser would run.
pub(super) fn is_address(text: &str) -> bool {
    as_written(text).is_some_and(|url| !is_script_scheme(url.scheme()))
}

/// Such an address without fragment: what comes back is appended to it (UMA 2.0 Grant §3.3.2).
pub(super) fn is_return_address(text: &str) -> bool {
    is_address(text) && !text.contains('#')
}

/// Schemes that a browser runs or reads locally rather than visits (CVE-2026-9086).
pub fn is_script_scheme(scheme: &str) -> bool {
    matches!(scheme, "javascript" | "data" | "vbscript" | "file" | "blob" | "about" | "view-source" | "filesystem")
}

/// A host name in letters, digits and hyphens. A wildcard is none: it would stand for many clients.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= MAX_HOST && text.split('.').all(label)
}

/// A mailbox as certificates name it (RFC 5280 §4.2.1.6): `local@host`, without comments and display names.
pub(super) fn is_mailbox(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, host)| {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'@' | b'<' | b'>' | b',' | b';' | b'"');
        !local.is_empty() && local.bytes().all(plain) && is_host_name(host)
    })
}

/// An address in numbers in its one text form: four decimal numbers, or RFC 5952 (RFC 8705 §2.1.2).
pub(super) fn is_ip_address(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok() || text.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string() == text)
}

/// A key set with keys that say their type (RFC 7517 §5). What the keys are worth is a check of its own.
pub(super) fn is_key_set(value: &Value) -> bool {
    let is_key = |key: &Value| key.get("kty").is_some_and(Value::is_string);
    value.get("keys").and_then(Value::as_array).is_some_and(|keys| keys.iter().all(is_key))
}

/// A software statement's three parts (RFC 7591 §2.3: signed, so that none is empty).
pub(super) fn is_compact_jws(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.split('.').count() == 3 && text.split('.').all(part)
}

/// A well-formed language tag (BCP 47, RFC 5646 §2.1): a language of letters, then subtags of one to eight letters
/// and digits, where a single character announces another that follows.
pub(super) fn is_language_tag(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let language = subtags.next().unwrap_or_default();
    let letters = language.bytes().all(|byte| byte.is_ascii_alphabetic());
    // Private use and the tags of old registrations begin with one letter.
    let mut announced = matches!(language, "x" | "X" | "i" | "I");
    if !letters || !(announced || (2..=8).contains(&language.len())) {
        return false;
    }
    let mut private = announced;
    for subtag in subtags {
        if !(1..=8).contains(&subtag.len()) || !subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return false;
        }
        let single = subtag.len() == 1 && !private;
        if single && announced {
            return false;
        }
        private |= single && subtag.eq_ignore_ascii_case("x");
        announced = single;
    }
    !announced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages() {
        for tag in
            ["en", "pt-BR", "zh-Hant-TW", "sl-rozaj-biske-1994", "en-a-bbb-x-a-ccc", "x-whatever", "x-a", "i-klingon"]
        {
            assert!(is_language_tag(tag), "{tag}");
        }
        for tag in [
            "",
            "e",
            "x",
            "1a",
            "en-",
            "-en",
            "en--us",
            "en_US",
            "en-a",
            "en-a-b-cc",
            "en-x",
            "en-ninechars",
            "englishes",
        ] {
            assert!(!is_language_tag(tag), "{tag}");
        }
    }

    #[test]
    fn names_in_certificates() {
        for host in ["client.example", "a-1.example", "localhost"] {
            assert!(is_host_name(host), "{host}");
        }
        let long = format!("{}.example", "a".repeat(64));
        for host in ["", ".", "client.example.", "*.example", "-a.example", "a-.example", "a_b.example", "a b", &long] {
            assert!(!is_host_name(host), "{host}");
        }
        assert!(is_mailbox("ops+dcr@client.example"));
        for mailbox in
            ["", "client.example", "@client.example", "a@", "a@b@c", "A <a@b.example>", "a,b@c.example", "a b@c"]
        {
            assert!(!is_mailbox(mailbox), "{mailbox}");
        }
    }

    #[test]
    fn numbers_of_hosts_have_one_form() {
        for text in ["192.0.2.1", "2001:db8::1", "::1", "::ffff:192.0.2.1", "2001:db8:0:1:1:1:1:1"] {
            assert!(is_ip_address(text), "{text}");
        }
        for text in [
            "",
            "192.0.2",
            "192.0.2.01",
            "192.0.2.256",
            "0x7f.0.0.1",
            "2130706433",
            "192.0.2.1/32",
            "[::1]",
            "2001:DB8::1",
            "2001:0db8::1",
            "2001:db8:0:0:0:0:0:1",
            "2001:db8::1:1:1:1:1",
            "fe80::1%eth0",
            " ::1",
        ] {
            assert!(!is_ip_address(text), "{text}");
        }
    }
}
