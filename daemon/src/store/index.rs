//! Owns the search index: a database of its own beside the log, and the one thread that writes
//! it. It follows the log from its own mark, a slice at a time, while there is something new;
//! what it has can always be made anew from the log, so whatever is wrong with it, it is. Never
//! writes the log, never makes its writer wait.

use super::StoreError;
use super::place::{self, Place};
use super::rows::{int, number};
use super::shared::{Shared, Work};
use super::words::{self, Tags};
use super::{apart, found, schema};
use rusqlite::{Connection, OpenFlags, params};
use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tcp_chat_protocol::{MsgEvent, Seq, event};

/// One transaction indexes about this many bytes of lines.
const SLICE_BYTES: usize = 512 * 1024;

/// One transaction removes this many messages.
const SLICE_REMOVED: i64 = 2_000;

/// How long new messages may wait for more of them, unless somebody searches.
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
        let worker = Worker { shared: Arc::clone(shared), open: None, removals: None, told: false };
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

struct Worker {
    shared: Arc<Shared>,
    open: Option<Open>,
    /// Up to which removal from the log the index has removed, too.
    removals: Option<u64>,
    /// Was it said that there is trouble?
    told: bool,
}

struct Open {
    log: Connection,
    index: Connection,
    mark: Seq,
    /// The conversations that have something in the index.
    held: HashSet<i64>,
    tags: Tags,
}

/// What one transaction indexes.
struct Slice {
    pieces: Vec<Piece>,
    /// The number that the index has reached then.
    to: Seq,
}

/// What the log still has.
struct There {
    /// Messages from this number on.
    oldest: i64,
    conversations: HashSet<i64>,
}

/// A damaged index is made anew at the next try.
fn spoiled(shared: &Shared, error: StoreError) -> StoreError {
    if matches!(error, StoreError::Corrupt { .. } | StoreError::Foreign { .. }) {
        shared.tell(|work| work.rebuild = true);
    }
    error
}

/// What is needed of a chunk.
struct Piece {
    first: Seq,
    conversation: i64,
    /// Of a direct one, the two users.
    between: Option<(i64, i64)>,
    lines: Vec<u8>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // However it ended: nobody need wait for it.
        self.shared.report(|p| p.failing = true);
    }
}

