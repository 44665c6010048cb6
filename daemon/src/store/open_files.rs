//! Checks whether the store's files are still the ones that were opened. Another program can remove, replace,
//! cut or overwrite them. SQLite does not notice and continues in files without a name. The writer calls
//! these checks after each turn and between turns. Never writes to a file.
//!
//! The file descriptors stay open until the last connection has closed. A process that closes any descriptor
//! of a database loses SQLite's locks on it.

use super::StoreError;
use super::file_content::{FileContent, TotalsPage};
use super::header::Header;
use super::location::Location;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tcp_chat_protocol::Seq;

/// Bytes of the header of a write-ahead log, and of the header of each frame.
pub(super) const WAL_HEADER: u64 = 32;
pub(super) const FRAME_HEADER: u64 = 24;

const REMOVED: &str = "removed";
const REPLACED: &str = "replaced by another one";
const OVERWRITTEN: &str = "cut or written over";
const DAMAGED: &str = "damaged (or written over)";

const RESTORE: &str =
    "stop tcp-chatd and put a backup in its place (OPERATIONS.md, \"The store's files were touched\")";

/// Another program changed the store through SQLite: the stored state is not the committed one.
pub(super) fn overwritten_error(store: &Path) -> StoreError {
    StoreError::Lost { which: StoreFile::Store, path: store.to_owned(), how: OVERWRITTEN, advice: RESTORE }
}

/// One of the store's files, or their folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFile {
    /// The store's own file.
    Store,
    /// Its write-ahead log.
    Wal,
    /// The shared-memory index of the write-ahead log.
    WalIndex,
    /// The folder of these files.
    Folder,
}

/// The store's files, as they were when they were opened.
#[derive(Debug)]
pub(super) struct OpenFiles {
    store: OpenFile,
    /// The path in the settings. It can be a symbolic link.
    link: PathBuf,
    wal: OpenFile,
    /// SQLite's locks are on this file, so it is not opened here.
    shm: (PathBuf, FileIdentity),
    folder: OpenFile,
    content: Mutex<FileContent>,
    wal_bytes: AtomicU64,
}

/// Identifies a file independently of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// A file that is held open, so that no other file can get its inode.
#[derive(Debug)]
struct OpenFile {
    which: StoreFile,
    path: PathBuf,
    file: File,
    identity: FileIdentity,
}

