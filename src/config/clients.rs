//! dcrgate as a client of an authorization server: where, as whom, and whom it trusts there.

use std::time::Duration;

use url::Url;

use super::Reading;
use super::files::{FileContent, Secret};
use super::trust::{Fetch, is_listed};
use super::values::{self, SECOND};
use crate::model::address::is_this_machine;
use crate::model::document::{Located, Place, Section};

/// An endpoint and our credentials for it.
#[derive(Debug)]
pub struct ServerClient {
    /// https, or http to this machine.
    pub url: Url,
    /// `client_id` there.
    pub client_id: String,
    /// How it is proved.
    pub credential: Credential,
    /// PEM roots instead of the system's and those of `[fetch]`; default these.
    pub roots: Option<FileContent>,
    /// How long a caller waits for it. Default 4 s, from 0.1 s to 10 s: a registration waits meanwhile.
    pub timeout: Duration,
    /// Where the section stands.
    pub place: Place,
}

/// How we authenticate.
#[derive(Debug)]
pub enum Credential {
    /// `client_secret`: HTTP Basic (RFC 6749 §2.3.1). White space at its end, as files have, is no part of it.
    Secret(Secret),
    /// `identity`: mutual TLS (RFC 8705 §2).
    Certificate {
        /// PEM chain, own certificate first.
        certificate: FileContent,
        /// PEM key.
        key: Secret,
    },
}

/// Reads the keys that every client of a server has; those of its own the caller has read before.
pub(super) fn server_client(section: Section<'_>, from: &Reading<'_>, fetch: &Fetch) -> Option<ServerClient> {
    let faults = section.faults();
    section.require("url");
    let url = values::url(&section, "url").filter(|url| is_safe(url, fetch, &section));
    let client_id = section.required_text("client_id");
    if let Some(empty) = client_id.as_ref().filter(|id| id.value.is_empty()) {
        faults.error(Some(&empty.place), "`client_id` is empty", None);
    }
    let place = section.place();
    if section.has("client_secret") == section.has("identity") {
        let help = "client_secret = { file = \"…\" }, or identity = { certificate = \"…\", key = { file = \"…\" } }";
        let message = "a client has either `client_secret` or `identity`";
        faults.error(Some(&place), message, Some(help.to_owned()));
    }
    let secret = from.files.secret(&section, "client_secret").and_then(|secret| text_of(&secret, &section));
    let identity = section.section("identity").and_then(|section| identity(section, from));
    if section.has("identity") && url.as_ref().is_some_and(|url| url.value.scheme() == "http") {
        let place = section.place_of_key("identity");
        faults.error(Some(&place), "`identity` has no meaning for an http URL", None);
    }
    let roots = from.files.file(&section, "roots");
    let mut timeout = 4 * SECOND;
    values::duration(&section, "timeout", SECOND / 10..=10 * SECOND, &mut timeout);
    section.finish();
    let credential = secret.map(Credential::Secret).or(identity)?;
    Some(ServerClient { url: url?.value, client_id: client_id?.value, credential, roots, timeout, place })
}

fn identity(section: Section<'_>, from: &Reading<'_>) -> Option<Credential> {
    let certificate = from.files.required_file(&section, "certificate");
    section.require("key");
    let key = from.files.secret(&section, "key");
    section.finish();
    Some(Credential::Certificate { certificate: certificate?, key: key? })
}

/// A secret that is text, without the white space that ends a file; one that cannot stand in a header is a fault.
pub(super) fn text_of(secret: &Secret, section: &Section<'_>) -> Option<Secret> {
    let text = secret.expose().trim_ascii_end();
    if text.is_empty() || !text.iter().all(|byte| matches!(byte, 0x20..=0x7e)) {
        let help = "a secret is one line of ASCII";
        section.faults().error(Some(&secret.place), "this secret cannot be used", Some(help.to_owned()));
        return None;
    }
    let text = text.to_vec();
    Some(secret.decoded(text))
}

/// Credentials travel to it.
fn is_safe(url: &Located<Url>, fetch: &Fetch, section: &Section<'_>) -> bool {
    if url.value.scheme() != "https" && !(fetch.proxy.is_none() && is_this_machine(&url.value)) {
        let help = "http only to this machine, without a proxy";
        let message = "credentials travel to this `url`: it has to be https";
        section.faults().error(Some(&url.place), message, Some(help.to_owned()));
        return false;
    }
    is_listed(url, fetch, section.faults())
}
