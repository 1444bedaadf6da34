//! Floor 5: the commands. Results go to standard output, errors to standard error.
//!
//! Exit status: 0 good, 1 the thing looked at is bad (refused, failing, invalid),
//! 2 wrong usage, 3 could not do it.

pub mod audit;
pub mod check;
mod clients;
pub mod demo;
pub mod explain;
pub mod policy;
pub mod problems;
pub mod run;
pub mod statement;
pub mod steps;
pub mod table;
mod template;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};

use audit::AuditError;

use crate::config::{LoadError, Settings};
use crate::model::document::Faults;
use crate::model::time::{Clock, SystemClock, Timestamp};
use crate::net::with_causes;
use crate::server::Server;
use crate::store::Database;

/// A reverse proxy that terminates mutual TLS and guards Dynamic Client Registration.
#[derive(Debug, Parser)]
#[command(name = "dcrgate", version, max_term_width = 100, after_help = AFTER)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
`dcrgate demo` shows all of it in a minute, with nothing to set up.

Exit status: 0 good, 1 what was looked at is bad (refused, failing, invalid), 2 wrong usage,
3 it could not be done.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM; SIGHUP, or a changed file, reloads.
    Run(run::RunArguments),
    /// Look for faults in a configuration, all of them at once.
    Check(CheckArguments),
    /// Judge a request on file, offline, as the server would.
    Explain(explain::ExplainArguments),
    /// Look at decisions on record.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Look up registered clients, and free what a registration without a known result holds.
    #[command(subcommand)]
    Clients(clients::ClientsCommand),
    /// Look up, show, compare, try and write policies.
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Look at software statements.
    #[command(subcommand)]
    Statement(statement::StatementCommand),
    /// Look at templates, and at the clients that were made from them.
    #[command(subcommand)]
    Template(template::TemplateCommand),
    /// Make a throwaway world, register clients in it over mutual TLS, and show what happened.
    Demo(demo::Options),
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Decisions, newest first.
    List {
        #[command(flatten)]
        ledger: LedgerArguments,
        #[command(flatten)]
        list: audit::ListArgs,
    },
    /// One decision with its whole trace.
    Show {
        #[command(flatten)]
        ledger: LedgerArguments,
        #[command(flatten)]
        show: audit::ShowArgs,
    },
}

/// Which ledger.
#[derive(Debug, Args)]
struct LedgerArguments {
    /// The configuration file that names the store.
    #[arg(long, short, value_name = "FILE", default_value = "dcrgate.toml", conflicts_with = "store")]
    config: PathBuf,
    /// The SQLite file itself.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// Where a ledger is, and as whom an operator writes to it.
#[derive(Debug)]
struct LedgerPlace {
    database: Database,
    /// The operator's own chain.
    writer: String,
}

impl LedgerArguments {
    fn place(&self) -> Result<LedgerPlace, CliError> {
        if let Some(store) = &self.store {
            return Ok(LedgerPlace { database: store.into(), writer: OPERATOR.to_owned() });
        }
        let settings = Settings::load(&self.config).map_err(|error| unusable(&error, &self.config))?.settings;
        let none = || CliError::Unable(format!("{}: no store is configured", self.config.display()));
        let database = crate::config::database(&settings.store.ok_or_else(none)?.database)
            .map_err(|error| CliError::Unable(error.to_string()))?;
        Ok(LedgerPlace { database, writer: OPERATOR.to_owned() })
    }
}

/// The chain of what operators do, beside those of the proxies: a name that no configuration can give a proxy.
const OPERATOR: &str = "(operator)";

/// `check`.
#[derive(Debug, Args)]
struct CheckArguments {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "dcrgate.toml")]
    config: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// How a reading command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// By hand, since a derived one lists the two words over six lines of every help.
impl ValueEnum for Output {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Text => "text",
            Self::Json => "json",
        }))
    }
}

