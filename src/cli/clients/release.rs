//! `clients release`: frees the claims of a decision whose result is unknown, or of a client that is gone.
//!
//! dcrgate keeps them because it does not know whether the identity server made the client; the operator looks
//! there and knows. It works beside a running proxy: a short transaction of the operator's own, which frees and
//! notes who did it and why, or does neither.

use std::io::Write;
use std::sync::Arc;

use clap::ArgGroup;
use serde_json::json;

use super::operator::operator;
use super::{one, reader, unable};
use crate::audit::{self, Text};
use crate::cli::problems::counted;
use crate::cli::{CliError, LedgerPlace, Output, Status, run};
use crate::model::id::DecisionId;
use crate::model::time::{SystemClock, Timestamp};
use crate::store::{Freeing, OPEN, Reader, Store, StoreError, StoreSettings};

/// `clients release`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, group = ArgGroup::new("what").required(true).args(["decision", "client"]))]
pub(in crate::cli) struct Arguments {
    /// The decision whose result is unknown, as in the `DCR-Decision-Id` header.
    #[arg(value_name = "DECISION")]
    decision: Option<String>,
    /// The client that is gone at its identity server.
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// The client's identity server, by its name in the configuration, where several gave this id out.
    #[arg(long, value_name = "NAME", requires = "client")]
    upstream: Option<String>,
    /// Why, for the ledger: 1 to 1000 characters.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do it; without it is only told what would be done.
    #[arg(long)]
    yes: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate clients release 01M86CFFY4W0T5YE4NJEGQ4VKK --reason 'not among the clients, ticket 4711' --yes
  dcrgate clients release --client 3pBkCcPUx --reason 'deleted in the console' --yes

The server may be running. Look at the identity server first: dcrgate does not.

Exit status: 0 freed (or could be), 1 there is nothing to free, 2 wrong usage, 3 it could not be done.";

/// Frees; [`Status::Bad`] where there is nothing to free, or nothing that may be freed so.
///
/// # Errors
/// A reason or id that is none, a database that cannot be read or written.
pub(super) fn release(
    arguments: &Arguments,
    place: &LedgerPlace,
    now: Timestamp,
    out: &mut dyn Write,
) -> Result<Status, CliError> {
    let reason = arguments.reason.trim();
    if !(1..=REASON).contains(&reason.chars().count()) {
        return Err(CliError::Usage(format!("--reason: 1 to {REASON} characters")));
    }
    let found = find(arguments, &reader(place)?)?;
    let (freeing, sentence) = match found {
        Ok(found) => found,
        Err(why) => {
            match arguments.output {
                Output::Json => writeln!(out, "{:#}", json!({ "released": false, "reason": why }))?,
                Output::Text => writeln!(out, "{why}")?,
            }
            return Ok(Status::Bad);
        }
    };
    if !arguments.yes {
        match arguments.output {
            Output::Json => writeln!(out, "{:#}", json!({ "released": false, "would": sentence }))?,
            Output::Text => writeln!(out, "would free {sentence}\nnothing is changed yet: `--yes` does it")?,
        }
        return Ok(Status::Good);
    }
    let note = audit::release(&operator(), reason, now, &freeing);
    let store = open(place)?;
    let freed = run::runtime(1)?.block_on(async {
        let freed = store.free(freeing, note).await;
        store.shutdown().await;
        freed
    });
    let freed = freed.map_err(|error| unable(&error))?;
    match arguments.output {
        Output::Json => writeln!(out, "{:#}", json!({ "released": true, "claims": freed }))?,
        Output::Text => writeln!(out, "freed {sentence}")?,
    }
    Ok(Status::Good)
}

/// What is to be freed, in the store's words and in a person's; or why nothing is.
type Found = Result<(Freeing, String), String>;

fn find(arguments: &Arguments, reader: &Reader) -> Result<Found, CliError> {
    if let Some(client_id) = &arguments.client {
        return Ok(one(reader, client_id, arguments.upstream.as_deref())?.and_then(|binding| {
            let claims = reader.claims(binding.decision).map_err(|error| error.to_string())?;
            let stay = claims.iter().filter(|claim| claim.expires.is_none() && is_given_back(&claim.kind)).count();
            let sentence = format!(
                "client {} of `{}` and {}: dcrgate forgets whose it is",
                Text::new(&binding.client_id),
                binding.upstream,
                counted(stay, "claim", "claims"),
            );
            let (upstream, client_id, decision) = (binding.upstream, binding.client_id, binding.decision);
            Ok((Freeing::Client { upstream, client_id, decision }, sentence))
        }));
    }
    let id = DecisionId::parse(arguments.decision.as_deref().unwrap_or_default())
        .map_err(|error| CliError::Usage(error.to_string()))?;
    let Some(decision) = reader.decision(id).map_err(|error| unable(&error))? else {
        return Ok(Err(format!("no decision {id} is on record")));
    };
    let outcome = decision.outcome();
    match outcome {
        "unknown" | "interrupted" => {}
        OPEN => {
            let why = "a proxy is at work on it, or ended without a word and records that at its next start";
            return Ok(Err(format!("decision {id} has not ended: {why}")));
        }
        "admitted" => {
            return Ok(Err(format!(
                "the result of decision {id} is known: admitted. Where its client is gone, \
                 `dcrgate clients release --client CLIENT_ID` frees it"
            )));
        }
        other => return Ok(Err(format!("the result of decision {id} is known: {}", Text::new(other)))),
    }
    let held = reader.claims(id).map_err(|error| unable(&error))?;
    if held.is_empty() {
        return Ok(Err(format!("decision {id} holds nothing any more")));
    }
    let kinds: Vec<&str> = held.iter().map(|claim| claim.kind.as_str()).collect();
    let claims = counted(held.len(), "claim", "claims");
    Ok(Ok((Freeing::Claims(id), format!("{claims} ({}) of decision {id}, which ended {outcome}", kinds.join(", ")))))
}

/// What was used once stays used, whatever becomes of the client.
fn is_given_back(kind: &str) -> bool {
    !matches!(kind, "jti" | "token-use")
}

fn open(place: &LedgerPlace) -> Result<Store, CliError> {
    let settings = StoreSettings {
        database: place.database.clone(),
        writer: place.writer.clone(),
        reserve: 0,
        interrupted: audit::interrupted,
    };
    Store::open_beside(&settings, Arc::new(SystemClock)).map_err(|error| match error {
        StoreError::Locked { .. } | StoreError::WriterInUse { .. } => {
            CliError::Unable("another command writes to this ledger: try again when it has ended".to_owned())
        }
        error => unable(&error),
    })
}

/// Room for a ticket and a sentence, within what a record keeps of a text.
const REASON: usize = 1000;
