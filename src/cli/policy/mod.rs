//! `policy`: commands about policy files. One command is one file.

pub mod chosen;
pub mod diff;
pub mod functions;
pub mod lint;
pub mod list;
pub mod new;
pub mod reference;
pub mod show;
pub mod test;
mod toml;

use std::io::Write;

use clap::Subcommand;

use super::{CliError, Status};

/// Commands about policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// What changes from one policy to another, in sentences, and which cases come out differently.
    Diff(diff::Arguments),
    /// Every fact with its type, every function, operator and limit of the rule language.
    Functions(functions::Arguments),
    /// Look for settings that protect less than they seem to.
    Lint(lint::Arguments),
    /// The policies that come with dcrgate, and those of a folder.
    List(list::Arguments),
    /// Write a policy to start from, with its cases.
    New(new::Arguments),
    /// The reference page of policies, as Markdown: every gate, check, setting, fact, function and lint.
    Reference,
    /// One policy as a file, with `extends` and parameters applied, each setting with the line that it comes from.
    Show(show::Arguments),
    /// Run the cases of policies, and see every gate, check and rule pass and fail.
    Test(test::Arguments),
}

/// Runs one of the commands.
///
/// # Errors
/// A file that cannot be read, a policy that cannot be used.
pub fn policy(command: &PolicyCommand, out: &mut dyn Write) -> Result<Status, CliError> {
    match command {
        PolicyCommand::Diff(arguments) => diff::diff(arguments, out),
        PolicyCommand::Functions(arguments) => functions::functions(arguments, out),
        PolicyCommand::Lint(arguments) => lint::lint(arguments, out),
        PolicyCommand::List(arguments) => list::list(arguments, out),
        PolicyCommand::New(arguments) => new::new(arguments, out),
        PolicyCommand::Reference => reference::reference(out),
        PolicyCommand::Show(arguments) => show::show(arguments, out),
        PolicyCommand::Test(arguments) => test::test(arguments, out),
    }
}
