//! The program as a person meets it: what it prints, where, and with which exit status.

#![cfg(test)]

#[path = "cli/clients.rs"]
mod clients;
#[path = "cli/explain.rs"]
mod explain;
#[path = "support/gate.rs"]
mod gate;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use dcrgate::sandbox::{KeyKind, World};
use gate::{Gate, world};
use serde_json::Value;

fn dcrgate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dcrgate"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("the program runs")
}

/// Exit status, standard output, standard error.
fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code().expect("a status"), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tells_good_bad_missing_and_misused_apart() {
    let (home, world) = world(|text| text).await;
    let (status, out, err) = told(&dcrgate(home.path(), &["check"]));
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains("ok    policy open-finance-brasil 2.1.0"), "{out}");

    let text = std::fs::read_to_string(world.configuration()).expect("a configuration");
    let faulty = text
        .replace("client_auth = \"request\"", "client_auth = \"requests\"")
        .replace("authorities = [\"sandbox\"]", "authorities = [\"sandbocks\"]")
        .replace("environment = \"sandbox\"", "enviroment = \"sandbox\"");
    std::fs::write(home.path().join("faulty.toml"), faulty).expect("written");
    let (status, _, err) = told(&dcrgate(home.path(), &["check", "--config", "faulty.toml"]));
    assert_eq!(status, 1);
    for part in ["faulty.toml:", "did you mean `request`?", "did you mean `sandbox`?", "client_auth = \"requests\""] {
        assert!(err.contains(part), "{part} in {err}");
    }

    // A policy that does not compile is found by check, with its own file and line.
    let broken = home.path().join("policies/broken.toml");
    let rule = "extends = \"open-finance-brasil.toml\"\nid = \"broken\"\nversion = \"1\"\ntitle = \"t\"\nspec = \"s\"\n[[rule]]\nid = \"x\"\n\
                error = \"invalid_request\"\nrequire = \"ssa.org_idd == 'x'\"\nmessage = \"m\"\n";
    std::fs::write(broken, rule).expect("written");
    let using = text.replace("policies/open-finance-brasil.toml", "policies/broken.toml");
    std::fs::write(home.path().join("using.toml"), using).expect("written");
    let (status, _, err) = told(&dcrgate(home.path(), &["check", "--config", "using.toml", "--output", "text"]));
    assert_eq!(status, 1, "{err}");
    assert!(err.contains("broken.toml:9") && err.contains("org_id"), "{err}");

    let (status, out, err) = told(&dcrgate(home.path(), &["check", "--config", "faulty.toml", "--output", "json"]));
    let found: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, err.as_str(), &found["valid"]), (1, "", &false.into()));
    let (status, out, err) = told(&dcrgate(home.path(), &["run", "--config", "faulty.toml"]));
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains("did you mean `request`?"), "run says what check says: {err}");
    let (status, _, err) = told(&dcrgate(home.path(), &["audit", "list", "--config", "faulty.toml"]));
    assert_eq!(status, 3);
    assert!(err.contains("`dcrgate check --config faulty.toml`"), "{err}");

    let (status, out, err) = told(&dcrgate(home.path(), &["check", "--config", "nowhere.toml"]));
    assert_eq!((status, out.as_str()), (3, ""));
    assert!(err.contains("nowhere.toml"), "{err}");
    assert_eq!(told(&dcrgate(home.path(), &["check", "--confg", "x"])).0, 2);
    assert_eq!(told(&dcrgate(home.path(), &["nonsense"])).0, 2);
    assert_eq!(told(&dcrgate(home.path(), &["--version"])).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_of_the_readme_is_one() {
    let (home, world) = world(|text| text).await;
    let readme = include_str!("../README.md");
    let (_, block) = readme.split_once("```toml\n").expect("a configuration");
    let (block, _) = block.split_once("```").expect("its end");
    assert!(block.lines().filter(|line| !line.is_empty()).count() <= 20, "twenty lines are promised");
    std::fs::write(home.path().join("readme.toml"), block).expect("written");
    for (from, to) in [
        ("certs/authorities/clients-root.pem", "icp-brasil.pem"),
        ("certs/server/ecdsa.pem", "server.pem"),
        ("certs/server/ecdsa.key", "server.key"),
        ("certs/store.key", "store.key"),
    ] {
        std::fs::copy(world.path(from), home.path().join(to)).expect("copied");
    }
    let (status, out, err) = told(&dcrgate(home.path(), &["check", "--config", "readme.toml"]));
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
}

/// Files of a good request, as a person would have them.
fn write_request(world: &World) -> String {
    let software = world.enrol("explained");
    let identity = world.transport(&software, KeyKind::Ecdsa).expect("a certificate");
    let request = world.request(&software).expect("a request");
    let key = world.directory.signer().public_jwk(dcrgate::sandbox::statement::KeyUse::Signature);
    let own = [dcrgate::sandbox::statement::KeyUse::Signature, dcrgate::sandbox::statement::KeyUse::Encryption]
        .map(|usage| world.directory.software_key().public_jwk(usage));
    for (name, text) in [
        ("request.json", serde_json::to_string_pretty(&request).expect("JSON")),
        ("tpp.pem", identity.chain_pem()),
        ("directory.json", serde_json::json!({ "keys": [key] }).to_string()),
        ("own.json", serde_json::json!({ "keys": own }).to_string()),
    ] {
        std::fs::write(world.path(name), text).expect("written");
    }
    request["software_statement"].as_str().expect("a statement").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_shown_and_verified() {
    let (home, world) = world(|text| text).await;
    let token = write_request(&world);
    let (status, out, _) = told(&dcrgate(home.path(), &["statement", "show", &token]));
    assert_eq!(status, 0);
    assert!(out.starts_with("NOT VERIFIED") && out.contains("\"software_id\""), "{out}");
    let (_, out, _) = told(&dcrgate(home.path(), &["statement", "show", "--output", "json", &token]));
    let shown: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&shown["header"]["alg"], &shown["verified"]), (&"PS256".into(), &false.into()));
    let (status, out, _) = told(&dcrgate(home.path(), &["statement", "show", "a.b"]));
    assert_eq!((status, out.as_str()), (1, "REFUSED   the software statement does not have three parts\n"));
    let verify = |token: &str, more: &[&str]| {
        told(&dcrgate(home.path(), &[&["statement", "verify", "--keys", "directory.json", token], more].concat()))
    };
    let (status, out, _) = verify(&token, &["--policy", "open-finance-brasil"]);
    assert_eq!(status, 0);
    assert!(out.starts_with("VERIFIED  PS256 by key signer"), "{out}");
    let (status, out, _) = verify(&token, &["--output", "json"]);
    let shown: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &shown["verified"], &shown["kid"]), (0, &true.into(), &"signer".into()));
    assert_eq!(verify(&token, &["--keys", "own.json"]).0, 2, "one set of keys");
    let (status, out, _) = told(&dcrgate(home.path(), &["statement", "verify", "--keys", "own.json", &token]));
    assert_eq!((status, out.as_str()), (1, "REFUSED   no key of the set fits the header\n"));
    let forged = token.replace(token.rsplit('.').next().expect("a signature"), "AAAA");
    let (status, out, _) = verify(&forged, &["--output", "json"]);
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, &told["verified"]), (1, &false.into()));
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("signature")), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_reads_beside_the_running_server() {
    let mut gate = Gate::start().await;
    let software = gate.world.enrol("audited");
    let identity = gate.world.transport(&software, KeyKind::Ecdsa).expect("a certificate");
    let client = gate.world.third_party(Some(&identity)).expect("a client");
    let body = serde_json::to_vec(&gate.world.request(&software).expect("a request")).expect("JSON");
    let admitted = client.register(gate.address, body).await.expect("an answer");
    let refused = client.register(gate.address, "{}").await.expect("an answer");
    let id =
        |answer: &http::Response<bytes::Bytes>| answer.headers()["dcr-decision-id"].to_str().expect("text").to_owned();
    let home = gate.world.path("");
    for running in [true, false] {
        let (status, out, err) = told(&dcrgate(&home, &["audit", "list"]));
        assert_eq!((status, err.as_str()), (0, ""), "running: {running}");
        assert!(out.contains(&id(&admitted)) && out.contains(&id(&refused)) && out.lines().count() == 3, "{out}");
        let (_, out, _) = told(&dcrgate(&home, &["audit", "list", "outcome:rejected", "--output", "json"]));
        assert!(!out.contains(&id(&admitted)) && out.contains("statement.present"), "{out}");
        let (status, out, _) = told(&dcrgate(&home, &["audit", "show", &id(&refused)]));
        assert_eq!(status, 0);
        assert!(out.contains("statement.present") && out.contains("invalid_software_statement"), "{out}");
        assert!(out.contains("  FAIL    statement.present"), "{out}");
        let (_, out, _) = told(&dcrgate(&home, &["audit", "show", &id(&admitted), "--output", "json"]));
        let record: Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((&record["outcome"], &record["entries"][1]["kind"]), (&"admitted".into(), &"closed".into()));
        assert!(!out.contains("registration_access_token"), "{out}");
        if running {
            gate.stop().await;
        }
    }
    let (status, _, _) = told(&dcrgate(&home, &["audit", "show", "01JDCX3M9V7Q0T8E4K2N5R6S1A"]));
    assert_eq!(status, 1, "no such decision");
    assert_eq!(told(&dcrgate(&home, &["audit", "show", "nonsense"])).0, 2);
    assert_eq!(told(&dcrgate(&home, &["audit", "list", "--store", "nowhere.db"])).0, 3);
}

