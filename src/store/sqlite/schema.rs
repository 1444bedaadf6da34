//! Opens the database: one proxy at a time, the schema brought up to date.
//!
//! Exclusion is a lock file beside the database (`flock`, gone with the process),
//! not SQLite's exclusive locking mode, which would also keep readers out:
//! `audit list` reads the WAL of a running server. The database itself is never
//! opened and closed other than through SQLite while the lock is not held,
//! because POSIX drops a process's locks with any of its descriptors.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::store::error::StoreError;

/// The writer's connection, and the lock that makes it the only one.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    // After the connection: fields are dropped in order, and the file is closed before it is given up.
    pub(super) _lock: File,
}

/// Opens for writing: makes folder and file where missing, takes the lock, migrates.
pub(super) fn open(path: &Path) -> Result<Database, StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| unusable(folder, &error))?;
    // Two spellings of one path must meet at one lock.
    let path = match fs::canonicalize(path) {
        Ok(existing) => existing,
        Err(_) => path.to_owned(),
    };
    let lock = lock(&path, ".lock")?;
    let private = |path: &Path| OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    private(&path).and_then(|file| file.sync_all()).map_err(|error| unusable(&path, &error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unusable(folder, &error))?;

    let mut connection = connect(&path)?;
    migrate(&mut connection, &path)?;
    prepare(&connection)?;
    Ok(Database { connection, _lock: lock })
}

/// Opens for an operator's writing beside the proxy: takes a lock of its own, so that operators take turns, and
/// leaves file and schema to the proxy.
pub(super) fn open_beside(path: &Path) -> Result<Database, StoreError> {
    drop(open_read_only(path)?);
    let path = fs::canonicalize(path).map_err(|error| unusable(path, &error))?;
    let lock = lock(&path, ".operator.lock")?;
    let connection = connect(&path)?;
    prepare(&connection)?;
    Ok(Database { connection, _lock: lock })
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Another program that holds the write lock delays a batch by this much, then it fails.
    connection.busy_timeout(Duration::from_millis(500))?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA secure_delete = ON;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16384;",
    )?;
    Ok(())
}

/// Opens for reading, beside a running writer or without one.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(|error| unusable(path, &io::Error::other(error.to_string())))?;
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
    let found = identify(&connection, path)?;
    if found != latest() {
        return Err(StoreError::Schema { found, known: latest() });
    }
    Ok(connection)
}

fn lock(path: &Path, suffix: &str) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    let name = PathBuf::from(name);
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&name)
        .map_err(|error| unusable(&name, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(unusable(&name, &error)),
    }
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found = identify(connection, path)?;
    for (number, script) in MIGRATIONS.iter().copied().filter(|(number, _)| *number > found) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", number)?;
        transaction.commit()?;
        tracing::info!(number, "store schema brought up to date");
    }
    Ok(())
}

/// The number of the last migration; 0 for an empty file.
fn identify(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let foreign = || StoreError::Foreign { path: path.to_owned() };
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(|error| {
            match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::NotADatabase) => foreign(),
                _ => error.into(),
            }
        })?;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, tables) {
        (0, 0) => Ok(0),
        (APPLICATION_ID, _) if found > latest() => Err(StoreError::Schema { found, known: latest() }),
        (APPLICATION_ID, _) => Ok(found),
        _ => Err(foreign()),
    }
}

fn unusable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unusable { path: path.to_owned(), reason: error.to_string().into() }
}

fn latest() -> i64 {
    MIGRATIONS.last().map_or(0, |(number, _)| *number)
}

/// In order; a published one is never changed.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("migrations/0001-ledger.sql")),
    (2, include_str!("migrations/0002-units.sql")),
    (3, include_str!("migrations/0003-management.sql")),
    (4, include_str!("migrations/0004-templates.sql")),
];

/// "DCRG": tells our files from other SQLite files.
const APPLICATION_ID: i64 = 0x4443_5247;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn makes_a_private_file_in_a_private_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/dcrgate.db");
        let _database = open(&path).unwrap();
        for (path, mode) in [(path.as_path(), 0o600), (path.parent().unwrap(), 0o700)] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, mode);
        }
    }

    #[test]
    fn a_second_one_is_locked_out_by_any_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dcrgate.db");
        let database = open(&path).unwrap();
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for second in [&path, &link] {
            assert!(matches!(open(second), Err(StoreError::Locked { .. })));
        }
        open_read_only(&path).unwrap();
        drop(database);
        open(&link).unwrap();
    }

    #[test]
    fn other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.txt");
        fs::write(&text, "x".repeat(4096)).unwrap();
        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
        for path in [text, other] {
            let before = fs::read(&path).unwrap();
            assert_eq!(open(&path).unwrap_err(), StoreError::Foreign { path: path.clone() });
            assert_eq!(fs::read(&path).unwrap(), before);
        }
    }

    #[test]
    fn a_later_schema_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dcrgate.db");
        open(&path).unwrap().connection.pragma_update(None, "user_version", 99).unwrap();
        assert_eq!(open(&path).unwrap_err(), StoreError::Schema { found: 99, known: latest() });
    }
}
