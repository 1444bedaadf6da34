//! A proxy over a throwaway world: assembled in this process, or the real binary.
//!
//! Included by the tests that need it with `#[path = "support/gate.rs"] mod gate;`.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use dcrgate::model::time::{Clock, SystemClock};
use dcrgate::pipeline::tally::Tallies;
use dcrgate::sandbox::World;
use dcrgate::server::Server;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A world and a proxy over it in this process, on a port of its own.
pub struct Gate {
    /// Directory, identity server, certificates.
    pub world: World,
    /// Where the proxy listens.
    pub address: SocketAddr,
    /// What its policies judged.
    pub tallies: Arc<Tallies>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
    _home: tempfile::TempDir,
}

impl Gate {
    /// As the demo has it.
    pub async fn start() -> Self {
        Self::with(|text| text).await
    }

    /// With another configuration text.
    pub async fn with(change: impl FnOnce(String) -> String) -> Self {
        Self::at(Arc::new(SystemClock), change).await
    }

    /// With another clock and another configuration text.
    pub async fn at(clock: Arc<dyn Clock>, change: impl FnOnce(String) -> String) -> Self {
        let (home, world) = world(change).await;
        Self::clocked(clock, home, world).await
    }

    /// Over a world that was made before.
    pub async fn over(home: tempfile::TempDir, world: World) -> Self {
        Self::clocked(Arc::new(SystemClock), home, world).await
    }

    /// Over a world that was made before, with another clock.
    pub async fn clocked(clock: Arc<dyn Clock>, home: tempfile::TempDir, world: World) -> Self {
        let (address, tallies, stop, running) = serve(&world.configuration(), clock).await;
        Self { world, address, tallies, stop: Some(stop), running: Some(running), _home: home }
    }

    /// Stops the proxy, drained, as SIGTERM does.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(running) = self.running.take() {
            running.await.expect("the server ends without a panic");
        }
    }

    /// Stops and starts over the same world.
    pub async fn restart(&mut self) {
        self.stop().await;
        let (address, tallies, stop, running) = serve(&self.world.configuration(), Arc::new(SystemClock)).await;
        (self.address, self.tallies, self.stop, self.running) = (address, tallies, Some(stop), Some(running));
    }

    /// The database of the proxy.
    pub fn database(&self) -> std::path::PathBuf {
        self.world.path("data/dcrgate.db")
    }
}

/// Address, counts, what stops it, and its end.
type Serving = (SocketAddr, Arc<Tallies>, oneshot::Sender<()>, JoinHandle<()>);

async fn serve(configuration: &Path, clock: Arc<dyn Clock>) -> Serving {
    let server = Server::start(configuration, clock).await.expect("the server starts");
    let address = *server.addresses().values().next().expect("a listener");
    let tallies = server.tallies().expect("a recording");
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    (address, tallies, stop, running)
}

/// The world's configuration in front of another upstream, in plain HTTP.
pub fn before(upstream: SocketAddr, text: &str) -> String {
    let (head, tail) = text.split_once("[upstreams.identity-server]\nurl = \"").expect("an upstream");
    let (_, tail) = tail.split_once('"').expect("a URL");
    format!("{head}[upstreams.identity-server]\nurl = \"http://{upstream}\"{tail}")
}

/// A world in a directory of its own, with its configuration changed.
pub async fn world(change: impl FnOnce(String) -> String) -> (tempfile::TempDir, World) {
    let home = tempfile::tempdir().expect("a directory");
    let world = World::create(home.path(), 0, Arc::new(SystemClock)).await.expect("a world");
    let path = world.configuration();
    let text = std::fs::read_to_string(&path).expect("its configuration");
    std::fs::write(&path, change(text)).expect("its configuration");
    (home, world)
}

/// The real program, `dcrgate run`, ended with the test.
pub struct Program {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process.
    pub child: Child,
    log: mpsc::Receiver<String>,
}

impl Program {
    /// Runs the binary and waits until it listens.
    pub fn run(configuration: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dcrgate"));
        command.args(["run", "--config"]).arg(configuration);
        Self::by(command)
    }

    /// Runs it by a command that ends in the binary, and waits until it listens.
    pub fn by(mut command: Command) -> Self {
        let mut child = command
            .env("RUST_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let (told, log) = mpsc::channel();
        // The log is read to its end, or the program would stop at a full pipe.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _nobody_listens = told.send(line);
            }
        });
        let mut program = Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), child, log };
        let listening = program.until("address=");
        let (_, address) = listening.split_once("address=").expect("an address");
        program.address = address.trim().parse().expect("an address");
        program
    }

    /// Blocks until the log has a line with this text, and gives it.
    pub fn until(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the log never said `{text}`"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Waits for its end and gives the exit status.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("its end").code()
    }

    /// SIGKILL, as a crash.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// A signal by name, such as `TERM` or `HUP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }
}

/// How long a test waits for what has to come; only a failing test ever waits so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
