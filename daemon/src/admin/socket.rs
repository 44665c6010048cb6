//! Owns the control socket's file: made at the start, one owner, removed at the end. Called by the daemon.
//! Never reads from it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The longest path of a socket, in bytes: `sockaddr_un` has 108, and ends with a NUL (unix(7)).
const PATH_BYTES: usize = 107;

/// Why the control socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CannotBind {
    /// Another daemon answers there.
    #[error("another tcp-chatd answers there: give each its own admin.socket, or stop the other one")]
    InUse,
    /// The system has no room for it.
    #[error("its path has {0} bytes, and a socket's may have {PATH_BYTES}: give a shorter one")]
    TooLong(usize),
    /// Something else lies there.
    #[error("something that is no socket lies there: move it away, or give another path")]
    NoSocket,
    /// The system's.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// The socket of this daemon, for as long as it runs.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    /// Which file it is: another one in its place is not ours to remove.
    identity: (u64, u64),
    /// Held while the socket is ours; the system gives it up with the process.
    _lock: File,
}

impl ControlSocket {
    /// Removes the socket, if it is still the one that was made.
    pub fn remove(self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Nobody misses it; the next start would replace it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Is the path short enough for a socket?
///
/// # Errors
/// It is not.
pub fn check_path(path: &Path) -> Result<(), CannotBind> {
    match path.as_os_str().len() {
        bytes if bytes > PATH_BYTES => Err(CannotBind::TooLong(bytes)),
        _ => Ok(()),
    }
}

/// Makes the socket. One that a dead daemon left behind is replaced; one that answers, or whose lock another
/// daemon holds, is not.
///
/// # Errors
/// See [`CannotBind`].
pub fn bind(path: &Path) -> Result<(ControlSocket, UnixListener), CannotBind> {
    check_path(path)?;
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(CannotBind::InUse),
        Err(TryLockError::Error(why)) => return Err(why.into()),
    }
    match std::fs::symlink_metadata(path) {
        // A daemon of an earlier version holds no lock.
        Ok(found) if found.file_type().is_socket() => match UnixStream::connect(path) {
            Ok(_) => return Err(CannotBind::InUse),
            Err(_) => std::fs::remove_file(path)?,
        },
        Ok(_) => return Err(CannotBind::NoSocket),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    // The group may be given to operators; others may not even connect.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok((ControlSocket { path: path.to_owned(), identity: identity(path)?, _lock: lock }, listener))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let facts = std::fs::symlink_metadata(path)?;
    Ok((facts.dev(), facts.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_one_owner_and_a_dead_ones_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let (ours, listener) = bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(CannotBind::InUse)));
        assert!(UnixStream::connect(&path).is_ok(), "it answers after the other's try");
        // The process is killed: the file stays.
        drop((ours, listener));
        let (ours, _listener) = bind(&path).unwrap();
        // Another file in its place is not removed.
        std::fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        ours.remove();
        assert!(UnixStream::connect(&path).is_ok());
        // It answers without a lock: of an earlier version.
        assert!(matches!(bind(&path), Err(CannotBind::InUse)));
        drop(other);
        let (ours, _listener) = bind(&path).unwrap();
        ours.remove();
        assert!(!path.exists());
        std::fs::write(&path, "a file").unwrap();
        assert!(matches!(bind(&path), Err(CannotBind::NoSocket)));
        let long = folder.path().join("x".repeat(120));
        assert!(matches!(bind(&long), Err(CannotBind::TooLong(_))));
    }
}
