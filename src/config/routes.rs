//! `[[routes]]`: which requests are judged, which pass, which are denied. What no route means is 404.

use std::collections::BTreeMap;

use super::Reading;
use super::limits::{GATED_BODY_BYTES, Limits};
use super::names::Names;
use super::policies::Policy;
use super::tokens::is_scope_word;
use super::values;
use crate::model::document::{Located, Place, Section};
use crate::model::id::AuthorityName;
use crate::model::route_path::PathPattern;

/// One route. Of several that match a path, the one of the highest [`PathPattern::rank`] is meant.
#[derive(Debug)]
pub struct Route {
    /// Names of listeners; default all.
    pub listeners: Vec<String>,
    /// Names of hosts; default all.
    pub hosts: Vec<String>,
    /// The path without its query.
    pub path: PathPattern,
    /// What happens.
    pub kind: RouteKind,
    /// Where the path stands.
    pub place: Place,
}

impl Route {
    /// What a registration route says, if it is one.
    pub const fn registration(&self) -> Option<&Registration> {
        match &self.kind {
            RouteKind::Registration(registration) => Some(registration),
            RouteKind::Proxy { .. } | RouteKind::Deny => None,
        }
    }
}

/// What happens on a route.
#[derive(Debug)]
pub enum RouteKind {
    /// `POST` of a registration request (RFC 7591 §3.1), judged and then sent to a fixed path.
    Registration(Registration),
    /// Passed on under the same path, with verified headers.
    Proxy {
        /// Name of the upstream.
        upstream: String,
    },
    /// Answered 404, though a wider route may match.
    Deny,
}

/// A registration route.
#[derive(Debug)]
pub struct Registration {
    /// Name of the upstream.
    pub upstream: String,
    /// The identity server's registration path.
    pub to: PathPattern,
    /// Which initial access token has to come; `None` where none is looked at.
    pub token: Option<InitialToken>,
    /// Which policy judges.
    pub policy: PolicyChoice,
    /// Largest body; default `gated_body_bytes` of `[limits]`, with the same bounds.
    pub body_bytes: usize,
}

/// Which initial access token has to come (RFC 7591 §3).
#[derive(Debug, PartialEq, Eq)]
pub struct InitialToken {
    /// Whether one has to come; a bad one is refused in either case.
    pub required: bool,
    /// Name of the `[tokens.NAME]`.
    pub issuer: String,
    /// Whether it travels on to the identity server. Default no: it is for us.
    pub forward: bool,
}

/// Which policy judges a request.
#[derive(Debug, PartialEq, Eq)]
pub enum PolicyChoice {
    /// The same for everyone.
    One(String),
    /// The first that is for the caller; where none is, the caller is refused.
    Several(Vec<Entry>),
}

/// One of several policies, and whom it is for: everything that it names has to fit.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The authority that the client's certificate ends in.
    pub authority: Option<AuthorityName>,
    /// A word of the scope of the initial access token.
    pub token_scope: Option<String>,
    /// Name of the policy.
    pub policy: String,
}

impl PolicyChoice {
    /// Names of the policies.
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        let (one, several): (Option<&String>, &[Entry]) = match self {
            Self::One(policy) => (Some(policy), &[]),
            Self::Several(entries) => (None, entries),
        };
        one.into_iter().chain(several.iter().map(|entry| &entry.policy)).map(String::as_str)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Registration,
    Proxy,
    Deny,
}

/// Reads every `[[routes]]`.
pub(super) fn routes(
    sections: Vec<Section<'_>>,
    from: &Reading<'_>,
    limits: &Limits,
    policies: &BTreeMap<String, Policy>,
) -> Vec<Route> {
    sections.into_iter().filter_map(|section| route(section, from, limits, policies)).collect()
}

