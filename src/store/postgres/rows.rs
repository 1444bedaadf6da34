//! What is read of the ledger, and its SQL.

use tokio_postgres::Row;

use super::book::decision_id;
use super::session::{Session, Value};
use super::trouble::Trouble;
use crate::model::digest::Digest;
use crate::model::id::DecisionId;
use crate::model::time::Timestamp;
use crate::store::query::{Decision, Filter, HeldClaim, OPEN, StoredEntry};

/// The ids that a filter lets through, newest first.
pub(super) async fn ids(session: &Session, filter: &Filter) -> Result<Vec<DecisionId>, Trouble> {
    let from = filter.since.map(|since| DecisionId::new(since, [0; 10]).to_string()).unwrap_or_default();
    let limit = i64::from(filter.limit);
    let outcome = filter.outcome.as_deref();
    let (sql, values): (_, Vec<Value<'_>>) = match &outcome {
        Some(OPEN) => (NOT_ENDED, vec![&from, &limit]),
        Some(outcome) => (ENDED_SO, vec![&from, outcome, &limit]),
        None => (ALL, vec![&from, &limit]),
    };
    let rows = session.query(sql, &values).await?;
    rows.iter().map(|row| decision_id(row.try_get(0)?)).collect()
}

/// One decision.
pub(super) async fn decision(session: &Session, id: DecisionId) -> Result<Option<Decision>, Trouble> {
    let mut decision = Decision { id, opened: None, ended: None };
    for row in &session.query(OF_DECISION, &[&id.to_string()]).await? {
        let entry = entry(row)?;
        if entry.outcome.is_some() {
            decision.ended = Some(entry);
        } else {
            decision.opened = Some(entry);
        }
    }
    Ok((decision.opened.is_some() || decision.ended.is_some()).then_some(decision))
}

/// What a decision holds.
pub(super) async fn claims(session: &Session, decision: DecisionId) -> Result<Vec<HeldClaim>, Trouble> {
    let rows = session.query(HELD, &[&decision.to_string()]).await?;
    let held = |row: &Row| {
        let expires: Option<i64> = row.try_get(1)?;
        Ok(HeldClaim { kind: row.try_get(0)?, expires: expires.map(Timestamp::from_unix_micros) })
    };
    rows.iter().map(held).collect()
}

/// A stretch of a writer's chain.
pub(super) async fn stretch(
    session: &Session,
    writer: &str,
    from: i64,
    limit: u32,
) -> Result<Vec<StoredEntry>, Trouble> {
    let rows = session.query(STRETCH, &[&writer, &from, &i64::from(limit)]).await?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<StoredEntry, Trouble> {
    Ok(StoredEntry {
        writer: row.try_get(0)?,
        seq: row.try_get(1)?,
        decision: row.try_get(2)?,
        kind: row.try_get(3)?,
        outcome: row.try_get(4)?,
        time: Timestamp::from_unix_micros(row.try_get(5)?),
        body: row.try_get(6)?,
        previous: digest(row.try_get(7)?)?,
        hash: digest(row.try_get(8)?)?,
    })
}

fn digest(bytes: &[u8]) -> Result<Digest, Trouble> {
    Digest::from_bytes(bytes).ok_or_else(|| Trouble::unreadable("a digest"))
}

const OF_DECISION: &str = "
    SELECT writer, seq, decision, kind, outcome, time, body, previous, hash
    FROM entries WHERE decision = $1 AND (kind = 'opened' OR outcome IS NOT NULL)";

const HELD: &str = "SELECT kind, expires FROM claims WHERE decision = $1 ORDER BY kind, key, unit";

const STRETCH: &str = "
    SELECT writer, seq, decision, kind, outcome, time, body, previous, hash
    FROM entries WHERE writer = $1 AND seq >= $2 ORDER BY seq LIMIT $3";

const ENDED_SO: &str = "
    SELECT decision FROM entries WHERE decision >= $1 AND outcome = $2 ORDER BY decision DESC LIMIT $3";

/// Found by the requests in progress, which are few, not by looking through all openings.
const NOT_ENDED: &str = "
    SELECT decision FROM answers WHERE state = 'open' AND decision >= $1 ORDER BY decision DESC LIMIT $2";

const ALL: &str = "
    (SELECT decision FROM entries WHERE outcome IS NOT NULL AND decision >= $1 ORDER BY decision DESC LIMIT $2)
    UNION
    (SELECT decision FROM answers WHERE state = 'open' AND decision >= $1 ORDER BY decision DESC LIMIT $2)
    ORDER BY decision DESC LIMIT $2";
