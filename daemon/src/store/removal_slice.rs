//! One slice of a removal: its size limits, and its execution. Called by `retention`, which selects the rows,
//! and by the writer. Never decides what is removed.

use super::disk_space::RemovalBudget;
use super::history_size;
use super::redactions;
use super::request_ids;
use super::retention::{Bounds, RemovalKind, Removed};
use super::rows::{int, number};
use rusqlite::Connection;
use tcp_chat_protocol::Seq;

/// The maximum number of chunks in a slice.
const SLICE_CHUNKS: usize = 128;

/// The maximum number of scattered rows in a slice: one for each message that may have an id, and one for
/// each chunk.
const SLICE_ROWS: u64 = 2_048;

/// Ids of one session are neighbours: at least so many share a page.
const IDS_IN_PAGE: u64 = 8;

/// The maximum number of bytes of messages in a slice, except that one chunk always fits.
const SLICE_BYTES: i64 = 512 * 1024;

/// How often a slice can be halved to fit the free space: after that it has one chunk.
const MAX_HALVINGS: u32 = 7;

/// How often a slice can be halved because the store was full nevertheless: after that it has one row.
pub(super) const MAX_HALVINGS_WHEN_FULL: u32 = SLICE_ROWS.ilog2();

/// A slice with `n` bytes of messages writes less than 4 × `n` bytes.
fn halvings_to_fit(free_bytes: u64) -> u32 {
    let fits = |n: &u32| u64::try_from(SLICE_BYTES >> n).is_ok_and(|bytes| bytes <= free_bytes / 4);
    (0..MAX_HALVINGS).find(fits).unwrap_or(MAX_HALVINGS)
}

/// The content of one slice.
#[derive(Debug)]
pub(super) struct RemovalSlice {
    pub(super) kind: RemovalKind,
    /// The chunks to remove, each with its first and last number, in order.
    pub(super) chunks: Vec<(Seq, Seq)>,
    /// The messages whose ids are removed, as ranges of numbers, in order. If the first chunk has more ids
    /// than a slice may remove, this slice only removes ids, and a later one the chunk with the rest of them.
    pub(super) ids: Vec<(Seq, Seq)>,
    /// Removed messages whose ids stay for a later slice.
    pub(super) left: Vec<(Seq, Seq)>,
    /// The bytes of the removed messages.
    pub(super) bytes: u64,
    /// The number of removed messages, by reason.
    pub(super) removed: Removed,
    /// Removed conversations, or ended sessions, of which nothing is left after this slice.
    pub(super) gone: Vec<i64>,
    /// The maximum number of scattered rows.
    pub(super) rows: u64,
}

/// The size limits of a slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct SliceLimits {
    pub(super) chunks: usize,
    /// Scattered rows. The first chunk may exceed this.
    pub(super) rows: u64,
    /// Bytes of messages. The last chunk may exceed this.
    bytes: i64,
}

impl SliceLimits {
    pub(super) fn new(budget: Option<RemovalBudget>, halvings_when_full: u32) -> Self {
        let halvings = budget.map_or(0, |budget| halvings_to_fit(budget.bytes)) + halvings_when_full;
        let rows = budget.map_or(SLICE_ROWS, |budget| budget.rows) >> halvings_when_full;
        Self {
            chunks: (SLICE_CHUNKS >> halvings).max(1),
            rows: rows.min(SLICE_ROWS >> halvings).max(1),
            bytes: (SLICE_BYTES >> halvings).max(1),
        }
    }

    /// The limits of `slices` full slices together.
    pub(super) fn for_slices(slices: usize) -> Self {
        let bytes = SLICE_BYTES.saturating_mul(i64::try_from(slices).unwrap_or(i64::MAX));
        Self { chunks: SLICE_CHUNKS * slices, rows: SLICE_ROWS * slices as u64, bytes }
    }