fn route(
    section: Section<'_>,
    from: &Reading<'_>,
    limits: &Limits,
    policies: &BTreeMap<String, Policy>,
) -> Option<Route> {
    let listeners = references(&section, "listeners", &from.listeners);
    let hosts = references(&section, "hosts", &from.hosts);
    section.require("kind");
    let mut kind = None;
    values::word(&section, "kind", KINDS, &mut kind);
    let path = path(&section, kind);
    let place = section.place_of_key("path");
    let what = match kind {
        Some(Kind::Registration) => registration(&section, from, limits, policies).map(RouteKind::Registration),
        Some(Kind::Proxy) => {
            foreign("proxy", &section, OF_REGISTRATIONS);
            values::not_built(&section, "upgrade");
            values::not_built(&section, "cors");
            upstream(&section, from).map(|upstream| RouteKind::Proxy { upstream })
        }
        Some(Kind::Deny) => {
            foreign("deny", &section, EVERY_KEY);
            Some(RouteKind::Deny)
        }
        None => {
            // The fault of `kind` is told; its keys are not told as unknown besides.
            for key in EVERY_KEY {
                section.has(key);
            }
            None
        }
    };
    section.finish();
    Some(Route { listeners, hosts, path: path?, kind: what?, place })
}

fn registration(
    section: &Section<'_>,
    from: &Reading<'_>,
    limits: &Limits,
    policies: &BTreeMap<String, Policy>,
) -> Option<Registration> {
    foreign("registration", section, &["upgrade"]);
    values::not_built(section, "cors");
    let token = initial_token(section, from);
    let upstream = upstream(section, from);
    section.require("to");
    let to = fixed(section, "to");
    let policy = policy_choice(section, from, policies, token.as_ref());
    let mut body_bytes = limits.gated_body_bytes;
    values::count(section, "body_bytes", GATED_BODY_BYTES, &mut body_bytes);
    Some(Registration { upstream: upstream?, to: to?, token, policy: policy?, body_bytes })
}

/// What the route asks of a token; what makes no sense without one is a fault.
fn initial_token(section: &Section<'_>, from: &Reading<'_>) -> Option<InitialToken> {
    let faults = section.faults();
    let wanted = section.word("initial_access_token", TOKENS).and_then(|found| found.value);
    let issuer = section.text("tokens").and_then(|name| from.tokens.refer(name, faults));
    let forward = section.boolean("forward_token");
    let Some(required) = wanted else {
        for (key, there) in
            [("tokens", section.has("tokens")), ("forward_token", forward.as_ref().is_some_and(|asked| asked.value))]
        {
            if there && section.text("initial_access_token").is_none_or(|word| word.value == "off") {
                let help = "say `initial_access_token = \"required\"` or `\"optional\"`";
                let message = format!("`{key}` has no meaning where no initial access token is asked for");
                faults.error(Some(&section.place_of_key(key)), message, Some(help.to_owned()));
            }
        }
        return None;
    };
    if !section.has("tokens") {
        let help = "tokens = \"NAME\", where [tokens.NAME] says who issues them";
        let place = section.place_of_key("initial_access_token");
        faults.error(Some(&place), "an initial access token needs an issuer", Some(help.to_owned()));
    }
    Some(InitialToken { required, issuer: issuer?, forward: forward.is_some_and(|asked| asked.value) })
}

fn references(section: &Section<'_>, key: &str, names: &Names) -> Vec<String> {
    match section.texts(key) {
        Some(texts) if texts.is_empty() => {
            let place = section.place_of_key(key);
            let help = format!("leave out `{key}` to mean all of them");
            section.faults().error(Some(&place), "an empty list would match nothing", Some(help));
            Vec::new()
        }
        Some(texts) => texts.into_iter().filter_map(|text| names.refer(text, section.faults())).collect(),
        None => names.all(),
    }
}

fn upstream(section: &Section<'_>, from: &Reading<'_>) -> Option<String> {
    from.upstreams.refer(section.required_text("upstream")?, section.faults())
}

fn path(section: &Section<'_>, kind: Option<Kind>) -> Option<PathPattern> {
    section.require("path");
    if matches!(kind, Some(Kind::Registration)) {
        return fixed(section, "path");
    }
    let path = pattern(section, "path")?;
    if kind.is_some() && path.value.parameters().next().is_some() {
        section.faults().error(Some(&path.place), "`{…}` is for management routes only", None);
        return None;
    }
    Some(path.value)
}

