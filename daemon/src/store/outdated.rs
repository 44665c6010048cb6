//! Owns the way of a store out of use: it is marked when its node can no longer follow the log from it, and a copy of another
//! node's store takes its place later. Called by the daemon at its end, and by a start that joins again. Never removes the
//! only store that may have a message, and never replaces a store before the copy is complete.
//!
//! The old store stays beside the new one, with `.set-aside` behind its name. There is one at most. A later one replaces it
//! only if the cluster has the newest message of the earlier one.

use super::location::{Location, resolve_links};
use super::membership::{remove, rename_node};
use super::{Store, StoreError, schema};
use crate::settings::History;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// What the name of the mark has behind that of the store.
const MARK: &str = ".outdated";
/// What the name of the old store has behind its own.
const ASIDE: &str = ".set-aside";

fn beside(history: &History, ending: &str) -> Option<PathBuf> {
    let mut name = resolve_links(history.path.as_deref()?).into_os_string();
    name.push(ending);
    Some(name.into())
}

impl Store {
    /// Marks the store of a node as one that cannot follow the log. `why` is for the operator. Marking it again is no fault.
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn mark_outdated(history: &History, why: &str) -> Result<(), StoreError> {
        let Some(mark) = beside(history, MARK) else { return Ok(()) };
        fs::write(&mark, format!("{why}\n")).map_err(|e| StoreError::io("write", &mark, &e))?;
        File::open(&mark).and_then(|file| file.sync_all()).map_err(|e| StoreError::io("sync", &mark, &e))?;
        sync(&Location::of(history))
    }

    /// Is the store marked?
    #[must_use]
    pub fn is_outdated(history: &History) -> bool {
        beside(history, MARK).is_some_and(|mark| mark.exists())
    }

    /// Removes the mark: the log goes on from this store, or it leaves the cluster.
    ///
    /// # Errors
    /// The mark cannot be removed.
    pub fn unmark_outdated(history: &History) -> Result<(), StoreError> {
        beside(history, MARK).map_or(Ok(()), |mark| remove(&mark))
    }

    /// Sets the marked store aside, and puts the copy that another node has made of its own in its place, as the store of the
    /// node `name`. Returns where the old one is now. No daemon may have it. A crash leaves the old store, the new one, or
    /// none, and then the start fetches a copy again.
    ///
    /// # Errors
    /// The copy is no store of a cluster, this store is in use, an earlier one is there and may be the only one with its
    /// messages, or a file cannot be changed.
    pub fn replace(history: &History, copy: &Path, name: &str) -> Result<PathBuf, StoreError> {
        let place = Location::of(history);
        let (Location::File(path), Some(aside)) = (&place, beside(history, ASIDE)) else {
            return Err(StoreError::Bug("a store in memory cannot be replaced".to_owned()));
        };
        let _lock = place.lock()?;
        if aside.exists() && !has_newest_of(copy, &aside)? {
            return Err(StoreError::SetAside { aside });
        }
        rename_node(copy, name)?;
        one_file(&place)?;
        place.index().files().iter().try_for_each(|file| remove(file))?;
        let store = resolve_links(path);
        fs::rename(&store, &aside).map_err(|e| StoreError::io("set aside", &store, &e))?;
        fs::rename(copy, &store).map_err(|e| StoreError::io("replace", &store, &e))?;
        sync(&place)?;
        Self::unmark_outdated(history)?;
        Ok(aside)
    }
}

fn sync(place: &Location) -> Result<(), StoreError> {
    let folder = place.folder();
    File::open(&folder).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("sync", &folder, &e))
}

/// Moves all of a store into its one file.
fn one_file(place: &Location) -> Result<(), StoreError> {
    let error = |e: rusqlite::Error| StoreError::sqlite("set aside", place, &e);
    let log = schema::open(place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    schema::keep_wal(&log, false).map_err(error)?;
    log.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(error)?;
    log.close().map_err(|(_, e)| error(e))
}

/// Has the copy the newest message of the other store? Both are of one log, so then it has had all before it, too.
fn has_newest_of(copy: &Path, other: &Path) -> Result<bool, StoreError> {
    type Chunk = (i64, i64, i64, i64);
    let read = |path: &Path, sql: &str, first: i64| -> Result<Option<Chunk>, StoreError> {
        let place = Location::File(path.to_owned());
        let error = |e: rusqlite::Error| StoreError::sqlite("read", &place, &e);
        let log = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(error)?;
        let chunk = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        log.query_row(sql, params![first], chunk).optional().map_err(error)
    };
    let newest =
        "SELECT first, last, conversation, ts FROM chunks WHERE first > ?1 ORDER BY first DESC LIMIT 1";
    let Some(newest) = read(other, newest, 0)? else { return Ok(true) };
    let same = "SELECT first, last, conversation, ts FROM chunks WHERE first = ?1";
    Ok(read(copy, same, newest.0)? == Some(newest))
}
