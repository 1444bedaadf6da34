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
        told("'size(request.redirect_uris) < limit'", "'size(request.redirect_uris) < 9'"),
        [
            "the rule p.one asks for `size(request.redirect_uris) < 9` where it asked for `size(request.redirect_uris) < limit`"
        ]
    );
    assert_eq!(told("limit = '3'", "limit = '4'"), ["the named expression limit goes from `3` to `4`; used by p.one"]);
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
