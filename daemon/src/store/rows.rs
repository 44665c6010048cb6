//! Owns how a turn's writes become rows. Called by the writer inside its transaction; never
//! begins or ends one.

use super::found::Totals;
use super::{StoreError, rights, users, work};
use crate::chat::{
    Chunk, ConversationId, ConversationKind, Party, SessionChange, SessionId, SessionRow, Writes,
};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use tcp_chat_protocol::{RequestId, Seq};

/// A number as SQLite keeps it. None that is given out comes near the sign; one that is asked for
/// may be beyond it, and then means "after all of them".
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads such a number.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// What a message called itself: a text stays a text, a number an integer, so they never meet.
pub(super) struct Id<'a>(pub(super) &'a RequestId);

impl ToSql for Id<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            RequestId::Number(n) => ToSqlOutput::Owned(Value::Integer(n.cast_signed())),
            RequestId::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// Reads what a message called itself.
pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<RequestId> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(n) => RequestId::Number(n.cast_unsigned()),
        text => RequestId::Text(text.as_str()?.into()),
    })
}

/// Holds the turn against what everything that reads the log relies on: numbers that only grow,
/// and a line for each of them.
pub(super) fn check(writes: &Writes, head: Seq) -> Result<(), StoreError> {
    let mut newest = head;
    for chunk in &writes.chunks {
        let Chunk { conversation, first, last, prev, lines, .. } = chunk;
        let count = memchr::memchr_iter(b'\n', lines).count();
        let wanted = last.checked_sub(*first).and_then(|n| usize::try_from(n).ok()).map(|n| n + 1);
        if *first <= newest || prev >= first || wanted != Some(count) {
            return Err(StoreError::Bug(format!(
                "a chunk {first}..{last} (after {prev}, {count} lines) of conversation {} after {newest}",
                conversation.0
            )));
        }
        newest = *last;
    }
    Ok(())
}

/// Writes a turn. It may be there already: a commit that failed on its way to the disk may stand in the file after all,
/// and is tried again. Only a line of the audit log is twice there then.
pub(super) fn write(log: &Connection, writes: &Writes) -> rusqlite::Result<()> {
    for (id, kind) in &writes.conversations {
        put_conversation(log, *id, kind, 0)?;
    }
    put_opened(log, &writes.opened)?;
    if let Some(defaults) = &writes.default_rooms {
        put_default_rooms(log, defaults)?;
    }
    if !writes.chunks.is_empty() {
        put_chunks(log, &writes.chunks)?;
    }
    if !writes.sent.is_empty() {
        // An id whose message is gone may be used again.
        let mut put =
            log.prepare_cached("INSERT OR REPLACE INTO sent (seq, session, id) VALUES (?1, ?2, ?3)")?;
        for sent in &writes.sent {
            put.execute(params![int(sent.seq), sent.session.0, Id(&sent.id)])?;
        }
    }
    for change in &writes.sessions {
        change_session(log, change)?;
    }
    work::leave(log, &writes.leaving)?;
    work::change(log, &writes.work)?;
    rights::change(log, &writes.rights)?;
    rights::audit(log, &writes.audit)?;
    for change in &writes.users {
        users::change(log, change)?;
    }
    for id in &writes.gone {
        log.prepare_cached("DELETE FROM conversations WHERE id = ?1")?.execute([id.0])?;
        leave_messages_behind(log, id.0)?;
        rights::forget(log, *id)?;
    }
    Ok(())
}

