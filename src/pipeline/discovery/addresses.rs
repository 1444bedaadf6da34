//! Where a URL of the identity server leads, and what it is called from outside.

use http::Method;
use url::{Host as UrlHost, Url};

use super::DiscoveryRoute;
use crate::model::address::is_inner;
use crate::model::path;
use crate::pipeline::routes::{Host, RegistrationRoute, Route, RouteKind, Routes};
use crate::upstream::Upstream;

/// From where a document is looked at.
pub(super) struct Outside<'a> {
    /// What can be reached at all.
    pub(super) routes: &'a Routes,
    /// The listener of the request.
    pub(super) listener: &'a str,
    /// The host of the request.
    pub(super) host: &'a Host,
}

/// Where a text of the document leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// It is no URL, or leads to others.
    Elsewhere,
    /// Through us, to this URL.
    Here(String),
    /// To a host of ours, where nothing serves it.
    Nowhere,
    /// Inside, where nobody may go.
    Inside,
}

/// The addresses of one document.
pub(super) struct Addresses<'a> {
    pub(super) route: &'a DiscoveryRoute,
    pub(super) outside: &'a Outside<'a>,
}

impl<'a> Addresses<'a> {
    /// Where a text leads.
    pub(super) fn of(&self, text: &str) -> Leads {
        let Ok(url) = Url::parse(text) else { return Leads::Elsewhere };
        let origin = url.origin().ascii_serialization();
        let hosts = self.outside.routes.hosts();
        let own = hosts.iter().find(|host| host.public_base.as_str() == origin);
        let inside = own.is_none() && self.is_inside(&url);
        let named = url.host_str().is_some_and(|name| hosts.iter().any(|host| *host.name == *name));
        if own.is_none() && !inside && !named {
            return Leads::Elsewhere;
        }
        let nowhere = if inside { Leads::Inside } else { Leads::Nowhere };
        let Some(path) = plain(&url) else { return nowhere };
        let first = own.into_iter().copied().chain([self.outside.host]);
        for host in first.chain(hosts.iter().copied().filter(|host| !self.is_for_mutual_tls(host))).chain(hosts.clone())
        {
            if let Some(found) = self.on(host, self.server(&url), &path) {
                let same = own.is_some_and(|own| own.name == host.name) && found == url.path();
                return if same { Leads::Elsewhere } else { Leads::Here(written(host, &found, url.query())) };
            }
        }
        nowhere
    }

    /// What an endpoint of the identity server is called on the host for mutual TLS.
    pub(super) fn alias(&self, endpoint: &str, issuer: Option<&Url>) -> Option<String> {
        let url = Url::parse(endpoint).ok()?;
        let of_issuer = issuer.is_some_and(|issuer| issuer.origin() == url.origin());
        if !of_issuer && self.of(endpoint) == Leads::Elsewhere && !self.is_ours(&url) {
            return None;
        }
        let host = self.mutual_tls()?;
        Some(written(host, &self.on(host, self.server(&url), &plain(&url)?)?, url.query()))
    }

