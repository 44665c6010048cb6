//! Decides on a small disk whether a turn leaves enough space for the work after it. The write-ahead log must
//! be copied into the store's file, which can grow by that, and a removal of messages writes, too. A turn
//! that took the last space would make both impossible, and the store would stay full. Called by the writer
//! before it commits, if the disk is small. Never writes to the disk, and never removes messages.

use super::location::{self, PAGE_BYTES};
use super::open_files::{FRAME_HEADER, OpenFiles, WAL_HEADER};
use super::{Store, StoreError, checkpoint};
use rusqlite::Connection;
use std::sync::Arc;

/// Bytes that stay free for removals.
pub(super) const RESERVE: u64 = 512 << 10;
/// The reserve after a turn that fits into the store's present file. Such a turn only needs space for its
/// write-ahead log, and gets it back with the copy. It is smaller than [`RESERVE`] by the size of a long
/// message, so that one can be written once the file has as much unused space.
const RESERVE_WITHIN: u64 = 64 << 10;
/// Pages that a turn changes besides the filled ones and those of scattered rows: of sessions, of rooms, and
/// inner pages of B-trees.
const CHANGED_PAGES: u64 = 32;
/// Pages that a removal changes for each scattered row, as an upper bound of the average: the row's page, and
/// its neighbours when an emptied page is merged with them.
const PAGES_PER_ROW: u64 = 2;
/// Pages that a long message fills, about.
const MESSAGE_PAGES: u64 = 32;
/// Pages that one trunk page of the freelist lists, about. SQLite writes only the trunk page, not the freed
/// pages.
const PAGES_PER_TRUNK: u64 = 1_000;
/// With less free space than this, in bytes, a removal first copies the write-ahead log.
const LOW_BYTES: u64 = 2 << 20;
/// Bytes of one page in the write-ahead log, its frame header included.
const FRAME_BYTES: u64 = FRAME_HEADER + PAGE_BYTES;

/// What must fit on the disk after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Headroom {
    /// The copy of the write-ahead log, and the reserve.
    Reserve,
    /// The copy of the write-ahead log. For removals.
    Checkpoint,
}

/// What one slice of a removal may write.
#[derive(Debug, Clone, Copy)]
pub(super) struct RemovalBudget {
    /// Bytes of the write-ahead log.
    pub(super) bytes: u64,
    /// The number of scattered rows: at least one, so that each slice makes progress.
    pub(super) rows: u64,
}

impl RemovalBudget {
    fn of(bytes: u64) -> Self {
        let pages = (bytes / FRAME_BYTES).saturating_sub(CHANGED_PAGES);
        Self { bytes, rows: (pages / PAGES_PER_ROW).max(1) }
    }
}

/// The store before a turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpaceBefore {
    /// Where the turn starts in the write-ahead log, in bytes.
    pub(super) wal_at: u64,
    pages: PageCounts,
}

/// The number of pages of the store, those that are only in the write-ahead log included.
#[derive(Debug, Clone, Copy)]
struct PageCounts {
    all: u64,
    unused: u64,
}

impl PageCounts {
    fn measure(log: &Connection) -> rusqlite::Result<Self> {
        let number = |sql| log.prepare_cached(sql)?.query_row([], |row| super::rows::number(row, 0));
        Ok(Self { all: number("PRAGMA page_count")?, unused: number("PRAGMA freelist_count")? })
    }
}

impl SpaceBefore {
    /// Must be called outside a transaction.
    pub(super) fn measure(log: &Connection) -> rusqlite::Result<Self> {
        let length = checkpoint::run(log, "NOOP")?;
        // A reader may still need the frames of the log. Then the turn is written after them.
        let starts_over = length.uncopied() == 0
            && (length.pages <= 0 || checkpoint::try_restart_wal(log)?.uncopied() == 0);
        let pages = u64::try_from(length.pages).unwrap_or(0);
        let wal_at = if starts_over { 0 } else { WAL_HEADER + pages * FRAME_BYTES };
        Ok(Self { wal_at, pages: PageCounts::measure(log)? })
    }

