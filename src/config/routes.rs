//! `[[routes]]`: which requests are judged, which pass, which are denied. What no route means is 404.

use std::collections::BTreeMap;

use super::Reading;
use super::cors;
use super::credentials::{TokenToUpstream, token_to_upstream};
use super::discovery::{Discovery, OF_DISCOVERY, discovery};
use super::limits::{GATED_BODY_BYTES, Limits};
use super::management::{self, Management};
use super::names::Names;
use super::policies::Policy;
use super::selection::{InitialToken, PolicyChoice, asks_for_token, initial_token, policy_choice};
use super::templates;
use super::values;
use crate::headers::cors::Cors;
use crate::model::document::{Located, Place, Section};
use crate::model::route_path::PathPattern;

/// One route. Of several that match a path, the one of the highest [`PathPattern::rank`] is meant.
#[derive(Debug)]
pub struct Route {
    /// Names of listeners; default all.
    pub listeners: Vec<String>,
    /// Names of hosts; default all.
    pub hosts: Vec<String>,
    /// The path without its query.
    pub path: PathPattern,
    /// What happens.
    pub kind: RouteKind,
    /// Which pages of other origins may read its answers; default none.
    pub cors: Option<Cors>,
    /// Where the path stands.
    pub place: Place,
}

impl Route {
    /// What a registration route says, if it is one.
    pub const fn registration(&self) -> Option<&Registration> {
        match &self.kind {
            RouteKind::Registration(registration) => Some(registration),
            RouteKind::Management(_) | RouteKind::Discovery(_) | RouteKind::Proxy { .. } | RouteKind::Deny => None,
        }
    }

    /// What a management route says, if it is one.
    pub const fn management(&self) -> Option<&Management> {
        match &self.kind {
            RouteKind::Management(management) => Some(management),
            RouteKind::Registration(_) | RouteKind::Discovery(_) | RouteKind::Proxy { .. } | RouteKind::Deny => None,
        }
    }

    /// Whether it gives out metadata of the identity server.
    pub const fn is_discovery(&self) -> bool {
        matches!(self.kind, RouteKind::Discovery(_))
    }

    /// The name of the upstream that it leads to.
    pub const fn upstream(&self) -> Option<&String> {
        match &self.kind {
            RouteKind::Registration(registration) => Some(&registration.upstream),
            RouteKind::Management(management) => Some(&management.upstream),
            RouteKind::Discovery(discovery) => Some(&discovery.upstream),
            RouteKind::Proxy { upstream } => Some(upstream),
            RouteKind::Deny => None,
        }
    }
}

/// What happens on a route.
#[derive(Debug)]
pub enum RouteKind {
    /// `POST` of a registration request (RFC 7591 §3.1), judged and then sent to a fixed path.
    Registration(Registration),
    /// `GET` of the identity server's metadata, as it is seen from outside.
    Discovery(Discovery),
    /// A registered client is read, updated or deleted by its owner (RFC 7592).
    Management(Management),
    /// Passed on under the same path, with verified headers.
    Proxy {
        /// Name of the upstream.
        upstream: String,
    },
    /// Answered 404, though a wider route may match.
    Deny,
}

/// A registration route.
#[derive(Debug)]
pub struct Registration {
    /// Name of the upstream.
    pub upstream: String,
    /// The identity server's registration path.
    pub to: PathPattern,
    /// Which initial access token has to come; `None` where none is looked at.
    pub token: Option<InitialToken>,
    /// What of tokens reaches the identity server.
    pub token_to_upstream: TokenToUpstream,
    /// Which policy judges.
    pub policy: PolicyChoice,
    /// Names of the templates that a request may name.
    pub templates: Vec<Located<String>>,
    /// Largest body; default `gated_body_bytes` of `[limits]`, with the same bounds.
    pub body_bytes: usize,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Registration,
    Discovery,
    Management,
    Proxy,
    Deny,
}

impl Kind {
    /// As the configuration writes it.
    fn word(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Discovery => "discovery",
            Self::Management => "management",
            Self::Proxy => "proxy",
            Self::Deny => "deny",
        }
    }

    /// Whether what it hands out is for everyone, or for the identity server to guard.
    const fn is_public(self) -> bool {
        matches!(self, Self::Discovery | Self::Proxy)
    }
}

/// Reads every `[[routes]]`.
pub(super) fn routes(
    sections: Vec<Section<'_>>,
    from: &Reading<'_>,
    limits: &Limits,
    policies: &BTreeMap<String, Policy>,
) -> Vec<Route> {
    sections.into_iter().filter_map(|section| route(section, from, limits, policies)).collect()
}

