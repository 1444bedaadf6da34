//! `dcrgate template`: the templates of a configuration, and the clients that were made from them.

mod list;
mod show;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CliError, Status, unusable};
use crate::config::{Settings, database};
use crate::model::binding::Binding;
use crate::model::digest::Digest;
use crate::store::{ClientFilter, Reader};

/// Commands about templates.
#[derive(Debug, Subcommand)]
pub(super) enum TemplateCommand {
    /// The templates of a configuration, and how many clients were made from each.
    List(list::Arguments),
    /// One template: what it says, who may use it, and who was made from it.
    Show(show::Arguments),
}

/// Which configuration.
#[derive(Debug, Args)]
pub(in crate::cli) struct Configuration {
    /// The configuration file, which names the templates and the store.
    #[arg(long, short, value_name = "FILE", default_value = "dcrgate.toml")]
    config: PathBuf,
}

/// Runs one of the commands.
///
/// # Errors
/// A configuration or ledger that cannot be read, an output that cannot be written.
pub(super) fn template(command: &TemplateCommand, out: &mut dyn Write) -> Result<Status, CliError> {
    match command {
        TemplateCommand::List(arguments) => list::list(arguments, out),
        TemplateCommand::Show(arguments) => show::show(arguments, out),
    }
}

impl Configuration {
    fn load(&self) -> Result<(Settings, Reader), CliError> {
        let settings = Settings::load(&self.config).map_err(|error| unusable(&error, &self.config))?.settings;
        let none = || CliError::Unable(format!("{}: no store is configured", self.config.display()));
        let place = database(&settings.store.as_ref().ok_or_else(none)?.database);
        let place = place.map_err(|error| CliError::Unable(error.to_string()))?;
        let reader = Reader::open(place).map_err(|error| CliError::Unable(error.to_string()))?;
        Ok((settings, reader))
    }
}

/// The clients that were made from a template, those that were registered last first.
fn made_from(reader: &Reader, name: &str, limit: u32) -> Result<Vec<Binding>, CliError> {
    let filter = ClientFilter { template: Some(name.to_owned()), limit, ..ClientFilter::default() };
    reader.clients(&filter).map_err(|error| CliError::Unable(error.to_string()))
}

/// Whether the template said something else when this client was made.
fn is_behind(binding: &Binding, digest: &Digest) -> bool {
    binding.template.as_ref().is_none_or(|made| made.digest != *digest)
}
