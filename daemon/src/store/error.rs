//! Defines the errors of the store. Each message names the file and the next step. All store functions return
//! them; the daemon reads them for its log, STATUS and exit code. Never decides how to react.

use super::location::Location;
use super::open_files::StoreFile;
use rusqlite::ErrorCode;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the store. The requested operation had no effect.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process uses the store.
    #[error(
        "the store {store} is in use by {holder}: stop that one, or set another `history.path` \
         (the lock is {})", lock.display()
    )]
    InUse {
        /// The store.
        store: String,
        /// The process that uses it, as far as the lock file tells.
        holder: String,
        /// The lock's file.
        lock: PathBuf,
    },
    /// A newer tcp-chatd wrote the store.
    #[error(
        "the store {store} is of version {found}, and this tcp-chatd knows versions up to {known}: \
         install the newer tcp-chatd again, or set another `history.path`"
    )]
    Newer {
        /// The store.
        store: String,
        /// The version of the file.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The file is not a store of tcp-chatd.
    #[error("{store} is not a store of tcp-chatd ({why}): move it away, or set another `history.path`")]
    Foreign {
        /// The file.
        store: String,
        /// How this was found.
        why: String,
    },
    /// The file is damaged.
    #[error(
        "the store {store} is damaged ({why}): stop tcp-chatd, move the file away together with those \
         that end in -wal and -shm, and put a backup in its place. A node of a cluster needs no backup: it takes a copy of \
         another node's store"
    )]
    Corrupt {
        /// The store.
        store: String,
        /// What SQLite said.
        why: String,
    },
    /// The copy that came from another node is damaged.
    #[error(
        "the copy of another node's store, {}, is damaged ({why}), and the store stays as it was: start again, which fetches \
         another copy. If that one is damaged, too, look at the disks of both nodes", copy.display()
    )]
    DamagedCopy {
        /// The copy.
        copy: PathBuf,
        /// What SQLite said.
        why: String,
    },
    /// A file was removed or replaced while it was in use. SQLite would continue in a file without a name.
    #[error("{} was {how} while tcp-chatd was using it: {advice}", path.display())]
    Lost {
        /// The kind of file.
        which: StoreFile,
        /// Its path.
        path: PathBuf,
        /// What happened to it.
        how: &'static str,
        /// What the operator should do.
        advice: &'static str,
    },
    /// The store is missing, but its write-ahead log exists.
    #[error(
        "{} is missing or empty, and {} may hold messages of it: put the store back beside it, or move the log away \
         to start with an empty store", store.display(), wal.display()
    )]
    Alone {
        /// The store that is missing.
        store: PathBuf,
        /// The write-ahead log.
        wal: PathBuf,
    },
    /// The store is that of a node, and the daemon belongs to no cluster.
    #[error(
        "{store} is the store of the node {node:?} of a cluster, and the configuration has no `[cluster]`: restore that \
         section, or run `tcp-chatd cluster leave` to go on alone"
    )]
    OfCluster {
        /// The store.
        store: String,
        /// The name of the node.
        node: Box<str>,
    },
    /// The store is that of another node.
    #[error(
        "{store} is the store of the node {node:?}, and `cluster.name` is {wanted:?}: correct the name, or move the store \
         away: this node then joins with an empty one"
    )]
    OfOtherNode {
        /// The store.
        store: String,
        /// The name of its node.
        node: Box<str>,
        /// The name in the configuration.
        wanted: Box<str>,
    },
    /// The store is that of a lone daemon, and a node's is needed.
    #[error("{store} belongs to no cluster")]
    NoNode {
        /// The store.
        store: String,
    },
    /// The store has a history of its own, and the daemon belongs to a cluster.
    #[error(
        "{store} belongs to no cluster, and is not empty: run `tcp-chatd cluster init` to make it the first store of a \
         cluster, or move it away: this node then joins with an empty one"
    )]
    OfNoCluster {
        /// The store.
        store: String,
    },
    /// An earlier store was set aside, and may be the only one that has its messages.
    #[error(
        "{} was set aside earlier, and the cluster may not have all of its messages: move it elsewhere, then start the daemon \
         again", aside.display()
    )]
    SetAside {
        /// The earlier store.
        aside: PathBuf,
    },
    /// The disk or the quota is full.
    #[error("the disk of {store} is full: free some space, or shorten `history.retain`")]
    Full {
        /// The store.
        store: String,
    },
    /// The file can be read but not written.
    #[error("{store} cannot be written ({why}): make the file, its folder and its disk writable again")]
    ReadOnly {
        /// The store.
        store: String,
        /// What the system said.
        why: String,
    },
    /// The user of the process has no permission.
    #[error("no permission to {what} {}: make it accessible to the user that tcp-chatd runs as", path.display())]
    Permission {
        /// The operation that failed, as a verb.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// Another program holds a lock on the file.
    #[error("another program holds a lock on {store}: wait for it, or stop it")]
    Busy {
        /// The store.
        store: String,
    },
    /// The disk or the file system failed.
    #[error("could not {what} {store}: {why}")]
    Io {
        /// The operation that failed, as a verb.
        what: &'static str,
        /// The file.
        store: String,
        /// What the system said.
        why: String,
    },
    /// The search index cannot be used at the moment. The log can.
    #[error("the search index {index} cannot be read at the moment ({why}): try again in a minute")]
    Index {
        /// The index.
        index: String,
        /// The cause.
        why: String,
    },
    /// A search exceeded its time limit.
    #[error("the search took too long: use longer words, or name a room")]
    TooLong,
    /// The target file exists already.
    #[error("{} exists already: name another file, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The name belongs to a file of the store.
    #[error(
        "{} has the name of a file beside the store, and SQLite would use it as one: name another \
         file", path.display()
    )]
    Reserved {
        /// The file.
        path: PathBuf,
    },
    /// The daemon is stopping.
    #[error("the daemon is stopping: nothing was copied")]
    Closing,
    /// The program made a mistake.
    #[error("the store refused an operation: {0} (this is a bug in tcp-chatd: please report it)")]
    Bug(String),
}

