//! `clients show`: one client, its owner, what it holds, and the decision behind it.

use std::io::Write;

use serde_json::{Value, json};

use super::{one, told, unable};
use crate::audit::{Text, view};
use crate::cli::{CliError, Output, Status};
use crate::model::binding::Binding;
use crate::model::time::Timestamp;
use crate::store::{HeldClaim, Reader};

/// `clients show`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// The client's id at the identity server.
    #[arg(value_name = "CLIENT_ID")]
    client_id: String,
    /// The identity server, by its name in the configuration, where several gave this id out.
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Shows one client; [`Status::Bad`] when there is none.
///
/// # Errors
/// A database that cannot be read, an output that cannot be written.
pub(super) fn show(arguments: &Arguments, reader: &Reader, out: &mut dyn Write) -> Result<Status, CliError> {
    let binding = match one(reader, &arguments.client_id, arguments.upstream.as_deref())? {
        Ok(binding) => binding,
        Err(why) => {
            match arguments.output {
                Output::Json => writeln!(out, "{:#}", json!({ "found": false, "reason": why }))?,
                Output::Text => writeln!(out, "{why}")?,
            }
            return Ok(Status::Bad);
        }
    };
    let held = reader.claims(binding.decision).map_err(|error| unable(&error))?;
    let decision = reader.decision(binding.decision).map_err(|error| unable(&error))?;
    let record = decision.as_ref().map(view::join);
    match arguments.output {
        Output::Json => {
            let claims: Value =
                held.iter().map(|claim| json!({ "kind": claim.kind, "expires": claim.expires })).collect();
            let mut shown = told(&binding);
            if let Some(members) = shown.as_object_mut() {
                members.insert("metadata".to_owned(), Value::Object(binding.metadata));
                members.insert("claims".to_owned(), claims);
                members.insert("record".to_owned(), record.map_or(Value::Null, Value::Object));
            }
            writeln!(out, "{shown:#}")?;
        }
        Output::Text => {
            page(&binding, &held, out)?;
            if let Some(record) = record {
                let at = Text::new(view::text(&record, "policy.version"));
                let outcome = Text::new(view::text(&record, "outcome"));
                writeln!(out, "{:<14}{}  {outcome}, policy version {at}", "Decision", binding.decision)?;
            }
            writeln!(out, "\n`dcrgate audit show {}` tells how it was judged.", binding.decision)?;
        }
    }
    Ok(Status::Good)
}

fn page(binding: &Binding, held: &[HeldClaim], out: &mut dyn Write) -> std::io::Result<()> {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let token = match (&binding.token_fingerprint, &binding.sealed_token) {
        (None, _) => None,
        (Some(_), None) => Some("fingerprint kept".to_owned()),
        (Some(_), Some(_)) => Some("kept sealed".to_owned()),
    };
    let expires = binding.token_expires.map(|time| format!("expires {time}"));
    let claims: Vec<String> = held.iter().map(claim).collect();
    let rows = [
        ("Client", vec![Some(binding.client_id.clone())]),
        ("Upstream", vec![Some(binding.upstream.clone())]),
        ("Registered", vec![Some(binding.registered.to_string())]),
        ("Updated", vec![time(binding.updated)]),
        ("Organisation", vec![binding.organisation.clone()]),
        ("Software", vec![binding.software.clone()]),
        ("Authority", vec![binding.authority.as_ref().map(ToString::to_string)]),
        ("Subject", vec![binding.subject.clone()]),
        ("Certificate", vec![binding.certificate.as_ref().map(ToString::to_string)]),
        ("Expires", vec![time(binding.certificate_expires)]),
        ("Token", vec![token, expires]),
        ("Policy", vec![Some(binding.policy.clone())]),
        ("Template", vec![binding.template.as_ref().map(|made| made.name.clone())]),
        ("Holds", vec![(!claims.is_empty()).then(|| claims.join(", "))]),
    ];
    for (name, parts) in rows {
        let parts: Vec<String> = parts.iter().flatten().map(|part| Text::long(part).to_string()).collect();
        if !parts.is_empty() {
            writeln!(out, "{name:<14}{}", parts.join("  "))?;
        }
    }
    for (name, value) in &binding.metadata {
        writeln!(out, "  {} = {}", Text::new(name), Text::long(&value.to_string()))?;
    }
    Ok(())
}

fn claim(claim: &HeldClaim) -> String {
    let HeldClaim { kind, expires } = claim;
    expires.map_or_else(|| kind.clone(), |expires| format!("{kind} until {expires}"))
}
