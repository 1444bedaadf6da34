//! `dcrgate policy test` as a person and a build server meet it.

#![cfg(test)]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

const POLICY: &str = r#"id = "p"
version = "1"
title = "t"
spec = "s"
[checks.scope.form]
[[rule]]
id = "p.contacts"
error = "invalid_client_metadata"
field = "contacts"
after = ["scope.form"]
when = "has(request.contacts)"
require = "size(request.contacts) <= 2"
message = "too many <contacts> & 'more'"
detail = "request.contacts"
"#;

const CASES: &str = r#"[defaults]
now = "2026-11-24T12:00:00Z"
[defaults.certificate]
subject = "CN=c"
[defaults.request]
contacts = ["a", "b"]
[[case]]
name = "two contacts"
expect = "accept"
[[case]]
name = "three contacts"
request = { contacts = ["a", "b", "c"] }
expect = "reject"
error = "invalid_client_metadata"
field = "contacts"
failed = ["p.contacts"]
[[case]]
name = "no contacts"
remove = ["request.contacts"]
expect = "accept"
[[case]]
name = "a tab in the scope"
request = { scope = "a\tb", contacts = ["a", "b", "c"] }
expect = "reject"
failed = ["scope.form"]
[[case]]
name = "untrusted"
certificate = "untrusted"
expect = "reject"
error = "invalid_client"
failed = ["certificate.trusted"]
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a directory"));
        std::fs::create_dir(folder.path("policies")).expect("a folder");
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(&format!("policies/{name}")), text).expect("written");
    }

    /// Exit status, standard output, standard error.
    fn test(&self, arguments: &[&str]) -> (i32, String, String) {
        run(self.0.path(), arguments)
    }
}

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dcrgate"))
        .args(["policy", "test"])
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("a status"), text(output.stdout), text(output.stderr))
}

#[test]
fn good_cases_are_a_line_for_each_policy() {
    let folder = Folder::with(&[("p.toml", POLICY), ("p.cases.toml", CASES)]);
    let good = "ok    p 1: 5 cases, 2 checks and rules\n".to_owned();
    for arguments in [&[][..], &["policies"], &["policies/p.toml"], &["policies/p.cases.toml", "policies/p.toml"]] {
        assert_eq!(folder.test(arguments), (0, good.clone(), String::new()), "{arguments:?}");
    }
    let (status, out, _) = folder.test(&["--verbose", "--filter", "two"]);
    assert_eq!(
        (status, out.as_str()),
        (0, "ok    policies/p.cases.toml:8 two contacts\nok    p 1: 1 case, 2 checks and rules\n")
    );
}

#[test]
fn a_failing_case_says_where_what_and_why() {
    let cases = CASES.replace("error = \"invalid_client_metadata\"\nfield = \"contacts\"", "error = \"x\"");
    let cases = cases.replace("contacts = [\"a\", \"b\"]\n[[case]]", "contacts = [\"a\", \"b\", \"d\"]\n[[case]]");
    let folder = Folder::with(&[("p.toml", POLICY), ("p.cases.toml", &cases)]);
    let (status, out, err) = folder.test(&[]);
    assert_eq!((status, err.as_str()), (1, ""));
    assert_eq!(
        out,
        "FAIL  policies/p.cases.toml:8 two contacts\n      \
         it was refused, and should be accepted\n      \
         `p.contacts` failed, and is not in `failed`\n      \
         first failure: p.contacts (invalid_client_metadata): too many <contacts> & 'more'\n      \
         it looked at: [\"a\",\"b\",\"d\"]\n\
         FAIL  policies/p.cases.toml:11 three contacts\n      \
         `error` is invalid_client_metadata, expected x\n      \
         first failure: p.contacts (invalid_client_metadata): too many <contacts> & 'more'\n      \
         it looked at: [\"a\",\"b\",\"c\"]\n\
         FAIL  policies/p.toml:7 untried: p.contacts\n      \
         no case makes `p.contacts` pass\n\
         FAIL  p 1: 5 cases, 2 failed, 2 checks and rules, 1 untried\n"
    );
    let (_, out, _) = folder.test(&["--output", "json"]);
    let told: Value = serde_json::from_str(&out).expect("JSON");
    let policy = &told["policies"][0];
    assert_eq!((&told["good"], &policy["failed"], &policy["passed"]), (&false.into(), &2.into(), &3.into()));
    assert_eq!((&policy["cases"][0]["line"], &policy["cases"][0]["passed"]), (&8.into(), &false.into()));
    assert_eq!(policy["cases"][0]["first_failure"]["detail"], "[\"a\",\"b\",\"d\"]");
    assert_eq!((&policy["untried"][0]["id"], &policy["untried"][0]["line"]), (&"p.contacts".into(), &7.into()));
}

