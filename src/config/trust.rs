//! `[authorities.NAME]`, `[key_sets.NAME]` and `[fetch]`: whom dcrgate believes and how it asks them.
//!
//! Files are read, not understood: `tls` and `jose` do that, and report faults
//! at the places kept here. The exception are the anchors, which are compared
//! across authorities: one anchor in two of them would leave open which one judged.

use std::collections::BTreeMap;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use url::Url;

use super::Reading;
use super::files::FileContent;
use super::values::{self, DAY, HOUR, MINUTE};
use crate::model::address::is_this_machine;
use crate::model::document::{Faults, Located, Place, Section};
use crate::model::id::AuthorityName;
use crate::tls::{CompleteChain, RevocationMode};

/// Roots that clients' certificates may end in.
#[derive(Debug)]
pub struct Authority {
    /// PEM certificates that end a path.
    pub anchors: FileContent,
    /// PEM certificates that may stand between; default none.
    pub intermediates: Option<FileContent>,
    /// Default never.
    pub complete_chain: CompleteChain,
    /// Default: not asked.
    pub revocation: Revocation,
    /// Where the section stands.
    pub place: Place,
}

/// How an authority's revocations count (RFC 5280 §6.3).
#[derive(Debug)]
pub struct Revocation {
    /// Default `off` without a `revocation` table, `prefer` in one.
    pub mode: RevocationMode,
    /// Lists in DER or PEM; default none.
    pub crls: Vec<FileContent>,
    /// How long after its nextUpdate a list still counts. Default none, at most 7 days:
    /// longer would hide that the list is no longer renewed.
    pub grace: Duration,
}

/// Keys that sign software statements (RFC 7517).
#[derive(Debug)]
pub struct KeySet {
    /// Where they are published.
    pub location: KeyLocation,
    /// How often to ask again. Default 15 minutes, from 1 minute to 1 day.
    pub refresh: Duration,
    /// How long after the last success the keys still count. Default 24 hours, from `refresh` to
    /// 7 days: beyond that a withdrawn key would live on.
    pub max_stale: Duration,
    /// Where the section stands.
    pub place: Place,
}

/// Where a key set is.
#[derive(Debug)]
pub enum KeyLocation {
    /// `url`: https, or http to this machine.
    Url(Url),
    /// `file`: a JWK set, as read at load.
    File(FileContent),
}

/// How dcrgate reaches directories.
#[derive(Debug, Default)]
pub struct Fetch {
    /// Forward proxy for all fetches; default none, and the environment's is never used.
    pub proxy: Option<Url>,
    /// The only hosts that may be asked; default any. Has to be given with a proxy, which
    /// resolves names itself, so that our filter of addresses does not see them.
    pub hosts: Option<Vec<String>>,
    /// PEM roots besides the system's; default none.
    pub roots: Option<FileContent>,
    /// Hosts that may resolve to private addresses; default none.
    pub private_hosts: Vec<String>,
}

