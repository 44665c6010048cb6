//! Owns the copy of the log that an operator asks for, made while it is in use. Called by
//! [`super::Readers`] on a thread that may wait. Never leaves half a copy behind.

use super::StoreError;
use super::place::Place;
use super::shared::Shared;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use std::fs::File;
use std::path::Path;

/// Pages that are copied in one step.
const STEP_PAGES: i32 = 1_000;

/// Copies the log to `to`.
pub(super) fn write(shared: &Shared, log: &Connection, to: &Path) -> Result<(), StoreError> {
    if to.symlink_metadata().is_ok() {
        return Err(StoreError::Exists { path: to.to_owned() });
    }
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // For its owner alone, and removed if anything goes wrong from here on.
    let copy = tempfile::Builder::new()
        .prefix(".tcp-chatd-backup-")
        .tempfile_in(folder)
        .map_err(|e| StoreError::io("write a backup in", folder, &e))?;
    let place = Place::File(copy.path().to_owned());
    let error = |e: rusqlite::Error| {
        let target = Place::File(to.to_owned());
        let whose = if is_about_reading(&e) { &shared.log } else { &target };
        StoreError::sqlite("back up", whose, &e)
    };
    copy_pages(log, &place).map_err(error)?;
    copy.as_file().sync_all().map_err(|e| StoreError::io("sync", to, &e))?;
    copy.persist_noclobber(to).map_err(|e| match e.error.kind() {
        std::io::ErrorKind::AlreadyExists => StoreError::Exists { path: to.to_owned() },
        _ => StoreError::io("write", to, &e.error),
    })?;
    // The name itself is on the disk only with its folder.
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("sync", folder, &e))
}

/// One moment of the log, however much is written meanwhile.
fn copy_pages(log: &Connection, to: &Place) -> rusqlite::Result<()> {
    let mut copy = Connection::open(to.path())?;
    // It has no readers and no past: what a crash leaves of it is thrown away.
    copy.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    log.execute_batch("BEGIN; SELECT 1 FROM totals")?;
    let copied = (|| {
        let backup = Backup::new(log, &mut copy)?;
        while backup.step(STEP_PAGES)? != StepResult::Done {}
        Ok(())
    })();
    log.execute_batch("COMMIT").and(copied)?;
    copy.close().map_err(|(_, e)| e)
}

/// Errors that come from what is read rather than from what is written.
fn is_about_reading(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}
