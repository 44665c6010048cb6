//! Maps the request id of a message to its number, which makes resends harmless. Called by the writer. Never
//! decides whether a message is a resend.
//!
//! Each message with a request id has a row in `sent`, ordered by number: rows are appended, and read
//! together with their chunk. The opposite direction, `sent_as`, is ordered by session and id. There, each
//! session that sends in a turn would change a page of its own; with fifty sessions that is more than the
//! messages themselves. So ids wait in memory until there are [`BATCH`] of them. They are then written to
//! `sent_as` in sorted order, some with each turn. After a restart, waiting ids are read from `sent`.

use super::rows::{Id, id, int, number};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeMap;
use tcp_chat_protocol::{RequestId, Seq};
use tcp_chat_state::{ConversationId, Sent, SessionId};

/// How many ids are sorted at once. Up to twice as many can wait, and are read at a start.
const BATCH: usize = 8_192;

/// The minimum number of ids that each turn writes to `sent_as`.
const AT_LEAST: usize = 32;

type Waiting = BTreeMap<(SessionId, RequestId), Seq>;

/// Ids that are not in `sent_as` yet.
#[derive(Debug, Default)]
pub(super) struct RequestIds {
    /// The ids of the newest messages.
    open: Waiting,
    /// How many ids were added since the last batch, those of ended sessions included.
    added: usize,
    /// The batch that is being written, in its order.
    batch: Waiting,
    /// All ids up to this number are in the batch or in `sent_as`.
    batch_to: Seq,
}

impl RequestIds {
    /// Reads the ids that waited when the store was closed: those after `written_to`.
    pub(super) fn read(log: &Connection, written_to: Seq) -> rusqlite::Result<Self> {
        let mut sent = log.prepare(
            "SELECT s.seq, s.session, s.id FROM sent s JOIN sessions ON sessions.id = s.session
             WHERE s.seq > ?1 ORDER BY s.seq",
        )?;
        let mut ids = Self { batch_to: written_to, ..Self::default() };
        let mut rows = sent.query([int(written_to)])?;
        while let Some(row) = rows.next()? {
            ids.open.insert((SessionId(row.get(1)?), id(row, 2)?), number(row, 0)?);
        }
        ids.added = ids.open.len();
        Ok(ids)
    }

    /// The number of the session's message with this `id`. The message may no longer exist.
    pub(super) fn find(
        &self,
        log: &Connection,
        session: SessionId,
        id: &RequestId,
    ) -> rusqlite::Result<Option<Seq>> {
        let key = (session, id.clone());
        if let Some(seq) = self.open.get(&key).or_else(|| self.batch.get(&key)) {
            return Ok(Some(*seq));
        }
        log.prepare_cached("SELECT seq FROM sent_as WHERE session = ?1 AND id = ?2")?
            .query_row(params![session.0, Id(id)], |row| number(row, 0))
            .optional()
    }

    /// How many ids of the batch a turn with `new` ids writes.
    pub(super) fn batch_share(&self, new: usize) -> usize {
        // Two for each new id: the batch is done when the next one is half full.
        new.saturating_mul(2).max(AT_LEAST).min(self.batch.len())
    }

    /// The number up to which all ids are in `sent_as` after such a share was written.
    pub(super) fn written_to(&self, share: usize, before: Seq) -> Seq {
        if share == self.batch.len() { self.batch_to } else { before }
    }

    /// Writes a share of the batch to `sent_as`, inside the turn's transaction.
    pub(super) fn write_batch(&self, log: &Connection, share: usize) -> rusqlite::Result<()> {
        if share > 0 {
            // An id whose message was removed can be in use again.
            let mut put =
                log.prepare_cached("INSERT OR REPLACE INTO sent_as (session, id, seq) VALUES (?1, ?2, ?3)")?;
            for ((session, id), seq) in self.batch.iter().take(share) {
                put.execute(params![session.0, Id(id), int(*seq)])?;
            }
        }
        Ok(())
    }

    /// Updates the waiting ids after a commit: the share is written, and the ids of the turn wait. `head`:
    /// the newest number of the turn.
    pub(super) fn after_commit(&mut self, share: usize, sent: Vec<Sent>, head: Seq) {
        for _ in 0..share {
            self.batch.pop_first();
        }
        self.added += sent.len();
        self.open.extend(sent.into_iter().map(|sent| ((sent.session, sent.id), sent.seq)));
        if self.batch.is_empty() && self.added >= BATCH {
            self.batch = std::mem::take(&mut self.open);
            (self.added, self.batch_to) = (0, head);
        }
    }

