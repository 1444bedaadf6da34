//! `run`: the server, until SIGTERM or SIGINT.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{CliError, Status, problems};
use crate::config::records::{LogFormat, LogLevel};
use crate::config::{LoadError, Settings};
use crate::model::time::SystemClock;
use crate::net::with_causes;
use crate::server::{Server, StartError};

/// `run`.
#[derive(Debug, Args)]
pub struct RunArguments {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = "dcrgate.toml")]
    config: PathBuf,
}

/// Serves.
///
/// # Errors
/// A configuration that cannot be used, an address or a store that cannot be had.
pub fn run(arguments: &RunArguments) -> Result<Status, CliError> {
    // Read once more by the server; here for the worker count and the log, which are taken before anything runs.
    let settings = match Settings::load(&arguments.config) {
        Ok(loaded) => loaded.settings,
        Err(LoadError::Invalid(found)) => return Ok(invalid(&found)),
        Err(error) => return Err(CliError::Unable(error.to_string())),
    };
    log(settings.log.format, settings.log.level);
    let runtime = runtime(settings.limits.workers)?;
    drop(settings);
    runtime.block_on(async {
        match Server::start(&arguments.config, Arc::new(SystemClock)).await {
            Ok(server) => {
                server.run(asked_to_stop()).await;
                Ok(Status::Good)
            }
            Err(StartError::Configuration(found)) => Ok(invalid(&found)),
            Err(error) => Err(CliError::Unable(with_causes(&error))),
        }
    })
}

/// One worker means a runtime without threads of its own to hand work to.
pub(super) fn runtime(workers: usize) -> Result<tokio::runtime::Runtime, CliError> {
    let mut builder = if workers == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(workers);
        builder
    };
    Ok(builder.enable_all().build()?)
}

fn invalid(found: &[crate::model::document::Problem]) -> Status {
    use std::io::Write as _;
    let mut err = std::io::stderr().lock();
    let style = problems::Style::of(&err);
    let _unwritable = write!(err, "{}", problems::text(found, style));
    Status::Bad
}

/// `RUST_LOG` overrides the configured level, as everywhere in the field.
fn log(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colours = problems::Style::of(&std::io::stderr()) == problems::Style::Coloured;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

/// Resolves on SIGTERM or SIGINT; where signals cannot be had, never.
pub(super) async fn asked_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
