//! Trust, keys and servers: authorities, key sets, fetcher, identity servers.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::Settings;
use crate::config::files::{FileContent, Secret};
use crate::config::trust::{self, KeyLocation};
use crate::config::upstreams;
use crate::jose::KeySource;
use crate::model::document::{Faults, Place};
use crate::model::id::AuthorityName;
use crate::net::{self, FetchSettings, Fetcher};
use crate::tls::{self, Authorities, Authority, AuthoritySource};
use crate::upstream::{Upstream, UpstreamSettings};

pub(super) fn authorities(settings: &Settings, faults: &Faults) -> Authorities {
    let authorities = Authorities::new(
        settings.authorities.iter().filter_map(|(name, authority)| read_authority(name, authority, faults)).collect(),
    );
    // A renewed root with the same key is the same root: which authority vouches would hang on chance.
    for shared in authorities.shared_anchors() {
        let place = settings.authorities.get(&shared.second).map(|authority| &authority.anchors.place);
        let message =
            format!("authorities `{}` and `{}` share the anchor {}", shared.first, shared.second, shared.subject);
        faults.error(place, message, None);
    }
    authorities
}

fn read_authority(name: &AuthorityName, authority: &trust::Authority, faults: &Faults) -> Option<Authority> {
    let anchors = certificates(&authority.anchors, faults)?;
    let intermediates = match &authority.intermediates {
        Some(file) => certificates(file, faults)?,
        None => Vec::new(),
    };
    let mut crls = Vec::new();
    for file in &authority.revocation.crls {
        match tls::read_crls(&file.bytes) {
            Ok(read) => crls.extend(read),
            Err(error) => faults.error(Some(&file.place), format!("not a revocation list: {error}"), None),
        }
    }
    let source = AuthoritySource {
        name: name.clone(),
        anchors,
        intermediates,
        complete_chain: authority.complete_chain,
        revocation: tls::RevocationRule { mode: authority.revocation.mode, crls, grace: authority.revocation.grace },
    };
    Authority::new(source)
        .map_err(|error| faults.error(Some(&authority.place), format!("authority `{name}`: {error}"), None))
        .ok()
}

pub(super) fn certificates(file: &FileContent, faults: &Faults) -> Option<Vec<CertificateDer<'static>>> {
    tls::read_certificates(&file.bytes)
        .map_err(|error| faults.error(Some(&file.place), format!("`{}`: {error}", file.path.display()), None))
        .ok()
}

/// How everything that is no proxy path is reached.
pub(super) fn fetch_settings(settings: &Settings, faults: &Faults) -> Option<FetchSettings> {
    let roots = match &settings.fetch.roots {
        Some(file) => certificates(file, faults)?,
        None => Vec::new(),
    };
    Some(FetchSettings {
        proxy: settings.fetch.proxy.clone(),
        roots,
        private_hosts: settings.fetch.private_hosts.clone(),
    })
}

pub(super) fn fetcher(fetch: &FetchSettings, faults: &Faults) -> Option<Arc<Fetcher>> {
    Fetcher::new(fetch).map(Arc::new).map_err(|error| faults.error(None, format!("`[fetch]`: {error}"), None)).ok()
}

pub(super) fn key_sources(settings: &Settings) -> Vec<KeySource> {
    // The last good set is kept, so that a restart during an outage works.
    let folder = settings.store.as_ref().and_then(|store| store.key_copies.as_ref());
    settings
        .key_sets
        .iter()
        .map(|(name, set)| KeySource {
            name: name.as_str().into(),
            location: match &set.location {
                KeyLocation::Url(url) => crate::jose::KeyLocation::Url(url.clone()),
                KeyLocation::File(file) => crate::jose::KeyLocation::File(file.path.clone()),
            },
            refresh: set.refresh,
            max_stale: set.max_stale,
            disk_copy: match &set.location {
                KeyLocation::Url(_) => folder.map(|folder| folder.join(format!("{name}.json"))),
                KeyLocation::File(_) => None,
            },
        })
        .collect()
}

/// A client certificate of ours, and its key.
pub(super) fn identity(
    chain: &FileContent,
    key: &Secret,
    faults: &Faults,
) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain = certificates(chain, faults)?;
    let key = tls::read_key(key.expose())
        .map_err(|error| faults.error(Some(&key.place), format!("the key cannot be used: {error}"), None))
        .ok()?;
    Some((chain, key))
}

/// TLS as a client, under the roots and as whom it is written. `whom` begins the fault's text.
pub(in crate::config) fn client_tls(
    written: &upstreams::UpstreamTls,
    place: &Place,
    whom: &str,
    faults: &Faults,
) -> Option<rustls::ClientConfig> {
    let roots = match &written.roots {
        Some(file) => certificates(file, faults)?,
        None => Vec::new(),
    };
    let identity = match &written.identity {
        None => None,
        Some((chain, key)) => Some(identity(chain, key, faults)?),
    };
    net::client_config(&roots, identity)
        .map_err(|error| faults.error(Some(place), format!("{whom}: {error}"), None))
        .ok()
}

pub(super) fn upstream(name: &str, written: &upstreams::Upstream, faults: &Faults) -> Option<Arc<Upstream>> {
    let tls = client_tls(&written.tls, &written.place, &format!("upstream `{name}`"), faults)?;
    let settings = UpstreamSettings {
        name: name.to_owned(),
        url: written.url.clone(),
        profile: written.profile,
        normalise: written.normalise,
        max_concurrent: written.max_concurrent,
        dialect: written.headers,
        tls,
        connect_timeout: written.timeouts.connect,
        answer_timeout: written.timeouts.answer,
        idle_timeout: written.timeouts.idle,
        max_idle: written.max_idle,
    };
    Upstream::new(settings)
        .map(Arc::new)
        .map_err(|error| faults.error(Some(&written.place), format!("upstream `{name}`: {error}"), None))
        .ok()
}