/// A path without wildcard and parameters.
fn fixed(section: &Section<'_>, key: &str) -> Option<PathPattern> {
    let path = pattern(section, key)?;
    if path.value.is_fixed() {
        return Some(path.value);
    }
    section.faults().error(Some(&path.place), format!("the `{key}` of a registration route is one fixed path"), None);
    None
}

fn pattern(section: &Section<'_>, key: &str) -> Option<Located<PathPattern>> {
    let text = section.text(key)?;
    match PathPattern::parse(&text.value) {
        Ok(value) => Some(Located { value, place: text.place }),
        Err(fault) => {
            section.faults().error(Some(&text.place), format!("`{key}`: {fault}"), None);
            None
        }
    }
}

fn policy_choice(
    section: &Section<'_>,
    from: &Reading<'_>,
    policies: &BTreeMap<String, Policy>,
    token: Option<&InitialToken>,
) -> Option<PolicyChoice> {
    let faults = section.faults();
    let choices = section.list("policies");
    if section.has("policy") == section.has("policies") {
        let help = "without a policy nothing could be admitted";
        let message = "a registration route has either `policy` or `policies`";
        faults.error(Some(&section.place()), message, Some(help.to_owned()));
        return None;
    }
    if let Some(policy) = section.text("policy") {
        return from.policies.refer(policy, faults).map(PolicyChoice::One);
    }
    if choices.is_empty() {
        let place = section.place_of_key("policies");
        faults.error(Some(&place), "an empty list would refuse everyone", None);
    }
    let mut entries: Vec<Entry> = Vec::new();
    for choice in choices {
        let place = choice.place_of_key(if choice.has("authority") { "authority" } else { "token_scope" });
        if choice.has("token_scope") && !asks_for_token(section, token) {
            let help = "say `initial_access_token = \"required\"` or `\"optional\"`, and `tokens`";
            let place = choice.place_of_key("token_scope");
            let message = "`token_scope` has no meaning where no initial access token is asked for";
            faults.error(Some(&place), message, Some(help.to_owned()));
        }
        let Some(entry) = entry(choice, from) else { continue };
        if let Some(earlier) = entries.iter().find(|earlier| earlier.decides_for(&entry)) {
            let whom = match (&earlier.authority, &earlier.token_scope) {
                (Some(_), None) => "this authority",
                (None, _) => "this scope",
                (Some(_), Some(_)) => "this authority and scope",
            };
            faults.error(Some(&place), format!("an earlier line decides for {whom} already"), None);
        }
        if let Some(authority) = &entry.authority
            && policies.get(&entry.policy).is_some_and(|policy| !policy.authorities.contains(authority))
        {
            let help = format!("add \"{authority}\" to the `authorities` of `[policies.{}]`", entry.policy);
            faults.error(Some(&place), "this policy does not accept this authority", Some(help));
        }
        entries.push(entry);
    }
    Some(PolicyChoice::Several(entries))
}

/// Whether a token is asked for, though the setting for it may have faults of its own.
fn asks_for_token(section: &Section<'_>, token: Option<&InitialToken>) -> bool {
    token.is_some() || section.text("initial_access_token").is_some_and(|word| word.value != "off")
}

fn entry(choice: Section<'_>, from: &Reading<'_>) -> Option<Entry> {
    let faults = choice.faults();
    if !choice.has("token_scope") {
        choice.require("authority");
    }
    let authority = choice.text("authority").map(|name| from.authorities.refer(name, faults).map(AuthorityName::new));
    let token_scope = choice.text("token_scope");
    if let Some(word) = token_scope.as_ref().filter(|word| !is_scope_word(&word.value)) {
        faults.error(Some(&word.place), "`token_scope` is one word of a scope", None);
    }
    let policy = choice.required_text("policy").and_then(|name| from.policies.refer(name, faults));
    choice.finish();
    let authority = match authority {
        Some(named) => Some(named?),
        None => None,
    };
    let token_scope = token_scope.map(|word| word.value);
    (authority.is_some() || token_scope.is_some()).then_some(())?;
    Some(Entry { authority, token_scope, policy: policy? })
}

impl Entry {
    /// Whether whoever the other one is for is this one's already.
    fn decides_for(&self, other: &Self) -> bool {
        let covers = |ours: bool, same: bool| !ours || same;
        covers(self.authority.is_some(), self.authority == other.authority)
            && covers(self.token_scope.is_some(), self.token_scope == other.token_scope)
    }
}

