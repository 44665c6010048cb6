//! Owns the one writer of the log. The hub calls it: one transaction for each turn. What it says
//! is kept is kept; after an error nothing of the turn is, and the next turn starts afresh. Never
//! runs on a thread that serves connections.

use super::content::OnPage;
use super::files::Files;
use super::found::{self, Totals};
use super::ids::Ids;
use super::index::Indexer;
use super::place::{Lock, Place};
use super::room::{Before, Leaves, ids_to_file};
use super::shared::Shared;
use super::stamps::Stamps;
use super::wal::Checkpoints;
use super::{
    Checked, Kept, Readers, StoreError, backup, bytes, guard, identity, remembered, rows, schema, search,
    tidy,
};
use crate::chat::{ConversationId, Found, SessionChange, SessionId, WINDOW, Writes};
use crate::settings::History;
use rusqlite::{Connection, TransactionBehavior};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tcp_chat_protocol::{RequestId, Seq, Timestamp};

/// The writer. One per process and file.
#[derive(Debug)]
pub struct Store {
    pub(super) history: History,
    pub(super) shared: Arc<Shared>,
    /// `None` after an error that the connection may not have survived: the next use opens it.
    pub(super) log: Option<Connection>,
    pub(super) totals: Totals,
    pub(super) ids: Ids,
    /// How many of the newest messages the state knows by their ids.
    pub(super) window: u64,
    /// What was removed last.
    pub(super) tidied: tidy::Kind,
    /// How often a slice is halved, since one found the store full.
    pub(super) halved: u32,
    pub(super) stamps: Stamps,
    /// What the history took when it was last looked at.
    pub(super) history_bytes: u64,
    /// Bytes of messages that came since then.
    pub(super) grown: u64,
    pub(super) checkpoints: Checkpoints,
    /// When the store's path was last looked at.
    pub(super) checked_at: Instant,
    pub(super) indexer: Option<Indexer>,
    /// Held last: the file is ours until it is closed.
    _lock: Option<Lock>,
}

impl Store {
    /// Opens or makes the store, migrates it, and reads what is needed to go on. Takes as long as
    /// there are conversations and sessions, however many messages there are.
    ///
    /// # Errors
    /// Where it cannot be used; the sentence names the file and what to do.
    pub fn open(history: &History) -> Result<(Self, Readers, Found), StoreError> {
        let place = Place::of(history);
        place.make_folder()?;
        let lock = place.lock()?;
        remembered::set_aside_foreign(&place)?;
        let was_named = remembered::is_named(&place) == Some(true);
        let log = schema::open_writer(&place, history.durability)?;
        let error = |e: rusqlite::Error| StoreError::sqlite("read", &place, &e);
        bytes::count(&log).map_err(error)?;
        let is_named = identity::settle(&log) || was_named;
        let (found, totals) = found::read(&log).map_err(error)?;
        let ids = Ids::read(&log, totals.sent_as_to).map_err(error)?;
        let files = Files::of(&place)?;
        if let Some(files) = &files {
            // What the write-ahead log has is not in the file yet.
            files.watch_head(OnPage::of(&log).map_err(error)?, 0);
            if let Some(lock) = &lock {
                lock.remember(&place, files.header(), is_named);
            }
        }
        let max_bytes = bytes::bound(&log, &place, history.max_bytes).map_err(error)?;
        backup::remove_left_behind(&place.folder());
        let shared = Arc::new(Shared::new(place, files, max_bytes, found.head));
        let checkpoints = guard::checked_checkpoints(&shared)?;
        let indexer = Indexer::start(&shared)?;
        let readers = Readers::new(Arc::clone(&shared), search::TIME);
        readers.open_first()?;
        let store = Self {
            history: history.clone(),
            shared,
            log: Some(log),
            totals,
            ids,
            window: WINDOW,
            tidied: tidy::Kind::default(),
            halved: 0,
            stamps: Stamps::default(),
            history_bytes: 0,
            grown: 0,
            checkpoints,
            checked_at: Instant::now(),
            indexer: Some(indexer),
            _lock: lock,
        };
        Ok((store, readers, found))
    }

