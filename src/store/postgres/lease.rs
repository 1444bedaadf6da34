//! Who writes: a writer's row, its epoch, and the lock that its process holds as long as it is connected.
//!
//! The epoch fences: a transaction of a writer whose epoch is over touches no row and is undone. The lock only says
//! early, at start, that the name is in use. `commits` settles what became of a commit whose answer was lost.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::schema::LOCK;
use super::session::Session;
use super::trouble::Trouble;
use crate::model::digest::Digest;
use crate::model::time::Timestamp;
use crate::store::chain::Head;
use crate::store::error::StoreError;

/// Where a writer stands in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: i64,
    /// Transactions of this writer, ever.
    pub(super) commits: i64,
    /// The end of its chain.
    pub(super) head: Head,
}

/// Takes the lease at start: the name's lock, a new epoch. Within a transaction that the caller began.
pub(super) async fn take(session: &Session, name: &str, now: Timestamp) -> Result<Position, Trouble> {
    session.execute(NEW_WRITER, &[&name, &now.unix_micros()]).await?;
    let row = session.row(NEW_EPOCH, &[&name, &now.unix_micros()]).await?;
    let row = row.ok_or_else(|| Trouble::unreadable("a writer"))?;
    Ok(Position { epoch: row.try_get(0)?, commits: row.try_get(1)?, head: head(session, name).await? })
}

/// Waits for the name's lock, no longer than a process that was just killed takes to be noticed.
pub(super) async fn lock(session: &Session, name: &str) -> Result<(), Trouble> {
    let until = Instant::now() + PATIENCE;
    while !try_lock(session, name).await? {
        if Instant::now() >= until {
            return Err(Trouble::Failed(StoreError::WriterInUse { writer: name.into() }));
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Takes the name's lock if it is free; it is, unless a connection of this or another process holds it.
pub(super) async fn try_lock(session: &Session, name: &str) -> Result<bool, Trouble> {
    let digest = Digest::of_parts(&[b"writer\n", name.as_bytes()]);
    let number = digest.as_bytes().first_chunk().map_or(1, |bytes| i32::from_be_bytes(*bytes) | 1);
    let row = session.row("SELECT pg_try_advisory_lock($1, $2)", &[&LOCK, &number]).await?;
    Ok(row.is_some_and(|row| row.get(0)))
}

/// Finds out, on a new connection, where the writer stands. Waits until a transaction that another connection of it
/// left behind has ended one way or the other, so that what is read stays true.
pub(super) async fn find(session: &Session, name: &str, epoch: i64) -> Result<Position, Trouble> {
    session.batch("BEGIN").await?;
    let row = session.row(POSITION, &[&name]).await?;
    let row = row.ok_or_else(|| Trouble::unreadable("a writer"))?;
    let (found, commits): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    let head = head(session, name).await?;
    session.batch("COMMIT").await?;
    if found != epoch {
        return Err(superseded(name));
    }
    Ok(Position { epoch, commits, head })
}

/// Another process took over.
pub(super) fn superseded(name: &str) -> Trouble {
    Trouble::Failed(StoreError::WriterInUse { writer: name.into() })
}

async fn head(session: &Session, name: &str) -> Result<Head, Trouble> {
    let Some(row) = session.row(LAST_ENTRY, &[&name]).await? else { return Ok(Head::start()) };
    let hash: &[u8] = row.try_get(1)?;
    Ok(Head { seq: row.try_get(0)?, hash: Digest::from_bytes(hash).ok_or_else(|| Trouble::unreadable("a hash"))? })
}

const NEW_WRITER: &str = "INSERT INTO writers (name, epoch, heartbeat) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING";

const NEW_EPOCH: &str = "
    UPDATE writers SET epoch = epoch + 1, heartbeat = greatest($2, heartbeat + 1), commits = commits + 1
    WHERE name = $1 RETURNING epoch, commits";

const POSITION: &str = "SELECT epoch, commits FROM writers WHERE name = $1 FOR UPDATE";

const LAST_ENTRY: &str = "SELECT seq, hash FROM entries WHERE writer = $1 ORDER BY seq DESC LIMIT 1";

/// Counts a transaction of the writer and shows that it lives; touches no row when its epoch is over.
pub(super) const BEAT: &str = "
    UPDATE writers SET heartbeat = greatest($3, heartbeat + 1), commits = commits + 1
    WHERE name = $1 AND epoch = $2 RETURNING commits";

const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(100);
