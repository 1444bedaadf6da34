//! `policy`: commands about policy files. One command is one file.

pub mod functions;

use std::io::Write;

use clap::Subcommand;

use super::{CliError, Status};

/// Commands about policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Every fact with its type, every function, operator and limit of the rule language.
    Functions(functions::Arguments),
}

/// Runs one of the commands.
///
/// # Errors
/// A file that cannot be read, a policy that cannot be used.
pub fn policy(command: &PolicyCommand, out: &mut dyn Write) -> Result<Status, CliError> {
    match command {
        PolicyCommand::Functions(arguments) => functions::functions(arguments, out),
    }
}
