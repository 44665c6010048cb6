//! Owns what the writer, the readers and the indexer have in common: where the store lies, who
//! may go at a database in memory, and how far the indexer is. Never touches a database itself.

use super::StoreError;
use super::files::Files;
use super::place::Place;
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tcp_chat_protocol::Seq;
use tokio::sync::watch;

/// Shared by everyone who has a part of the store open.
#[derive(Debug)]
pub(super) struct Shared {
    /// Where the log lies.
    pub(super) log: Place,
    /// Where the search index lies.
    pub(super) index: Place,
    /// Around each use of the log.
    pub(super) log_gate: Gate,
    /// Around each use of the search index.
    pub(super) index_gate: Gate,
    work: Mutex<Work>,
    /// Rings for everything that there is to do,
    bell: Condvar,
    /// and this one not for new messages: they come a thousand times a second.
    alarm: Condvar,
    progress: watch::Sender<Progress>,
    /// How many bytes the history may take; `None`: there is no bound.
    pub(super) max_bytes: Option<u64>,
    /// What the log's files were; `None`: it is in memory.
    pub(super) files: Option<Files>,
    /// The running backup, if there is one, holds it.
    pub(super) backing_up: Mutex<()>,
    /// No backup is to begin or to go on.
    pub(super) closing: AtomicBool,
    /// Messages that searches have looked up in the log.
    #[cfg(test)]
    pub(super) looked_up: std::sync::atomic::AtomicUsize,
}

/// What there is to do for the indexer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// The newest number in the log.
    pub(super) head: Seq,
    /// How often messages were removed from the log.
    pub(super) removals: u64,
    /// The number of searches that wait for the index: it does not give way to the chat meanwhile.
    pub(super) waiting: u32,
    /// The index is damaged.
    pub(super) rebuild: bool,
    /// The disk is full, and what has to go from the log cannot: the index gives its room for that.
    pub(super) gives_room: bool,
    /// The store is being closed.
    pub(super) stop: bool,
    /// A test holds the index where it is.
    #[cfg(test)]
    pub(super) held: bool,
}

/// How far the indexer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Messages up to this number can be found.
    pub(super) mark: Seq,
    /// Messages that went up to this removal have left the index.
    pub(super) removals: Option<u64>,
    /// Counts the index files: another number, another file.
    pub(super) file: u64,
    /// There is no index at the moment: it gave its room to the log.
    pub(super) gone: bool,
    /// The index cannot be written at the moment: waiting for it is of no use.
    pub(super) failing: bool,
}

impl Progress {
    /// The number of the index file that a search may open; `None`: there is no index now.
    pub(super) fn usable_file(self) -> Option<u64> {
        (self.file > 0 && !self.gone).then_some(self.file)
    }

    /// Has the index gone since then, or is it another one?
    pub(super) fn is_other_than(self, before: Self) -> bool {
        self.gone != before.gone || self.file != before.file
    }
}

impl Shared {
    /// Takes notice of an error of a reader: a log that is damaged takes no more messages, whoever finds it.
    pub(super) fn note(&self, error: &StoreError) {
        if let (StoreError::Corrupt { store, .. }, Some(files)) = (error, &self.files)
            && *store == self.log.to_string()
        {
            files.found_damaged();
        }
    }

    pub(super) fn new(log: Place, files: Option<Files>, max_bytes: Option<u64>, head: Seq) -> Self {
        let memory = log.is_memory();
        Self {
            index: log.index(),
            log,
            log_gate: Gate::new(memory),
            index_gate: Gate::new(memory),
            work: Mutex::new(Work { head, ..Work::default() }),
            bell: Condvar::new(),
            alarm: Condvar::new(),
            progress: watch::Sender::new(Progress::default()),
            max_bytes,
            files,
            backing_up: Mutex::default(),
            closing: AtomicBool::new(false),
            #[cfg(test)]
            looked_up: Default::default(),
        }
    }

    /// Is the file at the log's path still the one that was opened? Whoever opens it once more asks.
    pub(super) fn check_log(&self) -> Result<(), StoreError> {
        self.files.as_ref().map_or(Ok(()), Files::check_store)
    }

    /// Changes what there is to do, and lets the indexer know.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Work)) {
        change(&mut self.lock());
        self.bell.notify_all();
        self.alarm.notify_all();
    }

    /// The log has messages up to this number now, and so many more removals. Lets an indexer know
    /// that has nothing to do.
    pub(super) fn grown(&self, head: Seq, removals: u64) {
        let mut work = self.lock();
        work.head = head;
        work.removals += removals;
        drop(work);
        self.bell.notify_all();
    }

    /// What there is to do.
    pub(super) fn work(&self) -> Work {
        *self.lock()
    }

    /// Waits until there is something to do that `enough` takes.
    pub(super) fn wait(&self, enough: impl Fn(&Work) -> bool) {
        drop(self.bell.wait_while(self.lock(), |w| !enough(w)));
    }

    /// Pauses for this time, or until something comes up that `enough` takes and that is more than
    /// new messages.
    pub(super) fn pause(&self, time: Duration, enough: impl Fn(&Work) -> bool) -> Work {
        let paused = self.alarm.wait_timeout_while(self.lock(), time, |w| !enough(w));
        *paused.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Says how far the indexer is.
    pub(super) fn report(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    /// Hears how far the indexer is.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// A panic while it was held leaves plain numbers behind: nothing to be afraid of.
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SQLite's databases in memory cannot be read and written at once, those in files can: for them
/// the gate is always open.
#[derive(Debug)]
pub(super) struct Gate(Option<RwLock<()>>);

impl Gate {
    fn new(memory: bool) -> Self {
        Self(memory.then(RwLock::default))
    }

    pub(super) fn read(&self) -> Option<RwLockReadGuard<'_, ()>> {
        self.0.as_ref().map(|gate| gate.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn write(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        self.0.as_ref().map(|gate| gate.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does somebody wait to write, while others read?
    #[cfg(test)]
    pub(super) fn is_awaited(&self) -> bool {
        self.0.as_ref().is_some_and(|gate| gate.try_read().is_err())
    }

    /// Could somebody write at once?
    #[cfg(test)]
    pub(super) fn is_free(&self) -> bool {
        self.0.as_ref().is_none_or(|gate| gate.try_write().is_ok())
    }
}
