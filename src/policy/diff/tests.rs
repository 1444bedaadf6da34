//! The sentences that a change gives.

use serde_json::Map;

use super::*;
use crate::model::document::Faults;

const OLD: &str = "id = 'p'\nversion = '1'\ntitle = 't'\nspec = 's'\n[params]\nage = '5m'\n\
    [checks.statement.signature]\nalgorithms = ['PS256']\n[checks.statement.age]\nmax_age = { cel = 'params.age' }\n\
    [checks.scope.form]\n[let]\nlimit = '3'\n[[rule]]\nid = 'p.one'\nerror = 'invalid_client_metadata'\nmessage = 'too many'\n\
    require = 'size(request.redirect_uris) < limit'\n[forward.from_statement]\nclient_name = 'software_client_name'\n";

fn read(text: &str) -> Effective {
    let faults = Faults::new();
    let none = |_: &str| Err("none".to_owned());
    crate::policy::compile("p.toml", text, &none, &Map::new(), &faults);
    let effective = Effective::read("p.toml", text, &none, &Map::new(), &faults);
    effective.unwrap_or_else(|| panic!("{:?}", faults.into_problems()))
}

fn told(from: &str, to: &str) -> Vec<String> {
    assert!(OLD.contains(from), "{from}");
    diff(&read(OLD), &read(&OLD.replace(from, to))).into_iter().map(|change| change.sentence).collect()
}

#[test]
fn nothing_changes_by_a_comment() {
    assert_eq!(told("id = 'p'\n", "# a word\nid = 'p'\n"), [""; 0]);
}

#[test]
fn what_is_accepted_is_said_where_it_is_certain() {
    assert_eq!(
        told("age = '5m'", "age = '10m'"),
        [
            "the parameter age goes from `5m` to `10m`",
            "`max_age` of statement.age (longest time since iat) goes from 5m to 10m: older statements are now accepted",
        ]
    );
    assert_eq!(
        told("{ cel = 'params.age' }", "'90s'"),
        [
            "`max_age` of statement.age (longest time since iat) goes from 5m to 90s: statements that were accepted are now too old"
        ]
    );
    assert_eq!(
        told("['PS256']", "['ES256', 'PS256']"),
        ["`algorithms` of statement.signature (accepted JWS algorithms) also has ES256"]
    );
    assert_eq!(
        told("max_age = {", "skew = '1m'\nmax_age = {"),
        [
            "`skew` of statement.age (how far iat may lie in the future) goes from its default (10s) to 1m: clocks may differ more"
        ]
    );
}

#[test]
fn checks_and_rules_come_go_and_are_only_recorded() {
    assert_eq!(
        told("[checks.scope.form]\n", ""),
        [
            "the check scope.form is gone: what it refused is now accepted (scope is a list of at most 100 scope tokens separated by one space)"
        ]
    );
    assert_eq!(told("[checks.scope.form]\n", "[checks.scope.form]\nmode = 'off'\n").len(), 1);
    let rule = "[[rule]]\nid = 'p.two'\nerror = 'invalid_scope'\nmessage = 'no'\nrequire = 'true'\n[forward";
    assert_eq!(told("[forward", rule), ["the rule p.two is new and refuses with invalid_scope: no"]);
    assert_eq!(
        told("id = 'p.one'", "id = 'p.one'\nmode = 'shadow'"),
        ["the rule p.one is now only recorded, no longer enforced"]
    );
    assert_eq!(
        told("spec = 's'", "spec = 's'\nmode = 'shadow'"),
        ["the policy as a whole is now only recorded, no longer enforced"]
    );
    assert_eq!(
        told("limit = '3'", "limit = '3'\nother = 'limit'").pop().unwrap(),
        "the named expression other is new: `limit`",
        "nothing uses it"
    );
    assert_eq!(
        told("'size(request.redirect_uris) < limit'", "'size(request.redirect_uris) < 9'"),
        [
            "the rule p.one asks for `size(request.redirect_uris) < 9` where it asked for `size(request.redirect_uris) < limit`"
        ]
    );
    assert_eq!(told("limit = '3'", "limit = '4'"), ["the named expression limit goes from `3` to `4`; used by p.one"]);
}

