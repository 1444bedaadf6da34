//! Programs of others that tests talk to, and what a test does when the machine has none.
//!
//! A test that cannot have its program says so by name, in the output and in the file that
//! `DCRGATE_SKIPS` names (`tests/run.sh` shows it at its end); under `CI` it fails instead.
//!
//! ```ignore
//! let server = or_skip!(IdentityServer::start(r#"{"issuer":"https://bank.example"}"#, None));
//! ```
#![allow(dead_code, unused_macros, unused_imports, reason = "each test file uses its part")]

use std::fs::OpenOptions;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What the machine does not have.
#[derive(Clone, Debug)]
pub(crate) struct Missing(String);

/// The value, or the end of the test as skipped. Needs this module in scope as `programs`.
macro_rules! or_skip {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(missing) => {
                fn here() {}
                return programs::skip(std::any::type_name_of_val(&here), &missing);
            }
        }
    };
}
pub(crate) use or_skip;

/// Tells that a test was skipped. `place` is the path of a function inside of the test.
pub(crate) fn skip(place: &str, missing: &Missing) {
    let test = place.trim_end_matches("::here").trim_end_matches("::{{closure}}");
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!ci, "{test} needs {}, and with CI set nothing is skipped", missing.0);
    let line = format!("SKIPPED {test}: {}\n", missing.0);
    // Not eprint!, which the test harness keeps to itself.
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(file) = std::env::var_os("DCRGATE_SKIPS") {
        let written = OpenOptions::new().create(true).append(true).open(file);
        let written = written.and_then(|mut file| file.write_all(line.as_bytes()));
        assert!(written.is_ok(), "a skip could not be recorded: {written:?}");
    }
}

/// Finds a program on the `PATH`.
pub(crate) fn find(program: &str) -> Result<PathBuf, Missing> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|file| file.is_file());
    found.ok_or_else(|| Missing(format!("the program `{program}`")))
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/idp").join(name)
}

/// A real identity server of `tests/idp`. It ends with this value.
#[derive(Debug)]
pub(crate) struct IdentityServer {
    process: Child,
    ready: serde_json::Value,
}

impl IdentityServer {
    /// Starts `oidc-provider` on a free loopback port. `settings` is the JSON that its `server.mjs` documents;
    /// `authority` is a PEM file it trusts besides the system's when it fetches a `jwks_uri`.
    ///
    /// # Errors
    /// [`Missing`] without Node or without the packages. A server that does not start is a
    /// failure of the test, not a skip.
    pub(crate) fn start(settings: &str, authority: Option<&Path>) -> Result<Self, Missing> {
        let folder = folder("oidc-provider");
        let mut command = Command::new(find("node")?);
        if !folder.join("node_modules/oidc-provider").is_dir() {
            return Err(Missing("the packages of tests/idp/oidc-provider (tests/run.sh installs them)".to_owned()));
        }
        if let Some(authority) = authority {
            command.env("NODE_EXTRA_CA_CERTS", authority);
        }
        command.arg(folder.join("server.mjs")).arg(settings);
        Self::by(command)
    }

    /// Starts glewlwyd, which answers 200 to a registration; settings as its `start.py` documents them.
    ///
    /// # Errors
    /// [`Missing`] without Debian's package.
    pub(crate) fn glewlwyd(settings: &str) -> Result<Self, Missing> {
        find("glewlwyd")?;
        Self::by_python(&find("python3")?, "glewlwyd", settings)
    }

    /// Starts django-oauth-toolkit, whose paths end in a slash.
    ///
    /// # Errors
    /// [`Missing`] without the packages of its `requirements.txt`.
    pub(crate) fn django_oauth_toolkit(settings: &str) -> Result<Self, Missing> {
        let python = folder("django-oauth-toolkit").join(".venv/bin/python");
        if !python.is_file() {
            let what = "the packages of tests/idp/django-oauth-toolkit (tests/run.sh installs them)";
            return Err(Missing(what.to_owned()));
        }
        Self::by_python(&python, "django-oauth-toolkit", settings)
    }

    /// Starts lemonldap-ng, which registers whoever asks.
    ///
    /// # Errors
    /// [`Missing`] without Debian's packages, or where their configuration may not be read.
    pub(crate) fn lemonldap_ng(settings: &str) -> Result<Self, Missing> {
        find("starman")?;
        if std::fs::read("/var/lib/lemonldap-ng/conf/lmConf-1.json").is_err() {
            return Err(Missing("lemonldap-ng with a configuration that this user may read".to_owned()));
        }
        Self::by_python(&find("python3")?, "lemonldap-ng", settings)
    }

    /// Starts Keycloak, which takes half a minute.
    ///
    /// # Errors
    /// [`Missing`] without Java or without the distribution.
    pub(crate) fn keycloak(settings: &str) -> Result<Self, Missing> {
        find("java")?;
        if !folder("keycloak").join("distribution/bin/kc.sh").is_file() {
            return Err(Missing("the distribution of tests/idp/keycloak (tests/run.sh fetches it)".to_owned()));
        }
        Self::by_python(&find("python3")?, "keycloak", settings)
    }

    fn by_python(python: &Path, name: &str, settings: &str) -> Result<Self, Missing> {
        let mut command = Command::new(python);
        command.arg(folder(name).join("start.py")).arg(settings);
        Self::by(command)
    }

    fn by(mut command: Command) -> Result<Self, Missing> {
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = process.map_err(|error| Missing(format!("a program that starts ({error})")))?;
        let mut line = String::new();
        if let Some(output) = process.stdout.as_mut() {
            let _ = BufReader::new(output).read_line(&mut line);
        }
        let ready = serde_json::from_str(&line).unwrap_or_default();
        let server = Self { process, ready };
        assert!(server.ready.get("port").is_some(), "the identity server did not start: see its words above");
        Ok(server)
    }

    /// Where it listens, in plain HTTP.
    pub(crate) fn address(&self) -> SocketAddr {
        let port = self.ready.get("port").and_then(serde_json::Value::as_u64).and_then(|port| u16::try_from(port).ok());
        SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or_default()))
    }

    /// The body of what it has at a path, asked in plain HTTP.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).expect("a connection");
        // HTTP/1.0, so that the answer comes whole and ends with the connection.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("sent");
        let answer = io::read_to_string(stream).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.contains(" 200 "), "{path}: {head}");
        body.to_owned()
    }

    /// The token to register with, of a server that printed one.
    pub(crate) fn initial_access_token(&self) -> Option<&str> {
        self.ready.get("initial_access_token")?.as_str()
    }
}

impl Drop for IdentityServer {
    fn drop(&mut self) {
        drop(self.process.stdin.take()); // it exits when its input closes
        let _ = self.process.wait();
    }
}
