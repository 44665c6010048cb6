//! Owns the search index as files: opens and removes them, and gives their room back. Called by the indexer.
//! Never knows what is in them.

use super::location::{self, Location};
use super::{StoreError, disk_space, schema};
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::PathBuf;

/// Pages after which the index's write-ahead log is copied.
const LEAST: u64 = 16;
const MOST: u64 = 1_000;

/// One slice may merge all that the index has: it writes as much to the write-ahead log, and as much again to the
/// file. Of a large index FTS5 merges small parts, so no more than this is kept free for it, in bytes.
const MERGES: u64 = 16 << 20;

/// What the index does next, by what it leaves free on the disk: for a turn of many messages, and what that leaves.
#[derive(Debug, Clone, Copy)]
pub(super) enum Next {
    Grows,
    /// What removes messages from it, makes it smaller later.
    Shrinks,
    /// All of it is written again, and the old part is free only at the end.
    IsRewritten,
}

impl Next {
    fn leaves(self) -> u64 {
        match self {
            Self::Grows | Self::IsRewritten => 4 * disk_space::RESERVE,
            Self::Shrinks => 2 * disk_space::RESERVE,
        }
    }

    /// What a merge may write in an index of so many bytes.
    fn merges(self, bytes: u64) -> u64 {
        match self {
            Self::Grows => 2 * bytes.min(MERGES),
            Self::Shrinks => bytes.min(MERGES),
            // In the file, and in the write-ahead log until that is copied.
            Self::IsRewritten => 2 * bytes,
        }
    }
}

/// Has the disk room for that? The copy of the index's write-ahead log may need as much as that has: then it is
/// copied first, by `truncate_wal`, which says whether it could.
pub(super) fn has_room(place: &Location, next: Next, truncate_wal: impl FnOnce() -> bool) -> bool {
    let files = place.files();
    let [file, wal, ..] = files.as_slice() else { return true };
    let bytes = |path: &PathBuf| path.metadata().map_or(0, |data| data.len());
    let has_room = || {
        let needs = next.leaves() + bytes(wal) + next.merges(bytes(file));
        location::free_bytes(&place.folder()).is_none_or(|room| room >= needs)
    };
    has_room() || (truncate_wal() && has_room())
}

/// Opens the index, or makes its file.
pub(super) fn open(place: &Location) -> Result<Connection, StoreError> {
    place.create_file()?;
    let index = schema::open(place, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    // On a small disk its write-ahead log must leave room for messages.
    let pages = location::free_bytes(&place.folder()).map_or(MOST, |room| room / 8 / location::PAGE_BYTES);
    let pages = pages.clamp(LEAST, MOST);
    index
        .query_row(&format!("PRAGMA wal_autocheckpoint = {pages}"), [], |_| Ok(()))
        .map_err(|e| StoreError::sqlite("open", place, &e))?;
    Ok(index)
}

/// Removes the index's files, and gives their room back at once: readers have them open until they search
/// again. What is cut of a file that is mapped into memory would end them: so not the last one.
pub(super) fn give_back(place: &Location) -> Result<(), StoreError> {
    let open = |file: &PathBuf| File::options().write(true).open(file).ok();
    let files: Vec<_> = place.files().iter().take(2).filter_map(open).collect();
    remove(place)?;
    for file in files {
        let _ = file.set_len(0);
    }
    Ok(())
}

/// Removes the index's files. Readers that have them open see that there are others.
pub(super) fn remove(place: &Location) -> Result<(), StoreError> {
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