    /// Removes the waiting ids of a session that has ended.
    pub(super) fn remove_session(&mut self, session: SessionId) {
        for waiting in [&mut self.open, &mut self.batch] {
            let first = (session, RequestId::Number(0));
            let next = (SessionId(session.0.saturating_add(1)), RequestId::Number(0));
            let of: Vec<_> = waiting.range(first..next).map(|(key, _)| key.clone()).collect();
            for key in of {
                waiting.remove(&key);
            }
        }
    }

    /// Removes the waiting ids of removed chunks, each given by its first and last number, in order.
    pub(super) fn remove_chunks(&mut self, chunks: &[(Seq, Seq)]) {
        let is_gone = |seq: Seq| {
            let after = chunks.partition_point(|(first, _)| *first <= seq);
            after > 0 && chunks[after - 1].1 >= seq
        };
        for waiting in [&mut self.open, &mut self.batch] {
            waiting.retain(|_, seq| !is_gone(*seq));
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.batch.is_empty()
    }
}

/// The ids of messages after a number, for sessions that exist, oldest first.
pub(super) fn read_after(log: &Connection, after: Seq) -> rusqlite::Result<Vec<Sent>> {
    let mut sent = log.prepare(
        "SELECT s.seq, s.session, s.id, coalesce(
             (SELECT iif(k.last >= s.seq, k.conversation, NULL) FROM chunks k
              WHERE k.first <= s.seq ORDER BY k.first DESC LIMIT 1),
             (SELECT l.conversation FROM left_ids l WHERE l.first <= s.seq ORDER BY l.first DESC LIMIT 1), 0)
         FROM sent s JOIN sessions ON sessions.id = s.session WHERE s.seq > ?1 ORDER BY s.seq",
    )?;
    sent.query_map([int(after)], |row| {
        Ok(Sent {
            seq: number(row, 0)?,
            session: SessionId(row.get(1)?),
            id: id(row, 2)?,
            conversation: ConversationId(row.get(3)?),
        })
    })?
    .collect()
}

/// Removes at most `most` ids of a session that has ended. Returns how many were removed.
pub(super) fn remove_session_rows(log: &Connection, session: i64, most: u64) -> rusqlite::Result<u64> {
    let removed = log
        .prepare_cached(
            "DELETE FROM sent_as WHERE session = ?1
             AND id IN (SELECT id FROM sent_as WHERE session = ?1 LIMIT ?2)",
        )?
        .execute(params![session, int(most)])?;
    Ok(removed as u64)
}

/// The last number whose ids can be removed, if at most `most` ids of these messages are removed. `None`: all
/// of them.
pub(super) fn last_removable(
    log: &Connection,
    (first, last): (Seq, Seq),
    most: u64,
) -> rusqlite::Result<Option<Seq>> {
    log.prepare_cached("SELECT seq - 1 FROM sent WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT 1 OFFSET ?3")?
        .query_row([int(first), int(last), int(most)], |row| number(row, 0))
        .optional()
}

/// Removes the ids of removed chunks, each given by its first and last number. Returns the number of rows in
/// `sent_as`, each of which may be in a page of its own.
pub(super) fn remove_rows(log: &Connection, chunks: &[(Seq, Seq)]) -> rusqlite::Result<u64> {
    let mut sent = log.prepare_cached("SELECT session, id, seq FROM sent WHERE seq BETWEEN ?1 AND ?2")?;
    let mut gone = Vec::new();
    for (first, last) in chunks {
        let mut rows = sent.query([int(*first), int(*last)])?;
        while let Some(row) = rows.next()? {
            gone.push((row.get::<_, i64>(0)?, id(row, 1)?, number(row, 2)?));
        }
        log.prepare_cached("DELETE FROM sent WHERE seq BETWEEN ?1 AND ?2")?
            .execute([int(*first), int(*last)])?;
    }
    // In sorted order, so that each page is read once.
    gone.sort();
    let mut of = log.prepare_cached("DELETE FROM sent_as WHERE session = ?1 AND id = ?2 AND seq = ?3")?;
    let mut removed = 0;
    for (session, id, seq) in &gone {
        removed += of.execute(params![session, Id(id), int(*seq)])? as u64;
    }
    Ok(removed)
}
