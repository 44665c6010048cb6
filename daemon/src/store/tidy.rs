//! Owns what has to go from the log, in slices so small that a turn that waits for one does not
//! notice. Called by the writer. Never decides when: the hub does.

use super::bytes;
use super::ids;
use super::rows::{int, number};
use super::stamps::Stamps;
use crate::chat::ConversationId;
use crate::settings::History;
use rusqlite::{Connection, OptionalExtension};
use tcp_chat_protocol::{Seq, Timestamp};

/// How many chunks one slice removes at most.
const SLICE_CHUNKS: usize = 128;

/// How many messages, or ids, one slice removes at most (but always one chunk).
const SLICE_ROWS: u64 = 2_048;

/// How many bytes of messages one slice removes at most (but always one chunk).
const SLICE_BYTES: i64 = 512 * 1024;

/// How many conversations or sessions that are gone one slice looks at: each costs a look-up.
const SLICE_GONE: usize = 256;

/// How often a slice is halved at most: then it has one chunk.
const HALVINGS: u32 = 7;

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
    /// How often the slice is halved.
    halvings: u32,
}

impl Bounds {
    /// `too_big`: how many bytes of messages have to go. `room`: how many a slice may write, if there is little
    /// room for that.
    pub(super) fn new(history: &History, now: Timestamp, too_big: u64, room: Option<u64>) -> Self {
        let age = history.retain.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        Self {
            since: age.map(|age| now.0.saturating_sub(age)),
            now: now.0,
            messages: history.retain_messages,
            too_big,
            halvings: room.map_or(0, halvings),
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
    /// Whose chunks: for the oldest messages.
    pub(super) of: Vec<ConversationId>,
    /// How many bytes they took.
    pub(super) bytes: u64,
    /// How many messages, and why.
    pub(super) removed: Removed,
    /// The conversations that have nothing left after this, or the sessions, that are gone.
    gone: Vec<i64>,
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
            Kind::Old => oldest(log, bounds, messages, stamps)?,
            Kind::Conversations => of_conversations(log, bounds)?,
            Kind::Sessions => Slice { gone: gone(log, "gone_sessions")?, ..Slice::new(kind) },
        };
        if !slice.chunks.is_empty() || !slice.gone.is_empty() {
            return Ok(Some(slice));
        }
    }
    Ok(None)
}

/// Some of what is gone.
fn gone(log: &Connection, table: &str) -> rusqlite::Result<Vec<i64>> {
    log.prepare_cached(&format!("SELECT id FROM {table} LIMIT {SLICE_GONE}"))?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn of_conversations(log: &Connection, bounds: &Bounds) -> rusqlite::Result<Slice> {
    let mut slice = Slice::new(Kind::Conversations);
    let mut room = Room::new(bounds);
    for id in gone(log, "gone_conversations")? {
        let all = room.take(
            &mut slice,
            log,
            "SELECT first, last, length(lines), conversation FROM chunks WHERE conversation = ?1 ORDER BY last",
            [id],
            |_, _| true,
        )?;
        if !all {
            break;
        }
        slice.gone.push(id);
    }
    slice.of.clear();
    slice.chunks.sort_unstable();
    slice.removed.gone = slice.messages();
    Ok(slice)
}

fn oldest(log: &Connection, bounds: &Bounds, messages: u64, stamps: &mut Stamps) -> rusqlite::Result<Slice> {
    let mut slice = Slice::new(Kind::Old);
    let overdue = match (bounds.since, first(log)?) {
        (Some(since), Some(first)) => stamps.overdue(log, first, since, bounds.now)?,
        _ => 0,
    };
    let (mut left, mut too_big, mut removed) = (messages, bounds.too_big, Removed::default());
    Room::new(bounds).take(
        &mut slice,
        log,
        "SELECT first, last, length(lines), conversation FROM chunks ORDER BY first",
        [],
        |(first, last), bytes| {
            let count = last - first + 1;
            left = left.saturating_sub(count);
            let reason = if last <= overdue {
                &mut removed.age
            } else if bounds.messages.is_some_and(|most| left >= most) {
                &mut removed.number
            } else if too_big > 0 {
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
    slice.of.sort_unstable();
    slice.of.dedup();
    Ok(slice)
}

/// What a slice has room for.
struct Room {
    chunks: usize,
    rows: u64,
    bytes: i64,
}

impl Room {
    fn new(bounds: &Bounds) -> Self {
        let halvings = bounds.halvings;
        Self {
            chunks: SLICE_CHUNKS >> halvings,
            rows: SLICE_ROWS >> halvings,
            bytes: SLICE_BYTES >> halvings,
        }
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
            if self.chunks == 0 || self.rows == 0 || self.bytes <= 0 {
                return Ok(false);
            }
            let (chunk, size) = ((number(row, 0)?, number(row, 1)?), row.get::<_, i64>(2)?);
            if !go(chunk, size) {
                break;
            }
            slice.chunks.push(chunk);
            slice.of.push(ConversationId(row.get(3)?));
            let count = chunk.1 - chunk.0 + 1;
            slice.bytes += bytes::of_chunk(u64::try_from(size).unwrap_or(0), count);
            self.chunks -= 1;
            self.rows = self.rows.saturating_sub(count);
            self.bytes -= size;
        }
        Ok(true)
    }
}

/// The smallest number that is there, if there is one.
pub(super) fn first(log: &Connection) -> rusqlite::Result<Option<Seq>> {
    log.prepare_cached("SELECT first FROM chunks ORDER BY first LIMIT 1")?
        .query_row([], |row| number(row, 0))
        .optional()
}

impl Slice {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            chunks: Vec::new(),
            of: Vec::new(),
            bytes: 0,
            removed: Removed::default(),
            gone: Vec::new(),
        }
    }

    /// How many messages it removes.
    pub(super) fn messages(&self) -> u64 {
        self.chunks.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Removes it.
    pub(super) fn remove(&self, log: &Connection) -> rusqlite::Result<()> {
        let mut chunk = log.prepare_cached("DELETE FROM chunks WHERE first = ?1")?;
        for (first, _) in &self.chunks {
            chunk.execute([int(*first)])?;
        }
        ids::remove(log, &self.chunks)?;
        let table = if self.kind == Kind::Sessions { "gone_sessions" } else { "gone_conversations" };
        let mut forget = log.prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))?;
        let mut room = SLICE_ROWS;
        for id in &self.gone {
            if self.kind == Kind::Sessions {
                room -= ids::remove_of(log, *id, room)?.min(room);
                // There may be more of it: the next slice goes on.
                if room == 0 {
                    break;
                }
            }
            forget.execute([id])?;
        }
        Ok(())
    }
}