#[test]
fn what_was_not_tried_or_is_missing_is_an_error() {
    let (cases, _) = CASES.split_once("[[case]]\nname = \"a tab").expect("two parts");
    let folder =
        Folder::with(&[("p.toml", POLICY), ("p.cases.toml", cases), ("q.toml", POLICY), ("r.cases.toml", CASES)]);
    let (status, out, _) = folder.test(&["policies/p.toml"]);
    assert_eq!(status, 1);
    assert!(
        out.contains("FAIL  policies/p.toml:5 untried: scope.form\n      no case makes `scope.form` fail\n"),
        "{out}"
    );
    assert!(out.contains("no case makes `certificate.trusted` fail"), "gates are tried too: {out}");
    let (status, out, _) = folder.test(&["policies/p.toml", "--filter", "contacts"]);
    assert_eq!(status, 0, "a part of the cases need not try everything: {out}");
    let (status, out, _) = folder.test(&["policies/q.toml"]);
    assert_eq!(status, 1);
    assert!(out.contains("`policies/q.toml` has no cases: there is no policies/q.cases.toml"), "{out}");
    let (status, out, _) = folder.test(&["policies/r.cases.toml"]);
    assert_eq!(status, 1);
    assert!(out.contains("`policies/r.cases.toml` has no policy: there is no policies/r.toml"), "{out}");

    folder.write("q.cases.toml", &CASES.replace("expect = \"accept\"", "expect = \"acept\""));
    folder.write("q.toml", &POLICY.replace("size(request", "sise(request"));
    let (status, out, _) = folder.test(&["policies/q.toml"]);
    assert_eq!(status, 1);
    assert!(out.contains("FAIL  policies/q.toml:12 not usable\n      unknown function `sise`"), "{out}");
    assert!(out.contains("did you mean `accept`?"), "faults of both files at once: {out}");
}

#[test]
fn wrong_usage_and_what_is_not_there_are_told_apart() {
    let folder = Folder::with(&[("p.toml", POLICY), ("p.cases.toml", CASES)]);
    for (arguments, status, text) in [
        (&["--filter", "nonsense"][..], 2, "no case has `nonsense` in its name"),
        (&["--bless"], 2, "--golden"),
        (&["--output", "xml"], 2, "junit"),
        (&["nowhere"], 3, "no file or folder nowhere"),
        (&["."], 3, "no policy in ."),
    ] {
        let (got, out, err) = folder.test(arguments);
        assert_eq!((got, out.as_str()), (status, ""), "{arguments:?}");
        assert!(err.contains(text), "{err}");
    }
}

#[test]
fn matrices_are_compared_and_written_anew() {
    let folder = Folder::with(&[("p.toml", POLICY), ("p.cases.toml", CASES)]);
    let (status, out, _) = folder.test(&["--golden", "golden"]);
    assert_eq!(status, 1);
    assert!(out.contains("FAIL  golden/p.txt:1 changed: p\n      it was (nothing)"), "{out}");
    assert_eq!(folder.test(&["--golden", "golden", "--bless"]).0, 0);
    let text = std::fs::read_to_string(folder.path("golden/p.txt")).expect("written");
    assert!(text.ends_with("F   reject invalid_client | untrusted\n"), "{text}");
    assert!(text.contains(".F- reject invalid_client_metadata | a tab in the scope\n"), "{text}");
    assert_eq!(folder.test(&["--golden", "golden"]).0, 0);
    folder.write("p.cases.toml", &CASES.replace("two contacts", "2 contacts"));
    let (status, out, _) = folder.test(&["--golden", "golden"]);
    assert_eq!(status, 1);
    assert!(out.contains("it was `... accept | two contacts`\n      it is  `... accept | 2 contacts`"), "{out}");
}

