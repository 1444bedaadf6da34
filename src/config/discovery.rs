//! Routes of kind `discovery`: which document, how long it is kept, and what it tells of us.

use std::time::Duration;

use super::routes::{self, Kind, Route, RouteKind};
use super::values::{self, DAY, HOUR, MINUTE, SECOND};
use super::{Reading, Settings};
use crate::model::document::{Faults, Located, Section};
use crate::model::route_path::PathPattern;
use crate::tls::ClientAuth;

/// A discovery route.
#[derive(Debug)]
pub struct Discovery {
    /// Name of the upstream.
    pub upstream: String,
    /// Where the identity server has the document.
    pub to: Located<PathPattern>,
    /// How long a document is kept here and by caches. Default 5 minutes, 1 second to 1 hour: a changed endpoint or
    /// key location is known after that.
    pub max_age: Duration,
    /// How long the last good document serves while the identity server gives none. Default 1 hour, up to 1 day.
    pub max_stale: Duration,
    /// The host whose addresses stand in `mtls_endpoint_aliases` (RFC 8705 §5); default none.
    pub mtls_host: Option<Located<String>>,
    /// The path of the registration route that the document names; needed only where the identity server names none
    /// and several are there.
    pub registration: Option<Located<PathPattern>>,
}

/// What only discovery routes read.
pub(super) const OF_DISCOVERY: &[&str] = &["max_age", "max_stale", "mtls_host", "registration"];

/// Reads what is special to such a route.
pub(super) fn discovery(section: &Section<'_>, from: &Reading<'_>) -> Option<Discovery> {
    let upstream = routes::upstream(section, from);
    section.require("to");
    let to = routes::located(section, "to", Kind::Discovery);
    let (mut max_age, mut max_stale) = (5 * MINUTE, HOUR);
    values::duration(section, "max_age", SECOND..=HOUR, &mut max_age);
    values::duration(section, "max_stale", Duration::ZERO..=DAY, &mut max_stale);
    if section.has("max_stale") && max_stale < max_age {
        let place = section.place_of_key("max_stale");
        section.faults().error(Some(&place), "`max_stale` is shorter than `max_age`", None);
    }
    let mtls_host = section.text("mtls_host").and_then(|host| {
        let place = host.place.clone();
        Some(Located { value: from.hosts.refer(host, section.faults())?, place })
    });
    let registration = routes::located(section, "registration", Kind::Registration);
    Some(Discovery {
        upstream: upstream?,
        to: to?,
        max_age,
        max_stale: max_stale.max(max_age),
        mtls_host,
        registration,
    })
}

