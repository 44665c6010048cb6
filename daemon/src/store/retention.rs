//! Selects what is removed from the log: the number up to which retention would remove messages, and the
//! slices of a removal. A slice is so small that it does not delay a turn noticeably. Called by the writer.
//! Never decides: the state does, in a turn.

use super::disk_space::RemovalBudget;
use super::history_size;
use super::message_age::AgeScan;
use super::removal_slice::{RemovalSlice, SliceLimits};
use super::request_ids;
use super::rows::number;
use crate::settings::History;
use rusqlite::{Connection, OptionalExtension};
use tcp_chat_protocol::{Seq, Timestamp};

/// How many removed conversations or ended sessions one slice reads: each costs a look-up.
const SLICE_GONE: usize = 256;

/// The limits of the history.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The age limit: only chunks from this time on may stay.
    since: Option<u64>,
    /// The present time; the clock shows this or later.
    now: u64,
    /// The maximum number of messages.
    messages: Option<u64>,
    /// The bytes by which the messages exceed their limit.
    excess_bytes: u64,
    /// Messages below this number are removed in any case: the state decided it.
    oldest: Seq,
    /// The state knows the ids after this number. They stay, even if their messages are removed.
    pub(super) known_after: Seq,
    /// The size limits of the slice.
    pub(super) limits: SliceLimits,
}

impl Bounds {
    /// `excess_bytes`: the bytes of messages that have to be removed. `oldest`: the state decided to remove all
    /// messages below it. `budget`: what a slice may write, if the disk is small. `halvings`: how often the slice
    /// is halved after attempts that found the store full.
    pub(super) fn new(
        history: &History,
        now: Timestamp,
        excess_bytes: u64,
        oldest: Seq,
        budget: Option<RemovalBudget>,
        halvings: u32,
    ) -> Self {
        let age = history.retain.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        Self {
            since: age.map(|age| now.0.saturating_sub(age)),
            now: now.0,
            messages: history.retain_messages,
            excess_bytes,
            oldest,
            known_after: Seq::MAX,
            limits: SliceLimits::new(budget, halvings),
        }
    }

    /// The same bounds, with the ids after `known_after` kept.
    pub(super) fn keeping_ids_after(self, known_after: Seq) -> Self {
        Self { known_after, ..self }
    }
}

/// The number of removed messages, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// They were older than `history.retain`.
    pub age: u64,
    /// They exceeded `history.retain_messages`.
    pub number: u64,
    /// They exceeded `history.max_bytes`.
    pub bytes: u64,
    /// Their conversation was removed.
    pub gone: u64,
}

/// The kinds of removals. They take turns, so that none delays the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum RemovalKind {
    /// The oldest messages.
    #[default]
    Old,
    /// The messages of removed conversations.
    Conversations,
    /// The ids of sessions that have ended.
    Sessions,
    /// The ids of removed messages that the state no longer knows.
    Ids,
}

impl RemovalKind {
    fn next(self) -> Self {
        match self {
            Self::Old => Self::Conversations,
            Self::Conversations => Self::Sessions,
            Self::Sessions => Self::Ids,
            Self::Ids => Self::Old,
        }
    }
}

/// The next slice, of the first kind after `last` that has something to remove. `messages`: the number of
/// stored messages. `None`: there is nothing to remove.
pub(super) fn next_slice(
    log: &Connection,
    bounds: &Bounds,
    messages: u64,
    last: RemovalKind,
    age_scan: &mut AgeScan,
) -> rusqlite::Result<Option<RemovalSlice>> {
    let mut kind = last;
    for _ in 0..4 {
        kind = kind.next();
        let slice = match kind {
            RemovalKind::Old => select_oldest(log, bounds, messages, age_scan, bounds.oldest)?,
            RemovalKind::Conversations => select_conversations(log, bounds)?,
            RemovalKind::Sessions => {
                RemovalSlice { gone: read_gone(log, "gone_sessions")?, ..RemovalSlice::new(kind) }
            }
            RemovalKind::Ids => select_left_ids(log, bounds)?,
        };
        if !slice.chunks.is_empty() || !slice.gone.is_empty() || !slice.ids.is_empty() {
            return slice.limit_rows(log, bounds).map(Some);
        }
    }
    Ok(None)
}

