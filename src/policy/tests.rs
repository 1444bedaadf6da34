//! Policies read, merged and evaluated.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::model::claim::ClaimKind;
use crate::model::document::Faults;
use crate::model::facts::Operation;
use crate::model::statement::Statement;
use crate::model::time::Timestamp;

mod checks;
mod forwarded;
mod looked;
mod members_together;
mod metadata;
mod sector;
mod signed_requests;
mod tokens;
mod unshared;

const HEAD: &str = "id = 'p'\nversion = '1'\ntitle = 't'\nspec = 's'\n";

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Compiles files, the first of which is the policy.
fn compiled(files: &[(&str, &str)], params: Value) -> Result<Policy, Vec<String>> {
    let read = |name: &str| {
        let found = files.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| (*text).to_owned()).ok_or("no such file".to_owned())
    };
    let faults = Faults::new();
    let (name, text) = files[0];
    let policy = compile(name, text, &read, &object(params), &faults);
    let problems: Vec<String> = faults.into_problems().iter().map(ToString::to_string).collect();
    assert_eq!(policy.is_none(), !problems.is_empty(), "{problems:?}");
    policy.ok_or(problems)
}

pub(super) fn problems(text: &str) -> Vec<String> {
    compiled(&[("p.toml", &format!("{HEAD}{text}"))], json!({})).err().unwrap_or_default()
}

pub(super) fn policy(text: &str) -> Policy {
    compiled(&[("p.toml", &format!("{HEAD}{text}"))], json!({})).unwrap()
}

const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_521_600);

fn statement(claims: Value) -> Statement {
    Statement { claims: object(claims), algorithm: "PS256", key_id: "k".into(), digest: Digest::of(b"statement") }
}

/// Judges a registration without statement, certificate and token, unless `with` gives them; gives also the members
/// that would travel.
fn told<'f>(
    policy: &'f Policy,
    request: Value,
    with: impl FnOnce(Facts<'f>) -> Facts<'f>,
) -> (Trace, Map<String, Value>, Judged) {
    // Leaked, so that `with` may borrow what outlives it: a few hundred bytes in a test.
    let request: &'f Map<String, Value> = Box::leak(Box::new(object(request)));
    let none: &'f Map<String, Value> = Box::leak(Box::default());
    let facts = with(Facts { metadata: none, ..Facts::of(request, NOW) });
    let mut trace = Trace::new();
    let (metadata, judged) = policy.judge(&facts, &mut trace);
    (trace, metadata, judged)
}

/// Judges a registration; gives `id outcome` of every step, and the claims.
fn judged(policy: &Policy, request: Value, claims: Value) -> (Vec<String>, Judged) {
    let statement = statement(claims);
    let (trace, _, judged) = told(policy, request, |facts| Facts { statement: Some(&statement), ..facts });
    (trace.steps().iter().map(|step| format!("{} {:?}", step.rule.id, step.outcome)).collect(), judged)
}

fn rule(id: &str, rest: &str) -> String {
    format!("[[rule]]\nid = '{id}'\nerror = 'invalid_client_metadata'\nmessage = 'm'\n{rest}\n")
}

#[test]
fn every_fault_is_told_with_its_place() {
    let text = "moed = 'shadow'\n[checks.statement.agee]\n[checks.redirects.form]\nrequired = 'allways'\n[[rule]]\nid = 'a.b'\nrequire = 'tru'\nmesage = 'x'\n";
    assert_eq!(
        problems(text),
        [
            "p.toml:8: `required` does not know this word (did you mean `always`?)",
            "p.toml:6: unknown key `agee` (did you mean `age`?)",
            "p.toml:9: `error` is missing in `rule[0]`",
            "p.toml:9: `message` is missing in `rule[0]`",
            "p.toml:12: unknown key `mesage` (did you mean `message`?)",
            "p.toml:5: unknown key `moed` (did you mean `mode`?)",
            "p.toml:11: unknown name `tru` (the facts are request, metadata, ssa, cert, signer, token, client, operation, params, now)",
        ]
    );
    assert_eq!(compiled(&[("p.toml", "")], json!({})).unwrap_err().len(), 4);
}

#[test]
fn texts_for_callers_are_plain_ascii() {
    for text in ["say \"no\"", "back\\slash", "n\u{e3}o", "line\nfeed"] {
        let quoted = serde_json::to_string(text).unwrap();
        let rule = format!("[[rule]]\nid = 'a.b'\nerror = 'invalid_request'\nrequire = 'true'\nmessage = {quoted}\n");
        assert!(problems(&rule)[0].contains("`message` has characters that an answer cannot carry"), "{text:?}");
    }
    let code = "[[rule]]\nid = 'a.b'\nerror = 'Bad Code'\nrequire = 'true'\nmessage = 'm'\n";
    assert!(problems(code)[0].contains("an error code is"), "{:?}", problems(code));
}

