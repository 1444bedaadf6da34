//! Which route a request takes: listener, host and path, compiled at load.
//!
//! An exact path wins over a prefix, a longer prefix over a shorter one
//! ([`PathPattern::rank`]). What matches nothing is 404.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;
use http::uri::PathAndQuery;

use super::discovery::DiscoveryRoute;
use super::tally::Tally;
use super::template::TemplateUse;
use super::token::TokenRule;
use crate::headers::cors::Cors;
use crate::headers::forwarded::PublicBase;
use crate::model::binding::Binding;
use crate::model::client_path::ClientPath;
use crate::model::id::AuthorityName;
use crate::model::path;
use crate::model::peer::Judgement;
use crate::model::route_path::PathPattern;
use crate::oauth::Credential;
use crate::policy::Policy;
use crate::tls::ClientAuth;
use crate::upstream::{PublicRoute, Upstream};

/// Where requests of one configuration go.
#[derive(Debug, Default)]
pub struct Routes {
    hosts: HashMap<Box<str>, Arc<Host>>,
    /// By listener, then by host.
    tables: HashMap<Box<str>, HashMap<Box<str>, Table>>,
}

/// A name under which clients know us.
#[derive(Debug)]
pub struct Host {
    /// In lower case, without a port.
    pub name: Box<str>,
    /// What identity servers and answers are told.
    pub public_base: PublicBase,
    /// What the handshake must have asked for on this host, where configured.
    pub client_auth: Option<ClientAuth>,
}

/// RFC 7592 §2.
const MANAGES: [Method; 3] = [Method::GET, Method::PUT, Method::DELETE];

/// Highest rank first.
#[derive(Debug, Default)]
struct Table(Vec<(PathPattern, Arc<Route>)>);

/// One `[[routes]]` entry.
#[derive(Debug)]
pub struct Route {
    /// The path as configured: the label of logs and records.
    pub path: Box<str>,
    /// What it does.
    pub kind: RouteKind,
    /// Which pages of other origins may read its answers.
    pub cors: Option<Cors>,
}

impl Route {
    /// Its settings, if it registers clients.
    pub fn registration(&self) -> Option<&RegistrationRoute> {
        if let RouteKind::Registration(settings) = &self.kind { Some(settings) } else { None }
    }

    /// Its settings, if it tells metadata.
    pub fn discovery(&self) -> Option<&DiscoveryRoute> {
        if let RouteKind::Discovery(settings) = &self.kind { Some(settings) } else { None }
    }

    /// Its settings, if it manages clients.
    pub fn management(&self) -> Option<&ManagementRoute> {
        if let RouteKind::Management(settings) = &self.kind { Some(settings) } else { None }
    }

    /// Whether every reader understands this path alike; on a route that names clients in its path, but for a slash
    /// within the client's id.
    pub fn is_plain(&self, path: &str) -> bool {
        self.management().map_or_else(|| path::check(path).is_ok(), |settings| settings.client.check(path).is_ok())
    }

    /// The identity server that it leads to.
    pub fn upstream(&self) -> Option<&Upstream> {
        match &self.kind {
            RouteKind::Proxy(proxy) => Some(&proxy.upstream),
            RouteKind::Management(settings) => Some(&settings.upstream),
            _ => self.target().map(|(upstream, _)| upstream),
        }
    }

    /// The one path of an identity server that it leads to, if it is not the path that was asked for.
    pub fn target(&self) -> Option<(&Upstream, &PathAndQuery)> {
        match &self.kind {
            RouteKind::Registration(settings) => Some((&settings.upstream, &settings.to)),
            RouteKind::Discovery(settings) => Some((&settings.upstream, &settings.to)),
            RouteKind::Management(_) | RouteKind::Proxy(_) | RouteKind::Deny => None,
        }
    }
}

/// What a route does.
#[derive(Debug)]
pub enum RouteKind {
    /// RFC 7591: judged, recorded, forwarded once.
    Registration(Box<RegistrationRoute>),
    /// RFC 8414: fetched, rewritten, kept for a while.
    Discovery(Box<DiscoveryRoute>),
    /// RFC 7592: the owner is proved, then as a registration.
    Management(Box<ManagementRoute>),
    /// Streamed both ways.
    Proxy(ProxyRoute),
    /// 404, on purpose.
    Deny,
}

