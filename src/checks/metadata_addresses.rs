//! Where the addresses of client metadata point (RFC 7591 §5, RFC 9700 §4.11).
//!
//! That they are absolute and outside the house is `metadata.types`; this is what a
//! deployment allows besides: ports, domains, and, as RFC 7591 §5 recommends for what
//! people are shown, the hosts that the client is redirected to.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use super::report::Failure;
use super::{About, Check, Fault, Judge, Report, Settings, WRITES, texts};
use crate::model::address::{as_written, is_below};
use crate::model::document::nearest;
use crate::model::error_code::ErrorCode;
use crate::model::facts::Facts;
use crate::model::metadata::{Kind, MEMBERS, base_name, member};

#[derive(Debug)]
pub(super) struct MetadataAddresses;

const PORT: Fault =
    Fault { message: "this member has an address on a port that is not accepted", hint: "serve it on a usual port" };
const HOST: Fault = Fault {
    message: "this member has an address on a host that is not accepted",
    hint: "use a host of the domains that this deployment accepts",
};
const ELSEWHERE: Fault = Fault {
    message: "this member has an address on another host than the redirect addresses",
    hint: "serve it from a host of redirect_uris, or from one below it",
};

static ABOUT: About = About {
    id: "metadata.addresses",
    summary: "addresses point to accepted ports and hosts",
    clause: "RFC 7591 5",
    error: ErrorCode::InvalidClientMetadata,
    field: None,
    operations: WRITES,
    faults: &[PORT, HOST, ELSEWHERE],
    settings: &[
        ("members", "members that are judged (all that hold addresses)"),
        ("ports", "accepted ports (any)"),
        ("hosts", "accepted domains, each with what is below it (any)"),
        ("same_site_as_redirects", "whether a host has to be one of redirect_uris, or below it (false)"),
    ],
};

impl Check for MetadataAddresses {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn configure(&self, settings: &Settings<'_>, _: &BTreeMap<&'static str, Settings<'_>>) -> Option<Box<dyn Judge>> {
        let known = || MEMBERS.iter().filter(|known| known.kind.holds_addresses()).map(|known| known.name);
        let members = settings.texts("members");
        for unknown in members.iter().flatten().filter(|name| !known().any(|known| known == name.as_str())) {
            let help = nearest(unknown, known()).map(|word| format!("did you mean `{word}`?"));
            let place = settings.json("members").map(|found| found.place);
            settings.faults().error(place.as_ref(), format!("`{unknown}` is not a member that holds addresses"), help);
        }
        let ports = settings.ports("ports");
        let hosts = settings.texts("hosts").map(|hosts| hosts.iter().map(|host| host.to_ascii_lowercase()).collect());
        let same_site = settings.boolean("same_site_as_redirects").unwrap_or(false);
        let members = known().filter(|name| members.as_ref().is_none_or(|chosen| chosen.iter().any(|it| it == name)));
        Some(Box::new(Addresses { members: members.collect(), ports, hosts, same_site }))
    }
}

#[derive(Debug)]
struct Addresses {
    members: Vec<&'static str>,
    ports: Option<Vec<u16>>,
    hosts: Option<Vec<String>>,
    same_site: bool,
}

impl Judge for Addresses {
    fn judge(&self, facts: &Facts<'_>, report: &mut Report<'_>) {
        let redirects: Vec<String> = texts(facts.metadata, "redirect_uris")
            .filter(|_| self.same_site)
            .into_iter()
            .flatten()
            .filter_map(|uri| Some(as_written(uri)?.host_str()?.to_owned()))
            .collect();
        for (name, value) in facts.metadata.iter().filter(|(name, _)| self.members.contains(&base_name(name))) {
            let Some(known) = member(name) else { continue };
            let one = value.as_str().into_iter();
            let many = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            // What is no address at all is refused by `metadata.types`; an address of an application has no host.
            for url in one.chain(many).filter_map(as_written).filter(Url::has_host) {
                let fault = match self.judge_one(&url, &redirects) {
                    Err(ELSEWHERE) if known.kind == Kind::Redirects => continue,
                    Err(fault) => fault,
                    Ok(()) => continue,
                };
                report.fail(Failure::of(fault).field(known.name).detail(url.as_str()));
            }
        }
    }
}

impl Addresses {
    fn judge_one(&self, url: &Url, redirects: &[String]) -> Result<(), Fault> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default();
        if self.ports.as_ref().is_some_and(|ports| !port.is_some_and(|port| ports.contains(&port))) {
            return Err(PORT);
        }
        if self.hosts.as_ref().is_some_and(|hosts| !hosts.iter().any(|domain| is_below(host, domain))) {
            return Err(HOST);
        }
        if self.same_site && !redirects.iter().any(|redirect| is_below(host, redirect)) {
            return Err(ELSEWHERE);
        }
        Ok(())
    }
}
