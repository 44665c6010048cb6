//! Writes and reads the rows of read marks. Called by the writer inside its transaction, and when the store is opened.
//! Never moves a mark.

use super::rows::{int, number};
use rusqlite::{Connection, params};
use tcp_chat_state::{ConversationId, MarkChange, StoredMark, UserId};

/// Writes changes of the marks, in order.
pub(super) fn write_changes(log: &Connection, changes: &[MarkChange]) -> rusqlite::Result<()> {
    for change in changes {
        match change {
            MarkChange::Put { user, conversation, seq } => {
                let sql = "INSERT OR REPLACE INTO marks (user, conversation, seq) VALUES (?1, ?2, ?3)";
                log.prepare_cached(sql)?.execute(params![user.0, conversation.0, int(*seq)])?;
            }
            MarkChange::Remove { user, conversation } => {
                let sql = "DELETE FROM marks WHERE user = ?1 AND conversation = ?2";
                log.prepare_cached(sql)?.execute([user.0, conversation.0])?;
            }
            MarkChange::RemoveUser(user) => {
                log.prepare_cached("DELETE FROM marks WHERE user = ?1")?.execute([user.0])?;
            }
        }
    }
    Ok(())
}

/// Removes the marks of conversations that are gone. Done when the store is opened: a removed room may have as many marks as
/// there are users, and nobody sees them.
pub(super) fn remove_of_gone_conversations(log: &Connection) -> rusqlite::Result<()> {
    let sql = "DELETE FROM marks WHERE conversation NOT IN (SELECT id FROM conversations)";
    log.execute(sql, []).map(drop)
}

/// Reads the marks of conversations that are there, by user and conversation.
pub(super) fn read(log: &Connection) -> rusqlite::Result<Vec<StoredMark>> {
    log.prepare(
        "SELECT user, conversation, seq FROM marks WHERE conversation IN (SELECT id FROM conversations)
         ORDER BY user, conversation",
    )?
    .query_map([], |row| {
        Ok(StoredMark {
            user: UserId(row.get(0)?),
            conversation: ConversationId(row.get(1)?),
            seq: number(row, 2)?,
        })
    })?
    .collect()
}
