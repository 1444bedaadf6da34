//! Brings the schema up to date, one proxy at a time.

use super::session::Session;
use super::trouble::Trouble;
use crate::store::error::StoreError;

/// Migrates under an advisory lock: of several proxies that start at once one does it, and the others find it done.
pub(super) async fn migrate(session: &Session) -> Result<(), Trouble> {
    if found(session).await? == Some(latest()) {
        return Ok(());
    }
    session.batch("BEGIN; SET LOCAL lock_timeout TO '60s'; SET LOCAL statement_timeout TO '120s'").await?;
    let result = bring_up(session).await;
    session.batch(if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    result
}

/// What a reader needs: the schema as this program knows it.
pub(super) async fn expect(session: &Session) -> Result<(), Trouble> {
    match found(session).await? {
        Some(number) if number == latest() => Ok(()),
        number => Err(Trouble::Failed(StoreError::Schema { found: number.unwrap_or(0), known: latest() })),
    }
}

async fn bring_up(session: &Session) -> Result<(), Trouble> {
    session.patient(&format!("SELECT pg_advisory_xact_lock({LOCK}, 0)")).await?;
    let found = match found(session).await? {
        Some(found) if found > latest() => {
            return Err(Trouble::Failed(StoreError::Schema { found, known: latest() }));
        }
        Some(found) => found,
        None => {
            // A database administrator may have made it, for a role that may not.
            let row = session.row("SELECT to_regnamespace('dcrgate') IS NOT NULL", &[]).await?;
            if !row.is_some_and(|row| row.get(0)) {
                session.batch("CREATE SCHEMA dcrgate").await?;
            }
            session.batch("CREATE TABLE dcrgate.migrations (number BIGINT NOT NULL PRIMARY KEY)").await?;
            0
        }
    };
    for (number, script) in MIGRATIONS.iter().copied().filter(|(number, _)| *number > found) {
        session.patient(script).await?;
        session.execute("INSERT INTO dcrgate.migrations (number) VALUES ($1)", &[&number]).await?;
        tracing::info!(number, "store schema brought up to date");
    }
    Ok(())
}

/// The number of the last migration; `None` in a database that never had one.
async fn found(session: &Session) -> Result<Option<i64>, Trouble> {
    let row = session.row("SELECT to_regclass('dcrgate.migrations') IS NOT NULL", &[]).await?;
    if !row.is_some_and(|row| row.get(0)) {
        return Ok(None);
    }
    let row = session.row("SELECT coalesce(max(number), 0) FROM dcrgate.migrations", &[]).await?;
    Ok(row.map(|row| row.get(0)))
}

fn latest() -> i64 {
    MIGRATIONS.last().map_or(0, |(number, _)| *number)
}

/// In order; a published one is never changed.
const MIGRATIONS: &[(i64, &str)] =
    &[(1, include_str!("migrations/0001-ledger.sql")), (2, include_str!("migrations/0002-templates.sql"))];

/// "DCRG": the class of our advisory locks.
pub(super) const LOCK: i32 = 0x4443_5247;
