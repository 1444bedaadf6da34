//! The ledger and the sealing key that a configuration describes; opened once, at start.

use std::sync::Arc;

use super::assemble::client_tls;
use super::{Settings, records};
use crate::audit::{self, Ledger, StrangerLimits};
use crate::model::digest::Digest;
use crate::model::document::Faults;
use crate::model::time::Clock;
use crate::pipeline::snapshot::Recording;
use crate::store::{self, PostgresSettings, SealError, Sealer, SealingKey, Store, StoreError, StoreSettings};

/// The ledger cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The roots, certificate or key for the database are of no use; `check` tells why.
    #[error("`[store] tls` cannot be used: `dcrgate check` tells why")]
    Tls,
    /// Nothing can be derived from the sealing key.
    #[error("the sealing key cannot be used")]
    SealingKey(#[from] SealError),
}

/// Opens store and ledger; `None` without a store or its sealing key, which every configuration with a
/// registration route has. Needs a runtime.
///
/// # Errors
/// 1. [`RecordingError::Store`], also when another process has the database.
/// 2. [`RecordingError::Tls`] and [`RecordingError::SealingKey`].
pub fn open_recording(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Option<Arc<Recording>>, RecordingError> {
    let Some(written) = &settings.store else { return Ok(None) };
    let Some(secret) = &written.sealing_key else { return Ok(None) };
    // At least 32 bytes are configured, in whatever notation; a digest makes them 32.
    let sealer = Sealer::new(SealingKey::new(Digest::of(secret.expose()).as_bytes())?, Vec::new());
    let store = StoreSettings {
        database: database(&written.database)?,
        writer: settings.audit.writer.clone(),
        reserve: settings.audit.reserve as u64,
        interrupted: audit::interrupted,
    };
    let store = Store::open(&store, Arc::clone(clock))?;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let limits = StrangerLimits {
        per_address: count(settings.audit.strangers_per_address_per_minute),
        in_all: count(settings.audit.strangers_per_minute),
    };
    let ledger = Ledger::new(store, limits, Arc::clone(clock));
    Ok(Some(Arc::new(Recording { ledger, sealer, seals_tokens: written.seals_tokens, tallies: Arc::default() })))
}

/// The database as the store takes it; for a command that only reads, too.
///
/// # Errors
/// [`RecordingError::Tls`].
pub fn database(written: &records::Database) -> Result<store::Database, RecordingError> {
    let written = match written {
        records::Database::Sqlite(path) => return Ok(store::Database::Sqlite(path.clone())),
        records::Database::Postgres(written) => written,
    };
    let faults = Faults::new();
    let tls = client_tls(&written.tls, &written.place, "store", &faults).ok_or(RecordingError::Tls)?;
    let settings = PostgresSettings { url: written.url.clone(), tls: Arc::new(tls), lease: written.lease };
    Ok(store::Database::Postgres(Arc::new(settings)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{Folder, GOOD};
    use crate::model::time::SystemClock;

    #[tokio::test]
    async fn a_written_key_keeps_its_id() {
        let folder = Folder::with(&format!("{GOOD}[audit]\nreserve = 0\n"));
        let settings = Settings::load(&folder.path()).unwrap().settings;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let recording = open_recording(&settings, &clock).unwrap().unwrap();
        // Stored beside every answer: another id would make them all unreadable.
        assert_eq!(recording.sealer.current().id(), "63ed31f28f2727c7");
    }
}
