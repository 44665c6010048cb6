//! Owns how many bytes the history may take, and how many it takes. The writer asks when it opens the
//! store and before it removes messages; readers ask for the metrics. Never removes anything.
//!
//! Only messages count, and the search index, which is on the same disk: the audit log, grants and sessions have
//! bounds of their own, and removing messages makes no room for them. The index counts for no more than the
//! messages do: its file does not shrink, and messages must not go for the room of those that went before.

use super::found;
use super::place::{self, Place};
use super::rows::{int, number};
use crate::settings::MaxBytes;
use rusqlite::Connection;

/// What a log in memory may take, in bytes: SQLite ends it at 1 GiB.
const MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// The least bound: an empty store takes a part of it.
const LEAST: u64 = 1 << 20;

/// What the row of a chunk holds beside its lines.
const OF_ROW: u64 = 32;
/// Its entry in the index of its conversation.
const OF_ENTRY: u64 = 32;
/// The id that a client gave to a message: filed by number and by session.
const OF_ID: u64 = 32;

/// What a chunk with so many bytes of lines and so many messages takes of the file, about.
pub(super) fn of_chunk(lines: u64, messages: u64) -> u64 {
    of_row(lines + OF_ROW) + OF_ENTRY + OF_ID * messages
}

/// What a row takes with its part of what its page leaves empty, as SQLite lays it out: rows in whole pages, and of a
/// row that is too long for one some in the page and the rest in pages of its own.
fn of_row(row: u64) -> u64 {
    /// What a page has room for, what of it a row may take, and what is left in it of a longer one, at least.
    const ROOM: u64 = place::PAGE_BYTES - 8;
    const MOST: u64 = place::PAGE_BYTES - 35;
    const PART: u64 = (place::PAGE_BYTES - 12) * 32 / 255 - 23;
    /// What a page of its own holds.
    const OWN: u64 = place::PAGE_BYTES - 4;
    let here = match row {
        ..=MOST => row,
        _ => Some(PART + (row - PART) % OWN).filter(|here| *here <= MOST).unwrap_or(PART),
    };
    let pages = (row - here).div_ceil(OWN);
    place::PAGE_BYTES * pages + place::PAGE_BYTES / (ROOM / (here + 8)).max(1)
}

/// Counts what the messages take where that is not known: once, in a store of an older version.
pub(super) fn count(log: &Connection) -> rusqlite::Result<()> {
    if log.query_row("SELECT bytes IS NOT NULL FROM totals", [], |row| row.get(0))? {
        return Ok(());
    }
    let mut chunks = log.prepare("SELECT length(lines), last - first + 1 FROM chunks")?;
    let all = chunks.query_map([], |row| Ok(of_chunk(number(row, 0)?, number(row, 1)?)))?;
    let all = all.sum::<rusqlite::Result<u64>>()?;
    log.execute("UPDATE totals SET bytes = ?1", [int(all)]).map(drop)
}

/// The bound on the history of a store that is being opened; `None`: there is none.
pub(super) fn bound(log: &Connection, place: &Place, wanted: MaxBytes) -> rusqlite::Result<Option<u64>> {
    match (wanted, place.is_memory()) {
        (MaxBytes::Bytes(bytes), true) => Ok(Some(bytes.min(MEMORY_BYTES))),
        (_, true) => Ok(Some(MEMORY_BYTES)),
        (MaxBytes::Bytes(bytes), false) => Ok(Some(bytes)),
        (MaxBytes::Unlimited, false) => Ok(None),
        (MaxBytes::HalfOfDisk, false) => half_of_disk(log, place),
    }
}

/// Measured once: what others write to the disk later must not remove messages. Where the system does not tell the size
/// of the disk, there is no bound, also where an older version of this program noted one.
fn half_of_disk(log: &Connection, place: &Place) -> rusqlite::Result<Option<u64>> {
    let Some(free) = place::free(&place.folder()) else { return Ok(None) };
    let known: Option<i64> = log.query_row("SELECT max_bytes FROM totals", [], |row| row.get(0))?;
    if let Some(known) = known.and_then(|known| u64::try_from(known).ok()) {
        return Ok(Some(known));
    }
    // A store that is there already keeps what it has.
    let half = (free / 2 + taken(found::totals(log)?.bytes, &place.index())).max(LEAST);
    // On a disk that is full it is measured again at the next start.
    let _ = log.execute("UPDATE totals SET max_bytes = ?1", [int(half)]);
    Ok(Some(half))
}

/// What messages of so many bytes and their index take of the bound.
pub(super) fn taken(messages: u64, index: &Place) -> u64 {
    messages + index_bytes(index).min(messages)
}

fn index_bytes(index: &Place) -> u64 {
    index.files().iter().map(|path| path.metadata().map_or(0, |file| file.len())).sum()
}
