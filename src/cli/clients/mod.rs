//! `dcrgate clients`: who is registered, and freeing what came to nothing.

mod list;
mod operator;
mod release;
mod show;

use std::io::Write;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{CliError, LedgerArguments, Status};
use crate::model::binding::Binding;
use crate::model::time::{Clock as _, SystemClock};
use crate::store::{ClientFilter, Reader, StoreError};

/// Commands about registered clients.
#[derive(Debug, Subcommand)]
pub(super) enum ClientsCommand {
    /// Clients, those that were registered last first.
    List {
        #[command(flatten)]
        ledger: LedgerArguments,
        #[command(flatten)]
        list: list::Arguments,
    },
    /// One client: who owns it, what it holds, and the decision that registered it.
    Show {
        #[command(flatten)]
        ledger: LedgerArguments,
        #[command(flatten)]
        show: show::Arguments,
    },
    /// Free what a decision without a known result holds, or a client that is gone.
    Release {
        #[command(flatten)]
        ledger: LedgerArguments,
        #[command(flatten)]
        release: release::Arguments,
    },
}

/// Runs one of the commands.
///
/// # Errors
/// A ledger that cannot be read or written, arguments that make no sense, an output that cannot be written.
pub(super) fn clients(command: &ClientsCommand, out: &mut dyn Write) -> Result<Status, CliError> {
    match command {
        ClientsCommand::List { ledger, list } => list::list(list, &ledger.reader()?, out),
        ClientsCommand::Show { ledger, show } => show::show(show, &ledger.reader()?, out),
        ClientsCommand::Release { ledger, release } => {
            release::release(release, &ledger.place()?, SystemClock.now(), out)
        }
    }
}

impl LedgerArguments {
    fn reader(&self) -> Result<Reader, CliError> {
        reader(&self.place()?)
    }
}

fn reader(place: &super::LedgerPlace) -> Result<Reader, CliError> {
    Reader::open(place.database.clone()).map_err(|error| unable(&error))
}

fn unable(error: &StoreError) -> CliError {
    CliError::Unable(error.to_string())
}

/// The one client of this id. `None`, and why, where there is none or the id alone does not say which.
fn one(reader: &Reader, client_id: &str, upstream: Option<&str>) -> Result<Result<Binding, String>, CliError> {
    let filter = ClientFilter {
        client_id: Some(client_id.to_owned()),
        upstream: upstream.map(str::to_owned),
        limit: 2,
        ..ClientFilter::default()
    };
    let mut found = reader.clients(&filter).map_err(|error| unable(&error))?;
    Ok(match (found.pop(), found.pop()) {
        (Some(binding), None) => Ok(binding),
        (None, _) => Err("no such client is registered here".to_owned()),
        (Some(one), Some(other)) => Err(format!(
            "several identity servers gave this id out: add `--upstream {}` or `--upstream {}`",
            other.upstream, one.upstream
        )),
    })
}

/// A client for programs. Of its registration access token only what is known of it, never what is kept of it.
fn told(binding: &Binding) -> Value {
    json!({
        "upstream": binding.upstream,
        "client_id": binding.client_id,
        "registered": binding.registered,
        "updated": binding.updated,
        "authority": binding.authority,
        "organisation": binding.organisation,
        "software": binding.software,
        "policy": binding.policy,
        "template": binding.template.as_ref().map(|made| json!({ "name": made.name, "sha256": made.digest, "own": made.own })),
        "certificate": binding.certificate,
        "certificate_expires": binding.certificate_expires,
        "subject": binding.subject,
        "registration_access_token": {
            "known": binding.token_fingerprint.is_some(),
            "sealed": binding.sealed_token.is_some(),
            "expires": binding.token_expires,
        },
        "decision": binding.decision,
    })
}
