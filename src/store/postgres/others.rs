//! What dead writers left open.
//!
//! A writer is dead when its heartbeat did not move for as long as the lease, as this process saw it on one
//! connection: no clocks are compared, and a database that was away does not make everybody look dead.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::book::{Book, decision_id};
use super::session::Session;
use super::trouble::Trouble;
use crate::model::digest::Digest;

/// The heartbeats of writers that have something open, and since when they stand.
#[derive(Debug, Default)]
pub(super) struct Others(HashMap<String, (i64, Instant)>);

impl Others {
    /// Looks at the heartbeats; gives the writers whose lease is over.
    pub(super) async fn dead(&mut self, session: &Session, own: &str, lease: Duration) -> Result<Vec<String>, Trouble> {
        let rows = session.query(HEARTBEATS, &[&own]).await?;
        let now = Instant::now();
        let mut seen = HashMap::new();
        for row in &rows {
            let (name, heartbeat): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
            let since = match self.0.get(&name) {
                Some((before, since)) if *before == heartbeat => *since,
                _ => now,
            };
            seen.insert(name, (heartbeat, since));
        }
        self.0 = seen;
        let over = |(name, (_, since)): (&String, &(i64, Instant))| (now - *since >= lease).then(|| name.clone());
        Ok(self.0.iter().filter_map(over).collect())
    }

    /// After a loss of the connection everybody gets the whole lease again.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// Records as interrupted what these writers left open, a bounded number at a time; gives how many. What another
/// proxy is ending at this moment is left to it.
pub(super) async fn end_open(book: &mut Book<'_>, writers: &[String]) -> Result<usize, Trouble> {
    let rows = book.session.query(OPEN, &[&writers, &STEP]).await?;
    for row in &rows {
        let (request, decision): (&[u8], &str) = (row.try_get(0)?, row.try_get(1)?);
        let request = Digest::from_bytes(request).ok_or_else(|| Trouble::unreadable("a request key"))?;
        book.interrupt(decision, &request).await?;
        tracing::warn!(decision = %decision_id(decision)?, "was left open; recorded as interrupted");
    }
    Ok(rows.len())
}

const HEARTBEATS: &str = "
    SELECT name, heartbeat FROM writers
    WHERE name <> $1 AND EXISTS (SELECT 1 FROM answers WHERE state = 'open' AND writer = name)";

const OPEN: &str = "
    SELECT request, decision FROM answers WHERE state = 'open' AND writer = ANY ($1)
    ORDER BY decision LIMIT $2 FOR UPDATE SKIP LOCKED";

/// Decisions that are ended in one transaction.
pub(super) const STEP: i64 = 128;
