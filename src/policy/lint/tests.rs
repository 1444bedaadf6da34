//! Each lint is found where it should be, and not beside it.

use serde_json::Map;

use super::*;
use crate::model::document::Faults;

/// A policy in which nothing is found.
const GOOD: &str = "id = 'g'\nversion = '1'\ntitle = 't'\nspec = 's'\n[checks.statement.signature]\nalgorithms = ['PS256']\n\
    [checks.statement.age]\nmax_age = '5m'\n[checks.statement.single-use]\n\
    [checks.certificate.software]\nattribute = 'uid'\nclaim = 'software_id'\n\
    [checks.keys.source]\nby_value = 'refuse'\n[checks.redirects.form]\n";

fn read(text: &str, base: &str) -> Effective {
    let faults = Faults::new();
    let file = |_: &str| Ok(base.to_owned());
    crate::policy::compile("near.toml", text, &file, &Map::new(), &faults);
    let effective = Effective::read("near.toml", text, &file, &Map::new(), &faults);
    effective.unwrap_or_else(|| panic!("{:?}", faults.into_problems()))
}

fn found(text: &str) -> Vec<&'static str> {
    lint(&read(text, "")).iter().filter(|finding| finding.accepted.is_none()).map(|finding| finding.lint.id).collect()
}

fn changed(from: &str, to: &str) -> Vec<&'static str> {
    assert!(GOOD.contains(from), "{from}");
    found(&GOOD.replace(from, to))
}

#[test]
fn nothing_is_found_in_a_good_policy() {
    assert_eq!(found(GOOD), [""; 0]);
}

#[test]
fn each_is_found() {
    assert_eq!(changed("[checks.statement.age]\nmax_age = '5m'\n", ""), ["statement.age"]);
    assert_eq!(
        changed("[checks.statement.age]\nmax_age = '5m'\n", "[checks.statement.validity]\nrequire_exp = true\n"),
        [""; 0],
        "an expiry limits the age too"
    );
    assert_eq!(changed("max_age = '5m'\n", "max_age = '5m'\nmode = 'shadow'\n"), ["statement.age"]);
    assert_eq!(changed("[checks.statement.single-use]\n", ""), ["statement.replay"]);
    assert_eq!(changed("by_value = 'refuse'", "by_value = 'accept'"), ["keys.by-value"]);
    let forward = |settings: &str| {
        let accepts = GOOD.replace("by_value = 'refuse'", "by_value = 'accept'");
        found(&format!("{accepts}[forward]\n{settings}\n"))
    };
    assert_eq!(forward("drop = ['jwks']"), [""; 0], "they do not travel");
    assert_eq!(forward("request = 'drop'"), [""; 0], "nothing of the request travels");
    assert_eq!(forward("request = 'keep'"), ["keys.by-value"]);
    assert_eq!(
        forward("request = 'drop'\n[forward.derived]\njwks = 'request.jwks'"),
        ["keys.by-value"],
        "they travel all the same"
    );
    assert_eq!(changed("[checks.redirects.form]\n", ""), ["redirects.unchecked"]);
    assert_eq!(
        changed("['PS256']", "['PS256']\n[checks.statement.present]\nrequired = false"),
        ["statement.optional", "registration.open"]
    );
    assert_eq!(
        changed("['PS256']", "['PS256']\n[checks.certificate.trusted]\nclause = 'c'"),
        [""; 0],
        "its own words are not a danger"
    );
    assert_eq!(
        changed("spec = 's'", "spec = 's'\nmode = 'shadow'"),
        ["binding.none", "statement.age", "statement.replay", "keys.by-value", "redirects.unchecked", "shadow.all"]
    );
    let base = "id = 'g'\nversion = '1'\ntitle = 't'\nspec = 's'\n[checks.redirects.form]\n";
    assert_eq!(found(base), ["unsigned", "registration.open"]);
}

#[test]
fn a_rule_binds_where_it_compares_certificate_and_statement() {
    let software = "[checks.certificate.software]\nattribute = 'uid'\nclaim = 'software_id'\n";
    assert_eq!(changed(software, ""), ["binding.none"]);
    let rule = |require: &str| {
        format!(
            "{}[let]\nwho = \"ssa.org_id\"\nnobody = \"'x'\"\n[[rule]]\nid = 'r.x'\nerror = 'invalid_request'\nmessage = 'm'\nrequire = \"{require}\"\n",
            GOOD.replace(software, "")
        )
    };
    assert_eq!(found(&rule("cert.subject.o == ssa.org_id")), [""; 0]);
    assert_eq!(found(&rule("cert.subject.o == who")), [""; 0], "through a name");
    assert_eq!(found(&rule("cert.subject.o == nobody")), ["binding.none"]);
    assert_eq!(found(&format!("{}mode = 'shadow'\n", rule("cert.subject.o == who"))), ["binding.none"]);
}

