//! R13: each dependency is taken away in turn, and nothing unchecked reaches the identity server.

use std::process::{Command, Stdio};

use dcrgate::sandbox::World;
use dcrgate::sandbox::directory::KEYS_PATH;
use dcrgate::sandbox::statement::KeyUse;

use crate::applicant::{Applicant, soon};
use crate::gate::{self, Gate, Program};

/// How the program ends that cannot start, and what it says.
async fn ends(world: &World) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_dcrgate"))
        .args(["run", "--config"])
        .arg(world.configuration())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let ended = soon(async {
        loop {
            match child.try_wait().expect("its state") {
                Some(status) => break status,
                None => tokio::task::yield_now().await,
            }
        }
    });
    let status = ended.await.code();
    let output = child.wait_with_output().expect("its words");
    (status, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_nothing_is_served_when_a_file_is_missing_or_broken_at_the_start() {
    let (_home, world) = gate::world(|text| text).await;
    let cases: [(&str, Option<&str>); 10] = [
        ("certs/authorities/clients-root.pem", None),
        ("certs/authorities/clients-root.pem", Some("")),
        ("certs/authorities/clients-issuing.crl", None),
        ("certs/authorities/clients-issuing.crl", Some("-----BEGIN X509 CRL-----\n")),
        ("certs/authorities/servers.pem", None),
        ("policies/open-finance-brasil.toml", None),
        ("policies/open-finance-brasil.toml", Some("extends = \"rfc7591.toml\"\n[[rule]]\nrequire = \"1 +\"\n")),
        ("policies/rfc7591.toml", None),
        ("certs/store.key", None),
        ("certs/server/rsa.key", Some("no key")),
    ];
    for (path, content) in cases {
        let file = world.path(path);
        let good = std::fs::read(&file).expect("a good file");
        match content {
            Some(content) => std::fs::write(&file, content).expect("a bad file"),
            None => std::fs::remove_file(&file).expect("no file"),
        }
        let (status, told) = ends(&world).await;
        assert_eq!(status, Some(1), "{path} {content:?}: {told}");
        let name = path.rsplit('/').next().expect("a name");
        assert!(told.contains(name) || told.contains("rule"), "{path} {content:?}: {told}");
        assert!(!told.contains("listening"), "{told}");
        std::fs::write(&file, good).expect("the good file");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_key_set_file_that_is_missing_keeps_the_program_from_starting_and_reloading() {
    let (_home, world) = gate::world(|text| text).await;
    let path = world.configuration();
    let text = std::fs::read_to_string(&path).expect("a configuration");
    let url = format!("url = \"{}\"", world.directory.url(KEYS_PATH));
    std::fs::write(&path, text.replace(&url, "file = \"keys.jwks\"")).expect("a configuration");
    assert_eq!(ends(&world).await.0, Some(1));

    let keys = serde_json::json!({ "keys": [world.directory.signer().public_jwk(KeyUse::Signature)] });
    std::fs::write(world.path("keys.jwks"), keys.to_string()).expect("a key set");
    let program = Program::run(&path);
    assert_eq!(soon(Applicant::new(&world, "before").apply(program.address)).await.status, 201);
    std::fs::remove_file(world.path("keys.jwks")).expect("no key set");
    program.signal("HUP");
    program.until("reload refused");
    assert_eq!(soon(Applicant::new(&world, "old keys").apply(program.address)).await.status, 201);
    for keys in ["{\"keys\":[]}", "no set"] {
        std::fs::write(world.path("keys.jwks"), keys).expect("a bad key set");
        program.signal("HUP");
        program.until("key set on disk cannot be used");
        program.until("configuration reloaded");
        let answer = soon(Applicant::new(&world, keys).apply(program.address)).await;
        assert_eq!(answer.status, 201, "the old keys stay: {}", answer.json);
    }
    drop(program);

    let program = Program::run(&path);
    let before = world.identity_server.requests().len();
    let answer = soon(Applicant::new(&world, "no keys at all").apply(program.address)).await;
    assert_eq!(answer.outcome(), (503, "temporarily_unavailable"));
    assert_eq!(world.identity_server.requests().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_store_that_cannot_be_had_ends_with_status_3() {
    let (_home, world) = gate::world(|text| text.replace("data/dcrgate.db", "taken/dcrgate.db")).await;
    std::fs::write(world.path("taken"), "a file, no folder").expect("a file");
    let (status, told) = ends(&world).await;
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("taken"), "{told}");
    std::fs::remove_file(world.path("taken")).expect("gone");

    std::fs::create_dir(world.path("taken")).expect("a folder");
    std::fs::write(world.path("taken/dcrgate.db"), "x".repeat(10_000)).expect("another file");
    let (status, told) = ends(&world).await;
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("is not a dcrgate database"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r13_a_second_process_over_the_same_database_ends_with_status_3() {
    let gate = Gate::start().await;
    let (status, told) = ends(&gate.world).await;
    assert_eq!(status, Some(3), "{told}");
    assert!(told.contains("in use by another dcrgate"), "{told}");
    assert_eq!(soon(Applicant::new(&gate.world, "the first").apply(gate.address)).await.status, 201);
}
