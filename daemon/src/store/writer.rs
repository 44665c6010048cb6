//! The only writer of the log. Called by the hub, with one transaction for each turn. A turn that is reported
//! as committed is stored. After an error nothing of the turn is stored, and the next turn starts from the
//! state before it. Never runs on a thread that serves connections.

use super::checkpoint::Checkpoints;
use super::disk_space::{Headroom, SpaceBefore};
use super::file_content::TotalsPage;
use super::index::Indexer;
use super::location::{Location, Lock};
use super::message_age::AgeScan;
use super::open_files::OpenFiles;
use super::request_ids::RequestIds;
use super::shared::{AtStart, Shared};
use super::totals::Totals;
use super::write_transaction::WriteTransaction;
use super::{
    Checked, Readers, StoreError, StoredNode, backup, cluster, file_checks, history_size, log_id, marks,
    membership, names, redactions, retention, rows, schema, search, snapshot, store_record,
};
use crate::settings::History;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tcp_chat_protocol::{RequestId, Seq, Timestamp};
use tcp_chat_state::{ConversationId, SessionId, Snapshot, WINDOW};

/// The writer. There is one for each process and file.
#[derive(Debug)]
pub struct Store {
    pub(super) history: History,
    pub(super) shared: Arc<Shared>,
    /// `None` after an error that may have damaged the connection: the next use opens it again.
    pub(super) log: Option<Connection>,
    pub(super) totals: Totals,
    pub(super) ids: RequestIds,
    /// How many of the newest messages the state knows by their ids.
    pub(super) known_ids: u64,
    /// The kind of the last removal.
    pub(super) last_removed: retention::RemovalKind,
    /// How often slices are halved because the store was full.
    pub(super) halvings: u32,
    pub(super) age_scan: AgeScan,
    /// The messages that erasures have found, by their numbers.
    pub(super) erased: BTreeMap<i64, u64>,
    /// The node whose store it is, with the place of the last committed turn. `None`: a lone daemon's.
    pub(super) node: Option<StoredNode>,
    /// The bytes of the history, as last measured.
    pub(super) history_bytes: u64,
    /// The bytes of messages that were added since then.
    pub(super) bytes_added: u64,
    /// Whether a turn was committed since [`Store::free_cache_if_idle`] last asked.
    pub(super) has_committed: bool,
    pub(super) checkpoints: Checkpoints,
    /// The time of the last check of the store's path.
    pub(super) checked_at: Instant,
    pub(super) indexer: Option<Indexer>,
    /// Dropped last: the lock holds until the file is closed.
    _lock: Option<Lock>,
}

impl Store {
    /// Opens or creates the store of a lone daemon, migrates it, and reads the state. The time depends on the number of
    /// conversations and sessions, not on the number of messages.
    ///
    /// # Errors
    /// The store cannot be used, or is that of a node of a cluster. The message names the file and the next step.
    pub fn open(history: &History) -> Result<(Self, Readers, Snapshot), StoreError> {
        Self::open_as(history, None)
    }

    /// The same for a node of a cluster, with its name. If the store was never used, it begins empty, without the rooms that
    /// a lone daemon has opened, and [`Store::node`] is `None` until [`Store::enter_cluster`]. `None`: a lone daemon.
    ///
    /// # Errors
    /// The store cannot be used, or is not that of this node. The message names the file and the next step.
    pub fn open_as(history: &History, node: Option<&str>) -> Result<(Self, Readers, Snapshot), StoreError> {
        let place = Location::of(history);
        place.create_folder()?;
        let lock = place.lock()?;
        store_record::set_aside_foreign(&place)?;
        if node.is_some() {
            membership::empty_if_unused(&place)?;
        }
        let had_log_id = store_record::has_log_id(&place) == Some(true);
        let log = schema::open_writer(&place, history.durability)?;
        let error = |e: rusqlite::Error| StoreError::sqlite("read", &place, &e);
        let node = cluster::check(&log, &place, node)?;
        history_size::count_if_unknown(&log).map_err(error)?;
        let has_log_id = log_id::assign_if_missing(&log) || had_log_id;
        let (mut found, totals) = snapshot::read(&log).map_err(error)?;
        if node.is_some() {
            names::restore(&log, &mut found).map_err(error)?;
        }
        let ids = RequestIds::read(&log, totals.sent_as_to).map_err(error)?;
        // On a full disk they stay until the next start.
        let _ = marks::remove_of_gone_conversations(&log);
        let at_start = AtStart { head: found.head, redactions: redactions::count(&log).map_err(error)? };
        let files = OpenFiles::open(&place)?;
        if let Some(files) = &files {
            // The content of the write-ahead log is not in the file yet, so the number may be lower.
            files.watch_head(TotalsPage::find(&log).map_err(error)?, 0);
            if let Some(lock) = &lock {
                lock.write_record(&place, files.header(), has_log_id);
            }
        }
        let max_bytes = history_size::max_bytes(&log, &place, history.max_bytes).map_err(error)?;
        backup::remove_left_behind(&place.folder());
        let shared = Arc::new(Shared::new(place, files, max_bytes, at_start));
        let mut checkpoints = file_checks::start_checkpoints(&shared)?;
        if at_start.redactions > 0 {
            // The process before may have been killed before it truncated the write-ahead log.
            checkpoints.must_truncate();
        }
        let indexer = Indexer::start(&shared)?;
        let readers = Readers::new(Arc::clone(&shared), search::TIME);
        readers.open_first()?;
        let store = Self {
            history: history.clone(),
            shared,
            log: Some(log),
            totals,
            ids,
            known_ids: WINDOW,
            last_removed: retention::RemovalKind::default(),
            halvings: 0,
            age_scan: AgeScan::default(),
            erased: BTreeMap::new(),
            node,
            history_bytes: 0,
            bytes_added: 0,
            has_committed: false,
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
        match Location::of(history) {
            Location::File(path) if path.exists() => {
                let place = Location::File(path);
                place.check_wal_has_store()?;
                // SQLite would create the missing files beside the store, and leave them there.
                let is_alone = || store_record::foreign_wal(&place).is_some() || !place.has_wal();
                let was_alone = is_alone();
                schema::check(&place, !was_alone).or_else(|why| match was_alone && !is_alone() {
                    // A daemon was started meanwhile.
                    true => schema::check(&place, true),
                    false => Err(why),
                })
            }
            place => place.check_wal_has_store().map(|()| Checked::default()),
        }
    }

    /// The write-ahead log beside the store, if another store that was there before left it. [`Store::open`]
    /// renames it. A process that has the store open must not call this.
    #[must_use]
    pub fn foreign_wal(history: &History) -> Option<PathBuf> {
        store_record::foreign_wal(&Location::of(history))
    }

    /// The place of the message that the session sent with `id`. `None`: there is none, or it was removed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn find_sent(
        &mut self,
        session: SessionId,
        id: &RequestId,
    ) -> Result<Option<(ConversationId, Seq)>, StoreError> {
        self.with_connection("read", |log, ids| {
            let Some(seq) = ids.find(log, session, id)? else { return Ok(None) };
            Ok(rows::find_conversation(log, seq)?.map(|conversation| (conversation, seq)))
        })
    }