    /// Reads whether [`Store::open`] would find a store that it can use, changing nothing. It may
    /// be in use by a running daemon; one that is not there yet is fine.
    ///
    /// # Errors
    /// As [`Store::open`], as far as it can be told without writing.
    pub fn check(history: &History) -> Result<Checked, StoreError> {
        match Place::of(history) {
            Place::File(path) if path.exists() => {
                let place = Place::File(path);
                place.check_not_alone()?;
                // SQLite would make what does not lie beside the store, and leave it there.
                let is_alone = || remembered::foreign_wal(&place).is_some() || !place.has_wal();
                let was_alone = is_alone();
                schema::check(&place, !was_alone).or_else(|why| match was_alone && !is_alone() {
                    // A daemon began meanwhile.
                    true => schema::check(&place, true),
                    false => Err(why),
                })
            }
            place => place.check_not_alone().map(|()| Checked::default()),
        }
    }

    /// The write-ahead log beside the store that another store left, which was there before. [`Store::open`]
    /// sets it aside. For a process that has no store open.
    #[must_use]
    pub fn foreign_wal(history: &History) -> Option<PathBuf> {
        remembered::foreign_wal(&Place::of(history))
    }

    /// Writes all that a turn wants kept, in one transaction. The answer has the chunks in the
    /// order in which they came: they are taken out of `writes`, and so are the ids.
    ///
    /// # Errors
    /// Nothing of it was kept then, and `writes` has all that the next call needs to try again.
    pub fn commit(&mut self, writes: &mut Writes) -> Result<Vec<Arc<Kept>>, StoreError> {
        // Retention has written it with what it removed.
        let is_written = writes.oldest.take_if(|oldest| *oldest <= self.totals.oldest).is_some();
        if is_written && writes.is_empty() {
            return Ok(Vec::new());
        }
        rows::check(writes, self.totals.head)?;
        let mut totals = self.totals.after(writes);
        let mut share = self.ids.share(writes.sent.len()).min(ids_to_file(self.checkpoints.room()));
        totals.sent_as_to = self.ids.filed_to(share, totals.sent_as_to);
        let mut kept = self.commit_once(writes, totals, share);
        if share > 0 && matches!(kept, Err(StoreError::Full { .. })) {
            // Ids can wait, and be read again at a start. What has just been said cannot.
            (share, totals.sent_as_to) = (0, self.totals.sent_as_to);
            kept = self.commit_once(writes, totals, share);
        }
        if matches!(kept, Err(StoreError::Full { .. })) {
            self.index_gives_room(true);
        }
        kept?;
        self.grown += writes.chunks.iter().map(|chunk| chunk.lines.len() as u64).sum::<u64>();
        self.totals = totals;
        self.ids.kept(share, std::mem::take(&mut writes.sent), totals.head);
        for change in &writes.sessions {
            if let SessionChange::End(session) = change {
                self.ids.end(*session);
            }
        }
        let removals = u64::from(!writes.gone.is_empty());
        self.shared.grown(totals.head, removals);
        if let Some(log) = &self.log {
            self.checkpoints.after_turn(log);
        }
        let chunks = std::mem::take(&mut writes.chunks);
        Ok(chunks.into_iter().map(|chunk| Arc::new(Kept { chunk })).collect())
    }

    /// Writes a turn, and files such a share of the ids that wait.
    fn commit_once(&mut self, writes: &Writes, totals: Totals, share: usize) -> Result<(), StoreError> {
        let before = self.totals;
        self.turn("write", Leaves::Reserve, |log, ids| {
            // First, so that sessions that end in this turn leave behind what is filed of them.
            ids.file(log, share)?;
            rows::write(log, writes)?;
            found::put_totals(log, &before, &totals)?;
            Ok((share + writes.chunks.len()) as u64)
        })
    }

