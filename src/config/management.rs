//! Routes of kind `management`: clients are read, updated and deleted (RFC 7592).

use super::Reading;
use super::limits::{GATED_BODY_BYTES, Limits};
use super::routes::upstream;
use super::values;
use crate::model::client_path::ClientPath;
use crate::model::document::{Place, Section};
use crate::model::route_path::PathPattern;

/// A management route.
#[derive(Debug)]
pub struct Management {
    /// Name of the upstream.
    pub upstream: String,
    /// Where a request names its client: in the path of the route, or in the query (`client_id = "query"`).
    pub client: ClientPath,
    /// The identity server's path of a client.
    pub to: ClientPath,
    /// Largest body; default `gated_body_bytes` of `[limits]`, with the same bounds.
    pub body_bytes: usize,
    /// Where the path stands.
    pub place: Place,
}

/// Reads the keys of a management route. `path` is its own, which may have the id in it.
pub(super) fn management(
    section: &Section<'_>,
    path: &PathPattern,
    from: &Reading<'_>,
    limits: &Limits,
) -> Option<Management> {
    let upstream = upstream(section, from);
    let place = section.place_of_key("path");
    let mut in_query = false;
    values::word(section, "client_id", &[("path", Some(false)), ("query", Some(true))], &mut in_query);
    let client = if in_query { ClientPath::with_query(path) } else { ClientPath::parse(&path.to_string()) };
    if client.is_err() {
        let (message, help) = if in_query {
            ("with `client_id = \"query\"` the path is one fixed path", "path = \"/register\"")
        } else {
            (
                "the path of a management route names the client",
                "path = \"/register/{client_id}\", or `client_id = \"query\"`",
            )
        };
        section.faults().error(Some(&place), message, Some(help.to_owned()));
    }
    let to = section.required_text("to").and_then(|text| match ClientPath::parse(&text.value) {
        Ok(path) => Some(path),
        Err(fault) => {
            section.faults().error(Some(&text.place), format!("`to`: {fault}"), None);
            None
        }
    });
    let words = &[("off", Some(())), ("matching", None)];
    values::word(section, "adopt", words, &mut ());
    let words = &[("registration_access_token", Some(())), ("access_token", None)];
    values::word(section, "authenticate", words, &mut ());
    let mut body_bytes = limits.gated_body_bytes;
    values::count(section, "body_bytes", GATED_BODY_BYTES, &mut body_bytes);
    Some(Management { upstream: upstream?, client: client.ok()?, to: to?, body_bytes, place })
}

#[cfg(test)]
mod tests {
    use crate::config::tests::extended;

    fn route(path: &str, more: &str) -> Vec<String> {
        extended(&format!("[[routes]]\npath = \"{path}\"\nkind = \"management\"\nupstream = \"idp\"\n{more}"))
    }

    const TO: &str = "to = \"/reg/{client_id}\"\n";

    #[test]
    fn clients_are_named_in_path_or_query() {
        assert_eq!(route("/register/{client_id}", TO), [""; 0]);
        assert_eq!(route("/register/{client_id}", "to = \"/clients?id={client_id}\"\n"), [""; 0]);
        let query = format!("{TO}client_id = \"query\"\n");
        assert_eq!(route("/register", &query), [""; 0], "beside the registration route: their methods differ");
        assert_eq!(route("/clients", &query), [""; 0]);
        for (path, more, expected) in [
            (
                "/clients",
                TO,
                "27: the path of a management route names the client \
                 (path = \"/register/{client_id}\", or `client_id = \"query\"`)",
            ),
            (
                "/register/{client_id}",
                &*query,
                "27: with `client_id = \"query\"` the path is one fixed path (path = \"/register\")",
            ),
            ("/register/{client_id}", "", "26: `to` is missing in `routes[1]`"),
            (
                "/register/{client_id}",
                "to = \"/reg\"\n",
                "30: `to`: `{client_id}` stands in it once, as a whole segment or as the value of a query parameter",
            ),
        ] {
            assert_eq!(route(path, more), [expected]);
        }
    }

    #[test]
    fn what_it_does_not_do_is_refused() {
        for (more, expected) in [
            ("policy = \"scheme\"\n", "31: `policy` has no meaning on a management route"),
            ("token_to_upstream = \"drop\"\n", "31: `token_to_upstream` has no meaning on a management route"),
        ] {
            assert_eq!(route("/register/{client_id}", &format!("{TO}{more}")), [expected]);
        }
        let registration = extended("adopt = \"off\"\n");
        assert_eq!(registration, ["26: `adopt` has no meaning on a registration route"]);
    }

    #[test]
    fn it_leads_to_where_clients_are_registered_and_no_proxy_route_does() {
        let other = "[upstreams.other]\nurl = \"http://127.0.0.1:3001\"\n";
        let found = extended(&format!(
            "{other}[[routes]]\npath = \"/x/{{client_id}}\"\nkind = \"management\"\nupstream = \"other\"\n{TO}"
        ));
        assert_eq!(found, ["29: no registration route leads to `other`: there is no client to manage"]);
        let proxy = "[[routes]]\npath = \"/clients/*\"\nkind = \"proxy\"\nupstream = \"idp\"\n";
        let found = route("/register/{client_id}", &format!("to = \"/clients?id={{client_id}}\"\n{proxy}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("leads to the gated path `/clients`"), "{found:?}");
        let again = format!(
            "{TO}[[routes]]\npath = \"/register/{{client_id}}\"\nkind = \"management\"\nupstream = \"idp\"\n{TO}"
        );
        assert_eq!(route("/register/{client_id}", &again), ["32: the route in line 27 matches the same requests"]);
    }
}
