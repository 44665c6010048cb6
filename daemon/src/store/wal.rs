//! Owns when the write-ahead log is copied into the file. SQLite would do it in the commit that
//! crosses a line, and while others read it would try in each one from there on; a turn would wait
//! for the disk. So a thread of its own copies while the writer goes on. All of it copied in a lull,
//! SQLite starts the write-ahead log over with the next turn; where none comes for long, the writer
//! does it, and waits. Never touches a row.

use super::place::{self, Place};
use super::{StoreError, rows, schema};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a start-over waits for those who read. They are done in a few milliseconds, except a
/// backup: then the write-ahead log grows until it is done.
const READERS: Duration = Duration::from_millis(50);
/// So long without a turn is a lull. Two syncs take as long on a fair disk.
const LULL: Duration = Duration::from_millis(20);

/// With less room than this on the disk, each turn looks.
const TIGHT: u64 = 64 << 20;

/// The thread that copies. Dropped, it ends.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    folder: PathBuf,
    /// What the disk had room for at the last look; `None`: nobody looked.
    room: Option<u64>,
    is_tight: bool,
    bell: Option<SyncSender<()>>,
    copying: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    pages: Pages,
    restart_at: i64,
    tight_at: i64,
    turns: u64,
}

/// When to do what, in pages of the write-ahead log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pages {
    /// Turns between two looks, which cost a fifth of a small turn.
    pub(super) look_every: u64,
    /// A copy is worth it.
    pub(super) copy: i64,
    /// It should start over: from here on a lull is waited for, to copy all that is left.
    pub(super) long: i64,
    /// None came: the writer starts over itself. A start after a crash has to read about as much.
    pub(super) too_long: i64,
}

impl Default for Pages {
    /// Of 4 KiB each: 4, 24 and 96 MiB.
    fn default() -> Self {
        Self { look_every: 8, copy: 1_000, long: 6_000, too_long: 24_000 }
    }
}

impl Checkpoints {
    /// Starts the thread; there is nothing to do for a log in memory.
    pub(super) fn start(place: &Place, pages: Pages) -> Result<Self, StoreError> {
        let mut checkpoints = Self::default();
        checkpoints.pages = pages;
        if !place.is_memory() {
            let (bell, rings) = sync_channel(1);
            let copying = Arc::clone(&checkpoints.copying);
            let log = schema::open_for_checkpoints(place)?;
            let thread = std::thread::Builder::new()
                .name("checkpoints".into())
                .spawn(move || Copier { log, pages, copying }.run(&rings))
                .map_err(|e| StoreError::io("start a thread for", &place.path(), &e))?;
            checkpoints.folder = place.folder();
            checkpoints.room = place::free(&checkpoints.folder);
            checkpoints.is_tight = true;
            checkpoints.bell = Some(bell);
            checkpoints.thread = Some(thread);
        }
        Ok(checkpoints)
    }

    /// After each turn of the writer. What fails here is tried again: the turn is kept.
    pub(super) fn after_turn(&mut self, log: &Connection) {
        let Some(bell) = &self.bell else { return };
        self.turns += 1;
        if !self.is_tight && !self.turns.is_multiple_of(self.pages.look_every) {
            return;
        }
        let Ok(now) = checkpoint(log, "NOOP") else { return };
        self.room = place::free(&self.folder);
        let room = self.room.unwrap_or(u64::MAX);
        // The copy may need as much.
        let left = u64::try_from(now.left()).unwrap_or(0) * place::PAGE_BYTES;
        self.is_tight = room < TIGHT + 2 * left;
        // A write-ahead log that grew beyond the room that its copy needs could never be copied; and the
        // search index needs room, too.
        let needs_room = self.is_tight && left > room / 4;
        // Two cannot copy at once. What is written meanwhile is left for the next time.
        if now.left() == 0 || self.copying.load(Ordering::Acquire) {
            return;
        }
        let from = if needs_room { self.tight_at } else { self.restart_at.max(self.pages.too_long) };
        if now.pages < from {
            if now.left() >= self.pages.copy || now.pages >= self.pages.long {
                // It rings already, or the thread is gone.
                let _ = bell.try_send(());
            }
            return;
        }
        (self.restart_at, self.tight_at) = match start_over(log) {
            Ok(now) if now.left() == 0 => (0, 0),
            // Somebody reads what is old. Not with every turn.
            _ => (now.pages + self.pages.copy, now.pages + self.pages.copy / 4),
        };
    }
}

