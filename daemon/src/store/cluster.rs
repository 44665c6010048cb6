//! Owns the row of a node of a cluster: the node's name, and the place of the last committed turn in the log. Called by the
//! writer when it opens the store and in each of its transactions, and by backups. Never reads a place: the order has
//! encoded it. The store of a lone daemon has no row.

use super::location::Location;
use super::totals::{self, Totals};
use super::{StoreError, rows};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

/// The node whose store this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNode {
    /// Its name in the cluster.
    pub name: Box<str>,
    /// The place of the last committed turn in the log, as the order has encoded it.
    pub place: Vec<u8>,
}

/// Reads the row.
pub(super) fn read(log: &Connection) -> rusqlite::Result<Option<StoredNode>> {
    log.prepare("SELECT name, place FROM cluster")?
        .query_row([], |row| Ok(StoredNode { name: row.get::<_, String>(0)?.into(), place: row.get(1)? }))
        .optional()
}

/// Refuses a store that is not that of this node. `node`: its name; `None`: a lone daemon.
pub(super) fn check(
    log: &Connection,
    place: &Location,
    node: Option<&str>,
) -> Result<Option<StoredNode>, StoreError> {
    let error = |e: rusqlite::Error| StoreError::sqlite("read", place, &e);
    let found = read(log).map_err(error)?;
    let store = place.to_string();
    match (&found, node) {
        (Some(found), None) => Err(StoreError::OfCluster { store, node: found.name.clone() }),
        (Some(found), Some(wanted)) if *found.name != *wanted => {
            Err(StoreError::OfOtherNode { store, node: found.name.clone(), wanted: wanted.into() })
        }
        (None, Some(_)) if !is_unused(log).map_err(error)? => Err(StoreError::OfNoCluster { store }),
        _ => Ok(found),
    }
}

/// Has no session, user or message ever been here, and has no operator done anything? The rooms of the settings do not count:
/// the first start of a lone daemon opens them.
pub(super) fn is_unused(log: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT head = 0 AND last_session = 0 AND NOT EXISTS (SELECT 1 FROM audit) FROM totals";
    log.query_row(sql, [], |row| row.get(0))
}

/// Makes the store that of a node.
pub(super) fn put(log: &Connection, node: &StoredNode) -> rusqlite::Result<()> {
    let StoredNode { name, place } = node;
    log.execute("INSERT OR REPLACE INTO cluster (id, name, place) VALUES (1, ?1, ?2)", params![name, place])?;
    Ok(())
}

/// Moves the place.
pub(super) fn write_place(log: &Connection, place: &[u8]) -> rusqlite::Result<()> {
    match log.prepare_cached("UPDATE cluster SET place = ?1")?.execute([place])? {
        1 => Ok(()),
        changed => Err(rusqlite::Error::StatementChangedRows(changed)),
    }
}

/// Makes the store that of a lone daemon. Its numbers go on from those of the cluster, so its log is another one: the next
/// start gives it an id.
pub(super) fn remove(log: &Connection) -> rusqlite::Result<()> {
    part(log)?;
    log.execute_batch("DELETE FROM cluster; DELETE FROM names")
}

/// Ends the id of the cluster's log at the newest message. The next start gives the log another one.
pub(super) fn part(log: &Connection) -> rusqlite::Result<()> {
    log.execute_batch(
        "UPDATE totals SET log = (SELECT log FROM cluster), log_from = (SELECT log_from FROM cluster)
             WHERE log IS NULL;
         UPDATE cluster SET log = NULL, log_from = NULL",
    )?;
    super::log_id::clear(log)
}

/// Removes the messages of a turn whose commit failed, if they are in the file nevertheless. Returns the totals. A node's
/// place goes back with them, all or nothing: if the process ends before it commits the turn again, the next one gets it
/// from the log. Other rows of the turn may stay; if they make a difference then, the digests tell it.
pub(super) fn undo(log: &Connection, kept: &Totals, node: Option<&StoredNode>) -> rusqlite::Result<Totals> {
    let undo = |log: &Connection| totals::undo(log, kept, rows::remove_after(log, kept)?);
    let Some(node) = node else { return undo(log) };
    let all = Transaction::new_unchecked(log, TransactionBehavior::Immediate)?;
    let totals = undo(&all)?;
    write_place(&all, &node.place)?;
    all.commit()?;
    Ok(totals)
}