impl StoreError {
    /// Whether a permission is missing (exit code 77). All other errors are of the store or the disk (74).
    #[must_use]
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Permission { .. })
    }

    /// Whether the store and the configuration do not agree about the cluster. Only an operator can change it.
    #[must_use]
    pub fn is_membership(&self) -> bool {
        matches!(
            self,
            Self::OfCluster { .. }
                | Self::OfOtherNode { .. }
                | Self::NoNode { .. }
                | Self::OfNoCluster { .. }
        )
    }

    /// Whether the error can pass while the daemon runs, by itself or through an operator.
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

    /// Whether the connection must be opened again after this error.
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

    /// Converts an error of the operating system for a file.
    pub(super) fn io(what: &'static str, path: &Path, error: &io::Error) -> Self {
        let store = path.display().to_string();
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self::Permission { what, path: path.to_owned() },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { store, why: error.to_string() },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { store },
            _ => Self::Io { what, store, why: system_words(error) },
        }
    }

    /// Converts an error of SQLite for the store or a file beside it.
    pub(super) fn sqlite(what: &'static str, place: &Location, error: &rusqlite::Error) -> Self {
        let store = place.to_string();
        let why = error.to_string();
        let Some(code) = error.sqlite_error_code() else {
            // A value does not match the schema: another program wrote the file.
            return match error {
                rusqlite::Error::StatementChangedRows(_) => {
                    super::open_files::overwritten_error(&place.path())
                }
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

/// The text of the operating system. `tempfile` appends the path of its hidden file, which does not help an
/// operator.
fn system_words(error: &io::Error) -> String {
    let text = error.to_string();
    let is_library = error.get_ref().is_some();
    text.rsplit_once(" at path ").filter(|_| is_library).map_or(text.as_str(), |(words, _)| words).to_owned()
}