    /// The registration endpoint as clients are to see it, and the one on the host for mutual TLS: the route that leads
    /// to what the identity server names, else the one that is configured, else the only one.
    pub(super) fn registration(&self, named: Option<&str>) -> Option<Registration<'a>> {
        let path = named.and_then(|text| plain(&Url::parse(text).ok()?));
        let leads = |route: &RegistrationRoute| path.as_ref().is_some_and(|path| same(route.to.path(), path));
        let hosts = self.outside.routes.hosts();
        let all = || [self.outside.host].into_iter().chain(hosts.iter().copied());
        let of = |host: &'a Host| self.registrations(host).map(move |(route, settings)| (host, route, settings));
        let (host, route, settings) = all()
            .flat_map(of)
            .find(|(_, _, settings)| leads(settings))
            .or_else(|| {
                let configured = self.route.registration.as_ref()?;
                all().flat_map(of).find(|(_, route, _)| route.path == *configured)
            })
            .or_else(|| {
                let alone = |host: &'a Host| {
                    let mut found = of(host);
                    found.next().filter(|(_, _, settings)| found.all(|(_, _, other)| other.to == settings.to))
                };
                if named.is_none() { all().find_map(alone) } else { None }
            })?;
        let alias = self.mutual_tls().and_then(|host| {
            let (route, _) = self.registrations(host).find(|(_, other)| other.to == settings.to)?;
            Some(written(host, &route.path, None))
        });
        Some(Registration { endpoint: written(host, &route.path, None), alias, settings })
    }

    /// Every registration route that leads to the same endpoint.
    pub(super) fn registering_at(
        &self,
        settings: &'a RegistrationRoute,
    ) -> impl Iterator<Item = &'a RegistrationRoute> {
        let routes = self.outside.routes.all().filter_map(|route| route.registration());
        routes.filter(|other| other.to == settings.to && other.upstream.is_same_server(&settings.upstream))
    }

    fn registrations(&self, host: &Host) -> impl Iterator<Item = (&'a Route, &'a RegistrationRoute)> {
        let routes = self.outside.routes;
        let listeners = self.listeners(host);
        let found: Vec<_> = listeners.into_iter().flat_map(|listener| routes.of_host(listener, &host.name)).collect();
        let upstream = &self.route.upstream;
        found.into_iter().filter_map(move |route| {
            let settings = route.registration().filter(|settings| settings.upstream.is_same_server(upstream))?;
            Some((&**route, settings))
        })
    }

    /// The path under which a host serves a path of this server.
    fn on(&self, host: &Host, server: &Upstream, path: &str) -> Option<String> {
        let routes = self.outside.routes;
        self.listeners(host).into_iter().find_map(|listener| {
            let leads = |route: &&std::sync::Arc<Route>| {
                route.target().is_some_and(|(upstream, to)| upstream.is_same_server(server) && same(to.path(), path))
            };
            if let Some(route) = routes.of_host(listener, &host.name).find(leads) {
                return Some(route.path.to_string());
            }
            match &routes.find(listener, &host.name, path, &Method::POST)?.kind {
                RouteKind::Proxy(proxy) if proxy.upstream.is_same_server(server) && proxy.public.admits(path) => {
                    Some(path.to_owned())
                }
                _ => None,
            }
        })
    }

    /// Through which a host can be reached: its own for the host of the request.
    fn listeners(&self, host: &Host) -> Vec<&'a str> {
        if host.name == self.outside.host.name { vec![self.outside.listener] } else { self.outside.routes.listeners() }
    }

    fn is_for_mutual_tls(&self, host: &Host) -> bool {
        self.route.mtls_host.as_ref() == Some(&host.name)
    }

    fn mutual_tls(&self) -> Option<&'a Host> {
        self.outside.routes.hosts().into_iter().find(|host| self.is_for_mutual_tls(host))
    }

    /// The upstream at this address; the document's own where it is at none, since names inside differ.
    fn server(&self, url: &Url) -> &'a Upstream {
        let mut upstreams = self.outside.routes.all().filter_map(|route| route.upstream());
        upstreams.find(|upstream| upstream.is_at(url)).unwrap_or(&self.route.upstream)
    }

    fn is_ours(&self, url: &Url) -> bool {
        let origin = url.origin().ascii_serialization();
        self.outside.routes.hosts().iter().any(|host| host.public_base.as_str() == origin)
    }

    fn is_inside(&self, url: &Url) -> bool {
        let upstreams = || self.outside.routes.all().filter_map(|route| route.upstream());
        // A name without a dot is known inside only.
        let short = matches!(url.host(), Some(UrlHost::Domain(name)) if !name.trim_end_matches('.').contains('.'));
        let has_host = url.host().is_some();
        has_host && (short || is_inner(url) || upstreams().any(|upstream| upstream.is_on_host_of(url)))
    }
}

/// Where clients register.
pub(super) struct Registration<'a> {
    pub(super) endpoint: String,
    /// On the host for mutual TLS.
    pub(super) alias: Option<String>,
    pub(super) settings: &'a RegistrationRoute,
}

fn written(host: &Host, path: &str, query: Option<&str>) -> String {
    let base = host.public_base.as_str();
    query.map_or_else(|| format!("{base}{path}"), |query| format!("{base}{path}?{query}"))
}

/// The path with one slash where some servers write two; `None` where it cannot be asked for here.
fn plain(url: &Url) -> Option<String> {
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let mut plain = String::with_capacity(url.path().len());
    for c in url.path().chars() {
        if c != '/' || !plain.ends_with('/') {
            plain.push(c);
        }
    }
    path::check(&plain).is_ok().then_some(plain)
}

/// `/reg/` is `/reg`, as routes have it.
fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}
