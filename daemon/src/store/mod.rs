//! Owns the log and the sessions in SQLite. The hub owns the [`Store`] (the one writer);
//! connections hold [`Readers`] (a small pool, read-only, off the async threads). Never decides
//! who may see what: it is asked for conversations and numbers.

use crate::chat::{Chunk, ConversationId, Found, SessionId, Writes};
pub use crate::chat::{PageOf, Range, SearchIn};
use crate::settings::History;
use std::path::Path;
use std::sync::Arc;
use tcp_chat_protocol::{RequestId, Seq, Timestamp};

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

/// What went wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// (to be split by the implementation: full, read-only, corrupt, locked, newer, io, bug)
    #[error("{0}")]
    Other(String),
}

/// The writer. One per process and file.
#[derive(Debug)]
pub struct Store {}

impl Store {
    /// Opens or makes the store, migrates it, and reads what is needed to go on.
    ///
    /// # Errors
    /// Where it cannot be used; the sentence names the file and what to do.
    pub fn open(_history: &History) -> Result<(Self, Readers, Found), StoreError> {
        unimplemented!()
    }

    /// Writes all that a turn wants kept, in one transaction.
    ///
    /// # Errors
    /// Nothing of it was kept then.
    pub fn commit(&mut self, _writes: Writes) -> Result<Vec<Arc<Kept>>, StoreError> {
        unimplemented!()
    }

    /// Writes the whole of what there is to know about conversations and sessions in place of
    /// what the store has: after a time in which turns could not be kept.
    ///
    /// # Errors
    /// Nothing was changed then.
    pub fn replace(&mut self, _all: &Found) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Where the message lies that the session once called `id`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sent(
        &mut self,
        _session: SessionId,
        _id: &RequestId,
    ) -> Result<Option<(ConversationId, Seq)>, StoreError> {
        unimplemented!()
    }

    /// Removes a small slice of what has to go: messages over the age or number, and what gone
    /// conversations and sessions left behind. True: there is more.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn tidy(&mut self, _now: Timestamp) -> Result<bool, StoreError> {
        unimplemented!()
    }

    /// Closes the file in order.
    ///
    /// # Errors
    /// The last checkpoint failed; what was committed is kept all the same.
    pub fn close(self) -> Result<(), StoreError> {
        unimplemented!()
    }
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
}

/// The data of a `HISTORY` or `SEARCH` reply: a JSON object `{"messages":[...],"more":...}`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The object, ready to be the `data` of the reply.
    pub data: Vec<u8>,
}

/// Read-only access for everyone. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Readers {}

impl Readers {
    /// Reads on in a gap: at most about `bytes`, at least one chunk's worth.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn gap(
        &self,
        _session: SessionId,
        _ranges: Vec<Range>,
        _bytes: usize,
    ) -> Result<Caught, StoreError> {
        unimplemented!()
    }

    /// A page of a conversation, oldest first; at most a mebibyte.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn page(&self, _of: PageOf) -> Result<Page, StoreError> {
        unimplemented!()
    }

    /// Messages that match, newest first.
    ///
    /// # Errors
    /// The file cannot be read. A query that is no expression is no error.
    pub async fn search(&self, _what: SearchIn) -> Result<Page, StoreError> {
        unimplemented!()
    }

    /// One message, as its `MSG` line; `None`: it is gone.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn line(
        &self,
        _conversation: ConversationId,
        _seq: Seq,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        unimplemented!()
    }

    /// Copies the store while it is in use.
    ///
    /// # Errors
    /// The copy could not be made; there is no half copy left.
    pub async fn backup(&self, _to: &Path) -> Result<(), StoreError> {
        unimplemented!()
    }
}