impl RouteKind {
    /// The methods that it takes, as `Access-Control-Allow-Methods` lists them.
    pub const fn methods(&self) -> &'static str {
        match self {
            Self::Registration(_) => "POST",
            Self::Discovery(_) => "GET, HEAD",
            Self::Management(_) => "GET, PUT, DELETE",
            Self::Proxy(_) => "GET, HEAD, POST, PUT, PATCH, DELETE",
            Self::Deny => "",
        }
    }
}

/// A route of kind `registration`.
#[derive(Debug)]
pub struct RegistrationRoute {
    /// Where admitted registrations go.
    pub upstream: Arc<Upstream>,
    /// The registration endpoint there: a constant, whatever path the client used.
    pub to: PathAndQuery,
    /// What is asked of an initial access token; `None` where no token is looked at.
    pub token: Option<TokenRule>,
    /// What of tokens reaches the identity server.
    pub token_to_upstream: UpstreamToken,
    /// In the order of the configuration; the first that is chosen judges.
    pub policies: Vec<PolicyUse>,
    /// What a request may name instead of saying all of its metadata.
    pub templates: Vec<Arc<TemplateUse>>,
    /// Largest body, in bytes.
    pub body_bytes: usize,
    /// Where the clients that it registers are managed: path and query here. `None`: nowhere.
    pub managed_at: Option<ClientPath>,
}

/// A route of kind `management`.
#[derive(Debug)]
pub struct ManagementRoute {
    /// Where admitted requests go.
    pub upstream: Arc<Upstream>,
    /// Where requests name the client.
    pub client: ClientPath,
    /// The path of a client there.
    pub to: ClientPath,
    /// Every policy that registers clients of the upstream: the one of the binding judges.
    pub policies: Vec<PolicyUse>,
    /// Every template: a client stays what its template made it.
    pub templates: Vec<Arc<TemplateUse>>,
    /// Largest body, in bytes.
    pub body_bytes: usize,
}

impl ManagementRoute {
    /// The policy under which a client was registered. One that is used in several ways is used as for the authority
    /// that vouched for the client.
    pub fn policy_of(&self, binding: &Binding) -> Option<&PolicyUse> {
        let mut same = self.policies.iter().filter(|policy| **policy.policy.id() == *binding.policy);
        let fits = |policy: &&PolicyUse| {
            binding.authority.as_ref().is_none_or(|authority| policy.authorities.contains(authority))
        };
        same.clone().find(fits).or_else(|| same.next())
    }
}

/// What of tokens reaches the identity server with a registration.
#[derive(Debug)]
pub enum UpstreamToken {
    /// None: the caller's is for us.
    Drop,
    /// The caller's.
    Forward,
    /// Ours, in place of any.
    Replace(Arc<Credential>),
}

/// Whom a policy is for, among several on one path. What is not said matches everyone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// Whoever has a certificate that this authority trusts.
    pub authority: Option<AuthorityName>,
    /// Whoever has an initial access token with this word in its scope.
    pub token_scope: Option<String>,
}

/// A policy as a deployment uses it.
#[derive(Debug, Clone)]
pub struct PolicyUse {
    /// The compiled policy.
    pub policy: Arc<Policy>,
    /// Whom it is for.
    pub choice: Choice,
    /// Who may vouch for the client certificate.
    pub authorities: Vec<AuthorityName>,
    /// The `[key_sets.NAME]` that plays the role of the statement's keys.
    pub statement_keys: Option<String>,
    /// Where its decisions are counted.
    pub tally: Arc<Tally>,
}

impl PolicyUse {
    /// Whether whoever shows no certificate is refused: the policy asks for one, or is chosen by its authority.
    pub fn needs_certificate(&self) -> bool {
        self.policy.certificate().required || self.choice.authority.is_some()
    }

    /// Whether one of its authorities trusts the chain.
    pub fn is_vouched_for(&self, judgement: &Judgement) -> bool {
        judgement.trusted_by(&self.authorities).is_some()
    }
}

/// A route of kind `proxy`.
#[derive(Debug)]
pub struct ProxyRoute {
    /// Where requests go.
    pub upstream: Arc<Upstream>,
    /// What they must not reach.
    pub public: PublicRoute,
}

impl Routes {
    /// Nothing is routed yet.
    pub fn new(hosts: HashMap<Box<str>, Arc<Host>>) -> Self {
        Self { hosts, tables: HashMap::new() }
    }

