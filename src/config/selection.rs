//! Who may register on a route and which policy judges: `initial_access_token`, `tokens`, `policy`, `policies`.

use std::collections::BTreeMap;

use super::Reading;
use super::policies::Policy;
use super::tokens::is_scope_word;
use crate::model::document::Section;
use crate::model::id::AuthorityName;

/// Which initial access token has to come (RFC 7591 §3).
#[derive(Debug, PartialEq, Eq)]
pub struct InitialToken {
    /// Whether one has to come; a bad one is refused in either case.
    pub required: bool,
    /// Name of the `[tokens.NAME]`.
    pub issuer: String,
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

/// What the route asks of a token; what makes no sense without one is a fault.
pub(super) fn initial_token(section: &Section<'_>, from: &Reading<'_>) -> Option<InitialToken> {
    let faults = section.faults();
    let wanted = section.word("initial_access_token", TOKENS).and_then(|found| found.value);
    let issuer = section.text("tokens").and_then(|name| from.tokens.refer(name, faults));
    let Some(required) = wanted else {
        if section.has("tokens") && !asks_for_token(section, None) {
            let help = "say `initial_access_token = \"required\"` or `\"optional\"`";
            let message = "`tokens` has no meaning where no initial access token is asked for";
            faults.error(Some(&section.place_of_key("tokens")), message, Some(help.to_owned()));
        }
        return None;
    };
    if !section.has("tokens") {
        let help = "tokens = \"NAME\", where [tokens.NAME] says who issues them";
        let place = section.place_of_key("initial_access_token");
        faults.error(Some(&place), "an initial access token needs an issuer", Some(help.to_owned()));
    }
    Some(InitialToken { required, issuer: issuer? })
}

pub(super) fn policy_choice(
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
pub(super) fn asks_for_token(section: &Section<'_>, token: Option<&InitialToken>) -> bool {
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

/// Whether one has to come; `None` where none is looked at.
const TOKENS: &[(&str, Option<bool>)] = &[("off", None), ("optional", Some(false)), ("required", Some(true))];

#[cfg(test)]
mod tests {
    use crate::config::tests::{changed, extended};

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