fn route(
    section: Section<'_>,
    from: &Reading<'_>,
    limits: &Limits,
    policies: &BTreeMap<String, Policy>,
) -> Option<Route> {
    let listeners = references(&section, "listeners", &from.listeners);
    let hosts = references(&section, "hosts", &from.hosts);
    section.require("kind");
    let mut kind = None;
    values::word(&section, "kind", KINDS, &mut kind);
    let path = path(&section, kind);
    let place = section.place_of_key("path");
    let cors = kind.and_then(|kind| match kind {
        Kind::Registration | Kind::Management | Kind::Discovery | Kind::Proxy => {
            cors::cors(&section, kind.word(), kind.is_public())
        }
        Kind::Deny => None,
    });
    let what = match kind {
        Some(Kind::Registration) => registration(&section, from, limits, policies).map(RouteKind::Registration),
        Some(Kind::Discovery) => {
            foreign("discovery", &section, OF_REGISTRATIONS);
            foreign("discovery", &section, &["upgrade"]);
            foreign("discovery", &section, OF_MANAGEMENT);
            discovery(&section, from).map(RouteKind::Discovery)
        }
        Some(Kind::Management) => {
            foreign("management", &section, OF_DISCOVERY);
            foreign(
                "management",
                &section,
                &["policy", "policies", "initial_access_token", "tokens", "token_to_upstream"],
            );
            foreign("management", &section, &["upgrade"]);
            path.as_ref()
                .and_then(|path| management::management(&section, path, from, limits))
                .map(RouteKind::Management)
        }
        Some(Kind::Proxy) => {
            foreign("proxy", &section, &["to"]);
            foreign("proxy", &section, OF_REGISTRATIONS);
            foreign("proxy", &section, OF_DISCOVERY);
            foreign("proxy", &section, OF_MANAGEMENT);
            values::not_built(&section, "upgrade");
            upstream(&section, from).map(|upstream| RouteKind::Proxy { upstream })
        }
        Some(Kind::Deny) => {
            foreign("deny", &section, EVERY_KEY);
            foreign("deny", &section, OF_DISCOVERY);
            Some(RouteKind::Deny)
        }
        None => {
            // The fault of `kind` is told; its keys are not told as unknown besides.
            for key in EVERY_KEY.iter().chain(OF_DISCOVERY) {
                section.has(key);
            }
            None
        }
    };
    section.finish();
    Some(Route { listeners, hosts, path: path?, kind: what?, cors, place })
}

fn registration(
    section: &Section<'_>,
    from: &Reading<'_>,
    limits: &Limits,
    policies: &BTreeMap<String, Policy>,
) -> Option<Registration> {
    foreign("registration", section, &["upgrade"]);
    foreign("registration", section, OF_DISCOVERY);
    foreign("registration", section, OF_MANAGEMENT);
    let token = initial_token(section, from);
    let token_to_upstream = token_to_upstream(section, from, asks_for_token(section, token.as_ref()));
    let upstream = upstream(section, from);
    section.require("to");
    let to = fixed(section, "to", Kind::Registration);
    let policy = policy_choice(section, from, policies, token.as_ref());
    let mut body_bytes = limits.gated_body_bytes;
    values::count(section, "body_bytes", GATED_BODY_BYTES, &mut body_bytes);
    let (token_to_upstream, policy) = (token_to_upstream?, policy?);
    let templates = templates::of_route(section, from);
    Some(Registration { upstream: upstream?, to: to?, token, token_to_upstream, policy, templates, body_bytes })
}

fn references(section: &Section<'_>, key: &str, names: &Names) -> Vec<String> {
    match section.texts(key) {
        Some(texts) if texts.is_empty() => {
            let place = section.place_of_key(key);
            let help = format!("leave out `{key}` to mean all of them");
            section.faults().error(Some(&place), "an empty list would match nothing", Some(help));
            Vec::new()
        }
        Some(texts) => texts.into_iter().filter_map(|text| names.refer(text, section.faults())).collect(),
        None => names.all(),
    }
}

pub(super) fn upstream(section: &Section<'_>, from: &Reading<'_>) -> Option<String> {
    from.upstreams.refer(section.required_text("upstream")?, section.faults())
}

