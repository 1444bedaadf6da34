//! The checker, fed with samples: each breach must be seen, at its line, and each look-alike let pass.

use super::*;

fn lines(faults: &[Fault]) -> Vec<usize> {
    faults.iter().map(|fault| fault.line).collect()
}

fn check(checker: fn(&Source) -> Vec<Fault>, name: &str, text: &str) -> Vec<usize> {
    let mut found = lines(&checker(&Source::read(name, text)));
    found.dedup();
    found
}

#[test]
fn upward_imports_are_seen_however_they_are_written() {
    for text in [
        "use crate::pipeline::Gate;",
        "use crate::{model::Digest, pipeline::{Gate, gather}};",
        "use super::super::pipeline;",
        "pub(crate) use crate::pipeline as lower;",
        "fn f() { crate::pipeline::run() }",
        "fn f() -> super::super::pipeline::Answer {}",
        "mod inner { use super::super::super::pipeline::Gate; }",
        "macro_rules! m { () => { $crate::pipeline::run() } }",
        "#[cfg(test)] mod tests { use crate::pipeline::Gate; }",
        "use crate::Gate;",
        "use crate::*;",
    ] {
        assert_eq!(check(reaches_up, "src/tls/authorities.rs", text), [1], "{text}");
    }
}

#[test]
fn lower_floors_and_the_own_module_are_let_pass() {
    let text = "use crate::{model::peer::Peer, net, tls::Authorities};\n\
        use super::revocation; use self::inner::X; mod inner { use super::*; use super::super::Judged; }\n\
        pub(crate) fn f() {} pub(in crate::tls) fn g() {} fn h() { crate::store::open() }";
    assert_eq!(check(reaches_up, "src/tls/authorities.rs", text), [0; 0]);
}

#[test]
fn neighbours_know_each_other_only_along_the_arrows() {
    assert_eq!(check(reaches_up, "src/tls/mod.rs", "\nuse crate::jose::Compact;"), [2]);
    assert_eq!(check(reaches_up, "src/policy/mod.rs", "use crate::checks::Check;"), [0; 0]);
    assert_eq!(check(reaches_up, "src/checks/mod.rs", "use crate::policy::Policy;"), [1]);
    assert_eq!(check(reaches_up, "src/server/mod.rs", "use crate::cli::run;"), [1]);
    assert_eq!(check(reaches_up, "src/main.rs", "fn main() { dcrgate::cli::run() }"), [0; 0]);
    assert_eq!(check(reaches_up, "src/telemetry.rs", ""), [1]);
}

#[test]
fn words_in_comments_and_strings_are_no_imports() {
    let text = concat!(
        "// use crate::pipeline;\n/* use crate::pipeline; /* nested */ use crate::cli; /*/ */ */\n",
        "fn f<'a>(_: &'a str) { let _ = (\"use crate::cli; \\\" crate::cli::x\", r#\"crate::cli::x \" \"#, b'\\'', '\"', \"\"); }\n",
        "use crate::cli::X;\n",
    );
    assert_eq!(check(reaches_up, "src/tls/mod.rs", text), [4]);
}

#[test]
fn crates_away_from_home_are_seen() {
    for text in [
        "use rusqlite::Connection;",
        "use {std::fmt, rusqlite::Connection as Ledger};",
        "fn f(_: rusqlite::Connection) {}",
        "fn f() { ::rusqlite::Connection::open_in_memory(); }",
        "#[derive(clap::Parser)] struct Arguments;",
        "use super::rows as cel; use rusqlite as sql;",
    ] {
        assert_eq!(check(strays, "src/audit/mod.rs", text), [1], "{text}");
    }
    assert_eq!(check(strays, "src/policy/evaluate.rs", "use cel::Program;"), [1]);
    assert_eq!(check(strays, "src/model/json.rs", "fn f() { toml::from_str(\"\") }"), [1]);
}