#[test]
fn fapi_signs_with_few_algorithms() {
    let weak = GOOD.replace("['PS256']", "['PS256', 'RS256']");
    assert_eq!(found(&weak), [""; 0], "only where the policy names FAPI");
    let finding = lint(&read(&weak.replace("spec = 's'", "spec = 'FAPI 1.0 Advanced'"), ""));
    assert_eq!(finding.len(), 1);
    assert!(finding[0].to_string().ends_with(": `RS256` in [checks.statement.signature]"), "{}", finding[0]);
    assert!(format!("{:?}", finding[0].place).contains("near.toml:6"), "{:?}", finding[0].place);
}

#[test]
fn lists_of_everything_are_found() {
    let with = |params: &str| found(&format!("{GOOD}[params]\n{params}\n"));
    let hosts = |hosts: &str| {
        let keys = "[checks.keys.encryption]\nclaim = 'c'\nfetch_hosts = { cel = \"params.hosts\" }\n";
        found(&format!("{GOOD}{keys}[params]\nhosts = {hosts}\n"))
    };
    assert_eq!(hosts("['keys.example.org', '127.0.0.1:8080', '[::1]:80', 'localhost:80']"), [""; 0]);
    for broad in ["*", "*.example.org", "com", "", "br:443", "."] {
        assert_eq!(hosts(&format!("['a.example', '{broad}']")), ["hosts.broad"], "{broad}");
    }
    assert_eq!(with("role_scopes = { A = ['openid', '*'] }"), ["scopes.any"]);
    assert_eq!(with("scopes = ['openid', 'a*b']"), [""; 0]);
}

#[test]
fn an_acceptance_has_a_reason_and_covers_its_own_file() {
    let accept = |id: &str| format!("[lint]\naccept = [{{ id = '{id}', reason = 'we mean it' }}]\n");
    let weak = GOOD
        .replace("by_value = 'refuse'", "by_value = 'accept'")
        .replace("max_age = '5m'", "max_age = '5m'\nmode = 'off'");
    assert_eq!(found(&weak), ["statement.age", "keys.by-value"]);
    assert_eq!(found(&format!("{weak}{}", accept("statement.age"))), ["keys.by-value"]);
    assert_eq!(found(&format!("{GOOD}{}", accept("statement.age"))), ["accepted.unused"]);

    let near = "extends = 'base'\nid = 'near'\n";
    let of = |near: &str, base: &str| -> Vec<&str> {
        let findings = lint(&read(near, base));
        findings.iter().filter(|finding| finding.accepted.is_none()).map(|finding| finding.lint.id).collect()
    };
    assert_eq!(of(near, &format!("{weak}{}", accept("keys.by-value"))), ["statement.age"], "its own setting");
    assert_eq!(of(near, &format!("{weak}{}", accept("statement.age"))), ["statement.age", "keys.by-value"]);
    assert_eq!(of(&format!("{near}{}", accept("keys.by-value")), &weak), ["statement.age"], "a base's setting");
    let own = format!("{near}[checks.keys.source]\nby_value = 'accept'\n");
    assert_eq!(of(&own, &format!("{weak}{}", accept("keys.by-value"))), ["statement.age", "keys.by-value"]);
}

#[test]
fn an_acceptance_that_says_nothing_is_a_fault() {
    let faults = |accept: &str| {
        let faults = Faults::new();
        let text = format!("{GOOD}[lint]\naccept = [{accept}]\n");
        crate::policy::compile("p.toml", &text, &|_| Err("none".to_owned()), &Map::new(), &faults);
        faults.into_problems().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(faults("{ id = 'statement.age', reason = 'r' }"), [""; 0]);
    let told = faults("{ id = 'statement.agee', reason = ' ' }, { id = 'unsigned' }");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("did you mean `statement.age`?") && told[1].contains("`reason` is empty"), "{told:?}");
    assert!(told[2].contains("`reason` is missing"), "{told:?}");
}

#[test]
fn ids_and_texts_are_fit_to_print() {
    for lint in LINTS {
        assert!(!lint.sentence.ends_with('.') && !lint.hint.ends_with('.') && !lint.id.contains(' '), "{}", lint.id);
        assert_eq!(LINTS.iter().filter(|other| other.id == lint.id).count(), 1, "{}", lint.id);
    }
}

/// What comes with dcrgate has no finding that it does not give a reason for.
#[test]
fn packs_are_clean() {
    for (file, text) in crate::policy::packs::PACKS {
        let faults = Faults::new();
        let base = |name: &str| crate::policy::packs::pack(name).map(str::to_owned).ok_or_else(|| "none".to_owned());
        let policy = Effective::read(file, text, &base, &Map::new(), &faults).unwrap();
        let told: Vec<String> = warnings(&policy).iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "{file}: {told:#?}");
    }
}
