//! Checks over initial access tokens, and quotas.

use std::net::IpAddr;

use super::*;

/// Judges a registration with a token from an address; gives the code of each failure, and the claims.
fn asked(policy: &Policy, token: Option<Value>, remote: Option<&str>, claims: Value) -> (Vec<String>, Vec<Claim>) {
    let (failed, judged) = judged(policy, token, remote, Some(claims));
    (failed, judged.claims)
}

/// The same, with all that it came to, and with or without a statement.
fn judged(policy: &Policy, token: Option<Value>, remote: Option<&str>, claims: Option<Value>) -> (Vec<String>, Judged) {
    let token = token.map(object);
    let nothing = Map::new();
    let digest = Digest::of(b"statement");
    let statement = |claims| Statement { claims: object(claims), algorithm: "PS256", key_id: "k".into(), digest };
    let statement = claims.map(statement);
    let facts = Facts {
        statement: statement.as_ref(),
        token: token.as_ref().map(Into::into),
        remote: remote.map(|text| text.parse::<IpAddr>().unwrap()),
        ..Facts::of(&nothing, NOW)
    };
    let mut trace = Trace::new();
    let judged = policy.evaluate(&facts, &mut trace);
    (trace.failures().map(|step| format!("{} {}", step.rule.id, step.rule.error)).collect(), judged)
}

fn codes(policy: &Policy, token: Option<Value>) -> Vec<String> {
    asked(policy, token, None, json!({})).0
}

#[test]
fn a_policy_may_ask_for_a_token_and_for_a_word_of_its_scope() {
    let any = policy("[checks.token.present]\n");
    assert_eq!(codes(&any, None), ["token.present invalid_token"]);
    assert_eq!(codes(&any, Some(json!({}))), [""; 0]);
    let scoped = policy("[checks.token.present]\nscope = 'dcr:mobile'\n");
    assert_eq!(codes(&scoped, None), ["token.present invalid_token"]);
    for (scope, refused) in [
        (json!("openid dcr:mobile"), false),
        (json!("dcr:mobile"), false),
        (json!("dcr:mobiles"), true),
        (json!("dcr"), true),
        (json!(["dcr:mobile"]), true),
    ] {
        let expected: &[&str] = if refused { &["token.present insufficient_scope"] } else { &[] };
        assert_eq!(codes(&scoped, Some(json!({ "scope": scope }))), expected, "{scope}");
    }
    assert_eq!(
        problems("[checks.token.present]\nscope = 'two words'\n"),
        ["p.toml:6: `scope` has to be one word of a scope"]
    );
}

#[test]
fn a_token_is_used_once_under_whichever_policy() {
    let policy = policy("[checks.token.single-use]\n");
    let (failed, claims) =
        asked(&policy, Some(json!({ "iss": "https://i", "jti": "j", "exp": 1_795_525_200 })), None, json!({}));
    assert_eq!(failed, [""; 0]);
    let [claim] = &claims[..] else { panic!("{claims:?}") };
    assert_eq!((claim.kind, &*claim.key, claim.units), (ClaimKind::TokenUse, "https://i\nj", 1));
    assert_eq!(claim.expires, Some(Timestamp::from_unix_seconds(1_795_525_501)));
    for jti in [json!(null), json!(""), json!(7), json!("a\nb"), json!("j".repeat(257))] {
        let token = json!({ "iss": "https://i", "jti": jti });
        assert_eq!(codes(&policy, Some(token)), ["token.single-use invalid_token"], "{jti}");
    }
    assert_eq!(codes(&policy, None), [""; 0], "whether there has to be one is for token.present to say");
}

fn quota(settings: &str) -> Policy {
    policy(&format!(
        "[checks.statement.signature]\nalgorithms = ['PS256']\n[subject]\norganisation = 'org'\nsoftware = 'sw'\n\
         [checks.registration.quota]\n{settings}\n"
    ))
}

