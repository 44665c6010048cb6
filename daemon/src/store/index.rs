//! Owns the one thread that writes the search index, a database of its own beside the log, and when it does so. It
//! follows the log from the index's own mark, a slice at a time, while there is something new. The writer starts it.
//! A faulty index is built again from the log. Never writes the log, never makes its writer wait.

use super::index_files::Next;
use super::indexing::Open;
use super::purges::Purges;
use super::shared::{Shared, Work};
use super::{StoreError, index_files};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tcp_chat_protocol::Seq;
use tcp_chat_search::PurgeStep;

/// How long new messages may wait for more of them, unless a search waits for them.
const LINGER: Duration = Duration::from_millis(250);

/// No message for so long is a lull.
const LULL: Duration = Duration::from_millis(20);

/// After a slice the index waits so many times as long as the slice took, if there is no lull,
const GIVES_WAY: u32 = 9;

/// and no longer than this.
const GIVES_WAY_AT_MOST: Duration = Duration::from_secs(1);

/// How long to wait after an error: the disk may have room again.
const RETRY: Duration = Duration::from_secs(10);

/// The thread that writes the index. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Indexer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Indexer {
    /// Starts it. Trouble with the index is logged, and is no trouble for the log.
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self, StoreError> {
        let worker = Worker::new(Arc::clone(shared));
        let thread =
            std::thread::Builder::new().name("search-index".into()).spawn(move || worker.run()).map_err(
                |e| StoreError::io("start the thread of the search index for", &shared.log.path(), &e),
            )?;
        Ok(Self { shared: Arc::clone(shared), thread: Some(thread) })
    }
}

impl Drop for Indexer {
    fn drop(&mut self) {
        self.shared.tell(|work| work.stop = true);
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was logged, and there is nothing to save.
            let _ = thread.join();
        }
    }
}

pub(super) struct Worker {
    shared: Arc<Shared>,
    open: Option<Open>,
    /// An index was opened before.
    has_opened: bool,
    /// Up to which removal from the log the index has removed, too.
    removals: Option<u64>,
    /// The same of redactions.
    redactions: Option<u64>,
    /// When it removes the words of redacted messages from its files.
    purges: Purges,
    /// Was it said that there is trouble?
    told: bool,
}

/// Handles an error of the index: a damaged index is rebuilt at the next try.
fn spoiled(shared: &Shared, error: StoreError) -> StoreError {
    if matches!(error, StoreError::Corrupt { .. } | StoreError::Foreign { .. }) {
        shared.tell(|work| work.rebuild = true);
    }
    error
}

