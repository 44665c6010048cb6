//! Defines the schema of the log's database, its version and migrations, and how connections are set up. All
//! connections to the log are opened here. Never reads or writes messages.

use super::error::StoreError;
use super::location::Location;
use super::redactions;
use super::{Checked, cluster, snapshot};
use crate::settings::Durability;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::time::Duration;

/// "tcHt": marks the file as a store of tcp-chatd.
const APPLICATION_ID: i64 = 0x7463_4874;

/// Each migration makes one version from the version before it; the first makes version 1 from an empty file.
/// A released migration is never changed.
const STEPS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/rights.sql"),
    include_str!("schema/audit.sql"),
    include_str!("schema/bytes.sql"),
    include_str!("schema/opened.sql"),
    include_str!("schema/removed.sql"),
    include_str!("schema/message_bytes.sql"),
    include_str!("schema/audit_bound.sql"),
    include_str!("schema/grants_by.sql"),
    include_str!("schema/log.sql"),
    include_str!("schema/certificates.sql"),
    include_str!("schema/ancestors.sql"),
    include_str!("schema/default_rooms.sql"),
    include_str!("schema/snapshot.sql"),
    include_str!("schema/window.sql"),
    include_str!("schema/origins.sql"),
    include_str!("schema/redactions.sql"),
    include_str!("schema/erasures.sql"),
    include_str!("schema/cluster.sql"),
    include_str!("schema/packed.sql"),
];

/// What a new store has in another form than a migrated one. It must mean the same.
const NEW: &str = include_str!("schema/new_store.sql");

/// How long a connection waits for a lock of another program, such as `sqlite3` or a backup.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// How long a turn waits for such a lock. The hub, and so all users, wait meanwhile.
pub(super) const WRITER_BUSY: Duration = Duration::from_millis(100);

/// The size to which SQLite cuts the write-ahead log, in bytes.
const WAL_BYTES: i64 = 32 * 1024 * 1024;

/// The writer's page cache in KiB. It holds the B-tree leaves of the ids in use.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// The page cache of a reader in KiB.
const READER_CACHE_KIB: i64 = 512;

/// Opens the log for writing. Creates, checks and migrates it.
pub(super) fn open_writer(place: &Location, durability: Durability) -> Result<Connection, StoreError> {
    let error = |e: rusqlite::Error| StoreError::sqlite("open", place, &e);
    place.check_wal_has_store()?;
    place.create_file()?;
    let mut log = connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    migrate(&mut log, place, STEPS)?;
    set_up_writer(&log, durability).map_err(error)?;
    Ok(log)
}

/// Opens the log for writing again after a failure. Never creates or migrates it.
pub(super) fn reopen_writer(place: &Location, durability: Durability) -> Result<Connection, StoreError> {
    let log = connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    log.busy_timeout(WRITER_BUSY).map_err(|e| StoreError::sqlite("open", place, &e))?;
    let found = check_version(&log, place, STEPS.len())?;
    if found != STEPS.len() {
        let why = format!("its version was {} and is {found}", STEPS.len());
        return Err(StoreError::Corrupt { store: place.to_string(), why });
    }
    set_up_writer(&log, durability).map_err(|e| StoreError::sqlite("open", place, &e))?;
    Ok(log)
}

