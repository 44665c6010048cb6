//! Makes a store that of a node of a cluster, and back, and puts a copy of another node's store in its place. Called by the
//! commands of operators while no daemon has the store, and by a start that joins. Never asks another node anything.

use super::location::Location;
use super::{Store, StoreError, StoredNode, cluster, names, schema, snapshot};
use crate::settings::History;
use rusqlite::OpenFlags;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

impl Store {
    /// The node whose store it is, with the place of the last committed turn in the log. `None`: it belongs to no cluster,
    /// or is that of a node that has not joined yet.
    #[must_use]
    pub fn node(&self) -> Option<&StoredNode> {
        self.node.as_ref()
    }

    /// Makes the store that of a node: of the first one with its history, or of one that begins at the beginning of the log
    /// with an empty store. From now on each commit has a place.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn enter_cluster(&mut self, name: &str, place: &[u8]) -> Result<(), StoreError> {
        let node = StoredNode { name: name.into(), place: place.to_vec() };
        self.transact("write", super::disk_space::Headroom::Reserve, |log, _| {
            cluster::put(log, &node)?;
            // A node that takes a copy of this store has the same keys.
            let (mut found, _) = snapshot::read(log)?;
            let keys = names::of_snapshot(&mut found);
            names::write(log, &keys).map(|()| 1 + keys.len() as u64)
        })?;
        self.node = Some(node);
        Ok(())
    }

    /// Makes the store of a node that of a lone daemon. Its next start gives its log another id, because its numbers and
    /// those of the cluster part here. Returns the name of the node.
    ///
    /// # Errors
    /// The store is used by a daemon, cannot be used, or belongs to no cluster.
    pub fn leave_cluster(history: &History) -> Result<Box<str>, StoreError> {
        Self::change_node(history, cluster::remove)
    }

    /// Lets the next start give the log of a node another id, because other nodes may have had more messages than this one.
    /// Clients that have seen those messages notice it. Returns the name of the node.
    ///
    /// # Errors
    /// The store is used by a daemon, cannot be used, or belongs to no cluster.
    pub fn part_log(history: &History) -> Result<Box<str>, StoreError> {
        Self::change_node(history, cluster::part)
    }

    fn change_node(
        history: &History,
        change: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<()>,
    ) -> Result<Box<str>, StoreError> {
        let place = Location::of(history);
        let _lock = place.lock()?;
        super::store_record::set_aside_foreign(&place)?;
        let log = schema::open_writer(&place, history.durability)?;
        let error = |e: rusqlite::Error| StoreError::sqlite("write", &place, &e);
        let found = cluster::read(&log).map_err(error)?;
        let Some(StoredNode { name, .. }) = found else {
            return Err(StoreError::NoNode { store: place.to_string() });
        };
        let all = rusqlite::Transaction::new_unchecked(&log, rusqlite::TransactionBehavior::Immediate)
            .map_err(error)?;
        change(&all).and_then(|()| all.commit()).map_err(error)?;
        Ok(name)
    }

    /// Has the store never been used: is it missing, or is nothing in it but the rooms of the settings? Such a store may be
    /// replaced by that of a cluster.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_unused(history: &History) -> Result<bool, StoreError> {
        let place = Location::of(history);
        place.check_wal_has_store()?;
        match &place {
            Location::File(path) if path.metadata().is_ok_and(|file| file.len() > 0) => is_unused(&place),
            _ => Ok(true),
        }
    }

    /// Makes the folder of the store, for its owner alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create_folder(history: &History) -> Result<(), StoreError> {
        Location::of(history).create_folder()
    }

    /// Removes a copy of another node's store, and what a process that was killed has left beside it: SQLite would roll an old
    /// journal back into a new copy.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove_copy(copy: &Path) -> Result<(), StoreError> {
        Location::File(copy.to_owned())
            .files()
            .iter()
            .chain([&journal_of(copy)])
            .try_for_each(|file| remove(file))
    }

    /// Puts the copy that another node has made of its store (`Readers::backup`) in the place of this store, as the store of
    /// the node `name`, and removes the copy's old name. The copy must be on the same file system. This store must be
    /// unused, and no daemon may have it. A crash leaves either store, complete.
    ///
    /// # Errors
    /// The copy is no store of a cluster, this store is in use or has a history, or a file cannot be changed. The store is as
    /// it was.
    pub fn install(history: &History, copy: &Path, name: &str) -> Result<(), StoreError> {
        let place = Location::of(history);
        let Location::File(path) = &place else {
            return Err(StoreError::Bug("a store in memory cannot be installed".to_owned()));
        };
        place.create_folder()?;
        let _lock = place.lock()?;
        if !Self::is_unused(history)? {
            return Err(StoreError::OfNoCluster { store: place.to_string() });
        }
        rename_node(copy, name)?;
        let store = super::resolve_links(path);
        // Without the files beside it an empty store loses nothing, and SQLite would take them for the copy's.
        for file in place.files().into_iter().skip(1).chain(place.index().files()) {
            remove(&file)?;
        }
        fs::rename(copy, &store).map_err(|e| StoreError::io("replace", &store, &e))?;
        let folder = place.folder();
        File::open(&folder).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("sync", &folder, &e))
    }
}

/// The rollback journal of a copy.
fn journal_of(copy: &Path) -> PathBuf {
    let mut name = copy.as_os_str().to_owned();
    name.push("-journal");
    name.into()
}

/// Empties a store that was never used. Its file stays, because it is locked.
pub(super) fn empty_if_unused(place: &Location) -> Result<(), StoreError> {
    let Location::File(path) = place else { return Ok(()) };
    if path.metadata().is_ok_and(|file| file.len() > 0) && is_unused(place)? {
        place.files().iter().skip(1).chain(&place.index().files()).try_for_each(|file| remove(file))?;
        File::create(path).map_err(|e| StoreError::io("empty", path, &e))?;
    }
    Ok(())
}

pub(super) fn remove(file: &Path) -> Result<(), StoreError> {
    match fs::remove_file(file) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", file, &e)),
        _ => Ok(()),
    }
}

fn is_unused(place: &Location) -> Result<bool, StoreError> {
    let log = schema::open(place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let error = |e: rusqlite::Error| StoreError::sqlite("read", place, &e);
    schema::keep_wal(&log, true).map_err(error)?;
    match schema::is_newest(&log, place)? {
        // An older version may have used it. It is not worth to know what each has left.
        false => schema::is_empty(&log, place),
        true => cluster::read(&log)
            .and_then(|node| Ok(node.is_none() && cluster::is_unused(&log)?))
            .map_err(error),
    }
}

/// Gives the copy of a node's store another name. The copy has no other files beside it afterwards.
pub(super) fn rename_node(copy: &Path, name: &str) -> Result<(), StoreError> {
    let place = Location::File(copy.to_owned());
    let log = schema::open(&place, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let error = |e: rusqlite::Error| StoreError::sqlite("write", &place, &e);
    if let Some(why) = schema::damage(&log).map_err(error)? {
        return Err(StoreError::DamagedCopy { copy: copy.to_owned(), why });
    }
    // A version that has no clusters has no table for them.
    if !schema::is_newest(&log, &place)? || cluster::read(&log).map_err(error)?.is_none() {
        return Err(StoreError::NoNode { store: place.to_string() });
    }
    // One file alone, so that it can be renamed.
    log.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(error)?;
    log.execute("UPDATE cluster SET name = ?1", [name]).map_err(error)?;
    log.close().map_err(|(_, e)| error(e))?;
    File::open(copy).and_then(|file| file.sync_all()).map_err(|e| StoreError::io("sync", copy, &e))
}