impl Drop for Worker {
    fn drop(&mut self) {
        // However it ended: nobody need wait for it.
        self.shared.report(|p| p.failing = true);
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            open: None,
            has_opened: false,
            removals: None,
            redactions: None,
            purges: Purges::new(Instant::now()),
            told: false,
        }
    }

    fn run(mut self) {
        loop {
            let work = self.shared.work();
            if work.stop {
                return;
            }
            #[cfg(test)]
            if work.held {
                self.shared.wait(|w| w.stop || !w.held);
                continue;
            }
            let began = Instant::now();
            match self.step(work) {
                Ok(true) => {
                    self.told = false;
                    self.give_way(work.head, began.elapsed());
                }
                Ok(false) => {
                    self.told = false;
                    self.shared.report(|p| p.failing = false);
                    self.rest(began.elapsed());
                }
                Err(e) => self.complain(&e, work),
            }
        }
    }

    /// Sleeps until there is something to do, and longer, so that it is worth it: each transaction has a cost of its own,
    /// and what it adds is merged later.
    fn rest(&self, worked: Duration) {
        let mark = self.open.as_ref().map_or(0, |open| open.mark());
        let (removals, redactions) = (self.removals, self.redactions);
        let is_work = |w: &Work| {
            let is_new = w.head > mark || Some(w.removals) != removals || Some(w.redactions) != redactions;
            w.stop || w.rebuild || w.gives_room || is_new
        };
        match self.open.as_ref().is_some_and(Open::must_purge) {
            true => self.shared.wait_for(self.purges.rests(Instant::now()), is_work),
            false => self.shared.wait(is_work),
        }
        let linger = LINGER.max(worked * GIVES_WAY).min(GIVES_WAY_AT_MOST);
        self.shared
            .pause(linger, |w| w.stop || w.rebuild || w.gives_room || (w.waiting > 0 && w.head > mark));
    }

    /// While messages come in a stream, the chat has the processor first: the index takes a tenth
    /// of one. In a lull, or while a search waits, it goes on at full speed.
    fn give_way(&self, mut head: Seq, worked: Duration) {
        if worked >= LULL && self.shared.work().head == head {
            // It was a lull while it worked.
            return;
        }
        let until = Instant::now() + (worked * GIVES_WAY).min(GIVES_WAY_AT_MOST);
        while Instant::now() < until {
            let is_urgent = |w: &Work| w.stop || w.rebuild || w.gives_room || w.waiting > 0;
            let work = self.shared.pause(LULL, is_urgent);
            if is_urgent(&work) || work.head == head {
                return;
            }
            head = work.head;
        }
    }

    fn complain(&mut self, error: &StoreError, work: Work) {
        self.shared.note(error);
        if !self.told {
            tracing::warn!(event = "index_failing", %error, "the search index cannot be written; searches find what was indexed before");
            self.told = true;
        }
        self.open = None;
        self.shared.report(|p| p.failing = true);
        self.shared.pause(RETRY, |w| w.stop || w.gives_room != work.gives_room);
    }

    /// Does a little of what there is to do. True: call it again. False: it has done all, and the index has all messages that
    /// the log had when it was read.
    pub(super) fn step(&mut self, work: Work) -> Result<bool, StoreError> {
        let shared = &self.shared;
        let of_log = |e: rusqlite::Error| StoreError::sqlite("read", &shared.log, &e);
        let of_index = |e: rusqlite::Error| StoreError::sqlite("write", &shared.index, &e);
        // In this order everywhere: the index's gate, then the log's. Who waits for a search to end
        // must not hold up the log's writer meanwhile.
        let _index_gate = shared.index_gate.write();
        let _log_gate = shared.log_gate.read();
        if work.gives_room {
            self.open = None;
            // First: whoever finds the files cut has to know why.
            shared.report(|p| p.gone = true);
            index_files::give_back(&shared.index)?;
            return Err(StoreError::Full { store: shared.index.to_string() });
        }
        if work.rebuild {
            self.open = None;
            // Until there is another one, a search must open neither the old files nor new ones without a table.
            shared.report(|p| p.gone = true);
            index_files::remove(&shared.index)?;
            shared.tell(|w| w.rebuild = false);
        }
        let open = match &mut self.open {
            Some(open) => open,
            closed => {
                let open = Open::new(shared, !self.has_opened)?;
                self.has_opened = true;
                shared.report(|p| {
                    p.mark = open.mark();
                    p.file += 1;
                    p.gone = false;
                });
                (self.removals, self.redactions) = (None, None);
                closed.insert(open)
            }
        };
        // First what must not be found. It needs little room: a row for each message.
        if self.redactions != Some(work.redactions) {
            let taken = open.redact().map_err(|e| spoiled(shared, of_index(e)))?;
            if taken.are_some_removed {
                // They leave the index before the purge begins.
                self.removals = None;
            }
            if taken.are_more {
                return Ok(true);
            }
            self.redactions = Some(work.redactions);
        }
        // What is derived leaves room for what is kept.
        let has_room = open.has_room(&shared.index, Next::Grows);
        if has_room && let Some(slice) = open.next_slice().map_err(of_log)? {
            open.index(&slice).map_err(|e| spoiled(shared, of_index(e)))?;
            let mark = open.mark();
            shared.report(|p| p.mark = mark);
            if slice.is_full {
                return Ok(true);
            }
        }
        let may_shrink = has_room || open.has_room(&shared.index, Next::Shrinks);
        if may_shrink && self.removals != Some(work.removals) {
            let there = open.what_is_there().map_err(of_log)?;
            if open.remove_slice(&there).map_err(|e| spoiled(shared, of_index(e)))? {
                return Ok(true);
            }
            self.removals = Some(work.removals);
            shared.report(|p| p.removals = Some(work.removals));
        }
        if self.removals != Some(work.removals) || (!has_room && open.mark() < work.head) {
            return Err(StoreError::Full { store: shared.index.to_string() });
        }
        // The whole index is written again, so new messages come first.
        let now = Instant::now();
        if open.must_purge() && self.purges.rests(now).is_zero() {
            if open.has_room(&shared.index, Next::IsRewritten) {
                let step = open.purge().map_err(|e| spoiled(shared, of_index(e)))?;
                self.purges.note(step, now.elapsed(), Instant::now());
                shared.report(|p| p.must_purge = open.must_purge());
                return Ok(step == PurgeStep::More);
            }
            self.purges.note_no_room(&shared.index, now);
        }
        shared.report(|p| p.must_purge = open.must_purge());
        Ok(false)
    }
}
