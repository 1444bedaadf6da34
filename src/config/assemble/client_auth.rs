//! Whether a route that needs a client certificate can be reached by anyone who has one.
//!
//! Asked once policies are compiled: it is for them to say whether there has to be a certificate.

use crate::config::Settings;
use crate::config::routes::Route;
use crate::model::document::Faults;
use crate::tls::ClientAuth;

/// Where no policy of a registration route does without a client certificate, every listener and host of the route
/// has to ask for one: on others it would refuse everyone.
pub(super) fn check(settings: &Settings, route: &Route, needed: bool, faults: &Faults) {
    if !needed {
        return;
    }
    for host in &route.hosts {
        for listener in &route.listeners {
            let (Some(at), Some(name)) = (settings.listeners.get(listener), settings.hosts.get(host)) else { continue };
            if name.client_auth.unwrap_or(at.client_auth) == ClientAuth::Off {
                let message = format!("listener `{listener}` asks for no client certificate on `{host}`");
                let help = "the policies of this route need one: `client_auth = \"request\"`, other `listeners` and \
                            `hosts` for this route, or `required = false` in [checks.certificate.trusted]";
                faults.error(Some(&route.place), message, Some(help.to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{Folder, GOOD};

    fn problems(text: &str, needed: bool) -> Vec<String> {
        let settings = Folder::with(text).load().unwrap().settings;
        let faults = Faults::new();
        check(&settings, &settings.routes[0], needed, &faults);
        faults.into_problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_policy_that_needs_a_certificate_needs_a_listener_that_asks_for_one() {
        let off = GOOD.replace("address = \"127.0.0.1:0\"", "address = \"127.0.0.1:0\"\nclient_auth = \"off\"");
        let found = problems(&off, true);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("dcrgate.toml:22: listener `public` asks for no client certificate on `gate.example`"),
            "{found:?}"
        );
        assert_eq!(problems(&off, false), [""; 0]);
        assert_eq!(problems(GOOD, true), [""; 0]);
        let host = "public_base = \"https://gate.example\"";
        let asked = off.replace(host, &format!("{host}\nclient_auth = \"require\""));
        assert_eq!(problems(&asked, true), [""; 0]);
    }
}