    /// Whether a turn leaves `headroom` free. Called inside the transaction, after all writes. `scattered`: the
    /// number of written rows that may each be in a page of its own.
    pub(super) fn allows(
        self,
        log: &Connection,
        files: &OpenFiles,
        headroom: Headroom,
        scattered: u64,
    ) -> rusqlite::Result<bool> {
        let now = PageCounts::measure(log)?;
        let taken = self.pages.unused.saturating_sub(now.unused);
        let freed = now.unused.saturating_sub(self.pages.unused);
        let filled = now.all.saturating_sub(self.pages.all) + taken + freed.div_ceil(PAGES_PER_TRUNK);
        Ok(self.has_space(files, now.all, filled + scattered, headroom))
    }

    /// Whether a turn with one long message would leave the reserve.
    fn has_space_for_message(self, files: &OpenFiles) -> bool {
        let grown = self.pages.all + MESSAGE_PAGES.saturating_sub(self.pages.unused);
        self.has_space(files, grown, MESSAGE_PAGES, Headroom::Reserve)
    }

    /// Whether there is enough space once the store has `pages` pages, of which a turn has filled or changed
    /// `filled`.
    fn has_space(self, files: &OpenFiles, pages: u64, filled: u64, headroom: Headroom) -> bool {
        let Ok((store, wal)) = files.bytes() else { return true };
        let copy = (pages * PAGE_BYTES).saturating_sub(store);
        let (written, reserve) = match headroom {
            Headroom::Reserve if copy == 0 => (2 * filled + CHANGED_PAGES, RESERVE_WITHIN),
            Headroom::Reserve => (2 * filled + CHANGED_PAGES, RESERVE),
            Headroom::Checkpoint => (filled + CHANGED_PAGES, 0),
        };
        let turn = (self.wal_at + written * FRAME_BYTES).saturating_sub(wal);
        // What fits into the existing files needs no space.
        copy + turn == 0 || copy + turn + reserve <= free_bytes(files)
    }

    /// The bytes that a turn may add to the write-ahead log.
    fn writable_bytes(self, files: &OpenFiles) -> u64 {
        let Ok((store, wal)) = files.bytes() else { return u64::MAX };
        let copy = (self.pages.all * PAGE_BYTES).saturating_sub(store);
        (free_bytes(files) + wal).saturating_sub(copy + self.wal_at)
    }
}

/// How many waiting ids a turn may write, with so many free bytes: they may use a quarter of it.
pub(super) fn max_ids_to_write(free_bytes: Option<u64>) -> usize {
    free_bytes.and_then(|free| usize::try_from(free / 4 / FRAME_BYTES).ok()).unwrap_or(usize::MAX)
}

fn free_bytes(files: &OpenFiles) -> u64 {
    location::free_bytes(files.folder()).unwrap_or(u64::MAX >> 1)
}

impl Store {
    /// Checks that a message could be committed. To be called after [`Store::probe`], before a store that was
    /// full is used again.
    ///
    /// # Errors
    /// The disk has too little free space.
    pub fn check_disk_space(&mut self) -> Result<(), StoreError> {
        if self.has_disk_space()? {
            return Ok(());
        }
        self.set_index_gives_room(true);
        Err(StoreError::Full { store: self.shared.log.to_string() })
    }

    pub(super) fn has_disk_space(&mut self) -> Result<bool, StoreError> {
        let shared = Arc::clone(&self.shared);
        let Some(files) = &shared.files else { return Ok(true) };
        self.with_connection("read", |log, _| Ok(SpaceBefore::measure(log)?.has_space_for_message(files)))
    }

    /// What a removal may write. `None`: the disk is large enough.
    pub(super) fn removal_budget(&mut self) -> Result<Option<RemovalBudget>, StoreError> {
        let shared = Arc::clone(&self.shared);
        match &shared.files {
            Some(files) if self.checkpoints.is_disk_small() => self.with_connection("read", |log, _| {
                let mut bytes = SpaceBefore::measure(log)?.writable_bytes(files);
                // Restarting the write-ahead log frees more space.
                if bytes < LOW_BYTES && checkpoint::try_restart_wal(log).is_ok() {
                    bytes = SpaceBefore::measure(log)?.writable_bytes(files);
                }
                Ok(Some(RemovalBudget::of(bytes)))
            }),
            _ => Ok(None),
        }
    }

    /// Copies the write-ahead log and truncates it, which frees its space. False: it could not.
    pub(super) fn free_wal_space(&mut self) -> bool {
        self.checkpoints.check_each_turn();
        !self.shared.log.is_memory()
            && self
                .with_connection("write", |log, _| checkpoint::truncate_wal(log))
                .is_ok_and(|now| now.uncopied() == 0)
    }
}
