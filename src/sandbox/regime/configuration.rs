//! `dcrgate.toml` of a proxy that judges every example of a policy on a path of its own.
//!
//! Each has a policy of its own besides, under another id: what one example uses up, no other misses.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{Play, Regime, text_of};
use crate::policy::Signer;
use crate::sandbox::configuration::{listener, store};

/// The whole file. `public` is the path of the policy as deployed, for a visitor.
pub(super) fn text(port: u16, regime: &Regime) -> String {
    let mut text = listener(port);
    for authority in regime.authorities.keys() {
        let _ = write!(
            text,
            "\n[authorities.{authority}]\nanchors = \"{}.pem\"\nintermediates = \"{}.pem\"\nrevocation = {{ mode = \"off\" }}\n",
            root_file(authority),
            issuing_file(authority),
        );
    }
    let hosts: Vec<Value> = regime.hosts.iter().map(|host| host.as_str().into()).collect();
    let _ = write!(
        text,
        "\n[fetch]\nroots = \"{}.pem\"\nprivate_hosts = [\"localhost\"]\nproxy = \"{}\"\nhosts = {}\n",
        crate::sandbox::configuration::SERVERS,
        regime.egress.url(),
        text_of(&Value::Array(hosts)),
    );
    let _ = write!(
        text,
        "\n[key_sets.directory]\nurl = \"{}\"\n",
        regime.world.directory.url(crate::sandbox::directory::KEYS_PATH)
    );
    let _ = write!(
        text,
        "\n[upstreams.identity-server]\nurl = \"http://{}\"\nprofile = \"oidc-provider\"\nheaders = {{ certificate = \"rfc9440\", chain = true }}\n",
        regime.world.identity_server.address(),
    );
    for play in &regime.plays {
        let _ = write!(text, "{}", policy_and_route(play, regime));
    }
    // All cases come from one address, and many from nobody whom the proxy knows.
    text + &store() + "strangers_per_minute = 1000000\nstrangers_per_address_per_minute = 1000000\n"
}

fn policy_and_route(play: &Play, regime: &Regime) -> String {
    let name = &play.name;
    let authorities: Vec<Value> = regime.authorities.keys().map(|name| name.as_str().into()).collect();
    let mut text = format!("\n[policies.{name}]\nfile = \"policies/{name}.toml\"\n");
    let _ = writeln!(text, "authorities = {}", text_of(&Value::Array(authorities)));
    if let Some(statement) = play.policy.statement().filter(|statement| statement.signer == Signer::Directory) {
        let _ = writeln!(text, "key_sets = {{ {} = \"directory\" }}", text_of(&statement.key_set.as_str().into()));
    }
    if !play.example.params.is_empty() {
        let _ = writeln!(text, "params = {}", text_of(&Value::Object(play.example.params.clone())));
    }
    let token = play.example.facts.get("token").and_then(Value::as_object).map(|claims| token(claims, name));
    let (settings, route) = token.unwrap_or_default();
    let _ = write!(
        text,
        "{settings}\n[[routes]]\npath = \"{}\"\nkind = \"registration\"\nupstream = \"identity-server\"\nto = \"/reg\"\npolicy = \"{name}\"\n{route}",
        play.path,
    );
    text
}

/// Who issued the token of an example, and what its route says of tokens.
fn token(claims: &Map<String, Value>, name: &str) -> (String, String) {
    let claim = |name: &str, usual: &str| claims.get(name).cloned().unwrap_or_else(|| usual.into());
    let scope = claims.get("scope").and_then(Value::as_str).and_then(|scope| scope.split(' ').next());
    let settings = format!(
        "\n[tokens.{name}]\nkey_set = \"directory\"\nissuer = {}\naudience = {}\nscope = {}\n",
        text_of(&claim("iss", TOKEN_ISSUER)),
        text_of(&claim("aud", TOKEN_AUDIENCE)),
        text_of(&scope.unwrap_or("dcr").into()),
    );
    (settings, format!("initial_access_token = \"required\"\ntokens = \"{name}\"\n"))
}

/// `iss` of a token whose case names none.
pub(super) const TOKEN_ISSUER: &str = "https://issuer.sandbox.example";

/// `aud` of a token whose case names none.
pub(super) const TOKEN_AUDIENCE: &str = "https://localhost/register";

/// The anchor of an authority, below the world's home, without what follows the last dot.
pub(super) fn root_file(authority: &str) -> String {
    format!("certs/authorities/{authority}-root")
}

/// The intermediate that issues for it.
pub(super) fn issuing_file(authority: &str) -> String {
    format!("certs/authorities/{authority}-issuing")
}
