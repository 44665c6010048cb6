//! Owns the readers: a few read-only connections, used on blocking threads, so that no async thread waits for
//! the disk. All reads of the running daemon go through this module. Never writes, and never delays the
//! writer.

use super::shared::Shared;
use super::{CatchUp, HistoryBytes, Page, PageOf, Range, SearchIn, Stats, StoreError};
use super::{backup, gap, history_page, history_size, permissions, schema, search, totals};
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tcp_chat_protocol::Seq;
use tcp_chat_state::{Audit, ConversationId, Resent, SessionId};
use tokio::sync::Semaphore;

/// The number of concurrent reads. More reads would only wait for each other's pages.
const READERS: usize = 4;

/// The number of concurrent searches. A search can take long, and must not delay the catch-up of others.
const SEARCHERS: usize = 2;

/// The result of the look-up of a reused message id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resend {
    /// The id was used for the same message. The content is its stored `MSG` line.
    Same(Vec<u8>),
    /// The id was used for another target or another text.
    Other,
    /// The message that had this id was removed.
    Gone,
}

impl Resend {
    /// The reason for the refusal, as text for a user.
    #[must_use]
    pub fn why(&self) -> &'static str {
        match self {
            Self::Same(_) => "this message is stored already",
            Self::Other => {
                "`id`: this id was used for another message; nothing was stored: send it with a new id"
            }
            Self::Gone => "this message was sent and stored before, and was removed since because of its age",
        }
    }
}

/// Read-only access to the store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    /// The time limit of one search.
    search_time: Duration,
    /// One backup at a time, outside the pool: a backup can take minutes, and must not block other reads.
    backups: Semaphore,
    idle: Mutex<Vec<Reader>>,
}

/// The connections of one reading thread.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) log: Connection,
    /// The connections of a search, opened by the first search.
    pub(super) search: Option<search::Open>,
}

impl Readers {
    /// `search_time`: the time limit of one search.
    pub(super) fn new(shared: Arc<Shared>, search_time: Duration) -> Self {
        Self(Arc::new(Inner {
            shared,
            permits: Arc::new(Semaphore::new(READERS)),
            searches: Arc::new(Semaphore::new(SEARCHERS)),
            search_time,
            backups: Semaphore::new(1),
            idle: Mutex::default(),
        }))
    }

    /// Opens the first reader in advance. If the store's file is removed while it is in use, no other reader
    /// can be opened, and a backup through this one saves the messages.
    pub(super) fn open_first(&self) -> Result<(), StoreError> {
        let shared = &self.0.shared;
        let _gate = shared.log_gate.read();
        let reader = Reader { log: schema::open_reader(&shared.log)?, search: None };
        // SQLite opens the write-ahead log with the first page that is read.
        totals::read(&reader.log).map_err(|e| StoreError::sqlite("read", &shared.log, &e))?;
        self.0.idle().push(reader);
        Ok(())
    }

