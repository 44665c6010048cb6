//! Owns what the lock's file remembers of the store that a daemon had last: which files it and its
//! write-ahead log were, and what its first bytes said. SQLite lays a write-ahead log over whatever store
//! lies beside it; by this, a start and `check` recognise one that a store before left behind. Called when
//! the store is locked, opened and checked. Never writes to the store.

use super::StoreError;
use super::header::Header;
use super::place::Place;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use tracing::warn;

/// Begins the line, and says how it is to be read.
const TAG: &str = "store-2";
/// Numbers in the line.
const NUMBERS: usize = 5 + Header::NUMBERS;
/// More than the lock's file has.
const MOST_BYTES: u64 = 1024;

/// A store, its write-ahead log, whether the store's own file said which log it is, and its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembered {
    store: Which,
    wal: Which,
    is_named: bool,
    header: Header,
}

/// Which file it is. Not by its device and inode: some file systems number them anew when they are mounted, and
/// give the number of a removed file to a new one. The moment when it was made stays, and is no other file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Which {
    inode: u64,
    /// In nanoseconds since 1970; 0: the file system does not say.
    made: u64,
}

impl Which {
    fn of(path: &Path) -> io::Result<Self> {
        let facts = path.metadata()?;
        let made = facts.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let made = made.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        Ok(Self { inode: facts.ino(), made })
    }

    fn knows_both(self, other: Self) -> bool {
        self.made != 0 && other.made != 0
    }

    /// It is certainly another file.
    fn is_another(self, than: Self) -> bool {
        self.knows_both(than) && self.made != than.made
    }

    /// It is the same file, as far as one can know.
    fn is(self, other: Self) -> bool {
        if self.knows_both(other) { self.made == other.made } else { self.inode == other.inode }
    }
}

impl Remembered {
    /// Looks at names only: a file that is opened and closed costs SQLite its locks on it.
    fn of([store, wal, _]: &[PathBuf; 3], header: Header, is_named: bool) -> io::Result<Self> {
        Ok(Self { store: Which::of(store)?, wal: Which::of(wal)?, is_named, header })
    }

    fn line(self) -> String {
        let Self { store, wal, is_named, header } = self;
        let named = u8::from(is_named);
        let mut line = format!("{TAG} {} {} {} {} {named}", store.inode, store.made, wal.inode, wal.made);
        for number in header.numbers() {
            line.push_str(&format!(" {number}"));
        }
        line
    }

    fn parse(line: &str) -> Option<Self> {
        let numbers: Vec<u64> =
            line.strip_prefix(TAG)?.split_whitespace().map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let numbers: [u64; NUMBERS] = numbers.try_into().ok()?;
        let [inode, made, wal_inode, wal_made, named, header @ ..] = numbers;
        Some(Self {
            store: Which { inode, made },
            wal: Which { inode: wal_inode, made: wal_made },
            is_named: named == 1,
            header: Header::from_numbers(header)?,
        })
    }

    /// Is the write-ahead log that lies there the one of this store, and the store beside it another one?
    fn is_of_another(place: &Place, [store, wal, _]: &[PathBuf; 3], remembered: &str) -> Option<bool> {
        let remembered = Self::parse(remembered)?;
        let is_left = Which::of(wal).ok()?.is(remembered.wal) && wal.metadata().ok()?.len() > 0;
        let is_other_file = Which::of(store).ok()?.is_another(remembered.store);
        // A copy may have been written into the same file.
        let header = Header::read(&File::open(store).ok()?).ok()??;
        let is_backup = || remembered.is_named && is_named(place) == Some(false);
        Some(is_left && (is_other_file || !header.follows(remembered.header) || is_backup()))
    }
}

/// Does the store's own file, without its write-ahead log, say which log it is? A backup that nobody has opened does
/// not. `None`: that cannot be read, or there is none. Not to be asked by a process that has the store open.
pub(super) fn is_named(place: &Place) -> Option<bool> {
    if place.is_memory() {
        return None;
    }
    let flags = place.flags(OpenFlags::SQLITE_OPEN_READ_ONLY) | OpenFlags::SQLITE_OPEN_URI;
    let alone = Connection::open_with_flags(place.path_without_wal(), flags).ok()?;
    alone.query_row("SELECT log IS NOT NULL FROM totals", [], |row| row.get(0)).ok()
}

/// The process and the line in the lock's file, as far as they are there.
pub(super) fn read(lock: &mut File) -> (String, String) {
    let mut text = String::new();
    let _ = lock.seek(SeekFrom::Start(0));
    let _ = lock.take(MOST_BYTES).read_to_string(&mut text);
    let mut lines = text.lines().map(|line| line.trim().to_owned());
    (lines.next().unwrap_or_default(), lines.next().unwrap_or_default())
}

/// Writes this process and a line into the lock's file. What was there is written over: a full disk has
/// room for that. The lock holds, written on or not.
pub(super) fn write(mut lock: &File, line: &str) {
    let text = format!("{}\n{line}\n", std::process::id());
    let _ = lock
        .seek(SeekFrom::Start(0))
        .and_then(|_| lock.write_all(text.as_bytes()))
        .and_then(|()| lock.set_len(text.len() as u64));
}

/// Remembers the store as it lies there now, opened by this daemon.
pub(super) fn remember(lock: &File, place: &Place, header: Header, is_named: bool) {
    if let Some(Ok(now)) = three(place).map(|files| Remembered::of(&files, header, is_named)) {
        write(lock, &now.line());
    }
}

/// The write-ahead log that lies beside the store, if another store that was there before left it. Not to be
/// asked by a process that has the store open.
pub(super) fn foreign_wal(place: &Place) -> Option<PathBuf> {
    let files = three(place)?;
    let mut lock = File::open(place.lock_path()?).ok()?;
    let (_, line) = read(&mut lock);
    let [_, wal, _] = &files;
    Remembered::is_of_another(place, &files, &line)?.then(|| wal.clone())
}

/// Before the store is opened: gives a write-ahead log of the store before another name.
pub(super) fn set_aside_foreign(place: &Place) -> Result<(), StoreError> {
    match foreign_wal(place) {
        Some(wal) => set_aside(place, &wal),
        None => Ok(()),
    }
}

/// Gives a write-ahead log of the store before another name, and tells the log.
pub(super) fn set_aside(place: &Place, wal: &Path) -> Result<(), StoreError> {
    let aside = free_name(wal);
    match std::fs::rename(wal, &aside) {
        Ok(()) => {
            warn!(
                event = "wal_set_aside",
                store = %place,
                to = %aside.display(),
                "another store was put in this one's place: the write-ahead log of the one before is set aside"
            );
            Ok(())
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => {
            warn!(
                event = "wal_set_aside",
                store = %place,
                error = %e,
                "another store was put in this one's place, and the write-ahead log of the one before could not \
                 be set aside: move it away before the next start"
            );
            Err(StoreError::io("set aside", wal, &e))
        }
    }
}

/// What is set aside takes nothing else's place.
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

fn three(place: &Place) -> Option<[PathBuf; 3]> {
    place.files().try_into().ok()
}
