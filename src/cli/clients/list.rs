//! `clients list`: registered clients, read beside a running server.

use std::io::Write;

use serde_json::Value;

use super::{told, unable};
use crate::cli::table::{self, shown};
use crate::cli::{CliError, Output, Status};
use crate::model::binding::Binding;
use crate::store::{ClientFilter, Reader};

/// `clients list`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// Only those of this organisation.
    #[arg(long, value_name = "ID")]
    organisation: Option<String>,
    /// Only those of this software.
    #[arg(long, value_name = "ID")]
    software: Option<String>,
    /// Only those that this policy let in, by the policy's id.
    #[arg(long, value_name = "POLICY")]
    policy: Option<String>,
    /// Only those of this identity server, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// Only those that were made from this template, by its name in the configuration.
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// At most this many, those that were registered last.
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate clients list --organisation 18b8c0f9-6a34-5a0a-9a53-0e9d1f0c6a11
  dcrgate clients list --policy open-finance-brasil --limit 1000 --output json

The server may be running.";

/// Lists clients.
///
/// # Errors
/// A database that cannot be read, an output that cannot be written.
pub(super) fn list(arguments: &Arguments, reader: &Reader, out: &mut dyn Write) -> Result<Status, CliError> {
    let filter = ClientFilter {
        upstream: arguments.upstream.clone(),
        client_id: None,
        organisation: arguments.organisation.clone(),
        software: arguments.software.clone(),
        policy: arguments.policy.clone(),
        template: arguments.template.clone(),
        limit: arguments.limit,
    };
    let found = reader.clients(&filter).map_err(|error| unable(&error))?;
    match arguments.output {
        Output::Json => writeln!(out, "{:#}", found.iter().map(told).collect::<Value>())?,
        Output::Text => table::print(out, HEADINGS, &found.iter().map(row).collect::<Vec<_>>())?,
    }
    Ok(Status::Good)
}

fn row(binding: &Binding) -> [String; 6] {
    let registered = binding.registered.to_string();
    [
        shown(registered.get(..19).unwrap_or(&registered)).replace('T', " "),
        shown(&binding.client_id),
        shown(&binding.upstream),
        shown(binding.organisation.as_deref().unwrap_or_default()),
        shown(binding.software.as_deref().unwrap_or_default()),
        shown(&binding.policy),
    ]
}

const HEADINGS: [&str; 6] = ["REGISTERED (UTC)", "CLIENT", "UPSTREAM", "ORGANISATION", "SOFTWARE", "POLICY"];
