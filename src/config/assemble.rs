//! From settings to running parts: trust files are opened, policies compiled, keys parsed.
//!
//! `check` and the server go through the same door, so what `check` accepts can
//! be run. Every fault of every part is reported, at the line that names it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio_util::task::TaskTracker;

use super::discovery::Discovery;
use super::management::Management;
use super::records::{Database, Store};
use super::routes::{Registration, Route as WrittenRoute, RouteKind as Written};
use super::selection::{Entry, PolicyChoice};
use super::templates::Template;
use super::{Settings, listeners as written};
use crate::headers::forwarded::PublicBase;
use crate::jose::{KeySets, SoftwareKeys};
use crate::model::client_path::ClientPath;
use crate::model::document::Faults;
use crate::model::time::Clock;
use crate::oauth::Credential;
use crate::pipeline::discovery::{DiscoveryRoute, Documents};
use crate::pipeline::routes::{
    Choice, Host, ManagementRoute, PolicyUse, ProxyRoute, RegistrationRoute, Route, RouteKind, Routes,
};
use crate::pipeline::snapshot::{GatedLimits, Recording, Snapshot};
use crate::pipeline::tally::Tallies;
use crate::pipeline::template::TemplateUse;
use crate::pipeline::token::Issuer;
use crate::policy::effective::Effective;
use crate::policy::{Policy, Signer, lint};
use crate::tls;
use crate::upstream::{PublicRoute, Upstream};

mod client_auth;
mod credentials;
mod listeners;
mod tokens;
mod trust;

pub use listeners::{HttpLimits, ListenerPlan, TlsPlan};
pub(super) use trust::client_tls;

/// Running parts of one configuration.
#[derive(Debug)]
pub struct Assembled {
    /// What requests are judged by.
    pub snapshot: Snapshot,
    /// How connections are accepted, by listener.
    pub plans: BTreeMap<String, Arc<ListenerPlan>>,
}

/// Counts snapshots, so that a judgement made under one is not taken for another's.
static GENERATION: AtomicU64 = AtomicU64::new(1);

/// Builds everything that a configuration describes; connects to nothing and
/// binds nothing. `None` when an error was recorded.
pub fn assemble(
    settings: &Settings,
    recording: Option<Arc<Recording>>,
    clock: &Arc<dyn Clock>,
    tasks: &TaskTracker,
    faults: &Faults,
) -> Option<Assembled> {
    let authorities = Arc::new(trust::authorities(settings, faults));
    let fetch = trust::fetch_settings(settings, faults);
    let fetcher = fetch.as_ref().and_then(|fetch| trust::fetcher(fetch, faults));
    let credentials = fetch.as_ref().map(|fetch| credentials::credentials(settings, fetch, faults)).unwrap_or_default();
    let issuers = fetch.as_ref().map(|fetch| tokens::issuers(settings, fetch, faults)).unwrap_or_default();
    // Without a recording nothing is judged: these are counted by nobody.
    let tallies = recording.as_ref().map_or_else(Arc::default, |recording| Arc::clone(&recording.tallies));
    let routes = routes(settings, (&issuers, &credentials), &tallies, faults);
    let plans = listeners::plans(settings, &authorities, clock, faults);
    let fetcher = fetcher.filter(|_| !faults.any_error())?;
    let snapshot = Snapshot {
        generation: GENERATION.fetch_add(1, Ordering::Relaxed),
        configuration: settings.digest(),
        authorities,
        routes,
        key_sets: Arc::new(KeySets::new(trust::key_sources(settings), &fetcher, clock)),
        software_keys: Arc::new(SoftwareKeys::new(Arc::clone(&fetcher))),
        fetcher,
        credentials: credentials.into_values().collect(),
        recording,
        clock: Arc::clone(clock),
        limits: GatedLimits {
            body_timeout: settings.limits.body_timeout,
            answer_window: settings.store.as_ref().map_or(Duration::ZERO, |store| store.answer_window),
        },
        body_idle: settings.limits.proxied_body_idle,
        tasks: tasks.clone(),
    };
    Some(Assembled { snapshot, plans })
}

/// Builds everything and lets it go: for `check`. One line for each thing that is good.
pub fn trial(settings: &Settings, clock: &Arc<dyn Clock>, faults: &Faults) -> Vec<String> {
    let Some(built) = assemble(settings, None, clock, &TaskTracker::new(), faults) else { return Vec::new() };
    dangers(settings, faults);
    if let Some(Store { database: Database::Postgres(database), .. }) = &settings.store {
        client_tls(&database.tls, &database.place, "`[store] tls`", faults);
    }
    let authorities = settings.authorities.iter().map(|(name, authority)| {
        let anchors = tls::read_certificates(&authority.anchors.bytes).map_or(0, |anchors| anchors.len());
        format!("authority {name}: {}", counted(anchors, "anchor"))
    });
    let policies = built.snapshot.routes.policies().into_iter().map(|policy| {
        let rules = counted(policy.rules().count(), "rule");
        format!("policy {} {}: {rules}", policy.id(), policy.version())
    });
    authorities.chain(policies).collect()
}

