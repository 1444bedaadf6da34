//! Floor 5: `dcrgate.toml` as run. Plain data, checked, with every file that it names read.
//!
//! [`Settings::load`] never stops at the first fault and never does more than
//! read files: no socket, no database, no policy is compiled and no certificate
//! judged here. What the design knows and the program cannot do yet is refused
//! with "not built yet", never ignored.
//!
//! | section | read in |
//! |---|---|
//! | `[listeners.NAME]`, `[hosts."NAME"]` | [`listeners`] |
//! | `[authorities.NAME]`, `[key_sets.NAME]`, `[fetch]` | [`trust`] |
//! | `[tokens.NAME]` | [`tokens`], with [`clients`] |
//! | `[credentials.NAME]` | [`credentials`], with [`clients`] |
//! | `[upstreams.NAME]` | [`upstreams`] |
//! | `[policies.NAME]` | [`policies`] |
//! | `[templates.NAME]` | [`templates`], read by `policy::template` |
//! | `[[routes]]` | [`routes`] and [`selection`], with the paths of `model::route_path` |
//! | `[store]`, `[audit]`, `[log]` | [`records`] |
//! | `[limits]` | [`limits`] |
//!
//! What several sections must agree on is checked in `consistency`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::digest::Digest;
use crate::model::document::{Document, Faults, Located, Problem, Section};
use crate::model::id::AuthorityName;
use crate::model::route_path::{PathPattern, ReservedPaths};

mod assemble;
pub mod clients;
mod consistency;
mod cors;
pub mod credentials;
pub mod discovery;
pub mod files;
pub mod limits;
pub mod listeners;
mod management;
mod names;
pub mod policies;
mod recording;
pub mod records;
pub mod routes;
pub mod selection;
pub mod templates;
pub mod tokens;
pub mod trust;
pub mod upstreams;
mod values;

#[cfg(test)]
pub(crate) mod tests;

pub use assemble::{Assembled, HttpLimits, ListenerPlan, TlsPlan, assemble, trial};
pub use recording::{RecordingError, database, open_recording};

use credentials::Credential;
use files::Files;
use limits::Limits;
use listeners::{Host, Listener};
use names::Names;
use policies::Policy;
use records::{Audit, Log, Store};
use routes::{Route, RouteKind};
use templates::Template;
use tokens::Token;
use trust::{Authority, Fetch, KeySet};
use upstreams::Upstream;

/// The configuration as run. Every reference in it resolves.
#[derive(Debug)]
pub struct Settings {
    /// By name; at least one.
    pub listeners: BTreeMap<String, Listener>,
    /// By host name, lower case and without port; at least one.
    pub hosts: BTreeMap<String, Host>,
    /// By name.
    pub authorities: BTreeMap<AuthorityName, Authority>,
    /// By name.
    pub key_sets: BTreeMap<String, KeySet>,
    /// By name.
    pub tokens: BTreeMap<String, Token>,
    /// By name.
    pub credentials: BTreeMap<String, Credential>,
    /// How directories are reached.
    pub fetch: Fetch,
    /// By name.
    pub upstreams: BTreeMap<String, Upstream>,
    /// By name, as deployed; a policy's own id stands in its file.
    pub policies: BTreeMap<String, Policy>,
    /// By name, as deployed.
    pub templates: BTreeMap<String, Template>,
    /// In file order; at least one. Which of two is meant says [`PathPattern::rank`].
    pub routes: Vec<Route>,
    /// There whenever a gated route is.
    pub store: Option<Store>,
    /// The ledger.
    pub audit: Audit,
    /// What strangers may cost.
    pub limits: Limits,
    /// The operational log.
    pub log: Log,
    read: BTreeMap<PathBuf, Digest>,
}

/// A configuration that can be run.
#[derive(Debug)]
pub struct Loaded {
    /// It.
    pub settings: Settings,
    /// What the person should know all the same.
    pub warnings: Vec<Problem>,
}

