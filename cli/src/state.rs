//! Owns the saved sessions: one file for each server, name and purpose, so that a client that is
//! started again goes on where it was. A file is locked while a client uses it; a second client
//! gets a session of its own. Never holds anything that a login would not give again, except the
//! session's token: that is why the files are for the user alone.

use crate::exit::{Exit, Failure};
use crate::files;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::PathBuf;

/// What is written to find out whether anything can be: as much as a session needs.
const TRIAL_BYTES: usize = 4096;

/// A saved session's file, locked for this process.
#[derive(Debug)]
pub struct State {
    folder: PathBuf,
    path: PathBuf,
    /// The lock lasts as long as this is open.
    _lock: File,
}

/// The state cannot be kept.
#[derive(Debug)]
pub struct StateError {
    /// The folder that it belongs into.
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

/// Where a state belongs, before it is locked.
struct Place {
    folder: PathBuf,
    stem: String,
}

impl Place {
    /// The state, once its lock is held and something could be written.
    fn locked(self, lock: File) -> Result<State, StateError> {
        let Self { folder, stem } = self;
        let trial = folder.join(format!("{stem}.trial"));
        // A full disk still lets an empty file be made.
        let tried = files::write(&trial, &[b' '; TRIAL_BYTES]).and_then(|()| std::fs::remove_file(&trial));
        tried.map_err(|why| StateError { folder: Some(folder.clone()), why })?;
        let path = folder.join(format!("{stem}.json"));
        Ok(State { folder, path, _lock: lock })
    }
}

impl State {
    /// The state for a purpose (`chat`, `tail`, `send`), a server and a name. `None` where another
    /// client uses it, or there is no place for it: then nothing is saved.
    #[must_use]
    pub fn open(purpose: &str, server: &str, name: &str) -> Option<Self> {
        Self::claim(purpose, server, name).ok()?
    }

    /// The same, but says why there is no place for it. `None`: another client uses it.
    ///
    /// # Errors
    /// The folder cannot be made or written, or its disk is full.
    pub fn claim(purpose: &str, server: &str, name: &str) -> Result<Option<Self>, StateError> {
        let (place, lock) = Self::files(purpose, server, name)?;
        match lock.try_lock() {
            Ok(()) => place.locked(lock).map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(why)) => Err(StateError { folder: files::state_folder(), why }),
        }
    }

    /// The same, but waits for the other client. Blocks the thread.
    ///
    /// # Errors
    /// As [`State::claim`].
    pub fn wait_for(purpose: &str, server: &str, name: &str) -> Result<Self, StateError> {
        let (place, lock) = Self::files(purpose, server, name)?;
        lock.lock().map_err(|why| StateError { folder: files::state_folder(), why })?;
        place.locked(lock)
    }

    /// The place, and the file that locks it.
    fn files(purpose: &str, server: &str, name: &str) -> Result<(Place, File), StateError> {
        let folder = files::state_folder().ok_or_else(|| {
            let why = "this user has no home folder";
            StateError { folder: None, why: io::Error::new(io::ErrorKind::NotFound, why) }
        })?;
        let stem = format!("{purpose}-{}-{}", files::plain_name(server), files::plain_name(name));
        let lock = files::make_folder(&folder)
            .and_then(|()| files::private(&folder.join(format!("{stem}.lock"))))
            .map_err(|why| StateError { folder: Some(folder.clone()), why })?;
        Ok((Place { folder, stem }, lock))
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
    pub fn save<T: Serialize>(&self, what: &T) -> Result<(), StateError> {
        let done = serde_json::to_vec(what).map_err(io::Error::from);
        let done = done.and_then(|bytes| files::write(&self.path, &bytes));
        done.map_err(|why| StateError { folder: Some(self.folder.clone()), why })
    }

    /// There is nothing to go on with.
    pub fn forget(&self) {
        // Where it is not there, it is forgotten already.
        let _ = std::fs::remove_file(&self.path);
    }
}
