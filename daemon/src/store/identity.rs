//! Owns which log the store is. The writer asks when it opens the store. Never changes a message.

use super::rows::number;
use crate::chat::LogId;
use rusqlite::Connection;

/// Which log a store that is being opened is. A restored backup becomes another one here.
pub(super) fn of(log: &Connection) -> rusqlite::Result<LogId> {
    // Its search index is made anew: one that was left beside it has the words of other messages. On a
    // disk that is full the id is this run's alone, and the next start makes another one.
    let _ = log.execute(
        "UPDATE totals SET log = randomblob(16), log_from = head, store = randomblob(16) WHERE log IS NULL",
        [],
    );
    let sql = "SELECT lower(hex(coalesce(log, randomblob(16)))), coalesce(log_from, head) FROM totals";
    log.query_row(sql, [], |row| Ok(LogId { id: row.get(0)?, from: number(row, 1)? }))
}

/// Makes a copy of the log one that becomes another log when it is opened.
pub(super) fn forget(copy: &Connection) -> rusqlite::Result<()> {
    copy.execute("UPDATE totals SET log = NULL, log_from = NULL", []).map(drop)
}
