//! Measures the size of the history, and sets its limit. Called by the writer when it opens the store and
//! before it removes messages, and by readers for the metrics. Never removes anything.
//!
//! Only messages and the search index count; the index is on the same disk. The audit log, grants and
//! sessions have limits of their own, and a removal of messages does not free space for them. The index
//! counts at most as much as the messages, because its file does not shrink: messages must not be removed
//! because of the words of earlier ones.

use super::location::{self, Location};
use super::rows::{int, number};
use super::totals;
use crate::settings::MaxBytes;
use rusqlite::Connection;

/// The limit of a log in memory, in bytes. SQLite ends it at 1 GiB.
const MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// The smallest limit in bytes: an empty store needs a part of it.
const MIN_BYTES: u64 = 1 << 20;

/// Bytes in the row of a chunk besides its lines.
const ROW_BYTES: u64 = 32;
/// Bytes of its entry in the index of its conversation.
const ENTRY_BYTES: u64 = 16;
/// Bytes of a message's request id: in `sent` and in `sent_as`.
const ID_BYTES: u64 = 32;

/// The approximate bytes of a chunk in the file, from the bytes of its lines and the number of its messages.
pub(super) fn chunk_bytes(lines: u64, messages: u64) -> u64 {
    row_bytes(lines + ROW_BYTES) + ENTRY_BYTES + ID_BYTES * messages
}

/// The bytes of a row, with its share of the unused space of its page. SQLite stores a short row in one page.
/// Of a long row it stores a part in that page, and the rest in overflow pages.
fn row_bytes(row: u64) -> u64 {
    /// The usable bytes of a page, the maximum of one row in it, and the minimum part of a longer row.
    const USABLE: u64 = location::PAGE_BYTES - 8;
    const MAX_ROW: u64 = location::PAGE_BYTES - 35;
    const MIN_PART: u64 = (location::PAGE_BYTES - 12) * 32 / 255 - 23;
    /// The usable bytes of an overflow page.
    const OVERFLOW_USABLE: u64 = location::PAGE_BYTES - 4;
    let here = match row {
        ..=MAX_ROW => row,
        _ => Some(MIN_PART + (row - MIN_PART) % OVERFLOW_USABLE)
            .filter(|here| *here <= MAX_ROW)
            .unwrap_or(MIN_PART),
    };
    let pages = (row - here).div_ceil(OVERFLOW_USABLE);
    location::PAGE_BYTES * pages + location::PAGE_BYTES / (USABLE / (here + 8)).max(1)
}

/// Counts the bytes of the messages once, in a store of an older version that does not have the number.
pub(super) fn count_if_unknown(log: &Connection) -> rusqlite::Result<()> {
    if log.query_row("SELECT bytes IS NOT NULL FROM totals", [], |row| row.get(0))? {
        return Ok(());
    }
    let mut chunks = log.prepare("SELECT length(lines), last - first + 1 FROM chunks")?;
    let all = chunks.query_map([], |row| Ok(chunk_bytes(number(row, 0)?, number(row, 1)?)))?;
    let all = all.sum::<rusqlite::Result<u64>>()?;
    log.execute("UPDATE totals SET bytes = ?1", [int(all)]).map(drop)
}

/// The limit of the history of a store that is being opened. `None`: there is no limit.
pub(super) fn max_bytes(
    log: &Connection,
    place: &Location,
    wanted: MaxBytes,
) -> rusqlite::Result<Option<u64>> {
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
fn half_of_disk(log: &Connection, place: &Location) -> rusqlite::Result<Option<u64>> {
    let Some(free) = location::free_bytes(&place.folder()) else { return Ok(None) };
    let known: Option<i64> = log.query_row("SELECT max_bytes FROM totals", [], |row| row.get(0))?;
    if let Some(known) = known.and_then(|known| u64::try_from(known).ok()) {
        return Ok(Some(known));
    }
    // An existing store keeps its messages.
    let half = (free / 2 + history_bytes(totals::read(log)?.bytes, &place.index())).max(MIN_BYTES);
    // If the disk is full, the next start measures again.
    let _ = log.execute("UPDATE totals SET max_bytes = ?1", [int(half)]);
    Ok(Some(half))
}

/// The bytes that the messages and their index take of the limit.
pub(super) fn history_bytes(messages: u64, index: &Location) -> u64 {
    messages + index_bytes(index).min(messages)
}

fn index_bytes(index: &Location) -> u64 {
    index.files().iter().map(|path| path.metadata().map_or(0, |file| file.len())).sum()
}
