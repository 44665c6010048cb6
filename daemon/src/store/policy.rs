//! Owns the row of the policy that the state follows. Written with the turn that brings another policy, and read when the
//! store is opened. A node of a cluster restores its state with it; a lone daemon has its settings. Never decides which
//! policy counts.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension};
use tcp_chat_state::{Rules, RulesError};

/// Writes the policy, if the turn has brought one.
pub(super) fn write(log: &Connection, policy: Option<&Rules>) -> rusqlite::Result<()> {
    let Some(policy) = policy else { return Ok(()) };
    let sql = "INSERT OR REPLACE INTO policy (id, rules) VALUES (1, ?1)";
    log.execute(sql, [policy.encode()]).map(|_| ())
}

/// Reads the policy. `None`: an older version has written the store.
pub(super) fn read(log: &Connection) -> rusqlite::Result<Option<Rules>> {
    let wrong = |e| rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(e));
    let read = log.query_row("SELECT rules FROM policy", [], |row| {
        match Rules::decode(row.get_ref(0)?.as_blob()?) {
            Ok(rules) => Ok(Some(rules)),
            Err(RulesError::Older(_)) => Ok(None),
            Err(why) => Err(wrong(why)),
        }
    });
    read.optional().map(Option::flatten)
}