/// The configuration cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file itself could not be read.
    #[error("cannot read the configuration file `{}`: {}", path.display(), files::reason(source))]
    Unreadable {
        /// As given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has faults: all of them and the warnings, in the order of the file.
    #[error("the configuration has faults")]
    Invalid(Vec<Problem>),
}

impl Settings {
    /// Reads a configuration file and every file that it names; secrets also from the environment.
    ///
    /// # Errors
    /// 1. [`LoadError::Unreadable`]: there is no such file, or it is not UTF-8 text.
    /// 2. [`LoadError::Invalid`]: at least one fault is an error.
    pub fn load(path: &Path) -> Result<Loaded, LoadError> {
        Self::load_with(path, &|name| std::env::var_os(name))
    }

    fn load_with(path: &Path, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Loaded, LoadError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| LoadError::Unreadable { path: path.to_path_buf(), source })?;
        let faults = Faults::new();
        let files = Files::beside(path, &text, environment);
        let document = Document::parse(path.display().to_string(), text, &faults);
        let settings = Self::read(document.root(&faults), files, &faults);
        let failed = faults.any_error();
        let mut problems = faults.into_problems();
        problems.sort_by_key(|problem| problem.place.as_ref().map(|place| place.span.start));
        match settings {
            Some(settings) if !failed => Ok(Loaded { settings, warnings: problems }),
            _ => Err(LoadError::Invalid(problems)),
        }
    }

    fn read(root: Section<'_>, files: Files<'_>, faults: &Faults) -> Option<Self> {
        let sections = Sections::of(&root);
        let from = sections.reading(files, faults);
        let limits = limits::limits(root.section("limits"));
        let fetch = trust::fetch(root.section("fetch"), &from);
        let policies = policies::policies(sections.policies, &from);
        let routes = routes::routes(root.list("routes"), &from, &limits, &policies);
        let mut settings = Self {
            listeners: listeners::listeners(sections.listeners, &from),
            hosts: listeners::hosts(sections.hosts),
            authorities: trust::authorities(sections.authorities, &from, faults),
            key_sets: trust::key_sets(sections.key_sets, &from, &fetch),
            tokens: tokens::tokens(sections.tokens, &from, &fetch),
            credentials: credentials::credentials(sections.credentials, &from, &fetch),
            fetch,
            upstreams: upstreams::upstreams(sections.upstreams, &from),
            policies,
            templates: templates::templates(sections.templates, &from),
            routes,
            store: records::store(root.section("store"), &from),
            audit: records::audit(root.section("audit")),
            limits,
            log: records::log(root.section("log")),
            read: BTreeMap::new(),
        };
        values::not_built(&root, "admin");
        consistency::check(&settings, &root, faults);
        if !faults.any_error() {
            from.warn_unused(faults);
        }
        root.finish();
        settings.read = from.files.into_seen();
        Some(settings)
    }

    /// Over the contents of all files read: two configurations with the same digest do the same.
    pub fn digest(&self) -> Digest {
        let parts: Vec<&[u8]> = self.read.values().map(|digest| digest.as_bytes().as_slice()).collect();
        Digest::of_parts(&parts)
    }

    /// Every file whose change changes the configuration, itself included.
    pub fn watched_files(&self) -> impl Iterator<Item = &Path> {
        self.read.keys().map(PathBuf::as_path)
    }

    /// What no proxy route may reach at this upstream: gated paths, and documents that only leave rewritten.
    pub fn reserved_paths(&self, upstream: &str) -> ReservedPaths {
        let mut reserved = self.gated_paths(upstream);
        for route in &self.routes {
            if let RouteKind::Discovery(discovery) = &route.kind
                && self.is_same_server(&discovery.upstream, upstream)
            {
                reserved.add(discovery.to.value.clone());
            }
        }
        reserved
    }

    /// Whether two upstreams have the same host and port.
    fn is_same_server(&self, one: &str, other: &str) -> bool {
        let at =
            |name: &str| self.upstreams.get(name).map(|Upstream { url, .. }| (url.host(), url.port_or_known_default()));
        at(one) == at(other)
    }

    /// What is judged or denied at this upstream: the `to` of every gated route, whatever
    /// upstream it names (two names may mean one server), and what the profile of this upstream,
    /// or of another at the same host and port, names as registration, management or administration.
    pub fn gated_paths(&self, upstream: &str) -> ReservedPaths {
        let mut reserved = ReservedPaths::default();
        self.routes
            .iter()
            .filter_map(Route::registration)
            .for_each(|registration| reserved.add(registration.to.clone()));
        let managed = self.routes.iter().filter_map(Route::management);
        managed.for_each(|management| reserved.add(management.to.path().clone()));
        if let Some(Upstream { url, .. }) = self.upstreams.get(upstream) {
            let same = self.upstreams.values().filter(|other| {
                other.url.host() == url.host() && other.url.port_or_known_default() == url.port_or_known_default()
            });
            let paths =
                same.flat_map(|upstream| upstream.profile.gated).filter_map(|path| PathPattern::parse(path).ok());
            paths.for_each(|path| reserved.add(path));
        }
        reserved
    }
}