    /// Where the message lies that the session once called `id`; `None` also when it is gone.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn sent(
        &mut self,
        session: SessionId,
        id: &RequestId,
    ) -> Result<Option<(ConversationId, Seq)>, StoreError> {
        self.with("read", |log, ids| {
            let Some(seq) = ids.find(log, session, id)? else { return Ok(None) };
            Ok(rows::conversation_of(log, seq)?.map(|conversation| (conversation, seq)))
        })
    }

    /// The stamp of the newest message, if there is one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn newest(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.with("read", |log, _| found::newest(log))
    }

    /// One transaction: all of it or nothing. Where there is no room for it, once more with the room of the
    /// write-ahead log. `write` answers how many rows it wrote that may each lie in a page of its own.
    pub(super) fn turn(
        &mut self,
        what: &'static str,
        leaves: Leaves,
        mut write: impl FnMut(&Connection, &Ids) -> rusqlite::Result<u64>,
    ) -> Result<(), StoreError> {
        self.check_before_turn()?;
        match self.turn_once(what, leaves, &mut write) {
            Err(StoreError::Full { .. }) if self.make_room() => self.turn_once(what, leaves, write),
            done => done,
        }
    }

    fn turn_once(
        &mut self,
        what: &'static str,
        leaves: Leaves,
        mut write: impl FnMut(&Connection, &Ids) -> rusqlite::Result<u64>,
    ) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let looks = self.checkpoints.is_tight();
        let mut checked = Ok(());
        self.with(what, |log, ids| {
            let files = shared.files.as_ref();
            let before = match files {
                Some(files) if looks => Some((files, Before::look(log)?)),
                _ => None,
            };
            let turn = rusqlite::Transaction::new_unchecked(log, TransactionBehavior::Immediate)?;
            let scattered = write(&turn, ids)?;
            // Acknowledged is only what can be found again, and copied.
            checked = files.map_or(Ok(()), Files::have_names);
            if checked.is_ok()
                && let Some((files, before)) = before
                && !before.allows(&turn, files, leaves, scattered)?
            {
                checked = Err(StoreError::Full { store: shared.log.to_string() });
            }
            // Where this fails, or has failed before, dropping it rolls back.
            if checked.is_ok() { turn.commit() } else { turn.rollback() }
        })?;
        checked
    }

    /// Uses the connection, opens it if the last error closed it, and closes it if it may be bad.
    pub(super) fn with<T>(
        &mut self,
        what: &'static str,
        ask: impl FnOnce(&Connection, &Ids) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let place = &self.shared.log;
        let _gate = self.shared.log_gate.write();
        let log = match self.log.take() {
            Some(log) => log,
            None => {
                self.shared.check_log()?;
                let log = schema::reopen_writer(place, self.history.durability)?;
                // A commit that failed on its way to the disk may stand in the file after all.
                // Nobody was told of it: it must not come back.
                if let Some(files) = &self.shared.files {
                    files.may_take_back();
                }
                rows::forget_after(&log, &self.totals)
                    .and_then(|()| found::take_back_totals(&log, &self.totals))
                    .map_err(|e| StoreError::sqlite("write", place, &e))?;
                if let Some(files) = &self.shared.files {
                    guard::watch_head_again(files, &log, self.totals.head);
                }
                log
            }
        };
        let result = ask(&log, &self.ids).map_err(|e| StoreError::sqlite(what, place, &e));
        let spoiled = !log.is_autocommit() || result.as_ref().is_err_and(StoreError::spoils_connection);
        // A database in memory would go with its connection.
        if !spoiled || place.is_memory() {
            self.log = Some(log);
        }
        result
    }

    /// What tests reach for.
    #[cfg(test)]
    pub(super) fn parts(&mut self) -> (&mut Option<Connection>, &Arc<Shared>, &mut Checkpoints) {
        (&mut self.log, &self.shared, &mut self.checkpoints)
    }
}
