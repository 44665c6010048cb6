//! Owns the totals of the store: values that would need a scan, such as the newest number. Called by the writer inside its
//! transactions, and by readers. Never reads messages.

use super::history_size;
use super::rows::{int, number};
use rusqlite::{Connection, params};
use tcp_chat_protocol::Seq;
use tcp_chat_state::{ErasureChange, SessionChange, UserChange, Writes};

/// Values that would need a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    /// The newest number of the server.
    pub(super) head: Seq,
    /// The number of stored messages.
    pub(super) messages: u64,
    /// The bytes of the stored messages, as `history_size::chunk_bytes` counts them.
    pub(super) bytes: u64,
    /// The highest conversation id that was ever assigned.
    pub(super) last_conversation: i64,
    /// The highest session id that was ever assigned.
    pub(super) last_session: i64,
    /// The ids of messages up to this number are in `sent_as`.
    pub(super) sent_as_to: Seq,
    /// Retention has removed every message below this number.
    pub(super) oldest: Seq,
}

impl Totals {
    /// The totals after a turn was written. `packed`: the lines of its chunks as they are stored.
    pub(super) fn after_turn(mut self, writes: &Writes, packed: &[Vec<u8>]) -> Self {
        self.oldest = self.oldest.max(writes.oldest.unwrap_or(0));
        for (id, _) in &writes.conversations {
            self.last_conversation = self.last_conversation.max(id.0);
        }
        for (chunk, lines) in writes.chunks.iter().zip(packed) {
            self.head = self.head.max(chunk.last);
            let count = chunk.last - chunk.first + 1;
            self.messages += count;
            self.bytes += history_size::chunk_bytes(lines.len() as u64, count);
        }
        for change in &writes.sessions {
            if let SessionChange::Put(row) = change {
                self.last_session = self.last_session.max(row.id.0).max(row.user.0);
            }
        }
        for change in &writes.users {
            if let UserChange::Put(user) = change {
                self.last_session = self.last_session.max(user.id.0);
            }
        }
        for change in &writes.erasures {
            if let ErasureChange::Put(erasure) = change {
                self.last_session = self.last_session.max(erasure.id);
            }
        }
        self
    }
}

/// Writes the totals if the stored ones are still `before`. If not, another program wrote them: a backup was
/// restored into the store while it was in use. The highest ids of a room and a session never fall: rows of a
/// turn that failed can stand in the file, and must not become those of another room or session.
pub(super) fn write(log: &Connection, before: &Totals, totals: &Totals) -> rusqlite::Result<()> {
    let Totals { head, messages, bytes, last_conversation, last_session, sent_as_to, oldest } = *totals;
    log.prepare_cached(
        "UPDATE totals SET head = ?1, messages = ?2, last_conversation = max(last_conversation, ?3),
         last_session = max(last_session, ?4), sent_as_to = ?5, bytes = ?6, oldest = ?7
         WHERE head = ?8 AND messages = ?9",
    )?
    .execute(params![
        int(head),
        int(messages),
        last_conversation,
        last_session,
        int(sent_as_to),
        int(bytes),
        int(oldest),
        int(before.head),
        int(before.messages)
    ])
    .and_then(|changed| match changed {
        0 => Err(rusqlite::Error::StatementChangedRows(0)),
        _ => Ok(()),
    })
}

/// Undoes the totals of a turn whose commit failed: no number is beyond the last one that was committed. `removed`: the
/// bytes of the turn's messages, if they stood in the file. What the turn has redacted stays redacted, so the bytes are those
/// of the file. Returns the totals as they are now.
pub(super) fn undo(log: &Connection, kept: &Totals, removed: u64) -> rusqlite::Result<Totals> {
    let found = read(log)?;
    // A store that was replaced by another one is left as it is: the next turn notices.
    if found.head < kept.head || (found.head == kept.head && found.messages != kept.messages) {
        return Ok(*kept);
    }
    let kept = Totals { bytes: found.bytes.saturating_sub(removed), ..*kept };
    if found.head > kept.head {
        write(log, &found, &kept)?;
    }
    Ok(kept)
}

/// Reads the totals.
pub(super) fn read(log: &Connection) -> rusqlite::Result<Totals> {
    log.prepare_cached(
        "SELECT head, messages, last_conversation, last_session, sent_as_to, bytes, oldest FROM totals",
    )?
    .query_row([], |row| {
        Ok(Totals {
            head: number(row, 0)?,
            messages: number(row, 1)?,
            last_conversation: row.get(2)?,
            last_session: row.get(3)?,
            sent_as_to: number(row, 4)?,
            bytes: number(row, 5)?,
            oldest: number(row, 6)?,
        })
    })
}
