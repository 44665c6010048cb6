//! Owns the search index as files: opens and removes them, and gives their room back. Called by the indexer.
//! Never knows what is in them.

use super::place::{self, Place};
use super::{StoreError, room, schema, words};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::PathBuf;

/// Pages after which the index's write-ahead log is copied.
const LEAST: u64 = 16;
const MOST: u64 = 1_000;

/// What the index does next, by what it leaves free on the disk: for a turn of many messages, and what that leaves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    Grows,
    /// What removes messages from it, makes it smaller later.
    Shrinks,
}

impl Next {
    fn leaves(self) -> u64 {
        match self {
            Self::Grows => 4 * room::RESERVE,
            Self::Shrinks => 2 * room::RESERVE,
        }
    }
}

/// Has the disk room for that? The copy of the index's write-ahead log may need as much as that has: then it is
/// copied first.
pub(super) fn has_room(place: &Place, index: &Connection, next: Next) -> bool {
    let files = place.files();
    let Some(wal) = files.get(1) else { return true };
    let has_room = || {
        let wal = wal.metadata().map_or(0, |wal| wal.len());
        place::free(&place.folder()).is_none_or(|room| room >= next.leaves() + wal)
    };
    let cut = || index.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).is_ok();
    has_room() || (cut() && has_room())
}

/// Opens the index, or makes its file.
pub(super) fn open(place: &Place) -> Result<Connection, StoreError> {
    place.make_file()?;
    let index = schema::open(place, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let set_up = || {
        words::set_up(&index)?;
        // On a small disk its write-ahead log must leave room for messages.
        let pages = place::free(&place.folder()).map_or(MOST, |room| room / 8 / place::PAGE_BYTES);
        let pages = pages.clamp(LEAST, MOST);
        index.query_row(&format!("PRAGMA wal_autocheckpoint = {pages}"), [], |_| Ok(()))
    };
    set_up().map_err(|e| StoreError::sqlite("open", place, &e))?;
    Ok(index)
}

/// Removes the index's files, and gives their room back at once: readers have them open until they search
/// again. What is cut of a file that is mapped into memory would end them: so not the last one.
pub(super) fn give_back(place: &Place) -> Result<(), StoreError> {
    let open = |file: &PathBuf| File::options().write(true).open(file).ok();
    let files: Vec<_> = place.files().iter().take(2).filter_map(open).collect();
    remove(place)?;
    for file in files {
        let _ = file.set_len(0);
    }
    Ok(())
}

/// Removes the index's files. Readers that have them open see that there are others.
pub(super) fn remove(place: &Place) -> Result<(), StoreError> {
    for file in place.files() {
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &file, &e));
            }
            _ => {}
        }
    }
    Ok(())
}