/// How a command ended. Wrong usage is status 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 0: done, and what was looked at is good.
    Good,
    /// 1: what was looked at is bad.
    Bad,
    /// 3: it could not be done.
    Unable,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(match status {
            Status::Good => 0,
            Status::Bad => 1,
            Status::Unable => 3,
        })
    }
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// 2: the arguments are wrong.
    #[error("{0}")]
    Usage(String),
    /// 3: a file, the network or the store would not have it.
    #[error("{0}")]
    Unable(String),
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::Unable(error.to_string())
    }
}

/// Parses the arguments, runs the command, and gives its exit status.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are asked for and go to standard output; clap knows which is which.
            let _unwritable = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let mut out = std::io::stdout().lock();
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check(&arguments, &mut out),
        Command::Explain(arguments) => explain::explain(&arguments, &mut out),
        Command::Audit(command) => audit(&command, &mut out),
        Command::Clients(command) => clients::clients(&command, &mut out),
        Command::Policy(command) => policy::policy(&command, &mut out),
        Command::Statement(command) => statement::statement(&command, &mut out),
        Command::Template(command) => template::template(&command, &mut out),
        Command::Demo(arguments) => demo(&arguments, &mut out),
    };
    match result {
        Ok(status) => status.into(),
        Err(error) => {
            let _unwritable = writeln!(std::io::stderr(), "dcrgate: {error}");
            ExitCode::from(match error {
                CliError::Usage(_) => 2,
                CliError::Unable(_) => 3,
            })
        }
    }
}

fn check(arguments: &CheckArguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let mut err = std::io::stderr().lock();
    let style = problems::Style::of(&err);
    let build = |settings: &Settings, faults: &Faults| {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        crate::config::trial(settings, &clock, faults)
    };
    let streams = check::Streams { out, err: &mut err, style };
    Ok(check::run(&arguments.config, arguments.output, build, streams)?)
}

fn audit(command: &AuditCommand, out: &mut dyn Write) -> Result<Status, CliError> {
    let (AuditCommand::List { ledger, .. } | AuditCommand::Show { ledger, .. }) = command;
    let store = ledger.place()?.database;
    match command {
        AuditCommand::List { list, .. } => audit::list(list, &store, SystemClock.now(), out),
        AuditCommand::Show { show, .. } => audit::show(show, &store, out),
    }
    .map_err(|error| match error {
        AuditError::Filter(_) | AuditError::Id(_) => CliError::Usage(error.to_string()),
        AuditError::Store(_) | AuditError::Write(_) => CliError::Unable(error.to_string()),
    })
}

/// Why a configuration cannot be used by a command that looks for one thing in it.
fn unusable(error: &LoadError, path: &Path) -> CliError {
    CliError::Unable(match error {
        LoadError::Invalid(_) => format!("{error}: `dcrgate check --config {}` shows them", path.display()),
        LoadError::Unreadable { .. } => error.to_string(),
    })
}

fn demo(options: &demo::Options, out: &mut impl Write) -> Result<Status, CliError> {
    let colour = demo::Colour::of(&std::io::stdout());
    let start = async |configuration: &Path, clock| {
        let server = Server::start(configuration, clock).await?;
        let address = server.addresses().into_values().next().ok_or("the configuration has no listener")?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async {
            let _dropped = stopped.await;
        }));
        Ok(demo::Started { address, guard: (stop, running) })
    };
    let runtime = run::runtime(std::thread::available_parallelism().map_or(1, usize::from))?;
    match runtime.block_on(demo::run(options, colour, out, start, run::asked_to_stop())) {
        Ok(demo::Verdict::AsExpected) => Ok(Status::Good),
        Ok(demo::Verdict::Unexpected) => Ok(Status::Bad),
        Err(error) => Err(CliError::Unable(with_causes(&error))),
    }
}

/// The text of a file, or why there is none.
fn read_text(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| CliError::Unable(format!("cannot read {}: {error}", path.display())))
}

/// `--at`, or the machine's time.
fn time_or_now(at: Option<&str>) -> Result<Timestamp, CliError> {
    match at {
        None => Ok(SystemClock.now()),
        Some(text) => Timestamp::parse(text).map_err(|error| CliError::Usage(format!("--at: {error}"))),
    }
}
