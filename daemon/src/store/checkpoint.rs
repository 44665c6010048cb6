//! Decides when the write-ahead log is copied into the store's file. SQLite would copy in the commit that
//! crosses a limit, and while others read, in each commit after it: a turn would wait for the disk. Here a
//! thread copies while the writer continues. When everything is copied in a pause between turns, SQLite
//! restarts the log with the next turn. If no pause comes for long, the writer restarts the log itself, and
//! waits for the disk. Never changes a row.

use super::location::{self, Location};
use super::{StoreError, rows, schema};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a restart of the log waits for readers. They are done within a few milliseconds, except a backup:
/// the write-ahead log grows until it is done.
const READER_WAIT: Duration = Duration::from_millis(50);
/// A time without a turn that counts as a pause. Two syncs take as long on an average disk.
const PAUSE: Duration = Duration::from_millis(20);

/// After a truncation that a reader prevented, the next attempt comes after this time.
const TRUNCATE_AGAIN: Duration = Duration::from_millis(250);

/// With less free space than this, in bytes, each turn checks the disk.
const SMALL_DISK_BYTES: u64 = 64 << 20;

/// The thread that copies the write-ahead log. It ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    folder: PathBuf,
    /// The free space of the disk in bytes, as last measured. `None`: not measured.
    free_bytes: Option<u64>,
    is_disk_small: bool,
    wake: Option<SyncSender<()>>,
    copying: Arc<AtomicBool>,
    /// The write-ahead log has a text that was redacted: it must be truncated in the next pause.
    truncates: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    thresholds: Thresholds,
    restart_at: i64,
    tight_at: i64,
    turns: u64,
}

/// The thresholds, in pages of the write-ahead log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Thresholds {
    /// Turns between two measurements, each of which costs a fifth of a small turn.
    pub(super) measure_every: u64,
    /// From here on a copy is worth its cost.
    pub(super) copy_from: i64,
    /// From here on the thread waits for a pause, to copy all of the log so that it restarts.
    pub(super) pause_from: i64,
    /// From here on the writer restarts the log itself. A start after a crash has to read about as much.
    pub(super) restart_from: i64,
    /// A redacted text is in the log for this time at most while turns come without a pause. Then the log is truncated
    /// between two turns, and a turn may wait for the disk.
    pub(super) truncate_within: Duration,
}

impl Default for Thresholds {
    /// With pages of 4 KiB: 4, 24 and 96 MiB.
    fn default() -> Self {
        Self {
            measure_every: 8,
            copy_from: 1_000,
            pause_from: 6_000,
            restart_from: 24_000,
            truncate_within: Duration::from_secs(5),
        }
    }
}

impl Checkpoints {
    /// Starts the thread. A log in memory needs none.
    pub(super) fn start(place: &Location, thresholds: Thresholds) -> Result<Self, StoreError> {
        let mut checkpoints = Self::default();
        checkpoints.thresholds = thresholds;
        if !place.is_memory() {
            let (wake, wakes) = sync_channel(1);
            let copying = Arc::clone(&checkpoints.copying);
            let truncates = Arc::clone(&checkpoints.truncates);
            let log = schema::open_for_checkpoints(place)?;
            let thread = std::thread::Builder::new()
                .name("checkpoints".into())
                .spawn(move || Checkpointer { log, thresholds, copying, truncates }.run(&wakes))
                .map_err(|e| StoreError::io("start a thread for", &place.path(), &e))?;
            checkpoints.folder = place.folder();
            checkpoints.free_bytes = location::free_bytes(&checkpoints.folder);
            checkpoints.is_disk_small = true;
            checkpoints.wake = Some(wake);
            checkpoints.thread = Some(thread);
        }
        Ok(checkpoints)
    }