    /// The timestamp of the newest message. `None`: there are no messages.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn newest_timestamp(&mut self) -> Result<Option<Timestamp>, StoreError> {
        self.with_connection("read", |log, _| snapshot::read_newest_timestamp(log))
    }

    /// Frees the pages that SQLite caches for the writer, if nothing was committed since the last call: after a
    /// crowd, they take 2 MiB.
    pub fn free_cache_if_idle(&mut self) {
        let is_idle = !std::mem::take(&mut self.has_committed);
        if let Some(log) = self.log.as_ref().filter(|_| is_idle) {
            // It fails only if the connection is in use, and then it is not idle.
            let _ = log.release_memory();
        }
    }

    /// Runs `write` in one transaction. If the disk is full, truncates the write-ahead log and tries once
    /// more. `write` returns the number of written rows that may each be in a page of its own.
    pub(super) fn transact(
        &mut self,
        what: &'static str,
        headroom: Headroom,
        mut write: impl FnMut(&Connection, &RequestIds) -> rusqlite::Result<u64>,
    ) -> Result<(), StoreError> {
        self.check_before_turn()?;
        match self.transact_once(what, headroom, &mut write) {
            Err(StoreError::Full { .. }) if self.free_wal_space() => {
                self.transact_once(what, headroom, write)
            }
            done => done,
        }
    }

    fn transact_once(
        &mut self,
        what: &'static str,
        headroom: Headroom,
        mut write: impl FnMut(&Connection, &RequestIds) -> rusqlite::Result<u64>,
    ) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let looks = self.checkpoints.is_disk_small();
        let mut checked = Ok(());
        self.with_connection(what, |log, ids| {
            let files = shared.files.as_ref();
            let before = match files {
                Some(files) if looks => Some((files, SpaceBefore::measure(log)?)),
                _ => None,
            };
            let turn = WriteTransaction::begin(log)?;
            let scattered = write(log, ids)?;
            // Only what can be found and copied later may be acknowledged.
            checked = files.map_or(Ok(()), OpenFiles::check_names);
            if checked.is_ok()
                && let Some((files, before)) = before
                && !before.allows(log, files, headroom, scattered)?
            {
                checked = Err(StoreError::Full { store: shared.log.to_string() });
            }
            // If the commit fails, dropping the transaction rolls it back.
            if checked.is_ok() { turn.commit() } else { Ok(()) }
        })?;
        checked
    }

    /// Uses the connection. Opens it if the last error closed it, and closes it if it may be damaged.
    pub(super) fn with_connection<T>(
        &mut self,
        what: &'static str,
        ask: impl FnOnce(&Connection, &RequestIds) -> rusqlite::Result<T>,
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
                    files.stop_watching_head();
                }
                self.totals = cluster::undo(&log, &self.totals, self.node.as_ref())
                    .map_err(|e| StoreError::sqlite("write", place, &e))?;
                if let Some(files) = &self.shared.files {
                    file_checks::watch_head_again(files, &log, self.totals.head);
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

    /// Calls `count` for each instruction that SQLite's virtual machine executes from now on.
    #[cfg(test)]
    pub(crate) fn count_instructions(&mut self, mut count: impl FnMut() + Send + 'static) {
        let handler = move || {
            count();
            false
        };
        let log = self.log.as_mut().expect("an open store");
        log.progress_handler(1, Some(handler)).expect("a progress handler");
    }

    /// Gives tests access to the parts.
    #[cfg(test)]
    pub(super) fn parts(&mut self) -> (&mut Option<Connection>, &Arc<Shared>, &mut Checkpoints) {
        (&mut self.log, &self.shared, &mut self.checkpoints)
    }
}
