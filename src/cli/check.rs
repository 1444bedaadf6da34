//! `dcrgate check`: every fault of a configuration in one run, and nothing is served.
//!
//! Three depths: the text and the files that it names ([`Settings::load`]); then
//! the objects that `run` would build, by a step that the caller gives; what
//! only the outside can tell (ports in use, directories) is not asked here.
//! Problems go to standard error, findings to standard output.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use super::problems::{self, Style, Tally, counted};
use super::{Output, Status};
use crate::config::{LoadError, Loaded, Settings};
use crate::model::document::{Faults, Problem};

/// Where a command writes.
pub struct Streams<'s> {
    /// Findings.
    pub out: &'s mut dyn Write,
    /// Problems.
    pub err: &'s mut dyn Write,
    /// Of `err`.
    pub style: Style,
}

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").field("style", &self.style).finish_non_exhaustive()
    }
}

/// Checks the configuration at `path`. `build` makes the real objects of settings without faults,
/// records what is wrong with them, and returns one line for each thing that is good.
///
/// # Errors
/// When a stream cannot be written to.
pub fn run(
    path: &Path,
    output: Output,
    build: impl FnOnce(&Settings, &Faults) -> Vec<String>,
    mut streams: Streams<'_>,
) -> io::Result<Status> {
    let report = Report::of(path, build);
    match output {
        Output::Text => report.write_text(&mut streams)?,
        Output::Json => writeln!(streams.out, "{:#}", report.to_json(path))?,
    }
    Ok(report.status)
}

/// What a check found.
struct Report {
    status: Status,
    good: Vec<String>,
    problems: Vec<Problem>,
}

impl Report {
    fn of(path: &Path, build: impl FnOnce(&Settings, &Faults) -> Vec<String>) -> Self {
        let Loaded { settings, warnings } = match Settings::load(path) {
            Ok(loaded) => loaded,
            Err(LoadError::Invalid(problems)) => return Self { status: Status::Bad, good: Vec::new(), problems },
            Err(error @ LoadError::Unreadable { .. }) => {
                let faults = Faults::new();
                faults.error(None, error.to_string(), None);
                return Self { status: Status::Unable, good: Vec::new(), problems: faults.into_problems() };
            }
        };
        let faults = Faults::new();
        let mut good = vec![headline(path, &settings)];
        good.extend(build(&settings, &faults));
        let status = if faults.any_error() { Status::Bad } else { Status::Good };
        Self { status, good, problems: warnings.into_iter().chain(faults.into_problems()).collect() }
    }

    fn write_text(&self, streams: &mut Streams<'_>) -> io::Result<()> {
        for line in &self.good {
            writeln!(streams.out, "ok    {line}")?;
        }
        streams.out.flush()?;
        if self.problems.is_empty() {
            return Ok(());
        }
        write!(streams.err, "{}", problems::text(&self.problems, streams.style))?;
        writeln!(streams.err, "{}", Tally::of(&self.problems))
    }

    fn to_json(&self, path: &Path) -> serde_json::Value {
        let tally = Tally::of(&self.problems);
        json!({
            "program": "dcrgate",
            "version": env!("CARGO_PKG_VERSION"),
            "file": path.display().to_string(),
            "valid": self.status == Status::Good,
            "errors": tally.errors,
            "warnings": tally.warnings,
            "good": self.good,
            "problems": self.problems.iter().map(problems::json).collect::<Vec<_>>(),
        })
    }
}

