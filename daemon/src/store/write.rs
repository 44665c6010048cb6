//! The only writer of the log. Called by the hub, with one transaction for each turn. A turn that is reported
//! as committed is stored. After an error nothing of the turn is stored, and the next turn starts from the
//! state before it. Never runs on a thread that serves connections.

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
    Checked, Kept, Readers, StoreError, backup, bytes, guard, identity, remembered, replace, rows, schema,
    search, tidy,
};
use crate::chat::{ConversationId, Found, SessionChange, SessionId, WINDOW, Writes};
use crate::settings::History;
use rusqlite::{Connection, TransactionBehavior};
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tcp_chat_protocol::{RequestId, Seq, Timestamp};

/// The writer. There is one for each process and file.
#[derive(Debug)]
pub struct Store {
    pub(super) history: History,
    pub(super) shared: Arc<Shared>,
    /// `None` after an error that may have damaged the connection: the next use opens it again.
    pub(super) log: Option<Connection>,
    pub(super) totals: Totals,
    pub(super) ids: Ids,
    /// How many of the newest messages the state knows by their ids.
    pub(super) window: u64,
    /// The kind of the last removal.
    pub(super) tidied: tidy::Kind,
    /// How often slices are halved because the store was full.
    pub(super) halved: u32,
    pub(super) stamps: Stamps,
    /// The bytes of the history, as last measured.
    pub(super) history_bytes: u64,
    /// The bytes of messages that were added since then.
    pub(super) grown: u64,
    pub(super) checkpoints: Checkpoints,
    /// The time of the last check of the store's path.
    pub(super) checked_at: Instant,
    pub(super) indexer: Option<Indexer>,
    /// Dropped last: the lock holds until the file is closed.
    _lock: Option<Lock>,
}

impl Store {
    /// Opens or creates the store, migrates it, and reads the state. The time depends on the number of
    /// conversations and sessions, not on the number of messages.
    ///
    /// # Errors
    /// The store cannot be used. The message names the file and the next step.
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
            // The content of the write-ahead log is not in the file yet, so the number may be lower.
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

    /// Checks whether [`Store::open`] could use the store, without changing anything. A running daemon may
    /// use it. A store that does not exist yet is valid.
    ///
    /// # Errors
    /// Those of [`Store::open`], as far as they can be detected without writing.
    pub fn check(history: &History) -> Result<Checked, StoreError> {
        match Place::of(history) {
            Place::File(path) if path.exists() => {
                let place = Place::File(path);
                place.check_not_alone()?;
                // SQLite would create the missing files beside the store, and leave them there.
                let is_alone = || remembered::foreign_wal(&place).is_some() || !place.has_wal();
                let was_alone = is_alone();
                schema::check(&place, !was_alone).or_else(|why| match was_alone && !is_alone() {
                    // A daemon was started meanwhile.
                    true => schema::check(&place, true),
                    false => Err(why),
                })
            }
            place => place.check_not_alone().map(|()| Checked::default()),
        }
    }

    /// The write-ahead log beside the store, if another store that was there before left it. [`Store::open`]
    /// renames it. A process that has the store open must not call this.
    #[must_use]
    pub fn foreign_wal(history: &History) -> Option<PathBuf> {
        remembered::foreign_wal(&Place::of(history))
    }