impl Checkpoints {
    /// What the disk had room for when it was last looked at; `None`: not known.
    pub(super) fn room(&self) -> Option<u64> {
        self.room
    }

    /// Must each turn look whether it leaves room on the disk?
    pub(super) fn is_tight(&self) -> bool {
        self.is_tight
    }

    /// The disk was full: the next turn looks.
    pub(super) fn look_at_each_turn(&mut self) {
        self.is_tight = true;
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

/// What the thread has.
struct Copier {
    log: Connection,
    pages: Pages,
    copying: Arc<AtomicBool>,
}

impl Copier {
    fn run(self, rings: &Receiver<()>) {
        while rings.recv().is_ok() {
            let mut before = 0;
            // Until there is nothing more to do for now.
            while let Ok(now) = checkpoint(&self.log, "NOOP")
                && now.left() > 0
            {
                let is_lull = now.pages >= self.pages.long && now.pages == before;
                if now.left() >= self.pages.copy || is_lull {
                    self.copy();
                } else if now.pages < self.pages.long {
                    break;
                }
                before = match rings.recv_timeout(LULL) {
                    // There was a turn.
                    Ok(()) => 0,
                    Err(RecvTimeoutError::Timeout) => now.pages,
                    Err(RecvTimeoutError::Disconnected) => return,
                };
            }
        }
    }

    fn copy(&self) {
        self.copying.store(true, Ordering::Release);
        let _done = Done(&self.copying);
        if let Err(error) = checkpoint(&self.log, "PASSIVE") {
            // Tried again with the next turns; what is in it is kept meanwhile.
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

/// The write-ahead log, in pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length {
    pub(super) pages: i64,
    copied: i64,
}

impl Length {
    pub(super) fn left(self) -> i64 {
        self.pages - self.copied
    }
}

/// Copies all that readers let it copy, so that the next turn begins at the front of the write-ahead log.
pub(super) fn start_over(log: &Connection) -> rusqlite::Result<Length> {
    copy_all(log, "RESTART", READERS)
}

/// The same, and does not wait for those who read.
pub(super) fn start_over_at_once(log: &Connection) -> rusqlite::Result<Length> {
    copy_all(log, "RESTART", Duration::ZERO)
}

/// The same, and cuts the write-ahead log to nothing.
pub(super) fn cut(log: &Connection) -> rusqlite::Result<Length> {
    copy_all(log, "TRUNCATE", READERS)
}

fn copy_all(log: &Connection, how: &str, patience: Duration) -> rusqlite::Result<Length> {
    with_patience(log, patience, |log| checkpoint(log, how))
}

/// Does it with so much patience for the locks of others, and with the usual again from there on.
pub(super) fn with_patience<T>(
    log: &Connection,
    patience: Duration,
    ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    // In milliseconds. At the end the writer has more than before.
    let usual = log.prepare_cached("PRAGMA busy_timeout")?.query_row([], |row| rows::number(row, 0))?;
    log.busy_timeout(patience)?;
    let done = ask(log);
    log.busy_timeout(Duration::from_millis(usual))?;
    done
}

/// Copies as `how` says, and tells what there is then.
pub(super) fn checkpoint(log: &Connection, how: &str) -> rusqlite::Result<Length> {
    log.prepare_cached(&format!("PRAGMA wal_checkpoint({how})"))?.query_row([], |row| {
        let (prevented, pages, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Length { pages, copied: if prevented { copied.min(pages - 1) } else { copied } })
    })
}
