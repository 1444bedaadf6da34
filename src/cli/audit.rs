//! `dcrgate audit list` and `dcrgate audit show`: the ledger, read beside a running server.
//!
//! The database is opened read-only. Of SQLite a server's lock is a file beside it, and
//! WAL readers do not disturb the writer. Whoever reads needs the right to read
//! the database and, while it is open, to write its `-shm` file.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value};

use super::steps::{self, Line};
use super::table::{self, short, shown};
use super::{Output, Status};
use crate::audit::{Text, view};
use crate::model::id::{DecisionId, InvalidDecisionId};
use crate::model::time::{self, Timestamp};
use crate::store::{Database, Filter, Reader, StoreError};

/// Arguments of `audit list`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct ListArgs {
    /// `outcome:WORD` (admitted, rejected, refused_upstream, not_sent, unknown, interrupted, open), `since:24h` or `since:TIME`, `id:ID`
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// At most this many, the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

const EXAMPLES: &str = "\
Examples:
  dcrgate audit list outcome:rejected since:24h
  dcrgate audit list since:2026-11-01T00:00:00Z --limit 1000 --output json

The server may be running.";

/// Arguments of `audit show`.
#[derive(Clone, Debug, clap::Args)]
pub struct ShowArgs {
    /// The decision, as in the `DCR-Decision-Id` header
    #[arg(value_name = "ID")]
    pub id: String,
    /// How to print
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Why the ledger was not read.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Not a filter.
    #[error("`{0}` is no filter: write outcome:WORD, since:24h, since:2026-11-01T00:00:00Z or id:ID")]
    Filter(String),
    /// Not an id.
    #[error(transparent)]
    Id(#[from] InvalidDecisionId),
    /// The store's failure.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The output's failure.
    #[error("cannot write the output: {0}")]
    Write(#[from] io::Error),
}

/// Lists decisions, newest first.
///
/// # Errors
/// A filter that is none, a database that cannot be read, an output that cannot be written.
pub fn list(args: &ListArgs, store: &Database, now: Timestamp, out: &mut dyn Write) -> Result<Status, AuditError> {
    let mut filter = Filter { outcome: None, since: None, limit: args.limit };
    let mut only = None;
    for text in &args.filters {
        let invalid = || AuditError::Filter(Text::new(text).to_string());
        match text.split_once(':') {
            Some(("outcome", word)) if !word.is_empty() => filter.outcome = Some(word.to_owned()),
            Some(("since", when)) => filter.since = Some(since(when, now).ok_or_else(invalid)?),
            Some(("id", id)) => only = Some(DecisionId::parse(id)?),
            _ => return Err(invalid()),
        }
    }
    let reader = Reader::open(store.clone())?;
    let found = match only {
        Some(id) => reader.decision(id)?.into_iter().collect(),
        None => reader.decisions(&filter)?,
    };
    let records: Vec<Map<String, Value>> = found.iter().map(view::join).collect();
    match args.output {
        Output::Json => json(&records, out)?,
        Output::Text => table::print(out, HEADINGS, &records.iter().map(row).collect::<Vec<_>>())?,
    }
    Ok(Status::Good)
}

/// Shows one decision with every step; [`Status::Bad`] when there is no such decision.
///
/// # Errors
/// An id that is none, a database that cannot be read, an output that cannot be written.
pub fn show(args: &ShowArgs, store: &Database, out: &mut dyn Write) -> Result<Status, AuditError> {
    let id = DecisionId::parse(&args.id)?;
    let Some(decision) = Reader::open(store.clone())?.decision(id)? else {
        if args.output == Output::Text {
            writeln!(out, "no decision {id} in {store}")?;
        }
        return Ok(Status::Bad);
    };
    let record = view::join(&decision);
    match args.output {
        Output::Json => json(&record, out)?,
        Output::Text => page(&record, out)?,
    }
    Ok(Status::Good)
}

fn since(when: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(time) = Timestamp::parse(when) {
        return Some(time);
    }
    // Days, which are not a fixed time elsewhere, are 24 hours here.
    let hours = when.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()).map(|days| u64::from(days) * 24);
    let back = match hours {
        Some(hours) => Duration::from_secs(hours * 3600),
        None => time::duration(when)?,
    };
    Some(now.minus(back))
}

fn json(value: &impl serde::Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

fn row(record: &Map<String, Value>) -> [String; 8] {
    let of = |path| shown(view::text(record, path));
    let time = view::text(record, "time");
    let rules = view::refusing(record);
    let rule = match rules.as_slice() {
        [] => "-".to_owned(),
        [rule] => shown(rule),
        [rule, more @ ..] => format!("{} +{}", shown(rule), more.len()),
    };
    let event = view::text(record, "event");
    [
        // To the second: `2026-11-23T14:20:07` with a blank for the T.
        shown(time.get(..19).unwrap_or(time)).replace('T', " "),
        of("id"),
        shown(event.strip_prefix("dcr.").unwrap_or(event)),
        of("outcome"),
        of("response.error"),
        rule,
        short(&of("subject.organisation")),
        short(&of("tls.client.sha256")),
    ]
}

fn page(record: &Map<String, Value>, out: &mut dyn Write) -> io::Result<()> {
    let of = |paths: &[&str]| -> String {
        let parts: Vec<String> = paths.iter().map(|path| plain(record, path)).filter(|part| !part.is_empty()).collect();
        parts.join("  ")
    };
    let rows = [
        ("Decision", of(&["id"])),
        ("Outcome", of(&["outcome", "code"])),
        ("Time", of(&["time", "ended"])),
        ("Request", of(&["event", "request.method", "request.path"])),
        ("From", of(&["source.ip", "source.port"])),
        ("Certificate", of(&["tls.client.sha256"])),
        ("Subject", of(&["tls.client.subject"])),
        ("Authority", of(&["tls.client.authority", "tls.client.revocation"])),
        ("Organisation", of(&["subject.organisation", "subject.organisation_name"])),
        ("Software", of(&["subject.software"])),
        ("Client", of(&["client_id"])),
        ("Statement", of(&["statement.issuer", "statement.kid", "statement.iat"])),
        ("Policy", of(&["policy.id", "policy.version"])),
        ("Answer", of(&["response.status", "response.error"])),
    ];
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        writeln!(out, "{name:<14}{value}")?;
    }
    for entry in record.get("entries").and_then(Value::as_array).into_iter().flatten() {
        let of = |name| entry.get(name).map(scalar).unwrap_or_default();
        writeln!(out, "{:<14}{} {} {}  {}", "Entry", of("writer"), of("seq"), of("kind"), of("hash"))?;
    }
    steps::print(out, &view::checks(record).iter().map(step).collect::<Vec<_>>())?;
    Ok(())
}

fn step(check: &Value) -> Line {
    let of = |name| check.get(name).map(scalar).unwrap_or_default();
    Line {
        word: steps::word(&of("result"), &of("mode")),
        id: of("id"),
        clause: of("clause"),
        field: of("field"),
        message: of("message"),
        found: of("detail"),
        hint: String::new(),
        values: Vec::new(),
    }
}

/// A string or number by its path; empty where there is none.
fn plain(record: &Map<String, Value>, path: &str) -> String {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match (record.get(first), rest) {
        (Some(Value::Object(inner)), Some(rest)) => plain(inner, rest),
        (Some(value), None) => scalar(value),
        _ => String::new(),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => Text::long(text).to_string(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

const HEADINGS: [&str; 8] = ["TIME (UTC)", "ID", "OP", "OUTCOME", "ERROR", "FIRST RULE", "ORGANISATION", "CERT"];

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::audit::interrupted;
    use crate::model::time::FixedClock;
    use crate::store::{Ended, Entry, EntryEvent, Standing, Store, StoreSettings};

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_795_435_200);

    /// A running store with one refusal a day, the newest first in the list.
    async fn world() -> (tempfile::TempDir, Store, Vec<DecisionId>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dcrgate.db");
        let settings =
            StoreSettings { database: Database::Sqlite(path), writer: "gate-1".to_owned(), reserve: 0, interrupted };
        let store = Store::open(&settings, Arc::new(FixedClock(NOW))).unwrap();
        let mut ids = Vec::new();
        for day in 0..3_u8 {
            let at = NOW.minus(Duration::from_secs(u64::from(day) * 86_400));
            let id = DecisionId::new(at, [day; 10]);
            let body = serde_json::json!({
                "id": id, "time": at, "event": "dcr.register", "code": "DCR010E",
                "subject": { "organisation": "18b8c0f9-0000" },
                "tls": { "client": { "sha256": "57be1992ffff", "subject": "CN=tpp\u{1b}[2J" } },
                "checks": [
                    { "id": "certificate.trusted", "result": "pass" },
                    { "id": "shadowed", "mode": "shadow", "result": "fail" },
                    { "id": "ofb.scopes", "clause": "7.1", "result": "fail", "message": "too much" },
                    { "id": "ofb.roles", "result": "error" },
                ],
                "response": { "status": 400, "error": "invalid_client_metadata" },
            });
            let ended = Ended { outcome: "rejected", body: body.to_string().into() };
            let entry = Entry { at, event: EntryEvent::Refused(id, ended), standing: Standing::Trusted };
            store.append(entry).await.unwrap();
            ids.push(id);
        }
        (folder, store, ids)
    }

    fn listed(folder: &tempfile::TempDir, filters: &[&str], output: Output) -> Result<String, AuditError> {
        let filters = filters.iter().map(|&filter| filter.to_owned()).collect();
        let mut out = Vec::new();
        list(
            &ListArgs { filters, limit: 50, output },
            &folder.path().join("dcrgate.db").as_path().into(),
            NOW,
            &mut out,
        )?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn lists_beside_a_running_server() {
        let (folder, _store, ids) = world().await;
        let text = listed(&folder, &["outcome:rejected", "since:25h"], Output::Text).unwrap();
        let expected = format!(
            "TIME (UTC)           ID                          OP        OUTCOME   ERROR                    FIRST RULE     ORGANISATION  CERT\n\
             2026-11-23 12:00:00  {}  register  rejected  invalid_client_metadata  ofb.scopes +1  18b8c0f9\u{2026}     57be1992\u{2026}\n\
             2026-11-22 12:00:00  {}  register  rejected  invalid_client_metadata  ofb.scopes +1  18b8c0f9\u{2026}     57be1992\u{2026}\n",
            ids[0], ids[1]
        );
        assert_eq!(text, expected);
        let json = listed(&folder, &[&format!("id:{}", ids[2])], Output::Json).unwrap();
        let records: Vec<Value> = serde_json::from_str(&json).unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!((&records[0]["outcome"], &records[0]["entries"][0]["seq"]), (&"rejected".into(), &3.into()));
        assert_eq!(listed(&folder, &["since:1d"], Output::Text).unwrap().lines().count(), 3);
        assert_eq!(listed(&folder, &["since:2026-11-23T00:00:00Z"], Output::Text).unwrap().lines().count(), 2);
        assert_eq!(listed(&folder, &["outcome:admitted"], Output::Text).unwrap().lines().count(), 1);
    }

    #[tokio::test]
    async fn shows_every_step_and_nothing_that_acts_on_the_terminal() {
        let (folder, _store, ids) = world().await;
        let path = folder.path().join("dcrgate.db").as_path().into();
        let mut out = Vec::new();
        let args = ShowArgs { id: ids[0].to_string(), output: Output::Text };
        assert_eq!(show(&args, &path, &mut out).unwrap(), Status::Good);
        let text = String::from_utf8(out).unwrap();
        for line in [
            "Outcome       rejected  DCR010E",
            "Subject       CN=tpp\\u{1b}[2J",
            "Answer        400  invalid_client_metadata",
            "  pass    certificate.trusted",
            "  shadow  shadowed",
            "  FAIL    ofb.scopes           7.1",
            "          too much",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        let unknown = DecisionId::new(NOW, [9; 10]).to_string();
        assert_eq!(show(&ShowArgs { id: unknown, output: Output::Text }, &path, &mut Vec::new()).unwrap(), Status::Bad);
    }

    #[tokio::test]
    async fn wrong_usage_and_missing_files_have_their_status() {
        let (folder, _store, _) = world().await;
        for filter in ["rejected", "outcome:", "since:soon", "since:-1h", "id:1", "colour:red"] {
            let error = listed(&folder, &[filter], Output::Text).unwrap_err();
            assert!(matches!(error, AuditError::Filter(_) | AuditError::Id(_)), "{filter}");
        }
        let nowhere = tempfile::tempdir().unwrap();
        assert!(matches!(listed(&nowhere, &[], Output::Text), Err(AuditError::Store(_))));
        assert!(!nowhere.path().join("dcrgate.db").exists());
    }
}
