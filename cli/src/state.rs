//! Owns the saved sessions: one file for each server, name and purpose, so that a client that is
//! started again goes on where it was. A file is locked while a client uses it; a second client
//! gets a session of its own. Never holds anything that a login would not give again, except the
//! session's token: that is why the files are for the user alone.

use crate::files;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// A saved session's file, locked for this process.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    /// The lock lasts as long as this is open.
    _lock: File,
}

impl State {
    /// The state for a purpose (`chat`, `tail`, `send`), a server and a name. `None` where another
    /// client uses it, or there is no place for it: then nothing is saved.
    #[must_use]
    pub fn open(purpose: &str, server: &str, name: &str) -> Option<Self> {
        let (path, lock) = Self::files(purpose, server, name).ok()?;
        lock.try_lock().ok()?;
        Some(Self { path, _lock: lock })
    }

    /// The same, but waits for the other client. Blocks the thread.
    ///
    /// # Errors
    /// The system's.
    pub fn wait_for(purpose: &str, server: &str, name: &str) -> io::Result<Self> {
        let (path, lock) = Self::files(purpose, server, name)?;
        lock.lock()?;
        Ok(Self { path, _lock: lock })
    }

    fn files(purpose: &str, server: &str, name: &str) -> io::Result<(PathBuf, File)> {
        let folder = files::state_folder().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "there is no folder for the user's state")
        })?;
        files::make_folder(&folder)?;
        let stem = format!("{purpose}-{}-{}", files::plain_name(server), files::plain_name(name));
        let lock = files::private(&folder.join(format!("{stem}.lock")))?;
        Ok((folder.join(format!("{stem}.json")), lock))
    }

    /// What was saved, if it is there and can be read.
    #[must_use]
    pub fn load<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()
    }

    /// Saves.
    ///
    /// # Errors
    /// The system's.
    pub fn save<T: Serialize>(&self, what: &T) -> io::Result<()> {
        files::write(&self.path, &serde_json::to_vec(what)?)
    }

    /// There is nothing to go on with.
    pub fn forget(&self) {
        // Where it is not there, it is forgotten already.
        let _ = std::fs::remove_file(&self.path);
    }
}