/// Reads every `[authorities.NAME]`.
pub(super) fn authorities(
    sections: Vec<(Located<String>, Section<'_>)>,
    from: &Reading<'_>,
    faults: &Faults,
) -> BTreeMap<AuthorityName, Authority> {
    let mut found: BTreeMap<AuthorityName, Authority> = BTreeMap::new();
    let mut owners: BTreeMap<Vec<u8>, AuthorityName> = BTreeMap::new();
    for (name, section) in sections {
        let Some(authority) = authority(&name, section, from) else { continue };
        let name = AuthorityName::new(name.value);
        let anchors = CertificateDer::pem_slice_iter(&authority.anchors.bytes).flatten();
        let shared =
            anchors.filter_map(|anchor| owners.insert(anchor.to_vec(), name.clone())).find(|owner| *owner != name);
        if let Some(owner) = shared {
            let help = "an anchor says which authority a certificate belongs to; move it to one of them";
            let message = format!("authority `{owner}` holds one of these anchors already");
            faults.error(Some(&authority.anchors.place), message, Some(help.to_owned()));
        }
        found.insert(name, authority);
    }
    found
}

fn authority(name: &Located<String>, section: Section<'_>, from: &Reading<'_>) -> Option<Authority> {
    let anchors = from.files.required_file(&section, "anchors");
    let intermediates = from.files.file(&section, "intermediates");
    let complete_chain = match section.boolean("complete_chain") {
        Some(Located { value: true, .. }) => CompleteChain::FromConfiguration,
        _ => CompleteChain::Never,
    };
    let none = Revocation { mode: RevocationMode::Off, crls: Vec::new(), grace: Duration::ZERO };
    let revocation = section.section("revocation").map_or(none, |section| revocation(section, from));
    section.finish();
    Some(Authority { anchors: anchors?, intermediates, complete_chain, revocation, place: name.place.clone() })
}

fn revocation(section: Section<'_>, from: &Reading<'_>) -> Revocation {
    let faults = section.faults();
    let mut mode = RevocationMode::Prefer;
    let words = [
        ("off", Some(RevocationMode::Off)),
        ("prefer", Some(RevocationMode::Prefer)),
        ("require", Some(RevocationMode::Require)),
    ];
    values::word(&section, "mode", &words, &mut mode);
    let named = section.texts("crl").unwrap_or_default();
    let listed = !named.is_empty();
    let crls = named.into_iter().filter_map(|named| {
        if named.value.starts_with("http://") || named.value.starts_with("https://") {
            let help = "have a timer fetch the list into a file, and name the file";
            faults.error(Some(&named.place), "fetching a `crl` is not built yet", Some(help.to_owned()));
            return None;
        }
        from.files.read(&named, faults)
    });
    let crls = crls.collect();
    if section.boolean("ocsp").is_some_and(|asked| asked.value) {
        values::not_built(&section, "ocsp");
    }
    let mut grace = Duration::ZERO;
    values::duration(&section, "grace", Duration::ZERO..=7 * DAY, &mut grace);
    if mode == RevocationMode::Require && !listed {
        let help = "name the authority's lists in `crl`";
        let place = section.place_of_key("mode");
        faults.error(Some(&place), "`require` without a list would refuse everyone", Some(help.to_owned()));
    }
    section.finish();
    Revocation { mode, crls, grace }
}

/// Reads every `[key_sets.NAME]`.
pub(super) fn key_sets(
    sections: Vec<(Located<String>, Section<'_>)>,
    from: &Reading<'_>,
    fetch: &Fetch,
) -> BTreeMap<String, KeySet> {
    sections
        .into_iter()
        .filter_map(|(name, section)| Some((name.value.clone(), key_set(&name, section, from, fetch)?)))
        .collect()
}

fn key_set(name: &Located<String>, section: Section<'_>, from: &Reading<'_>, fetch: &Fetch) -> Option<KeySet> {
    let faults = section.faults();
    if section.has("url") == section.has("file") {
        faults.error(Some(&section.place()), "a key set has either `url` or `file`", None);
    }
    let url = values::url(&section, "url").filter(|url| may_ask(url, fetch, faults));
    let file = from.files.file(&section, "file");
    let mut refresh = 15 * MINUTE;
    values::duration(&section, "refresh", MINUTE..=DAY, &mut refresh);
    let mut max_stale = 24 * HOUR;
    values::duration(&section, "max_stale", MINUTE..=7 * DAY, &mut max_stale);
    if max_stale < refresh {
        let place = section.place_of_key("max_stale");
        faults.error(Some(&place), "`max_stale` is shorter than `refresh`: keys would expire between fetches", None);
    }
    section.finish();
    let location = url.map(|url| KeyLocation::Url(url.value)).or(file.map(KeyLocation::File))?;
    Some(KeySet { location, refresh, max_stale, place: name.place.clone() })
}

fn may_ask(url: &Located<Url>, fetch: &Fetch, faults: &Faults) -> bool {
    if url.value.scheme() != "https" && !(fetch.proxy.is_none() && is_this_machine(&url.value)) {
        faults.error(
            Some(&url.place),
            "keys are fetched over https (http only from this machine, without a proxy)",
            None,
        );
        return false;
    }
    is_listed(url, fetch, faults)
}

/// Whether `[fetch]` lets us ask this host.
pub(super) fn is_listed(url: &Located<Url>, fetch: &Fetch, faults: &Faults) -> bool {
    let host = url.value.host_str().unwrap_or_default();
    let allowed = fetch.hosts.as_ref().is_none_or(|hosts| hosts.iter().any(|allowed| allowed == host));
    if !allowed {
        let help = format!("add \"{host}\" to `hosts` in `[fetch]`");
        faults.error(Some(&url.place), "this host is not on the list of `[fetch]`", Some(help));
    }
    allowed
}

/// Reads `[fetch]`.
pub(super) fn fetch(section: Option<Section<'_>>, from: &Reading<'_>) -> Fetch {
    let Some(section) = section else { return Fetch::default() };
    let texts = |key: &str| {
        section.texts(key).map(|texts| texts.into_iter().map(|text| text.value.to_ascii_lowercase()).collect())
    };
    let proxy = values::origin(&section, "proxy");
    let hosts: Option<Vec<String>> = texts("hosts");
    if let Some(proxy) = proxy.as_ref().filter(|_| hosts.as_ref().is_none_or(Vec::is_empty)) {
        let help = "list in `hosts` the hosts that may be asked through it";
        section.faults().error(Some(&proxy.place), "`proxy` needs a list of `hosts`", Some(help.to_owned()));
    }
    let roots = from.files.file(&section, "roots");
    let private_hosts = texts("private_hosts").unwrap_or_default();
    section.finish();
    Fetch { proxy: proxy.map(|url| url.value), hosts, roots, private_hosts }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{Folder, GOOD, changed, extended};

    fn pem(content: &str) -> String {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(content);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn an_anchor_belongs_to_one_authority() {
        let policy = "authorities = [\"scheme\", \"other\"]";
        let text =
            GOOD.replace("authorities = [\"scheme\"]", policy) + "[authorities.other]\nanchors = \"other.pem\"\n";
        let folder = Folder::with(&text);
        folder.write("anchors.pem", &(pem("a") + &pem("b") + &pem("b")));
        folder.write("other.pem", &pem("c"));
        assert_eq!(folder.problems(), [""; 0]);
        folder.write("other.pem", &(pem("c") + &pem("b")));
        assert_eq!(
            folder.problems(),
            ["27: authority `scheme` holds one of these anchors already \
              (an anchor says which authority a certificate belongs to; move it to one of them)"]
        );
    }

    #[test]
    fn revocation_is_never_promised_without_lists() {
        let revocation = |text: &str| changed("[key_sets", &format!("revocation = {{ {text} }}\n[key_sets"));
        assert_eq!(revocation("mode = \"require\", crl = \"chain.pem\", grace = \"6h\""), [""; 0]);
        assert_eq!(
            revocation("mode = \"require\""),
            ["8: `require` without a list would refuse everyone (name the authority's lists in `crl`)"]
        );
        assert_eq!(revocation("grace = \"169h\""), ["8: `grace` must be from 0s to 168h"]);
    }

    #[test]
    fn keys_come_from_one_place_and_safely() {
        let keys = |text: &str| changed("file = \"keys.jwks\"", text);
        assert_eq!(keys("url = \"https://keys.example/a\""), [""; 0]);
        assert_eq!(keys("url = \"http://localhost:1/a\""), [""; 0]);
        assert_eq!(
            keys("url = \"http://keys.example/a\""),
            ["9: keys are fetched over https (http only from this machine, without a proxy)"]
        );
        assert_eq!(keys(""), ["8: a key set has either `url` or `file`"]);
        assert_eq!(
            keys("file = \"keys.jwks\"\nmax_stale = \"5m\""),
            ["10: `max_stale` is shorter than `refresh`: keys would expire between fetches"]
        );
    }

    #[test]
    fn a_proxy_asks_only_listed_hosts() {
        let fetch = |text: &str| extended(&format!("[fetch]\n{text}\n"));
        assert_eq!(
            fetch("proxy = \"http://proxy.example:3128\""),
            ["27: `proxy` needs a list of `hosts` (list in `hosts` the hosts that may be asked through it)"]
        );
        assert_eq!(fetch("proxy = \"http://proxy.example:3128\"\nhosts = [\"keys.example\"]"), [""; 0]);
        let here = GOOD.replace("file = \"keys.jwks\"", "url = \"http://localhost:1/a\"");
        assert_eq!(
            Folder::with(&(here + "[fetch]\nproxy = \"http://proxy.example:3128\"\nhosts = [\"localhost\"]\n"))
                .problems(),
            ["9: keys are fetched over https (http only from this machine, without a proxy)"]
        );
        let text = GOOD.replace("file = \"keys.jwks\"", "url = \"https://elsewhere.example/a\"");
        assert_eq!(
            Folder::with(&(text + "[fetch]\nhosts = [\"keys.example\"]\n")).problems(),
            ["9: this host is not on the list of `[fetch]` (add \"elsewhere.example\" to `hosts` in `[fetch]`)"]
        );
    }
}
