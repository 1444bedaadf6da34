//! `[upstreams.NAME]`: identity servers, how they are reached and what their profile reserves.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::Reading;
use super::files::{FileContent, Secret};
use super::values::{self, HOUR, MINUTE, SECOND};
use crate::headers::verified::{CertificateForm, Chain, Dialect};
use crate::model::address::is_this_machine;
use crate::model::document::{Located, Place, Section};
use crate::upstream::profile::{GENERIC, PROFILES, Profile};

/// An identity server.
#[derive(Debug)]
pub struct Upstream {
    /// Scheme, host and port; paths come from the routes.
    pub url: Url,
    /// Default `generic`.
    pub profile: &'static Profile,
    /// Which headers tell it about the client's certificate.
    pub headers: Dialect,
    /// Whether its answers are made those of RFC 7591 (status, `client_secret_expires_at`, types of members). Default
    /// what the profile knows.
    pub normalise: bool,
    /// How many gated requests it takes at once, 1 to 1000; the others wait, some 16 of them for 10 seconds at most.
    /// Default what the profile knows, which is mostly no limit.
    pub max_concurrent: Option<usize>,
    /// TLS towards it; only with an https URL.
    pub tls: UpstreamTls,
    /// How long to wait for it.
    pub timeouts: Timeouts,
    /// Idle connections kept for proxied requests. Default 64, at most 10000: each holds a socket on both sides.
    pub max_idle: usize,
    /// Where the section stands.
    pub place: Place,
}

/// TLS towards an identity server or a database.
#[derive(Debug, Default)]
pub struct UpstreamTls {
    /// PEM roots instead of the system's; default the system's.
    pub roots: Option<FileContent>,
    /// Our own client certificate, PEM, and its key; default none.
    pub identity: Option<(FileContent, Secret)>,
}

/// How long to wait for an identity server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, TLS included. Default 2 s, up to 1 minute: nothing was sent yet, so failing early is safe.
    pub connect: Duration,
    /// From the last byte of a request to the head of its answer. Default 15 s, up to 10 minutes: beyond it the
    /// result of a registration is told as unknown.
    pub answer: Duration,
    /// Until an idle connection is closed. Default 60 s, up to 1 hour; should be less than the server's own.
    pub idle: Duration,
}