fn put_chunks(log: &Connection, chunks: &[Chunk]) -> rusqlite::Result<()> {
    let mut put = log.prepare_cached(
        "INSERT INTO chunks (first, last, conversation, prev, ts, lines) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut head = log.prepare_cached("UPDATE conversations SET head = ?2 WHERE id = ?1")?;
    for chunk in chunks {
        let Chunk { conversation, first, last, prev, ts, lines } = chunk;
        put.execute(params![int(*first), int(*last), conversation.0, int(*prev), int(*ts), &lines[..]])?;
        head.execute(params![conversation.0, int(*last)])?;
    }
    Ok(())
}

/// Writes who opened rooms.
pub(super) fn put_opened(log: &Connection, opened: &[(ConversationId, Party)]) -> rusqlite::Result<()> {
    if opened.is_empty() {
        return Ok(());
    }
    let mut put = log.prepare_cached("INSERT OR REPLACE INTO opened (room, network) VALUES (?1, ?2)")?;
    for (room, by) in opened {
        put.execute(params![room.0, by.to_string()])?;
    }
    Ok(())
}

/// Writes which room was the default one, and for which messages, in place of what was there.
pub(super) fn put_default_rooms(log: &Connection, all: &[(Seq, ConversationId)]) -> rusqlite::Result<()> {
    log.execute("DELETE FROM default_rooms", [])?;
    let mut put = log.prepare_cached("INSERT INTO default_rooms (after, room) VALUES (?1, ?2)")?;
    for (after, room) in all {
        put.execute(params![int(*after), room.0])?;
    }
    Ok(())
}

/// Writes a conversation's row.
pub(super) fn put_conversation(
    log: &Connection,
    id: ConversationId,
    kind: &ConversationKind,
    head: Seq,
) -> rusqlite::Result<()> {
    let (room, a, b) = match kind {
        ConversationKind::Room(name) => (Some(name.as_str()), None, None),
        ConversationKind::Direct(a, b) => (None, Some(a.0), Some(b.0)),
    };
    log.prepare_cached(
        "INSERT INTO conversations (id, room, user_a, user_b, head) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![id.0, room, a, b, int(head)])?;
    Ok(())
}

/// Writes a session's row.
pub(super) fn put_session(log: &Connection, row: &SessionRow) -> rusqlite::Result<()> {
    let SessionRow { id, token_hash, user, name, color, origin } = row;
    let node = origin.map(|origin| i64::from(origin.node.0));
    let connection = origin.map(|origin| int(origin.connection.0));
    log.prepare_cached(
        "INSERT OR REPLACE INTO sessions (id, token_hash, user, name, color, node, connection)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        id.0,
        &token_hash[..],
        user.0,
        name.as_str(),
        color.to_string(),
        node,
        connection
    ])?;
    Ok(())
}

/// Writes that a session is in a room, and which of its rooms that is: they are ordered by `joined`.
pub(super) fn put_member(
    log: &Connection,
    session: SessionId,
    room: ConversationId,
    since: Seq,
    joined: i64,
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO members (session, room, since, joined) VALUES (?1, ?2, ?3, ?4)";
    log.prepare_cached(sql)?.execute(params![session.0, room.0, int(since), joined])?;
    Ok(())
}

/// Notes that a conversation's messages have to go, if it has some: rooms come and go without.
pub(super) fn leave_messages_behind(log: &Connection, conversation: i64) -> rusqlite::Result<()> {
    log.prepare_cached(
        "INSERT OR IGNORE INTO gone_conversations
         SELECT ?1 WHERE EXISTS (SELECT 1 FROM chunks WHERE conversation = ?1)",
    )?
    .execute([conversation])?;
    Ok(())
}

/// Notes that a session's ids have to go, if some are filed. Those of this turn must be by now.
pub(super) fn leave_ids_behind(log: &Connection, session: i64) -> rusqlite::Result<()> {
    log.prepare_cached(
        "INSERT OR IGNORE INTO gone_sessions
         SELECT ?1 WHERE EXISTS (SELECT 1 FROM sent_as WHERE session = ?1)",
    )?
    .execute([session])?;
    Ok(())
}

/// Writes what happened to a session.
pub(super) fn change_session(log: &Connection, change: &SessionChange) -> rusqlite::Result<()> {
    match change {
        SessionChange::Put(row) => put_session(log, row),
        SessionChange::Join { session, room, since, joined } => {
            put_member(log, *session, *room, *since, *joined)
        }
        SessionChange::Lose { session, room } => {
            log.prepare_cached("UPDATE members SET lost = 1 WHERE session = ?1 AND room = ?2")?
                .execute([session.0, room.0])?;
            Ok(())
        }
        SessionChange::Leave { session, room } => {
            log.prepare_cached("DELETE FROM members WHERE session = ?1 AND room = ?2")?
                .execute([session.0, room.0])?;
            Ok(())
        }
        SessionChange::End(session) => {
            log.prepare_cached("DELETE FROM sessions WHERE id = ?1")?.execute([session.0])?;
            log.prepare_cached("DELETE FROM members WHERE session = ?1")?.execute([session.0])?;
            leave_ids_behind(log, session.0)
        }
    }
}

/// The conversation that a message is in, if both are still there.
pub(super) fn conversation_of(log: &Connection, seq: Seq) -> rusqlite::Result<Option<ConversationId>> {
    log.prepare_cached(
        "SELECT c.id FROM chunks k JOIN conversations c ON c.id = k.conversation
         WHERE k.first = (SELECT max(first) FROM chunks WHERE first <= ?1) AND k.last >= ?1",
    )?
    .query_row([int(seq)], |row| Ok(ConversationId(row.get(0)?)))
    .optional()
}

/// Removes what is newer than the totals say. The rest of a turn that stands in the file after all may stay: written
/// again, it comes to the same.
pub(super) fn forget_after(log: &Connection, totals: &Totals) -> rusqlite::Result<()> {
    // Looking needs no lock that another program may have.
    let newer = "SELECT EXISTS (SELECT 1 FROM conversations WHERE id > ?1)";
    if log.query_row(newer, [totals.last_conversation], |row| row.get(0))? {
        log.execute("DELETE FROM conversations WHERE id > ?1", [totals.last_conversation])?;
    }
    let newer = "SELECT EXISTS (SELECT 1 FROM chunks WHERE first > ?1)";
    if log.query_row(newer, [int(totals.head)], |row| row.get(0))? {
        // The next message of a conversation follows its head, also if this process ends before it writes them again.
        log.execute(
            "UPDATE conversations SET head = (SELECT k.prev FROM chunks k WHERE k.conversation = conversations.id
                 AND k.first > ?1 ORDER BY k.first LIMIT 1)
             WHERE id IN (SELECT conversation FROM chunks WHERE first > ?1)",
            [int(totals.head)],
        )?;
        log.execute("DELETE FROM sent WHERE seq > ?1", [int(totals.head)])?;
        log.execute("DELETE FROM chunks WHERE first > ?1", [int(totals.head)])?;
    }
    Ok(())
}
