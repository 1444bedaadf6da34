//! Policies whose requests are signed: gates, settings, and the claims of a request at their boundaries.

use super::*;
use crate::policy::gates::all_checks;

const SIGNED: &str = "[checks.statement.signature]\nalgorithms = ['PS256']\n[checks.request.signature]\nalgorithms = ['PS256', 'ES256']\nclaim = 'software_jwks_endpoint'\nfetch_hosts = ['keys.example']\n";

fn with(settings: &str) -> Policy {
    policy(&format!("{SIGNED}[checks.request.claims]\n{settings}"))
}

/// A request that was signed ten seconds ago and is valid for five minutes.
fn request(changes: Value) -> Value {
    let now = NOW.unix_seconds();
    let mut request = object(json!({
        "iss": "soft", "aud": "bank", "iat": now - 10, "exp": now + 290, "jti": "6f1d",
    }));
    request.extend(object(changes));
    Value::Object(request)
}

/// The failures: field and message.
fn failures(policy: &Policy, changes: Value) -> Vec<String> {
    let statement = statement(json!({ "software_id": "soft" }));
    let (trace, ..) = told(policy, request(changes), |facts| Facts { statement: Some(&statement), ..facts });
    let failed = trace.steps().iter().filter(|step| step.outcome == Outcome::Fail);
    failed.map(|step| format!("{}: {}", step.rule.field.as_deref().unwrap_or("-"), step.rule.message)).collect()
}

#[test]
fn a_policy_says_how_requests_are_signed() {
    let policy = with("");
    let wanted = policy.request().unwrap();
    assert_eq!(
        (&*wanted.algorithms, &*wanted.keys.claim),
        (&["PS256".into(), "ES256".into()][..], "software_jwks_endpoint")
    );
    assert_eq!(policy.software_keys(), Some(&wanted.keys));
    let gate = policy.gate(Gate::RequestSignature);
    assert_eq!((&*gate.id, gate.error.as_str()), ("request.signature", "invalid_client_metadata"));
    assert_eq!(policy.gate(Gate::RequestKeys).error.as_str(), "temporarily_unavailable");
}

#[test]
fn gates_stand_in_the_order_in_which_they_are_passed() {
    let steps = with("").steps();
    let gates: Vec<&str> = steps.iter().map(|id| &**id).take(7).collect();
    assert_eq!(
        gates,
        [
            "certificate.trusted",
            "token.valid",
            "statement.present",
            "statement.keys",
            "statement.signature",
            "request.keys",
            "request.signature",
        ]
    );
    assert_eq!(all_checks().map(|about| about.id).filter(|id| gates.contains(id)).collect::<Vec<_>>(), gates);
}

#[test]
fn faults_of_a_policy_with_signed_requests() {
    assert_eq!(
        problems("[checks.request.claims]\n"),
        ["p.toml:5: `request.claims` needs `[checks.request.signature]`"]
    );
    let alone = "[checks.request.signature]\nalgorithms = ['PS256']\nclaim = 'c'\nfetch_hosts = []\n";
    let unfounded = "the key of a signed request is found by the software statement, which has to be required (add `[checks.statement.signature]`)";
    assert_eq!(problems(alone), [format!("p.toml:5: {unfounded}")]);
    let optional = format!("[checks.statement.present]\nrequired = false\n{SIGNED}");
    assert_eq!(problems(&optional), [format!("p.toml:9: {unfounded}")]);
    let certified = SIGNED.replacen("algorithms = ['PS256']", "algorithms = ['PS256']\nsigner = 'certificate'", 1);
    let unsuited = "the key of a signed request is found by a statement that a directory signs (whose certificate signs a statement can sign it with all of the request in it)";
    assert_eq!(problems(&certified), [format!("p.toml:8: {unsuited}")]);
    let unknown = SIGNED.replace("'ES256'", "'HS256'");
    assert_eq!(
        problems(&unknown),
        [
            "p.toml:8: `algorithms` does not know `HS256` (known algorithms: PS256, PS384, PS512, RS256, RS384, RS512, ES256, ES384, EdDSA)"
        ]
    );
    let bare = "[checks.statement.signature]\nalgorithms = ['PS256']\n[checks.request.signature]\n";
    assert_eq!(
        problems(bare),
        [
            "p.toml:7: `algorithms` is missing in `checks.request.signature`",
            "p.toml:7: `claim` is missing in `checks.request.signature`",
            "p.toml:7: `fetch_hosts` is missing in `checks.request.signature`",
        ]
    );
}

