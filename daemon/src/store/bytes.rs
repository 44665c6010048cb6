//! Owns how many bytes the history may take, and how many it takes. The writer asks when it opens the
//! store and before it removes messages; readers ask for the metrics. Never removes anything.
//!
//! The search index counts, since it is on the same disk. It counts for no more than the messages do:
//! its file does not shrink, and messages must not go for the room of those that went before.

use super::place::{self, Place};
use super::rows::int;
use super::shared::Shared;
use crate::settings::MaxBytes;
use rusqlite::Connection;

/// What a log in memory may take, in bytes: SQLite ends it at 1 GiB.
const MEMORY_BYTES: u64 = 256 * 1024 * 1024;
/// The least bound: an empty store takes a part of it.
const LEAST: u64 = 1 << 20;

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

/// Measured once: what others write to the disk later must not remove messages.
fn half_of_disk(log: &Connection, place: &Place) -> rusqlite::Result<Option<u64>> {
    let known: Option<i64> = log.query_row("SELECT max_bytes FROM totals", [], |row| row.get(0))?;
    if let Some(known) = known.and_then(|known| u64::try_from(known).ok()) {
        return Ok(Some(known));
    }
    let Some(free) = place::free(&place.folder()) else { return Ok(None) };
    // A store that is there already keeps what it has.
    let taken = used(log)?;
    let half = (free / 2 + taken + index_bytes(&place.index()).min(taken)).max(LEAST);
    // On a disk that is full it is measured again at the next start.
    let _ = log.execute("UPDATE totals SET max_bytes = ?1", [int(half)]);
    Ok(Some(half))
}

/// What the history takes of its bound.
pub(super) fn taken(log: &Connection, shared: &Shared) -> rusqlite::Result<u64> {
    let messages = used(log)?;
    Ok(messages + index_bytes(&shared.index).min(messages))
}

/// What the log takes without the pages that wait to be used again.
pub(super) fn used(log: &Connection) -> rusqlite::Result<u64> {
    let of = |sql| log.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
    let bytes = (of("PRAGMA page_count")? - of("PRAGMA freelist_count")?) * of("PRAGMA page_size")?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

fn index_bytes(index: &Place) -> u64 {
    index.files().iter().map(|path| path.metadata().map_or(0, |file| file.len())).sum()
}
