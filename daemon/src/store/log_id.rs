//! Owns the id of the log. Called by the writer when it opens the store, and by backups. Never changes a
//! message.

use super::rows::number;
use rusqlite::Connection;
use tcp_chat_state::LogId;

/// Gives a restored backup a new log id. True: an id was assigned, and it is in the store's own file. So
/// `store_record` can tell that a file without an id is a backup that was never opened.
pub(super) fn assign_if_missing(log: &Connection) -> bool {
    // `store` changes, too, so the search index is built again: one that lies beside a backup indexes other
    // messages. On a full disk the id lasts for this run only, and the next start assigns another.
    // A node of a cluster gets the id of the cluster's log: its place says which part of that log the copy has.
    let made = log.execute(
        "UPDATE totals SET log = ifnull((SELECT log FROM cluster), randomblob(16)), store = randomblob(16),
             log_from = ifnull((SELECT log_from FROM cluster), head)
         WHERE log IS NULL",
        [],
    );
    let is_busy = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    made.is_ok_and(|rows| rows > 0)
        && log.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], is_busy).is_ok_and(|busy| busy == 0)
}

/// Reads the log id of a store that is being opened.
pub(super) fn read(log: &Connection) -> rusqlite::Result<LogId> {
    let mut before = log.prepare("SELECT lower(hex(log)), until FROM ancestors ORDER BY n")?;
    let before = before.query_map([], |row| Ok((row.get(0)?, number(row, 1)?)))?.collect::<Result<_, _>>()?;
    let sql = "SELECT lower(hex(coalesce(log, (SELECT log FROM cluster), randomblob(16)))),
                   coalesce(log_from, (SELECT log_from FROM cluster), head)
               FROM totals";
    log.query_row(sql, [], |row| Ok(LogId { id: row.get(0)?, from: number(row, 1)?, before }))
}

/// Removes the log id of a copy, so that its first start assigns another. The old id is kept as an ancestor. The copy of a
/// node's store keeps the id beside, because its log is the cluster's.
pub(super) fn clear_in_copy(copy: &Connection) -> rusqlite::Result<()> {
    let of_node = copy.execute(
        "UPDATE cluster SET log = totals.log, log_from = totals.log_from FROM totals WHERE totals.log IS NOT NULL",
        [],
    )?;
    match of_node {
        0 => clear(copy),
        _ => copy.execute_batch("UPDATE totals SET log = NULL, log_from = NULL"),
    }
}

/// Removes the log id, so that the next start assigns another. The old id is kept as an ancestor.
pub(super) fn clear(copy: &Connection) -> rusqlite::Result<()> {
    copy.execute_batch(
        "INSERT INTO ancestors (log, until) SELECT log, head FROM totals WHERE log IS NOT NULL;
         UPDATE totals SET log = NULL, log_from = NULL",
    )
}