/// The named sections, gathered before any of them is read.
struct Sections<'d> {
    listeners: Vec<(Located<String>, Section<'d>)>,
    hosts: Vec<(Located<String>, Section<'d>)>,
    authorities: Vec<(Located<String>, Section<'d>)>,
    key_sets: Vec<(Located<String>, Section<'d>)>,
    tokens: Vec<(Located<String>, Section<'d>)>,
    credentials: Vec<(Located<String>, Section<'d>)>,
    upstreams: Vec<(Located<String>, Section<'d>)>,
    policies: Vec<(Located<String>, Section<'d>)>,
    templates: Vec<(Located<String>, Section<'d>)>,
}

impl<'d> Sections<'d> {
    fn of(root: &Section<'d>) -> Self {
        Self {
            listeners: root.named("listeners"),
            hosts: root.named("hosts"),
            authorities: root.named("authorities"),
            key_sets: root.named("key_sets"),
            tokens: root.named("tokens"),
            credentials: root.named("credentials"),
            upstreams: root.named("upstreams"),
            policies: root.named("policies"),
            templates: root.named("templates"),
        }
    }

    fn reading<'e>(&self, files: Files<'e>, faults: &Faults) -> Reading<'e> {
        Reading {
            files,
            listeners: Names::of("listener", "listeners", &self.listeners).plain(faults),
            hosts: Names::of("host", "hosts", &self.hosts),
            authorities: Names::of("authority", "authorities", &self.authorities).plain(faults),
            key_sets: Names::of("key set", "key_sets", &self.key_sets).plain(faults),
            tokens: Names::of("token setting", "tokens", &self.tokens).plain(faults),
            credentials: Names::of("credential", "credentials", &self.credentials).plain(faults),
            upstreams: Names::of("upstream", "upstreams", &self.upstreams).plain(faults),
            policies: Names::of("policy", "policies", &self.policies).plain(faults),
            templates: Names::of("template", "templates", &self.templates).plain(faults),
        }
    }
}

/// What the readers of sections share: files, and the names that may be referred to.
struct Reading<'e> {
    files: Files<'e>,
    listeners: Names,
    hosts: Names,
    authorities: Names,
    key_sets: Names,
    tokens: Names,
    credentials: Names,
    upstreams: Names,
    policies: Names,
    templates: Names,
}

impl Reading<'_> {
    fn warn_unused(&self, faults: &Faults) {
        self.authorities.warn_unused("policy", faults);
        self.key_sets.warn_unused("policy", faults);
        self.tokens.warn_unused("route", faults);
        self.credentials.warn_unused("route", faults);
        self.upstreams.warn_unused("route", faults);
        self.policies.warn_unused("route", faults);
        self.templates.warn_unused("route", faults);
    }
}