/// Refuses keys that another kind of route would read.
fn foreign(kind: &str, section: &Section<'_>, keys: &[&str]) {
    for key in keys.iter().filter(|key| section.has(key)) {
        let place = section.place_of_key(key);
        section.faults().error(Some(&place), format!("`{key}` has no meaning on a {kind} route"), None);
    }
}

const KINDS: &[(&str, Option<Option<Kind>>)] = &[
    ("registration", Some(Some(Kind::Registration))),
    ("proxy", Some(Some(Kind::Proxy))),
    ("deny", Some(Some(Kind::Deny))),
    ("management", None),
    ("discovery", None),
    ("token", None),
];

/// Whether one has to come; `None` where none is looked at.
const TOKENS: &[(&str, Option<bool>)] = &[("off", None), ("optional", Some(false)), ("required", Some(true))];

/// What says how a registration is judged.
const OF_REGISTRATIONS: &[&str] =
    &["to", "policy", "policies", "initial_access_token", "tokens", "forward_token", "body_bytes"];

/// Beside `listeners`, `hosts`, `path` and `kind`, which every route reads.
const EVERY_KEY: &[&str] = &[
    "upstream",
    "to",
    "policy",
    "policies",
    "initial_access_token",
    "tokens",
    "forward_token",
    "body_bytes",
    "upgrade",
    "cors",
];

#[cfg(test)]
mod tests {
    use crate::config::tests::{changed, extended};

    #[test]
    fn each_kind_of_route_has_its_keys() {
        for (found, expected) in [
            (
                extended("[[routes]]\npath = \"/x\"\nkind = \"deny\"\nto = \"/y\"\n"),
                "29: `to` has no meaning on a deny route",
            ),
            (
                extended("[[routes]]\npath = \"/x\"\nkind = \"proxy\"\nupstream = \"idp\"\nbody_bytes = 1024\n"),
                "30: `body_bytes` has no meaning on a proxy route",
            ),
            (changed("kind = \"registration\"\n", ""), "20: `kind` is missing in `routes[0]`"),
            (changed("to = \"/reg\"\n", ""), "20: `to` is missing in `routes[0]`"),
            (changed("to = \"/reg\"", "to = \"/reg/*\""), "24: the `to` of a registration route is one fixed path"),
            (
                changed("path = \"/register\"", "path = \"/a;b\""),
                "21: `path`: a path holds letters, digits and `-._~!$&'()+,=:@`, nothing encoded and no query",
            ),
            (
                extended("[[routes]]\npath = \"/x/{client_id}\"\nkind = \"deny\"\n"),
                "27: `{…}` is for management routes only",
            ),
            (extended("hosts = []\n"), "26: an empty list would match nothing (leave out `hosts` to mean all of them)"),
            (extended("body_bytes = 1\n"), "26: `body_bytes` must be from 1024 to 1048576"),
        ] {
            assert_eq!(found, [expected]);
        }
    }

    #[test]
    fn a_policy_is_chosen_once_for_each_authority() {
        let policies = |list: &str| changed("policy = \"scheme\"\n", &format!("policies = [{list}]\n"));
        let one = "{ authority = \"scheme\", policy = \"scheme\" }";
        assert_eq!(policies(one), [""; 0]);
        assert_eq!(policies(&format!("{one}, {one}")), ["25: an earlier line decides for this authority already"]);
        assert_eq!(policies(""), ["25: an empty list would refuse everyone"]);
        assert_eq!(
            extended("policies = []\n"),
            ["20: a registration route has either `policy` or `policies` (without a policy nothing could be admitted)"]
        );
        let other = "[authorities.other]\nanchors = \"chain.pem\"\n";
        assert_eq!(extended(other), ["26: warning: no policy uses this authority"],);
        assert_eq!(
            changed(
                "policy = \"scheme\"\n",
                &format!("policies = [{{ authority = \"other\", policy = \"scheme\" }}]\n{other}")
            ),
            [
                "25: this policy does not accept this authority (add \"other\" to the `authorities` of `[policies.scheme]`)"
            ]
        );
    }
}