#[test]
fn rules_come_after_what_stands_above_them() {
    let rules = |after: &str| {
        rule("a.one", &format!("require = 'true'\nafter = ['{after}']")) + &rule("a.two", "require = 'true'")
    };
    assert_eq!(
        problems(&rules("a.two")),
        ["p.toml:10: `a.two` stands below this rule (a rule comes after what stands above it)"]
    );
    assert_eq!(
        problems(&rules("a.one")),
        ["p.toml:10: `a.one` stands below this rule (a rule comes after what stands above it)"]
    );
    assert_eq!(
        problems(&rules("metadata.type")),
        ["p.toml:10: there is no rule or check `metadata.type` (did you mean `metadata.types`?)"]
    );
    let twice = rule("a.one", "require = 'true'") + &rule("a.one", "require = 'true'");
    assert_eq!(problems(&twice), ["p.toml:11: two rules have the id `a.one`"]);
    let taken = rule("metadata.types", "require = 'true'");
    assert!(problems(&taken)[0].contains("cannot be the id of a rule"));
}

#[test]
fn a_failure_holds_back_what_comes_after_it_and_a_shadow_nothing() {
    let text = rule("a.fails", "require = 'false'")
        + &rule("a.second", "require = 'true'\nafter = ['a.fails']")
        + &rule("a.third", "require = 'true'\nafter = ['a.second']")
        + &rule("b.shadow", "require = 'false'\nmode = 'shadow'")
        + &rule("b.second", "require = 'false'\nafter = ['b.shadow']")
        + &rule("c.inapplicable", "require = 'false'\nwhen = 'has(request.scope)'")
        + &rule("c.second", "require = 'true'\nafter = ['c.inapplicable']")
        + &rule("d.update", "require = 'false'\non = ['update']");
    let (steps, _) = judged(&policy(&text), json!({}), json!({}));
    assert_eq!(
        steps,
        [
            "a.fails Fail",
            "a.second Skip",
            "a.third Skip",
            "b.shadow Fail",
            "b.second Fail",
            "c.inapplicable Skip",
            "c.second Pass"
        ]
    );
}

#[test]
fn what_cannot_be_evaluated_refuses() {
    let text = "[let]\nbroken = 'request.scope + 1'\n".to_owned()
        + &rule("a.error", "require = 'request.scope == \"\"'")
        + &rule("a.named", "require = 'size(broken) == 1'")
        + &rule("a.word", "require = '\"yes\"'")
        + &rule("a.when", "when = 'request.scope == \"\"'\nrequire = 'true'")
        + &rule("a.detail", "require = 'false'\ndetail = 'request.scope'");
    let (steps, _) = judged(&policy(&text), json!({}), json!({}));
    assert_eq!(steps, ["a.error Error", "a.named Error", "a.word Error", "a.when Error", "a.detail Fail"]);
}

#[test]
fn a_list_that_rules_would_walk_is_bounded() {
    let policy = policy(&rule("a.b", "require = 'size(request.contacts) >= 0'"));
    let (steps, _) = judged(&policy, json!({ "contacts": vec!["a"; 101] }), json!({}));
    assert_eq!(steps, ["limits.request Error"]);
}

