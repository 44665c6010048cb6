//! Owns what has to go from the log: up to which number retention would remove, and the slices in which it goes, so small
//! that a turn that waits for one does not notice. Called by the writer. Never decides: the state does, in a turn.

use super::bytes;
use super::ids;
use super::room::RemovalRoom;
use super::rows::{int, number};
use super::stamps::Stamps;
use crate::settings::History;
use rusqlite::{Connection, OptionalExtension};
use tcp_chat_protocol::{Seq, Timestamp};

/// How many chunks one slice removes at most.
const SLICE_CHUNKS: usize = 128;

/// How many scattered rows one slice removes at most: one for each message that may have an id, and one for each chunk.
const SLICE_ROWS: u64 = 2_048;

/// Ids of one session lie side by side: so many share a page at least.
const IDS_IN_PAGE: u64 = 8;

/// How many bytes of messages one slice removes at most (but always one chunk).
const SLICE_BYTES: i64 = 512 * 1024;

/// How many conversations or sessions that are gone one slice looks at: each costs a look-up.
const SLICE_GONE: usize = 256;

/// How often a slice is halved at most for the room that there is: then it has one chunk.
const HALVINGS: u32 = 7;

/// How often a slice is halved at most where the store was full all the same: then it has one row.
pub(super) const MORE_HALVINGS: u32 = SLICE_ROWS.ilog2();

/// What may stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Only chunks of this moment and later ones.
    since: Option<u64>,
    /// The moment that it is at least.
    now: u64,
    /// Only so many messages.
    messages: Option<u64>,
    /// The messages take so many bytes more than they may.
    too_big: u64,
    /// Messages below this number go whatever else holds: the state has decided it.
    oldest: Seq,
    /// What the slice has room for.
    room: Room,
}

impl Bounds {
    /// `too_big`: how many bytes of messages have to go. `oldest`: the state has decided that all below goes. `room`: what a slice
    /// may write, if there is little room for that. `halved`: how often it is halved because the store was full with less.
    pub(super) fn new(
        history: &History,
        now: Timestamp,
        too_big: u64,
        oldest: Seq,
        room: Option<RemovalRoom>,
        halved: u32,
    ) -> Self {
        let age = history.retain.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        Self {
            since: age.map(|age| now.0.saturating_sub(age)),
            now: now.0,
            messages: history.retain_messages,
            too_big,
            oldest,
            room: Room::new(room, halved),
        }
    }
}

/// A slice of so many bytes of messages writes less than four times as many.
fn halvings(room: u64) -> u32 {
    let fits = |n: &u32| u64::try_from(SLICE_BYTES >> n).is_ok_and(|bytes| bytes <= room / 4);
    (0..HALVINGS).find(fits).unwrap_or(HALVINGS)
}

/// How many messages went, by the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// They were older than `history.retain`.
    pub age: u64,
    /// There were more than `history.retain_messages`.
    pub number: u64,
    /// They took more than `history.max_bytes`.
    pub bytes: u64,
    /// Their conversation is gone.
    pub gone: u64,
}

/// What there is to remove. They take turns, so that none waits for as long as another has more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// The oldest messages.
    #[default]
    Old,
    /// The messages of conversations that are gone.
    Conversations,
    /// The ids of sessions that have ended.
    Sessions,
}

impl Kind {
    fn next(self) -> Self {
        match self {
            Self::Old => Self::Conversations,
            Self::Conversations => Self::Sessions,
            Self::Sessions => Self::Old,
        }
    }
}

/// What one slice removes.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) kind: Kind,
    /// Chunks, by their first and last numbers, in order. The ids of their messages go, too.
    pub(super) chunks: Vec<(Seq, Seq)>,
    /// The first chunk has more ids than there is room for: first those of these messages go, and the chunk with what is
    /// left of them in a later slice. A message of a chunk that has to go may lose its id before it goes.
    ids: Option<(Seq, Seq)>,
    /// How many bytes they took.
    pub(super) bytes: u64,
    /// How many messages, and why.
    pub(super) removed: Removed,
    /// The conversations that have nothing left after this, or the sessions, that are gone.
    gone: Vec<i64>,
    /// How many scattered rows it may remove.
    rows: u64,
}

