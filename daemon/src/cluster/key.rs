//! Owns the key file of a cluster: 32 bytes that all nodes have, and nobody else. Called by the daemon at its start, and by
//! the command that makes a cluster. Never logs a byte of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tcp_chat_turn_log::{KEY_BYTES, Key, SealError};
use zeroize::Zeroizing;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It does not exist.
    #[error(
        "{file} does not exist: copy it from another node of the cluster over a safe way, or make a new cluster with \
         `tcp-chatd cluster init`", file = .0.display()
    )]
    Missing(PathBuf),
    /// It cannot be read or written.
    #[error("{file}: {error}", file = .0.display(), error = .1)]
    Io(PathBuf, #[source] io::Error),
    /// It is no key.
    #[error("{file} is no cluster key: a key has {KEY_BYTES} bytes", file = .0.display())]
    Length(PathBuf),
    /// Others can read it.
    #[error("{file} can be read by others; run `chmod 600 {file}`, and make a new key if someone may have read it", file = .0.display())]
    Open(PathBuf),
    /// It exists already.
    #[error("{file} exists already", file = .0.display())]
    Exists(PathBuf),
    /// The system gave no random bits, or the cipher no memory.
    #[error(transparent)]
    Cipher(#[from] SealError),
}

/// Reads a key file.
///
/// # Errors
/// It is missing, or no key, or others can read it.
pub fn read_key(path: &Path) -> Result<Key, KeyFileError> {
    let mut file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeyFileError::Missing(path.to_owned()),
        _ => KeyFileError::Io(path.to_owned(), error),
    })?;
    let failed = |error| KeyFileError::Io(path.to_owned(), error);
    let metadata = file.metadata().map_err(failed)?;
    // A file of systemd's LoadCredential= has the mode 440 at most, in a folder that only the daemon can enter.
    if metadata.mode() & 0o007 != 0 || metadata.mode() & 0o020 != 0 {
        return Err(KeyFileError::Open(path.to_owned()));
    }
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    let is_whole = metadata.len() == KEY_BYTES as u64;
    match file.read_exact(&mut bytes[..]) {
        Ok(()) if is_whole => Ok(Key::new(&bytes)?),
        Ok(()) => Err(KeyFileError::Length(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(KeyFileError::Length(path.to_owned()))
        }
        Err(error) => Err(failed(error)),
    }
}

/// Makes a key file with a new key. It is on the disk when this returns.
///
/// # Errors
/// The file exists already, or cannot be written.
pub fn create_key(path: &Path) -> Result<Key, KeyFileError> {
    let failed = |error| KeyFileError::Io(path.to_owned(), error);
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut bytes[..]).map_err(|_| SealError::Cipher)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(
        |error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
            _ => failed(error),
        },
    )?;
    file.write_all(&bytes[..]).and_then(|()| file.sync_all()).map_err(failed)?;
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    }
    Ok(Key::new(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.key");
        assert!(matches!(read_key(&path), Err(KeyFileError::Missing(_))));
        let key = create_key(&path).unwrap();
        assert_eq!(read_key(&path).unwrap().id(), key.id());
        assert!(matches!(create_key(&path), Err(KeyFileError::Exists(_))));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn an_open_or_wrong_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.key");
        for length in [0, 31, 33] {
            std::fs::write(&path, vec![7; length]).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read_key(&path), Err(KeyFileError::Length(_))), "{length}");
        }
        std::fs::write(&path, [7; 32]).unwrap();
        for (mode, is_open) in [(0o600, false), (0o640, false), (0o400, false), (0o644, true), (0o660, true)]
        {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(matches!(read_key(&path), Err(KeyFileError::Open(_))), is_open, "{mode:o}");
        }
    }
}