impl Worker {
    fn run(mut self) {
        loop {
            let work = self.shared.work();
            if work.stop {
                return;
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
                    self.rest();
                }
                Err(e) => self.complain(&e, work),
            }
        }
    }

    /// Sleeps until there is something to do, and a little longer, so that it is worth it.
    fn rest(&self) {
        let mark = self.open.as_ref().map_or(0, |open| open.mark);
        let removals = self.removals;
        self.shared
            .wait(|w| w.stop || w.rebuild || w.gives_room || w.head > mark || Some(w.removals) != removals);
        self.shared.pause(LINGER, |w| w.stop || w.rebuild || w.gives_room || (w.hurry && w.head > mark));
    }

    /// While messages come in a stream, the chat has the processor first: the index takes a tenth
    /// of one. In a lull, or when somebody searches, it goes on at full speed.
    fn give_way(&self, mut head: Seq, worked: Duration) {
        let until = Instant::now() + (worked * GIVES_WAY).min(GIVES_WAY_AT_MOST);
        while Instant::now() < until {
            let work = self.shared.pause(LULL, |w| w.stop || w.rebuild || w.gives_room || w.hurry);
            if work.stop || work.rebuild || work.gives_room || work.hurry || work.head == head {
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

    /// Does a little of what there is to do. True: there is more.
    fn step(&mut self, work: Work) -> Result<bool, StoreError> {
        let shared = &self.shared;
        let of_log = |e: rusqlite::Error| StoreError::sqlite("read", &shared.log, &e);
        let of_index = |e: rusqlite::Error| StoreError::sqlite("write", &shared.index, &e);
        // In this order everywhere: the index's gate, then the log's. Who waits for a search to end
        // must not hold up the log's writer meanwhile.
        let _index_gate = shared.index_gate.write();
        let _log_gate = shared.log_gate.read();
        if work.gives_room {
            self.open = None;
            give_back(&shared.index)?;
            return Err(StoreError::Full { store: shared.index.to_string() });
        }
        if work.rebuild {
            self.open = None;
            forget(&shared.index)?;
            shared.tell(|w| w.rebuild = false);
        }
        let open = match &mut self.open {
            Some(open) => open,
            closed => {
                let open = Open::new(shared)?;
                shared.report(|p| {
                    p.mark = open.mark;
                    p.file += 1;
                });
                self.removals = None;
                closed.insert(open)
            }
        };
        if let Some(slice) = open.next_slice().map_err(of_log)? {
            open.index(&slice).map_err(|e| spoiled(shared, of_index(e)))?;
            let mark = open.mark;
            shared.report(|p| p.mark = mark);
            shared.tell(|w| w.hurry &= w.head > mark);
            return Ok(true);
        }
        if self.removals != Some(work.removals) {
            let there = open.what_is_there().map_err(of_log)?;
            if open.remove_slice(&there).map_err(|e| spoiled(shared, of_index(e)))? {
                return Ok(true);
            }
            self.removals = Some(work.removals);
            shared.report(|p| p.removals = Some(work.removals));
        }
        Ok(false)
    }
}

impl Open {
    fn new(shared: &Shared) -> Result<Self, StoreError> {
        shared.check_log()?;
        let log = schema::open_reader(&shared.log)?;
        let error = |e: rusqlite::Error| StoreError::sqlite("read", &shared.log, &e);
        let head = found::totals(&log).map_err(error)?.head;
        let store: Vec<u8> =
            log.query_row("SELECT store FROM totals", [], |row| row.get(0)).map_err(error)?;

        let found = open_index(&shared.index).and_then(|index| {
            let fits = words::mark(&index, &store)
                .map_err(|e| StoreError::sqlite("read", &shared.index, &e))?
                .is_some_and(|mark| mark <= head);
            Ok(fits.then_some(index))
        });
        let index = match found {
            Ok(Some(index)) => index,
            // Not there yet, another log's, an older one's, or damaged: all of them are made anew.
            Ok(None) | Err(StoreError::Foreign { .. } | StoreError::Corrupt { .. }) => {
                forget(&shared.index)?;
                let index = open_index(&shared.index)?;
                let error = |e: rusqlite::Error| StoreError::sqlite("write", &shared.index, &e);
                words::make(&index, &store).map_err(error)?;
                if head > 0 {
                    tracing::info!(event = "index_made_anew", index = %shared.index, messages_to = head, "the search index is being made anew");
                }
                index
            }
            Err(e) => return Err(e),
        };
        let error = |e: rusqlite::Error| StoreError::sqlite("read", &shared.index, &e);
        let mark = words::mark(&index, &store).map_err(error)?.unwrap_or(0);
        let held = words::held(&index).map_err(error)?;
        Ok(Self { log, index, mark, held, tags: Tags::default() })
    }

    /// Indexes some messages.
    fn index(&mut self, slice: &Slice) -> rusqlite::Result<()> {
        let turn = self.index.unchecked_transaction()?;
        let mut put = turn.prepare_cached("INSERT INTO words (rowid, _text_, _tags_) VALUES (?1, ?2, ?3)")?;
        for Piece { first, conversation, between, lines } in &slice.pieces {
            for (line, seq) in super::lines(lines, *first) {
                let data = event::data_of(line).unwrap_or_default();
                // What the daemon did not write, it cannot find.
                if let Ok(message) = serde_json::from_slice::<MsgEvent<'_>>(data) {
                    let tags = self.tags.of(*conversation, *between, &message.user);
                    put.execute(params![int(seq), apart::text(&message.msg), tags])?;
                }
            }
            if !self.held.contains(conversation) {
                turn.prepare_cached("INSERT OR IGNORE INTO held VALUES (?1)")?.execute([conversation])?;
                self.held.insert(*conversation);
            }
        }
        drop(put);
        turn.prepare_cached("UPDATE about SET mark = ?1")?.execute([int(slice.to)])?;
        turn.commit()?;
        self.mark = slice.to;
        Ok(())
    }

    /// Reads the next messages. The log is let go before they are indexed: it can be tidied and
    /// its write-ahead log copied meanwhile.
    fn next_slice(&self) -> rusqlite::Result<Option<Slice>> {
        let log = self.log.unchecked_transaction()?;
        let head = found::totals(&log)?.head;
        if self.mark >= head {
            return Ok(None);
        }
        let mut chunks = log.prepare_cached(
            "SELECT k.first, k.last, k.conversation, k.lines, c.user_a, c.user_b
             FROM chunks k LEFT JOIN conversations c ON c.id = k.conversation
             WHERE k.first > ?1 ORDER BY k.first",
        )?;
        let mut rows = chunks.query([int(self.mark)])?;
        let (mut slice, mut bytes) = (Slice { pieces: Vec::new(), to: self.mark }, 0);
        while bytes < SLICE_BYTES {
            let Some(row) = rows.next()? else {
                // All of it was read: a number that has no message here was removed.
                slice.to = head;
                break;
            };
            let (a, b) = (row.get::<_, Option<i64>>(4)?, row.get::<_, Option<i64>>(5)?);
            let (first, conversation) = (number(row, 0)?, row.get(2)?);
            let piece = Piece { first, conversation, between: a.zip(b), lines: row.get(3)? };
            slice.to = number(row, 1)?;
            bytes += piece.lines.len();
            slice.pieces.push(piece);
        }
        Ok(Some(slice))
    }

    fn what_is_there(&self) -> rusqlite::Result<There> {
        let log = self.log.unchecked_transaction()?;
        let oldest: Option<i64> = log.query_row("SELECT min(first) FROM chunks", [], |row| row.get(0))?;
        let conversations = log
            .prepare_cached("SELECT id FROM conversations")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(There { oldest: oldest.unwrap_or_else(|| int(self.mark).saturating_add(1)), conversations })
    }

    /// Removes some of what is gone from the log. True: there may be more.
    fn remove_slice(&mut self, there: &There) -> rusqlite::Result<bool> {
        let turn = self.index.unchecked_transaction()?;
        let removed = turn
            .prepare_cached(
                "DELETE FROM words WHERE rowid IN (SELECT rowid FROM words WHERE rowid < ?1 LIMIT ?2)",
            )?
            .execute([there.oldest, SLICE_REMOVED])?;
        if removed > 0 {
            turn.commit()?;
            return Ok(true);
        }
        let Some(gone) = self.held.iter().copied().find(|id| !there.conversations.contains(id)) else {
            return Ok(false);
        };
        let removed = turn
            .prepare_cached(
                "DELETE FROM words WHERE rowid IN (SELECT rowid FROM words WHERE words MATCH ?1 LIMIT ?2)",
            )?
            .execute(params![words::in_conversations(&[gone], None), SLICE_REMOVED])?;
        if removed == 0 {
            turn.prepare_cached("DELETE FROM held WHERE conversation = ?1")?.execute([gone])?;
        }
        turn.commit()?;
        if removed == 0 {
            self.held.remove(&gone);
        }
        Ok(true)
    }
}

/// Pages after which the index's write-ahead log is copied.
const LEAST: u64 = 16;
const MOST: u64 = 1_000;

fn open_index(place: &Place) -> Result<Connection, StoreError> {
    place.make_file()?;
    let index = schema::open(place, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
    let set_up = || {
        words::set_up(&index)?;
        // On a small disk its write-ahead log must leave room for messages.
        let pages = place::free(&place.folder()).map_or(MOST, |room| room / 8 / place::PAGE_BYTES);
        let pages = pages.clamp(LEAST, MOST);
        index.query_row(&format!("PRAGMA wal_autocheckpoint = {pages}"), [], |_| Ok(()))
    };
    set_up().map_err(|e| StoreError::sqlite("open", place, &e))?;
    Ok(index)
}

/// Removes the index's files, and gives their room back at once: readers have them open until they search
/// again. What is cut of a file that is mapped into memory would end them: so not the last one.
fn give_back(place: &Place) -> Result<(), StoreError> {
    let open = |file: &PathBuf| File::options().write(true).open(file).ok();
    let files: Vec<_> = place.files().iter().take(2).filter_map(open).collect();
    forget(place)?;
    for file in files {
        let _ = file.set_len(0);
    }
    Ok(())
}

/// Removes the index's files. Readers that have them open see that there are others.
fn forget(place: &Place) -> Result<(), StoreError> {
    for file in place.files() {
        match std::fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &file, &e));
            }
            _ => {}
        }
    }
    Ok(())
}