/// The next slice, if something has to go: of the kind that comes after `last`, if there is some.
/// `messages`: how many there are.
pub(super) fn next(
    log: &Connection,
    bounds: &Bounds,
    messages: u64,
    last: Kind,
    stamps: &mut Stamps,
) -> rusqlite::Result<Option<Slice>> {
    let mut kind = last;
    for _ in 0..3 {
        kind = kind.next();
        let slice = match kind {
            Kind::Old => oldest(log, bounds, messages, stamps, bounds.oldest)?,
            Kind::Conversations => of_conversations(log, bounds)?,
            Kind::Sessions => Slice { gone: gone(log, "gone_sessions")?, ..Slice::new(kind) },
        };
        if !slice.chunks.is_empty() || !slice.gone.is_empty() {
            return slice.within(log, bounds.room.rows).map(Some);
        }
    }
    Ok(None)
}

/// Below which number the oldest messages would have to go, as far as so many slices take them; `None`: none has to go.
pub(super) fn proposal(
    log: &Connection,
    bounds: &Bounds,
    messages: u64,
    slices: usize,
    stamps: &mut Stamps,
) -> rusqlite::Result<Option<Seq>> {
    let bounds = Bounds { room: Room::of(slices), ..*bounds };
    let slice = oldest(log, &bounds, messages, stamps, Seq::MAX)?;
    Ok(slice.chunks.last().map(|(_, last)| last + 1))
}

/// Some of what is gone.
fn gone(log: &Connection, table: &str) -> rusqlite::Result<Vec<i64>> {
    log.prepare_cached(&format!("SELECT id FROM {table} LIMIT {SLICE_GONE}"))?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn of_conversations(log: &Connection, bounds: &Bounds) -> rusqlite::Result<Slice> {
    let mut slice = Slice::new(Kind::Conversations);
    let mut room = bounds.room;
    for id in gone(log, "gone_conversations")? {
        let all = room.take(
            &mut slice,
            log,
            "SELECT first, last, length(lines) FROM chunks WHERE conversation = ?1 ORDER BY last",
            [id],
            |_, _| true,
        )?;
        if !all {
            break;
        }
        slice.gone.push(id);
    }
    slice.chunks.sort_unstable();
    slice.removed.gone = slice.messages();
    Ok(slice)
}

/// The oldest messages that have to go. None of a chunk that begins at `end` or later.
fn oldest(
    log: &Connection,
    bounds: &Bounds,
    messages: u64,
    stamps: &mut Stamps,
    end: Seq,
) -> rusqlite::Result<Slice> {
    let mut slice = Slice::new(Kind::Old);
    let overdue = match (bounds.since, first(log)?) {
        (Some(since), Some(first)) => stamps.overdue(log, first, since, bounds.now)?,
        _ => 0,
    };
    let (mut left, mut too_big, mut removed) = (messages, bounds.too_big, Removed::default());
    let mut room = bounds.room;
    room.take(
        &mut slice,
        log,
        "SELECT first, last, length(lines) FROM chunks ORDER BY first",
        [],
        |(first, last), bytes| {
            if first >= end {
                return false;
            }
            let count = last - first + 1;
            left = left.saturating_sub(count);
            let reason = if last <= overdue {
                &mut removed.age
            } else if bounds.messages.is_some_and(|most| left >= most) {
                &mut removed.number
            } else if too_big > 0 || first < bounds.oldest {
                &mut removed.bytes
            } else {
                return false;
            };
            *reason += count;
            too_big = too_big.saturating_sub(bytes::of_chunk(u64::try_from(bytes).unwrap_or(0), count));
            true
        },
    )?;
    slice.removed = removed;
    Ok(slice)
}

/// What a slice has room for.
#[derive(Debug, Clone, Copy)]
struct Room {
    chunks: usize,
    /// Scattered rows. The first chunk may have more.
    rows: u64,
    /// Bytes of messages. The last chunk may have more.
    bytes: i64,
}

impl Room {
    fn new(room: Option<RemovalRoom>, halved: u32) -> Self {
        let halvings = room.map_or(0, |room| halvings(room.bytes)) + halved;
        let rows = room.map_or(SLICE_ROWS, |room| room.rows) >> halved;
        Self {
            chunks: (SLICE_CHUNKS >> halvings).max(1),
            rows: rows.min(SLICE_ROWS >> halvings).max(1),
            bytes: (SLICE_BYTES >> halvings).max(1),
        }
    }

    /// The room of so many whole slices.
    fn of(slices: usize) -> Self {
        let bytes = SLICE_BYTES.saturating_mul(i64::try_from(slices).unwrap_or(i64::MAX));
        Self { chunks: SLICE_CHUNKS * slices, rows: SLICE_ROWS * slices as u64, bytes }
    }

    /// Takes the first chunks of a query that all `go`, as many as there is room for. True: it saw
    /// the last one of them.
    fn take(
        &mut self,
        slice: &mut Slice,
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
            // A chunk has an entry in an index beside its ids.
            let has_rows = count < self.rows || slice.chunks.is_empty();
            if self.chunks == 0 || !has_rows || self.bytes <= 0 {
                return Ok(false);
            }
            if !go(chunk, size) {
                break;
            }
            slice.chunks.push(chunk);
            slice.bytes += bytes::of_chunk(u64::try_from(size).unwrap_or(0), count);
            self.chunks -= 1;
            self.rows = self.rows.saturating_sub(count + 1);
            self.bytes -= size;
        }
        Ok(true)
    }
}

