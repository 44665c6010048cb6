//! Checks the files for the writer: whether they were removed or replaced, and whether another program holds
//! a lock. Also closes the store. Called by the hub between turns, when the store fails, and at the end of
//! the daemon. Never writes a message.

use super::checkpoint::{self, Checkpoints};
use super::file_content::TotalsPage;
use super::index_files;
use super::open_files::OpenFiles;
use super::shared::Shared;
use super::{Store, StoreError, schema, store_record};
use rusqlite::Connection;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tcp_chat_protocol::Seq;

/// The time between two checks of the store's path while turns are frequent.
pub(super) const BETWEEN_CHECKS: Duration = Duration::from_millis(20);

impl Store {
    /// Checks that the files are the ones that were opened, at their paths. To be called often, and before
    /// the end. If only the write-ahead log was removed, its content is copied into the store's file.
    ///
    /// # Errors
    /// They are not. The next use opens the connection again, if the files are back.
    pub fn check_files(&mut self) -> Result<(), StoreError> {
        let Some(files) = &self.shared.files else { return Ok(()) };
        let checked = files.check().and_then(|()| self.check_wal(files));
        if checked.is_ok() {
            if let Some(log) = &self.log {
                watch_head_again(files, log, self.totals.head);
            }
            return checked;
        }
        if files.may_checkpoint()
            && let Some(log) = &self.log
            && checkpoint::run(log, "FULL").is_ok_and(|now| now.uncopied() == 0)
        {
            files.mark_copied();
        }
        set_aside_foreign_wal(&self.shared);
        // The second check gives the error that tells what was saved.
        files.check().and(checked)
    }

    /// Runs before each turn: the cheap checks each time, the others at most every 20 ms.
    ///
    /// # Errors
    /// The files are not the ones that were opened.
    pub(super) fn check_before_turn(&mut self) -> Result<(), StoreError> {
        let Some(files) = &self.shared.files else { return Ok(()) };
        let is_due = self.checked_at.elapsed() >= BETWEEN_CHECKS;
        if is_due || files.has_wal_shrunk() {
            self.check_wal(files)?;
        }
        if is_due {
            files.check_store()?;
            files.check_wal_name()?;
            self.checked_at = Instant::now();
        }
        Ok(())
    }

    fn check_wal(&self, files: &OpenFiles) -> Result<(), StoreError> {
        match &self.log {
            Some(log) => files.check_wal_length(|| checkpoint::run(log, "NOOP").ok().map(|now| now.pages)),
            None => Ok(()),
        }
    }

    /// Checks whether a turn could be committed now. Cheap: it writes nothing and does not wait.
    ///
    /// # Errors
    /// A turn could not be committed.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        self.check_files()?;
        let is_file = !self.shared.log.is_memory();
        self.with_connection("write", |log, _| {
            checkpoint::with_busy_timeout(log, Duration::ZERO, |log| {
                log.execute_batch("BEGIN IMMEDIATE; ROLLBACK")
            })?;
            // On a full disk the write-ahead log takes the space that retention needs.
            if is_file {
                let _ = checkpoint::truncate_wal(log);
            }
            Ok(())
        })
    }

    /// At the end of the daemon nothing waits for the hub, so a turn may wait longer for the lock of another
    /// program.
    pub fn wait_longer_for_locks(&mut self) {
        if let Some(log) = &self.log {
            let _ = log.busy_timeout(schema::BUSY);
        }
    }

    /// Closes the file cleanly. A running backup is ended.
    ///
    /// # Errors
    /// The last checkpoint failed; all committed turns are kept. Or the files are not the ones that were
    /// opened.
    pub fn close(mut self) -> Result<(), StoreError> {
        stop_backups(&self.shared);
        drop(self.indexer.take());
        // This comes before the last connection closes, which copies the rest.
        drop(std::mem::take(&mut self.checkpoints));
        let checked = self.check_files();
        let Some(log) = self.log.take() else { return checked };
        let place = &self.shared.log;
        let error = |e: rusqlite::Error| StoreError::sqlite("close", place, &e);
        if let Err(why) = checked {
            // The file at the path must not be written to, and its write-ahead log must not be removed.
            let may_checkpoint = self.shared.files.as_ref().is_some_and(OpenFiles::may_checkpoint);
            schema::keep_wal(&log, !may_checkpoint).map_err(error)?;
            log.close().map_err(|(_, e)| error(e))?;
            // Until now the operator could have put the store back.
            if let Some(wal) = self.shared.files.as_ref().and_then(OpenFiles::wal_if_store_replaced) {
                let _ = store_record::set_aside(place, wal);
            }
            return Err(why);
        }
        if !place.is_memory() {
            let cut = || log.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(error);
            match cut() {
                // The index may take the space that the copy needs. The next start builds it again.
                Err(StoreError::Full { .. }) => {
                    index_files::give_back(&self.shared.index).and_then(|()| cut())
                }
                done => done,
            }?;
        }
        schema::keep_wal(&log, false).map_err(error)?;
        log.close().map_err(|(_, e)| error(e))
    }
}

/// Checks the path of the store, then starts the thread that opens it for checkpoints.
pub(super) fn start_checkpoints(shared: &Shared) -> Result<Checkpoints, StoreError> {
    shared.check_log()?;
    Checkpoints::start(&shared.log, checkpoint::Thresholds::default())
}

/// Watches the newest number in the store's file again, from `head` on. Possible once the whole write-ahead
/// log is copied, because the number does not fall after that. If a reader delays the copy, this is tried
/// again later.
pub(super) fn watch_head_again(files: &OpenFiles, log: &Connection, head: Seq) {
    if !files.is_head_watched()
        && checkpoint::run(log, "PASSIVE").is_ok_and(|now| now.uncopied() == 0)
        && let Ok(on) = TotalsPage::find(log)
    {
        files.watch_head(on, head);
    }
}

/// Stops backups: none begins after this, and a running one ends after its current step.
fn stop_backups(shared: &Shared) {
    shared.closing.store(true, Ordering::Release);
    drop(shared.backing_up.lock().unwrap_or_else(PoisonError::into_inner));
}

/// A backup was written over the store while it was in use. The next start would apply our write-ahead log to
/// it, so the log is renamed.
fn set_aside_foreign_wal(shared: &Shared) {
    if let Some(wal) = shared.files.as_ref().and_then(OpenFiles::wal_if_store_overwritten) {
        // `set_aside` logs a failure; the following operations fail in any case.
        let _ = store_record::set_aside(&shared.log, wal);
    }
}