/// Reads every `[upstreams.NAME]`.
pub(super) fn upstreams(
    sections: Vec<(Located<String>, Section<'_>)>,
    from: &Reading<'_>,
) -> BTreeMap<String, Upstream> {
    sections
        .into_iter()
        .filter_map(|(name, section)| Some((name.value.clone(), upstream(&name, section, from)?)))
        .collect()
}

fn upstream(name: &Located<String>, section: Section<'_>, from: &Reading<'_>) -> Option<Upstream> {
    section.require("url");
    let url = values::origin(&section, "url");
    let built = PROFILES.iter().map(|profile| (profile.name, Some(profile)));
    let words: Vec<(&str, Option<&'static Profile>)> =
        built.chain(NOT_BUILT_PROFILES.iter().map(|name| (*name, None))).collect();
    let mut profile = GENERIC;
    values::word(&section, "profile", &words, &mut profile);
    values::word(&section, "http", &[("1.1", Some(())), ("2", None)], &mut ());
    let mut headers = Dialect { certificate: profile.certificate, chain: Chain::Omit };
    if let Some(section) = section.section("headers") {
        values::word(&section, "certificate", CERTIFICATE_HEADERS, &mut headers.certificate);
        if section.boolean("chain").is_some_and(|chain| chain.value) {
            headers.chain = Chain::Send;
        }
        if headers == (Dialect { certificate: CertificateForm::None, chain: Chain::Send }) {
            let place = section.place_of_key("chain");
            section.faults().error(Some(&place), "`chain` needs a header for the certificate itself", None);
        }
        section.finish();
    }
    let secure = url.as_ref().is_none_or(|url| url.value.scheme() == "https");
    if section.has("tls") && !secure {
        let place = section.place_of_key("tls");
        section.faults().error(Some(&place), "`tls` has no meaning for an http URL", None);
    }
    if let Some(url) = url.as_ref().filter(|url| !secure && !is_this_machine(&url.value)) {
        let help = "use https: who can write to this connection can pose as any client";
        section.faults().warning(Some(&url.place), "identity headers travel in clear text", Some(help.to_owned()));
    }
    let tls = section.section("tls").map_or_else(UpstreamTls::default, |section| tls(section, from));
    let mut timeouts = Timeouts { connect: 2 * SECOND, answer: 15 * SECOND, idle: MINUTE };
    if let Some(section) = section.section("timeouts") {
        values::duration(&section, "connect", SECOND / 10..=MINUTE, &mut timeouts.connect);
        values::duration(&section, "answer", SECOND..=10 * MINUTE, &mut timeouts.answer);
        values::duration(&section, "idle", SECOND..=HOUR, &mut timeouts.idle);
        section.finish();
    }
    let mut max_idle = 64;
    values::count(&section, "max_idle", 0..=10_000, &mut max_idle);
    let normalise = section.boolean("normalise").map_or(profile.normalise, |written| written.value);
    let max_concurrent = values::optional_count(&section, "max_concurrent", 1..=1000).or(profile.max_concurrent);
    section.finish();
    Some(Upstream {
        url: url?.value,
        profile,
        headers,
        normalise,
        max_concurrent,
        tls,
        timeouts,
        max_idle,
        place: name.place.clone(),
    })
}

pub(super) fn tls(section: Section<'_>, from: &Reading<'_>) -> UpstreamTls {
    let roots = from.files.file(&section, "roots");
    let certificate = from.files.file(&section, "certificate");
    let key = from.files.secret(&section, "key");
    if section.has("certificate") != section.has("key") {
        section.faults().error(Some(&section.place()), "`certificate` and `key` belong together", None);
    }
    section.finish();
    UpstreamTls { roots, identity: certificate.zip(key) }
}

const CERTIFICATE_HEADERS: &[(&str, Option<CertificateForm>)] = &[
    ("rfc9440", Some(CertificateForm::Rfc9440)),
    ("none", Some(CertificateForm::None)),
    ("xfcc", None),
    ("nginx-escaped", None),
    ("nginx-trusted", None),
    ("apache", None),
    ("haproxy-der", None),
];

const NOT_BUILT_PROFILES: &[&str] = &["curity"];

#[cfg(test)]
mod tests {
    use crate::config::tests::changed;

    #[test]
    fn an_upstream_is_reached_as_it_says() {
        let upstream = |text: &str| changed("url = \"http://127.0.0.1:3000\"", text);
        assert_eq!(
            upstream("url = \"http://idp.internal\""),
            ["11: warning: identity headers travel in clear text \
              (use https: who can write to this connection can pose as any client)"]
        );
        for (text, expected) in [
            ("", "10: `url` is missing in `upstreams.idp`"),
            (
                "url = \"idp.internal:8444\"",
                "11: `url` has to be an http or https URL (write it in full, such as \"https://idp.internal:8444\")",
            ),
            (
                "url = \"https://idp.internal/auth\"",
                "11: `url` ends with the host and port, without a path (write \"https://idp.internal\")",
            ),
            ("url = \"http://127.0.0.1\"\ntls = { roots = \"chain.pem\" }", "12: `tls` has no meaning for an http URL"),
            (
                "url = \"https://idp.internal\"\ntls = { certificate = \"chain.pem\" }",
                "12: `certificate` and `key` belong together",
            ),
            (
                "url = \"https://idp.internal\"\nheaders = { certificate = \"none\", chain = true }",
                "12: `chain` needs a header for the certificate itself",
            ),
            ("url = \"https://idp.internal\"\nmax_concurrent = 0", "12: `max_concurrent` must be from 1 to 1000"),
            (
                "url = \"https://idp.internal\"\nnormalize = true",
                "12: unknown key `normalize` (did you mean `normalise`?)",
            ),
            (
                "url = \"https://idp.internal\"\nnormalise = \"yes\"",
                "12: `normalise` has to be a boolean, not a string",
            ),
            (
                "url = \"https://idp.internal\"\nprofile = \"glewlwy\"",
                "12: `profile` does not know this word (did you mean `glewlwyd`?)",
            ),
            ("url = \"https://idp.internal\"\ntimeouts = { answer = \"11m\" }", "12: `answer` must be from 1s to 10m"),
        ] {
            assert_eq!(upstream(text), [expected]);
        }
    }
}