    /// Adds a route for a listener and a host.
    pub fn add(&mut self, listener: &str, host: &str, path: &PathPattern, route: &Arc<Route>) {
        let Table(table) = self.tables.entry(listener.into()).or_default().entry(host.into()).or_default();
        table.push((path.clone(), Arc::clone(route)));
        table.sort_by_key(|(path, _)| std::cmp::Reverse(path.rank()));
    }

    /// Every policy in use, each once.
    pub fn policies(&self) -> Vec<Arc<Policy>> {
        let mut found: Vec<Arc<Policy>> = Vec::new();
        // Management uses no others than those that register.
        for policy in self.all().filter_map(|route| route.registration()).flat_map(|route| &route.policies) {
            if !found.iter().any(|known| Arc::ptr_eq(known, &policy.policy)) {
                found.push(Arc::clone(&policy.policy));
            }
        }
        found
    }

    /// Every route, once for each listener and host.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.tables.values().flat_map(HashMap::values).flat_map(|Table(table)| table).map(|(_, route)| route)
    }

    /// The routes of one listener and host, highest rank first.
    pub fn of_host(&self, listener: &str, host: &str) -> impl Iterator<Item = &Arc<Route>> {
        let table = self.tables.get(listener).and_then(|hosts| hosts.get(host));
        table.into_iter().flat_map(|Table(table)| table).map(|(_, route)| route)
    }

    /// Every listener that has routes, by name.
    pub fn listeners(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.tables.keys().map(|name| &**name).collect();
        names.sort_unstable();
        names
    }

    /// Every configured host, by name.
    pub fn hosts(&self) -> Vec<&Host> {
        let mut hosts: Vec<&Host> = self.hosts.values().map(|host| &**host).collect();
        hosts.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        hosts
    }

    /// The configured host of this name, given in lower case without a port.
    pub fn host(&self, name: &str) -> Option<&Arc<Host>> {
        self.hosts.get(name)
    }

    /// The route of a path and method; whether the path [is plain](Route::is_plain) is still to be asked.
    pub fn find(&self, listener: &str, host: &str, path: &str, method: &Method) -> Option<&Arc<Route>> {
        self.tables.get(listener)?.get(host)?.find(path, method)
    }
}

impl Table {
    fn find(&self, path: &str, method: &Method) -> Option<&Arc<Route>> {
        // `/register/` is `/register`: judged like it, never let past it.
        let trimmed = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
        let mut routes = self.0.iter().filter(|(pattern, _)| pattern.matches(path) || pattern.matches(trimmed));
        let (pattern, first) = routes.next()?;
        // Of registration and management on one path the method decides.
        let takes = |route: &Route| match route.kind {
            RouteKind::Registration(_) => *method == Method::POST,
            RouteKind::Management(_) => MANAGES.contains(method),
            RouteKind::Discovery(_) | RouteKind::Proxy(_) | RouteKind::Deny => true,
        };
        if takes(first) {
            return Some(first);
        }
        let mut twins = routes.take_while(|(other, _)| other == pattern);
        Some(twins.find(|(_, route)| takes(route)).map_or(first, |(_, route)| route))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label<'r>(routes: &'r Routes, host: &str, path: &str) -> Option<&'r str> {
        routes.find("public", host, path, &Method::POST).map(|route| &*route.path)
    }

    #[test]
    fn exact_before_prefix_and_each_host_its_own() {
        let mut routes = Routes::default();
        for (host, path) in [("x", "/*"), ("x", "/a/*"), ("x", "/register"), ("b.example", "/register")] {
            let route = Arc::new(Route { path: format!("{host}{path}").into(), kind: RouteKind::Deny, cors: None });
            routes.add("public", host, &PathPattern::parse(path).unwrap(), &route);
        }
        assert_eq!(label(&routes, "x", "/register"), Some("x/register"));
        assert_eq!(label(&routes, "x", "/register/"), Some("x/register"));
        assert_eq!(label(&routes, "b.example", "/register"), Some("b.example/register"));
        assert_eq!(label(&routes, "b.example", "/a/b"), None);
        assert_eq!(label(&routes, "x", "/a/b"), Some("x/a/*"));
        assert_eq!(label(&routes, "x", "/a"), Some("x/a/*"));
        assert_eq!(label(&routes, "x", "/ab"), Some("x/*"));
        assert_eq!(label(&routes, "x", "/other"), Some("x/*"));
        assert_eq!(label(&routes, "x", "/"), Some("x/*"));
        assert_eq!(routes.find("private", "x", "/register", &Method::POST).map(|route| &*route.path), None);
    }
}
