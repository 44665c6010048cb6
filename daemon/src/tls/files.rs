//! Owns the files in the certificate folder: each is written completely or not at all, keys are readable by their
//! owner only, and one process writes at a time. Called by `own` and `pair`. Never knows the content of a file.

use super::{Fault, TlsError};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, PersistError};

pub(super) const CA_CERTIFICATE: &str = "ca.pem";
pub(super) const CA_KEY: &str = "ca.key";
pub(super) const CERTIFICATE: &str = "server.pem";
pub(super) const KEY: &str = "server.key";

/// The prefix of files that are being written. A remaining one was interrupted by a crash.
const PARTIAL: &str = ".tcp-chatd-half-";

/// The folder, locked against other processes while this value lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Locks the folder, and creates it if it does not exist.
    pub(super) fn open(path: &Path) -> Result<Self, TlsError> {
        make(path)?;
        let lock = File::open(path).map_err(|e| failed(path, "the folder cannot be opened", &e))?;
        // Locks the folder itself, so no lock file remains. Some network file systems have no locks: then each
        // file is still complete, and the next start repairs a mixed pair.
        let _ = lock.lock();
        let folder = Self { path: path.to_owned(), lock };
        folder.remove_partial();
        Ok(folder)
    }

    /// Writes a file with a mode. Afterwards it has the new content completely, or the old one.
    pub(super) fn write(&self, name: &str, mode: u32, content: &[u8]) -> Result<(), TlsError> {
        self.put(name, mode, content, |partial, target| partial.persist(target))
    }

    /// As [`Folder::write`], but never replaces a file, not even if the folder cannot be locked.
    pub(super) fn write_new(&self, name: &str, mode: u32, content: &[u8]) -> Result<(), TlsError> {
        self.put(name, mode, content, |partial, target| partial.persist_noclobber(target))
    }

    fn put(
        &self,
        name: &str,
        mode: u32,
        content: &[u8],
        persist: impl FnOnce(NamedTempFile, &Path) -> Result<File, PersistError>,
    ) -> Result<(), TlsError> {
        let target = self.path.join(name);
        let written = self.write_partial(mode, content).and_then(|partial| {
            persist(partial, &target).map_err(|e| e.error)?;
            // The directory entry is on the disk before the next step relies on it.
            self.lock.sync_all()
        });
        written.map_err(|e| failed(&target, "it cannot be written", &e))
    }

    fn write_partial(&self, mode: u32, content: &[u8]) -> io::Result<NamedTempFile> {
        let mut partial = tempfile::Builder::new()
            .prefix(PARTIAL)
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(&self.path)?;
        partial.write_all(content)?;
        // Independent of the umask: everyone may read the CA's certificate.
        partial.as_file().set_permissions(Permissions::from_mode(mode))?;
        // If root renews for a daemon with another user, the daemon must be able to read the file.
        let (own, folder) = (partial.as_file().metadata()?, self.lock.metadata()?);
        if own.uid() == 0 && folder.uid() != 0 {
            let _ = fchown(partial.as_file(), Some(folder.uid()), Some(folder.gid()));
        }
        partial.as_file().sync_all()?;
        Ok(partial)
    }

    /// Removes files that a crash left. Safe because this process holds the lock.
    fn remove_partial(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(PARTIAL) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Creates the folder if it does not exist. Everyone may enter it: the CA's certificate is public.
fn make(path: &Path) -> Result<(), TlsError> {
    if path.is_dir() {
        return Ok(());
    }
    let made = fs::create_dir_all(path).and_then(|()| {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
        let (own, above) = (fs::metadata(path)?, path.parent().map(fs::metadata).transpose()?);
        if let Some(above) = above.filter(|above| own.uid() == 0 && above.uid() != 0) {
            let _ = chown(path, Some(above.uid()), Some(above.gid()));
        }
        Ok(())
    });
    made.map_err(|e| failed(path, "the folder of tls.dir cannot be made", &e))
}

/// Whether a file of any kind has that path.
pub(super) fn exists(path: &Path) -> Result<bool, TlsError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(failed(path, "it cannot be looked at", &e)),
    }
}

/// The content of a file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|e| failed(path, "it cannot be read", &e))
}

/// Whether other users may read it.
pub(super) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o007 != 0)
}

/// The properties that change when a file is replaced; `None`: it does not exist.
pub(super) type Signature = Option<(u64, u64, i64, i64, u64)>;

/// The signature of a file, through symbolic links (certbot's files are links).
pub(super) fn signature(path: &Path) -> Signature {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
}

fn failed(path: &Path, what: &str, error: &io::Error) -> TlsError {
    let fault = match error.kind() {
        io::ErrorKind::PermissionDenied => Fault::Permission,
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            Fault::Content
        }
        _ => Fault::Disk,
    };
    TlsError { file: path.to_owned(), reason: format!("{what}: {error}"), fault }
}
