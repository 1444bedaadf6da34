//! `statement show` and `statement verify`: software statements through the strict reader.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{CliError, Output, Status, read_text, time_or_now};
use crate::jose::{Algorithm, Compact, JwsFault, choose};
use crate::model::key::KeySet;
use crate::model::time::Timestamp;

/// Commands about software statements.
#[derive(Debug, Subcommand)]
pub enum StatementCommand {
    /// Header and claims, without a word about whether they are true.
    Show(ShowArguments),
    /// Signature, algorithm and times: exit status 0 or 1.
    Verify(VerifyArguments),
}

/// `statement show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// The compact form, or `-` for standard input.
    token: String,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// `statement verify`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct VerifyArguments {
    /// The compact form, or `-` for standard input.
    token: String,
    /// The directory's JWK set.
    #[arg(long, value_name = "JWKS.json")]
    keys: PathBuf,
    /// A policy, for its algorithms: a file, or the name of one that comes with dcrgate. Without one, PS256.
    #[arg(long, value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// Judge as of this time (RFC 3339).
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate statement verify --keys directory.jwks --policy open-finance-brasil eyJhbGciOiJQUzI1NiI...
  jq -r .software_statement request.json | dcrgate statement verify --keys directory.jwks -";

/// Runs one of the commands.
///
/// # Errors
/// A file that cannot be read, a policy that cannot be used, a time that is none.
pub fn statement(command: &StatementCommand, out: &mut dyn Write) -> Result<Status, CliError> {
    match command {
        StatementCommand::Show(arguments) => show(arguments, out),
        StatementCommand::Verify(arguments) => verify(arguments, out),
    }
}

fn show(arguments: &ShowArguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let token = token(&arguments.token)?;
    match Compact::parse(&token).and_then(|compact| Ok((header(&compact), compact.unverified_claims()?))) {
        Ok((header, claims)) => {
            match arguments.output {
                Output::Json => {
                    writeln!(out, "{:#}", json!({ "header": header, "claims": claims, "verified": false }))?;
                }
                Output::Text => {
                    writeln!(out, "NOT VERIFIED: anyone can write such claims; see `dcrgate statement verify`\n")?;
                    print(out, "header", &header)?;
                    print(out, "claims", &Value::Object(claims))?;
                }
            }
            Ok(Status::Good)
        }
        Err(fault) => {
            let reason = told(fault);
            report(arguments.output, out, &json!({ "readable": false, "reason": reason }), &reason)
        }
    }
}

fn verify(arguments: &VerifyArguments, out: &mut dyn Write) -> Result<Status, CliError> {
    let token = token(&arguments.token)?;
    let now = time_or_now(arguments.at.as_deref())?;
    let keys = KeySet::from_json(read_text(&arguments.keys)?.as_bytes())
        .map_err(|fault| CliError::Unable(format!("{}: {fault}", arguments.keys.display())))?;
    let algorithms = match &arguments.policy {
        None => vec!["PS256".to_owned()],
        Some(path) => super::policy::chosen::Chosen::find(path)?
            .compile(&Map::new())?
            .statement()
            .map(|wanted| wanted.algorithms.clone())
            .ok_or_else(|| CliError::Usage("this policy asks for no software statement".to_owned()))?,
    };
    let allowed: Vec<Algorithm> = algorithms.iter().filter_map(|name| Algorithm::parse(name)).collect();
    let verified = Compact::parse(&token).map_err(told).and_then(|compact| {
        let key = choose(&keys, compact.header()).ok_or("no key of the set fits the header")?;
        compact.verify(&key, &allowed).map_err(told)
    });
    match verified.and_then(|statement| times(&statement.claims, now).map(|()| statement)) {
        Ok(statement) => {
            let told = json!({ "verified": true, "algorithm": statement.algorithm, "kid": &*statement.key_id, "claims": &statement.claims });
            match arguments.output {
                Output::Json => writeln!(out, "{told:#}")?,
                Output::Text => {
                    writeln!(out, "VERIFIED  {} by key {}\n", statement.algorithm, statement.key_id)?;
                    print(out, "claims", &Value::Object(statement.claims))?;
                }
            }
            Ok(Status::Good)
        }
        Err(reason) => report(arguments.output, out, &json!({ "verified": false, "reason": reason }), &reason),
    }
}

/// `exp` and `nbf` (RFC 7519 §4.1); how old a statement may be is the policy's question, asked by `explain`.
fn times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), String> {
    let time = |claim: &str| match claims.get(claim) {
        None => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| format!("{claim} is not an integer")),
    };
    if time("exp")?.is_some_and(|end| now >= Timestamp::from_unix_seconds(end)) {
        return Err("the statement has expired".to_owned());
    }
    if time("nbf")?.is_some_and(|start| now < Timestamp::from_unix_seconds(start)) {
        return Err("the statement is not valid yet".to_owned());
    }
    Ok(())
}

fn told(fault: JwsFault) -> String {
    format!("the software statement {fault}")
}

fn header(compact: &Compact<'_>) -> Value {
    let header = compact.header();
    json!({ "alg": header.algorithm.name(), "kid": header.key_id, "typ": header.typ })
}

fn token(given: &str) -> Result<String, CliError> {
    let text = if given == "-" { std::io::read_to_string(std::io::stdin().lock())? } else { given.to_owned() };
    Ok(text.trim().to_owned())
}

fn print(out: &mut dyn Write, title: &str, value: &Value) -> Result<(), CliError> {
    let pretty = serde_json::to_string_pretty(value).map_err(|error| CliError::Unable(error.to_string()))?;
    writeln!(out, "{title} {pretty}")?;
    Ok(())
}

fn report(output: Output, out: &mut dyn Write, told: &Value, reason: &str) -> Result<Status, CliError> {
    match output {
        Output::Json => writeln!(out, "{told:#}")?,
        Output::Text => writeln!(out, "REFUSED   {reason}")?,
    }
    Ok(Status::Bad)
}
