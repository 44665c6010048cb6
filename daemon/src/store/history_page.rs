//! Reads a page of a conversation and builds the data of a reply from the stored bytes, without parsing them.
//! Called by connections through [`super::Readers`]. Never writes.

use super::rows::{int, number};
use super::{Page, PageOf, packed};
use rusqlite::{Connection, OptionalExtension, Rows, params};
use tcp_chat_protocol::{Seq, event};

/// The maximum size of the messages of a page, in bytes: one MiB less the bytes around them.
pub(super) const PAGE_BYTES: usize = 1024 * 1024 - 64;

/// Reads a page, inside one read transaction.
pub(super) fn read(log: &Connection, of: &PageOf) -> rusqlite::Result<Page> {
    let after = of.after.unwrap_or(0);
    let before = of.before.unwrap_or(Seq::MAX >> 1);
    let mut messages = Messages::new(of.limit);
    if after.saturating_add(1) < before {
        if of.after.is_some() {
            let mut chunks = log.prepare_cached(
                "SELECT first, lines FROM chunks WHERE conversation = ?1 AND last > ?2 ORDER BY last",
            )?;
            let rows = chunks.query(params![of.conversation.0, int(after)])?;
            messages.add_from(rows, after, before, false)?;
        } else {
            // The chunk that contains the last number before `before`, or else the next chunk, which has no
            // wanted message.
            let end: Option<u64> = log
                .prepare_cached(
                    "SELECT last FROM chunks WHERE conversation = ?1 AND last >= ?2 ORDER BY last LIMIT 1",
                )?
                .query_row(params![of.conversation.0, int(before - 1)], |row| number(row, 0))
                .optional()?;
            let mut chunks = log.prepare_cached(
                "SELECT first, lines FROM chunks WHERE conversation = ?1 AND last <= ?2 ORDER BY last DESC",
            )?;
            let rows = chunks.query(params![of.conversation.0, int(end.unwrap_or(before))])?;
            messages.add_from(rows, after, before, true)?;
        }
    }
    Ok(messages.page())
}

/// Reads one message as it is stored, with its newline.
pub(super) fn read_line(log: &Connection, conversation: i64, seq: Seq) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut chunk = log.prepare_cached(
        "SELECT first, lines FROM chunks WHERE conversation = ?1 AND last >= ?2 ORDER BY last LIMIT 1",
    )?;
    let mut rows = chunk.query(params![conversation, int(seq)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let lines = packed::unpack(row.get_ref(1)?.as_blob()?);
    Ok(super::lines(&lines, number(row, 0)?).find(|(_, n)| *n == seq).map(|(line, _)| line.to_vec()))
}

/// Collects messages for a reply.
#[derive(Debug)]
pub(super) struct Messages {
    limit: usize,
    /// The data objects of the messages, concatenated, and where each one ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    newest_first: bool,
    more: bool,
}

impl Messages {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, bytes: Vec::new(), ends: Vec::new(), newest_first: false, more: false }
    }

    /// Adds a message if the page has space for it. False: it has none, so there are more messages.
    pub(super) fn push(&mut self, data: &[&[u8]]) -> bool {
        let length: usize = data.iter().map(|part| part.len() + 1).sum();
        let full = !self.ends.is_empty() && self.bytes.len() + self.ends.len() + length > PAGE_BYTES;
        if self.ends.len() >= self.limit || full {
            self.more = true;
            return false;
        }
        data.iter().for_each(|part| self.bytes.extend_from_slice(part));
        self.ends.push(self.bytes.len());
        true
    }

    /// Adds the messages between the two numbers (both exclusive). The chunks are in order, or in reverse
    /// order.
    fn add_from(
        &mut self,
        mut chunks: Rows<'_>,
        after: Seq,
        before: Seq,
        newest_first: bool,
    ) -> rusqlite::Result<()> {
        self.newest_first = newest_first;
        let wanted = |(_, seq): &(&[u8], Seq)| *seq > after && *seq < before;
        while let Some(row) = chunks.next()? {
            let first = number(row, 0)?;
            if first >= before && !newest_first {
                break;
            }
            let lines = packed::unpack(row.get_ref(1)?.as_blob()?);
            let room = if newest_first {
                let mut lines: Vec<_> = super::lines(&lines, first).filter(wanted).collect();
                lines.reverse();
                self.push_all(lines.into_iter())
            } else {
                self.push_all(super::lines(&lines, first).filter(wanted))
            };
            // In reverse order, the chunk that reaches down to `after` is the last one.
            if !room || (newest_first && first <= after + 1) {
                break;
            }
        }
        Ok(())
    }

    fn push_all<'a>(&mut self, mut lines: impl Iterator<Item = (&'a [u8], Seq)>) -> bool {
        lines.all(|(line, _)| event::data_of(line).is_none_or(|data| self.push(&[data])))
    }

    /// Returns the data of the reply. Messages that were read in reverse order are turned around.
    pub(super) fn page(self) -> Page {
        let mut data = Vec::with_capacity(self.bytes.len() + self.ends.len() + 32);
        data.extend_from_slice(br#"{"messages":["#);
        let at = |i: usize| {
            let start = if i == 0 { 0 } else { self.ends[i - 1] };
            &self.bytes[start..self.ends[i]]
        };
        for i in 0..self.ends.len() {
            if i > 0 {
                data.push(b',');
            }
            data.extend_from_slice(at(if self.newest_first { self.ends.len() - 1 - i } else { i }));
        }
        data.extend_from_slice(if self.more { br#"],"more":true}"# } else { br#"],"more":false}"# });
        Page { data }
    }
}
