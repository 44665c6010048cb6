//! Owns what can go wrong with the store, as sentences that name the file and what to do, and
//! sorted by whose move it is. Everything in the store ends here; the daemon reads it for its
//! log, its STATUS and its exit code. Never decides what happens then.

use super::files::Which;
use super::place::Place;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// What went wrong with the store. Nothing of what was asked was done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error(
        "the store {store} is in use by {holder}: stop that one, or set another `history.path` \
         (the lock is {})", lock.display()
    )]
    InUse {
        /// The store.
        store: String,
        /// Who has it, as far as the lock tells.
        holder: String,
        /// The lock's file.
        lock: PathBuf,
    },
    /// A newer tcp-chatd wrote it.
    #[error(
        "the store {store} is of version {found}, and this tcp-chatd knows versions up to {known}: \
         install the newer tcp-chatd again, or set another `history.path`"
    )]
    Newer {
        /// The store.
        store: String,
        /// Its version.
        found: i64,
        /// The newest version that is known here.
        known: i64,
    },
    /// The file is something else.
    #[error("{store} is not a store of tcp-chatd ({why}): move it away, or set another `history.path`")]
    Foreign {
        /// The file.
        store: String,
        /// What gave it away.
        why: String,
    },
    /// The file is damaged.
    #[error(
        "the store {store} is damaged ({why}): stop tcp-chatd, move the file away together with those \
         that end in -wal and -shm, and put a backup in its place"
    )]
    Corrupt {
        /// The store.
        store: String,
        /// What SQLite said.
        why: String,
    },
    /// Somebody removed or replaced a file while it was in use. SQLite would go on in a file that nobody
    /// finds again.
    #[error("{} was {how} while tcp-chatd was using it: {advice}", path.display())]
    Lost {
        /// What it is.
        which: Which,
        /// Which file.
        path: PathBuf,
        /// What happened to it.
        how: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The store is not there, and its write-ahead log is.
    #[error(
        "{} is not there or empty, and {} may hold messages of it: put the store back beside it, or move it away \
         to begin an empty store", store.display(), wal.display()
    )]
    Alone {
        /// The store that is missing.
        store: PathBuf,
        /// The write-ahead log.
        wal: PathBuf,
    },
    /// The disk, or the quota, is full.
    #[error("there is no room left on the disk for {store}: free some, or shorten `history.retain`")]
    Full {
        /// The store.
        store: String,
    },
    /// It can be read and not be written.
    #[error("{store} cannot be written ({why}): make the file, its folder and its disk writable again")]
    ReadOnly {
        /// The store.
        store: String,
        /// What the system said.
        why: String,
    },
    /// The system does not let this user at it.
    #[error("no permission to {what} {}: make it accessible to the user that tcp-chatd runs as", path.display())]
    Permission {
        /// What was to be done, as a verb.
        what: &'static str,
        /// With what.
        path: PathBuf,
    },
    /// Another program keeps it locked.
    #[error("another program holds {store} locked: wait for it, or stop it")]
    Busy {
        /// The store.
        store: String,
    },
    /// The disk or the file system failed.
    #[error("could not {what} {store}: {why}")]
    Io {
        /// What was to be done, as a verb.
        what: &'static str,
        /// With what.
        store: String,
        /// What the system said.
        why: String,
    },
    /// The search index is of no use at the moment; the log is.
    #[error("the search index {index} cannot be read at the moment ({why}): try again in a little while")]
    Index {
        /// The index.
        index: String,
        /// What it was.
        why: String,
    },
    /// A search was ended before it was done.
    #[error("the search took too long: use longer words, or name a room")]
    TooLong,
    /// A file that must not be there is there.
    #[error("{} is there already: name another file, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file that belongs to the store.
    #[error(
        "{} begins like the names of the files beside the store, and SQLite would take it for one of them: name another \
         file", path.display()
    )]
    Reserved {
        /// The file.
        path: PathBuf,
    },
    /// The daemon ends.
    #[error("the daemon is stopping: nothing was copied")]
    Closing,
    /// The program asked for something that makes no sense, or has a mistake.
    #[error(
        "the store refused what it was asked to do: {0} (this is a mistake in tcp-chatd: please report it)"
    )]
    Bug(String),
}

impl StoreError {
    /// Is it a matter of permission (exit code 77)? All else is the store or the disk (74).
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Permission { .. })
    }

    /// Could it go away by itself, or by an operator's doing, while the daemon goes on?
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Full { .. }
                | Self::ReadOnly { .. }
                | Self::Busy { .. }
                | Self::Io { .. }
                | Self::Lost { .. }
                | Self::Permission { .. }
                | Self::Index { .. }
        )
    }

    /// Must a connection that met it be opened anew before it can be trusted again?
    pub(super) fn spoils_connection(&self) -> bool {
        !matches!(
            self,
            Self::Full { .. }
                | Self::Busy { .. }
                | Self::Bug(_)
                | Self::Exists { .. }
                | Self::Reserved { .. }
                | Self::Closing
                | Self::Index { .. }
                | Self::TooLong
        )
    }

    /// What the system said about a file.
    pub(super) fn io(what: &'static str, path: &Path, error: &io::Error) -> Self {
        let store = path.display().to_string();
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission { what, path: path.to_owned() },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { store, why: error.to_string() },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { store },
            _ => Self::Io { what, store, why: system_words(error) },
        }
    }

    /// What SQLite said about the store or a file beside it.
    pub(super) fn sqlite(what: &'static str, place: &Place, error: &rusqlite::Error) -> Self {
        let store = place.to_string();
        let why = error.to_string();
        let Some(code) = error.sqlite_error_code() else {
            // A value that is not what the schema says: the file was written by somebody else.
            return match error {
                rusqlite::Error::StatementChangedRows(_) => super::files::overwritten(&place.path()),
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::QueryReturnedNoRows => Self::Corrupt { store, why },
                _ => Self::Bug(why),
            };
        };
        match code {
            ErrorCode::DiskFull => Self::Full { store },
            ErrorCode::ReadOnly => Self::ReadOnly { store, why },
            ErrorCode::DatabaseCorrupt => Self::Corrupt { store, why },
            ErrorCode::NotADatabase => Self::Foreign { store, why },
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy { store },
            ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::ApiMisuse => Self::Bug(why),
            ErrorCode::PermissionDenied => Self::Permission { what, path: place.path() },
            _ => Self::Io { what, store, why },
        }
    }
}

/// The system's own words. A library that makes temporary files adds the name of the file that it had in mind, which
/// says nothing to an operator.
fn system_words(error: &io::Error) -> String {
    let text = error.to_string();
    let is_library = error.get_ref().is_some();
    text.rsplit_once(" at path ").filter(|_| is_library).map_or(text.as_str(), |(words, _)| words).to_owned()
}
