//! Owns the begin and the end of a turn's transaction. Their statements are prepared once: SQLite would compile both again
//! for each turn. Called by the writer. Never writes a row.

use rusqlite::Connection;

/// A transaction that has the write lock. Dropped without [`WriteTransaction::commit`], it is rolled back.
pub(super) struct WriteTransaction<'c>(&'c Connection);

impl<'c> WriteTransaction<'c> {
    /// Begins it. No other one may be open on this connection.
    pub(super) fn begin(log: &'c Connection) -> rusqlite::Result<Self> {
        log.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(Self(log))
    }

    /// Commits what was written. If that fails, it is rolled back.
    pub(super) fn commit(self) -> rusqlite::Result<()> {
        self.0.prepare_cached("COMMIT")?.execute([]).map(|_| ())
    }
}

impl Drop for WriteTransaction<'_> {
    fn drop(&mut self) {
        // After a commit, and after some errors, SQLite has ended it already.
        if !self.0.is_autocommit() {
            // If this fails, the connection is still in a transaction: the writer then opens the file again.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}
