//! `[listeners.NAME]` and `[hosts."NAME"]`: where dcrgate listens and under which names.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use url::{Host as UrlHost, Url};

use super::Reading;
use super::files::{FileContent, Secret};
use super::values;
use crate::model::document::{Located, Place, Section};
use crate::tls::{ClientAuth, Resumption};

/// A socket that speaks TLS.
#[derive(Debug)]
pub struct Listener {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// At least one; chosen by SNI and signature scheme, the first as fallback.
    pub certificates: Vec<ServerCertificate>,
    /// Default `request`.
    pub client_auth: ClientAuth,
    /// Default off: no tickets and no session store. Trust is judged per request either way.
    pub resumption: Resumption,
    /// Where the section stands.
    pub place: Place,
}

/// A certificate chain of ours and its private key, both PEM, not yet looked into.
#[derive(Debug)]
pub struct ServerCertificate {
    /// Leaf first.
    pub chain: FileContent,
    /// PKCS #8, SEC 1 or PKCS #1.
    pub key: Secret,
}

/// A name under which clients know us.
#[derive(Debug)]
pub struct Host {
    /// What answers and forwarded headers say instead of what the client claims; https, host and port only.
    pub public_base: Url,
    /// Instead of the listener's. A request whose handshake was made for another setting is answered 421.
    pub client_auth: Option<ClientAuth>,
    /// Where the section stands.
    pub place: Place,
}

