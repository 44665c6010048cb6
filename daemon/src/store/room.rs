//! Owns whether a turn leaves room on a small disk for what has to follow it. The write-ahead log must be copied into
//! the store's file, which grows by that; and messages that have to go are removed by writing. A turn that took the
//! last room would make both impossible, and the store would refuse everything for good. The writer asks before it
//! commits, where the disk is small. Never writes, never removes.

use super::files::{FRAME_HEADER, Files, WAL_HEADER};
use super::place::{self, PAGE_BYTES};
use super::{Store, StoreError, wal};
use rusqlite::Connection;
use std::sync::Arc;

/// Bytes that stay free for what removes messages.
pub(super) const RESERVE: u64 = 512 << 10;
/// The same after a turn that fits into the store's file as it is. Such a turn takes room for its write-ahead log alone,
/// and gets it back with the copy. Less than [`RESERVE`] by what a long message writes, so that there is room for one
/// once that much of the file is unused.
const RESERVE_WITHIN: u64 = 64 << 10;
/// Pages that a turn changes beside those that it fills, and those of scattered rows: of sessions and rooms, and the
/// inner ones of trees.
const CHANGED: u64 = 32;
/// Pages that a removal changes for each of its scattered rows, at most on average: the row's own, and those beside it
/// where a page that got empty is joined with them.
const OF_SCATTERED: u64 = 2;
/// Pages that a turn fills with one long message, about.
const ONE_MESSAGE: u64 = 32;
/// Pages that one page of the freelist names, about. SQLite writes only the page that names them: what is in a freed page
/// is not written.
const IN_FREELIST: u64 = 1_000;
/// With less room than this, in bytes, a removal copies the write-ahead log first.
const LITTLE: u64 = 2 << 20;
/// Bytes of a page in the write-ahead log.
const FRAME_BYTES: u64 = FRAME_HEADER + PAGE_BYTES;

/// What a turn leaves free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaves {
    /// Room for the copy, and the reserve.
    Reserve,
    /// Room for the copy: it removes messages.
    Copy,
}

/// What a slice of a removal may write.
#[derive(Debug, Clone, Copy)]
pub(super) struct RemovalRoom {
    /// Bytes of the write-ahead log.
    pub(super) bytes: u64,
    /// Scattered rows: at least one, so that a removal goes on.
    pub(super) rows: u64,
}

impl RemovalRoom {
    fn of(bytes: u64) -> Self {
        let pages = (bytes / FRAME_BYTES).saturating_sub(CHANGED);
        Self { bytes, rows: (pages / OF_SCATTERED).max(1) }
    }
}

/// What the store was before a turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    /// Where in the write-ahead log the turn begins, in bytes.
    pub(super) wal_at: u64,
    pages: Pages,
}

/// The pages of the store, those included that only the write-ahead log has.
#[derive(Debug, Clone, Copy)]
struct Pages {
    all: u64,
    unused: u64,
}

impl Pages {
    fn look(log: &Connection) -> rusqlite::Result<Self> {
        let number = |sql| log.prepare_cached(sql)?.query_row([], |row| super::rows::number(row, 0));
        Ok(Self { all: number("PRAGMA page_count")?, unused: number("PRAGMA freelist_count")? })
    }
}

impl Before {
    /// Outside of a transaction.
    pub(super) fn look(log: &Connection) -> rusqlite::Result<Self> {
        let length = wal::checkpoint(log, "NOOP")?;
        // Somebody may still read what is in it: then the turn goes behind that.
        let starts_over =
            length.left() == 0 && (length.pages <= 0 || wal::start_over_at_once(log)?.left() == 0);
        let pages = u64::try_from(length.pages).unwrap_or(0);
        let wal_at = if starts_over { 0 } else { WAL_HEADER + pages * FRAME_BYTES };
        Ok(Self { wal_at, pages: Pages::look(log)? })
    }

