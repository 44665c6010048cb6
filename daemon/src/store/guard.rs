//! Owns how the writer guards the log: against files that are removed or replaced while they are in
//! use, against a lock of another program, and at its end. The hub calls it between turns, when the
//! store fails, and when the daemon ends. Never writes a message.

use super::content::OnPage;
use super::files::Files;
use super::index_files;
use super::shared::Shared;
use super::wal::{self, Checkpoints};
use super::{Store, StoreError, remembered, schema};
use rusqlite::Connection;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tcp_chat_protocol::Seq;

/// Between two looks at the store's path, where turns are frequent.
pub(super) const BETWEEN_CHECKS: Duration = Duration::from_millis(20);

impl Store {
    /// Are the files still the ones that were opened, where they were? To be asked often, and before
    /// the end. If only the write-ahead log was taken away, what is in it goes into the store's file.
    ///
    /// # Errors
    /// They are not. The connection is opened again by the next use, if they are there again.
    pub fn check_files(&mut self) -> Result<(), StoreError> {
        let Some(files) = &self.shared.files else { return Ok(()) };
        let checked = files.check().and_then(|()| self.check_wal(files));
        if checked.is_ok() {
            if let Some(log) = &self.log {
                watch_head_again(files, log, self.totals.head);
            }
            return checked;
        }
        if files.may_copy()
            && let Some(log) = &self.log
            && wal::checkpoint(log, "FULL").is_ok_and(|now| now.left() == 0)
        {
            files.copied();
        }
        set_aside_foreign_wal(&self.shared);
        // Once more: the sentence says what was saved.
        files.check().and(checked)
    }

    /// Before a turn writes: what costs next to nothing at each, and the rest where turns are rare.
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

    fn check_wal(&self, files: &Files) -> Result<(), StoreError> {
        match &self.log {
            Some(log) => files.check_wal(|| wal::checkpoint(log, "NOOP").ok().map(|now| now.pages)),
            None => Ok(()),
        }
    }

    /// Could a turn be kept now? Cheap: it writes nothing, and waits for nobody.
    ///
    /// # Errors
    /// It could not.
    pub fn probe(&mut self) -> Result<(), StoreError> {
        self.check_files()?;
        let is_file = !self.shared.log.is_memory();
        self.with("write", |log, _| {
            wal::with_patience(log, Duration::ZERO, |log| log.execute_batch("BEGIN IMMEDIATE; ROLLBACK"))?;
            // On a full disk the write-ahead log takes the room that retention could write in.
            if is_file {
                let _ = wal::cut(log);
            }
            Ok(())
        })
    }

    /// Nobody waits for the hub any longer: a turn may wait longer for another program's lock.
    pub fn be_patient(&mut self) {
        if let Some(log) = &self.log {
            let _ = log.busy_timeout(schema::BUSY);
        }
    }

    /// Closes the file in order. A backup that runs is ended.
    ///
    /// # Errors
    /// The last checkpoint failed, and what was committed is kept all the same; or the files are not
    /// the ones that were opened.
    pub fn close(mut self) -> Result<(), StoreError> {
        end_backup(&self.shared);
        drop(self.indexer.take());
        // Before the last connection closes, which copies what is left.
        drop(std::mem::take(&mut self.checkpoints));
        let checked = self.check_files();
        let Some(log) = self.log.take() else { return checked };
        let place = &self.shared.log;
        let error = |e: rusqlite::Error| StoreError::sqlite("close", place, &e);
        if let Err(why) = checked {
            // What lies there now is not to be written to, nor its write-ahead log removed.
            let may_copy = self.shared.files.as_ref().is_some_and(Files::may_copy);
            schema::keep_wal(&log, !may_copy).map_err(error)?;
            log.close().map_err(|(_, e)| error(e))?;
            // Until now the store could have been put back.
            if let Some(wal) = self.shared.files.as_ref().and_then(Files::wal_of_a_store_replaced) {
                let _ = remembered::set_aside(place, wal);
            }
            return Err(why);
        }
        if !place.is_memory() {
            let cut = || log.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(error);
            match cut() {
                // The index may have taken the room for the copy; a start makes it again.
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

/// Opens the writer's threads' own connections after a look at the file that they open by its path.
pub(super) fn checked_checkpoints(shared: &Shared) -> Result<Checkpoints, StoreError> {
    shared.check_log()?;
    Checkpoints::start(&shared.log, wal::Pages::default())
}

/// Once all is copied, the newest number in the store's file does not fall any longer, whatever was taken back: it is
/// looked at again, from `head` on. Where somebody holds up the copy, later.
pub(super) fn watch_head_again(files: &Files, log: &Connection, head: Seq) {
    if !files.is_head_watched()
        && wal::checkpoint(log, "PASSIVE").is_ok_and(|now| now.left() == 0)
        && let Ok(on) = OnPage::of(log)
    {
        files.watch_head(on, head);
    }
}

/// No backup begins from here on; one that runs ends after its step.
fn end_backup(shared: &Shared) {
    shared.closing.store(true, Ordering::Release);
    drop(shared.backing_up.lock().unwrap_or_else(PoisonError::into_inner));
}

/// A backup was written over the store while it was in use. The next start would mix into it what our
/// write-ahead log has: that one gets another name.
fn set_aside_foreign_wal(shared: &Shared) {
    if let Some(wal) = shared.files.as_ref().and_then(Files::wal_of_a_store_written_over) {
        // It is said there; what follows fails in any case.
        let _ = remembered::set_aside(&shared.log, wal);
    }
}