#[test]
fn crates_at_home_in_tests_or_only_called_alike_are_let_pass() {
    assert_eq!(check(strays, "src/policy/cel.rs", "use cel::Program;"), [0; 0]);
    assert_eq!(check(strays, "src/policy/mod.rs", "mod cel; fn f() { cel::compile() }"), [0; 0]);
    assert_eq!(check(strays, "src/policy/evaluate.rs", "use super::cel; fn f() { cel::compile() }"), [0; 0]);
    assert_eq!(check(strays, "src/policy/evaluate.rs", "fn f() { super::cel::compile(); x.cel::<u8>() }"), [0; 0]);
    assert_eq!(check(strays, "src/tls/mod.rs", "#[cfg(test)] mod tests { fn f() { rcgen::generate() } }"), [0; 0]);
    assert_eq!(check(strays, "src/tls/mod.rs", "#[cfg(test)] use rcgen::Issuer;\nuse rcgen::Key;"), [2]);
    assert_eq!(check(strays, "src/tls/mod.rs", "#[cfg(test)] mod tests { } fn f() { rcgen::generate() }"), [1]);
}

#[test]
fn pure_floors_are_held_to_purity() {
    for text in [
        "use tokio::sync::Mutex;",
        "#[tokio::test] fn f() {}",
        "use std::{fmt, fs};",
        "fn f() { std::fs::read(\"x\"); }",
        "use std::net::{IpAddr, TcpStream};",
        "fn f(_: std::time::SystemTime) {}",
        "use std::time::{Duration, Instant};",
        "async fn f() {}",
        "fn f() { jiff::Zoned::now(); }",
    ] {
        let found = check(impure, "src/checks/scope.rs", text);
        assert!(!found.is_empty() && found.iter().all(|line| *line == 1), "{text}: {found:?}");
        assert_eq!(check(impure, "src/store/mod.rs", text), [0; 0], "{text}");
    }
    assert_eq!(check(impure, CLOCK, "fn f() { SystemTime::now(); }"), [0; 0]);
    let harmless = "use std::net::IpAddr; use std::time::Duration; fn f() { facts.now; now(); }\n\
        #[cfg(test)] mod tests { use std::fs; }";
    assert_eq!(check(impure, "src/policy/mod.rs", harmless), [0; 0]);
}

#[test]
fn files_are_held_to_their_form() {
    assert_eq!(check(ill_formed, "src/tls/mod.rs", "//! TLS.\n"), [0; 0]);
    assert_eq!(check(ill_formed, "src/tls/mod.rs", "// TLS.\n"), [1]);
    assert_eq!(check(ill_formed, "src/tls/mod.rs", &format!("//! TLS.\n{}", "\n".repeat(LONGEST - 1))), [0; 0]);
    assert_eq!(check(ill_formed, "src/tls/mod.rs", &format!("//! TLS.\n{}", "\n".repeat(LONGEST))), [LONGEST + 1]);
    assert_eq!(check(ill_formed, "src/tls/util.rs", "//! TLS.\n"), [1]);
    assert_eq!(check(ill_formed, "src/helpers/mod.rs", "//! TLS.\n"), [1]);
}

#[test]
fn the_tour_is_held_against_the_picture() {
    let modules = FLOORS.iter().copied().flatten().filter(|name| **name != "main");
    let whole = modules.fold(String::new(), |text, name| text + "pub mod " + name + ";\n");
    let judge = |text: &str, not_yet: &[&str]| off_the_picture(&Source::read("src/lib.rs", text), not_yet).len();
    assert_eq!(judge(&whole, &[]), 0);
    assert_eq!(judge(&whole.replace("pub mod store;\n", ""), &[]), 1);
    assert_eq!(judge(&whole.replace("pub mod store;\n", ""), &["store"]), 0);
    assert_eq!(judge(&whole, &["store"]), 1, "an entry of NOT_YET outlived its reason");
    assert_eq!(judge(&format!("{whole}pub mod extra;"), &[]), 1);
}

#[test]
fn dependencies_without_a_home_and_homes_without_a_dependency_are_seen() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    assert_eq!(untabled(&manifest.replace("[dependencies]\n", "[dependencies]\nleft-pad = \"1\"\n")).len(), 1);
    assert_eq!(untabled(&manifest.replace("\ncel = ", "\n#cel = ")).len(), 2);
}

#[test]
fn files_that_only_tests_declare_are_test_code() {
    let parent = Source::read("src/tls/mod.rs", "#[cfg(test)]\nmod tests;\nmod revocation;");
    assert_eq!(parent.declared, [("tests".to_owned(), Use::Test), ("revocation".to_owned(), Use::Program)]);
    let mut child = Source::read("src/tls/tests.rs", "use rcgen::Issuer;");
    assert_eq!(strays(&child).len(), 1);
    child.mark_test();
    assert_eq!(strays(&child), []);
}