#[test]
fn one_key_set_of_the_software_serves_signatures_and_encryption() {
    let keys = |claim: &str, host: &str| {
        problems(&format!("{SIGNED}[checks.keys.encryption]\nclaim = '{claim}'\nfetch_hosts = ['{host}']\n"))
    };
    assert_eq!(keys("software_jwks_endpoint", "keys.example"), [""; 0]);
    let message = "p.toml:11: `keys.encryption` and `request.signature` name different key sets (one key set of the software is fetched: give both the same `claim` and `fetch_hosts`)";
    assert_eq!(keys("org_jwks_endpoint", "keys.example"), [message]);
    assert_eq!(keys("software_jwks_endpoint", "other.example"), [message]);
}

#[test]
fn what_a_setting_looks_at_is_required() {
    let problems = |settings: &str| problems(&format!("{SIGNED}[checks.request.claims]\n{settings}"));
    assert_eq!(
        problems("required = ['iss']\naudience = ['bank']\nmax_age = '5m'\n"),
        [
            "p.toml:11: `audience` needs `aud` in `required`",
            "p.toml:11: `max_age` needs `iat` in `required`",
            "p.toml:11: `single_use` needs `iat` in `required` (or say `single_use = false`)",
            "p.toml:11: `single_use` needs `exp` in `required` (or say `single_use = false`)",
            "p.toml:11: `single_use` needs `jti` in `required` (or say `single_use = false`)",
        ]
    );
    assert_eq!(problems("required = []\nsingle_use = false\n"), [""; 0]);
    assert_eq!(problems("jti = '('\n"), ["p.toml:12: `jti` is not a regular expression, or too large"]);
    assert_eq!(problems("jti = 'a)(b'\n"), ["p.toml:12: `jti` is not a regular expression, or too large"]);
}

#[test]
fn claims_of_a_request_are_facts_and_never_metadata() {
    let text = format!("{SIGNED}[checks.metadata.members]\nunknown = 'refuse'\n[forward]\nunknown = 'keep'\n")
        + &rule("a.iss", "require = 'request.iss == \"soft\" && request.exp > now'");
    let (steps, _) = judged(&policy(&text), request(json!({ "nbf": 1, "sub": "s" })), json!({}));
    assert_eq!(steps, ["metadata.members Pass", "a.iss Pass"]);
    let (steps, _) = judged(&policy(&text), request(json!({ "azp": "s" })), json!({}));
    assert_eq!(steps, ["metadata.members Fail", "a.iss Pass"]);
    let sent = request(json!({ "nbf": 1, "sub": "s", "scope": "openid", "other": 1 }));
    let (_, forwarded, _) = told(&policy(&text), sent, |facts| facts);
    assert_eq!(Value::Object(forwarded), json!({ "scope": "openid", "other": 1 }));
    // Where requests are JSON these are members like any other that nobody knows.
    assert!(problems(&rule("a.iss", "require = 'request.iss == \"soft\"'"))[0].contains("`request` has no `iss`"));
    let plain = policy("[checks.metadata.members]\nunknown = 'refuse'\n");
    assert_eq!(judged(&plain, json!({ "iss": "soft" }), json!({})).0, ["metadata.members Fail"]);
}

