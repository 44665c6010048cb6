//! Makes a backup: a copy of the log while it is in use. Called by [`super::Readers`] on a blocking thread.
//! Never leaves a partial copy. A partial copy of a killed daemon is removed by the next backup into the same
//! folder; beside the store, also by the next start.

use super::StoreError;
use super::location::{self, Location};
use super::log_id;
use super::shared::Shared;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Pages per step of the copy.
const STEP_PAGES: i32 = 1_000;

/// Steps after which the written pages are synced: 64 MiB.
const STEPS_A_SYNC: u64 = 16;
/// Prefix of the hidden file that is written before it gets its name.
const HIDDEN: &str = ".tcp-chatd-backup-";

/// Suffixes of the files beside the store.
const TAKEN: [&str; 5] = ["-wal", "-shm", "-journal", "-search", ".lock"];

/// Copies the log to the new file `to`.
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
    // With mode 0600, and removed after any error from here on.
    let copy = tempfile::Builder::new()
        .prefix(HIDDEN)
        .tempfile_in(folder)
        .map_err(|e| StoreError::io("write a backup in", folder, &e))?;
    // The lock tells other daemons that this copy is in progress.
    copy.as_file().lock().map_err(|e| StoreError::io("lock", copy.path(), &e))?;
    let place = Location::File(copy.path().to_owned());
    let error = |e: rusqlite::Error| {
        let target = Location::File(to.to_owned());
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
    // A new name is durable only after a sync of its folder.
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("sync", folder, &e))
}

/// Whether `to` has a name that SQLite or the daemon uses for a file beside the store. Such a backup would be
/// used as a part of the store, and removed.
fn is_beside(store: &Location, folder: &Path, to: &Path) -> bool {
    let Location::File(named) = store else { return false };
    // If the store's path is a symbolic link, SQLite names these files after the target.
    [named, &location::resolve_links(named)].into_iter().any(|store| is_beside_file(store, folder, to))
}

fn is_beside_file(store: &Path, folder: &Path, to: &Path) -> bool {
    // The folder can be given through a symbolic link or as a relative path.
    let its = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Some(store), Some(name)) = (store.file_name(), to.file_name()) else { return false };
    let ending = name.as_encoded_bytes().strip_prefix(store.as_encoded_bytes());
    let is_taken = |ending: &[u8]| TAKEN.iter().any(|taken| ending.starts_with(taken.as_bytes()));
    ending.is_some_and(is_taken) && location::resolve_links(its) == location::resolve_links(folder)
}

/// Removes partial copies of a killed daemon from a folder. A copy in progress is locked, and stays.
pub(super) fn remove_left_behind(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_copy = entry.file_name().to_string_lossy().starts_with(HIDDEN)
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_copy {
            continue;
        }
        let path = entry.path();
        // Opening a file of another user fails, so that file stays.
        let is_dead = File::options().write(true).open(&path).is_ok_and(|copy| copy.try_lock().is_ok());
        if is_dead && std::fs::remove_file(&path).is_ok() {
            tracing::info!(event = "backup_removed", file = %path.display(), "removed the partial copy of a killed backup");
        }
    }
}

/// The size in bytes of the copy that is being written to `folder`, for the progress line of `backup`. `None`: there is
/// no such copy, or this user must not read the folder.
#[must_use]
pub fn bytes_written(folder: &Path) -> Option<u64> {
    let entries = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let copies = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(HIDDEN));
    copies
        .filter_map(|copy| copy.metadata().ok())
        .max_by_key(|copy| copy.modified().ok())
        .map(|copy| copy.len())
}

/// Copies the log as it is at one moment, whatever is written meanwhile. False: the store is being closed.
fn copy_pages(
    shared: &Shared,
    log: &Connection,
    to: &Location,
    error: impl Fn(rusqlite::Error) -> StoreError,
    sync: impl Fn() -> Result<(), StoreError>,
) -> Result<bool, StoreError> {
    let mut copy = Connection::open(to.path()).map_err(&error)?;
    // Nothing else reads the copy, and an incomplete one is removed, so it needs no journal.
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
            // In parts, so that the end of the daemon does not wait for one long sync.
            if steps.is_multiple_of(STEPS_A_SYNC) {
                sync()?;
            }
        }
        Ok(true)
    })();
    log.execute_batch("COMMIT").map_err(&error)?;
    if copied? {
        // The stored limit was measured for the disk of this store.
        copy.execute("UPDATE totals SET max_bytes = NULL", []).map_err(&error)?;
        log_id::clear_in_copy(&copy).map_err(&error)?;
        copy.close().map_err(|(_, e)| error(e))?;
        return Ok(true);
    }
    Ok(false)
}

/// Whether the error comes from the file that is read, not from the one that is written.
fn is_about_reading(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}
