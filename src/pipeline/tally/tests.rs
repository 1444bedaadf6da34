//! Counting: each step once, taken claims as failures, shadows apart, over reloads, slow ones.

use super::*;
use crate::model::document::Faults;
use crate::model::error_code::ErrorCode;

const POLICY: &str = "id = 'p'\nversion = '1'\ntitle = 't'\nspec = 's'\n[checks.redirects.form]\n[checks.scope.form]\n";

fn policy(text: &str) -> Policy {
    let (faults, none) = (Faults::new(), serde_json::Map::new());
    let policy = crate::policy::compile("p.toml", text, &|_: &str| Err("no file".to_owned()), &none, &faults);
    policy.unwrap_or_else(|| panic!("{:?}", faults.into_problems()))
}

fn with_rule(id: &str) -> Policy {
    let rule = "error = 'invalid_client_metadata'\nmessage = 'm'\nrequire = 'false'\n";
    policy(&format!("{POLICY}[[rule]]\nid = '{id}'\n{rule}"))
}

fn rule(id: &str, mode: Mode) -> Arc<Rule> {
    let (clause, message, error) = ("c".into(), "m".into(), ErrorCode::InvalidClientMetadata);
    Arc::new(Rule { id: id.into(), clause, mode, error, field: None, message, hint: None })
}

fn trace(steps: &[(&str, Mode, Outcome)]) -> Trace {
    let mut trace = Trace::new();
    for (id, mode, outcome) in steps {
        trace.push(&rule(id, *mode), *outcome, None);
    }
    trace
}

/// Everything that is not zero, as `policy=p rule=r result=pass 1`.
fn told(tallies: &Tallies) -> Vec<String> {
    let samples = tallies.read().iter().flat_map(PolicyCounts::samples).collect::<Vec<_>>();
    let line = |sample: &Sample| {
        let labels: Vec<String> = sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {} {}", sample.name, labels.join(" "), sample.value)
    };
    samples.iter().filter(|sample| sample.value > 0).map(line).collect()
}

#[test]
fn every_step_is_counted_once_and_shadows_apart() {
    let tallies = Tallies::default();
    let tally = tallies.of(&with_rule("b.one"));
    // In no order of the policy, and one that it does not have.
    tally.count(
        &trace(&[
            ("b.one", Mode::Shadow, Outcome::Error),
            ("scope.form", Mode::Enforce, Outcome::Skip),
            ("redirects.form", Mode::Shadow, Outcome::Fail),
            ("redirects.form", Mode::Shadow, Outcome::Error),
            ("b.other", Mode::Enforce, Outcome::Pass),
            ("certificate.trusted", Mode::Enforce, Outcome::Pass),
        ]),
        None,
    );
    tally.count(
        &trace(&[("certificate.trusted", Mode::Enforce, Outcome::Fail), ("b.one", Mode::Shadow, Outcome::Fail)]),
        None,
    );
    assert_eq!(
        told(&tallies),
        [
            "dcrgate_policy_judged_total policy=p 2",
            "dcrgate_policy_refused_total policy=p 1",
            "dcrgate_policy_would_refuse_total policy=p 1",
            "dcrgate_rule_results_total policy=p rule=b.one result=fail 1",
            "dcrgate_rule_results_total policy=p rule=b.one result=error 1",
            "dcrgate_rule_would_refuse_total policy=p rule=b.one 2",
            "dcrgate_rule_results_total policy=p rule=certificate.trusted result=pass 1",
            "dcrgate_rule_results_total policy=p rule=certificate.trusted result=fail 1",
            "dcrgate_rule_results_total policy=p rule=redirects.form result=fail 1",
            "dcrgate_rule_would_refuse_total policy=p rule=redirects.form 1",
            "dcrgate_rule_results_total policy=p rule=scope.form result=skip 1",
        ]
    );
    let not_held = tallies.read()[0].not_held();
    assert_eq!(
        not_held,
        "b.one fail 1 error 1 would refuse 2, certificate.trusted fail 1, redirects.form fail 1 would refuse 1"
    );
}

#[test]
fn a_check_whose_claim_is_taken_failed() {
    let tallies = Tallies::default();
    let held = rule("scope.form", Mode::Enforce);
    let steps = [("redirects.form", Mode::Enforce, Outcome::Pass), ("scope.form", Mode::Enforce, Outcome::Pass)];
    tallies.of(&policy(POLICY)).count(&trace(&steps), Some(&held));
    assert_eq!(
        told(&tallies),
        [
            "dcrgate_policy_judged_total policy=p 1",
            "dcrgate_policy_refused_total policy=p 1",
            "dcrgate_rule_results_total policy=p rule=redirects.form result=pass 1",
            "dcrgate_rule_results_total policy=p rule=scope.form result=fail 1",
        ]
    );
}

#[test]
fn a_reload_goes_on_counting_what_keeps_its_id() {
    let tallies = Tallies::default();
    let passed = |id| trace(&[("scope.form", Mode::Enforce, Outcome::Pass), (id, Mode::Enforce, Outcome::Pass)]);
    let old = tallies.of(&with_rule("b.old"));
    old.count(&passed("b.old"), None);
    tallies.of(&with_rule("b.new")).count(&passed("b.new"), None);
    // A request that began before the reload ends after it.
    old.count(&passed("b.old"), None);
    assert_eq!(
        told(&tallies),
        [
            "dcrgate_policy_judged_total policy=p 3",
            "dcrgate_rule_results_total policy=p rule=b.new result=pass 1",
            "dcrgate_rule_results_total policy=p rule=b.old result=pass 2",
            "dcrgate_rule_results_total policy=p rule=scope.form result=pass 3",
        ]
    );
}

#[test]
fn whatever_a_policy_may_say_has_its_place() {
    let text = "id = 'p'\nversion = '1'\ntitle = 't'\nspec = 's'\n[checks.scope.form]\n[aliases.request]\nscopes = 'scope'\n\
                [forward.replaced]\nclient_name = \"'x'\"\n";
    let ids = policy(text).steps();
    let ids: Vec<&str> = ids.iter().map(|id| &**id).collect();
    assert_eq!(
        ids,
        [
            "certificate.trusted",
            "token.valid",
            "aliases.request",
            "scope.form",
            "forward.client_name",
            "limits.request",
            "limits.evidence"
        ]
    );
}

#[test]
fn evaluations_over_five_milliseconds_are_counted_and_one_a_minute_is_warned_of() {
    let tallies = Tallies::default();
    let tally = tallies.of(&policy(POLICY));
    let now = tally.totals.since;
    let decision = DecisionId::new(crate::model::time::Timestamp::from_unix_seconds(0), [0; 10]);
    tally.took(Duration::from_millis(5), now, decision);
    assert_eq!(tallies.read()[0].slow, 0, "at the limit");
    tally.took(Duration::from_micros(5001), now, decision);
    assert_eq!(told(&tallies), ["dcrgate_policy_slow_total policy=p 1"]);
    let after = |seconds| tally.totals.may_warn(now + Duration::from_secs(seconds));
    // The one above took the first turn.
    assert_eq!([0, 59, 60, 61, 119, 120].map(after), [false, false, true, false, false, true]);
}
