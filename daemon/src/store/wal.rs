//! Owns when the write-ahead log is copied into the file. SQLite would do it in the commit that
//! crosses a line, and while others read it would try in each one from there on; a turn would wait
//! for the disk. So a thread of its own copies while the writer goes on, and the writer only
//! starts the write-ahead log over when little is left to copy. Never touches a row.

use super::place::Place;
use super::{StoreError, schema};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a start-over waits for those who read. They are done in a few milliseconds, except a
/// backup: then the write-ahead log grows until it is done.
const READERS: Duration = Duration::from_millis(50);

/// The thread that copies. Dropped, it ends.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    bell: Option<SyncSender<()>>,
    copying: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    pages: Pages,
    restart_at: i64,
    turns: u64,
}

/// When to do what, in pages of the write-ahead log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages {
    /// Turns between two looks, which cost a fifth of a small turn.
    pub(super) look_every: u64,
    /// A copy is worth it.
    pub(super) copy: i64,
    /// The writer starts over once the rest is less than a copy. A start after a crash has to
    /// read about as much.
    pub(super) restart: i64,
    /// It does not wait for that any more.
    pub(super) too_many: i64,
}

impl Default for Pages {
    /// Of 4 KiB each: 4, 24 and 96 MiB.
    fn default() -> Self {
        Self { look_every: 8, copy: 1_000, restart: 6_000, too_many: 24_000 }
    }
}

impl Checkpoints {
    /// Starts the thread; there is nothing to do for a log in memory.
    pub(super) fn start(place: &Place) -> Result<Self, StoreError> {
        let mut checkpoints = Self::default();
        if !place.is_memory() {
            let (bell, rings) = sync_channel(1);
            let copying = Arc::clone(&checkpoints.copying);
            let log = schema::open_for_checkpoints(place)?;
            let thread = std::thread::Builder::new()
                .name("checkpoints".into())
                .spawn(move || copy(&log, &rings, &copying))
                .map_err(|e| StoreError::io("start a thread for", &place.path(), &e))?;
            checkpoints.bell = Some(bell);
            checkpoints.thread = Some(thread);
        }
        Ok(checkpoints)
    }

    /// After each turn of the writer. What fails here is tried again: the turn is kept.
    pub(super) fn after_turn(&mut self, log: &Connection) {
        let Some(bell) = &self.bell else { return };
        self.turns += 1;
        if !self.turns.is_multiple_of(self.pages.look_every) {
            return;
        }
        let Ok((pages, copied)) = checkpoint(log, "PRAGMA wal_checkpoint(NOOP)") else { return };
        // Two cannot copy at once. What is written meanwhile is left for the next time.
        if pages - copied == 0 || self.copying.load(Ordering::Acquire) {
            return;
        }
        let few_are_left = pages - copied < self.pages.copy;
        self.restart_at = self.restart_at.max(self.pages.restart);
        if pages >= self.restart_at && (few_are_left || pages >= self.pages.too_many) {
            let _ = log.busy_timeout(READERS);
            let done = checkpoint(log, "PRAGMA wal_checkpoint(RESTART)");
            let _ = log.busy_timeout(schema::BUSY);
            self.restart_at = match done {
                Ok((pages, copied)) if pages == copied => 0,
                // Somebody reads what is old. Not with every turn.
                _ => pages + self.pages.copy,
            };
        } else if !few_are_left {
            self.copying.store(true, Ordering::Release);
            // There is room for one, and nobody else rings; or else the thread is gone.
            if bell.try_send(()).is_err() {
                self.copying.store(false, Ordering::Release);
            }
        }
    }

    /// Tests have less time.
    #[cfg(test)]
    pub(super) fn set_pages(&mut self, pages: Pages) {
        self.pages = pages;
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.bell.take());
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was logged; the writer starts over without it.
            let _ = thread.join();
        }
    }
}

fn copy(log: &Connection, rings: &Receiver<()>, copying: &AtomicBool) {
    while rings.recv().is_ok() {
        let _done = Done(copying);
        if let Err(error) = checkpoint(log, "PRAGMA wal_checkpoint(PASSIVE)") {
            tracing::debug!(event = "wal_not_copied", %error, "the write-ahead log could not be copied into the store");
        }
    }
}

/// However a copy ended, it did.
struct Done<'c>(&'c AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// How many pages there are, and how many of them are copied.
fn checkpoint(log: &Connection, sql: &str) -> rusqlite::Result<(i64, i64)> {
    log.prepare_cached(sql)?.query_row([], |row| {
        let (prevented, pages, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((pages, if prevented { copied.min(pages - 1) } else { copied }))
    })
}
