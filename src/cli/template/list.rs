//! `template list`: the templates of a configuration, and how many clients were made from each.

use std::io::Write;

use serde_json::{Value, json};

use super::{Configuration, is_behind, made_from};
use crate::cli::table::{self, shown};
use crate::cli::{CliError, Output, Status};

/// `template list`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    configuration: Configuration,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Lists templates.
///
/// # Errors
/// A configuration or ledger that cannot be read, an output that cannot be written.
pub(super) fn list(arguments: &Arguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let (settings, reader) = arguments.configuration.load()?;
    let mut rows = Vec::new();
    let mut told = Vec::new();
    for (name, written) in &settings.templates {
        let template = &written.template;
        let made = made_from(&reader, name, COUNTED)?;
        let behind = made.iter().filter(|binding| is_behind(binding, &template.digest)).count();
        rows.push([
            shown(name),
            shown(&template.version),
            template.mode.as_str().to_owned(),
            shown(&template.software_id),
            made.len().to_string(),
            behind.to_string(),
        ]);
        told.push(json!({
            "name": name, "file": written.file, "id": template.id, "version": template.version,
            "title": template.title, "mode": template.mode.as_str(), "software_id": template.software_id,
            "sha256": template.digest, "clients": made.len(), "behind": behind,
        }));
    }
    match arguments.output {
        Output::Json => writeln!(out, "{:#}", Value::Array(told))?,
        Output::Text => table::print(out, HEADINGS, &rows)?,
    }
    Ok(Status::Good)
}

const HEADINGS: [&str; 6] = ["NAME", "VERSION", "MODE", "SOFTWARE_ID", "CLIENTS", "BEHIND"];

/// More clients of one template are not counted: each is read whole.
const COUNTED: u32 = 10_000;