fn headline(path: &Path, settings: &Settings) -> String {
    let counts = [
        counted(settings.listeners.len(), "listener", "listeners"),
        counted(settings.hosts.len(), "host", "hosts"),
        counted(settings.authorities.len(), "authority", "authorities"),
        counted(settings.key_sets.len(), "key set", "key sets"),
        counted(settings.upstreams.len(), "upstream", "upstreams"),
        counted(settings.policies.len(), "policy", "policies"),
        counted(settings.routes.len(), "route", "routes"),
    ];
    format!("{}: {}", path.display(), counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{Folder, GOOD};

    /// What one check said, with the folder of the test left out.
    struct Said {
        status: Status,
        out: String,
        err: String,
    }

    fn check(folder: &Folder, output: Output, build: impl FnOnce(&Settings, &Faults) -> Vec<String>) -> Said {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let streams = Streams { out: &mut out, err: &mut err, style: Style::Plain };
        let path = folder.path();
        let status = run(&path, output, build, streams).unwrap();
        let home = format!("{}/", path.parent().unwrap().display());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&home, "");
        Said { status, out: text(out), err: text(err) }
    }

    fn unbuilt(_: &Settings, _: &Faults) -> Vec<String> {
        panic!("nothing is built from a configuration with faults")
    }

    #[test]
    fn ten_faults_are_told_at_once() {
        let said = check(&Folder::with(TEN_FAULTS), Output::Text, unbuilt);
        assert_eq!((said.status, said.out.as_str()), (Status::Bad, ""));
        insta::assert_snapshot!(said.err, @r#"
        error: `address` is not an address
         --> dcrgate.toml:2:11
          |
        2 | address = "0.0.0.0"
          |           ^^^^^^^^^
          |
          = help: an IP address and a port, such as "0.0.0.0:8443" or "[::]:8443"

        error: cannot read `chian.pem`: no such file
         --> dcrgate.toml:3:27
          |
        3 | certificates = [{ chain = "chian.pem", key = { file = "server.key" } }]
          |                           ^^^^^^^^^^^
          |
          = help: did you mean `chain.pem` in the same folder?

        error: `client_auth` does not know this word
         --> dcrgate.toml:4:15
          |
        4 | client_auth = "requested"
          |               ^^^^^^^^^^^
          |
          = help: did you mean `request`?

        error: `public_base` has to be an https URL
         --> dcrgate.toml:6:15
          |
        6 | public_base = "http://gate.example"
          |               ^^^^^^^^^^^^^^^^^^^^^

        error: unknown authority `shceme`
          --> dcrgate.toml:13:15
           |
        13 | authorities = "shceme"
           |               ^^^^^^^^
           |
           = help: did you mean `scheme`?

        error: unknown key `answer_windows`
          --> dcrgate.toml:17:1
           |
        17 | answer_windows = "5m"
           | ^^^^^^^^^^^^^^
           |
           = help: did you mean `answer_window`?

        error: unknown upstream `ipd`
          --> dcrgate.toml:21:12
           |
        21 | upstream = "ipd"
           |            ^^^^^
           |
           = help: did you mean `idp`?

        error: `to`: a path starts with `/`
          --> dcrgate.toml:22:6
           |
        22 | to = "reg"
           |      ^^^^^

        error: `drain` is not a duration
          --> dcrgate.toml:25:9
           |
        25 | drain = "soon"
           |         ^^^^^^
           |
           = help: write a number and a unit, such as "15m", "24h" or "500ms"

        error: `admin` is not built yet
          --> dcrgate.toml:26:1
           |
        26 | [admin]
           | ^^^^^^^

        10 errors
        "#);
    }

    #[test]
    fn programs_get_the_same_as_json() {
        let said = check(&Folder::with(TEN_FAULTS), Output::Json, unbuilt);
        assert_eq!((said.status, said.err.as_str()), (Status::Bad, ""));
        let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!((&told["valid"], &told["errors"], &told["warnings"]), (&json!(false), &json!(10), &json!(0)));
        assert_eq!(
            told["problems"][4],
            json!({
                "severity": "error",
                "message": "unknown authority `shceme`",
                "help": "did you mean `scheme`?",
                "file": "dcrgate.toml",
                "line": 13,
                "column": 15,
            })
        );
    }

    #[test]
    fn a_good_configuration_says_so_in_few_lines() {
        let said = check(&Folder::with(GOOD), Output::Text, |settings, _| {
            settings.policies.keys().map(|name| format!("policy {name} compiles")).collect()
        });
        assert_eq!((said.status, said.err.as_str()), (Status::Good, ""));
        assert_eq!(
            said.out,
            "ok    dcrgate.toml: 1 listener, 1 host, 1 authority, 1 key set, 1 upstream, 1 policy, 1 route\n\
             ok    policy scheme compiles\n"
        );
    }

    #[test]
    fn warnings_leave_it_good() {
        let text = GOOD.replace("http://127.0.0.1:3000", "http://idp.internal");
        let said = check(&Folder::with(&text), Output::Text, |_, _| Vec::new());
        assert_eq!(said.status, Status::Good);
        assert!(said.out.starts_with("ok    dcrgate.toml: "), "{}", said.out);
        assert!(said.err.starts_with("warning: ") && said.err.ends_with("\n1 warning\n"), "{}", said.err);
    }

    #[test]
    fn what_building_finds_is_told_at_its_place() {
        let said = check(&Folder::with(GOOD), Output::Text, |settings, faults| {
            let anchors = settings.authorities.values().next().map(|authority| &authority.anchors.place);
            faults.error(anchors, "no certificate in this file", None);
            Vec::new()
        });
        assert_eq!(said.status, Status::Bad);
        insta::assert_snapshot!(said.err, @r#"
        error: no certificate in this file
         --> dcrgate.toml:7:11
          |
        7 | anchors = "anchors.pem"
          |           ^^^^^^^^^^^^^

        1 error
        "#);
    }

    #[test]
    fn a_missing_file_could_not_be_checked() {
        let folder = Folder::with(GOOD);
        std::fs::remove_file(folder.path()).unwrap();
        let said = check(&folder, Output::Text, unbuilt);
        assert_eq!((said.status, said.out.as_str()), (Status::Unable, ""));
        assert_eq!(said.err, "error: cannot read the configuration file `dcrgate.toml`: no such file\n\n1 error\n");
    }

    const TEN_FAULTS: &str = r#"[listeners.public]
address = "0.0.0.0"
certificates = [{ chain = "chian.pem", key = { file = "server.key" } }]
client_auth = "requested"
[hosts."gate.example"]
public_base = "http://gate.example"
[authorities.scheme]
anchors = "anchors.pem"
[upstreams.idp]
url = "http://127.0.0.1:3000"
[policies.scheme]
file = "policy.toml"
authorities = "shceme"
[store]
sqlite = "dcrgate.db"
sealing_key = { file = "store.key" }
answer_windows = "5m"
[[routes]]
path = "/register"
kind = "registration"
upstream = "ipd"
to = "reg"
policy = "scheme"
[limits]
drain = "soon"
[admin]
address = "127.0.0.1:9080"
"#;
}
