//! Owns how the whole of conversations and sessions is written in place of what was there.
//! Called by the writer inside its transaction, after a time in which turns could not be kept.

use super::{permissions, rows, sweeps, users};
use crate::chat::Found;
use rusqlite::Connection;
use std::collections::HashSet;

/// Makes the tables say what `all` says. What is not in it leaves messages and ids behind, which
/// then go in slices as if it had ended.
pub(super) fn write(log: &Connection, all: &Found) -> rusqlite::Result<()> {
    let stay: HashSet<i64> = all.conversations.iter().map(|c| c.id.0).collect();
    for id in ids(log, "SELECT id FROM conversations")?.filter(|id| !stay.contains(id)) {
        rows::leave_messages_behind(log, id)?;
    }
    let stay: HashSet<i64> = all.sessions.iter().map(|s| s.row.id.0).collect();
    for id in ids(log, "SELECT id FROM sessions")?.filter(|id| !stay.contains(id)) {
        rows::leave_ids_behind(log, id)?;
    }
    log.execute_batch(
        "DELETE FROM conversations; DELETE FROM sessions; DELETE FROM members; DELETE FROM opened",
    )?;
    rows::put_opened(log, &all.opened)?;
    rows::put_default_rooms(log, &all.default_rooms)?;
    for conversation in &all.conversations {
        rows::put_conversation(log, conversation.id, &conversation.kind, conversation.head)?;
    }
    for session in &all.sessions {
        rows::put_session(log, &session.row)?;
        // No room of a session gets a number beyond `last_join`, so what it enters next comes last.
        for (joined, (room, since)) in (1..).zip(&session.rooms) {
            rows::put_member(log, session.row.id, *room, *since, joined)?;
        }
    }
    sweeps::replace(log, all)?;
    users::replace(log, &all.users, &all.certificates, &all.removed)?;
    permissions::replace(log, &all.rights)?;
    permissions::append_audit(log, &all.audit)
}

fn ids(log: &Connection, sql: &str) -> rusqlite::Result<impl Iterator<Item = i64>> {
    let ids: Vec<i64> =
        log.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    Ok(ids.into_iter())
}
