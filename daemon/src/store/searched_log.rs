//! Owns the log as a search sees it: a message by its number, and the newest messages that the index does not have yet;
//! only those that the user may read. `tcp_chat_search` asks it, on a thread that may wait. Never searches.

use super::rows::{int, number};
use super::shared::Shared;
use super::{packed, totals};
use rusqlite::{Connection, Row, params};
use std::collections::HashSet;
use tcp_chat_protocol::{MsgEvent, Name, Seq, event};
use tcp_chat_search::{Log, Newer, Query};

/// A search reads messages that the index does not have from the log if these are at most so many, by their numbers,
const NEWER: u64 = 1_000;

/// and those that the user may read have at most so many bytes in the log.
const NEWER_BYTES: usize = 512 * 1024;

/// A message in the log: its whole line, and the text.
pub(super) struct Message {
    pub(super) line: Vec<u8>,
    text: String,
}

impl Message {
    /// The message, and its author's name. `None`: it was redacted, or the daemon did not write that line.
    fn read(line: &[u8]) -> Option<(Self, String)> {
        let message: MsgEvent<'_> = serde_json::from_slice(event::data_of(line)?).ok()?;
        // The index may have its words still, and must not tell that they were there.
        if message.redacted {
            return None;
        }
        Some((Self { line: line.to_vec(), text: message.msg.into_owned() }, message.user.into_owned()))
    }
}

impl AsRef<str> for Message {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// The first number of a chunk, and its lines.
type Lines = (Seq, Vec<u8>);

/// The log, as a search sees it.
pub(super) struct SearchedLog<'r> {
    shared: &'r Shared,
    log: &'r Connection,
    conversations: HashSet<i64>,
    query: &'r Query<'r>,
    /// The newest number when the search was asked for.
    head: Seq,
}

impl<'r> SearchedLog<'r> {
    pub(super) fn new(shared: &'r Shared, log: &'r Connection, query: &'r Query<'r>, head: Seq) -> Self {
        let conversations = query.conversations.iter().copied().collect();
        Self { shared, log, conversations, query, head }
    }

    /// Whether the user may read a chunk, whose row has its conversation in column 1 and in column 3 whether that is a
    /// direct one of the user.
    fn may_read(&self, row: &Row<'_>) -> rusqlite::Result<bool> {
        Ok(self.conversations.contains(&row.get(1)?) || row.get(3)?)
    }

    /// The line of the message `seq`.
    fn line(&self, seq: Seq) -> rusqlite::Result<Option<Vec<u8>>> {
        let _gate = self.shared.log_gate.read();
        let mut chunk = self.log.prepare_cached(
            "SELECT k.first, k.conversation, k.lines, ifnull(?2 IN (c.user_a, c.user_b), 0)
             FROM chunks k LEFT JOIN conversations c ON c.id = k.conversation
             WHERE k.first <= ?1 ORDER BY k.first DESC LIMIT 1",
        )?;
        let mut rows = chunk.query(params![int(seq), self.query.direct_messages_of])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        if !self.may_read(row)? {
            return Ok(None);
        }
        let lines = packed::unpack(row.get_ref(2)?.as_blob()?);
        Ok(super::lines(&lines, number(row, 0)?).find(|(_, n)| *n == seq).map(|(line, _)| line.to_vec()))
    }

    /// The chunks above `mark` that the user may read, newest first: the first number of each and its lines; and the number
    /// up to which there are no others. `None`: there are too many.
    fn chunks_above(&self, mark: Seq) -> rusqlite::Result<Option<(Vec<Lines>, Seq)>> {
        let _gate = self.shared.log_gate.read();
        let to = totals::read(self.log)?.head.min(self.head);
        if to.saturating_sub(mark) > NEWER {
            return Ok(None);
        }
        // The index has whole chunks.
        let mut above = self.log.prepare_cached(
            "SELECT k.first, k.conversation, k.lines, ifnull(?2 IN (c.user_a, c.user_b), 0)
             FROM chunks k LEFT JOIN conversations c ON c.id = k.conversation
             WHERE k.first > ?1 AND k.first <= ?3 ORDER BY k.first DESC",
        )?;
        let mut rows = above.query(params![int(mark), self.query.direct_messages_of, int(to)])?;
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            if !self.may_read(row)? {
                continue;
            }
            let lines = packed::unpack(row.get_ref(2)?.as_blob()?);
            bytes += lines.len();
            if bytes > NEWER_BYTES {
                return Ok(None);
            }
            chunks.push((number(row, 0)?, lines.into_owned()));
        }
        Ok(Some((chunks, to)))
    }

    /// Whether the query asks for messages with this number and author.
    fn is_wanted(&self, seq: Seq, user: impl FnOnce() -> Option<Name>) -> bool {
        let is_within = seq > self.query.after && seq < self.query.before;
        is_within && self.query.author.is_none_or(|key| user().is_some_and(|user| user.key().as_str() == key))
    }
}

impl Log for SearchedLog<'_> {
    type Message = Message;
    type Error = rusqlite::Error;

    fn oldest(&self) -> rusqlite::Result<Seq> {
        let _gate = self.shared.log_gate.read();
        self.log
            .prepare_cached("SELECT ifnull((SELECT first FROM chunks ORDER BY first LIMIT 1), 0)")?
            .query_row([], |row| number(row, 0))
    }

    fn message(&self, seq: Seq) -> rusqlite::Result<Option<Message>> {
        #[cfg(test)]
        self.shared.looked_up.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ok(self.line(seq)?.and_then(|line| Message::read(&line)).map(|(message, _)| message))
    }

    fn newer(&self, mark: Seq) -> rusqlite::Result<Option<Newer<Message>>> {
        let Some((chunks, to)) = self.chunks_above(mark)? else { return Ok(None) };
        let mut messages = Vec::new();
        for (first, lines) in chunks {
            let of_chunk = messages.len();
            for (line, seq) in super::lines(&lines, first) {
                let Some((message, user)) = Message::read(line) else { continue };
                if self.is_wanted(seq, || Name::parse_kept(&user).ok()) {
                    messages.push(message);
                }
            }
            messages[of_chunk..].reverse();
        }
        Ok(Some(Newer { messages, to }))
    }
}
