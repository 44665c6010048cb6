//! Owns what has to go from the log, in slices so small that a turn that waits for one does not
//! notice. Called by the writer. Never decides when: the hub does.

use super::ids;
use super::rows::{int, number};
use crate::settings::History;
use rusqlite::{Connection, OptionalExtension};
use tcp_chat_protocol::{Seq, Timestamp};

/// How many chunks one slice removes at most.
const SLICE_CHUNKS: usize = 128;

/// How many messages, or ids, one slice removes at most (but always one chunk).
const SLICE_ROWS: u64 = 2_048;

/// How many bytes of messages one slice removes at most (but always one chunk).
const SLICE_BYTES: i64 = 512 * 1024;

/// What a log in memory may take, in bytes: SQLite ends it at 1 GiB.
const MEMORY_BYTES: i64 = 256 * 1024 * 1024;

/// What may stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Only chunks of this moment and later ones.
    since: Option<u64>,
    /// Only so many messages.
    messages: Option<u64>,
    /// Only so many bytes.
    bytes: Option<i64>,
}

impl Bounds {
    pub(super) fn new(history: &History, now: Timestamp) -> Self {
        let age = history.retain.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        Self {
            since: age.map(|age| now.0.saturating_sub(age)),
            messages: history.retain_messages,
            bytes: history.path.is_none().then_some(MEMORY_BYTES),
        }
    }
}

/// What one slice removes.
#[derive(Debug)]
pub(super) enum Slice {
    /// Chunks, by their first and last numbers, and the ids of their messages. `ended`: the
    /// conversation that is gone and has nothing left after this.
    Chunks { chunks: Vec<(Seq, Seq)>, ended: Option<i64> },
    /// Ids of this ended session.
    Ids { session: i64 },
}

/// The next slice, if something has to go. `messages`: how many there are.
pub(super) fn next(log: &Connection, bounds: &Bounds, messages: u64) -> rusqlite::Result<Option<Slice>> {
    let gone = |sql| log.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)).optional();
    if let Some(conversation) = gone("SELECT id FROM gone_conversations LIMIT 1")? {
        let chunks = oldest(
            log,
            "SELECT first, last, length(lines), ts FROM chunks WHERE conversation = ?1 ORDER BY last",
            [conversation],
            |_, _| true,
        )?;
        let ended = chunks.is_empty().then_some(conversation);
        return Ok(Some(Slice::Chunks { chunks, ended }));
    }
    if let Some(session) = gone("SELECT id FROM gone_sessions LIMIT 1")? {
        return Ok(Some(Slice::Ids { session }));
    }
    let mut left = messages;
    let mut too_big = match bounds.bytes {
        Some(bytes) => used(log)? - bytes,
        None => 0,
    };
    let chunks = oldest(
        log,
        "SELECT first, last, length(lines), ts FROM chunks ORDER BY first",
        [],
        |(first, last), (bytes, ts)| {
            left = left.saturating_sub(last - first + 1);
            let goes = bounds.since.is_some_and(|since| ts < since)
                || bounds.messages.is_some_and(|most| left >= most)
                || too_big > 0;
            too_big -= bytes;
            goes
        },
    )?;
    Ok((!chunks.is_empty()).then_some(Slice::Chunks { chunks, ended: None }))
}

/// The first chunks of a query that all `go`, as many as fit into a slice.
fn oldest(
    log: &Connection,
    sql: &str,
    of: impl rusqlite::Params,
    mut go: impl FnMut((Seq, Seq), (i64, u64)) -> bool,
) -> rusqlite::Result<Vec<(Seq, Seq)>> {
    let mut query = log.prepare_cached(sql)?;
    let mut rows = query.query(of)?;
    let (mut chunks, mut bytes, mut messages) = (Vec::new(), 0, 0);
    while let Some(row) = rows.next()? {
        let (chunk, size) = ((number(row, 0)?, number(row, 1)?), row.get::<_, i64>(2)?);
        if !go(chunk, (size, number(row, 3)?)) {
            break;
        }
        chunks.push(chunk);
        bytes += size;
        messages += chunk.1 - chunk.0 + 1;
        if chunks.len() >= SLICE_CHUNKS || bytes >= SLICE_BYTES || messages >= SLICE_ROWS {
            break;
        }
    }
    Ok(chunks)
}

/// What the log takes, in bytes.
fn used(log: &Connection) -> rusqlite::Result<i64> {
    let of = |sql| log.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
    Ok((of("PRAGMA page_count")? - of("PRAGMA freelist_count")?) * of("PRAGMA page_size")?)
}

impl Slice {
    /// The chunks that it removes, in order.
    pub(super) fn chunks(&self) -> &[(Seq, Seq)] {
        match self {
            Self::Chunks { chunks, .. } => chunks,
            Self::Ids { .. } => &[],
        }
    }

    /// How many messages it removes.
    pub(super) fn messages(&self) -> u64 {
        self.chunks().iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Removes it.
    pub(super) fn remove(&self, log: &Connection) -> rusqlite::Result<()> {
        match self {
            Self::Chunks { chunks, ended } => {
                let mut chunk = log.prepare_cached("DELETE FROM chunks WHERE first = ?1")?;
                for (first, _) in chunks {
                    chunk.execute([int(*first)])?;
                }
                ids::remove(log, chunks)?;
                if let Some(id) = ended {
                    log.prepare_cached("DELETE FROM gone_conversations WHERE id = ?1")?.execute([id])?;
                }
            }
            Self::Ids { session } => {
                let some = log
                    .prepare_cached(
                        "DELETE FROM sent_as WHERE session = ?1
                         AND id IN (SELECT id FROM sent_as WHERE session = ?1 LIMIT ?2)",
                    )?
                    .execute([*session, int(SLICE_ROWS)])?;
                if some == 0 {
                    log.prepare_cached("DELETE FROM gone_sessions WHERE id = ?1")?.execute([session])?;
                }
            }
        }
        Ok(())
    }
}