#[test]
fn every_command_has_help_that_fits() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let help = |command: &[&str]| {
        let (status, out, err) = told(&dcrgate(folder, &[command, &["--help"]].concat()));
        assert_eq!((status, err.as_str()), (0, ""), "{command:?}");
        assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
        out
    };
    let all = help(&[]);
    assert!(all.contains("Exit status: 0 good, 1 "), "{all}");
    for command in ["run", "check", "explain", "audit", "policy", "statement", "demo"] {
        assert!(all.contains(&format!("\n  {command} ")), "{command} in {all}");
        help(&[command]);
    }
    for command in [["explain"].as_slice(), &["audit", "list"], &["policy", "test"], &["statement", "verify"]] {
        let text = help(command);
        assert!(text.contains(&format!("Examples:\n  dcrgate {} ", command.join(" "))), "{text}");
    }
    for command in [
        ["check"].as_slice(),
        &["explain"],
        &["audit", "list"],
        &["audit", "show"],
        &["policy", "diff"],
        &["policy", "functions"],
        &["policy", "lint"],
        &["policy", "list"],
        &["policy", "show"],
        &["policy", "test"],
        &["statement", "show"],
        &["statement", "verify"],
        &["demo"],
    ] {
        assert!(help(command).contains("[default: text]"), "{command:?} prints for programs too");
    }
}

#[test]
fn the_demo_ends_well_and_leaves_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    let (status, out, err) = told(&dcrgate(home.path(), &["demo", "--once", "--port", "0", "--output", "json"]));
    assert_eq!(status, 0, "{out}{err}");
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert!(told["outcomes"].as_array().is_some_and(|outcomes| outcomes.len() >= 12));
    assert_eq!(std::fs::read_dir(home.path()).expect("a directory").count(), 0);
}