/// Warns of policies that protect less than they seem to.
fn dangers(settings: &Settings, faults: &Faults) {
    for policy in settings.policies.values() {
        let read = |path: &str| policy.base(path);
        // Its faults are told already.
        let effective = Effective::read(&policy.file, &policy.text, &read, &policy.params, &Faults::new());
        effective.iter().flat_map(lint::warnings).for_each(|warning| faults.push(warning));
    }
}

/// `1 anchor`, `2 anchors`.
fn counted(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// By their names, what routes ask of callers' tokens and what they show of ours.
type Tokens<'a, 's> = (&'a BTreeMap<&'s str, Arc<Issuer>>, &'a BTreeMap<&'s str, Arc<Credential>>);

fn routes(settings: &Settings, (issuers, credentials): Tokens<'_, '_>, tallies: &Tallies, faults: &Faults) -> Routes {
    let hosts =
        settings.hosts.iter().filter_map(|(name, host)| Some((name.as_str().into(), host_of(name, host, faults)?)));
    let mut routes = Routes::new(hosts.collect());
    let upstreams: BTreeMap<&str, Arc<Upstream>> = settings
        .upstreams
        .iter()
        .filter_map(|(name, written)| Some((name.as_str(), trust::upstream(name, written, faults)?)))
        .collect();
    let policies = policies(settings, faults);
    for written in &settings.routes {
        let kind = match &written.kind {
            Written::Deny => RouteKind::Deny,
            Written::Proxy { upstream } => {
                let Some(server) = upstreams.get(upstream.as_str()) else { continue };
                RouteKind::Proxy(ProxyRoute {
                    upstream: Arc::clone(server),
                    public: PublicRoute::new(settings.reserved_paths(upstream)),
                })
            }
            Written::Discovery(discovery) => {
                let Some(server) = upstreams.get(discovery.upstream.as_str()) else { continue };
                let Some(settings) = discovery_route(settings, written, discovery, server) else { continue };
                RouteKind::Discovery(Box::new(settings))
            }
            Written::Registration(registration) => {
                let Some(server) = upstreams.get(registration.upstream.as_str()) else { continue };
                let Ok(to) = PathAndQuery::try_from(registration.to.to_string()) else { continue };
                let token = match &registration.token {
                    None => None,
                    Some(wanted) => {
                        let Some(rule) = tokens::rule(issuers, wanted) else { continue };
                        Some(rule)
                    }
                };
                let Some(shown) = credentials::shown(credentials, &registration.token_to_upstream) else { continue };
                let uses = policy_uses(settings, &registration.policy, &policies, tallies, faults);
                client_auth::check(settings, written, uses.iter().all(PolicyUse::needs_certificate), faults);
                RouteKind::Registration(Box::new(RegistrationRoute {
                    upstream: Arc::clone(server),
                    to,
                    token,
                    token_to_upstream: shown,
                    templates: template_uses(settings, registration, &uses, faults),
                    policies: uses,
                    body_bytes: registration.body_bytes,
                    managed_at: managed_at(settings, written, &registration.upstream),
                }))
            }
            Written::Management(management) => {
                let Some(server) = upstreams.get(management.upstream.as_str()) else { continue };
                let uses = managed_under(settings, management, &policies, tallies);
                client_auth::check(settings, written, uses.iter().all(PolicyUse::needs_certificate), faults);
                RouteKind::Management(Box::new(ManagementRoute {
                    upstream: Arc::clone(server),
                    client: management.client.clone(),
                    to: management.to.clone(),
                    policies: uses,
                    templates: all_templates(settings),
                    body_bytes: management.body_bytes,
                }))
            }
        };
        let route = Arc::new(Route { path: written.path.to_string().into(), kind, cors: written.cors.clone() });
        for listener in &written.listeners {
            for host in &written.hosts {
                routes.add(listener, host, &written.path, &route);
            }
        }
    }
    routes
}

fn discovery_route(
    settings: &Settings,
    route: &WrittenRoute,
    written: &Discovery,
    upstream: &Arc<Upstream>,
) -> Option<DiscoveryRoute> {
    Some(DiscoveryRoute {
        upstream: Arc::clone(upstream),
        to: PathAndQuery::try_from(written.to.value.to_string()).ok()?,
        public: PublicRoute::new(settings.gated_paths(&written.upstream)),
        max_age: written.max_age,
        max_stale: written.max_stale,
        mtls_host: written.mtls_host.as_ref().map(|host| host.value.as_str().into()),
        registration: written.registration.as_ref().map(|path| path.value.to_string().into()),
        documents: Documents::new(&route.listeners, &route.hosts),
    })
}

/// Where the clients of a registration route are managed, on one of its own hosts and listeners.
fn managed_at(settings: &Settings, registration: &WrittenRoute, upstream: &str) -> Option<ClientPath> {
    let share = |ours: &[String], theirs: &[String]| ours.iter().any(|name| theirs.contains(name));
    let managements = settings.routes.iter().filter_map(|route| Some((route, route.management()?)));
    managements
        .filter(|(_, management)| management.upstream == upstream)
        .find(|(route, _)| share(&route.hosts, &registration.hosts) && share(&route.listeners, &registration.listeners))
        .map(|(_, management)| management.client.clone())
}

/// Every policy that registers clients of the route's upstream, each use once. What is wrong with one is told where
/// it registers.
fn managed_under(
    settings: &Settings,
    management: &Management,
    policies: &BTreeMap<&str, Arc<Policy>>,
    tallies: &Tallies,
) -> Vec<PolicyUse> {
    let registrations = settings.routes.iter().filter_map(WrittenRoute::registration);
    registrations
        .filter(|registration| registration.upstream == management.upstream)
        .flat_map(|registration| policy_uses(settings, &registration.policy, policies, tallies, &Faults::new()))
        .collect()
}

fn host_of(name: &str, written: &written::Host, faults: &Faults) -> Option<Arc<Host>> {
    let public_base = PublicBase::parse(written.public_base.as_str())
        .map_err(|error| faults.error(Some(&written.place), error.to_string(), None))
        .ok()?;
    Some(Arc::new(Host { name: name.into(), public_base, client_auth: written.client_auth }))
}

fn policies<'s>(settings: &'s Settings, faults: &Faults) -> BTreeMap<&'s str, Arc<Policy>> {
    settings
        .policies
        .iter()
        .filter_map(|(name, written)| {
            let read = |path: &str| written.base(path);
            let policy = crate::policy::compile(&written.file, &written.text, &read, &written.params, faults)?;
            Some((name.as_str(), Arc::new(policy)))
        })
        .collect()
}