/// The number below which the oldest messages should be removed, as far as `slices` slices reach. `None`:
/// nothing has to be removed.
pub(super) fn propose(
    log: &Connection,
    bounds: &Bounds,
    messages: u64,
    slices: usize,
    age_scan: &mut AgeScan,
) -> rusqlite::Result<Option<Seq>> {
    let bounds = Bounds { limits: SliceLimits::for_slices(slices), ..*bounds };
    let slice = select_oldest(log, &bounds, messages, age_scan, Seq::MAX)?;
    Ok(slice.chunks.last().map(|(_, last)| last + 1))
}

/// Some removed conversations or ended sessions.
fn read_gone(log: &Connection, table: &str) -> rusqlite::Result<Vec<i64>> {
    log.prepare_cached(&format!("SELECT id FROM {table} LIMIT {SLICE_GONE}"))?
        .query_map([], |row| row.get(0))?
        .collect()
}

/// Selects ids of removed messages that the state no longer knows.
fn select_left_ids(log: &Connection, bounds: &Bounds) -> rusqlite::Result<RemovalSlice> {
    let mut slice = RemovalSlice::new(RemovalKind::Ids);
    let mut rows_left = bounds.limits.rows;
    let mut query = log.prepare_cached("SELECT first, last FROM left_ids ORDER BY first")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (first, last) = (number(row, 0)?, number(row, 1)?);
        let count = last - first + 1;
        if last > bounds.known_after || (count > rows_left && !slice.ids.is_empty()) {
            break;
        }
        match request_ids::last_removable(log, (first, last), rows_left)?.filter(|_| count > rows_left) {
            Some(until) => {
                slice.ids.push((first, until));
                slice.left.push((until + 1, last));
                break;
            }
            None => slice.ids.push((first, last)),
        }
        rows_left = rows_left.saturating_sub(count);
    }
    Ok(slice)
}

fn select_conversations(log: &Connection, bounds: &Bounds) -> rusqlite::Result<RemovalSlice> {
    let mut slice = RemovalSlice::new(RemovalKind::Conversations);
    let mut limits = bounds.limits;
    for id in read_gone(log, "gone_conversations")? {
        let all = limits.take_chunks(
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

/// Selects the oldest messages that have to be removed, from chunks that begin before `end`.
fn select_oldest(
    log: &Connection,
    bounds: &Bounds,
    messages: u64,
    age_scan: &mut AgeScan,
    end: Seq,
) -> rusqlite::Result<RemovalSlice> {
    let mut slice = RemovalSlice::new(RemovalKind::Old);
    let expired_to = match (bounds.since, smallest_seq(log)?) {
        (Some(since), Some(first)) => age_scan.find_expired(log, first, since, bounds.now)?,
        _ => 0,
    };
    let (mut left, mut excess_bytes, mut removed) = (messages, bounds.excess_bytes, Removed::default());
    let mut limits = bounds.limits;
    limits.take_chunks(
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
            let reason = if last <= expired_to {
                &mut removed.age
            } else if bounds.messages.is_some_and(|most| left >= most) {
                &mut removed.number
            } else if excess_bytes > 0 || first < bounds.oldest {
                &mut removed.bytes
            } else {
                return false;
            };
            *reason += count;
            excess_bytes = excess_bytes
                .saturating_sub(history_size::chunk_bytes(u64::try_from(bytes).unwrap_or(0), count));
            true
        },
    )?;
    slice.removed = removed;
    Ok(slice)
}

/// The smallest stored number. `None`: there are no messages.
fn smallest_seq(log: &Connection) -> rusqlite::Result<Option<Seq>> {
    log.prepare_cached("SELECT first FROM chunks ORDER BY first LIMIT 1")?
        .query_row([], |row| number(row, 0))
        .optional()
}
