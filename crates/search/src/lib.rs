//! Owns the full-text index of a message log: a SQLite database with one FTS5 table. Called by the daemon's store,
//! which gives it open connections. Knows of a message only its seq, its conversation, its author and its text.
//! Never chooses a file, starts a thread, waits for room on a disk, or logs.
//!
//! The index holds words, not texts. An [`Index`] writes it: the owner of the log adds each message, and removes
//! those that the log no longer has. A [`Searcher`] reads it: it turns the text of a user into an expression,
//! asks the index for seqs, asks the log for each message ([`Log`]), and returns the positions of the words in
//! each text.
//!
//! ```
//! use rusqlite::Connection;
//! use std::time::{Duration, Instant};
//! use tcp_chat_search::{Index, Log, Message, Query, SearchError, Searcher};
//!
//! /// A log in memory: the text of seq 1 is the first one.
//! struct Texts([&'static str; 2]);
//!
//! impl Log for Texts {
//!     type Message = &'static str;
//!     type Error = std::convert::Infallible;
//!     fn oldest(&self) -> Result<u64, Self::Error> {
//!         Ok(1)
//!     }
//!     fn message(&self, seq: u64) -> Result<Option<&'static str>, Self::Error> {
//!         Ok(usize::try_from(seq - 1).ok().and_then(|at| self.0.get(at).copied()))
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = Texts(["hello world", "the café near the river"]);
//! let path = "file:/example?vfs=memdb";
//!
//! let mut index = Index::create(Connection::open(path)?, b"the id of the log")?;
//! let mut batch = index.batch()?;
//! for (seq, text) in (1..).zip(log.0) {
//!     batch.add(&Message { seq, conversation: 7, participants: None, author: "ana", text })?;
//! }
//! batch.commit(2)?;
//!
//! let mut searcher = Searcher::new(Connection::open(path)?)?;
//! let query = Query { text: "CAFE riv*", conversations: &[7], ..Query::default() };
//! let found = searcher.search(&log, &query, Instant::now() + Duration::from_secs(1))?;
//! assert_eq!((found.hits.len(), found.indexed), (1, 2));
//! assert_eq!(found.hits[0].message, "the café near the river");
//! assert_eq!(found.hits[0].highlights, [(4, 4), (18, 5)]);
//! # Ok(()) }
//! ```
//!
//! # Words
//! Case and accents on letters are ignored; vowel signs and tones count. An emoji is a word, and so is each character of
//! a script without spaces, and of Korean. A letter that comes in parts is one character. A query is an FTS5 expression (phrases, prefixes, `AND`, `OR`, `NOT`, `NEAR`) that cannot leave the
//! text of a message. Any other query is read as plain words, and is never an error.
//!
//! # New messages
//! The index may be behind its log. A search reads the messages above the mark of the index from the log, if the log
//! offers them ([`Log::newer`]), and returns the seq up to which it covered all messages ([`Found::indexed`]).
//!
//! # Bounds
//! A search ends at the given time with [`SearchError::TooLong`]. After 5 ms it uses only half a processor. It
//! returns at most one message more than [`Query::limit`], and stops after the message with which the texts
//! exceed [`Query::max_bytes`]. Of a query that is not an expression, the first 64 words count. One call of
//! [`Index::remove`] removes at most 2,000 messages. A searcher and an index hold the page cache of their
//! connection and no texts; an index also remembers its conversations.
//!
//! # Errors
//! Calls return the error of SQLite. [`SearchError`] separates errors of the index from those of the log. An
//! error other than [`SearchError::TooLong`] may mean a damaged file: the owner removes it and creates another
//! index from the log. The index has a version: [`Index::open`] refuses one that was made by other rules.

mod highlights;
mod index;
mod pauses;
mod purge;
mod search;
mod segments;
mod tags;
#[cfg(test)]
mod tests;

pub use index::{Batch, Index, Message};
pub use purge::PurgeStep;
pub use search::{Found, Hit, Log, Newer, Query, SearchError, Searcher};

/// The tokenizer of FTS5: ignores case and marks on letters.
const TOKENIZER: &str = "tokenize = 'unicode61 remove_diacritics 2'";

/// A seq as SQLite stores it. The seq of a message is far below the sign bit. One in a query may be beyond it,
/// and then means "after all messages".
fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Reads a seq from the first column.
fn seq(row: &rusqlite::Row<'_>) -> rusqlite::Result<u64> {
    let seq: i64 = row.get(0)?;
    u64::try_from(seq).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, seq))
}