fn policy_uses(
    settings: &Settings,
    choice: &PolicyChoice,
    policies: &BTreeMap<&str, Arc<Policy>>,
    tallies: &Tallies,
    faults: &Faults,
) -> Vec<PolicyUse> {
    let named = |name: &str, choice: Choice| {
        let (written, policy) = (settings.policies.get(name)?, policies.get(name)?);
        let only = choice.authority.as_ref();
        let authorities = only.map_or_else(|| written.authorities.clone(), |authority| vec![authority.clone()]);
        let statement_keys = key_set_of(policy, written, name, faults);
        let tally = tallies.of(policy);
        Some(PolicyUse { policy: Arc::clone(policy), choice, authorities, statement_keys, tally })
    };
    match choice {
        PolicyChoice::One(name) => named(name, Choice::default()).into_iter().collect(),
        PolicyChoice::Several(entries) => {
            let choice =
                |entry: &Entry| Choice { authority: entry.authority.clone(), token_scope: entry.token_scope.clone() };
            entries.iter().filter_map(|entry| named(&entry.policy, choice(entry))).collect()
        }
    }
}

/// The templates of a route. A request that is signed as a whole says all of itself, and names none.
fn template_uses(
    settings: &Settings,
    registration: &Registration,
    policies: &[PolicyUse],
    faults: &Faults,
) -> Vec<Arc<TemplateUse>> {
    let signed = policies.iter().find(|policy| policy.policy.request().is_some());
    let named = registration.templates.iter().filter_map(|name| {
        if let Some(policy) = signed {
            let message =
                format!("policy `{}` wants signed requests, which cannot name a template", policy.policy.id());
            faults.error(Some(&name.place), message, None);
        }
        settings.templates.get_key_value(&name.value).map(template_use)
    });
    named.collect()
}

/// Every template, for the clients that were made from one.
fn all_templates(settings: &Settings) -> Vec<Arc<TemplateUse>> {
    settings.templates.iter().map(template_use).collect()
}

fn template_use((name, written): (&String, &Template)) -> Arc<TemplateUse> {
    let (template, authorities) = (Arc::clone(&written.template), written.authorities.clone());
    Arc::new(TemplateUse { name: name.as_str().into(), template, authorities })
}

/// The key set that plays the role which the policy names.
fn key_set_of(policy: &Policy, written: &super::policies::Policy, name: &str, faults: &Faults) -> Option<String> {
    let role = &policy.statement().filter(|statement| statement.signer == Signer::Directory)?.key_set;
    let set = written.key_sets.get(role);
    if set.is_none() {
        let help = format!("key_sets = {{ {role} = \"NAME\" }}, where [key_sets.NAME] is the directory's");
        faults.error(
            Some(&written.place),
            format!("policy `{name}` needs a key set for the role `{role}`"),
            Some(help),
        );
    }
    set.cloned()
}
