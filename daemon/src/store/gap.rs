//! Reads a gap: ranges of many conversations, merged into the order of the log. Called by connections that
//! resume or fell behind, one part at a time. Never holds more than the requested bytes and one chunk.

use super::rows::{int, number};
use super::{CatchUp, Range, packed};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tcp_chat_protocol::{RequestId, Seq, event};
use tcp_chat_state::{ConversationId, SessionId};

/// Reads `ranges` from their start until there are about `bytes`. Runs in one read transaction. A range is
/// looked up only when the reading comes to it. So the cost of each conversation is the same, in however many
/// parts the gap is read.
pub(super) fn read(
    log: &Connection,
    session: SessionId,
    mut ranges: Vec<Range>,
    bytes: usize,
) -> rusqlite::Result<CatchUp> {
    let mut catch_up = CatchUp::default();
    let mut own = OwnIds::new(log, session)?;
    let mut chain = Chain::new(log)?;
    let mut lines = log.prepare_cached("SELECT lines FROM chunks WHERE first = ?1")?;
    // The next range is at the end. The ranges that are left of a part are in this order already.
    ranges.sort_by_key(|range| Reverse((range.first, range.conversation.0)));
    // The next chunk of each range that was looked up, smallest numbers first. Chunks do not overlap.
    let mut next = BinaryHeap::new();
    loop {
        // A range that begins after the end of the next chunk has no chunk before it.
        while let Some(range) = ranges.last()
            && next.peek().is_none_or(|Reverse((_, last, _))| range.first <= *last)
            && let Some(range) = ranges.pop()
        {
            if let Some((first, last)) = chain.next(&range, &mut catch_up)? {
                next.push(Reverse((first, last, range_key(range))));
            }
        }
        let Some(Reverse((first, last, (conversation, from, to)))) = next.pop() else { break };
        let mut range = Range { conversation: ConversationId(conversation), first: from, last: to };
        let mut rows = lines.query([int(first)])?;
        if let Some(row) = rows.next()? {
            let chunk = Wanted { first, last, from: from.max(first), to: to.min(last) };
            own.append(&chunk, &packed::unpack(row.get_ref(0)?.as_blob()?), &mut catch_up)?;
        }
        drop(rows);
        if last < to {
            range.first = last + 1;
            if let Some((first, last)) = chain.next(&range, &mut catch_up)? {
                range.first = range.first.max(first);
                next.push(Reverse((first, last, range_key(range))));
            }
        }
        if catch_up.lines.len() >= bytes {
            break;
        }
    }
    // Losses before these chunks were reported already, so these ranges continue at their next chunk.
    ranges.extend(next.into_iter().map(|Reverse((chunk, _, (conversation, from, to)))| Range {
        conversation: ConversationId(conversation),
        first: from.max(chunk),
        last: to,
    }));
    ranges.sort_by_key(|range| Reverse((range.first, range.conversation.0)));
    catch_up.rest = ranges;
    Ok(catch_up)
}

fn range_key(range: Range) -> (i64, Seq, Seq) {
    (range.conversation.0, range.first, range.last)
}

/// Follows one conversation from chunk to chunk. `prev` shows which messages are missing between two chunks.
struct Chain<'l> {
    next: CachedStatement<'l>,
    head: CachedStatement<'l>,
}

impl<'l> Chain<'l> {
    fn new(log: &'l Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            next: log.prepare_cached(
                "SELECT first, last, prev FROM chunks WHERE conversation = ?1 AND last >= ?2 ORDER BY last LIMIT 1",
            )?,
            head: log.prepare_cached("SELECT head FROM conversations WHERE id = ?1")?,
        })
    }

    /// Finds the first chunk in the range, as its first and last number. Messages of the range before it that
    /// no longer exist are added to `catch_up.lost`.
    fn next(&mut self, range: &Range, catch_up: &mut CatchUp) -> rusqlite::Result<Option<(Seq, Seq)>> {
        #[cfg(test)]
        {
            catch_up.looked_up += 1;
        }
        let found = self
            .next
            .query_row(params![range.conversation.0, int(range.first)], |row| {
                Ok((number(row, 0)?, number(row, 1)?, number(row, 2)?))
            })
            .optional()?;
        let (chunk, before) = match found {
            Some((first, last, prev)) => ((first <= range.last).then_some((first, last)), prev),
            // There is no later chunk. The head of the conversation tells whether messages are missing.
            None => {
                let head = self.head.query_row([range.conversation.0], |row| number(row, 0)).optional()?;
                (None, head.unwrap_or(0))
            }
        };
        // The message before the found chunk is in the range, but was not found.
        if before >= range.first.max(1) {
            let (from, to) = (range.first.max(1), before.min(range.last));
            catch_up.lost = Some(catch_up.lost.map_or((from, to), |(a, b)| (a.min(from), b.max(to))));
        }
        Ok(chunk)
    }
}

/// A chunk, and its wanted part.
struct Wanted {
    first: Seq,
    last: Seq,
    from: Seq,
    to: Seq,
}

/// Adds to a session's own messages the `id` that it sent them with.
struct OwnIds<'l> {
    ids: CachedStatement<'l>,
    session: SessionId,
}

impl<'l> OwnIds<'l> {
    fn new(log: &'l Connection, session: SessionId) -> rusqlite::Result<Self> {
        let by_number = "SELECT seq, id, session FROM sent WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
        Ok(Self { ids: log.prepare_cached(by_number)?, session })
    }

    /// Appends the wanted part of a chunk.
    fn append(&mut self, chunk: &Wanted, lines: &[u8], out: &mut CatchUp) -> rusqlite::Result<()> {
        let own = self.find(chunk)?;
        let whole = chunk.from == chunk.first && chunk.to == chunk.last;
        if whole && own.is_empty() {
            out.lines.extend_from_slice(lines);
            out.count += usize::try_from(chunk.last - chunk.first + 1).unwrap_or(usize::MAX);
            return Ok(());
        }
        let mut own = own.iter().peekable();
        for (line, seq) in super::lines(lines, chunk.first) {
            if seq < chunk.from || seq > chunk.to {
                continue;
            }
            match own.next_if(|(own, _)| *own == seq) {
                Some((_, id)) => event::write_with_id(line, id, &mut out.lines),
                None => out.lines.extend_from_slice(line),
            }
            out.count += 1;
        }
        Ok(())
    }

    /// The session's ids for the wanted numbers, in order.
    fn find(&mut self, chunk: &Wanted) -> rusqlite::Result<Vec<(Seq, RequestId)>> {
        let mut own = Vec::new();
        let mut rows = self.ids.query([int(chunk.from), int(chunk.to)])?;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(2)? == self.session.0 {
                own.push((number(row, 0)?, super::rows::id(row, 1)?));
            }
        }
        Ok(own)
    }
}
