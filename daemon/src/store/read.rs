//! Owns the readers: a few read-only connections, used on threads that may wait, so that no
//! async thread ever does. Everyone who reads the log while the daemon runs comes through here.
//! Never writes, never holds up the writer.

use super::shared::Shared;
use super::{Caught, HistoryBytes, Page, PageOf, Range, SearchIn, Stats, StoreError};
use super::{backup, bytes, found, gap, page, rights, schema, search};
use crate::chat::{Audit, ConversationId, Resent, SessionId};
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tcp_chat_protocol::Seq;
use tokio::sync::Semaphore;

/// How many read at once. More would only wait for each other's pages.
const READERS: usize = 4;

/// How many of them may search: a search can take long, and must not keep others from catching up.
const SEARCHERS: usize = 2;

/// What a message that was sent again under its id turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resend {
    /// The message that is kept: its `MSG` line.
    Same(Vec<u8>),
    /// Another one: the id was used for another target or another text.
    Other,
    /// What was kept under this id is gone.
    Gone,
}

impl Resend {
    /// Why it is refused, for a person.
    #[must_use]
    pub fn why(&self) -> &'static str {
        match self {
            Self::Same(_) => "this message is kept already",
            Self::Other => {
                "`id`: this id was used for another message; nothing was kept: send it under an id of its own"
            }
            Self::Gone => "this was sent before and kept, and has been removed since because of its age",
        }
    }
}

/// Read-only access for everyone. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    searches: Arc<Semaphore>,
    /// How long one of them may take.
    search_time: Duration,
    /// One backup at a time, beside the readers: it may take minutes, and nobody waits for it.
    backups: Semaphore,
    idle: Mutex<Vec<Reader>>,
}

/// What one reading thread has open.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) log: Connection,
    /// What a search has open; opened when the first one comes.
    pub(super) search: Option<search::Open>,
}

impl Readers {
    /// `search_time`: how long one search may take.
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

    /// Opens one for later. If the store's file is removed while it is in use, no other can be opened, and a
    /// backup through this one is what saves the messages.
    pub(super) fn open_first(&self) -> Result<(), StoreError> {
        let shared = &self.0.shared;
        let _gate = shared.log_gate.read();
        let reader = Reader { log: schema::open_reader(&shared.log)?, search: None };
        // SQLite opens the write-ahead log with the first page that is read.
        found::totals(&reader.log).map_err(|e| StoreError::sqlite("read", &shared.log, &e))?;
        self.0.idle().push(reader);
        Ok(())
    }

    /// Reads on in a gap: at most about `bytes`, at least one chunk's worth. Of ranges that
    /// overlap a message comes once for each.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn gap(
        &self,
        session: SessionId,
        ranges: Vec<Range>,
        bytes: usize,
    ) -> Result<Caught, StoreError> {
        self.read(move |_, reader| gap::read(&reader.log, session, ranges, bytes)).await
    }

    /// A page of a conversation, oldest first; at most a mebibyte.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn page(&self, of: PageOf) -> Result<Page, StoreError> {
        self.read(move |_, reader| page::read(&reader.log, &of)).await
    }

    /// Messages that match, newest first; at most a mebibyte. A message that was acknowledged
    /// before is found, unless the index is more than two seconds behind.
    ///
    /// # Errors
    /// The file cannot be read, or the search took too long. A query that is no expression is no
    /// error: it is taken as words.
    pub async fn search(&self, what: SearchIn) -> Result<Page, StoreError> {
        search::wait_for_index(&self.0.shared).await;
        // The search has it until it is over, also where nobody waits for it any longer.
        let permit = Arc::clone(&self.0.searches).acquire_owned().await;
        let time = self.0.search_time;
        self.blocking(move |shared, reader| {
            let _permit = permit;
            search::read(shared, reader, &what, time)
        })
        .await
    }

    /// One message, as its `MSG` line; `None`: it is gone.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn line(&self, conversation: ConversationId, seq: Seq) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(move |_, reader| page::line(&reader.log, conversation.0, seq)).await
    }

    /// The first message of an id that was used again.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn resent(&self, resent: &Resent) -> Result<Resend, StoreError> {
        Ok(match self.line(resent.conversation, resent.seq).await? {
            Some(line) if resent.is(&line) => Resend::Same(line),
            Some(_) => Resend::Other,
            None => Resend::Gone,
        })
    }

    /// The newest lines of the audit log, the oldest of them first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn audit(&self, limit: usize) -> Result<Vec<Audit>, StoreError> {
        self.read(move |_, reader| rights::audited(&reader.log, limit)).await
    }

    /// How much is in the store. Cheap, whatever that is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        self.read(|shared, reader| {
            let totals = found::totals(&reader.log)?;
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
                    taken: bytes::taken(totals.bytes, &shared.index),
                    most: shared.max_bytes,
                },
            })
        })
        .await
    }

    /// Copies the store to a new file while it is in use. The copy is whole or not there: it is
    /// written beside `to` under another name, synced, and then renamed. It can be opened as a
    /// store. The search index is not copied; it is made anew. One runs at a time; others wait for it.
    ///
    /// # Errors
    /// The copy could not be made, `to` is there already, or the store is being closed; no half copy
    /// is left.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let to = to.to_owned();
        let _permit = self.0.backups.acquire().await;
        self.on_a_thread(move |shared, reader| {
            let _running = shared.backing_up.lock().unwrap_or_else(PoisonError::into_inner);
            let _gate = shared.log_gate.read();
            backup::write(shared, &reader.log, &to)
        })
        .await
    }

    /// What tests reach for.
    #[cfg(test)]
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0.shared)
    }

    /// Runs `ask` on a thread that may wait, on one moment of the log.
    async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Shared, &mut Reader) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.blocking(move |shared, reader| {
            at_one_moment(shared, reader, |reader| ask(shared, reader))?
                .map_err(|e| StoreError::sqlite("read", &shared.log, &e))
        })
        .await
    }

    /// Runs `ask` on a thread that may wait. It goes through the log's gate itself.
    async fn blocking<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Shared, &mut Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await;
        self.on_a_thread(move |shared, reader| {
            let _permit = permit;
            ask(shared, reader)
        })
        .await
    }

    /// Runs `ask` on a thread that may wait, however many do.
    async fn on_a_thread<T: Send + 'static>(
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

/// One read transaction: what is written meanwhile is not seen.
fn at_one_moment<T>(
    shared: &Shared,
    reader: &mut Reader,
    ask: impl FnOnce(&mut Reader) -> T,
) -> Result<T, StoreError> {
    let _gate = shared.log_gate.read();
    let error = |e: rusqlite::Error| StoreError::sqlite("read", &shared.log, &e);
    reader.log.execute_batch("BEGIN").map_err(error)?;
    let answer = ask(reader);
    // Nothing was written: there is nothing to keep.
    reader.log.execute_batch("COMMIT").map_err(error)?;
    Ok(answer)
}
