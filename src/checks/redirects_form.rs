//! Redirect addresses are well formed and of a kind that may be registered
//! (RFC 6749 §3.1.2, RFC 8252 §7, OpenID Connect Registration §2, RFC 9700 §4.1).
//!
//! An address is taken as the bytes that were sent. What a URL parser would
//! repair (spaces, backslashes, control characters, letters outside ASCII) is
//! refused before one is asked, because others repair it differently.

use std::collections::BTreeMap;

use url::{Host, Url};

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, text, texts};
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::metadata::is_script_scheme;

#[derive(Debug)]
pub(super) struct RedirectsForm;

const MISSING: Fault = Fault {
    message: "redirect_uris is missing or empty",
    hint: "send the addresses that the authorization endpoint may redirect to",
};
const MALFORMED: Fault = Fault {
    message: "an entry of redirect_uris is not an absolute address in plain ASCII",
    hint: "send the address as it is written in the authorization request, percent-encoded, without spaces, quotes or backslashes",
};
const FRAGMENT: Fault =
    Fault { message: "an entry of redirect_uris has a fragment", hint: "leave out # and what follows" };
const USER_INFORMATION: Fault =
    Fault { message: "an entry of redirect_uris has user information", hint: "leave out what stands before @" };
const WILDCARD: Fault =
    Fault { message: "an entry of redirect_uris has a wildcard", hint: "register every address in full" };
const SCHEME: Fault = Fault {
    message: "an entry of redirect_uris has a scheme that is not accepted for this application_type",
    hint: "use https; native applications may use a reverse domain name scheme or http to a loopback address",
};
const HOST: Fault = Fault {
    message: "an entry of redirect_uris points to a local or private host",
    hint: "use the public host name of the application",
};
const LONG: Fault =
    Fault { message: "redirect_uris has an entry that is too long, or too many entries", hint: "shorten the list" };
const DUPLICATE: Fault = Fault { message: "redirect_uris has the same entry twice", hint: "send every address once" };

static ABOUT: About = About {
    id: "redirects.form",
    summary: "redirect_uris are absolute, unique, without fragment, user information or wildcard, and fit the application_type",
    clause: "RFC 6749 3.1.2, RFC 8252 7",
    error: ErrorCode::InvalidRedirectUri,
    field: Some("redirect_uris"),
    operations: WRITES,
    faults: &[MISSING, MALFORMED, FRAGMENT, USER_INFORMATION, WILDCARD, SCHEME, HOST, LONG, DUPLICATE],
    settings: &[
        ("required", "when there has to be one: always, or where a grant type redirects (flows)"),
        ("max_length", "bytes of one address (255)"),
        ("max_count", "addresses in all (50)"),
    ],
};

impl Check for RedirectsForm {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let bound = |key: &str, default: usize, most: i64| {
            settings.integer(key, 1..=most).and_then(|number| number.try_into().ok()).unwrap_or(default)
        };
        Some(Box::new(Form {
            always: settings.word("required", &[("always", true), ("flows", false)]).unwrap_or(false),
            max_length: bound("max_length", 255, 2048),
            max_count: bound("max_count", 50, 100),
        }))
    }
}

#[derive(Debug)]
struct Form {
    always: bool,
    max_length: usize,
    max_count: usize,
}

impl Judge for Form {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let uris: Vec<&str> = texts(facts.metadata, "redirect_uris").into_iter().flatten().collect();
        if uris.is_empty() {
            if self.always || redirects(facts) {
                report.fail(Failure::of(MISSING));
            }
            return;
        }
        if uris.len() > self.max_count {
            return report.fail(Failure::of(LONG).detail(format!("{} entries", uris.len())));
        }
        let native = text(facts.metadata, "application_type") == Some("native");
        for (index, uri) in uris.iter().enumerate() {
            let fault = if uri.len() > self.max_length {
                LONG
            } else if uris.iter().take(index).any(|earlier| earlier == uri) {
                DUPLICATE
            } else {
                match judge_one(uri, native) {
                    Ok(()) => continue,
                    Err(fault) => fault,
                }
            };
            report.fail(Failure::of(fault).detail(*uri));
        }
    }
}

/// Whether a grant type of the request redirects (RFC 7591 §2: the default is the authorization code).
fn redirects(facts: &Facts<'_>) -> bool {
    texts(facts.metadata, "grant_types")
        .is_none_or(|mut grants| grants.any(|grant| matches!(grant, "authorization_code" | "implicit")))
}

