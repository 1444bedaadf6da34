//! `dcrgate demo`: a throwaway world, a scenario over the wire, and a proxy to play with.
//!
//! Makes the sandbox in a directory of its own, starts the proxy over it, plays
//! every case, prints what came of each and how to try by hand, then keeps
//! serving. How a proxy is started is the caller's to say.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Output;
use crate::model::time::Clock;
use crate::sandbox::home::{Ending, Home};
use crate::sandbox::scenario::Outcome;
use crate::sandbox::{SandboxError, World};

mod stage;

use stage::Stage;

/// Arguments of `dcrgate demo`.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// End after the scenario instead of serving on
    #[arg(long)]
    pub once: bool,
    /// Port of the proxy on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8443)]
    pub port: u16,
    /// Play the cases of this policy, one of the packs, each judged at the time that it names; without it a
    /// scenario of Open Finance Brasil is played
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Make the world in this directory, which must be new or empty, and keep it
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// How to print what came of the scenario
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Whether text may be coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Standard output is a terminal and `NO_COLOR` is not set.
    Allowed,
    /// Anything else.
    Off,
}

impl Colour {
    /// As it suits this stream and the environment (<https://no-color.org>).
    pub fn of(stream: &impl IsTerminal) -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|word| !word.is_empty());
        if stream.is_terminal() && !unwanted { Self::Allowed } else { Self::Off }
    }
}

/// What came of the scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every outcome was the expected one.
    AsExpected,
    /// At least one was not: exit status 1.
    Unexpected,
}

/// A running proxy. It stops when the guard is dropped.
#[derive(Debug)]
pub struct Started<G> {
    /// Where it listens.
    pub address: SocketAddr,
    /// Keeps it running.
    pub guard: G,
}

/// The demo could not be shown: exit status 3.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A free port, or the output.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The world around the proxy.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The proxy itself.
    #[error("the proxy did not start: {0}")]
    Proxy(Box<dyn Error + Send + Sync>),
}

/// Runs the demo: `start` starts a proxy from its configuration file with this clock, `stop` ends the serving.
///
/// # Errors
/// [`DemoError`]. An unexpected outcome is a [`Verdict`], not an error.
pub async fn run<G>(
    options: &Options,
    colour: Colour,
    out: &mut impl Write,
    start: impl AsyncFnOnce(&Path, Arc<dyn Clock>) -> Result<Started<G>, Box<dyn Error + Send + Sync>>,
    stop: impl Future<Output = ()>,
) -> Result<Verdict, DemoError> {
    let home = match &options.keep {
        Some(directory) => Home::keep(directory)?,
        None => Home::throwaway()?,
    };
    let port = if options.port == 0 { free_port()? } else { options.port };
    let (stage, clock) = Stage::set(home.path(), port, options.policy.as_deref()).await?;
    let proxy = start(&stage.configuration(), clock).await.map_err(DemoError::Proxy)?;
    let outcomes = stage.play(proxy.address).await?;
    let (world, curl) = (stage.world(), stage.curl(&base(proxy.address)));
    match options.output {
        Output::Text => {
            print_table(out, &outcomes, colour)?;
            print_left_out(out, stage.left_out())?;
            if !options.once {
                print_addresses(out, world, proxy.address, &curl, &home)?;
            }
        }
        Output::Json => {
            let told = json!({
                "proxy": base(proxy.address),
                "directory": world.directory.url(""),
                "configuration": world.configuration(),
                "curl": curl,
                "outcomes": outcomes,
                "not_played": stage.left_out(),
            });
            writeln!(out, "{told:#}")?;
        }
    }
    out.flush()?;
    if !options.once {
        serve(&stage, stop).await?;
    }
    Ok(if outcomes.iter().all(Outcome::as_expected) { Verdict::AsExpected } else { Verdict::Unexpected })
}

/// Until told to stop; meanwhile the request that a person may send stays fresh.
async fn serve(stage: &Stage, stop: impl Future<Output = ()>) -> Result<(), SandboxError> {
    let mut renewal = tokio::time::interval(RENEWAL);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return Ok(()),
            _ = renewal.tick() => stage.renew_visitor_request()?,
        }
    }
}

fn print_table(out: &mut impl Write, outcomes: &[Outcome], colour: Colour) -> io::Result<()> {
    let mut rows = vec![["", "SENT", "STATUS", "ERROR", "REASON"].map(str::to_owned)];
    rows.extend(outcomes.iter().map(row));
    let mut widths = [0; 5];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        writeln!(out, "{}", paint(line.trim_end(), colour))?;
    }
    let good = outcomes.iter().filter(|outcome| outcome.as_expected()).count();
    writeln!(out, "\n{good} of {} as expected", outcomes.len())
}

fn print_left_out(out: &mut impl Write, left_out: usize) -> io::Result<()> {
    match left_out {
        0 => Ok(()),
        _ => writeln!(
            out,
            "{left_out} more cases that one registration cannot show (updates, outages, what is used up): `dcrgate policy test`"
        ),
    }
}