/// The smallest number that is there, if there is one.
fn first(log: &Connection) -> rusqlite::Result<Option<Seq>> {
    log.prepare_cached("SELECT first FROM chunks ORDER BY first LIMIT 1")?
        .query_row([], |row| number(row, 0))
        .optional()
}

impl Slice {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            chunks: Vec::new(),
            ids: None,
            bytes: 0,
            removed: Removed::default(),
            gone: Vec::new(),
            rows: 1,
        }
    }

    /// How many messages it removes.
    pub(super) fn messages(&self) -> u64 {
        self.chunks.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// The same with no more scattered rows than that.
    fn within(self, log: &Connection, rows: u64) -> rusqlite::Result<Self> {
        if let [(first, last)] = self.chunks[..]
            && last - first >= rows
            && let Some(last) = ids::last_of(log, (first, last), rows)?
        {
            return Ok(Self { ids: Some((first, last)), rows, ..Self::new(self.kind) });
        }
        Ok(Self { rows, ..self })
    }

    /// The messages whose ids go: their first and last numbers, in order.
    pub(super) fn ids(&self) -> &[(Seq, Seq)] {
        self.ids.as_ref().map_or(&self.chunks[..], std::slice::from_ref)
    }

    /// Removes it. How many scattered rows that were: each may lie in a page of its own.
    pub(super) fn remove(&self, log: &Connection) -> rusqlite::Result<u64> {
        let mut chunk = log.prepare_cached("DELETE FROM chunks WHERE first = ?1")?;
        for (first, _) in &self.chunks {
            chunk.execute([int(*first)])?;
        }
        let mut scattered = self.chunks.len() as u64 + ids::remove(log, self.ids())?;
        let table = if self.kind == Kind::Sessions { "gone_sessions" } else { "gone_conversations" };
        let mut forget = log.prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))?;
        let (mut ids, mut pages) = (SLICE_ROWS, self.rows);
        for id in &self.gone {
            if self.kind == Kind::Sessions {
                if pages == 0 {
                    break;
                }
                let most = ids.min(pages * IDS_IN_PAGE);
                let removed = ids::remove_of(log, *id, most)?;
                let of = removed.div_ceil(IDS_IN_PAGE).max(1);
                (ids, pages, scattered) = (ids - removed.min(ids), pages.saturating_sub(of), scattered + of);
                // There may be more of it: the next slice goes on.
                if removed >= most {
                    break;
                }
            }
            forget.execute([id])?;
        }
        Ok(scattered)
    }
}
