//! Owns the copy of the log that an operator asks for, made while it is in use. Called by
//! [`super::Readers`] on a thread that may wait. Never leaves half a copy behind; what a killed daemon
//! left of one goes with the next backup to that folder, or, beside the store, at the next start.

use super::StoreError;
use super::identity;
use super::place::{self, Place};
use super::shared::Shared;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Pages that are copied in one step.
const STEP_PAGES: i32 = 1_000;

/// Steps after which what was written is synced: 64 MiB.
const STEPS_A_SYNC: u64 = 16;
/// How the name of a copy begins until it is whole.
const HIDDEN: &str = ".tcp-chatd-backup-";

/// How the names of the files beside the store go on.
const TAKEN: [&str; 5] = ["-wal", "-shm", "-journal", "-search", ".lock"];

/// Copies the log to `to`.
pub(super) fn write(shared: &Shared, log: &Connection, to: &Path) -> Result<(), StoreError> {
    if shared.closing.load(Ordering::Acquire) {
        return Err(StoreError::Closing);
    }
    if to.symlink_metadata().is_ok() {
        return Err(StoreError::Exists { path: to.to_owned() });
    }
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if is_beside(&shared.log, folder, to) {
        return Err(StoreError::Reserved { path: to.to_owned() });
    }
    remove_left_behind(folder);
    // For its owner alone, and removed if anything goes wrong from here on.
    let copy = tempfile::Builder::new()
        .prefix(HIDDEN)
        .tempfile_in(folder)
        .map_err(|e| StoreError::io("write a backup in", folder, &e))?;
    // For as long as this lives, nobody takes it for a dead one's.
    copy.as_file().lock().map_err(|e| StoreError::io("lock", copy.path(), &e))?;
    let place = Place::File(copy.path().to_owned());
    let error = |e: rusqlite::Error| {
        let target = Place::File(to.to_owned());
        let whose = if is_about_reading(&e) { &shared.log } else { &target };
        StoreError::sqlite("back up", whose, &e)
    };
    let sync = || copy.as_file().sync_all().map_err(|e| StoreError::io("sync", to, &e));
    if !copy_pages(shared, log, &place, error, sync)? {
        return Err(StoreError::Closing);
    }
    sync()?;
    copy.persist_noclobber(to).map_err(|e| match e.error.kind() {
        std::io::ErrorKind::AlreadyExists => StoreError::Exists { path: to.to_owned() },
        _ => StoreError::io("write", to, &e.error),
    })?;
    // The name itself is on the disk only with its folder.
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("sync", folder, &e))
}

/// Is it called like a file that SQLite or the daemon has beside the store? A backup of that name would be taken for
/// a part of the store, and be removed.
fn is_beside(store: &Place, folder: &Path, to: &Path) -> bool {
    let Place::File(named) = store else { return false };
    // Those of a store behind a link are called after what it leads to.
    [named, &place::followed(named)].into_iter().any(|store| is_beside_file(store, folder, to))
}

fn is_beside_file(store: &Path, folder: &Path, to: &Path) -> bool {
    // However the folder is written: through a symbolic link, or relative.
    let its = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Some(store), Some(name)) = (store.file_name(), to.file_name()) else { return false };
    let ending = name.as_encoded_bytes().strip_prefix(store.as_encoded_bytes());
    let is_taken = |ending: &[u8]| TAKEN.iter().any(|taken| ending.starts_with(taken.as_bytes()));
    ending.is_some_and(is_taken) && place::followed(its) == place::followed(folder)
}

/// Removes what a daemon that was killed left of its copies in a folder. The lock on one that is being
/// written is held.
pub(super) fn remove_left_behind(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_copy = entry.file_name().to_string_lossy().starts_with(HIDDEN)
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_copy {
            continue;
        }
        let path = entry.path();
        // What belongs to another user stays.
        let is_dead = File::options().write(true).open(&path).is_ok_and(|copy| copy.try_lock().is_ok());
        if is_dead && std::fs::remove_file(&path).is_ok() {
            tracing::info!(event = "backup_removed", file = %path.display(), "removed what a killed backup left");
        }
    }
}

/// The bytes that the copy that is being written to `folder` has so far, for an operator who waits for it. `None`: there
/// is none, or this user must not look.
#[must_use]
pub fn bytes_written(folder: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let copies = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(HIDDEN));
    copies
        .filter_map(|copy| copy.metadata().ok())
        .max_by_key(|copy| copy.modified().ok())
        .map(|copy| copy.len())
}

/// One moment of the log, however much is written meanwhile. False: the store is being closed.
fn copy_pages(
    shared: &Shared,
    log: &Connection,
    to: &Place,
    error: impl Fn(rusqlite::Error) -> StoreError,
    sync: impl Fn() -> Result<(), StoreError>,
) -> Result<bool, StoreError> {
    let mut copy = Connection::open(to.path()).map_err(&error)?;
    // It has no readers and no past: what a crash leaves of it is thrown away.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF").map_err(&error)?;
    log.execute_batch("BEGIN; SELECT 1 FROM totals").map_err(&error)?;
    let copied = (|| {
        let backup = Backup::new(log, &mut copy).map_err(&error)?;
        for steps in 1_u64.. {
            if shared.closing.load(Ordering::Acquire) {
                return Ok(false);
            }
            if backup.step(STEP_PAGES).map_err(&error)? == StepResult::Done {
                break;
            }
            // Bit by bit: the end of the daemon would wait for one long sync.
            if steps.is_multiple_of(STEPS_A_SYNC) {
                sync()?;
            }
        }
        Ok(true)
    })();
    log.execute_batch("COMMIT").map_err(&error)?;
    if copied? {
        // Its bound was made for the disk of this store.
        copy.execute("UPDATE totals SET max_bytes = NULL", []).map_err(&error)?;
        identity::forget(&copy).map_err(&error)?;
        copy.close().map_err(|(_, e)| error(e))?;
        return Ok(true);
    }
    Ok(false)
}

/// Errors that come from what is read rather than from what is written.
fn is_about_reading(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}