fn judge_one(uri: &str, native: bool) -> Result<(), Fault> {
    if !uri.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'`')) {
        return Err(MALFORMED);
    }
    let url = Url::parse(uri).map_err(|_| MALFORMED)?;
    if uri.contains('#') {
        return Err(FRAGMENT);
    }
    if uri.contains('*') {
        return Err(WILDCARD);
    }
    let after_scheme = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"));
    let authority = after_scheme.and_then(|rest| rest.split(['/', '?']).next());
    if authority.is_some_and(|authority| authority.contains('@')) || !url.username().is_empty() {
        return Err(USER_INFORMATION);
    }
    match (url.scheme(), authority) {
        // The scheme in lower case and two slashes: nothing for a parser to repair.
        ("https" | "http", None | Some("")) => Err(MALFORMED),
        ("http", _) if native => {
            if is_loopback(&url) {
                Ok(())
            } else {
                Err(SCHEME)
            }
        }
        ("https", _) => {
            if is_local(&url) {
                Err(HOST)
            } else {
                Ok(())
            }
        }
        (scheme, _) if native && scheme.contains('.') && !is_script_scheme(scheme) => Ok(()),
        _ => Err(SCHEME),
    }
}

/// RFC 8252 §7.3, §8.3: the loopback addresses and, as OpenID Connect allows, localhost.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        None => false,
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost") || name.ends_with(".local") || name.is_empty()
        }
        Some(Host::Ipv4(address)) => {
            address.is_loopback() || address.is_private() || address.is_link_local() || address.is_unspecified()
        }
        // Global unicast is 2000::/3; the rest is local, mapped or reserved.
        Some(Host::Ipv6(address)) => address.segments().first().is_none_or(|first| first & 0xe000 != 0x2000),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses() {
        for uri in ["https://tpp.example/cb", "https://tpp.example:8443/cb?x=%2F", "https://tpp.example"] {
            assert_eq!(judge_one(uri, false), Ok(()), "{uri}");
        }
        for (uri, fault) in [
            ("https://tpp.example/cb#top", FRAGMENT),
            ("https://tpp.example/cb#", FRAGMENT),
            ("https://user@tpp.example/", USER_INFORMATION),
            ("https://tpp.example@evil.example/", USER_INFORMATION),
            ("https://a@b@c/", USER_INFORMATION),
            ("https://:@tpp.example/", USER_INFORMATION),
            ("https://*.tpp.example/", WILDCARD),
            ("https://tpp.example/*", WILDCARD),
            ("http://evil/?x=https", SCHEME),
            ("http://localhost/cb", SCHEME),
            ("javascript:alert(1)", SCHEME),
            ("JaVaScRiPt:alert(1)", SCHEME),
            ("data:text/html,x", SCHEME),
            ("com.example.app:/cb", SCHEME),
            ("https://localhost/cb", HOST),
            ("https://127.0.0.1/cb", HOST),
            ("https://2130706433/cb", HOST),
            ("https://0x7f.1/", HOST),
            ("https://10.0.0.1/", HOST),
            ("https://[::1]/", HOST),
            ("https://[::ffff:127.0.0.1]/", HOST),
            ("https://LOCALHOST./cb", HOST),
            ("https://tpp.example/\\evil", MALFORMED),
            ("https:\\\\tpp.example/", MALFORMED),
            ("https:/tpp.example/", MALFORMED),
            ("https:tpp.example", MALFORMED),
            ("HTTPS://tpp.example/", MALFORMED),
            ("https:///tpp.example/", MALFORMED),
            ("//tpp.example/cb", MALFORMED),
            ("/cb", MALFORMED),
            ("", MALFORMED),
            (" https://tpp.example/", MALFORMED),
            ("https://tpp.example/\n", MALFORMED),
            ("https://tpp.example/a b", MALFORMED),
            ("https://tpp.example/\u{0}", MALFORMED),
            ("https://t\u{0440}p.example/", MALFORMED),
        ] {
            assert_eq!(judge_one(uri, false), Err(fault), "{uri:?}");
        }
    }

    #[test]
    fn native_addresses() {
        for uri in [
            "com.example.app:/cb",
            "http://127.0.0.1:8080/cb",
            "http://[::1]/cb",
            "http://localhost/cb",
            "https://app.example/cb",
        ] {
            assert_eq!(judge_one(uri, true), Ok(()), "{uri}");
        }
        for uri in [
            "http://localhost.evil.example/cb",
            "http://127.0.0.1.evil.example/",
            "myapp:/cb",
            "http://tpp.example/",
            "file:///etc/passwd",
        ] {
            assert_eq!(judge_one(uri, true), Err(SCHEME), "{uri}");
        }
    }
}
