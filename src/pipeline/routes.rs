//! Which route a request takes: listener, host and path, compiled at load.
//!
//! An exact path wins over a prefix, a longer prefix over a shorter one, a
//! route that names the host over one that does not. What matches nothing is 404.

use std::collections::HashMap;
use std::sync::Arc;

use http::uri::PathAndQuery;

use crate::headers::forwarded::PublicBase;
use crate::model::id::AuthorityName;
use crate::policy::Policy;
use crate::tls::ClientAuth;
use crate::upstream::{PublicRoute, Upstream};

/// Where requests of one configuration go.
#[derive(Debug, Default)]
pub struct Routes {
    hosts: HashMap<Box<str>, Arc<Host>>,
    tables: HashMap<(Box<str>, Box<str>), Table>,
}

/// A name under which clients know us.
#[derive(Debug)]
pub struct Host {
    /// What identity servers and answers are told.
    pub public_base: PublicBase,
    /// What the handshake must have asked for on this host, where configured.
    pub client_auth: Option<ClientAuth>,
}

#[derive(Debug, Default)]
struct Table {
    exact: HashMap<Box<str>, Arc<Route>>,
    /// Longest first.
    prefixes: Vec<(Box<str>, Arc<Route>)>,
}

/// One `[[routes]]` entry.
#[derive(Debug)]
pub struct Route {
    /// The path as configured: the label of logs and records.
    pub path: Box<str>,
    /// What it does.
    pub kind: RouteKind,
}

impl Route {
    /// Its settings, if it registers clients.
    pub fn registration(&self) -> Option<&RegistrationRoute> {
        if let RouteKind::Registration(settings) = &self.kind { Some(settings) } else { None }
    }
}

/// What a route does.
#[derive(Debug)]
pub enum RouteKind {
    /// RFC 7591: judged, recorded, forwarded once.
    Registration(Box<RegistrationRoute>),
    /// Streamed both ways.
    Proxy(ProxyRoute),
    /// 404, on purpose.
    Deny,
}

/// A route of kind `registration`.
#[derive(Debug)]
pub struct RegistrationRoute {
    /// Where admitted registrations go.
    pub upstream: Arc<Upstream>,
    /// The registration endpoint there: a constant, whatever path the client used.
    pub to: PathAndQuery,
    /// In the order of the configuration; the first whose authorities trust the certificate judges.
    pub policies: Vec<PolicyUse>,
    /// Largest body, in bytes.
    pub body_bytes: usize,
}

/// A policy as a deployment uses it.
#[derive(Debug)]
pub struct PolicyUse {
    /// The compiled policy.
    pub policy: Arc<Policy>,
    /// Who may vouch for the client certificate.
    pub authorities: Vec<AuthorityName>,
    /// The `[key_sets.NAME]` that plays the role of the statement's keys.
    pub statement_keys: Option<String>,
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

    /// Adds a route for a listener and a host; an empty host stands for any.
    /// A path that ends in `/*` is a prefix.
    pub fn add(&mut self, listener: &str, host: &str, path: &str, route: &Arc<Route>) {
        let table = self.tables.entry((listener.into(), host.into())).or_default();
        match path.strip_suffix('*') {
            Some(prefix) => {
                table.prefixes.push((prefix.into(), Arc::clone(route)));
                table.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
            }
            None => {
                table.exact.insert(path.into(), Arc::clone(route));
            }
        }
    }

    /// Every policy in use, each once.
    pub fn policies(&self) -> Vec<Arc<Policy>> {
        let mut found: Vec<Arc<Policy>> = Vec::new();
        let routes = self.tables.values().flat_map(|table| table.exact.values());
        for policy in routes.filter_map(|route| route.registration()).flat_map(|route| &route.policies) {
            if !found.iter().any(|known| Arc::ptr_eq(known, &policy.policy)) {
                found.push(Arc::clone(&policy.policy));
            }
        }
        found
    }

    /// The configured host of this name, given in lower case without a port.
    pub fn host(&self, name: &str) -> Option<&Arc<Host>> {
        self.hosts.get(name).or_else(|| self.hosts.get(""))
    }

    /// The route of a path that passed `model::path::check`.
    pub fn find(&self, listener: &str, host: &str, path: &str) -> Option<&Arc<Route>> {
        // A boxed key cannot be looked up by two borrowed halves; tables are few, so they are compared.
        let table =
            |name: &str| self.tables.iter().find(|((l, h), _)| &**l == listener && &**h == name).map(|(_, t)| t);
        table(host).and_then(|table| table.find(path)).or_else(|| table("").and_then(|table| table.find(path)))
    }
}

impl Table {
    fn find(&self, path: &str) -> Option<&Arc<Route>> {
        // `/register/` is `/register`: judged like it, never let past it.
        let trimmed = if path.len() > 1 { path.strip_suffix('/').unwrap_or(path) } else { path };
        self.exact
            .get(path)
            .or_else(|| self.exact.get(trimmed))
            .or_else(|| self.prefixes.iter().find(|(prefix, _)| below(prefix, path)).map(|(_, route)| route))
    }
}

/// `/a/*` is `/a`, `/a/` and `/a/b`.
fn below(prefix: &str, path: &str) -> bool {
    path.starts_with(prefix) || prefix.strip_suffix('/') == Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label<'r>(routes: &'r Routes, host: &str, path: &str) -> Option<&'r str> {
        routes.find("public", host, path).map(|route| &*route.path)
    }

    #[test]
    fn exact_before_prefix_and_named_host_before_any() {
        let mut routes = Routes::default();
        for (host, path) in [("", "/*"), ("", "/a/*"), ("", "/register"), ("b.example", "/register")] {
            let route = Arc::new(Route { path: format!("{host}{path}").into(), kind: RouteKind::Deny });
            routes.add("public", host, path, &route);
        }
        assert_eq!(label(&routes, "x", "/register"), Some("/register"));
        assert_eq!(label(&routes, "x", "/register/"), Some("/register"));
        assert_eq!(label(&routes, "b.example", "/register"), Some("b.example/register"));
        assert_eq!(label(&routes, "b.example", "/a/b"), Some("/a/*"));
        assert_eq!(label(&routes, "x", "/a"), Some("/a/*"));
        assert_eq!(label(&routes, "x", "/ab"), Some("/*"));
        assert_eq!(label(&routes, "x", "/other"), Some("/*"));
        assert_eq!(routes.find("private", "x", "/register").map(|route| &*route.path), None);
    }
}
