//! Defines where the store is: its files, its folder, their modes, and the lock that keeps two daemons off
//! one store. Used when a store is opened. Never reads or writes the database.

use super::error::StoreError;
use super::header::Header;
use super::store_record;
use crate::settings::History;
use rusqlite::OpenFlags;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The location of a database: the log, or the search index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// In a file.
    File(PathBuf),
    /// In this process, under a name that several connections use.
    Memory(String),
}

impl Location {
    /// The location of the log.
    pub(super) fn of(history: &History) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        match &history.path {
            Some(path) => Self::File(path.clone()),
            None => Self::Memory(format!("tcp-chat-{}", NEXT.fetch_add(1, Ordering::Relaxed))),
        }
    }

    /// The location of the search index: beside the log, on the same disk.
    pub(super) fn index(&self) -> Self {
        match self {
            Self::File(path) => Self::File(beside(&resolve_links(path), "-search")),
            Self::Memory(name) => Self::Memory(format!("{name}-search")),
        }
    }

    /// The path or URI for SQLite.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Memory(name) => format!("file:/{name}?vfs=memdb").into(),
        }
    }

    /// The flags for SQLite. One thread at a time uses a connection, so SQLite needs no mutex.
    pub(super) fn flags(&self, access: OpenFlags) -> OpenFlags {
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match self {
            Self::File(_) => flags,
            Self::Memory(_) => flags | OpenFlags::SQLITE_OPEN_URI,
        }
    }

    /// The URI with which SQLite reads the file without its write-ahead log.
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

    /// Whether the database ends with the process.
    pub(super) fn is_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// The files that SQLite uses: the database, the write-ahead log and its shared-memory index.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::File(path) => {
                let path = resolve_links(path);
                let [wal, shm] = ["-wal", "-shm"].map(|ending| beside(&path, ending));
                vec![path, wal, shm]
            }
            Self::Memory(_) => Vec::new(),
        }
    }

    /// Whether there is a write-ahead log with content, or a process that has the database open.
    pub(super) fn has_wal(&self) -> bool {
        match self.files().as_slice() {
            [_, wal, shm] => wal.metadata().is_ok_and(|wal| wal.len() > 0) || shm.exists(),
            _ => false,
        }
    }

    /// Refuses a write-ahead log without its store. SQLite removes a log beside an empty database, but it can
    /// hold messages: the disk of the store may not be mounted, or the file was removed by mistake.
    pub(super) fn check_wal_has_store(&self) -> Result<(), StoreError> {
        let bytes = |path: &Path| path.metadata().map_or(0, |file| file.len());
        match self.files().as_slice() {
            [store, wal, _] if bytes(store) == 0 && bytes(wal) > 0 => {
                Err(StoreError::Alone { store: store.clone(), wal: wal.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Creates the file with mode 0600 if it is missing. An existing file keeps its mode.
    pub(super) fn create_file(&self) -> Result<(), StoreError> {
        let Self::File(path) = self else { return Ok(()) };
        open_private(OpenOptions::new().read(true).write(true).create(true), path)?;
        Ok(())
    }

    /// The folder of the file itself, also if the path is a symbolic link.
    pub(super) fn folder(&self) -> PathBuf {
        let Self::File(path) = self else { return PathBuf::new() };
        let path = resolve_links(path);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.unwrap_or(Path::new(".")).to_owned()
    }

    /// Creates the folder with mode 0700 if it is missing.
    pub(super) fn create_folder(&self) -> Result<(), StoreError> {
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

    /// Locks the store for this process. The lock ends with the process.
    pub(super) fn lock(&self) -> Result<Option<Lock>, StoreError> {
        let Some(path) = self.lock_path() else { return Ok(None) };
        let mut file = open_private(OpenOptions::new().read(true).write(true).create(true), &path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // The process id is only for the operator who reads the message.
                let (holder, _) = store_record::read_lock_file(&mut file);
                let holder = match holder.as_str() {
                    "" => "another tcp-chatd".to_owned(),
                    pid => format!("another tcp-chatd (process {pid})"),
                };
                return Err(StoreError::InUse { store: self.to_string(), holder, lock: path });
            }
            Err(TryLockError::Error(e)) => return Err(StoreError::io("lock", &path, &e)),
        }
        let of_store = self.lock_file(&path)?;
        // The record of the last daemon is still needed.
        let (_, line) = store_record::read_lock_file(&mut file);
        store_record::write_lock_file(&file, &line);
        Ok(Some(Lock { file, store: of_store }))
    }

    /// The path of the lock file. A symbolic link leads to the same store, and so to the same lock.
    pub(super) fn lock_path(&self) -> Option<PathBuf> {
        let Self::File(store) = self else { return None };
        Some(beside(&resolve_links(store), ".lock"))
    }

    /// Locks the store's own file: a hard link under another name is the same store. This lock is a flock(2),
    /// which does not affect the locks of SQLite.
    fn lock_file(&self, lock: &Path) -> Result<File, StoreError> {
        let store = &self.path();
        let file = open_private(OpenOptions::new().read(true).write(true).create(true), store)?;
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

/// Holds the store for this process until it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    /// The store's own file. It stays open, because closing it would release SQLite's locks on it (fcntl(2)).
    store: File,
}

impl Lock {
    /// Records the opened store in the lock file. The file is synced first: if a power cut left older bytes
    /// than the recorded ones, its own write-ahead log would count as foreign.
    pub(super) fn write_record(&self, place: &Location, header: Header, has_log_id: bool) {
        match self.store.sync_data() {
            Ok(()) => store_record::write_record(&self.file, place, header, has_log_id),
            Err(_) => store_record::write_lock_file(&self.file, ""),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Memory(_) => f.write_str("in memory"),
        }
    }
}

/// Bytes of a page of a database that this program created.
pub(super) const PAGE_BYTES: u64 = 4096;

/// The bytes that this user can still write to the disk of a folder. `None`: the system does not report it,
/// and a full disk shows only in a failed write.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    // A disk without blocks is one that does not count them.
    (disk.f_blocks > 0).then(|| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The path of the store's own file. SQLite follows symbolic links, and names the files beside the target.
pub(crate) fn resolve_links(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn open_private(options: &mut OpenOptions, path: &Path) -> Result<File, StoreError> {
    options.mode(0o600).open(path).map_err(|e| StoreError::io("open", path, &e))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