    /// Commits what a turn wants stored, in one transaction. The result has the chunks in their order.
    ///
    /// # Errors
    /// Nothing was stored. The next call starts from the state before it.
    pub fn commit(&mut self, mut writes: Writes) -> Result<Vec<Arc<Kept>>, StoreError> {
        // The removal has stored this number already.
        let is_written = writes.oldest.take_if(|oldest| *oldest <= self.totals.oldest).is_some();
        if is_written && writes.is_empty() {
            return Ok(Vec::new());
        }
        rows::check(&writes, self.totals.head)?;
        let mut totals = self.totals.after(&writes);
        let mut share = self.ids.share(writes.sent.len()).min(ids_to_file(self.checkpoints.room()));
        totals.sent_as_to = self.ids.filed_to(share, totals.sent_as_to);
        let mut kept = self.commit_once(&writes, totals, share);
        if share > 0 && matches!(kept, Err(StoreError::Full { .. })) {
            // Ids can wait, and are read at the next start. New messages cannot wait.
            (share, totals.sent_as_to) = (0, self.totals.sent_as_to);
            kept = self.commit_once(&writes, totals, share);
        }
        if matches!(kept, Err(StoreError::Full { .. })) {
            self.index_gives_room(true);
        }
        kept?;
        self.grown += writes.chunks.iter().map(|chunk| chunk.lines.len() as u64).sum::<u64>();
        self.totals = totals;
        self.ids.kept(share, writes.sent, totals.head);
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
        Ok(writes.chunks.into_iter().map(|chunk| Arc::new(Kept { chunk })).collect())
    }

    /// Writes a turn, and a share of the waiting ids.
    fn commit_once(&mut self, writes: &Writes, totals: Totals, share: usize) -> Result<(), StoreError> {
        let before = self.totals;
        self.turn("write", Leaves::Reserve, |log, ids| {
            // Before the turn's own rows, so that sessions that end in this turn mark their ids for removal.
            ids.file(log, share)?;
            rows::write(log, writes)?;
            found::put_totals(log, &before, &totals)?;
            Ok((share + writes.chunks.len()) as u64)
        })
    }

    /// Replaces all conversations and sessions in the store, after a time in which turns could not be
    /// committed. Messages of conversations that are not in `all`, and ids of sessions that are not in it,
    /// are removed in slices later.
    ///
    /// # Errors
    /// Nothing was changed then.
    pub fn replace(&mut self, all: &Found) -> Result<(), StoreError> {
        let (before, totals) = (self.totals, self.totals.at_least(all));
        self.turn("write", Leaves::Copy, |log, _| {
            replace::write(log, all)?;
            found::put_totals(log, &before, &totals)?;
            Ok(0)
        })?;
        self.totals = totals;
        let there: HashSet<SessionId> = all.sessions.iter().map(|session| session.row.id).collect();
        self.ids.keep_only(|session| there.contains(&session));
        self.shared.tell(|work| {
            work.head = totals.head;
            work.removals += 1;
        });
        Ok(())
    }

    /// The place of the message that the session sent with `id`. `None`: there is none, or it was removed.
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

    /// The timestamp of the newest message. `None`: there are no messages.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn newest(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.with("read", |log, _| found::newest(log))
    }

    /// Runs `write` in one transaction. If the disk is full, truncates the write-ahead log and tries once
    /// more. `write` returns the number of written rows that may each be in a page of its own.
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
            // Only what can be found and copied later may be acknowledged.
            checked = files.map_or(Ok(()), Files::have_names);
            if checked.is_ok()
                && let Some((files, before)) = before
                && !before.allows(&turn, files, leaves, scattered)?
            {
                checked = Err(StoreError::Full { store: shared.log.to_string() });
            }
            // If the commit fails, dropping the transaction rolls it back.
            if checked.is_ok() { turn.commit() } else { turn.rollback() }
        })?;
        checked
    }

    /// Uses the connection. Opens it if the last error closed it, and closes it if it may be damaged.
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
                // A commit that failed on its way to the disk can be in the file nevertheless. Nobody has
                // seen its messages, so they must not appear again.
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
        // A database in memory ends with its last connection.
        if !spoiled || place.is_memory() {
            self.log = Some(log);
        }
        result
    }

    /// Gives tests access to the parts.
    #[cfg(test)]
    pub(super) fn parts(&mut self) -> (&mut Option<Connection>, &Arc<Shared>, &mut Checkpoints) {
        (&mut self.log, &self.shared, &mut self.checkpoints)
    }
}