    /// Has the write-ahead log truncated, and not only copied, in the next pause between turns, or without one after
    /// `truncate_within`. Until then it has the texts that were redacted.
    pub(super) fn must_truncate(&mut self) {
        if let Some(wake) = &self.wake {
            self.truncates.store(true, Ordering::Release);
            let _ = wake.try_send(());
        }
    }

    /// Runs after each turn of the writer. Errors are ignored, because the turn is committed and the next one
    /// tries again.
    pub(super) fn after_turn(&mut self, log: &Connection) {
        let Some(wake) = &self.wake else { return };
        self.turns += 1;
        if !self.is_disk_small && !self.turns.is_multiple_of(self.thresholds.measure_every) {
            return;
        }
        let Ok(now) = run(log, "NOOP") else { return };
        self.free_bytes = location::free_bytes(&self.folder);
        let free = self.free_bytes.unwrap_or(u64::MAX);
        // The copy may need as much space again.
        let left = u64::try_from(now.uncopied()).unwrap_or(0) * location::PAGE_BYTES;
        self.is_disk_small = free < SMALL_DISK_BYTES + 2 * left;
        // The log must not grow beyond the space that its copy needs, or it could never be copied. The search
        // index needs space, too.
        let needs_space = self.is_disk_small && left > free / 4;
        // Only one checkpoint can run at a time. The next measurement finds what is written meanwhile.
        if now.uncopied() == 0 || self.copying.load(Ordering::Acquire) {
            return;
        }
        let from =
            if needs_space { self.tight_at } else { self.restart_at.max(self.thresholds.restart_from) };
        if now.pages < from {
            if now.uncopied() >= self.thresholds.copy_from || now.pages >= self.thresholds.pause_from {
                // If the channel is full, the thread was woken already. If it is closed, the thread has
                // ended.
                let _ = wake.try_send(());
            }
            return;
        }
        let truncates = self.truncates.load(Ordering::Acquire);
        (self.restart_at, self.tight_at) = match if truncates { truncate_wal(log) } else { restart_wal(log) }
        {
            Ok(now) if now.uncopied() == 0 => {
                if truncates && now.pages == 0 {
                    self.truncates.store(false, Ordering::Release);
                }
                (0, 0)
            }
            // A reader holds old frames. The next attempt comes later, not with each turn.
            _ => (now.pages + self.thresholds.copy_from, now.pages + self.thresholds.copy_from / 4),
        };
    }
}

impl Checkpoints {
    /// The free space of the disk in bytes, as last measured. `None`: not known.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.free_bytes
    }

    /// Whether each turn must check that it leaves enough space on the disk.
    pub(super) fn is_disk_small(&self) -> bool {
        self.is_disk_small
    }

    /// After a full disk: the next turn checks the space.
    pub(super) fn check_each_turn(&mut self) {
        self.is_disk_small = true;
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was logged; the writer restarts the log without it.
            let _ = thread.join();
        }
    }
}

/// The state of the thread.
struct Checkpointer {
    log: Connection,
    thresholds: Thresholds,
    copying: Arc<AtomicBool>,
    truncates: Arc<AtomicBool>,
}

impl Checkpointer {
    fn run(self, wakes: &Receiver<()>) {
        while wakes.recv().is_ok() {
            let mut before = 0;
            let mut must_since: Option<Instant> = None;
            // Repeats until there is nothing left to do for now.
            while let Ok(now) = run(&self.log, "NOOP")
                && (now.uncopied() > 0 || self.must_truncate(now))
            {
                let mut wait = PAUSE;
                let truncates = self.must_truncate(now);
                let is_pause = now.pages == before && (truncates || now.pages >= self.thresholds.pause_from);
                must_since = truncates.then(|| must_since.unwrap_or_else(Instant::now));
                let is_overdue = must_since.is_some_and(|s| s.elapsed() >= self.thresholds.truncate_within);
                if truncates && (is_pause || is_overdue) {
                    if !self.truncate(if is_overdue { READER_WAIT } else { Duration::ZERO }) {
                        wait = TRUNCATE_AGAIN;
                    }
                } else if now.uncopied() >= self.thresholds.copy_from || is_pause {
                    self.copy();
                } else if now.pages < self.thresholds.pause_from && !truncates {
                    break;
                }
                before = match wakes.recv_timeout(wait) {
                    // A turn came.
                    Ok(()) => 0,
                    Err(RecvTimeoutError::Timeout) => now.pages,
                    Err(RecvTimeoutError::Disconnected) => return,
                };
            }
        }
    }

