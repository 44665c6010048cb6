//! Owns the log and the sessions in SQLite. The hub owns the [`Store`] (the one writer);
//! connections hold [`Readers`] (a small pool, read-only, off the async threads). Never decides
//! who may see what: it is asked for conversations and numbers.
//!
//! A row of the log is a [`Chunk`]: what a turn encoded for one conversation, byte for byte as it
//! was sent. Reading it back is copying it. The search index is a file of its own beside the log,
//! written by a thread of its own, and made anew whenever it is missing: the log's writer never
//! waits for it.

mod backup;
mod bytes;
mod content;
mod error;
mod export;
mod files;
mod found;
mod gap;
mod guard;
mod header;
mod identity;
mod ids;
mod index;
mod index_files;
mod indexing;
mod page;
mod place;
mod read;
mod remembered;
mod removal;
mod replace;
mod rights;
mod room;
mod rows;
mod schema;
mod search;
mod shared;
mod slice;
mod stamps;
#[cfg(test)]
mod tests;
mod tidy;
mod users;
mod wal;
mod work;
mod write;

pub use backup::bytes_written as backup_bytes;
pub use error::StoreError;
pub use export::{Export, ExportError, ExportFilter};
pub use files::Which;
pub(crate) use place::{followed, free};
pub use read::{Readers, Resend};
pub use tidy::Removed;
pub use write::Store;

pub use crate::chat::{PageOf, Range, SearchIn};

use crate::chat::Chunk;
use tcp_chat_protocol::{Name, Seq, Timestamp};

/// A chunk that is in the store. Only the store can make one, and only this can be delivered.
#[derive(Debug)]
pub struct Kept {
    chunk: Chunk,
}

impl Kept {
    /// The chunk, as it was written.
    #[must_use]
    pub fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// A chunk that no store knows.
    #[cfg(test)]
    pub(crate) fn for_tests(chunk: Chunk) -> Self {
        Self { chunk }
    }
}

/// How many bytes the history takes, with its search index, and how many it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistoryBytes {
    /// It takes so many.
    pub taken: u64,
    /// It may take so many; `None`: there is no bound.
    pub most: Option<u64>,
}

/// What was found in a store that was only looked at.
#[derive(Debug, Default)]
pub struct Checked {
    /// When the newest message was said, if there is one.
    pub newest: Option<Timestamp>,
    /// The rooms that are there.
    pub rooms: Vec<Name>,
}

/// What was read of a gap.
#[derive(Debug, Default)]
pub struct Caught {
    /// Whole `MSG` lines in the order of their numbers, the session's own with their `id`.
    pub lines: Vec<u8>,
    /// How many.
    pub count: usize,
    /// What is left to read; empty: all is read.
    pub rest: Vec<Range>,
    /// Retention has taken messages of the gap: the first and last number that are gone.
    pub lost: Option<(Seq, Seq)>,
    /// How often the next chunk of a range was looked up.
    #[cfg(test)]
    pub(crate) looked_up: usize,
}

/// The data of a `HISTORY` or `SEARCH` reply: a JSON object `{"messages":[...],"more":...}`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The object, ready to be the `data` of the reply.
    pub data: Vec<u8>,
}

/// How much is in the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// How many messages.
    pub messages: u64,
    /// The smallest number that is there; 0: none.
    pub oldest: Seq,
    /// The greatest number that was ever there; 0: none.
    pub head: Seq,
    /// The log's files, in bytes; 0 in memory.
    pub bytes: u64,
    /// The search index's files, in bytes; 0 in memory.
    pub index_bytes: u64,
    /// Messages up to this number can be found by a search.
    pub indexed: Seq,
    /// What counts for `history.max_bytes`.
    pub history: HistoryBytes,
}

/// The lines of a chunk, each with its newline and its number: they follow each other from `first`.
fn lines(lines: &[u8], first: Seq) -> impl Iterator<Item = (&[u8], Seq)> {
    lines.split_inclusive(|b| *b == b'\n').zip(first..)
}
