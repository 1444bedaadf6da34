//! `metadata.sector`: whose document is fetched, and what has to stand in it.

use super::*;
use crate::model::evidence::Known;
use crate::model::sector::{KnownSector, Sector};

const AT: &str = "https://client.example/sector.json";

fn hosts(hosts: &str) -> Policy {
    policy(&format!("[checks.metadata.sector]\nfetch_hosts = [{hosts}]\n"))
}

fn listing(addresses: &Value) -> KnownSector {
    Known::Value(Sector::from_json(addresses.to_string().as_bytes()).map(Arc::new))
}

/// The messages of everything that refuses a request that a token vouches for, and the codes.
fn refusals(policy: &Policy, request: Value, sector: &KnownSector) -> Vec<(String, String)> {
    let token = Map::new();
    let (trace, ..) = told(policy, request, |facts| Facts { token: Some((&token).into()), sector, ..facts });
    trace.failures().map(|step| (step.rule.error.to_string(), step.rule.message.to_string())).collect()
}

fn client(message: &str) -> Vec<(String, String)> {
    vec![("invalid_client_metadata".to_owned(), message.to_owned())]
}

#[test]
fn every_redirect_address_is_in_the_document() {
    let policy = hosts("'client.example'");
    let request = |redirects: Value| json!({ "sector_identifier_uri": AT, "redirect_uris": redirects });
    let sector = listing(&json!(["https://a.example/cb", "https://b.example/cb"]));
    for listed in [json!(["https://b.example/cb"]), json!(["https://b.example/cb", "https://a.example/cb"]), json!([])]
    {
        assert_eq!(refusals(&policy, request(listed), &sector), []);
    }
    let unlisted = client("the document at sector_identifier_uri does not list every redirect address of the client");
    for other in ["https://b.example/cb/", "https://B.example/cb", "https://b.example/c"] {
        assert_eq!(refusals(&policy, request(json!(["https://a.example/cb", other])), &sector), unlisted, "{other}");
    }
    assert_eq!(refusals(&policy, json!({ "redirect_uris": ["https://c.example/cb"] }), &Known::Absent), []);
}

#[test]
fn what_is_the_clients_fault_and_what_is_not() {
    let policy = hosts("'client.example', '.clients.example'");
    let at =
        |address: &str, sector: &KnownSector| refusals(&policy, json!({ "sector_identifier_uri": address }), sector);
    let empty = listing(&json!([]));
    assert_eq!(at("https://a.clients.example/sector.json", &empty), []);
    let elsewhere = client("sector_identifier_uri is on a host that is not asked");
    for address in ["https://evil.example/", "https://client.example:8443/", "https://clients.example/", "none"] {
        assert_eq!(at(address, &empty), elsewhere, "{address}");
    }
    let absent = client("there is no document at sector_identifier_uri that can be fetched");
    assert_eq!(at(AT, &Known::Absent), absent);
    let malformed = client("the document at sector_identifier_uri is not a JSON array of at most 1000 addresses");
    assert_eq!(at(AT, &listing(&json!({}))), malformed);
    let down = "the document at sector_identifier_uri cannot be fetched at the moment";
    assert_eq!(
        at(AT, &Known::Unavailable("down".into())),
        [("temporarily_unavailable".to_owned(), down.to_owned())],
        "an outage is nobody's fault"
    );
}

#[test]
fn nothing_is_fetched_for_a_stranger() {
    let policy = hosts("'client.example'");
    let (trace, ..) = told(&policy, json!({ "sector_identifier_uri": AT }), |facts| facts);
    let told: Vec<&str> = trace.failures().map(|step| &*step.rule.message).collect();
    assert_eq!(told, ["sector_identifier_uri is taken only of a client that somebody vouches for"]);
}

#[test]
fn hosts_have_to_be_said() {
    assert_eq!(
        problems("[checks.metadata.sector]\n"),
        ["p.toml:5: `fetch_hosts` is missing in `checks.metadata.sector`"]
    );
    let sector = |text: &str| policy(text).sector().cloned();
    assert_eq!(sector("[checks.metadata.sector]\nmode = 'off'\nfetch_hosts = ['h']\n"), None);
    assert_eq!(sector("[checks.metadata.sector]\nfetch_hosts = ['h']\n").unwrap().fetch_hosts, ["h"]);
}