#[test]
fn a_quota_counts_against_whom_the_policy_says() {
    let token = json!({ "iss": "i", "sub": "s", "client_id": "c" });
    for (per, key) in [
        ("policy", "p\nlive\npolicy\nall"),
        ("organisation", "p\nlive\norganisation\norg-1"),
        ("software", "p\nlive\nsoftware\nsoftware-1"),
        ("token", "p\nlive\ntoken\ni sub s"),
        ("address", "p\nlive\naddress\n192.0.2.1"),
    ] {
        let policy = quota(&format!("limit = 3\nper = '{per}'"));
        let claims = json!({ "org": "org-1", "sw": "software-1" });
        let (failed, claims) = asked(&policy, Some(token.clone()), Some("192.0.2.1"), claims);
        assert_eq!(failed, [""; 0], "{per}");
        let [claim] = &claims[..] else { panic!("{claims:?}") };
        assert_eq!((claim.kind, &*claim.key, claim.units, claim.expires), (ClaimKind::Quota, key, 3, None));
    }
    for (per, code) in [
        ("certificate", "invalid_client"),
        ("organisation", "invalid_software_statement"),
        ("software", "invalid_software_statement"),
        ("token", "invalid_token"),
        ("address", "access_denied"),
    ] {
        let (failed, claims) = asked(&quota(&format!("limit = 3\nper = '{per}'")), None, None, json!({}));
        assert_eq!(failed, [format!("registration.quota {code}")], "nobody to count it against");
        assert!(claims.is_empty());
    }
    let empty = asked(&quota("limit = 3\nper = 'organisation'"), None, None, json!({ "org": "" }));
    assert_eq!(empty.0, ["registration.quota invalid_software_statement"], "an empty name is nobody's");
}

#[test]
fn a_subscriber_is_an_ipv4_address_or_an_ipv6_prefix_of_64_bits() {
    let policy = quota("limit = 1\nper = 'address'");
    let key = |remote| asked(&policy, None, Some(remote), json!({})).1[0].key.to_string();
    assert_eq!(key("2001:db8:1:2:3:4:5:6"), "p\nlive\naddress\n2001:db8:1:2::/64");
    assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::"));
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
}

#[test]
fn a_token_without_a_subject_is_its_clients() {
    let policy = quota("limit = 1\nper = 'token'");
    let key = |token| asked(&policy, Some(token), None, json!({})).1[0].key.to_string();
    assert_eq!(key(json!({ "iss": "i", "client_id": "c" })), "p\nlive\ntoken\ni client_id c");
    assert_ne!(key(json!({ "iss": "i", "sub": "x" })), key(json!({ "iss": "j", "sub": "x" })));
}

#[test]
fn a_quota_over_a_window_ends_with_it_and_refuses_for_the_moment() {
    let taken = |settings: &str| asked(&quota(settings), None, None, json!({})).1.remove(0);
    let window = taken("limit = 1\nper = 'policy'\nwindow = '24h'");
    assert_eq!((&*window.key, window.expires), ("p\nwindow\npolicy\nall", Some(NOW.plus(Duration::from_secs(86_400)))));
    assert_eq!(window.refusal.error.as_str(), "temporarily_unavailable");
    let live = taken("limit = 1\nper = 'policy'");
    assert_eq!((live.refusal.error.as_str(), live.expires), ("access_denied", None));
    assert_ne!(window.refusal.message, live.refusal.message);
    let own = taken("limit = 1\nper = 'policy'\nwindow = '24h'\nerror = 'too_many_clients'\nmessage = 'enough'");
    assert_eq!((own.refusal.error.as_str(), &*own.refusal.message), ("too_many_clients", "enough"));
}

#[test]
fn a_quota_may_count_all_parties_together_too() {
    let policy = quota("limit = 3\nper = 'address'\nwindow = '1h'\nin_all = 1000");
    let (failed, claims) = asked(&policy, None, Some("192.0.2.1"), json!({}));
    assert_eq!(failed, [""; 0]);
    let hour = Some(NOW.plus(Duration::from_secs(3600)));
    let claims: Vec<_> = claims.iter().map(|claim| (&*claim.key, claim.units, claim.expires)).collect();
    assert_eq!(claims, [("p\nwindow\naddress\n192.0.2.1", 3, hour), ("p\nwindow\npolicy\nall", 1000, hour)]);
    let (failed, claims) = asked(&policy, None, None, json!({}));
    assert_eq!(failed, ["registration.quota access_denied"]);
    assert!(claims.is_empty(), "who cannot be counted takes nothing from the others");
    assert_eq!(
        problems("[checks.registration.quota]\nlimit = 3\nper = 'policy'\nin_all = 3\n"),
        ["p.toml:8: `limit` per policy is the number of all already"]
    );
}

