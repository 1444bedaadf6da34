//! The proxy's own files in a sandbox: `dcrgate.toml` and the policies it names.
//!
//! Written once, when the world is made. A test that wants another setting
//! reads the file, changes it and writes it again.

use super::directory::{self, Directory};
use super::identity_server::IdentityServer;
use super::statement;

/// `dcrgate.toml` of a proxy on this port of 127.0.0.1, for Open Finance Brasil.
pub(super) fn text(port: u16, directory: &Directory, identity_server: &IdentityServer) -> String {
    listener(port) + &open_finance_brasil(directory, identity_server) + &store()
}

/// A listener on this port of 127.0.0.1. With port 0, which takes a free one, the public base names no port.
pub(super) fn listener(port: u16) -> String {
    let public_base = match port {
        0 => "https://localhost".to_owned(),
        port => format!("https://localhost:{port}"),
    };
    format!(
        r#"# A throwaway world: every key and certificate here is worth nothing elsewhere.

[listeners.public]
address = "127.0.0.1:{port}"
certificates = [
  {{ chain = "{SERVER_ECDSA}.pem", key = {{ file = "{SERVER_ECDSA}.key" }} }},
  {{ chain = "{SERVER_RSA}.pem", key = {{ file = "{SERVER_RSA}.key" }} }},
]
client_auth = "request"

[hosts."localhost"]
public_base = "{public_base}"
"#
    )
}

/// A ledger in a file.
pub(super) fn store() -> String {
    format!(
        r#"
[store]
sqlite = "data/dcrgate.db"
sealing_key = {{ file = "{SEALING_KEY}" }}

[audit]
writer = "sandbox"
reserve = 1048576
"#
    )
}

fn open_finance_brasil(directory: &Directory, identity_server: &IdentityServer) -> String {
    let (keys, issuer) = (directory.url(directory::KEYS_PATH), statement::ISSUER);
    let (identity_server, fetch_host) = (identity_server.address(), directory.authority());
    format!(
        r#"
[authorities.sandbox]
anchors = "{CLIENT_ROOT}.pem"
intermediates = "{CLIENT_ISSUING}.pem"
revocation = {{ mode = "prefer", crl = ["{CLIENT_ROOT}.crl", "{CLIENT_ISSUING}.crl"] }}

[fetch]
roots = "{SERVERS}.pem"
private_hosts = ["localhost"]

[key_sets.directory]
url = "{keys}"

[upstreams.identity-server]
url = "http://{identity_server}"
profile = "oidc-provider"
headers = {{ certificate = "rfc9440", chain = true }}

[policies.open-finance-brasil]
file = "policies/open-finance-brasil.toml"
authorities = ["sandbox"]
key_sets = {{ statement = "directory" }}

[policies.open-finance-brasil.params]
environment = "sandbox"
issuers = ["{issuer}"]
fetch_hosts = ["{fetch_host}"]

[[routes]]
path = "/register"
kind = "registration"
upstream = "identity-server"
to = "/reg"
policy = "open-finance-brasil"

[[routes]]
path = "/register/{{client_id}}"
kind = "management"
upstream = "identity-server"
to = "/reg/{{client_id}}"

[[routes]]
path = "/.well-known/*"
kind = "proxy"
upstream = "identity-server"

[[routes]]
path = "/token"
kind = "proxy"
upstream = "identity-server"

[[routes]]
path = "/echo"
kind = "proxy"
upstream = "identity-server"
"#
    )
}

// Paths below the world's home, without what follows the last dot.
pub(super) const SERVER_ECDSA: &str = "certs/server/ecdsa";
pub(super) const SERVER_RSA: &str = "certs/server/rsa";
pub(super) const SERVERS: &str = "certs/authorities/servers";
pub(super) const CLIENT_ROOT: &str = "certs/authorities/clients-root";
pub(super) const CLIENT_ISSUING: &str = "certs/authorities/clients-issuing";
pub(super) const SEALING_KEY: &str = "certs/store.key";
