//! Owns the index as a database: its tables, its version, and what is written to it. Called by the owner of the log,
//! on one thread. Never searches.

use crate::purge::{Purge, PurgeStep};
use crate::{TOKENIZER, purge, segments, seq, signed, tags};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};
use std::collections::HashSet;

/// The version of the tables and of the rules that make words. An index of another version is made from the log again.
const VERSION: i64 = 5;

/// One call of [`Index::remove`] removes at most this many messages.
const REMOVED_AT_ONCE: i64 = 2_000;

/// One message, as the index needs it.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its seq in the log: above 0, and below 2^63.
    pub seq: u64,
    /// Its conversation.
    pub conversation: i64,
    /// The two users of a conversation of two. Searches can then name one of them instead of all of their
    /// conversations ([`crate::Query::direct_messages_of`]).
    pub participants: Option<(i64, i64)>,
    /// The author, in the form in which a query names an author. Empty: no query finds it by its author.
    pub author: &'a str,
    /// The text.
    pub text: &'a str,
}

/// The index, open for writing.
#[derive(Debug)]
pub struct Index {
    connection: Connection,
    mark: u64,
    /// The conversations that have a message in the index.
    conversations: HashSet<i64>,
    purge: Purge,
}

impl Index {
    /// Opens an index. `None`: the database is empty, or has an index of another log or version. Sets the journal
    /// mode, the durability and the page cache (1 MiB) of the connection.
    ///
    /// # Errors
    /// The database cannot be read, or is not a SQLite database.
    pub fn open(connection: Connection, log: &[u8]) -> rusqlite::Result<Option<Self>> {
        set_up(&connection)?;
        let Some(mark) = mark(&connection, log)? else { return Ok(None) };
        let conversations = {
            let mut held = connection.prepare("SELECT conversation FROM held")?;
            held.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?
        };
        let purge = Purge::read(&connection)?;
        Ok(Some(Self { connection, mark, conversations, purge }))
    }

    /// Creates an empty index; replaces an existing one. `log` is the id of its log.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn create(connection: Connection, log: &[u8]) -> rusqlite::Result<Self> {
        set_up(&connection)?;
        let turn = connection.unchecked_transaction()?;
        turn.execute_batch(&format!(
            "DROP TABLE IF EXISTS about; DROP TABLE IF EXISTS held; DROP TABLE IF EXISTS words;
             CREATE TABLE about (version INTEGER NOT NULL, store BLOB NOT NULL, mark INTEGER NOT NULL,
                 redactions INTEGER NOT NULL, purging INTEGER NOT NULL) STRICT;
             CREATE TABLE held (conversation INTEGER PRIMARY KEY) STRICT;
             CREATE VIRTUAL TABLE words USING fts5 (
                 _text_, _tags_, content = '', contentless_delete = 1, {TOKENIZER}, prefix = '1 2 3 4'
             );",
        ))?;
        turn.execute("INSERT INTO about VALUES (?1, ?2, 0, 0, 0)", (VERSION, log))?;
        turn.commit()?;
        Ok(Self { connection, mark: 0, conversations: HashSet::new(), purge: Purge::default() })
    }

    /// The seq up to which the index has all messages of the log.
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// Runs a pragma.
    #[cfg(test)]
    pub(crate) fn run(&self, sql: &str) {
        self.connection.query_row(sql, [], |_| Ok(())).unwrap();
    }

    /// The connection, for a searcher.
    pub(crate) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Begins a transaction that adds messages. If it is dropped without [`Batch::commit`], it adds none.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn batch(&mut self) -> rusqlite::Result<Batch<'_>> {
        let turn = self.connection.unchecked_transaction()?;
        let put = self
            .connection
            .prepare_cached("INSERT INTO words (rowid, _text_, _tags_) VALUES (?1, ?2, ?3)")?;
        let (mark, conversations) = (&mut self.mark, &mut self.conversations);
        Ok(Batch { put, turn, mark, conversations, new: HashSet::new(), tags: String::new() })
    }

    /// Removes up to 2,000 messages that the log no longer has: first those below `oldest`, then those of
    /// conversations that are not in `conversations`. True: there may be more, so call it again.
    ///
    /// # Errors
    /// The database cannot be written. Nothing was removed.
    pub fn remove(&mut self, oldest: u64, conversations: &HashSet<i64>) -> rusqlite::Result<bool> {
        let turn = self.connection.unchecked_transaction()?;
        let removed = turn
            .prepare_cached(
                "DELETE FROM words WHERE rowid IN (SELECT rowid FROM words WHERE rowid < ?1 LIMIT ?2)",
            )?
            .execute([signed(oldest), REMOVED_AT_ONCE])?;
        let are_more = i64::try_from(removed) == Ok(REMOVED_AT_ONCE);
        let gone = self.conversations.difference(conversations).next().copied();
        let Some(gone) = gone.filter(|_| !are_more) else {
            turn.commit()?;
            return Ok(are_more);
        };
        let removed = turn
            .prepare_cached(
                "DELETE FROM words WHERE rowid IN (SELECT rowid FROM words WHERE words MATCH ?1 LIMIT ?2)",
            )?
            .execute(params![tags::in_conversations(&[gone], None), REMOVED_AT_ONCE])?;
        if removed == 0 {
            turn.prepare_cached("DELETE FROM held WHERE conversation = ?1")?.execute([gone])?;
        }
        turn.commit()?;
        if removed == 0 {
            self.conversations.remove(&gone);
        }
        Ok(true)
    }

    /// How many redactions of the log this index has taken in.
    #[must_use]
    pub fn redactions(&self) -> u64 {
        self.purge.redactions
    }

    /// Removes these messages, whose text was redacted: no search finds them from now on. The index has taken in
    /// `redactions` redactions then. Their words leave the file with [`Index::purge`].
    ///
    /// # Errors
    /// The database cannot be written. Nothing was removed.
    pub fn redact(&mut self, seqs: &[u64], redactions: u64) -> rusqlite::Result<()> {
        self.purge.redact(&self.connection, seqs, redactions)
    }

    /// Whether words of redacted messages may still be in the file.
    #[must_use]
    pub fn must_purge(&self) -> bool {
        self.purge.is_needed
    }

    /// Has words leave the file that no redaction names: those of redacted messages that were removed meanwhile.
    ///
    /// # Errors
    /// The database cannot be written. No purge is needed for it.
    pub fn require_purge(&mut self) -> rusqlite::Result<()> {
        self.purge.require(&self.connection)
    }

    /// Writes a part of the index again, about 1 MiB, without the words of removed messages. After the last part they are no
    /// longer in the database, nor in its write-ahead log.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn purge(&mut self) -> rusqlite::Result<PurgeStep> {
        purge::step(&mut self.purge, &self.connection)
    }

    /// Copies the write-ahead log into the file, and truncates it.
    ///
    /// # Errors
    /// The file cannot be written. A reader that prevents part of the copy is not an error.
    pub fn truncate_wal(&self) -> rusqlite::Result<()> {
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }
}