#[test]
fn a_named_expression_is_used_through_others_too() {
    let old = OLD.replace("limit = '3'", "least = '3'\nlimit = 'least'");
    let changes = diff(&read(&old), &read(&old.replace("'3'", "'4'")));
    let sentences: Vec<&str> = changes.iter().map(|change| change.sentence.as_str()).collect();
    assert_eq!(sentences, ["the named expression least goes from `3` to `4`; used by p.one"]);
}

#[test]
fn what_a_rule_does_is_by_its_own_word_or_else_the_policys() {
    let shadow = OLD.replace("spec = 's'", "spec = 's'\nmode = 'shadow'");
    let with = |text: &str, mode: &str| text.replace("id = 'p.one'", &format!("id = 'p.one'\nmode = '{mode}'"));
    let told = |old: &str, new: &str| -> Vec<String> {
        diff(&read(old), &read(new)).into_iter().map(|change| change.sentence).collect()
    };
    assert_eq!(told(&shadow, &with(&shadow, "enforce")), ["the rule p.one is now enforced, no longer only recorded"]);
    assert_eq!(told(&with(&shadow, "enforce"), &shadow), ["the rule p.one is now only recorded, no longer enforced"]);
    assert_eq!(
        told(&shadow, &with(&shadow, "shadow")),
        ["the rule p.one is only recorded as before, and now says so itself"]
    );
    assert_eq!(
        told(&with(OLD, "enforce"), OLD),
        ["the rule p.one is enforced as before, and no longer says so itself"]
    );
    assert_eq!(
        told(OLD, &with(&shadow, "enforce")),
        [
            "the policy as a whole is now only recorded, no longer enforced",
            "the rule p.one is enforced as before, and now says so itself"
        ]
    );
    let enforce = shadow.replace("'shadow'", "'enforce'");
    assert_eq!(told(OLD, &enforce), ["the policy as a whole is enforced as before, and now says so itself"]);
    let without = |text: &str| text.replace("[checks.scope.form]\n", "");
    assert_eq!(
        told(&without(&shadow), &shadow),
        [
            "the check scope.form is new and refuses with invalid_client_metadata: scope is not a list of scope names separated by one space, but only recorded for now"
        ]
    );
    let signed = OLD.replace("[checks.statement.age]", "[checks.statement.present]\n[checks.statement.age]");
    assert_eq!(
        told(&shadow, &signed.replace("spec = 's'", "spec = 's'\nmode = 'shadow'")),
        [
            "the step statement.present is new and refuses with invalid_software_statement: software_statement is missing or is not a string"
        ],
        "a step refuses always"
    );
    assert_eq!(
        told(&shadow, &without(&shadow)),
        [
            "the check scope.form is gone: it was only recorded (scope is a list of at most 100 scope tokens separated by one space)"
        ]
    );
}

#[test]
fn a_full_quota_refuses_as_its_window_says() {
    let quota = |rest: &str| {
        told("[let]", &format!("[checks.registration.quota]\nlimit = 3\nper = 'certificate'\n{rest}[let]"))
    };
    assert_eq!(
        quota(""),
        [
            "the check registration.quota is new and refuses with access_denied: there are as many registered clients as are allowed"
        ]
    );
    assert_eq!(
        quota("window = '1h'\n"),
        [
            "the check registration.quota is new and refuses with temporarily_unavailable: the quota of registrations is used up for the moment"
        ]
    );
    assert_eq!(
        quota("window = '1h'\nerror = 'access_denied'\nmessage = 'later'\n"),
        ["the check registration.quota is new and refuses with access_denied: later"]
    );
}

#[test]
fn what_travels_is_told() {
    assert_eq!(
        told("client_name = 'software_client_name'\n", ""),
        ["client_name is no longer taken from the statement: what the client asks for is forwarded"]
    );
    assert_eq!(
        told("[forward.from", "[forward]\nunknown = 'keep'\n[forward.from"),
        ["members that are no client metadata are now forwarded"]
    );
}
