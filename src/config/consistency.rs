//! What the sections must agree on, once each has been read.

use super::discovery;
use super::management::Management;
use super::records::{Database, Store};
use super::routes::{Route, RouteKind};
use super::{Settings, templates};
use crate::model::document::{Faults, Section};

/// Records every disagreement. Sections with faults of their own are not among the settings,
/// so that a fault is told once.
pub(super) fn check(settings: &Settings, root: &Section<'_>, faults: &Faults) {
    for (key, lack) in [
        ("listeners", "there is no `[listeners.NAME]`: nothing could connect"),
        ("hosts", "there is no `[hosts.\"NAME\"]`: no request could name us"),
        ("routes", "there are no `[[routes]]`: nothing would be answered"),
    ] {
        if !root.has(key) {
            faults.error(None, lack, None);
        }
    }
    for (at, route) in settings.routes.iter().enumerate() {
        twice(route, settings.routes.iter().take(at), faults);
        match &route.kind {
            // Whether it needs a client certificate is for its policies to say, which are compiled later.
            RouteKind::Registration(registration) => templates::check(settings, registration, faults),
            RouteKind::Discovery(discovery) => discovery::check(settings, route, discovery, faults),
            RouteKind::Management(management) => manages_what_is_registered(settings, management, faults),
            RouteKind::Proxy { upstream } => beside_the_door(settings, route, upstream, faults),
            RouteKind::Deny => {}
        }
    }
    if let Some(Store { database: Database::Postgres(_), .. }) = &settings.store
        && let Some(audit) = root.section("audit").filter(|audit| audit.has("reserve"))
    {
        let help = "leave it out: the disk of a PostgreSQL server is watched where the server is";
        let message = "`reserve` keeps room beside an SQLite file, and the store is PostgreSQL";
        faults.error(Some(&audit.place_of_key("reserve")), message, Some(help.to_owned()));
    }
    if settings.routes.iter().any(|route| route.registration().is_some()) {
        recorded(settings, root, faults);
    }
}

/// Two routes that match the same requests: one of them would never be asked.
fn twice<'r>(route: &Route, mut earlier: impl Iterator<Item = &'r Route>, faults: &Faults) {
    let share = |ours: &[String], theirs: &[String]| ours.iter().any(|name| theirs.contains(name));
    let same = earlier.find(|other| {
        other.path == route.path
            && !apart_by_method(other, route)
            && share(&other.listeners, &route.listeners)
            && share(&other.hosts, &route.hosts)
    });
    if let Some(other) = same {
        let message = format!("the route in line {} matches the same requests", other.place.line());
        faults.error(Some(&route.place), message, None);
    }
}

/// A registration route and one that names clients in the query may share a path: their methods differ.
const fn apart_by_method(one: &Route, other: &Route) -> bool {
    matches!(
        (&one.kind, &other.kind),
        (RouteKind::Registration(_), RouteKind::Management(_)) | (RouteKind::Management(_), RouteKind::Registration(_))
    )
}

/// A client is managed under the policy that registered it.
fn manages_what_is_registered(settings: &Settings, management: &Management, faults: &Faults) {
    let mut registrations = settings.routes.iter().filter_map(Route::registration);
    if !registrations.any(|registration| registration.upstream == management.upstream) {
        let message = format!("no registration route leads to `{}`: there is no client to manage", management.upstream);
        faults.error(Some(&management.place), message, None);
    }
}

/// Gated paths have one door. What a wider proxy route reaches is denied when it is asked for;
/// one that reaches nothing else is a mistake.
fn beside_the_door(settings: &Settings, route: &Route, upstream: &str, faults: &Faults) {
    let reserved = settings.gated_paths(upstream);
    let path = route.path.to_string();
    if let Some(reserved) = reserved.find(path.trim_end_matches("/*")) {
        let message = format!("this proxy route leads to the gated path `{reserved}`, which is always denied to it");
        let help = "use a registration route, or leave the route out";
        faults.error(Some(&route.place), message, Some(help.to_owned()));
    }
}

/// Nothing is forwarded that is not on disk, and stored answers are sealed.
fn recorded(settings: &Settings, root: &Section<'_>, faults: &Faults) {
    let help = |text: &str| Some(text.to_owned());
    if !root.has("store") {
        let help = help("[store] sqlite = \"data/dcrgate.db\", sealing_key = { file = \"certs/store.key\" }");
        faults.error(None, "registration routes need a `[store]`", help);
    }
    let Some(section) = root.section("store") else { return };
    if settings.store.is_some() && !section.has("sealing_key") {
        let help = help("openssl rand -hex 32 > store.key");
        faults.error(Some(&section.place()), "registration routes need a `sealing_key` in `[store]`", help);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{Folder, changed, extended};

    fn proxy(path: &str) -> String {
        format!("[[routes]]\npath = \"{path}\"\nkind = \"proxy\"\nupstream = \"idp\"\n")
    }

    #[test]
    fn an_empty_file_lacks_everything() {
        assert_eq!(
            Folder::with("").problems(),
            [
                "-: there is no `[listeners.NAME]`: nothing could connect",
                "-: there is no `[hosts.\"NAME\"]`: no request could name us",
                "-: there are no `[[routes]]`: nothing would be answered",
            ]
        );
    }

    #[test]
    fn no_two_routes_match_the_same() {
        let twice = "[[routes]]\npath = \"/register\"\nkind = \"deny\"\n";
        assert_eq!(extended(twice), ["27: the route in line 21 matches the same requests"]);
        let elsewhere = "[hosts.\"other.example\"]\npublic_base = \"https://other.example\"\n";
        let first = "hosts = [\"gate.example\"]\n";
        assert_eq!(extended(&format!("{first}{elsewhere}{twice}hosts = [\"other.example\"]\n")), [""; 0]);
    }

    #[test]
    fn gated_paths_have_one_door() {
        let denied = |path: &str, gated: &str| {
            let expected = format!(
                "27: this proxy route leads to the gated path `{gated}`, which is always denied to it \
                 (use a registration route, or leave the route out)"
            );
            assert_eq!(extended(&proxy(path)), [expected]);
        };
        denied("/reg", "/reg");
        denied("/REG/x", "/reg");
        denied("/reg/*", "/reg");
        assert_eq!(extended(&proxy("/*")), [""; 0], "a wider prefix is denied request by request");
        let keycloak = |path: &str| {
            let upstream = "url = \"http://127.0.0.1:3000\"";
            let profile = format!("{upstream}\nprofile = \"keycloak\"\n[upstreams.console]\n{upstream}");
            let text = crate::config::tests::GOOD.replace(upstream, &profile) + &proxy(path).replace("idp", "console");
            Folder::with(&text).problems().len()
        };
        assert_eq!(keycloak("/admin/*"), 1, "another name for the same server reserves the same");
        assert_eq!(keycloak("/realms/bank/clients-registrations/default"), 1);
        assert_eq!(keycloak("/realms/bank/*"), 0);
    }

    #[test]
    fn registration_needs_a_store_and_its_key() {
        let text = crate::config::tests::GOOD;
        let (before, after) = text.split_once("[store]").unwrap();
        let (_, routes) = after.split_once("[[routes]]").unwrap();
        let without = Folder::with(&format!("{before}[[routes]]{routes}"));
        assert!(
            without.problems()[0].starts_with("-: registration routes need a `[store]`"),
            "{:?}",
            without.problems()
        );
        let found = changed("sealing_key = { file = \"store.key\" }\n", "");
        assert_eq!(
            found,
            ["17: registration routes need a `sealing_key` in `[store]` (openssl rand -hex 32 > store.key)"]
        );
    }
}