#[test]
fn a_deployment_changes_a_regime_without_copying_it() {
    let base = format!(
        "{HEAD}[params]\nissuers = ['one']\n[checks.statement.signature]\nalgorithms = ['PS256']\n[checks.statement.issuer]\nallow = {{ cel = 'params.issuers' }}\n[checks.keys.encryption]\nclaim = 'jwks'\nfetch_hosts = ['h']\n[checks.registration.duplicates]\nclaim = 'id'\n{}{}",
        rule("a.one", "require = 'false'"),
        rule("a.two", "require = 'false'"),
    );
    let child = "extends = 'base.toml'\nid = 'bank'\n[params]\nissuers = ['one', 'two']\n[checks.keys.encryption]\nmode = 'off'\n[checks.registration.duplicates]\nmode = 'off'\n[[rule]]\nid = 'a.one'\nmode = 'shadow'\n[[rule]]\nid = 'a.two'\nmode = 'off'\n";
    let files = [("bank.toml", child), ("base.toml", base.as_str())];
    let bank = compiled(&files, json!({})).unwrap();
    assert_eq!((&**bank.id(), &**bank.title(), bank.software_keys()), ("bank", "t", None));
    let (steps, taken) = judged(&bank, json!({}), json!({ "iss": "two", "id": "s" }));
    assert_eq!(steps, ["statement.issuer Pass", "a.one Fail"]);
    assert!(taken.claims.is_empty());
    let shadow = format!("{}mode = 'shadow'\n{}", HEAD, base.replace(HEAD, ""));
    let (_, taken) = judged(&compiled(&[("p.toml", &shadow)], json!({})).unwrap(), json!({}), json!({ "id": "s" }));
    assert!(taken.claims.is_empty(), "a shadow takes nothing");

    let base = compiled(&files[1..], json!({})).unwrap();
    assert_eq!(base.software_keys().unwrap().fetch_hosts, ["h"]);
    let (steps, taken) = judged(&base, json!({}), json!({ "iss": "two", "id": "s" }));
    assert_eq!(
        steps,
        ["statement.issuer Fail", "keys.encryption Fail", "registration.duplicates Pass", "a.one Fail", "a.two Fail"]
    );
    assert_eq!((taken.claims[0].kind, &*taken.claims[0].key), (ClaimKind::Slot, "p\ns"));
    assert_ne!(bank.digest(), base.digest());
    assert_ne!(base.digest(), compiled(&files[1..], json!({ "issuers": ["x"] })).unwrap().digest());
}

#[test]
fn parameters_of_the_deployment_are_known_and_of_their_type() {
    let text = format!("{HEAD}[params]\nmax_age = '5m'\n");
    let refused = |params| compiled(&[("p.toml", &text)], params).unwrap_err();
    assert_eq!(
        refused(json!({ "max_aeg": "1m" })),
        ["the policy has no parameter `max_aeg` (did you mean `max_age`?)"]
    );
    assert_eq!(refused(json!({ "max_age": 5 })), ["parameter `max_age` has to be a string, not a number"]);
}

#[test]
fn extends_is_read_once_and_not_in_circles() {
    let circle =
        compiled(&[("a.toml", "extends = 'b.toml'\n"), ("b.toml", &format!("extends = 'a.toml'\n{HEAD}"))], json!({}));
    assert_eq!(circle.unwrap_err(), ["b.toml:1: this policy extends itself"]);
    let missing = compiled(&[("a.toml", &format!("extends = 'b.toml'\n{HEAD}"))], json!({}));
    assert_eq!(missing.unwrap_err(), ["a.toml:1: `b.toml` cannot be read: no such file"]);
}

#[test]
fn statement_checks_need_a_verified_statement() {
    let text = "[checks.statement.age]\nmax_age = '5m'\n";
    assert_eq!(problems(text), ["p.toml:5: `statement.age` needs `[checks.statement.signature]`"]);
}

#[test]
fn a_statement_is_remembered_until_it_is_too_old_anyway() {
    let policy = policy(
        "[checks.statement.signature]\nalgorithms = ['PS256']\n[checks.statement.age]\nmax_age = '5m'\nskew = '60s'\n[checks.statement.single-use]\n",
    );
    let claims = |extra: Value| {
        let mut claims = object(json!({ "iss": "i", "iat": NOW.unix_seconds() - 10 }));
        claims.extend(object(extra));
        judged(&policy, json!({}), Value::Object(claims)).1.claims
    };
    let [named] = &claims(json!({ "jti": "j", "exp": NOW.unix_seconds() + 9000 }))[..] else { panic!() };
    assert_eq!((named.kind, &*named.key, &*named.refusal.id), (ClaimKind::Jti, "p\ni\nj", "statement.single-use"));
    assert_eq!(named.expires, Some(NOW.plus(Duration::from_secs(9011))));
    let [whole] = &claims(json!({}))[..] else { panic!() };
    assert_eq!(&*whole.key, format!("p\n{}", Digest::of(b"statement")));
    assert_eq!(whole.expires, Some(NOW.plus(Duration::from_secs(351))));
}

#[test]
fn forwarded_members_are_those_that_a_policy_may_set() {
    let found = problems(
        "[forward.defaults]\nclient_id = 'x'\nsubject_typ = 'public'\nrequire_auth_time = 'yes'\n[forward.derived]\nscope = 'client.subject'\n",
    );
    assert_eq!(
        found,
        [
            "p.toml:6: `client_id` cannot be set by a policy",
            "p.toml:8: `require_auth_time`: this member has to be true or false",
            "p.toml:7: `subject_typ` is not client metadata (did you mean `subject_type`?)",
            "p.toml:10: `client` is not known here (known here: request, ssa, cert, signer, token, params)",
        ]
    );
}

#[test]
fn a_policy_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&policy(""));
}