    /// Must the log be truncated? An empty one is.
    fn must_truncate(&self, now: WalLength) -> bool {
        now.pages > 0 && self.truncates.load(Ordering::Acquire)
    }

    /// Truncates the log. False: a reader holds it, or the writer does. Waits for them for this time.
    fn truncate(&self, wait: Duration) -> bool {
        self.copying.store(true, Ordering::Release);
        let _done = Done(&self.copying);
        // What is redacted from here on is in the log after the truncation, and sets the flag again.
        self.truncates.store(false, Ordering::Release);
        // Nearly all is copied before, so that a turn that comes now waits for little.
        let copied = run(&self.log, "PASSIVE").is_ok_and(|now| now.uncopied() == 0);
        let is_empty = (copied || !wait.is_zero())
            && run_with_timeout(&self.log, "TRUNCATE", wait).is_ok_and(|now| now.pages <= 0);
        if !is_empty {
            self.truncates.store(true, Ordering::Release);
        }
        is_empty
    }

    fn copy(&self) {
        self.copying.store(true, Ordering::Release);
        let _done = Done(&self.copying);
        if let Err(error) = run(&self.log, "PASSIVE") {
            // The next turns try again; the content of the log is safe meanwhile.
            tracing::debug!(event = "wal_not_copied", %error, "the write-ahead log could not be copied into the store");
        }
    }
}

/// Clears the flag at the end of a copy, also after a panic.
struct Done<'c>(&'c AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The length of the write-ahead log, in pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct WalLength {
    pub(super) pages: i64,
    copied: i64,
}

impl WalLength {
    pub(super) fn uncopied(self) -> i64 {
        self.pages - self.copied
    }
}

/// Copies all that readers allow, so that the next turn starts at the front of the write-ahead log.
pub(super) fn restart_wal(log: &Connection) -> rusqlite::Result<WalLength> {
    run_with_timeout(log, "RESTART", READER_WAIT)
}

/// The same without waiting for readers.
pub(super) fn try_restart_wal(log: &Connection) -> rusqlite::Result<WalLength> {
    run_with_timeout(log, "RESTART", Duration::ZERO)
}

/// Copies all that readers allow, and truncates the write-ahead log to zero bytes.
pub(super) fn truncate_wal(log: &Connection) -> rusqlite::Result<WalLength> {
    run_with_timeout(log, "TRUNCATE", READER_WAIT)
}

fn run_with_timeout(log: &Connection, mode: &str, timeout: Duration) -> rusqlite::Result<WalLength> {
    with_busy_timeout(log, timeout, |log| run(log, mode))
}

/// Runs `ask` with this busy timeout, then restores the old one.
pub(super) fn with_busy_timeout<T>(
    log: &Connection,
    timeout: Duration,
    ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    // In milliseconds. At the end of the daemon the writer's timeout is longer.
    let usual = log.prepare_cached("PRAGMA busy_timeout")?.query_row([], |row| rows::number(row, 0))?;
    log.busy_timeout(timeout)?;
    let done = ask(log);
    log.busy_timeout(Duration::from_millis(usual))?;
    done
}

/// Runs a checkpoint in this mode. Returns the length of the log afterwards.
pub(super) fn run(log: &Connection, mode: &str) -> rusqlite::Result<WalLength> {
    log.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?.query_row([], |row| {
        let (prevented, pages, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(WalLength { pages, copied: if prevented { copied.min(pages - 1) } else { copied } })
    })
}
