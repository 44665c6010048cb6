//! Owns where the store lies: its file and those beside it, the folder, their modes, and the lock
//! that makes two daemons on one store an error. Used when a store is opened; never reads it.

use super::error::StoreError;
use super::header::Header;
use super::remembered;
use crate::settings::History;
use rusqlite::OpenFlags;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// One database: the log, or what is derived from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file.
    File(PathBuf),
    /// In this process, under a name that several connections share.
    Memory(String),
}

impl Place {
    /// Where the log lies.
    pub(super) fn of(history: &History) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        match &history.path {
            Some(path) => Self::File(path.clone()),
            None => Self::Memory(format!("tcp-chat-{}", NEXT.fetch_add(1, Ordering::Relaxed))),
        }
    }

    /// Where the search index lies: beside the log, and on its disk.
    pub(super) fn index(&self) -> Self {
        match self {
            Self::File(path) => Self::File(beside(&followed(path), "-search")),
            Self::Memory(name) => Self::Memory(format!("{name}-search")),
        }
    }

    /// What SQLite opens.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Memory(name) => format!("file:/{name}?vfs=memdb").into(),
        }
    }

    /// How SQLite opens it. One thread uses a connection at a time, so SQLite need not lock.
    pub(super) fn flags(&self, access: OpenFlags) -> OpenFlags {
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match self {
            Self::File(_) => flags,
            Self::Memory(_) => flags | OpenFlags::SQLITE_OPEN_URI,
        }
    }

    /// What SQLite opens to read the file alone, without its write-ahead log.
    pub(super) fn path_without_wal(&self) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        let path = self.path();
        let mut uri = "file:".to_owned();
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                    uri.push(char::from(*byte))
                }
                byte => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        (uri + "?immutable=1").into()
    }

    /// Is it gone with the process?
    pub(super) fn is_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// The files that SQLite has for it.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::File(path) => {
                let path = followed(path);
                let [wal, shm] = ["-wal", "-shm"].map(|ending| beside(&path, ending));
                vec![path, wal, shm]
            }
            Self::Memory(_) => Vec::new(),
        }
    }

    /// Is there something in its write-ahead log, or somebody who has it open?
    pub(super) fn has_wal(&self) -> bool {
        match self.files().as_slice() {
            [_, wal, shm] => wal.metadata().is_ok_and(|wal| wal.len() > 0) || shm.exists(),
            _ => false,
        }
    }

    /// SQLite removes a write-ahead log beside an empty store without a word. It may hold messages: the store
    /// may be on a disk that is not mounted, or was removed by mistake.
    pub(super) fn check_not_alone(&self) -> Result<(), StoreError> {
        let bytes = |path: &Path| path.metadata().map_or(0, |file| file.len());
        match self.files().as_slice() {
            [store, wal, _] if bytes(store) == 0 && bytes(wal) > 0 => {
                Err(StoreError::Alone { store: store.clone(), wal: wal.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Makes the file, for its owner alone, if it is not there. A file that is there keeps its mode.
    pub(super) fn make_file(&self) -> Result<(), StoreError> {
        let Self::File(path) = self else { return Ok(()) };
        private(OpenOptions::new().read(true).write(true).create(true), path)?;
        Ok(())
    }

    /// The folder in which it lies, wherever a link to it lies.
    pub(super) fn folder(&self) -> PathBuf {
        let Self::File(path) = self else { return PathBuf::new() };
        let path = followed(path);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new(".")).to_owned()
    }

    /// Makes the folder, for its owner alone, if it is not there.
    pub(super) fn make_folder(&self) -> Result<(), StoreError> {
        let Self::File(path) = self else { return Ok(()) };
        match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|e| StoreError::io("make the folder", folder, &e)),
            _ => Ok(()),
        }
    }

    /// Takes the store for this process. The lock ends with the process, however it ends.
    pub(super) fn lock(&self) -> Result<Option<Lock>, StoreError> {
        let Some(path) = self.lock_path() else { return Ok(None) };
        let mut file = private(OpenOptions::new().read(true).write(true).create(true), &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // Who it is, is only for the person who reads it.
                let (holder, _) = remembered::read(&mut file);
                let holder = match holder.as_str() {
                    "" => "another tcp-chatd".to_owned(),
                    pid => format!("another tcp-chatd (process {pid})"),
                };
                return Err(StoreError::InUse { store: self.to_string(), holder, lock: path });
            }
            Err(TryLockError::Error(e)) => return Err(StoreError::io("lock", &path, &e)),
        }
        let of_store = self.lock_file(&path)?;
        // What the daemon before had is still to be asked for.
        let (_, line) = remembered::read(&mut file);
        remembered::write(&file, &line);
        Ok(Some(Lock { file, store: of_store }))
    }

    /// The lock's file. A symbolic link leads to the same store, and so to the same lock.
    pub(super) fn lock_path(&self) -> Option<PathBuf> {
        let Self::File(store) = self else { return None };
        Some(beside(&followed(store), ".lock"))
    }

    /// The same for the file itself: a hard link under another name is the same store. This is a lock of its own kind
    /// (flock(2)), beside those that SQLite takes.
    fn lock_file(&self, lock: &Path) -> Result<File, StoreError> {
        let store = &self.path();
        let file = private(OpenOptions::new().read(true).write(true).create(true), store)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                let holder = "another tcp-chatd, which has it under another name,".to_owned();
                Err(StoreError::InUse { store: self.to_string(), holder, lock: lock.to_owned() })
            }
            Err(TryLockError::Error(e)) => Err(StoreError::io("lock", store, &e)),
        }
    }
}

/// The store is this process's own for as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// The store's own file, which stays open: to close it would end SQLite's locks on it (fcntl(2)).
    store: File,
}

impl Lock {
    /// Remembers the store as it was opened. What is remembered of its bytes must not be newer than what a power
    /// cut leaves of them: its own write-ahead log would be taken for another's.
    pub(super) fn remember(&self, place: &Place, header: Header, is_named: bool) {
        match self.store.sync_data() {
            Ok(()) => remembered::remember(&self.file, place, header, is_named),
            Err(_) => remembered::write(&self.file, ""),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory(_) => f.write_str("in memory"),
        }
    }
}

/// Bytes of a page of a database that this program made.
pub(super) const PAGE_BYTES: u64 = 4096;

/// Bytes that this user may still write to the disk of a folder; `None`: the system does not say. Then there is room
/// until a write fails.
pub(crate) fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    // A disk without blocks is one that does not count them.
    (disk.f_blocks > 0).then(|| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Where the store's own file lies: SQLite follows symbolic links, and names the others after what they lead to.
pub(crate) fn followed(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn private(options: &mut OpenOptions, path: &Path) -> Result<File, StoreError> {
    options.mode(0o600).open(path).map_err(|e| StoreError::io("open", path, &e))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
