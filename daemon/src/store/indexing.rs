//! Owns the search index while it is open: reads what is new in the log, indexes it, and removes what is gone, a slice
//! at a time. The indexer's thread calls it. Never decides when, never writes the log.

use super::index_files::Next;
use super::location::Location;
use super::rows::{int, number};
use super::shared::{AtStart, Shared};
use super::{StoreError, index_files, packed, redactions, schema, totals};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{HashMap, HashSet};
use tcp_chat_protocol::{MsgEvent, Name, Seq, event};
use tcp_chat_search::{Index, Message, PurgeStep};

/// One transaction indexes about this many bytes of lines.
const SLICE_BYTES: usize = 512 * 1024;

/// The number of redacted messages that one transaction removes.
const REDACTED_AT_ONCE: usize = 1_000;

/// The number of authors whose keys are remembered. With one more, all are forgotten and made again.
const AUTHORS: usize = 4_096;

/// The search index, and the log that it follows.
pub(super) struct Open {
    log: Connection,
    index: Index,
    authors: Authors,
}

/// What one transaction indexes.
pub(super) struct IndexSlice {
    pieces: Vec<Piece>,
    /// The number that the index has reached then.
    to: Seq,
    /// There may be more messages after it.
    pub(super) is_full: bool,
}

/// What the log still has.
pub(super) struct There {
    /// Messages from this number on.
    oldest: Seq,
    conversations: HashSet<i64>,
}

/// What was taken in of the redactions.
pub(super) struct Taken {
    /// There may be more.
    pub(super) are_more: bool,
    /// Some of the messages are no longer in the log.
    pub(super) are_some_removed: bool,
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
    /// The first one of a process checks that the index has no turns that the log has lost. Later ones cannot.
    pub(super) fn new(shared: &Shared, is_first: bool) -> Result<Self, StoreError> {
        shared.check_log()?;
        let log = schema::open_reader(&shared.log)?;
        let error = |e: rusqlite::Error| StoreError::sqlite("read", &shared.log, &e);
        let head = totals::read(&log).map_err(error)?.head;
        let done = redactions::count(&log).map_err(error)?;
        let store: Vec<u8> =
            log.query_row("SELECT store FROM totals", [], |row| row.get(0)).map_err(error)?;

        let found = index_files::open(&shared.index).and_then(|index| {
            let index =
                Index::open(index, &store).map_err(|e| StoreError::sqlite("read", &shared.index, &e))?;
            // After a power cut the log may have lost turns that the index has, and it may have others since.
            let AtStart { head, redactions } =
                if is_first { shared.at_start } else { AtStart { head, redactions: done } };
            Ok(index.filter(|index| index.mark() <= head && index.redactions() <= redactions))
        });
        let index = match found {
            Ok(Some(index)) => index,
            // Missing, of another log, of another version, or damaged: it is made from the log again.
            Ok(None) | Err(StoreError::Foreign { .. } | StoreError::Corrupt { .. }) => {
                index_files::remove(&shared.index)?;
                let index = Index::create(index_files::open(&shared.index)?, &store)
                    // Messages that were redacted until now are read as they are now.
                    .and_then(|mut index| index.redact(&[], done).map(|()| index))
                    .map_err(|e| StoreError::sqlite("write", &shared.index, &e))?;
                if head > 0 {
                    tracing::info!(event = "index_made_anew", index = %shared.index, messages_to = head, "the search index is being rebuilt");
                }
                index
            }
            Err(e) => return Err(e),
        };
        Ok(Self { log, index, authors: Authors::default() })
    }

    /// The index has all messages up to this number.
    pub(super) fn mark(&self) -> Seq {
        self.index.mark()
    }

    /// Has the disk room for that?
    pub(super) fn has_room(&self, place: &Location, next: Next) -> bool {
        index_files::has_room(place, next, || self.index.truncate_wal().is_ok())
    }

