//! Owns the file of the control socket: created at the start, owned by one daemon, removed at the end. Called by
//! the daemon. Never reads from the socket.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// The longest path of a socket, in bytes: `sockaddr_un` has 108, and ends with a NUL (unix(7)).
const PATH_BYTES: usize = 107;

/// Why the control socket cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another daemon uses the path.
    #[error("another tcp-chatd uses this path: set admin.socket differently for each, or stop the other one")]
    InUse,
    /// The path does not fit into `sockaddr_un`.
    #[error("the path has {0} bytes, and the path of a socket may have {PATH_BYTES}: choose a shorter one")]
    TooLong(usize),
    /// The path is another kind of file.
    #[error("a file that is not a socket has this path: move it away, or choose another path")]
    NoSocket,
    /// An error of the system.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// The socket of this daemon while it runs.
#[derive(Debug)]
pub struct ControlSocket {
    path: PathBuf,
    /// Device and inode: another file at the path is not removed.
    identity: (u64, u64),
    /// Locked while the daemon owns the socket; the kernel releases the lock with the process.
    _lock: File,
}

impl ControlSocket {
    /// Removes the socket file, if it is still the one that was created.
    pub fn remove(self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // A file that stays is replaced at the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Checks that the path is short enough for a socket.
///
/// # Errors
/// The path is too long.
pub fn check_path(path: &Path) -> Result<(), BindError> {
    match path.as_os_str().len() {
        bytes if bytes > PATH_BYTES => Err(BindError::TooLong(bytes)),
        _ => Ok(()),
    }
}

/// Creates the socket. Replaces one that a dead daemon left; refuses if another daemon answers or holds the lock.
///
/// # Errors
/// See [`BindError`].
pub fn bind(path: &Path) -> Result<(ControlSocket, UnixListener), BindError> {
    check_path(path)?;
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(BindError::InUse),
        Err(TryLockError::Error(why)) => return Err(why.into()),
    }
    match std::fs::symlink_metadata(path) {
        // A daemon of an earlier version holds no lock.
        Ok(found) if found.file_type().is_socket() => match UnixStream::connect(path) {
            Ok(_) => return Err(BindError::InUse),
            Err(_) => std::fs::remove_file(path)?,
        },
        Ok(_) => return Err(BindError::NoSocket),
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    // An administrator may give the group to operators; no other user may connect.
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
        assert!(matches!(bind(&path), Err(BindError::InUse)));
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
        assert!(matches!(bind(&path), Err(BindError::InUse)));
        drop(other);
        let (ours, _listener) = bind(&path).unwrap();
        ours.remove();
        assert!(!path.exists());
        std::fs::write(&path, "a file").unwrap();
        assert!(matches!(bind(&path), Err(BindError::NoSocket)));
        let long = folder.path().join("x".repeat(120));
        assert!(matches!(bind(&long), Err(BindError::TooLong(_))));
    }
}