/// Records what such a route does not agree on with the others.
pub(super) fn check(settings: &Settings, route: &Route, discovery: &Discovery, faults: &Faults) {
    let reserved = settings.gated_paths(&discovery.upstream);
    if let Some(reserved) = reserved.find(&discovery.to.value.to_string()) {
        faults.error(Some(&discovery.to.place), format!("this leads to the gated path `{reserved}`"), None);
    }
    if let Some(host) = &discovery.mtls_host {
        let leads = |other: &Route| {
            let serves = other.upstream() == Some(&discovery.upstream) && !other.is_discovery();
            serves && other.hosts.contains(&host.value)
        };
        if !settings.routes.iter().any(leads) {
            let message = format!("no route of `{}` leads to this identity server", host.value);
            let help = format!("add a route with hosts = [\"{}\"]", host.value);
            faults.error(Some(&host.place), message, Some(help));
        }
        let asks = |listener: &super::listeners::Listener| {
            let own = settings.hosts.get(&host.value).and_then(|host| host.client_auth);
            own.unwrap_or(listener.client_auth) != ClientAuth::Off
        };
        if !settings.listeners.values().any(asks) {
            let message = format!("no listener asks for a client certificate on `{}`", host.value);
            let help = "client_auth = \"request\" or \"require\", on the listener or the host";
            faults.error(Some(&host.place), message, Some(help.to_owned()));
        }
    }
    if let Some(path) = &discovery.registration {
        let registers = |other: &Route| {
            other.path == path.value && other.registration().is_some_and(|other| other.upstream == discovery.upstream)
        };
        if !settings.routes.iter().any(registers) {
            let message = format!("no registration route for this upstream has the path `{}`", path.value);
            let ways: Vec<String> = settings
                .routes
                .iter()
                .filter(|other| other.registration().is_some_and(|other| other.upstream == discovery.upstream))
                .map(|other| format!("`{}`", other.path))
                .collect();
            let help = (!ways.is_empty()).then(|| format!("there is {}", ways.join(" and ")));
            faults.error(Some(&path.place), message, help);
        }
    }
    // One that is asked for nowhere else tells what no discovery route lets out.
    let beside = |other: &&Route| {
        matches!(&other.kind, RouteKind::Proxy { upstream } if *upstream == discovery.upstream)
            && other.path == discovery.to.value
    };
    if let Some(other) = settings.routes.iter().find(beside) {
        let message = format!("the discovery route in line {} gives out what this route leads to", route.place.line());
        let help = "make it a discovery route, or leave it out: unchanged it would show internal addresses";
        faults.error(Some(&other.place), message, Some(help.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{changed, extended};

    const DISCOVERY: &str = "[[routes]]\npath = \"/.well-known/openid-configuration\"\nkind = \"discovery\"\n\
                             upstream = \"idp\"\n";

    fn with(keys: &str) -> Vec<String> {
        extended(&format!("{DISCOVERY}{keys}\n"))
    }

    const TO: &str = "to = \"/.well-known/openid-configuration\"";

    #[test]
    fn each_key_has_its_faults() {
        assert_eq!(with(TO), [""; 0]);
        for (keys, expected) in [
            ("", "26: `to` is missing in `routes[1]`"),
            ("to = \"/x/*\"", "30: the `to` of a discovery route is one fixed path"),
            ("to = \"/reg/x\"", "30: this leads to the gated path `/reg`"),
            ("max_age = \"2h\"", "31: `max_age` must be from 1s to 1h"),
            ("max_stale = \"25h\"", "31: `max_stale` must be from 0s to 24h"),
            ("max_stale = \"1m\"", "31: `max_stale` is shorter than `max_age`"),
            ("max_stal = \"1h\"", "31: unknown key `max_stal` (did you mean `max_stale`?)"),
            ("mtls_host = \"gate.exampel\"", "31: unknown host `gate.exampel` (did you mean `gate.example`?)"),
            (
                "registration = \"/registre\"",
                "31: no registration route for this upstream has the path `/registre` (there is `/register`)",
            ),
            ("policy = \"scheme\"", "31: `policy` has no meaning on a discovery route"),
            ("body_bytes = 1024", "31: `body_bytes` has no meaning on a discovery route"),
        ] {
            let all = if keys.is_empty() || keys.starts_with("to") { keys.to_owned() } else { format!("{TO}\n{keys}") };
            assert_eq!(with(&all), [expected], "{keys}");
        }
        assert_eq!(with(&format!("{TO}\nregistration = \"/register\"\nmtls_host = \"gate.example\"")), [""; 0]);
        for (kind, upstream) in [("proxy", "upstream = \"idp\"\n"), ("deny", "")] {
            let route = format!("[[routes]]\npath = \"/x\"\nkind = \"{kind}\"\n{upstream}max_age = \"1m\"\n");
            let line = if kind == "proxy" { 30 } else { 29 };
            assert_eq!(extended(&route), [format!("{line}: `max_age` has no meaning on a {kind} route")]);
        }
        let path = DISCOVERY.replace("/.well-known/openid-configuration", "/.well-known/*");
        assert_eq!(extended(&format!("{path}{TO}\n")), ["27: the `path` of a discovery route is one fixed path"]);
    }

    #[test]
    fn no_other_door_shows_the_document_as_it_is() {
        let proxy = "[[routes]]\npath = \"/.well-known/openid-configuration\"\nhosts = [\"b.example\"]\nkind = \"proxy\"\n\
                     upstream = \"idp\"\n[hosts.\"b.example\"]\npublic_base = \"https://b.example\"\n";
        let found = with(&format!("{TO}\nhosts = [\"gate.example\"]\n{proxy}"));
        assert_eq!(
            found,
            ["33: the discovery route in line 27 gives out what this route leads to \
              (make it a discovery route, or leave it out: unchanged it would show internal addresses)"]
        );
    }

    #[test]
    fn a_host_for_mutual_tls_serves_it() {
        let host = "[hosts.\"mtls.example\"]\npublic_base = \"https://mtls.example\"\n";
        let found = changed(
            "[[routes]]\n",
            &format!("{host}{DISCOVERY}{TO}\nmtls_host = \"mtls.example\"\n[[routes]]\nhosts = [\"gate.example\"]\n"),
        );
        let expected = "27: no route of `mtls.example` leads to this identity server \
                        (add a route with hosts = [\"mtls.example\"])";
        assert_eq!(found, [expected]);
        let off = changed(
            "[[routes]]\n",
            &format!("{host}client_auth = \"off\"\n{DISCOVERY}{TO}\nmtls_host = \"mtls.example\"\n[[routes]]\n"),
        );
        assert_eq!(
            off,
            ["28: no listener asks for a client certificate on `mtls.example` \
              (client_auth = \"request\" or \"require\", on the listener or the host)"]
        );
    }
}