    /// Indexes some messages.
    pub(super) fn index(&mut self, slice: &IndexSlice) -> rusqlite::Result<()> {
        let mut batch = self.index.batch()?;
        for Piece { first, conversation, between, lines } in &slice.pieces {
            for (line, seq) in super::lines(lines, *first) {
                let data = event::data_of(line).unwrap_or_default();
                // A line that the daemon did not write cannot be found, and a redacted one has no words.
                if let Ok(message) = serde_json::from_slice::<MsgEvent<'_>>(data)
                    && !message.redacted
                {
                    batch.add(&Message {
                        seq,
                        conversation: *conversation,
                        participants: *between,
                        author: self.authors.key(&message.user),
                        text: &message.msg,
                    })?;
                }
            }
        }
        batch.commit(slice.to)
    }

    /// Removes some messages that were redacted.
    pub(super) fn redact(&mut self) -> rusqlite::Result<Taken> {
        let before = self.index.redactions();
        let (seqs, to) = redactions::read_after(&self.log, before, REDACTED_AT_ONCE)?;
        // Retention has removed a message, and its row, before the index took the redaction in.
        let are_some_removed = to - before > seqs.len() as u64;
        if are_some_removed {
            self.index.require_purge()?;
        }
        if to != before {
            self.index.redact(&seqs, to)?;
        }
        Ok(Taken { are_more: seqs.len() == REDACTED_AT_ONCE, are_some_removed })
    }

    /// Whether words of redacted messages may still be in the index's files.
    pub(super) fn must_purge(&self) -> bool {
        self.index.must_purge()
    }

    /// Removes a part of them.
    pub(super) fn purge(&mut self) -> rusqlite::Result<PurgeStep> {
        self.index.purge()
    }

    /// Reads the next messages. The log is let go before they are indexed: it can be tidied and
    /// its write-ahead log copied meanwhile.
    pub(super) fn next_slice(&self) -> rusqlite::Result<Option<IndexSlice>> {
        let log = self.log.unchecked_transaction()?;
        let head = totals::read(&log)?.head;
        if self.mark() >= head {
            return Ok(None);
        }
        let mut chunks = log.prepare_cached(
            "SELECT k.first, k.last, k.conversation, k.lines, c.user_a, c.user_b
             FROM chunks k LEFT JOIN conversations c ON c.id = k.conversation
             WHERE k.first > ?1 ORDER BY k.first",
        )?;
        let mut rows = chunks.query([int(self.mark())])?;
        let (mut slice, mut bytes) = (IndexSlice { pieces: Vec::new(), to: self.mark(), is_full: true }, 0);
        while bytes < SLICE_BYTES {
            let Some(row) = rows.next()? else {
                // All of it was read: a number that has no message here was removed.
                slice.to = head;
                slice.is_full = false;
                break;
            };
            let (a, b) = (row.get::<_, Option<i64>>(4)?, row.get::<_, Option<i64>>(5)?);
            let (first, conversation) = (number(row, 0)?, row.get(2)?);
            let piece =
                Piece { first, conversation, between: a.zip(b), lines: packed::unpack_owned(row.get(3)?) };
            slice.to = number(row, 1)?;
            bytes += piece.lines.len();
            slice.pieces.push(piece);
        }
        Ok(Some(slice))
    }

    pub(super) fn what_is_there(&self) -> rusqlite::Result<There> {
        let log = self.log.unchecked_transaction()?;
        let oldest = "SELECT first FROM chunks ORDER BY first LIMIT 1";
        let oldest = log.query_row(oldest, [], |row| number(row, 0)).optional()?;
        let conversations = log
            .prepare_cached("SELECT id FROM conversations")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(There { oldest: oldest.unwrap_or(self.mark() + 1), conversations })
    }

    /// Removes some messages that the log no longer has. True: there may be more.
    pub(super) fn remove_slice(&mut self, there: &There) -> rusqlite::Result<bool> {
        self.index.remove(there.oldest, &there.conversations)
    }
}

/// The keys of authors' names: searches name an author by the key.
#[derive(Default)]
struct Authors(HashMap<String, String>);

impl Authors {
    /// The key of a name; empty for a name that this version does not read.
    fn key(&mut self, user: &str) -> &str {
        if !self.0.contains_key(user) {
            if self.0.len() >= AUTHORS {
                self.0.clear();
            }
            let key = Name::parse_kept(user).map(|name| name.key().as_str().to_owned());
            self.0.insert(user.to_owned(), key.unwrap_or_default());
        }
        self.0.get(user).map_or("", |key| key)
    }
}