    /// Takes the first chunks of a query that `go` accepts, up to the limits. True: there are no more of
    /// them.
    pub(super) fn take_chunks(
        &mut self,
        slice: &mut RemovalSlice,
        log: &Connection,
        sql: &str,
        of: impl rusqlite::Params,
        mut go: impl FnMut((Seq, Seq), i64) -> bool,
    ) -> rusqlite::Result<bool> {
        let mut query = log.prepare_cached(sql)?;
        let mut rows = query.query(of)?;
        while let Some(row) = rows.next()? {
            let (chunk, size) = ((number(row, 0)?, number(row, 1)?), row.get::<_, i64>(2)?);
            let count = chunk.1 - chunk.0 + 1;
            // A chunk has one index entry besides its ids.
            let has_rows = count < self.rows || slice.chunks.is_empty();
            if self.chunks == 0 || !has_rows || self.bytes <= 0 {
                return Ok(false);
            }
            if !go(chunk, size) {
                break;
            }
            slice.chunks.push(chunk);
            slice.bytes += history_size::chunk_bytes(u64::try_from(size).unwrap_or(0), count);
            self.chunks -= 1;
            self.rows = self.rows.saturating_sub(count + 1);
            self.bytes -= size;
        }
        Ok(true)
    }
}

impl RemovalSlice {
    pub(super) fn new(kind: RemovalKind) -> Self {
        Self {
            kind,
            chunks: Vec::new(),
            ids: Vec::new(),
            left: Vec::new(),
            bytes: 0,
            removed: Removed::default(),
            gone: Vec::new(),
            rows: 1,
        }
    }

    /// The number of messages that the slice removes.
    pub(super) fn messages(&self) -> u64 {
        self.chunks.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Limits the slice to its number of scattered rows, and excludes ids that the state still knows.
    pub(super) fn limit_rows(mut self, log: &Connection, bounds: &Bounds) -> rusqlite::Result<Self> {
        self.rows = bounds.limits.rows;
        if let [(first, last)] = self.chunks[..]
            && last <= bounds.known_after
            && last - first >= self.rows
            && let Some(last) = request_ids::last_removable(log, (first, last), self.rows)?
        {
            return Ok(Self { ids: vec![(first, last)], rows: self.rows, ..Self::new(self.kind) });
        }
        for (first, last) in &self.chunks {
            let to = if *last <= bounds.known_after { &mut self.ids } else { &mut self.left };
            to.push((*first, *last));
        }
        Ok(self)
    }

    /// Removes the rows. Returns the number of scattered rows, each of which may be in a page of its own.
    pub(super) fn delete(&self, log: &Connection) -> rusqlite::Result<u64> {
        if self.kind != RemovalKind::Ids {
            let mut put = log.prepare_cached(
                "INSERT OR REPLACE INTO left_ids SELECT first, last, conversation FROM chunks WHERE first = ?1",
            )?;
            for (first, _) in &self.left {
                put.execute([int(*first)])?;
            }
        }
        let mut chunk = log.prepare_cached("DELETE FROM chunks WHERE first = ?1")?;
        for (first, last) in &self.chunks {
            chunk.execute([int(*first)])?;
            redactions::remove_rows(log, (*first, *last))?;
        }
        let mut scattered = self.chunks.len() as u64 + request_ids::remove_rows(log, &self.ids)?;
        if self.kind == RemovalKind::Ids {
            let mut done = log.prepare_cached("DELETE FROM left_ids WHERE first = ?1 AND last = ?2")?;
            for (first, last) in &self.ids {
                done.execute([int(*first), int(*last)])?;
            }
            // Some ids of the last range are left.
            if let (Some((from, _)), Some((first, _))) = (self.ids.last(), self.left.first()) {
                log.prepare_cached("UPDATE left_ids SET first = ?1 WHERE first = ?2")?
                    .execute([int(*first), int(*from)])?;
            }
        }
        let table = if self.kind == RemovalKind::Sessions { "gone_sessions" } else { "gone_conversations" };
        let mut forget = log.prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))?;
        let (mut ids, mut pages) = (SLICE_ROWS, self.rows);
        for id in &self.gone {
            if self.kind == RemovalKind::Sessions {
                if pages == 0 {
                    break;
                }
                let most = ids.min(pages * IDS_IN_PAGE);
                let removed = request_ids::remove_session_rows(log, *id, most)?;
                let of = removed.div_ceil(IDS_IN_PAGE).max(1);
                (ids, pages, scattered) = (ids - removed.min(ids), pages.saturating_sub(of), scattered + of);
                // The session may have more ids: the next slice continues.
                if removed >= most {
                    break;
                }
            }
            forget.execute([id])?;
        }
        Ok(scattered)
    }
}
