//! Who writes, and from where on: a writer's row and the end of its chain.

use rusqlite::{Connection, OptionalExtension, params};

use super::apply::unreadable;
use crate::model::digest::Digest;
use crate::model::time::Timestamp;
use crate::store::chain::Head;
use crate::store::error::StoreError;

/// Begins a new epoch of this writer.
pub(super) fn take(connection: &Connection, name: &str, now: Timestamp) -> Result<i64, StoreError> {
    connection.execute(
        "INSERT INTO writers (name, epoch, heartbeat) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING",
        params![name, now.unix_micros()],
    )?;
    connection.execute(
        "UPDATE writers SET epoch = epoch + 1, heartbeat = $1 WHERE name = $2",
        params![now.unix_micros(), name],
    )?;
    Ok(connection.query_row("SELECT epoch FROM writers WHERE name = $1", [name], |row| row.get(0))?)
}

/// Where the writer's chain stands.
pub(super) fn head(connection: &Connection, name: &str) -> Result<Head, StoreError> {
    let last = connection
        .query_row("SELECT seq, hash FROM entries WHERE writer = $1 ORDER BY seq DESC LIMIT 1", [name], |row| {
            Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    match last {
        None => Ok(Head::start()),
        Some((seq, hash)) => Ok(Head { seq, hash: Digest::from_bytes(&hash).ok_or_else(|| unreadable("a hash"))? }),
    }
}
