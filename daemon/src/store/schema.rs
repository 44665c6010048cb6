//! Owns the shape of the log's database: its tables, its version, the steps from one version to
//! the next, and how a connection to it is set up. Everything that opens a connection to the log
//! comes through here. Never reads or writes messages.

use super::error::StoreError;
use super::place::Place;
use super::{Checked, found};
use crate::settings::Durability;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::time::Duration;

/// "tcHt": what marks the file as ours.
const APPLICATION_ID: i64 = 0x7463_4874;

/// Each step makes the next version out of the one before it; the first makes version 1 out of
/// nothing. A step that was ever released is never changed.
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
];

/// How long a connection waits for another program's lock (an operator's `sqlite3`, a backup).
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// How long a turn waits for such a lock. The hub stands still meanwhile, and with it everyone.
pub(super) const WRITER_BUSY: Duration = Duration::from_millis(100);

/// What the write-ahead log is cut back to, in bytes.
const WAL_BYTES: i64 = 32 * 1024 * 1024;

/// The writer's page cache in KiB: the leaves of the ids that are being sent stay in it.
const WRITER_CACHE_KIB: i64 = 16 * 1024;
/// The page cache of each connection that only reads, in KiB.
const READER_CACHE_KIB: i64 = 512;

/// Opens the log for writing: made, checked, and brought to the newest version.
pub(super) fn open_writer(place: &Place, durability: Durability) -> Result<Connection, StoreError> {
    let error = |e: rusqlite::Error| StoreError::sqlite("open", place, &e);
    place.check_not_alone()?;
    place.make_file()?;
    let mut log = connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    migrate(&mut log, place, STEPS)?;
    set_up_writer(&log, durability).map_err(error)?;
    Ok(log)
}

/// Opens the log for writing again after a failure: what is there, or nothing.
pub(super) fn reopen_writer(place: &Place, durability: Durability) -> Result<Connection, StoreError> {
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
pub(super) fn open_for_checkpoints(place: &Place) -> Result<Connection, StoreError> {
    connect(place, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens the log for reading.
pub(super) fn open_reader(place: &Place) -> Result<Connection, StoreError> {
    let log = open(place, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    log.set_prepared_statement_cache_capacity(32);
    // Enough for the inner pages of the trees; messages are read once, and the system has them too.
    log.pragma_update(None, "cache_size", -READER_CACHE_KIB)
        .map_err(|e| StoreError::sqlite("open", place, &e))?;
    Ok(log)
}

/// Opens a database without making it, and sets what every connection needs.
pub(super) fn open(place: &Place, access: OpenFlags) -> Result<Connection, StoreError> {
    let error = |e: rusqlite::Error| StoreError::sqlite("open", place, &e);
    let database = Connection::open_with_flags(place.path(), place.flags(access)).map_err(error)?;
    database.busy_timeout(BUSY).map_err(error)?;
    database.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY").map_err(error)?;
    Ok(database)
}

/// Reads whether the log could be opened as it lies there, and changes nothing. Without its write-ahead log, where there
/// is none, or one that belongs to another store.
pub(super) fn check(place: &Place, has_wal: bool) -> Result<Checked, StoreError> {
    let log = if has_wal {
        open(place, OpenFlags::SQLITE_OPEN_READ_ONLY)?
    } else {
        let flags = place.flags(OpenFlags::SQLITE_OPEN_READ_ONLY) | OpenFlags::SQLITE_OPEN_URI;
        Connection::open_with_flags(place.path_without_wal(), flags)
            .map_err(|e| StoreError::sqlite("open", place, &e))?
    };
    let found = check_version(&log, place, STEPS.len())?;
    let error = |e: rusqlite::Error| StoreError::sqlite("read", place, &e);
    // All pages are read; the indexes are not compared with their tables, which takes ten times as long.
    let said: String = log.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(error)?;
    if said != "ok" {
        return Err(StoreError::Corrupt { store: place.to_string(), why: said });
    }
    if found == 0 {
        return Ok(Checked::default());
    }
    Ok(Checked { newest: found::newest(&log).map_err(error)?, rooms: found::rooms(&log).map_err(error)? })
}

/// Whether a file that is only read has no tables yet.
pub(super) fn is_empty(log: &Connection, place: &Place) -> Result<bool, StoreError> {
    check_version(log, place, STEPS.len()).map(|version| version == 0)
}

fn connect(place: &Place, access: OpenFlags) -> Result<Connection, StoreError> {
    let log = open(place, access)?;
    // SQLite falls back to reading where it may not write.
    if log.is_readonly("main").map_err(|e| StoreError::sqlite("open", place, &e))? {
        let why = "it is read-only".to_owned();
        return Err(StoreError::ReadOnly { store: place.to_string(), why });
    }
    // The last connection that closes would remove the write-ahead log. The writer closes its connection after a
    // failure, too, and must find the same file again. `Store::close` turns this off.
    keep_wal(&log, true).map_err(|e| StoreError::sqlite("open", place, &e))?;
    Ok(log)
}

/// Does the write-ahead log stay as it is when the last connection closes?
pub(super) fn keep_wal(log: &Connection, keep: bool) -> rusqlite::Result<()> {
    log.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(|_| ())
}

/// Which version the file has; 0: there is nothing in it.
fn check_version(log: &Connection, place: &Place, known: usize) -> Result<usize, StoreError> {
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

/// Brings the file to the newest version: all of the way or not at all.
fn migrate(log: &mut Connection, place: &Place, steps: &[&str]) -> Result<(), StoreError> {
    let found = check_version(log, place, steps.len())?;
    if found == steps.len() {
        return Ok(());
    }
    let error = |e: rusqlite::Error| StoreError::sqlite("migrate", place, &e);
    let turn = log.transaction_with_behavior(TransactionBehavior::Immediate).map_err(error)?;
    for step in &steps[found..] {
        turn.execute_batch(step).map_err(error)?;
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
    // A database in memory keeps its own journal and answers "memory".
    log.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    // NORMAL: a commit is in the system's hands when it returns, and survives this process; the
    // file stays whole through a power cut. FULL: the commit itself survives that, too.
    log.pragma_update(
        None,
        "synchronous",
        match durability {
            Durability::Crash => "NORMAL",
            Durability::Power => "FULL",
        },
    )?;
    // `Checkpoints` does that.
    log.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
    log.query_row(&format!("PRAGMA journal_size_limit = {WAL_BYTES}"), [], |_| Ok(()))?;
    log.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)
}
