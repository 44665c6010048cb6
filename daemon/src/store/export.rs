//! Owns the reading of all messages for an export: in the order of the log, a part at a time, from a store that a
//! daemon may have in use. Called by `tcp-chatd export`, which is another process. Never writes, and never holds a
//! read transaction from one part to the next: the write-ahead log of a running daemon does not grow because of it.

use super::location::Location;
use super::rows::{int, number};
use super::{StoreError, packed, schema, snapshot, store_record};
use crate::settings::History;
use rusqlite::{Connection, OpenFlags, params};
use serde::Deserialize;
use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use tcp_chat_protocol::name::NameKey;
use tcp_chat_protocol::{Name, Seq, Timestamp, event};

/// A part ends after so many bytes of lines, and with the chunk that is begun.
const PART_BYTES: usize = 1024 * 1024;
/// A part looks at so many chunks at most, however few of them are wanted.
const PART_CHUNKS: usize = 4096;

/// Which messages are wanted. What is `None` does not limit them.
#[derive(Debug, Clone, Default)]
pub struct ExportFilter {
    /// Only the messages of this room.
    pub room: Option<Name>,
    /// Only messages that this user wrote, and the user's direct messages.
    pub user: Option<Name>,
    /// Only messages that were accepted at this time or later.
    pub since: Option<Timestamp>,
}

/// Why an export ends early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The messages are in the memory of the daemon.
    #[error("history.path is \":memory:\": no message is kept in a file, so there is nothing to export")]
    InMemory,
    /// There is no such room.
    #[error("there is no room {0} in the store: `tcp-chatd rooms` lists the rooms of the running daemon")]
    NoRoom(Name),
}

/// An export in progress. It ends with the newest message at its begin, so that it ends.
#[derive(Debug)]
pub struct Export {
    place: Location,
    user: Option<NameKey>,
    /// In milliseconds since 1970.
    since: u64,
    conversation: Option<i64>,
    log: Connection,
    /// What the files were when they were opened without their write-ahead log. `None`: the daemon may use them.
    unused: Option<Facts>,
    /// All up to this number is done.
    after: Seq,
    head: Seq,
}

/// What tells whether the store's files are in use, without opening them: to close one would end SQLite's locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
    has_wal: bool,
}

impl Facts {
    fn of(place: &Location) -> Result<Self, StoreError> {
        let path = place.path();
        let facts = path.metadata().map_err(|e| StoreError::io("read", &path, &e))?;
        let changed = (facts.mtime(), facts.mtime_nsec());
        Ok(Self { inode: facts.ino(), bytes: facts.len(), changed, has_wal: place.has_wal() })
    }
}

/// The fields of a `MSG` event that a user is known by.
#[derive(Deserialize)]
struct Users<'a> {
    #[serde(borrow)]
    user: Cow<'a, str>,
    #[serde(borrow, default)]
    to: Option<Cow<'a, str>>,
}

impl Export {
    /// Opens the store for reading. A daemon may run on it.
    ///
    /// # Errors
    /// The store is in memory, not there, not readable for this user, or damaged; there is no such room.
    pub fn open(history: &History, filter: ExportFilter) -> Result<Self, ExportError> {
        let place = match Location::of(history) {
            place @ Location::File(_) => place,
            Location::Memory(_) => return Err(ExportError::InMemory),
        };
        let (log, unused) = open(&place)?;
        let read = |e| StoreError::sqlite("read", &place, &e);
        let is_empty = schema::is_empty(&log, &place)?;
        // Of every version: the file may be older than this program.
        let head = "SELECT head FROM totals";
        let head = if is_empty { 0 } else { log.query_row(head, [], |row| number(row, 0)).map_err(read)? };
        let conversation = match filter.room {
            None => None,
            Some(room) if is_empty => return Err(ExportError::NoRoom(room)),
            Some(room) => match find_room(&log, &room.key()).map_err(read)? {
                Some(id) => Some(id),
                None => return Err(ExportError::NoRoom(room)),
            },
        };
        let user = filter.user.map(|user| user.key());
        let since = filter.since.map_or(0, |since| since.0);
        let mut export = Self { place, user, since, conversation, log, unused, after: 0, head };
        if head > 0 {
            // Numbers before the oldest message are no work.
            export.after = export.oldest().map_err(|e| StoreError::sqlite("read", &export.place, &e))?;
        }
        Ok(export)
    }

    /// The numbers that are done, and the last number of this export.
    #[must_use]
    pub fn range(&self) -> (Seq, Seq) {
        (self.after, self.head)
    }

