//! Owns which log the store is. The writer asks when it opens the store. Never changes a message.

use super::rows::number;
use crate::chat::LogId;
use rusqlite::Connection;

/// Makes a restored backup another log: gives it an id of its own. True: it did, and the store's own file has the id, so
/// that one without an id is a backup that nobody has opened (`remembered`).
pub(super) fn settle(log: &Connection) -> bool {
    // Its search index is made anew: one that was left beside it has the words of other messages. On a
    // disk that is full the id is this run's alone, and the next start makes another one.
    let made = log.execute(
        "UPDATE totals SET log = randomblob(16), log_from = head, store = randomblob(16) WHERE log IS NULL",
        [],
    );
    let is_busy = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    made.is_ok_and(|rows| rows > 0)
        && log.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], is_busy).is_ok_and(|busy| busy == 0)
}

/// Which log a store that is being opened is.
pub(super) fn of(log: &Connection) -> rusqlite::Result<LogId> {
    let mut before = log.prepare("SELECT lower(hex(log)), until FROM ancestors ORDER BY n")?;
    let before = before.query_map([], |row| Ok((row.get(0)?, number(row, 1)?)))?.collect::<Result<_, _>>()?;
    let sql = "SELECT lower(hex(coalesce(log, randomblob(16)))), coalesce(log_from, head) FROM totals";
    log.query_row(sql, [], |row| Ok(LogId { id: row.get(0)?, from: number(row, 1)?, before }))
}

/// Makes a copy of the log one that becomes another log when it is opened, and remembers which one it was.
pub(super) fn forget(copy: &Connection) -> rusqlite::Result<()> {
    copy.execute_batch(
        "INSERT INTO ancestors (log, until) SELECT log, head FROM totals WHERE log IS NOT NULL;
         UPDATE totals SET log = NULL, log_from = NULL",
    )
}