fn row(outcome: &Outcome) -> [String; 5] {
    let mark = if outcome.as_expected() { GOOD } else { BAD };
    let rule = outcome.rule.as_ref().map(|rule| format!("{rule}: "));
    let reason = [rule.as_deref(), outcome.message.as_deref()].into_iter().flatten().collect::<String>();
    let reason = match &outcome.difference {
        Some(difference) if reason.is_empty() => difference.clone(),
        Some(difference) => format!("{difference}; {reason}"),
        None => reason,
    };
    let status = outcome.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    [mark.to_owned(), outcome.sent.clone(), status, outcome.error.clone().unwrap_or_default(), reason]
}

/// The mark green or red, the headings bold.
fn paint(line: &str, colour: Colour) -> String {
    let painted = |code: &str, mark: &str, rest: &str| format!("\x1b[{code}m{mark}\x1b[0m{rest}");
    match (colour, line.strip_prefix(GOOD), line.strip_prefix(BAD)) {
        (Colour::Off, ..) => line.to_owned(),
        (Colour::Allowed, Some(rest), _) => painted("32", GOOD, rest),
        (Colour::Allowed, _, Some(rest)) => painted("31", BAD, rest),
        (Colour::Allowed, None, None) => painted("1", line, ""),
    }
}

fn print_addresses(out: &mut impl Write, world: &World, proxy: SocketAddr, curl: &str, home: &Home) -> io::Result<()> {
    let kept = match home.ending() {
        Ending::Keep => "the files stay",
        Ending::Remove => "everything is removed",
    };
    writeln!(
        out,
        "\n\
         Proxy      {}\n\
         Directory  {}\n\
         Upstream   http://{}\n\
         Files      {}\n\
         Try        {curl}\n\
         Stop       Ctrl-C; {kept}",
        base(proxy),
        world.directory.url(""),
        world.identity_server.address(),
        home.path().display(),
    )
}

fn base(proxy: SocketAddr) -> String {
    format!("https://localhost:{}", proxy.port())
}

/// The public base names the port, so it has to be known before the proxy takes it.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

const GOOD: &str = "ok";
const BAD: &str = "FAIL";
/// Well below the five minutes that a statement is fresh.
const RENEWAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::scenario::Expectation;

    fn outcome(status: u16, rule: Option<&str>, difference: Option<&str>) -> Outcome {
        Outcome {
            sent: "a request".to_owned(),
            status: Some(status),
            error: rule.map(|_| "invalid_client_metadata".to_owned()),
            rule: rule.map(str::to_owned),
            message: rule.map(|_| "scope asks for too much".to_owned()),
            expected: Expectation { status, error: None, rule: None, forwarded: 0 },
            difference: difference.map(str::to_owned),
        }
    }

    fn table(colour: Colour) -> String {
        let outcomes = [
            outcome(201, None, None),
            outcome(400, Some("ofb.scopes"), None),
            outcome(500, None, Some("expected 201")),
        ];
        let mut out = Vec::new();
        print_table(&mut out, &outcomes, colour).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn table_is_aligned_and_plain() {
        let wanted = "      SENT       STATUS  ERROR                    REASON\n\
                      ok    a request  201\n\
                      ok    a request  400     invalid_client_metadata  ofb.scopes: scope asks for too much\n\
                      FAIL  a request  500                              expected 201\n\
                      \n\
                      2 of 3 as expected\n";
        assert_eq!(table(Colour::Off), wanted);
    }

    #[test]
    fn colour_is_on_the_marks_only_where_allowed() {
        assert!(!table(Colour::Off).contains('\x1b'));
        assert!(table(Colour::Allowed).contains("\x1b[31mFAIL\x1b[0m  a request"));
    }

    fn options(keep: Option<PathBuf>, output: Output) -> Options {
        Options { once: true, port: 0, policy: None, keep, output }
    }

    /// Nobody listens at the address that it gives.
    async fn absent(configuration: &Path, _: Arc<dyn Clock>) -> Result<Started<()>, Box<dyn Error + Send + Sync>> {
        assert!(configuration.is_file());
        Ok(Started { address: (Ipv4Addr::LOCALHOST, free_port()?).into(), guard: () })
    }

    #[tokio::test]
    async fn an_absent_proxy_is_not_as_expected() {
        let home = tempfile::tempdir().unwrap();
        let options = options(Some(home.path().join("world")), Output::Json);
        let mut out = Vec::new();
        let verdict = run(&options, Colour::Off, &mut out, absent, std::future::pending()).await.unwrap();
        assert_eq!(verdict, Verdict::Unexpected);
        let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(told["outcomes"][0]["status"], serde_json::Value::Null);
        assert!(home.path().join("world/dcrgate.toml").is_file());
    }

    #[tokio::test]
    async fn serves_until_stopped_and_removes_its_world() {
        let options = Options { once: false, ..options(None, Output::Text) };
        let (mut out, mut place) = (Vec::new(), PathBuf::new());
        let start = async |configuration: &Path, clock| {
            place = configuration.to_path_buf();
            absent(configuration, clock).await
        };
        run(&options, Colour::Off, &mut out, start, std::future::ready(())).await.unwrap();
        let told = String::from_utf8(out).unwrap();
        assert!(told.contains("\nTry        curl --cacert /"), "{told}");
        assert!(told.ends_with("Ctrl-C; everything is removed\n"), "{told}");
        assert!(!place.as_os_str().is_empty() && !place.exists());
    }
}
