//! A PostgreSQL server of a test's own, on a socket in a folder of its own; stopped and removed with the test process.
//!
//! Included by the tests that need it, beside `programs`, with `#[path = "support/postgres.rs"] mod postgres;`.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::programs::{self, Missing};

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    port: u16,
    /// Starts and stops the server; ends it and removes its folder when this process is gone, however it went.
    supervisor: Mutex<(Child, BufReader<std::process::ChildStdout>)>,
    databases: AtomicU32,
}

impl Postgres {
    /// The server that all tests of a process share.
    ///
    /// # Errors
    /// [`Missing`] where PostgreSQL is not installed. A server that does not start is a failure of the test.
    pub fn shared() -> Result<&'static Self, Missing> {
        static SHARED: OnceLock<Result<Postgres, Missing>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref().map_err(Clone::clone)
    }

    /// A server that a test may stop.
    ///
    /// # Errors
    /// As [`Self::shared`].
    pub fn start() -> Result<Self, Missing> {
        Self::launch(PORT, |_| String::new())
    }

    /// A server that also listens on a loopback port, where it speaks TLS with this certificate (PEM) of `localhost`.
    ///
    /// # Errors
    /// As [`Self::shared`].
    pub fn encrypted(certificate: &str, key: &str) -> Result<(Self, u16), Missing> {
        let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        let server = Self::launch(port, |folder| {
            write_private(&folder.join("server.pem"), certificate);
            write_private(&folder.join("server.key"), key);
            let files = format!("-c ssl_cert_file={0}/server.pem -c ssl_key_file={0}/server.key", folder.display());
            format!("-c listen_addresses=127.0.0.1 -c port={port} -c ssl=on {files}")
        })?;
        Ok((server, port))
    }

    /// `prepare` may put files into the folder, and gives more options of the server.
    fn launch(port: u16, prepare: impl FnOnce(&Path) -> String) -> Result<Self, Missing> {
        let programs = [program("initdb")?, program("postgres")?, program("pg_ctl")?];
        // Not a TempDir: the supervisor removes it, after the server has left it.
        let folder = tempfile::tempdir().expect("a folder").keep();
        let options = prepare(&folder);
        let mut command = Command::new("sh");
        // In a group of its own: a signal to the group of the tests (`timeout`, Ctrl-C) must not end it before the server.
        command.process_group(0);
        command.args(["-c", SUPERVISOR, "sh"]).arg(&folder).args(&programs).arg(options).current_dir(&folder);
        if let Some((user, group)) = other_user() {
            // PostgreSQL does not run as root.
            let files = std::fs::read_dir(&folder).expect("the folder").flatten().map(|file| file.path());
            for path in files.chain([folder.clone()]) {
                chown(&path, Some(user), Some(group)).expect("the folder is given to another user");
            }
            command.uid(user).gid(group);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let told = BufReader::new(child.stdout.take().expect("its output"));
        let server = Self { folder, port, supervisor: Mutex::new((child, told)), databases: AtomicU32::new(0) };
        server.order("start");
        Ok(server)
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        self.run("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database by its name.
    pub fn url(&self, database: &str) -> String {
        let port = if self.port == PORT { String::new() } else { format!("&port={}", self.port) };
        format!("postgres://dcrgate@/{database}?host={}{port}", self.folder.display())
    }

    /// Runs statements in a database.
    pub fn run(&self, database: &str, sql: &str) {
        self.query(database, sql);
    }

    /// Runs statements in a database; gives the first column of the rows of the last one.
    pub fn query(&self, database: &str, sql: &str) -> Vec<String> {
        query(&self.url(database), sql).expect("the statements run")
    }

    /// Stops it, as an operator does: connections are cut.
    pub fn stop(&self) {
        self.order("stop");
    }

    /// Starts it again.
    pub fn again(&self) {
        self.order("start");
    }

    /// Lets it hang, with every connection open.
    pub fn freeze(&self) {
        self.order("freeze");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.order("thaw");
    }

    fn order(&self, order: &str) {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        let (child, told) = &mut *supervisor;
        writeln!(child.stdin.as_mut().expect("its input"), "{order}").expect("the supervisor listens");
        let mut line = String::new();
        told.read_line(&mut line).expect("the supervisor tells");
        let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert_eq!(line.trim(), "done", "PostgreSQL did not {order}:\n{log}");
    }
}

/// Runs statements at a URL; gives the first column of the rows of the last one.
///
/// # Errors
/// What the database tells.
pub fn query(url: &str, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    // On a thread of its own: the test's may be one that drives a runtime.
    std::thread::scope(|scope| {
        let work = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
                let driver = tokio::spawn(connection);
                let mut column = Vec::new();
                for message in client.simple_query(sql).await? {
                    match message {
                        tokio_postgres::SimpleQueryMessage::Row(row) => {
                            column.push(row.get(0).unwrap_or_default().to_owned());
                        }
                        tokio_postgres::SimpleQueryMessage::RowDescription(_) => column.clear(),
                        _ => {}
                    }
                }
                drop(client);
                let _ended = driver.await;
                Ok(column)
            })
        });
        work.join().expect("no panic")
    })
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        drop(supervisor.0.stdin.take());
        let _ = supervisor.0.wait();
    }
}

/// For the server alone, which refuses a key that others may read.
fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("a file for the server");
}

/// PostgreSQL's own, which also names its socket.
const PORT: u16 = 5432;

/// On the `PATH`, or where Debian puts what is not for every user.
fn program(name: &str) -> Result<PathBuf, Missing> {
    programs::find(name).or_else(|missing| {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
        found.retain(|path| path.is_file());
        found.sort();
        found.pop().ok_or(missing)
    })
}

/// Whom the server runs as when this process is root: `postgres` where there is one, else `nobody`.
fn other_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    let own = std::fs::metadata("/proc/self").ok()?.uid();
    if own != 0 {
        return None;
    }
    let users = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    ids("postgres").or_else(|| ids("nobody")).or(Some((65534, 65534)))
}

/// `$1` is the folder, then initdb, postgres, pg_ctl, more options. Nothing of it is durable, which makes it fast.
const SUPERVISOR: &str = r#"
folder=$1; data=$1/data
options="-c listen_addresses= $5 -c unix_socket_directories=$folder -c fsync=off -c full_page_writes=off -c shared_buffers=16MB"
# The server and the backends of its connections, which are its children.
signal() { server=$(head -n 1 "$data/postmaster.pid"); kill -"$1" "$server" $(ps -o pid= --ppid "$server"); }
"$2" -D "$data" -U dcrgate -A trust -E UTF8 --no-locale --no-sync >"$folder/log" 2>&1
while read -r order; do
  case $order in
    start) "$4" -D "$data" -s -w -t 120 -l "$folder/log" -p "$3" -o "$options" start </dev/null >/dev/null 2>&1 ;;
    stop) "$4" -D "$data" -s -w -m fast stop ;;
    freeze) signal STOP ;;
    thaw) signal CONT ;;
  esac && echo done || echo failed
done
"$4" -D "$data" -s -w -m immediate stop >/dev/null 2>&1
rm -rf "$folder"
"#;