fn path(section: &Section<'_>, kind: Option<Kind>) -> Option<PathPattern> {
    section.require("path");
    if let Some(kind @ (Kind::Registration | Kind::Discovery)) = kind {
        return fixed(section, "path", kind);
    }
    let path = pattern(section, "path")?;
    let may_name_a_client = matches!(kind, None | Some(Kind::Management));
    if !may_name_a_client && path.value.parameters().next().is_some() {
        section.faults().error(Some(&path.place), "`{…}` is for management routes only", None);
        return None;
    }
    Some(path.value)
}

/// A path without wildcard and parameters.
fn fixed(section: &Section<'_>, key: &str, kind: Kind) -> Option<PathPattern> {
    located(section, key, kind).map(|path| path.value)
}

/// The same, with its place.
pub(super) fn located(section: &Section<'_>, key: &str, kind: Kind) -> Option<Located<PathPattern>> {
    let path = pattern(section, key)?;
    if path.value.is_fixed() {
        return Some(path);
    }
    let message = format!("the `{key}` of a {} route is one fixed path", kind.word());
    section.faults().error(Some(&path.place), message, None);
    None
}

fn pattern(section: &Section<'_>, key: &str) -> Option<Located<PathPattern>> {
    let text = section.text(key)?;
    match PathPattern::parse(&text.value) {
        Ok(value) => Some(Located { value, place: text.place }),
        Err(fault) => {
            section.faults().error(Some(&text.place), format!("`{key}`: {fault}"), None);
            None
        }
    }
}

/// Refuses keys that another kind of route would read.
fn foreign(kind: &str, section: &Section<'_>, keys: &[&str]) {
    for key in keys.iter().filter(|key| section.has(key)) {
        let place = section.place_of_key(key);
        section.faults().error(Some(&place), format!("`{key}` has no meaning on a {kind} route"), None);
    }
}

const KINDS: &[(&str, Option<Option<Kind>>)] = &[
    ("registration", Some(Some(Kind::Registration))),
    ("management", Some(Some(Kind::Management))),
    ("proxy", Some(Some(Kind::Proxy))),
    ("deny", Some(Some(Kind::Deny))),
    ("discovery", Some(Some(Kind::Discovery))),
    ("token", None),
];

/// What says how a registration is judged.
const OF_REGISTRATIONS: &[&str] =
    &["policy", "policies", "initial_access_token", "tokens", "token_to_upstream", "templates", "body_bytes"];

/// What says how clients are managed.
const OF_MANAGEMENT: &[&str] = &["client_id", "adopt", "authenticate"];

/// Beside `listeners`, `hosts`, `path` and `kind`, which every route reads.
const EVERY_KEY: &[&str] = &[
    "upstream",
    "to",
    "policy",
    "policies",
    "initial_access_token",
    "tokens",
    "token_to_upstream",
    "templates",
    "body_bytes",
    "client_id",
    "adopt",
    "authenticate",
    "upgrade",
    "cors",
];

#[cfg(test)]
mod tests {
    use crate::config::tests::{changed, extended};

    #[test]
    fn each_kind_of_route_has_its_keys() {
        for (found, expected) in [
            (
                extended("[[routes]]\npath = \"/x\"\nkind = \"deny\"\nto = \"/y\"\n"),
                "29: `to` has no meaning on a deny route",
            ),
            (
                extended("[[routes]]\npath = \"/x\"\nkind = \"proxy\"\nupstream = \"idp\"\nbody_bytes = 1024\n"),
                "30: `body_bytes` has no meaning on a proxy route",
            ),
            (changed("kind = \"registration\"\n", ""), "20: `kind` is missing in `routes[0]`"),
            (changed("to = \"/reg\"\n", ""), "20: `to` is missing in `routes[0]`"),
            (changed("to = \"/reg\"", "to = \"/reg/*\""), "24: the `to` of a registration route is one fixed path"),
            (
                changed("path = \"/register\"", "path = \"/a;b\""),
                "21: `path`: a path holds letters, digits and `-._~!$&'()+,=:@`, nothing encoded and no query",
            ),
            (
                extended("[[routes]]\npath = \"/x/{client_id}\"\nkind = \"deny\"\n"),
                "27: `{…}` is for management routes only",
            ),
            (extended("hosts = []\n"), "26: an empty list would match nothing (leave out `hosts` to mean all of them)"),
            (extended("body_bytes = 1\n"), "26: `body_bytes` must be from 1024 to 1048576"),
        ] {
            assert_eq!(found, [expected]);
        }
    }
}
