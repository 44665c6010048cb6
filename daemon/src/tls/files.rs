//! Owns the certificate folder as files: whole or not at all, keys for their owner alone, one
//! process at a time. Never knows what is in them.

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

/// Files that are being written are called so; one that is left was cut short by a crash.
const HALF: &str = ".tcp-chatd-half-";

/// The folder, locked against other processes for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Locks the folder; makes it first if it is not there.
    pub(super) fn open(path: &Path) -> Result<Self, TlsError> {
        make(path)?;
        let lock = File::open(path).map_err(|e| failed(path, "the folder cannot be opened", &e))?;
        // A lock on the folder itself: no file of its own to leave behind. Some network file
        // systems have none: then files are still whole, and a mixed pair is mended at a start.
        let _ = lock.lock();
        let folder = Self { path: path.to_owned(), lock };
        folder.sweep();
        Ok(folder)
    }

    /// Writes a file with a mode: afterwards it is there whole, or as it was before.
    pub(super) fn write(&self, name: &str, mode: u32, content: &[u8]) -> Result<(), TlsError> {
        self.put(name, mode, content, |half, target| half.persist(target))
    }

    /// The same for a file that is never replaced, not even where the folder cannot be locked.
    pub(super) fn write_new(&self, name: &str, mode: u32, content: &[u8]) -> Result<(), TlsError> {
        self.put(name, mode, content, |half, target| half.persist_noclobber(target))
    }

    fn put(
        &self,
        name: &str,
        mode: u32,
        content: &[u8],
        persist: impl FnOnce(NamedTempFile, &Path) -> Result<File, PersistError>,
    ) -> Result<(), TlsError> {
        let target = self.path.join(name);
        let written = self.write_half(mode, content).and_then(|half| {
            persist(half, &target).map_err(|e| e.error)?;
            // The name is on the disk, too, before the next step relies on it.
            self.lock.sync_all()
        });
        written.map_err(|e| failed(&target, "it cannot be written", &e))
    }

    fn write_half(&self, mode: u32, content: &[u8]) -> io::Result<NamedTempFile> {
        let mut half = tempfile::Builder::new()
            .prefix(HALF)
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(&self.path)?;
        half.write_all(content)?;
        // Past the umask: the CA's certificate is for everyone to read.
        half.as_file().set_permissions(Permissions::from_mode(mode))?;
        // Root renews for a daemon that is not root: what it could not read would not help it.
        let (own, folder) = (half.as_file().metadata()?, self.lock.metadata()?);
        if own.uid() == 0 && folder.uid() != 0 {
            let _ = fchown(half.as_file(), Some(folder.uid()), Some(folder.gid()));
        }
        half.as_file().sync_all()?;
        Ok(half)
    }

    /// Removes what a crash left. Nobody else writes here: the lock is held.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(HALF) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Makes the folder if it is not there, for all to pass through: the CA's certificate is public.
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

/// Is there something of that name, whatever it is?
pub(super) fn is_there(path: &Path) -> Result<bool, TlsError> {
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

/// May others than the owner read it?
pub(super) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.mode() & 0o007 != 0)
}

/// What changes when somebody replaces a file; `None`: it is not there.
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