/// Opens the log for copying the write-ahead log into it.
pub(super) fn open_for_checkpoints(place: &Location) -> Result<Connection, StoreError> {
    connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens the log for reading.
pub(super) fn open_reader(place: &Location) -> Result<Connection, StoreError> {
    let log = open(place, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    log.set_prepared_statement_cache_capacity(32);
    // Enough for the inner pages of the B-trees. Messages are read once, and the system caches them, too.
    log.pragma_update(None, "cache_size", -READER_CACHE_KIB)
        .map_err(|e| StoreError::sqlite("open", place, &e))?;
    Ok(log)
}

/// Opens a database without creating it, and applies the settings of all connections.
pub(super) fn open(place: &Location, access: OpenFlags) -> Result<Connection, StoreError> {
    let error = |e: rusqlite::Error| StoreError::sqlite("open", place, &e);
    let database = Connection::open_with_flags(place.path(), place.flags(access)).map_err(error)?;
    database.busy_timeout(BUSY).map_err(error)?;
    database.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY").map_err(error)?;
    Ok(database)
}

/// Checks that the log could be opened, and changes nothing. `has_wal`: false if there is no write-ahead log,
/// or one of another store.
pub(super) fn check(place: &Location, has_wal: bool) -> Result<Checked, StoreError> {
    let log = if has_wal {
        open(place, OpenFlags::SQLITE_OPEN_READ_ONLY)?
    } else {
        let flags = place.flags(OpenFlags::SQLITE_OPEN_READ_ONLY) | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(place.path_without_wal(), flags)
            .map_err(|e| StoreError::sqlite("open", place, &e))?
    };
    let found = check_version(&log, place, STEPS.len())?;
    let error = |e: rusqlite::Error| StoreError::sqlite("read", place, &e);
    if let Some(why) = damage(&log).map_err(error)? {
        return Err(StoreError::Corrupt { store: place.to_string(), why });
    }
    if found == 0 {
        return Ok(Checked::default());
    }
    Ok(Checked {
        newest: snapshot::read_newest_timestamp(&log).map_err(error)?,
        rooms: snapshot::read_rooms(&log).map_err(error)?,
        node: if found < STEPS.len() { None } else { cluster::read(&log).map_err(error)? },
    })
}

/// Reads all pages, and says what is wrong with them. The indexes are not compared with their tables, because that takes ten
/// times as long.
pub(super) fn damage(log: &Connection) -> rusqlite::Result<Option<String>> {
    let said: String = log.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((said != "ok").then_some(said))
}

/// Whether a file that is only read has no tables yet.
pub(super) fn is_empty(log: &Connection, place: &Location) -> Result<bool, StoreError> {
    check_version(log, place, STEPS.len()).map(|version| version == 0)
}

/// Whether a file has the tables of this version.
pub(super) fn is_newest(log: &Connection, place: &Location) -> Result<bool, StoreError> {
    check_version(log, place, STEPS.len()).map(|version| version == STEPS.len())
}

fn connect(place: &Location, access: OpenFlags) -> Result<Connection, StoreError> {
    let log = open(place, access)?;
    // SQLite falls back to read-only access if it may not write.
    if log.is_readonly("main").map_err(|e| StoreError::sqlite("open", place, &e))? {
        let why = "it is read-only".to_owned();
        return Err(StoreError::ReadOnly { store: place.to_string(), why });
    }
    // Otherwise the last connection that closes would remove the write-ahead log. The writer also closes its
    // connection after a failure, and must find the same file again. `Store::close` disables this.
    keep_wal(&log, true).map_err(|e| StoreError::sqlite("open", place, &e))?;
    Ok(log)
}

/// Sets whether the write-ahead log stays as it is when the last connection closes.
pub(super) fn keep_wal(log: &Connection, keep: bool) -> rusqlite::Result<()> {
    log.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(|_| ())
}

/// The version of the file. 0: it is empty.
fn check_version(log: &Connection, place: &Location, known: usize) -> Result<usize, StoreError> {
    let error = |e: rusqlite::Error| StoreError::sqlite("read", place, &e);
    let number = |sql: &str| log.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(error);
    let found = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if application != APPLICATION_ID && (found != 0 || tables != 0) {
        let why = "it is another program's SQLite database".to_owned();
        return Err(StoreError::Foreign { store: place.to_string(), why });
    }
    match usize::try_from(found) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(StoreError::Newer { store: place.to_string(), found, known: version(known) }),
    }
}

fn version(steps: usize) -> i64 {
    i64::try_from(steps).unwrap_or(i64::MAX)
}

/// Migrates the file to the newest version, completely or not at all.
fn migrate(log: &mut Connection, place: &Location, steps: &[&str]) -> Result<(), StoreError> {
    let found = check_version(log, place, steps.len())?;
    if found == steps.len() {
        return Ok(());
    }
    let error = |e: rusqlite::Error| StoreError::sqlite("migrate", place, &e);
    let turn = log.transaction_with_behavior(TransactionBehavior::Immediate).map_err(error)?;
    for step in &steps[found..] {
        turn.execute_batch(step).map_err(error)?;
    }
    if found == 0 {
        turn.execute_batch(NEW).map_err(error)?;
    }
    turn.pragma_update(None, "application_id", APPLICATION_ID).map_err(error)?;
    turn.pragma_update(None, "user_version", version(steps.len())).map_err(error)?;
    turn.commit().map_err(error)?;
    tracing::info!(event = "store_migrated", store = %place, from = found, to = steps.len(), "store migrated");
    Ok(())
}

fn set_up_writer(log: &Connection, durability: Durability) -> rusqlite::Result<()> {
    log.set_prepared_statement_cache_capacity(64);
    log.busy_timeout(WRITER_BUSY)?;
    // A database in memory has its own journal and answers "memory".
    log.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    redactions::wipe_free_parts(log)?;
    // NORMAL: a commit survives the end of this process; after a power cut the file is consistent, but the
    // last commits can be lost. FULL: a commit also survives a power cut.
    log.pragma_update(
        None,
        "synchronous",
        match durability {
            Durability::Crash => "NORMAL",
            Durability::Power => "FULL",
        },
    )?;
    // `Checkpoints` copies the write-ahead log.
    log.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
    log.query_row(&format!("PRAGMA journal_size_limit = {WAL_BYTES}"), [], |_| Ok(()))?;
    log.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)
}
