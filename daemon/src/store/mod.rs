//! Owns the log and the sessions in SQLite. The hub owns the [`Store`], the only writer. Connections use
//! [`Readers`], a small pool of read-only connections off the async threads. Never decides what a user may
//! read: callers give conversations and numbers.
//!
//! A row of the log is a [`Chunk`]: the bytes that a turn encoded for one conversation, as they were sent, without
//! the parts that all lines share (`packed`). Reading is copying. The search index is a separate file beside the log. A thread of its own writes it, and
//! builds it again when it is missing. The writer of the log never waits for it.
//!
//! | modules | purpose |
//! | --- | --- |
//! | `writer`, `write_transaction`, `commit`, `rows`, `users`, `permissions`, `sweeps`, `request_ids`, `redactions`, `erasures`, `erased_rows`, `marks`, `policy`, `names`, `packed` | a turn as rows, in one transaction |
//! | `snapshot`, `totals`, `log_id` | the state at a start |
//! | `cluster`, `membership`, `outdated` | the node of a cluster whose store it is, its place in the log, and its replacement |
//! | `readers`, `gap`, `history_page`, `search`, `searched_log` | reads of connections |
//! | `export` | reads of operators, from another process |
//! | `retention`, `message_age`, `history_size`, `removal`, `removal_slice` | what is removed, and its removal |
//! | `schema`, `location`, `backup`, `error` | the database, its files, its copies and its errors |
//! | `open_files`, `file_content`, `header`, `file_checks`, `store_record` | detection of foreign changes to the files |
//! | `checkpoint`, `disk_space` | the write-ahead log, and the space on a small disk |
//! | `index`, `indexing`, `index_files`, `purges`, `shared` | the thread and the files of the search index |

mod backup;
mod checkpoint;
mod cluster;
mod commit;
mod disk_space;
mod erased_rows;
mod erasures;
mod error;
mod export;
mod file_checks;
mod file_content;
mod gap;
mod header;
mod history_page;
mod history_size;
mod index;
mod index_files;
mod indexing;
mod location;
mod log_id;
mod marks;
mod membership;
mod message_age;
mod names;
mod open_files;
mod outdated;
mod packed;
mod permissions;
mod policy;
mod purges;
mod readers;
mod redactions;
mod removal;
mod removal_slice;
mod request_ids;
mod retention;
mod rows;
mod schema;
mod search;
mod searched_log;
mod shared;
mod snapshot;
mod store_record;
mod sweeps;
#[cfg(test)]
mod tests;
mod totals;
mod users;
mod write_transaction;
mod writer;

pub use backup::bytes_written as backup_bytes;
pub use cluster::StoredNode;
pub use error::StoreError;
pub use export::{Export, ExportError, ExportFilter};
pub(crate) use location::{free_bytes, resolve_links};
pub use open_files::StoreFile;
pub use readers::{Readers, Resend};
pub use redactions::FoundMessage;
pub use retention::Removed;
pub use writer::Store;

pub use tcp_chat_state::{PageOf, Range, SearchIn};

use tcp_chat_protocol::{Name, Seq, Timestamp};
use tcp_chat_state::Chunk;

/// A committed chunk. Only the store can make one, and only committed chunks can be delivered.
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

    /// Makes a chunk that no store has committed.
    #[cfg(test)]
    pub(crate) fn for_tests(chunk: Chunk) -> Self {
        Self { chunk }
    }
}

/// The size of the history with its search index, and its limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HistoryBytes {
    /// The present size, in bytes.
    pub taken: u64,
    /// The limit, in bytes. `None`: there is no limit.
    pub most: Option<u64>,
}

/// The result of a check that opened the store read-only.
#[derive(Debug, Default)]
pub struct Checked {
    /// The timestamp of the newest message. `None`: there are no messages.
    pub newest: Option<Timestamp>,
    /// The existing rooms.
    pub rooms: Vec<Name>,
    /// The node of a cluster whose store it is. `None`: it belongs to no cluster.
    pub node: Option<StoredNode>,
}

/// A part of a gap, as it was read from the store.
#[derive(Debug, Default)]
pub struct CatchUp {
    /// Whole `MSG` lines in the order of their numbers, the session's own with their `id`.
    pub lines: Vec<u8>,
    /// The number of lines.
    pub count: usize,
    /// The ranges that are still to be read. Empty: the gap is done.
    pub rest: Vec<Range>,
    /// Messages of the gap that retention has removed: their first and last number.
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

/// The size of the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// The number of messages.
    pub messages: u64,
    /// The smallest number that is stored. 0: none.
    pub oldest: Seq,
    /// The greatest number that was ever assigned. 0: none.
    pub head: Seq,
    /// The size of the log's files, in bytes. 0 for a store in memory.
    pub bytes: u64,
    /// The size of the search index's files, in bytes. 0 for a store in memory.
    pub index_bytes: u64,
    /// Messages up to this number are in the search index.
    pub indexed: Seq,
    /// The size that counts for `history.max_bytes`.
    pub history: HistoryBytes,
}

/// Splits a chunk into its lines, each with its newline and its number. Numbers are consecutive from `first`.
fn lines(lines: &[u8], first: Seq) -> impl Iterator<Item = (&[u8], Seq)> {
    lines.split_inclusive(|b| *b == b'\n').zip(first..)
}