/// As on the wire: whoever has to sign again is told at once that it needs another statement, too.
#[test]
fn a_case_of_a_request_that_is_not_signed_tells_first_what_is_wrong_with_its_statement() {
    let text = format!(
        "{HEAD}{SIGNED}[checks.request.claims]\n[checks.statement.issuer]\nallow = ['known']\n\
         [aliases.statement]\njwks = 'software_jwks_endpoint'\n"
    );
    let differences = |iss: &str, rest: &str| {
        let case = format!(
            "[[case]]\nname = 'c'\nnow = '2026-11-24T12:00:00Z'\nexpect = 'reject'\ncertificate = {{ subject = 'CN=c' }}\n\
             statement.iss = '{iss}'\nstatement.software_jwks_endpoint = 'https://keys.example/k'\n{rest}\n"
        );
        let suite = cases::Suite::read("p.cases.toml", &case, &Faults::new()).unwrap();
        suite.run(&|_| compiled(&[("p.toml", &text)], json!({})).ok()).cases.remove(0).differences
    };
    let both = "failed = ['statement.issuer', 'request.signature']\nerror = 'invalid_software_statement'\n";
    assert_eq!(differences("other", &format!("{both}software_keys = []\nrequest_signature = 'invalid'")), [""; 0]);
    assert_eq!(differences("other", &format!("{both}software_keys = 'absent'")), [""; 0]);
    let keys = "failed = ['statement.issuer', 'request.keys']\nsoftware_keys = 'unavailable'";
    assert_eq!(differences("other", keys), [""; 0]);
    let alone = "failed = ['request.signature']\nerror = 'invalid_client_metadata'\nsoftware_keys = 'absent'";
    assert_eq!(differences("known", alone), [""; 0]);
    let unsigned = "failed = ['statement.signature']\nsignature = 'invalid'";
    assert_eq!(differences("other", unsigned), [""; 0], "of a statement that nobody vouches for nothing is said");
    let twice = "failed = ['aliases.statement', 'request.signature']\nrequest_signature = 'invalid'\n\
                 statement.jwks = 'https://keys.example/k'\nsoftware_keys = []";
    assert_eq!(differences("known", twice), [""; 0], "one claim under two names");
}

#[test]
fn claims_that_are_missing() {
    let missing = "the signed request lacks a claim that it has to have";
    let policy = with("issuer = 'software_id'\naudience = ['bank']\n");
    assert_eq!(failures(&policy, json!({})), [""; 0]);
    let none = json!({ "iss": null, "aud": null, "iat": null, "exp": null, "jti": null });
    let fields = ["iss", "aud", "iat", "exp", "jti"];
    assert_eq!(failures(&policy, none.clone()), fields.map(|field| format!("{field}: {missing}")));
    let more = with("required = ['scope', 'x']\nsingle_use = false\n");
    assert_eq!(failures(&more, none), [format!("scope: {missing}"), format!("-: {missing}")]);
}

#[test]
fn issuer_and_audience_are_compared_character_for_character() {
    let policy = with("issuer = 'software_id'\naudience = ['bank', 'https://bank.example']\n");
    let issuer = ["iss: iss of the signed request is not the software of the software statement"];
    for iss in [json!("Soft"), json!("soft "), json!(""), json!("other"), json!(["soft"]), json!(1)] {
        assert_eq!(failures(&policy, json!({ "iss": iss })), issuer, "{iss}");
    }
    let unnamed = with("issuer = 'org_id'\n");
    assert_eq!(failures(&unnamed, json!({})), issuer, "a statement without the claim");
    let audience = ["aud: the signed request is not meant for this server"];
    for aud in [json!("bank"), json!("https://bank.example"), json!(["bank"]), json!(["x", "bank"])] {
        assert_eq!(failures(&policy, json!({ "aud": aud })), [""; 0], "{aud}");
    }
    for aud in [json!("Bank"), json!("https://bank.example/"), json!(""), json!([]), json!(["x"]), json!(["bank", 1])] {
        assert_eq!(failures(&policy, json!({ "aud": aud })), audience, "{aud}");
    }
    assert_eq!(failures(&with("audience = []\n"), json!({})), audience, "a deployment that names none");
}

