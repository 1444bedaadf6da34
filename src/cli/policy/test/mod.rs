//! `policy test`: policies against their cases.

pub mod github;
pub mod golden;
pub mod json;
pub mod junit;
pub mod mutation;
pub mod pairs;
pub mod tested;
pub mod text;

use std::io::Write;
use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use crate::cli::{CliError, Status};
use pairs::Pair;
use tested::Tested;

/// `policy test`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Policies, their case files, or folders of them: NAME.toml goes with NAME.cases.toml.
    #[arg(value_name = "FILE|FOLDER", default_value = "policies")]
    paths: Vec<PathBuf>,
    /// Only the cases that have this in their name; rules that they leave untried are no fault then.
    #[arg(long, value_name = "WORD")]
    filter: Option<String>,
    /// Compare rule by case with DIR/NAME.txt, so that a change of policy shows as a difference.
    #[arg(long, value_name = "DIR", conflicts_with = "filter")]
    golden: Option<PathBuf>,
    /// Write the files of --golden anew.
    #[arg(long, requires = "golden")]
    bless: bool,
    /// Change one thing of each policy after the other, and see whether a case notices.
    #[arg(long, conflicts_with = "filter")]
    mutate: bool,
    /// Name the cases that came out as they say, too.
    #[arg(long, short)]
    verbose: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate policy test policies
  dcrgate policy test policies/my-bank.toml --filter webhook --verbose
  dcrgate policy test policies/my-bank.toml --mutate
  dcrgate policy test policies --output junit > policies.xml

Exit status: 0 all is as the cases say and every gate, check and rule was seen to pass and to fail,
1 something is not, 2 wrong usage, 3 a file cannot be read.";

/// How `policy test` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// XML for build servers.
    Junit,
    /// Workflow commands, which GitHub shows beside the line.
    Github,
}

/// By hand, as [`crate::cli::Output`].
impl ValueEnum for Output {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json, Self::Junit, Self::Github]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Github => "github",
        }))
    }
}

/// Tests and prints; [`Status::Bad`] when anything is not as it should be.
///
/// # Errors
/// A file that cannot be read or written, a filter that no case has in its name.
pub fn test(arguments: &Arguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let filter = arguments.filter.as_deref().unwrap_or_default();
    let pairs = Pair::find(&arguments.paths)?;
    let mut all = pairs.iter().map(|pair| Tested::of(pair, filter, arguments.mutate)).collect::<Result<Vec<_>, _>>()?;
    if !filter.is_empty() {
        all.retain(|tested| !tested.cases.is_empty() || !tested.problems.is_empty());
        if all.is_empty() {
            return Err(CliError::Usage(format!("--filter: no case has `{filter}` in its name")));
        }
    }
    if let Some(folder) = &arguments.golden {
        for tested in &mut all {
            golden::compare(tested, folder, arguments.bless)?;
        }
    }
    match arguments.output {
        Output::Text => text::print(out, &all, arguments.verbose)?,
        Output::Json => writeln!(out, "{:#}", json::of(&all))?,
        Output::Junit => junit::print(out, &all)?,
        Output::Github => github::print(out, &all)?,
    }
    Ok(if all.iter().all(Tested::is_good) { Status::Good } else { Status::Bad })
}