    /// Appends the next messages to `lines`, each as the `MSG` event of the wire: about a mebibyte, or fewer if they
    /// are rare. Returns how many there are; `None`: all is read.
    ///
    /// # Errors
    /// The store cannot be read. `lines` may have a part of the messages then.
    pub fn next(&mut self, lines: &mut Vec<u8>) -> Result<Option<u64>, StoreError> {
        if self.after >= self.head {
            return Ok(None);
        }
        loop {
            let start = lines.len();
            let read = self.read(lines);
            // What was read while a daemon began to write may be of two moments.
            if self.unused.is_some_and(|facts| Facts::of(&self.place).ok() != Some(facts)) {
                lines.truncate(start);
                self.reopen()?;
                continue;
            }
            let (count, after) = read.map_err(|e| StoreError::sqlite("read", &self.place, &e))?;
            self.after = after;
            return Ok(Some(count));
        }
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        // Closed first: SQLite's locks are the process's, and end with any descriptor of the file.
        self.log = Connection::open_in_memory().map_err(|e| StoreError::sqlite("open", &self.place, &e))?;
        (self.log, self.unused) = open(&self.place)?;
        Ok(())
    }

    fn oldest(&self) -> rusqlite::Result<Seq> {
        let oldest = "SELECT ifnull((SELECT first FROM chunks ORDER BY first LIMIT 1), ?1 + 1)";
        self.log
            .query_row(oldest, [int(self.head)], |row| number(row, 0))
            .map(|first| first.saturating_sub(1))
    }

    /// Reads one part: the number of messages, and the number up to which it is done.
    fn read(&self, out: &mut Vec<u8>) -> rusqlite::Result<(u64, Seq)> {
        // What is left of a removed conversation belongs to nobody, and waits for its removal.
        let sql = match self.conversation {
            None => {
                "SELECT first, last, ts, lines FROM chunks CROSS JOIN conversations ON id = conversation
                 WHERE first > ?1 AND first <= ?2 ORDER BY first"
            }
            Some(_) => {
                "SELECT first, last, ts, lines FROM chunks
                 WHERE last > ?1 AND last <= ?2 AND conversation = ?3
                 AND EXISTS (SELECT 1 FROM conversations WHERE id = ?3) ORDER BY last"
            }
        };
        let mut chunks = self.log.prepare_cached(sql)?;
        let mut rows = match self.conversation {
            None => chunks.query(params![int(self.after), int(self.head)])?,
            Some(id) => chunks.query(params![int(self.after), int(self.head), id])?,
        };
        let (start, mut count) = (out.len(), 0);
        for seen in 1.. {
            let Some(row) = rows.next()? else { break };
            let last = number(row, 1)?;
            if number(row, 2)? >= self.since {
                count += self.push(&packed::unpack(row.get_ref(3)?.as_blob()?), number(row, 0)?, out);
            }
            if out.len() - start >= PART_BYTES || seen >= PART_CHUNKS {
                return Ok((count, last));
            }
        }
        Ok((count, self.head))
    }

    /// Appends what is wanted of a chunk; returns how many messages that is.
    fn push(&self, lines: &[u8], first: Seq, out: &mut Vec<u8>) -> u64 {
        let mut count = 0;
        for (line, _) in super::lines(lines, first) {
            if self.user.as_ref().is_none_or(|user| is_of(line, user)) {
                out.extend_from_slice(line);
                count += 1;
            }
        }
        count
    }
}

/// Whether the user wrote the message, or got it as a direct message. A line that cannot be read is nobody's.
fn is_of(line: &[u8], user: &NameKey) -> bool {
    let is_it = |name: &str| Name::parse_kept(name).is_ok_and(|name| name.key() == *user);
    let users = event::data_of(line).and_then(|data| serde_json::from_slice::<Users<'_>>(data).ok());
    users.is_some_and(|users| is_it(&users.user) || users.to.is_some_and(|to| is_it(&to)))
}

fn find_room(log: &Connection, wanted: &NameKey) -> rusqlite::Result<Option<i64>> {
    let mut rooms = log.prepare("SELECT id, room FROM conversations WHERE room IS NOT NULL")?;
    let mut rows = rooms.query([])?;
    while let Some(row) = rows.next()? {
        if snapshot::name(row, 1)?.key() == *wanted {
            return row.get(0).map(Some);
        }
    }
    Ok(None)
}

/// Opens the log as it lies there. SQLite would make the files that do not lie beside the store, and leave them there:
/// so a store that no daemon uses is read alone.
fn open(place: &Location) -> Result<(Connection, Option<Facts>), StoreError> {
    place.check_wal_has_store()?;
    let path = place.path();
    // SQLite does not say that it is a matter of permission.
    drop(File::open(&path).map_err(|e| StoreError::io("open", &path, &e))?);
    let facts = Facts::of(place)?;
    if facts.has_wal && store_record::foreign_wal(place).is_none() {
        return Ok((schema::open_reader(place)?, None));
    }
    let flags = place.flags(OpenFlags::SQLITE_OPEN_READ_ONLY) | OpenFlags::SQLITE_OPEN_URI;
    let log = Connection::open_with_flags(place.path_without_wal(), flags)
        .map_err(|e| StoreError::sqlite("open", place, &e))?;
    Ok((log, Some(facts)))
}