#[test]
fn every_change_of_a_policy_is_noticed_or_survives() {
    let folder = Folder::with(&[("p.toml", POLICY), ("p.cases.toml", CASES)]);
    let (status, out, err) = folder.test(&["--mutate"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("ok    p 1: 5 cases, 2 checks and rules, 11 mutants, 0 of them survived\n"), "{out}");

    let weak = CASES.replace("contacts = [\"a\", \"b\"]\n[[case]]", "contacts = [\"a\"]\n[[case]]");
    folder.write("p.cases.toml", &weak);
    let (status, out, _) = folder.test(&["--mutate"]);
    assert_eq!(status, 1);
    assert!(
        out.contains(
            "FAIL  policies/p.toml:12 survivor: rule.p.contacts.require/size(request.contacts) < 2\n      \
             no case notices this change: `require` of `rule.p.contacts`: size(request.contacts) < 2\n      wanted: a case on the border"
        ),
        "{out}"
    );
    let declared = |reason: &str| {
        let declare = |id: &str| format!("[[equivalent]]\nmutant = \"rule.p.contacts.require/{id}\"\n{reason}\n");
        format!("{weak}{}{}", declare("size(request.contacts) < 2"), declare("1 for 2"))
    };
    folder.write("p.cases.toml", &declared("reason = \"one is as good as two\""));
    let (status, out, _) = folder.test(&["--mutate"]);
    assert!(status == 0 && out.contains("0 of them survived, 2 declared equivalent"), "{out}");
    folder.write("p.cases.toml", &declared(""));
    let (status, out, _) = folder.test(&["--mutate"]);
    assert!(status == 1 && out.contains("`reason` is missing"), "{out}");

    let outdated = "[[equivalent]]\nmutant = \"rule.p.contacts.require/true\"\nreason = \"r\"\n[[equivalent]]\nmutant = \"gone\"\nreason = \"r\"\n";
    folder.write("p.cases.toml", &format!("{CASES}{outdated}"));
    let (status, out, _) = folder.test(&["--mutate"]);
    assert_eq!(status, 1);
    assert!(out.contains("outdated: rule.p.contacts.require/true\n      a case notices this mutant"), "{out}");
    assert!(out.contains("outdated: gone\n      there is no such mutant"), "{out}");
    let (_, out, _) = folder.test(&["--mutate", "--output", "json"]);
    let told: Value = serde_json::from_str(&out).expect("JSON");
    let mutation = &told["policies"][0]["mutation"];
    assert_eq!((&mutation["mutants"], &mutation["outdated"][1]["id"]), (&11.into(), &"gone".into()));
}

/// Name, attributes, and the text after it.
type Element = (String, Vec<(String, String)>, String);

/// The elements of a document, each with its attributes and the text after it. Panics unless it is well-formed:
/// one root, tags closed in order, every `<` and `&` part of markup.
fn elements(xml: &str) -> Vec<Element> {
    let rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for part in rest.trim_end().split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a closed tag");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        assert!(found.is_empty() || !open.is_empty(), "one root");
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut pairs = Vec::new();
        while let Some((key, after)) = attributes.trim_start().split_once("=\"") {
            let (value, after) = after.split_once('"').expect("a closed value");
            pairs.push((key.to_owned(), unescaped(value)));
            attributes = after;
        }
        assert_eq!(attributes, "");
        if !empty {
            open.push(name.to_owned());
        }
        found.push((name.to_owned(), pairs, unescaped(text)));
    }
    assert!(open.is_empty(), "{open:?}");
    found
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split('&');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').expect("an entity");
        plain.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "#9" => '\t',
            "#10" => '\n',
            other => panic!("&{other};"),
        });
        plain.push_str(rest);
    }
    plain
}

#[test]
fn build_servers_get_well_formed_xml() {
    let cases = CASES.replace("name = \"three contacts\"", "name = \"three <b>\\u0007 \\\"&\\\" ]]>\"");
    let folder = Folder::with(&[("p.toml", POLICY), ("p.cases.toml", &cases.replace("<= 2", "<= 3"))]);
    let (status, out, _) = folder.test(&["--output", "junit"]);
    assert_eq!(status, 0);
    let good = elements(&out);
    assert_eq!(good[2].1[0], ("name".to_owned(), "two contacts".to_owned()));
    assert_eq!(good[3].1[0], ("name".to_owned(), "three <b>\u{fffd} \"&\" ]]>".to_owned()));
    assert_eq!(good.iter().filter(|(name, ..)| name == "testcase").count(), 5);

    folder.write("p.toml", &POLICY.replace("<= 2", "<= 1"));
    let (status, out, _) = folder.test(&["--output", "junit"]);
    assert_eq!(status, 1);
    let bad = elements(&out);
    let attribute =
        |at: usize, key: &str| bad[at].1.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
    assert_eq!(
        (bad[1].0.as_str(), attribute(1, "tests"), attribute(1, "failures")),
        ("testsuite", Some("6".into()), Some("2".into()))
    );
    let failure = bad.iter().find(|(name, ..)| name == "failure").expect("a failure");
    assert!(
        failure.2.contains("policies/p.cases.toml:8\n") && failure.2.contains("too many <contacts> & 'more'"),
        "{failure:?}"
    );
}

#[test]
fn github_gets_one_command_for_each_fault() {
    let cases = CASES.replace("name = \"two contacts\"", "name = \"two, 100%: a\\n::error::b\"");
    let folder = Folder::with(&[("p.toml", &POLICY.replace("<= 2", "<= 1")), ("p.cases.toml", &cases)]);
    let (status, out, _) = folder.test(&["--output", "github"]);
    assert_eq!(status, 1);
    let commands: Vec<&str> = out.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(commands.len(), 2, "{out}");
    let first = "::error file=policies/p.cases.toml,line=8,title=two%2C 100%25%3A a%0A%3A%3Aerror%3A%3Ab::it was refused, and should be accepted%0A";
    assert!(commands[0].starts_with(first), "{out}");
    assert!(
        commands[1].starts_with("::error file=policies/p.toml,line=7,title=untried%3A p.contacts::no case"),
        "{out}"
    );
    assert!(out.ends_with("FAIL  p 1: 5 cases, 1 failed, 2 checks and rules, 1 untried\n"), "{out}");
}
