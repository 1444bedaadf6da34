//! The sector of pairwise subjects lists every redirect address of the client (OpenID Connect Core §8.1,
//! Registration §5): nobody joins a sector that does not know of it.

use std::collections::BTreeMap;

use url::Url;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, fetch_hosts, text, texts};
use crate::model::error_code::ErrorCode;
use crate::model::evidence::Known;
use crate::model::facts::Facts;

#[derive(Debug)]
pub(super) struct MetadataSector;

/// The member that names the sector's document.
pub(crate) const MEMBER: &str = "sector_identifier_uri";

/// Which sector documents are fetched before the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectorPolicy {
    /// Hosts from which one may be fetched; any other is not asked.
    pub fetch_hosts: Vec<String>,
}

impl SectorPolicy {
    /// From the settings of `metadata.sector`.
    pub(crate) fn read(settings: &Settings<'_>) -> Option<Self> {
        settings.texts("fetch_hosts").map(|fetch_hosts| Self { fetch_hosts })
    }

    /// Whether the document at this address is fetched for whoever asks: of an allowed host alone, and for nobody
    /// whom no certificate, token or statement vouches for.
    pub fn fetches(&self, address: &str, facts: &Facts<'_>) -> bool {
        is_vouched_for(facts) && self.allows(address)
    }

    fn allows(&self, address: &str) -> bool {
        Url::parse(address).is_ok_and(|url| self.fetch_hosts.iter().any(|entry| fetch_hosts::allows(entry, &url)))
    }
}

const fn is_vouched_for(facts: &Facts<'_>) -> bool {
    facts.peer.is_some() || facts.token.is_some() || facts.statement.is_some()
}

const UNLISTED: Fault = Fault {
    message: "the document at sector_identifier_uri does not list every redirect address of the client",
    hint: "add each entry of redirect_uris to the document, character for character",
};
const MALFORMED: Fault = Fault {
    message: "the document at sector_identifier_uri is not a JSON array of at most 1000 addresses",
    hint: "publish one JSON array of strings, the redirect addresses of all clients of the sector",
};
const ABSENT: Fault = Fault {
    message: "there is no document at sector_identifier_uri that can be fetched",
    hint: "publish the redirect addresses of the sector there as a JSON array, over https on a public host",
};
const ELSEWHERE: Fault = Fault {
    message: "sector_identifier_uri is on a host that is not asked",
    hint: "publish the document on a host of the participant, or ask the operator to have this one added",
};
const STRANGER: Fault = Fault {
    message: "sector_identifier_uri is taken only of a client that somebody vouches for",
    hint: "send a client certificate, an initial access token or a software statement, or leave the member out",
};
const UNAVAILABLE: Fault = Fault {
    message: "the document at sector_identifier_uri cannot be fetched at the moment",
    hint: "see to it that it is answered at once, with status 200 and as application/json; then send the same request again",
};

static ABOUT: About = About {
    id: "metadata.sector",
    summary: "the document at sector_identifier_uri is fetched and lists every redirect address of the client",
    clause: "OIDC Core 8.1, OIDC Registration 5",
    error: ErrorCode::InvalidClientMetadata,
    field: Some(MEMBER),
    operations: WRITES,
    faults: &[UNLISTED, MALFORMED, ABSENT, ELSEWHERE, STRANGER, UNAVAILABLE],
    settings: &[("fetch_hosts", "hosts from which a document may be fetched")],
};

impl Check for MetadataSector {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        settings.require("fetch_hosts");
        SectorPolicy::read(settings).map(|policy| Box::new(policy) as Box<dyn Judge>)
    }
}

impl Judge for SectorPolicy {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        // One that is no text is left to `metadata.types`.
        let Some(address) = text(facts.metadata, MEMBER) else { return };
        let failure = if !is_vouched_for(facts) {
            Failure::of(STRANGER)
        } else if !self.allows(address) {
            Failure::of(ELSEWHERE).detail(address)
        } else {
            match facts.sector {
                Known::Value(Ok(sector)) => {
                    let mut redirects = texts(facts.metadata, "redirect_uris").into_iter().flatten();
                    let Some(unlisted) = redirects.find(|redirect| !sector.lists(redirect)) else { return };
                    Failure::of(UNLISTED).detail(format!("{unlisted} is not among {}", sector.len()))
                }
                Known::Value(Err(why)) => Failure::of(MALFORMED).detail(why.to_string()),
                Known::Absent => Failure::of(ABSENT).detail(address),
                Known::Unavailable(why) => Failure::unavailable(UNAVAILABLE).detail(&**why),
            }
        };
        report.fail(failure);
    }
}