/// Reads every `[listeners.NAME]`.
pub(super) fn listeners(
    sections: Vec<(Located<String>, Section<'_>)>,
    from: &Reading<'_>,
) -> BTreeMap<String, Listener> {
    let mut found: BTreeMap<String, Listener> = BTreeMap::new();
    for (name, section) in sections {
        let faults = section.faults();
        let place = section.place_of_key("address");
        let Some(listener) = listener(&name, section, from) else { continue };
        let same = found.iter().find(|(_, other)| other.address == listener.address && listener.address.port() != 0);
        if let Some((other, _)) = same {
            faults.error(Some(&place), format!("listener `{other}` has this address already"), None);
        }
        found.insert(name.value, listener);
    }
    found
}

fn listener(name: &Located<String>, section: Section<'_>, from: &Reading<'_>) -> Option<Listener> {
    let address = section.required_text("address").and_then(|text| {
        let parsed = text.value.parse().ok();
        if parsed.is_none() {
            let help = "an IP address and a port, such as \"0.0.0.0:8443\" or \"[::]:8443\"";
            section.faults().error(Some(&text.place), "`address` is not an address", Some(help.to_owned()));
        }
        parsed
    });
    section.require("certificates");
    let pairs = section.list("certificates");
    if pairs.is_empty() && section.has("certificates") {
        let place = section.place_of_key("certificates");
        section.faults().error(Some(&place), "a listener needs at least one certificate", None);
    }
    let written = pairs.len();
    let certificates: Vec<_> = pairs.into_iter().filter_map(|pair| certificate(pair, from)).collect();
    let client_auth = client_auth(&section).unwrap_or(ClientAuth::Request);
    let resumption = match section.boolean("resumption") {
        Some(Located { value: true, .. }) => Resumption::On,
        _ => Resumption::Off,
    };
    if section.texts("trusted_proxies").is_some_and(|proxies| !proxies.is_empty()) {
        values::not_built(&section, "trusted_proxies");
    }
    section.finish();
    let complete = !certificates.is_empty() && certificates.len() == written;
    complete.then_some(())?;
    Some(Listener { address: address?, certificates, client_auth, resumption, place: name.place.clone() })
}

fn certificate(section: Section<'_>, from: &Reading<'_>) -> Option<ServerCertificate> {
    let chain = from.files.required_file(&section, "chain");
    section.require("key");
    let key = from.files.secret(&section, "key");
    section.finish();
    Some(ServerCertificate { chain: chain?, key: key? })
}

fn client_auth(section: &Section<'_>) -> Option<ClientAuth> {
    let words = [("request", ClientAuth::Request), ("require", ClientAuth::Require), ("off", ClientAuth::Off)];
    section.word("client_auth", &words).map(|word| word.value)
}

/// Reads every `[hosts."NAME"]`.
pub(super) fn hosts(sections: Vec<(Located<String>, Section<'_>)>) -> BTreeMap<String, Host> {
    sections.into_iter().filter_map(|(name, section)| Some((name.value.clone(), host(&name, section)?))).collect()
}

fn host(name: &Located<String>, section: Section<'_>) -> Option<Host> {
    check_host_name(name, &section);
    section.require("public_base");
    let public_base = values::origin(&section, "public_base").filter(|url| {
        let secure = url.value.scheme() == "https";
        if !secure {
            section.faults().error(Some(&url.place), "`public_base` has to be an https URL", None);
        }
        secure
    });
    let client_auth = client_auth(&section);
    section.finish();
    Some(Host { public_base: public_base?.value, client_auth, place: name.place.clone() })
}

/// A host is compared with the name that the client sent, lower case and without its port.
fn check_host_name(name: &Located<String>, section: &Section<'_>) {
    let canonical = UrlHost::parse(&name.value).map(|host| host.to_string());
    let help = match canonical {
        _ if name.value.contains('*') => "name each host; a wildcard belongs into the certificate".to_owned(),
        Ok(canonical) if canonical == name.value => return,
        Ok(canonical) => format!("write \"{canonical}\""),
        Err(_) => "a DNS name or an IP address (IPv6 in brackets), without scheme and port".to_owned(),
    };
    section.faults().error(Some(&name.place), "not the name of a host", Some(help));
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{changed, extended};

    #[test]
    fn addresses_are_whole_and_taken_once() {
        let address = "address = \"127.0.0.1:0\"";
        assert_eq!(
            changed(address, "address = \":8443\""),
            ["2: `address` is not an address (an IP address and a port, such as \"0.0.0.0:8443\" or \"[::]:8443\")"]
        );
        let certificates = "certificates = [{ chain = \"chain.pem\", key = { file = \"server.key\" } }]";
        let second = |port: u16| format!("[listeners.b]\naddress = \"127.0.0.1:{port}\"\n{certificates}\n");
        let (first, third) = (second(8443), second(8443).replace(".b]", ".c]"));
        assert_eq!(extended(&format!("{first}{third}")), ["30: listener `b` has this address already"]);
        assert_eq!(extended(&second(0)), [""; 0], "port 0 is another one each time");
    }

    #[test]
    fn a_listener_needs_a_certificate_with_its_key() {
        let pair = "[{ chain = \"chain.pem\", key = { file = \"server.key\" } }]";
        assert_eq!(changed(pair, "[]"), ["3: a listener needs at least one certificate"]);
        assert_eq!(
            changed("key = { file = \"server.key\" }", "key = { file = \"server.key\", env = \"TEST_KEY\" }"),
            ["3: `key` needs either `file` or `env`"]
        );
        assert_eq!(
            changed("{ file = \"server.key\" }", "{ env = \"UNSET\" }"),
            ["3: the environment variable `UNSET` is not set"]
        );
    }

    #[test]
    fn hosts_are_named_as_clients_name_them() {
        let host = |name: &str| changed("hosts.\"gate.example\"", &format!("hosts.\"{name}\""));
        assert_eq!(host("Gate.Example"), ["4: not the name of a host (write \"gate.example\")"]);
        assert_eq!(
            host("*.example"),
            ["4: not the name of a host (name each host; a wildcard belongs into the certificate)"]
        );
        assert_eq!(host("gate.example:8443").len(), 1);
        assert_eq!(host("[::1]"), [""; 0]);
        let base = |url: &str| changed("https://gate.example", url);
        assert_eq!(base("http://gate.example"), ["5: `public_base` has to be an https URL"]);
        assert_eq!(
            base("https://gate.example/x"),
            ["5: `public_base` ends with the host and port, without a path (write \"https://gate.example\")"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_everyone_can_read_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = crate::config::tests::Folder::with(crate::config::tests::GOOD);
        let key = folder.path().with_file_name("server.key");
        std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(
            folder.problems(),
            ["3: warning: every user of this machine can read this key (chmod o-rwx server.key)"]
        );
    }
}
