//! Owns the search index while it is open: reads what is new in the log, indexes it, and removes what is gone, a slice
//! at a time. The indexer's thread calls it. Never decides when, never writes the log.

use super::index_files::Next;
use super::place::Place;
use super::rows::{int, number};
use super::shared::Shared;
use super::words::{self, Tags};
use super::{StoreError, apart, found, index_files, schema};
use rusqlite::{Connection, params};
use std::collections::HashSet;
use tcp_chat_protocol::{MsgEvent, Seq, event};

/// One transaction indexes about this many bytes of lines.
const SLICE_BYTES: usize = 512 * 1024;

/// One transaction removes this many messages.
const SLICE_REMOVED: i64 = 2_000;

/// The search index, and the log that it follows.
pub(super) struct Open {
    log: Connection,
    index: Connection,
    /// Messages up to this number are in it.
    pub(super) mark: Seq,
    /// The conversations that have something in the index.
    held: HashSet<i64>,
    tags: Tags,
}

/// What one transaction indexes.
pub(super) struct Slice {
    pieces: Vec<Piece>,
    /// The number that the index has reached then.
    to: Seq,
}

/// What the log still has.
pub(super) struct There {
    /// Messages from this number on.
    oldest: i64,
    conversations: HashSet<i64>,
}

/// What is needed of a chunk.
struct Piece {
    first: Seq,
    conversation: i64,
    /// Of a direct one, the two users.
    between: Option<(i64, i64)>,
    lines: Vec<u8>,
}

impl Open {
    pub(super) fn new(shared: &Shared) -> Result<Self, StoreError> {
        shared.check_log()?;
        let log = schema::open_reader(&shared.log)?;
        let error = |e: rusqlite::Error| StoreError::sqlite("read", &shared.log, &e);
        let head = found::totals(&log).map_err(error)?.head;
        let store: Vec<u8> =
            log.query_row("SELECT store FROM totals", [], |row| row.get(0)).map_err(error)?;

        let found = index_files::open(&shared.index).and_then(|index| {
            let fits = words::mark(&index, &store)
                .map_err(|e| StoreError::sqlite("read", &shared.index, &e))?
                .is_some_and(|mark| mark <= head);
            Ok(fits.then_some(index))
        });
        let index = match found {
            Ok(Some(index)) => index,
            // Not there yet, another log's, an older one's, or damaged: all of them are made anew.
            Ok(None) | Err(StoreError::Foreign { .. } | StoreError::Corrupt { .. }) => {
                index_files::remove(&shared.index)?;
                let index = index_files::open(&shared.index)?;
                let error = |e: rusqlite::Error| StoreError::sqlite("write", &shared.index, &e);
                words::make(&index, &store).map_err(error)?;
                if head > 0 {
                    tracing::info!(event = "index_made_anew", index = %shared.index, messages_to = head, "the search index is being made anew");
                }
                index
            }
            Err(e) => return Err(e),
        };
        let error = |e: rusqlite::Error| StoreError::sqlite("read", &shared.index, &e);
        let mark = words::mark(&index, &store).map_err(error)?.unwrap_or(0);
        let held = words::held(&index).map_err(error)?;
        Ok(Self { log, index, mark, held, tags: Tags::default() })
    }

    /// Has the disk room for that?
    pub(super) fn has_room(&self, place: &Place, next: Next) -> bool {
        index_files::has_room(place, &self.index, next)
    }

    /// Indexes some messages.
    pub(super) fn index(&mut self, slice: &Slice) -> rusqlite::Result<()> {
        let turn = self.index.unchecked_transaction()?;
        let mut put = turn.prepare_cached("INSERT INTO words (rowid, _text_, _tags_) VALUES (?1, ?2, ?3)")?;
        for Piece { first, conversation, between, lines } in &slice.pieces {
            for (line, seq) in super::lines(lines, *first) {
                let data = event::data_of(line).unwrap_or_default();
                // What the daemon did not write, it cannot find.
                if let Ok(message) = serde_json::from_slice::<MsgEvent<'_>>(data) {
                    let tags = self.tags.of(*conversation, *between, &message.user);
                    put.execute(params![int(seq), apart::text(&message.msg), tags])?;
                }
            }
            if !self.held.contains(conversation) {
                turn.prepare_cached("INSERT OR IGNORE INTO held VALUES (?1)")?.execute([conversation])?;
                self.held.insert(*conversation);
            }
        }
        drop(put);
        turn.prepare_cached("UPDATE about SET mark = ?1")?.execute([int(slice.to)])?;
        turn.commit()?;
        self.mark = slice.to;
        Ok(())
    }

    /// Reads the next messages. The log is let go before they are indexed: it can be tidied and
    /// its write-ahead log copied meanwhile.
    pub(super) fn next_slice(&self) -> rusqlite::Result<Option<Slice>> {
        let log = self.log.unchecked_transaction()?;
        let head = found::totals(&log)?.head;
        if self.mark >= head {
            return Ok(None);
        }
        let mut chunks = log.prepare_cached(
            "SELECT k.first, k.last, k.conversation, k.lines, c.user_a, c.user_b
             FROM chunks k LEFT JOIN conversations c ON c.id = k.conversation
             WHERE k.first > ?1 ORDER BY k.first",
        )?;
        let mut rows = chunks.query([int(self.mark)])?;
        let (mut slice, mut bytes) = (Slice { pieces: Vec::new(), to: self.mark }, 0);
        while bytes < SLICE_BYTES {
            let Some(row) = rows.next()? else {
                // All of it was read: a number that has no message here was removed.
                slice.to = head;
                break;
            };
            let (a, b) = (row.get::<_, Option<i64>>(4)?, row.get::<_, Option<i64>>(5)?);
            let (first, conversation) = (number(row, 0)?, row.get(2)?);
            let piece = Piece { first, conversation, between: a.zip(b), lines: row.get(3)? };
            slice.to = number(row, 1)?;
            bytes += piece.lines.len();
            slice.pieces.push(piece);
        }
        Ok(Some(slice))
    }

    pub(super) fn what_is_there(&self) -> rusqlite::Result<There> {
        let log = self.log.unchecked_transaction()?;
        let oldest: Option<i64> = log.query_row("SELECT min(first) FROM chunks", [], |row| row.get(0))?;
        let conversations = log
            .prepare_cached("SELECT id FROM conversations")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(There { oldest: oldest.unwrap_or_else(|| int(self.mark).saturating_add(1)), conversations })
    }

    /// Removes some of what is gone from the log. True: there may be more.
    pub(super) fn remove_slice(&mut self, there: &There) -> rusqlite::Result<bool> {
        let turn = self.index.unchecked_transaction()?;
        let removed = turn
            .prepare_cached(
                "DELETE FROM words WHERE rowid IN (SELECT rowid FROM words WHERE rowid < ?1 LIMIT ?2)",
            )?
            .execute([there.oldest, SLICE_REMOVED])?;
        if removed > 0 {
            turn.commit()?;
            return Ok(true);
        }
        let Some(gone) = self.held.iter().copied().find(|id| !there.conversations.contains(id)) else {
            return Ok(false);
        };
        let removed = turn
            .prepare_cached(
                "DELETE FROM words WHERE rowid IN (SELECT rowid FROM words WHERE words MATCH ?1 LIMIT ?2)",
            )?
            .execute(params![words::in_conversations(&[gone], None), SLICE_REMOVED])?;
        if removed == 0 {
            turn.prepare_cached("DELETE FROM held WHERE conversation = ?1")?.execute([gone])?;
        }
        turn.commit()?;
        if removed == 0 {
            self.held.remove(&gone);
        }
        Ok(true)
    }
}