#[test]
fn times_of_a_request_at_the_second() {
    let now = NOW.unix_seconds();
    let policy = with("max_age = '5m'\nmax_lifetime = '10m'\nskew = '30s'\n");
    let expired = "exp: the signed request has expired";
    let early = |name: &str| format!("{name}: the signed request is not valid yet");
    let table = [
        (json!({ "exp": now - 29 }), vec![]),
        (json!({ "exp": now - 30 }), vec![expired.to_owned()]),
        (json!({ "iat": now + 30, "exp": now + 31 }), vec![]),
        (json!({ "iat": now + 31, "exp": now + 32 }), vec![early("iat")]),
        (json!({ "nbf": now + 30 }), vec![]),
        (json!({ "nbf": now + 31 }), vec![early("nbf")]),
        (json!({ "iat": now - 300, "exp": now + 300 }), vec![]),
        (json!({ "iat": now - 301, "exp": now + 299 }), vec!["iat: the signed request is too old".to_owned()]),
        (json!({ "iat": now, "exp": now + 600 }), vec![]),
        (json!({ "iat": now, "exp": now + 601 }), vec!["exp: the signed request is valid for too long".to_owned()]),
    ];
    for (changes, expected) in table {
        assert_eq!(failures(&policy, changes.clone()), expected, "{changes}");
    }
    let strict = with("skew = '0s'\n");
    assert_eq!(failures(&strict, json!({ "exp": now })), [expired]);
    assert_eq!(failures(&strict, json!({ "exp": now + 1 })), [""; 0]);
    // Without settings: a minute of tolerance, and a day.
    assert_eq!(failures(&with(""), json!({ "exp": now - 59 })), [""; 0]);
    assert_eq!(failures(&with(""), json!({ "exp": now - 60 })), [expired]);
    assert_eq!(failures(&with(""), json!({ "iat": now, "exp": now + 86_400 })), [""; 0]);
    assert_eq!(
        failures(&with(""), json!({ "iat": now, "exp": now + 86_401 })),
        ["exp: the signed request is valid for too long"]
    );
}

#[test]
fn times_of_a_request_are_whole_seconds() {
    let now = NOW.unix_seconds();
    for name in ["iat", "nbf", "exp"] {
        let malformed = [format!("{name}: a time of the signed request is not an integer")];
        for value in [json!("1795521600"), json!(1_795_521_600.5), json!(true), json!([now])] {
            assert_eq!(failures(&with(""), json!({ name: value })), malformed, "{value}");
        }
        let milliseconds = [format!("{name}: a time of the signed request is in milliseconds")];
        for value in [json!(now * 1000), json!(100_000_000_000_i64), json!(u64::MAX), json!(1e300)] {
            assert_eq!(failures(&with(""), json!({ name: value })), milliseconds, "{value}");
        }
    }
    assert_eq!(failures(&with(""), json!({ "iat": i64::MIN })), ["exp: the signed request is valid for too long"]);
}

#[test]
fn a_jti_has_its_form() {
    let form = ["jti: jti of the signed request has not the expected form"];
    let uuid = with("jti = '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-4[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}'\n");
    let good = "3f9c2a10-7b1e-4C52-8D7a-0123456789ab";
    assert_eq!(failures(&uuid, json!({ "jti": good })), [""; 0]);
    for jti in [json!(format!("{good}0")), json!(format!("x{good}")), json!(""), json!(good.replace("-4C", "-1C"))] {
        assert_eq!(failures(&uuid, json!({ "jti": jti })), form, "{jti}");
    }
    let either = with("jti = 'a|b'\n");
    assert_eq!(failures(&either, json!({ "jti": "b" })), [""; 0]);
    assert_eq!(failures(&either, json!({ "jti": "ab" })), form);
    for jti in [json!(""), json!(7), json!("a\nb"), json!("j".repeat(257)), json!({})] {
        assert_eq!(failures(&with("single_use = false\n"), json!({ "jti": jti })), form, "{jti}");
    }
    assert_eq!(failures(&with(""), json!({ "jti": "j".repeat(256) })), [""; 0]);
}

#[test]
fn a_jti_is_taken_until_the_request_has_expired_everywhere() {
    let taken = |settings: &str, changes: Value| judged(&with(settings), request(changes), json!({})).1.claims;
    let [claim] = &taken("skew = '30s'\n", json!({}))[..] else { panic!() };
    assert_eq!(
        (claim.kind, &*claim.key, &*claim.refusal.id),
        (ClaimKind::Jti, "p\nrequest\nsoft\n6f1d", "request.claims")
    );
    assert_eq!(&*claim.refusal.message, "jti of the signed request was used before");
    assert_eq!(claim.expires, Some(NOW.plus(Duration::from_secs(290 + 30 + 1))));
    assert!(taken("single_use = false\n", json!({})).is_empty());
    assert!(taken("", json!({ "exp": "x" })).is_empty());
}