    /// Reads the next part of a gap: about `bytes` at most, but at least one chunk. A message in two
    /// overlapping ranges is returned twice.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn read_gap(
        &self,
        session: SessionId,
        ranges: Vec<Range>,
        bytes: usize,
    ) -> Result<CatchUp, StoreError> {
        self.read(move |_, reader| gap::read(&reader.log, session, ranges, bytes)).await
    }

    /// Reads a page of a conversation, oldest message first, at most one MiB.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn read_page(&self, of: PageOf) -> Result<Page, StoreError> {
        self.read(move |_, reader| history_page::read(&reader.log, &of)).await
    }

    /// Finds matching messages, newest first, at most one MiB. Every message that was acknowledged before is
    /// found, unless the index is more than two seconds behind.
    ///
    /// # Errors
    /// The file cannot be read, or the search exceeded its time limit. A query with invalid syntax is no
    /// error: it is searched as plain words.
    pub async fn search(&self, what: SearchIn) -> Result<Page, StoreError> {
        search::wait_for_index(&self.0.shared).await;
        // The search holds the permit until it ends, even if the caller has stopped waiting.
        let permit = Arc::clone(&self.0.searches).acquire_owned().await;
        let time = self.0.search_time;
        self.run_limited(move |shared, reader| {
            let _permit = permit;
            search::read(shared, reader, &what, time)
        })
        .await
    }

    /// Reads one message as its `MSG` line. `None`: it was removed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn read_line(
        &self,
        conversation: ConversationId,
        seq: Seq,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(move |_, reader| history_page::read_line(&reader.log, conversation.0, seq)).await
    }

    /// Compares a resend with the message that first had its id.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn check_resend(&self, resent: &Resent) -> Result<Resend, StoreError> {
        Ok(match self.read_line(resent.conversation, resent.seq).await? {
            Some(line) if resent.is(&line) => Resend::Same(line),
            Some(_) => Resend::Other,
            None => Resend::Gone,
        })
    }

    /// Reads the newest lines of the audit log, oldest line first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn read_audit(&self, limit: usize) -> Result<Vec<Audit>, StoreError> {
        self.read(move |_, reader| permissions::read_audit(&reader.log, limit)).await
    }

    /// Reads the size of the store. The cost does not depend on that size.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn read_stats(&self) -> Result<Stats, StoreError> {
        self.read(|shared, reader| {
            let totals = totals::read(&reader.log)?;
            let oldest = "SELECT ifnull((SELECT first FROM chunks ORDER BY first LIMIT 1), 0)";
            let oldest =
                reader.log.prepare_cached(oldest)?.query_row([], |row| super::rows::number(row, 0))?;
            let size = |path: &std::path::PathBuf| path.metadata().map_or(0, |file| file.len());
            Ok(Stats {
                messages: totals.messages,
                oldest,
                head: totals.head,
                bytes: shared.log.files().iter().map(size).sum(),
                index_bytes: shared.index.files().iter().map(size).sum(),
                indexed: shared.progress().borrow().mark,
                history: HistoryBytes {
                    taken: history_size::history_bytes(totals.bytes, &shared.index),
                    most: shared.max_bytes,
                },
            })
        })
        .await
    }

    /// Copies the store to a new file while it is in use. The copy is complete or absent: it is written under
    /// another name in the folder of `to`, synced, then renamed. It can be opened as a store. The search
    /// index is not copied; the first start builds it. One backup runs at a time, and others wait.
    ///
    /// # Errors
    /// The copy could not be made, `to` exists already, or the store is being closed. No partial copy is
    /// left.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let to = to.to_owned();
        let _permit = self.0.backups.acquire().await;
        self.run_blocking(move |shared, reader| {
            let _running = shared.backing_up.lock().unwrap_or_else(PoisonError::into_inner);
            let _gate = shared.log_gate.read();
            backup::write(shared, &reader.log, &to)
        })
        .await
    }

    /// The length of the store on the disk, in bytes. 0: it is in memory.
    #[cfg(feature = "cluster")]
    pub(crate) fn bytes(&self) -> u64 {
        let files = self.0.shared.files.as_ref().and_then(|files| files.bytes().ok());
        files.map_or(0, |(store, wal)| store.saturating_add(wal))
    }

    /// Gives tests access to the shared part.
    #[cfg(test)]
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0.shared)
    }

    /// Runs `ask` on a blocking thread, in one read transaction.
    async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Shared, &mut Reader) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_limited(move |shared, reader| {
            in_read_transaction(shared, reader, |reader| ask(shared, reader))?
                .map_err(|e| StoreError::sqlite("read", &shared.log, &e))
        })
        .await
    }

    /// Runs `ask` on a blocking thread. `ask` passes the log's gate itself.
    async fn run_limited<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Shared, &mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await;
        self.run_blocking(move |shared, reader| {
            let _permit = permit;
            ask(shared, reader)
        })
        .await
    }

    /// Runs `ask` on a blocking thread, outside the limit on concurrent reads.
    async fn run_blocking<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Shared, &mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        let read = tokio::task::spawn_blocking(move || {
            let idle = inner.idle().pop();
            let mut reader = match idle {
                Some(reader) => reader,
                None => {
                    inner.shared.check_log()?;
                    let _gate = inner.shared.log_gate.read();
                    Reader { log: schema::open_reader(&inner.shared.log)?, search: None }
                }
            };
            let answer = ask(&inner.shared, &mut reader);
            if let Err(error) = &answer {
                inner.shared.note(error);
            }
            let spoiled = answer.as_ref().is_err_and(StoreError::spoils_connection);
            if !spoiled && reader.log.is_autocommit() {
                inner.idle().push(reader);
            }
            answer
        });
        match read.await {
            Ok(answer) => answer,
            Err(e) => Err(StoreError::Bug(format!("a reader ended unexpectedly: {e}"))),
        }
    }
}

impl Inner {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `ask` in one read transaction, so it does not see later writes.
fn in_read_transaction<T>(
    shared: &Shared,
    reader: &mut Reader,
    ask: impl FnOnce(&mut Reader) -> T,
) -> Result<T, StoreError> {
    let _gate = shared.log_gate.read();
    let error = |e: rusqlite::Error| StoreError::sqlite("read", &shared.log, &e);
    reader.log.execute_batch("BEGIN").map_err(error)?;
    let answer = ask(reader);
    // Nothing was written, so there is nothing to roll back.
    reader.log.execute_batch("COMMIT").map_err(error)?;
    Ok(answer)
}
