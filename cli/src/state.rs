//! Owns the saved sessions: one file per server, name and purpose, so that a restarted client resumes its
//! session. A running client locks its file; a second client gets a session of its own. Never stores more than a
//! login returns, which includes the session token: so only the user can read the files.

use crate::exit::{Exit, Failure};
use crate::files;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;

/// The test write that shows whether a session can be saved: it has the size of one.
const TRIAL_BYTES: usize = 4096;

/// The file of a saved session, locked for this process.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    path: PathBuf,
    /// The lock lasts while this file is open.
    _lock: File,
}

/// The state cannot be saved.
#[derive(Debug)]
pub struct StateError {
    /// The folder of the state.
    folder: Option<PathBuf>,
    why: io::Error,
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.folder {
            Some(folder) => write!(f, "{} cannot be written: {}", folder.display(), self.why),
            None => write!(f, "{}", self.why),
        }
    }
}

impl std::error::Error for StateError {}

impl From<StateError> for Failure {
    fn from(e: StateError) -> Self {
        Self::new(Exit::Other, format!("the state of the session cannot be saved: {e}"))
            .hint("Set XDG_STATE_HOME to a folder that can be written.")
    }
}

/// The path of a state before it is locked.
struct StatePath {
    folder: PathBuf,
    stem: String,
}

impl StatePath {
    /// The state, after the lock and a successful test write.
    fn locked(self, lock: File) -> Result<State, StateError> {
        let Self { folder, stem } = self;
        let trial = folder.join(format!("{stem}.trial"));
        // A full disk still allows an empty file.
        let tried = files::write(&trial, &[b' '; TRIAL_BYTES]).and_then(|()| std::fs::remove_file(&trial));
        tried.map_err(|why| StateError { folder: Some(folder.clone()), why })?;
        let path = folder.join(format!("{stem}.json"));
        Ok(State { folder, path, _lock: lock })
    }
}

impl State {
    /// The state for a purpose (`chat`, `tail`, `send`), a server and a name. `None`: another client uses it, or
    /// it has no place; then nothing is saved.
    #[must_use]
    pub fn open(purpose: &str, server: &str, name: &str) -> Option<Self> {
        Self::claim(purpose, server, name).ok()?
    }

    /// As [`State::open`], with the reason if it has no place. `None`: another client uses it.
    ///
    /// # Errors
    /// The folder cannot be created or written, or its disk is full.
    pub fn claim(purpose: &str, server: &str, name: &str) -> Result<Option<Self>, StateError> {
        let (place, lock) = Self::files(purpose, server, name)?;
        match lock.try_lock() {
            Ok(()) => place.locked(lock).map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(why)) => Err(StateError { folder: files::state_folder(), why }),
        }
    }

    /// As [`State::claim`], but waits for the other client. Blocks the thread.
    ///
    /// # Errors
    /// As [`State::claim`].
    pub fn wait_for(purpose: &str, server: &str, name: &str) -> Result<Self, StateError> {
        let (place, lock) = Self::files(purpose, server, name)?;
        lock.lock().map_err(|why| StateError { folder: files::state_folder(), why })?;
        place.locked(lock)
    }

    /// The path, and the file of the lock.
    fn files(purpose: &str, server: &str, name: &str) -> Result<(StatePath, File), StateError> {
        let folder = files::state_folder().ok_or_else(|| {
            let why = "this user has no home folder";
            StateError { folder: None, why: io::Error::new(io::ErrorKind::NotFound, why) }
        })?;
        let stem = format!("{purpose}-{}-{}", files::plain_name(server), files::plain_name(name));
        let lock = files::make_folder(&folder)
            .and_then(|()| files::private(&folder.join(format!("{stem}.lock"))))
            .map_err(|why| StateError { folder: Some(folder.clone()), why })?;
        Ok((StatePath { folder, stem }, lock))
    }

    /// The saved state, if it exists and is readable.
    #[must_use]
    pub fn load<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()
    }

    /// Saves.
    ///
    /// # Errors
    /// The system's.
    pub fn save<T: Serialize>(&self, what: &T) -> Result<(), StateError> {
        let done = serde_json::to_vec(what).map_err(io::Error::from);
        let done = done.and_then(|bytes| files::write(&self.path, &bytes));
        done.map_err(|why| StateError { folder: Some(self.folder.clone()), why })
    }

    /// Removes the saved state.
    pub fn forget(&self) {
        // A missing file is removed already.
        let _ = std::fs::remove_file(&self.path);
    }
}
