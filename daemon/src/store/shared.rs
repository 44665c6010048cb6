//! Owns what the writer, the readers and the indexer share: the locations, the gates of databases in memory,
//! and the progress of the index. Never uses a database itself.

use super::StoreError;
use super::location::Location;
use super::open_files::OpenFiles;
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;
use tcp_chat_protocol::Seq;
use tokio::sync::watch;

/// Shared by the writer, the readers and the indexer.
#[derive(Debug)]
pub(super) struct Shared {
    /// The location of the log.
    pub(super) log: Location,
    /// The location of the search index.
    pub(super) index: Location,
    /// Passed at each use of the log.
    pub(super) log_gate: Gate,
    /// Passed at each use of the search index.
    pub(super) index_gate: Gate,
    /// What the log had when it was opened: an index that has more is of turns that a power cut has taken.
    pub(super) at_start: AtStart,
    work: Mutex<Work>,
    /// Notified at each change of `work`.
    bell: Condvar,
    /// Notified at each change except new messages, which can come a thousand times per second.
    alarm: Condvar,
    progress: watch::Sender<Progress>,
    /// The limit of the history, in bytes. `None`: there is no limit.
    pub(super) max_bytes: Option<u64>,
    /// The files of the log. `None`: it is in memory.
    pub(super) files: Option<OpenFiles>,
    /// Locked while a backup runs.
    pub(super) backing_up: Mutex<()>,
    /// Set when no backup may begin or continue.
    pub(super) closing: AtomicBool,
    /// How many messages the searches have read from the log.
    #[cfg(test)]
    pub(super) looked_up: std::sync::atomic::AtomicUsize,
    /// How often new messages or removals have woken the indexer.
    #[cfg(test)]
    pub(super) woken: std::sync::atomic::AtomicUsize,
}

/// What the log had when it was opened.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AtStart {
    /// Its newest number.
    pub(super) head: Seq,
    /// How many redactions there were.
    pub(super) redactions: u64,
}

/// The work of the indexer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// The newest number in the log.
    pub(super) head: Seq,
    /// How often messages were removed from the log.
    pub(super) removals: u64,
    /// How many redactions this process has written.
    pub(super) redactions: u64,
    /// The number of searches that wait for the index: it does not give way to the chat meanwhile.
    pub(super) waiting: u32,
    /// The index is damaged.
    pub(super) rebuild: bool,
    /// The disk is full and the log cannot remove messages: the index must free its space.
    pub(super) gives_room: bool,
    /// The store is being closed.
    pub(super) stop: bool,
    /// A test holds the index where it is.
    #[cfg(test)]
    pub(super) held: bool,
}

/// The progress of the indexer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Messages up to this number can be found.
    pub(super) mark: Seq,
    /// Messages that were removed up to this removal are no longer in the index.
    pub(super) removals: Option<u64>,
    /// Counts the index files: a new number means a new file.
    pub(super) file: u64,
    /// Words of redacted messages may still be in its files.
    pub(super) must_purge: bool,
    /// There is no index at the moment, because it freed its space for the log.
    pub(super) gone: bool,
    /// The index cannot be written at the moment, so there is no use in waiting for it.
    pub(super) failing: bool,
}

impl Progress {
    /// The number of the index file that a search may open; `None`: there is no index now.
    pub(super) fn usable_file(self) -> Option<u64> {
        (self.file > 0 && !self.gone).then_some(self.file)
    }

    /// Whether the index was removed or replaced since `before`.
    pub(super) fn is_other_than(self, before: Self) -> bool {
        self.gone != before.gone || self.file != before.file
    }
}

impl Shared {
    /// Notes an error of a reader: once a reader finds damage in the log, the writer stops.
    pub(super) fn note(&self, error: &StoreError) {
        if let (StoreError::Corrupt { store, .. }, Some(files)) = (error, &self.files)
            && *store == self.log.to_string()
        {
            files.mark_damaged();
        }
    }

    pub(super) fn new(
        log: Location,
        files: Option<OpenFiles>,
        max_bytes: Option<u64>,
        at_start: AtStart,
    ) -> Self {
        let memory = log.is_memory();
        Self {
            index: log.index(),
            log,
            log_gate: Gate::new(memory),
            index_gate: Gate::new(memory),
            at_start,
            work: Mutex::new(Work { head: at_start.head, ..Work::default() }),
            bell: Condvar::new(),
            alarm: Condvar::new(),
            progress: watch::Sender::new(Progress::default()),
            max_bytes,
            files,
            backing_up: Mutex::default(),
            closing: AtomicBool::new(false),
            #[cfg(test)]
            looked_up: Default::default(),
            #[cfg(test)]
            woken: Default::default(),
        }
    }

    /// Checks that the log's path leads to the file that was opened. Required before the path is opened
    /// again.
    pub(super) fn check_log(&self) -> Result<(), StoreError> {
        self.files.as_ref().map_or(Ok(()), OpenFiles::check_store)
    }

    /// Changes the work and wakes the indexer.
    pub(super) fn tell(&self, change: impl FnOnce(&mut Work)) {
        change(&mut self.lock());
        self.bell.notify_all();
        self.alarm.notify_all();
    }

    /// Reports the newest number of the log and new removals. Wakes an indexer that is idle, if there is work for it: most
    /// turns with logins and leaves have none.
    pub(super) fn grown(&self, head: Seq, removals: u64) {
        let mut work = self.lock();
        if work.head == head && removals == 0 {
            return;
        }
        work.head = head;
        work.removals += removals;
        drop(work);
        #[cfg(test)]
        self.woken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.bell.notify_all();
    }

    /// The present work.
    pub(super) fn work(&self) -> Work {
        *self.lock()
    }

    /// Waits until `enough` accepts the work.
    pub(super) fn wait(&self, enough: impl Fn(&Work) -> bool) {
        drop(self.bell.wait_while(self.lock(), |w| !enough(w)));
    }

    /// The same for `time` at most.
    pub(super) fn wait_for(&self, time: Duration, enough: impl Fn(&Work) -> bool) {
        drop(self.bell.wait_timeout_while(self.lock(), time, |w| !enough(w)));
    }

    /// Waits for `time`, or until `enough` accepts a change other than new messages.
    pub(super) fn pause(&self, time: Duration, enough: impl Fn(&Work) -> bool) -> Work {
        let paused = self.alarm.wait_timeout_while(self.lock(), time, |w| !enough(w));
        *paused.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Publishes the progress of the indexer.
    pub(super) fn report(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(change);
    }

    /// Subscribes to the progress of the indexer.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// A panic under this lock leaves plain numbers, which are always valid.
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A SQLite database in memory cannot be read and written at the same time, so its gate is a lock. A database
/// in a file can, so its gate is always open.
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

    /// Whether a writer waits while others read.
    #[cfg(test)]
    pub(super) fn is_awaited(&self) -> bool {
        self.0.as_ref().is_some_and(|gate| gate.try_read().is_err())
    }

    /// Whether a writer could enter at once.
    #[cfg(test)]
    pub(super) fn is_free(&self) -> bool {
        self.0.as_ref().is_none_or(|gate| gate.try_write().is_ok())
    }
}