/// A transaction that adds messages to an [`Index`].
#[allow(missing_debug_implementations, reason = "a cached statement has none")]
pub struct Batch<'i> {
    put: CachedStatement<'i>,
    turn: Transaction<'i>,
    mark: &'i mut u64,
    conversations: &'i mut HashSet<i64>,
    /// Conversations whose first message is in this batch.
    new: HashSet<i64>,
    tags: String,
}

impl Batch<'_> {
    /// Adds a message.
    ///
    /// # Errors
    /// The database cannot be written, or has a message with this seq.
    pub fn add(&mut self, message: &Message<'_>) -> rusqlite::Result<()> {
        tags::write(&mut self.tags, message);
        self.put.execute(params![signed(message.seq), segments::text(message.text), self.tags])?;
        let conversation = message.conversation;
        if !self.conversations.contains(&conversation) && self.new.insert(conversation) {
            let mut hold = self.turn.prepare_cached("INSERT OR IGNORE INTO held VALUES (?1)")?;
            hold.execute([conversation])?;
        }
        Ok(())
    }

    /// Writes the batch. From now on the index has all messages of the log up to `mark`.
    ///
    /// # Errors
    /// The database cannot be written. Nothing was added.
    pub fn commit(self, mark: u64) -> rusqlite::Result<()> {
        let Self { put, turn, mark: old_mark, conversations, new, .. } = self;
        drop(put);
        turn.prepare_cached("UPDATE about SET mark = ?1")?.execute([signed(mark)])?;
        turn.commit()?;
        *old_mark = mark;
        conversations.extend(new);
        Ok(())
    }
}

/// Sets up a connection for writing. A commit survives the process, and the file survives a power cut.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    connection.query_row("PRAGMA journal_size_limit = 16777216", [], |_| Ok(()))?;
    // Free pages have no words: FTS5 writes what it merges to new ones.
    connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA cache_size = -1024")
}

/// The stored mark; `None`: this is not an index of this log and version.
fn mark(connection: &Connection, log: &[u8]) -> rusqlite::Result<Option<u64>> {
    let made: bool =
        connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'about'", [], |row| row.get(0))?;
    if !made {
        return Ok(None);
    }
    connection
        .query_row("SELECT mark FROM about WHERE version = ?1 AND store = ?2", (VERSION, log), seq)
        .optional()
}