    /// Inside of the turn, once all of it is written: does it leave that? `scattered`: how many rows it wrote that may
    /// each lie in a page of its own.
    pub(super) fn allows(
        self,
        log: &Connection,
        files: &Files,
        leaves: Leaves,
        scattered: u64,
    ) -> rusqlite::Result<bool> {
        let now = Pages::look(log)?;
        let taken = self.pages.unused.saturating_sub(now.unused);
        let freed = now.unused.saturating_sub(self.pages.unused);
        let filled = now.all.saturating_sub(self.pages.all) + taken + freed.div_ceil(IN_FREELIST);
        Ok(self.has_room(files, now.all, filled + scattered, leaves))
    }

    /// Would a turn leave the reserve that says one long message?
    fn has_room_for_one(self, files: &Files) -> bool {
        let grown = self.pages.all + ONE_MESSAGE.saturating_sub(self.pages.unused);
        self.has_room(files, grown, ONE_MESSAGE, Leaves::Reserve)
    }

    /// Once the store has so many pages, and a turn has filled or changed so many.
    fn has_room(self, files: &Files, pages: u64, filled: u64, leaves: Leaves) -> bool {
        let Ok((store, wal)) = files.bytes() else { return true };
        let copy = (pages * PAGE_BYTES).saturating_sub(store);
        let (written, reserve) = match leaves {
            Leaves::Reserve if copy == 0 => (2 * filled + CHANGED, RESERVE_WITHIN),
            Leaves::Reserve => (2 * filled + CHANGED, RESERVE),
            Leaves::Copy => (filled + CHANGED, 0),
        };
        let turn = (self.wal_at + written * FRAME_BYTES).saturating_sub(wal);
        // What stays within the files that are there needs no room.
        copy + turn == 0 || copy + turn + reserve <= free(files)
    }

    /// What a turn may write to the write-ahead log, in bytes.
    fn room(self, files: &Files) -> u64 {
        let Ok((store, wal)) = files.bytes() else { return u64::MAX };
        let copy = (self.pages.all * PAGE_BYTES).saturating_sub(store);
        (free(files) + wal).saturating_sub(copy + self.wal_at)
    }
}

/// How many of the ids that wait a turn may file, where the disk has so much room: they may take a quarter of it.
pub(super) fn ids_to_file(room: Option<u64>) -> usize {
    room.and_then(|room| usize::try_from(room / 4 / FRAME_BYTES).ok()).unwrap_or(usize::MAX)
}

fn free(files: &Files) -> u64 {
    place::free(files.folder()).unwrap_or(u64::MAX >> 1)
}

impl Store {
    /// Could a message be kept? To be asked before a store is used again that was full, after [`Store::probe`].
    ///
    /// # Errors
    /// There is no room on the disk.
    pub fn check_room(&mut self) -> Result<(), StoreError> {
        if self.has_room()? {
            return Ok(());
        }
        self.index_gives_room(true);
        Err(StoreError::Full { store: self.shared.log.to_string() })
    }

    pub(super) fn has_room(&mut self) -> Result<bool, StoreError> {
        let shared = Arc::clone(&self.shared);
        let Some(files) = &shared.files else { return Ok(true) };
        self.with("read", |log, _| Ok(Before::look(log)?.has_room_for_one(files)))
    }

    /// What a removal may write; `None`: there is no need to know.
    pub(super) fn room_for_removal(&mut self) -> Result<Option<RemovalRoom>, StoreError> {
        let shared = Arc::clone(&self.shared);
        match &shared.files {
            Some(files) if self.checkpoints.is_tight() => self.with("read", |log, _| {
                let mut room = Before::look(log)?.room(files);
                // From the front of the write-ahead log there is more.
                if room < LITTLE && wal::start_over_at_once(log).is_ok() {
                    room = Before::look(log)?.room(files);
                }
                Ok(Some(RemovalRoom::of(room)))
            }),
            _ => Ok(None),
        }
    }

    /// Copies the write-ahead log, and gives its room back to the disk. False: it could not.
    pub(super) fn make_room(&mut self) -> bool {
        self.checkpoints.look_at_each_turn();
        !self.shared.log.is_memory()
            && self.with("write", |log, _| wal::cut(log)).is_ok_and(|now| now.left() == 0)
    }
}
