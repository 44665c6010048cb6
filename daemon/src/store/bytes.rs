//! Measures the size of the history, and sets its limit. Called by the writer when it opens the store and
//! before it removes messages, and by readers for the metrics. Never removes anything.
//!
//! Only messages and the search index count; the index is on the same disk. The audit log, grants and
//! sessions have limits of their own, and a removal of messages does not free space for them. The index
//! counts at most as much as the messages, because its file does not shrink: messages must not be removed
//! because of the words of earlier ones.

use super::found;
use super::place::{self, Place};
use super::rows::{int, number};
use crate::settings::MaxBytes;
use rusqlite::Connection;

/// The limit of a log in memory, in bytes. SQLite ends it at 1 GiB.
const MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// The smallest limit in bytes: an empty store needs a part of it.
const LEAST: u64 = 1 << 20;

/// Bytes in the row of a chunk besides its lines.
const OF_ROW: u64 = 32;
/// Bytes of its entry in the index of its conversation.
const OF_ENTRY: u64 = 32;
/// Bytes of a message's request id: in `sent` and in `sent_as`.
const OF_ID: u64 = 32;

/// The approximate bytes of a chunk in the file, from the bytes of its lines and the number of its messages.
pub(super) fn of_chunk(lines: u64, messages: u64) -> u64 {
    of_row(lines + OF_ROW) + OF_ENTRY + OF_ID * messages
}

/// The bytes of a row, with its share of the unused space of its page. SQLite stores a short row in one page.
/// Of a long row it stores a part in that page, and the rest in overflow pages.
fn of_row(row: u64) -> u64 {
    /// The usable bytes of a page, the maximum of one row in it, and the minimum part of a longer row.
    const ROOM: u64 = place::PAGE_BYTES - 8;
    const MOST: u64 = place::PAGE_BYTES - 35;
    const PART: u64 = (place::PAGE_BYTES - 12) * 32 / 255 - 23;
    /// The usable bytes of an overflow page.
    const OWN: u64 = place::PAGE_BYTES - 4;
    let here = match row {
        ..=MOST => row,
        _ => Some(PART + (row - PART) % OWN).filter(|here| *here <= MOST).unwrap_or(PART),
    };
    let pages = (row - here).div_ceil(OWN);
    place::PAGE_BYTES * pages + place::PAGE_BYTES / (ROOM / (here + 8)).max(1)
}

/// Counts the bytes of the messages once, in a store of an older version that does not have the number.
pub(super) fn count(log: &Connection) -> rusqlite::Result<()> {
    if log.query_row("SELECT bytes IS NOT NULL FROM totals", [], |row| row.get(0))? {
        return Ok(());
    }
    let mut chunks = log.prepare("SELECT length(lines), last - first + 1 FROM chunks")?;
    let all = chunks.query_map([], |row| Ok(of_chunk(number(row, 0)?, number(row, 1)?)))?;
    let all = all.sum::<rusqlite::Result<u64>>()?;
    log.execute("UPDATE totals SET bytes = ?1", [int(all)]).map(drop)
}

/// The limit of the history of a store that is being opened. `None`: there is no limit.
pub(super) fn bound(log: &Connection, place: &Place, wanted: MaxBytes) -> rusqlite::Result<Option<u64>> {
    match (wanted, place.is_memory()) {
        (MaxBytes::Bytes(bytes), true) => Ok(Some(bytes.min(MEMORY_BYTES))),
        (_, true) => Ok(Some(MEMORY_BYTES)),
        (MaxBytes::Bytes(bytes), false) => Ok(Some(bytes)),
        (MaxBytes::Unlimited, false) => Ok(None),
        (MaxBytes::HalfOfDisk, false) => half_of_disk(log, place),
    }
}

/// Measured once, because messages must not be removed when other programs fill the disk later. If the system
/// does not report the size of the disk, there is no limit, even if an older version stored one.
fn half_of_disk(log: &Connection, place: &Place) -> rusqlite::Result<Option<u64>> {
    let Some(free) = place::free(&place.folder()) else { return Ok(None) };
    let known: Option<i64> = log.query_row("SELECT max_bytes FROM totals", [], |row| row.get(0))?;
    if let Some(known) = known.and_then(|known| u64::try_from(known).ok()) {
        return Ok(Some(known));
    }
    // An existing store keeps its messages.
    let half = (free / 2 + taken(found::totals(log)?.bytes, &place.index())).max(LEAST);
    // If the disk is full, the next start measures again.
    let _ = log.execute("UPDATE totals SET max_bytes = ?1", [int(half)]);
    Ok(Some(half))
}

/// The bytes that the messages and their index take of the limit.
pub(super) fn taken(messages: u64, index: &Place) -> u64 {
    messages + index_bytes(index).min(messages)
}

fn index_bytes(index: &Place) -> u64 {
    index.files().iter().map(|path| path.metadata().map_or(0, |file| file.len())).sum()
}