impl OpenFiles {
    /// Opens the files of a store that SQLite has opened. `None`: the store is in memory.
    pub(super) fn open(place: &Location) -> Result<Option<Self>, StoreError> {
        let [store, wal, shm] = match <[PathBuf; 3]>::try_from(place.files()) {
            Ok(files) => files,
            Err(_) => return Ok(None),
        };
        let parent = store.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).to_owned();
        let identity = |path: &Path| {
            let metadata = path.metadata().map_err(|e| StoreError::io("read the metadata of", path, &e))?;
            Ok(FileIdentity::of(&metadata))
        };
        let shm_is = identity(&shm)?;
        let folder = OpenFile::new(StoreFile::Folder, folder)?;
        let store = OpenFile::new(StoreFile::Store, store)?;
        let wal = OpenFile::new(StoreFile::Wal, wal)?;
        let header = Header::read(&store.file).map_err(|e| StoreError::io("read", &store.path, &e))?;
        let Some(newest) = header else {
            let why = "its first bytes are not a database's".to_owned();
            return Err(StoreError::Corrupt { store: place.to_string(), why });
        };
        let content = Mutex::new(FileContent::new(newest));
        Ok(Some(Self {
            store,
            link: place.path(),
            wal,
            shm: (shm, shm_is),
            folder,
            content,
            wal_bytes: AtomicU64::new(0),
        }))
    }

    /// The header that was read last.
    pub(super) fn header(&self) -> Header {
        self.content().newest
    }

    /// The lengths of the store's file and of its write-ahead log, in bytes.
    pub(super) fn bytes(&self) -> io::Result<(u64, u64)> {
        Ok((self.store.file.metadata()?.len(), self.wal.file.metadata()?.len()))
    }

    /// The folder of the files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// Checks that the store and its write-ahead log still have a name. Runs before each commit and costs two
    /// system calls.
    pub(super) fn check_names(&self) -> Result<(), StoreError> {
        let lost = self.content().lost;
        if let Some((which, how)) = lost {
            return Err(self.lost_error(which, how));
        }
        for opened in [&self.store, &self.wal] {
            let metadata = opened
                .file
                .metadata()
                .map_err(|e| StoreError::io("read the metadata of", &opened.path, &e))?;
            if metadata.nlink() == 0 {
                return Err(self.lost_error(opened.which, opened.find_change()));
            }
        }
        Ok(())
    }

    /// Checks that all files are the ones that were opened, at their paths.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.check_content()?;
        for opened in [&self.folder, &self.store, &self.wal] {
            if let Some(how) = find_change(&opened.path, opened.identity)? {
                return Err(self.lost_error(opened.which, how));
            }
        }
        self.check_store()?;
        let (shm, is) = &self.shm;
        if let Some(how) = find_change(shm, *is)? {
            return Err(self.lost_error(StoreFile::WalIndex, how));
        }
        Ok(())
    }

    /// Checks that the path of the store leads to the file that was opened, with its own content. Required
    /// before another connection opens the path. If the file was truncated to nothing, that connection would
    /// remove the write-ahead log.
    pub(super) fn check_store(&self) -> Result<(), StoreError> {
        self.check_content()?;
        // A link to the same file under another name counts, too: the next start would look for the
        // write-ahead log beside that name.
        let is_elsewhere = || self.link.canonicalize().is_ok_and(|path| path != self.store.path);
        let how = find_change(&self.link, self.store.identity)?;
        match how.or_else(|| is_elsewhere().then_some(REPLACED)) {
            Some(how) => Err(self.lost_error(StoreFile::Store, how)),
            None => Ok(()),
        }
    }

    /// Checks that the write-ahead log is at its path. The next start would not find one that was moved.
    pub(super) fn check_wal_name(&self) -> Result<(), StoreError> {
        match find_change(&self.wal.path, self.wal.identity)? {
            Some(how) => Err(self.lost_error(StoreFile::Wal, how)),
            None => Ok(()),
        }
    }

    /// A connection found damaged pages in the store.
    pub(super) fn mark_damaged(&self) {
        self.content().lost.get_or_insert((StoreFile::Store, DAMAGED));
    }

    /// Whether the write-ahead log can be copied into the store's file, as far as this can be known.
    pub(super) fn may_checkpoint(&self) -> bool {
        // If the shared-memory index is another file, another program may use another write-ahead log.
        let is_alone = matches!(find_change(&self.shm.0, self.shm.1), Ok(None | Some(REMOVED)));
        is_alone && self.check_store().is_ok()
    }

    /// The whole write-ahead log was copied into the store's file.
    pub(super) fn mark_copied(&self) {
        self.content().is_copied = true;
    }

    /// Whether the write-ahead log is shorter than at the turn before. It was restarted or cut. One system
    /// call for each turn.
    pub(super) fn has_wal_shrunk(&self) -> bool {
        let Ok(metadata) = self.wal.file.metadata() else { return true };
        self.wal_bytes.swap(metadata.len(), Ordering::Relaxed) > metadata.len()
    }

    /// The path of our write-ahead log, if a restore wrote another database into the store's own file.
    pub(super) fn wal_if_store_overwritten(&self) -> Option<&Path> {
        let is_over = matches!(find_change(&self.link, self.store.identity), Ok(None))
            && self.content().lost.is_some_and(|(which, _)| which == StoreFile::Store)
            && matches!(Header::read(&self.store.file), Ok(Some(_)));
        is_over.then_some(self.own_wal()).flatten()
    }

    /// The path of our write-ahead log, if another file replaced the store.
    pub(super) fn wal_if_store_replaced(&self) -> Option<&Path> {
        let is_replaced = matches!(find_change(&self.store.path, self.store.identity), Ok(Some(REPLACED)));
        is_replaced.then_some(self.own_wal()).flatten()
    }

    fn own_wal(&self) -> Option<&Path> {
        matches!(find_change(&self.wal.path, self.wal.identity), Ok(None)).then_some(&*self.wal.path)
    }

    /// Checks the length of the write-ahead log against the number of pages that SQLite knows.
    pub(super) fn check_wal_length(&self, pages: impl Fn() -> Option<i64>) -> Result<(), StoreError> {
        let page_bytes = self.content().newest.page_bytes;
        let is_short = || {
            let pages = pages().and_then(|pages| u64::try_from(pages).ok()).unwrap_or(0);
            let bytes = WAL_HEADER + pages * (FRAME_HEADER + page_bytes);
            pages > 0 && (self.wal.file.metadata().is_ok_and(|wal| wal.len() < bytes) || !self.is_wal())
        };
        // Another program can restart the log between two checks, but not twice.
        if is_short() && is_short() {
            self.content().lost = Some((StoreFile::Wal, OVERWRITTEN));
            return self.check_content();
        }
        Ok(())
    }

    /// Whether it begins with the magic number. A log that was cut and then written on can have its old
    /// length.
    fn is_wal(&self) -> bool {
        let mut magic = [0; 4];
        let read = self.wal.file.read_exact_at(&mut magic, 0);
        read.is_ok() && matches!(u32::from_be_bytes(magic), 0x377f_0682 | 0x377f_0683)
    }

    fn check_content(&self) -> Result<(), StoreError> {
        let mut content = self.content();
        if content.lost.is_none() {
            let follows = content.check(&self.store.file);
            if !follows.map_err(|e| StoreError::io("read", &self.store.path, &e))? {
                content.lost = Some((StoreFile::Store, OVERWRITTEN));
            }
        }
        let lost = content.lost;
        drop(content);
        lost.map_or(Ok(()), |(which, how)| Err(self.lost_error(which, how)))
    }

    /// From now on the newest number in the store's file is checked, too. It is at least `head`.
    pub(super) fn watch_head(&self, on: TotalsPage, head: Seq) {
        self.content().head = Some((on, head));
    }

    /// Whether the newest number is checked.
    pub(super) fn is_head_watched(&self) -> bool {
        self.content().head.is_some()
    }

    /// The writer may undo a failed turn, so the newest number may fall: it is not checked for now.
    pub(super) fn stop_watching_head(&self) {
        self.content().head = None;
    }

    fn lost_error(&self, which: StoreFile, how: &'static str) -> StoreError {
        let path = match which {
            StoreFile::Store => &self.store.path,
            StoreFile::Wal => &self.wal.path,
            StoreFile::WalIndex => &self.shm.0,
            StoreFile::Folder => &self.folder.path,
        };
        let advice = match (which, how) {
            (_, OVERWRITTEN | DAMAGED) => RESTORE,
            (StoreFile::Wal | StoreFile::WalIndex, _) if self.content().is_copied => {
                "what was acknowledged is in the store all the same: restart tcp-chatd"
            }
            (StoreFile::Store | StoreFile::Folder, _) => {
                "put it back; or save what there is with `tcp-chatd backup FILE`, stop tcp-chatd, and put that file \
                 in its place"
            }
            (StoreFile::Wal | StoreFile::WalIndex, _) => {
                "save what there is with `tcp-chatd backup FILE`, stop tcp-chatd, and put that file in the place of the store"
            }
        };
        StoreError::Lost { which, path: path.to_owned(), how, advice }
    }

    fn content(&self) -> MutexGuard<'_, FileContent> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenFile {
    fn new(which: StoreFile, path: PathBuf) -> Result<Self, StoreError> {
        let file = File::open(&path).map_err(|e| StoreError::io("open", &path, &e))?;
        let metadata = file.metadata().map_err(|e| StoreError::io("read the metadata of", &path, &e))?;
        Ok(Self { which, path, file, identity: FileIdentity::of(&metadata) })
    }

    /// How the file lost its name: whether another file is at its path now.
    fn find_change(&self) -> &'static str {
        if self.path.exists() { REPLACED } else { REMOVED }
    }
}

/// What happened to the file at `path`, compared with the `opened` one. `None`: it is the same file.
fn find_change(path: &Path, opened: FileIdentity) -> Result<Option<&'static str>, StoreError> {
    match path.metadata() {
        Ok(metadata) if FileIdentity::of(&metadata) == opened => Ok(None),
        Ok(_) => Ok(Some(REPLACED)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Some(REMOVED)),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => Ok(Some(REPLACED)),
        Err(e) => Err(StoreError::io("read the metadata of", path, &e)),
    }
}
