//! Records in the lock file which store a daemon had last: the identity of its file and of its write-ahead
//! log, and the header. SQLite applies a write-ahead log to any store beside it. The record lets a start and
//! `check` recognise a log that another store left behind. Called when the store is locked, opened and
//! checked. Never writes to the store.

use super::StoreError;
use super::header::Header;
use super::location::Location;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use tracing::warn;

/// Starts the line, and gives its format version.
const TAG: &str = "store-2";
/// Numbers in the line.
const NUMBERS: usize = 5 + Header::NUMBERS;
/// An upper bound of the lock file's length.
const MAX_BYTES: u64 = 1024;

/// The record of a store: its file, its write-ahead log, whether the file had a log id, and its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoreRecord {
    store: FileId,
    wal: FileId,
    has_log_id: bool,
    header: Header,
}

/// Identifies a file by its creation time. Device and inode do not suffice: some file systems renumber them
/// at each mount, and reuse the inode of a removed file. A creation time stays the same, and belongs to one
/// file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    inode: u64,
    /// Nanoseconds since 1970. 0: the file system does not report it.
    made: u64,
}

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let facts = path.metadata()?;
        let made = facts.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let made = made.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        Ok(Self { inode: facts.ino(), made })
    }

    fn have_times(self, other: Self) -> bool {
        self.made != 0 && other.made != 0
    }

    /// Whether it is certainly another file.
    fn is_certainly_other(self, than: Self) -> bool {
        self.have_times(than) && self.made != than.made
    }

    /// Whether it is the same file, as far as this can be known.
    fn is_same(self, other: Self) -> bool {
        if self.have_times(other) { self.made == other.made } else { self.inode == other.inode }
    }
}

impl StoreRecord {
    /// Reads metadata only: opening and closing the file would release SQLite's locks on it.
    fn of([store, wal, _]: &[PathBuf; 3], header: Header, has_log_id: bool) -> io::Result<Self> {
        Ok(Self { store: FileId::of(store)?, wal: FileId::of(wal)?, has_log_id, header })
    }

    fn line(self) -> String {
        let Self { store, wal, has_log_id, header } = self;
        let has_log_id_number = u8::from(has_log_id);
        let mut line =
            format!("{TAG} {} {} {} {} {has_log_id_number}", store.inode, store.made, wal.inode, wal.made);
        for number in header.numbers() {
            line.push_str(&format!(" {number}"));
        }
        line
    }

    fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<u64> =
            line.strip_prefix(TAG)?.split_whitespace().map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let numbers: [u64; NUMBERS] = numbers.try_into().ok()?;
        let [inode, made, wal_inode, wal_made, has_log_id_number, header @ ..] = numbers;
        Some(Self {
            store: FileId { inode, made },
            wal: FileId { inode: wal_inode, made: wal_made },
            has_log_id: has_log_id_number == 1,
            header: Header::from_numbers(header)?,
        })
    }

    /// Whether the write-ahead log at the path is the recorded one, while the store beside it is another.
    fn is_of_another(place: &Location, [store, wal, _]: &[PathBuf; 3], recorded: &str) -> Option<bool> {
        let recorded = Self::parse(recorded)?;
        let is_left = FileId::of(wal).ok()?.is_same(recorded.wal) && wal.metadata().ok()?.len() > 0;
        let is_other_file = FileId::of(store).ok()?.is_certainly_other(recorded.store);
        // A copy may have been written into the same file.
        let header = Header::read(&File::open(store).ok()?).ok()??;
        let is_backup = || recorded.has_log_id && has_log_id(place) == Some(false);
        Some(is_left && (is_other_file || !header.follows(recorded.header) || is_backup()))
    }
}

/// Whether the store's own file, without its write-ahead log, has a log id. A backup that was never opened
/// has none. `None`: the file cannot be read, or there is none. A process that has the store open must not
/// call this.
pub(super) fn has_log_id(place: &Location) -> Option<bool> {
    if place.is_memory() {
        return None;
    }
    let flags = place.flags(OpenFlags::SQLITE_OPEN_READ_ONLY) | OpenFlags::SQLITE_OPEN_URI;
    let alone = Connection::open_with_flags(place.path_without_wal(), flags).ok()?;
    alone.query_row("SELECT log IS NOT NULL FROM totals", [], |row| row.get(0)).ok()
}

/// Reads the process id and the record from the lock file, as far as they exist.
pub(super) fn read_lock_file(lock: &mut File) -> (String, String) {
    let mut text = String::new();
    let _ = lock.seek(SeekFrom::Start(0));
    let _ = lock.take(MAX_BYTES).read_to_string(&mut text);
    let mut lines = text.lines().map(|line| line.trim().to_owned());
    (lines.next().unwrap_or_default(), lines.next().unwrap_or_default())
}

/// Writes the id of this process and a record into the lock file. It overwrites the old text, for which a
/// full disk has space. The lock holds even if the write fails.
pub(super) fn write_lock_file(mut lock: &File, line: &str) {
    let text = format!("{}\n{line}\n", std::process::id());
    let _ = lock
        .seek(SeekFrom::Start(0))
        .and_then(|_| lock.write_all(text.as_bytes()))
        .and_then(|()| lock.set_len(text.len() as u64));
}

/// Records the store that this daemon has opened.
pub(super) fn write_record(lock: &File, place: &Location, header: Header, has_log_id: bool) {
    if let Some(Ok(now)) = store_files(place).map(|files| StoreRecord::of(&files, header, has_log_id)) {
        write_lock_file(lock, &now.line());
    }
}

/// The write-ahead log beside the store, if another store left it. A process that has the store open must not
/// call this.
pub(super) fn foreign_wal(place: &Location) -> Option<PathBuf> {
    let files = store_files(place)?;
    let mut lock = File::open(place.lock_path()?).ok()?;
    let (_, line) = read_lock_file(&mut lock);
    let [_, wal, _] = &files;
    StoreRecord::is_of_another(place, &files, &line)?.then(|| wal.clone())
}

/// Before the store is opened: renames a write-ahead log that another store left.
pub(super) fn set_aside_foreign(place: &Location) -> Result<(), StoreError> {
    match foreign_wal(place) {
        Some(wal) => set_aside(place, &wal),
        None => Ok(()),
    }
}

/// Renames a write-ahead log that another store left, and logs the event.
pub(super) fn set_aside(place: &Location, wal: &Path) -> Result<(), StoreError> {
    let aside = free_name(wal);
    match std::fs::rename(wal, &aside) {
        Ok(()) => {
            warn!(
                event = "wal_set_aside",
                store = %place,
                to = %aside.display(),
                "another file replaced the store: the write-ahead log of the old store was renamed"
            );
            Ok(())
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => {
            warn!(
                event = "wal_set_aside",
                store = %place,
                error = %e,
                "another file replaced the store, and the write-ahead log of the old store could not be \
                 renamed: move it away before the next start"
            );
            Err(StoreError::io("set aside", wal, &e))
        }
    }
}

/// Finds a name that no file has.
fn free_name(wal: &Path) -> PathBuf {
    let name = |ending: &str| {
        let mut name = wal.as_os_str().to_owned();
        name.push(".of-the-store-before");
        name.push(ending);
        PathBuf::from(name)
    };
    let mut aside = name("");
    let mut number = 2;
    while aside.symlink_metadata().is_ok() {
        aside = name(&format!("-{number}"));
        number += 1;
    }
    aside
}

fn store_files(place: &Location) -> Option<[PathBuf; 3]> {
    place.files().try_into().ok()
}