#[test]
fn a_quota_that_could_not_count_is_a_fault() {
    let faults = |settings: &str| problems(&format!("[checks.registration.quota]\n{settings}\n"));
    assert_eq!(
        faults("window = '1h'"),
        [
            "p.toml:5: `limit` is missing in `checks.registration.quota`",
            "p.toml:5: `per` is missing in `checks.registration.quota`"
        ]
    );
    assert_eq!(faults("limit = 0\nper = 'policy'"), ["p.toml:6: `limit` must be from 1 to 10000"]);
    assert_eq!(faults("limit = 10001\nper = 'policy'"), ["p.toml:6: `limit` must be from 1 to 10000"]);
    assert_eq!(faults("limit = 10000\nper = 'policy'"), [""; 0]);
    assert_eq!(
        faults("limit = 1\nper = 'policy'\nwindow = '9000h'"),
        ["p.toml:8: `window` must be from 1s to 366 days"]
    );
    assert_eq!(
        faults("limit = 1\nper = 'organisation'"),
        [
            "p.toml:7: no claim of the statement names the organisation (name the claim in `[subject]`, as `organisation = \"...\"`)"
        ]
    );
    assert_eq!(
        faults("limit = 1\nper = 'sofware'"),
        ["p.toml:7: `per` does not know this word (did you mean `software`?)"]
    );
}

#[test]
fn cases_say_who_asks_and_what_is_taken() {
    let policy_text = format!("{HEAD}[checks.registration.quota]\nlimit = 1\nper = 'address'\nwindow = '1h'\n");
    let case = |rest: &str| {
        format!("[[case]]\nname = 'c'\nnow = '2026-11-24T12:00:00Z'\n{rest}\ncertificate = {{ subject = 'CN=c' }}\n")
    };
    let outcome = |text: &str| {
        let faults = Faults::new();
        let suite = cases::Suite::read("p.cases.toml", &case(text), &faults);
        let problems: Vec<String> = faults.into_problems().iter().map(ToString::to_string).collect();
        suite.map(|suite| suite.run(&|_| compiled(&[("p.toml", &policy_text)], json!({})).ok())).ok_or(problems)
    };
    let differences = |text: &str| outcome(text).unwrap().cases.remove(0).differences;
    assert_eq!(differences("remote = '2001:db8::1'\nexpect = 'accept'"), [""; 0]);
    assert_eq!(
        differences(
            "remote = '192.0.2.1'\nexpect = 'reject'\nfailed = ['registration.quota']\n\
             taken = ['registration.quota']\nerror = 'temporarily_unavailable'"
        ),
        [""; 0]
    );
    assert_eq!(
        differences("expect = 'reject'\nfailed = ['registration.quota']\nerror = 'access_denied'"),
        [""; 0],
        "without an address there is nobody to count against"
    );
    let takes = |said: &str| differences(&format!("remote = '192.0.2.1'\nexpect = 'accept'\ntakes = {said}"));
    assert_eq!(takes("['quota of 1 for 1h']"), [""; 0]);
    assert_eq!(takes("['quota of 1']"), ["it takes: quota of 1 for 1h; expected: quota of 1"]);
    assert_eq!(takes("[]"), ["it takes: quota of 1 for 1h; expected: none"]);
    assert_eq!(
        outcome("remote = 'here'\nexpect = 'accept'").unwrap_err(),
        ["p.cases.toml:4: `remote`: an IPv4 or IPv6 address"]
    );
}

#[test]
fn who_asks_is_derived_where_no_statement_says_it() {
    let text = "[checks.statement.signature]\nalgorithms = ['PS256']\n[subject]\norganisation = 'org'\n[subject.derived]\n\
                organisation = 'token.org'\nsoftware = 'token.app'\n[checks.registration.quota]\nlimit = 1\nper = 'software'\n";
    let policy = policy(text);
    let token = json!({ "iss": "i", "org": "org-of-token", "app": "app-of-token" });
    let key = |token: Value, claims| asked(&policy, Some(token), None, claims);
    let (failed, claims) = key(token.clone(), json!({ "org": "org-1" }));
    assert_eq!((failed, &*claims[0].key), (vec![], "p\nlive\nsoftware\napp-of-token"));
    for nothing in [json!({ "iss": "i" }), json!({ "iss": "i", "app": "" }), json!({ "iss": "i", "app": 7 })] {
        assert_eq!(key(nothing, json!({})).0, ["registration.quota invalid_software_statement"]);
    }
    let subject = |claims| judged(&policy, Some(token.clone()), None, claims).1.subject;
    assert_eq!(
        subject(Some(json!({ "org": "org-1" }))).organisation.as_deref(),
        Some("org-1"),
        "the statement comes first"
    );
    for claims in [None, Some(json!({})), Some(json!({ "org": 7 })), Some(json!({ "org": "" }))] {
        assert_eq!(subject(claims.clone()).organisation.as_deref(), Some("org-of-token"), "{claims:?}");
        assert_eq!(subject(claims).software.as_deref(), Some("app-of-token"));
    }
    let nobody = judged(&policy, None, None, None).0;
    assert_eq!(nobody, ["registration.quota invalid_client"], "there was no statement to be invalid");
}
