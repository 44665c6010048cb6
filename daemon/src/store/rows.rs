//! Writes a turn as rows. Called by the writer inside its transaction. Never begins or ends a transaction.

use super::erased_rows::{self, Written};
use super::totals::Totals;
use super::{StoreError, erasures, history_size, marks, permissions, policy, redactions, sweeps, users};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use tcp_chat_protocol::{RequestId, Seq};
use tcp_chat_state::{
    Chunk, ConversationId, ConversationKind, Origin, QuotaOwner, SessionChange, SessionId, SessionRow, Writes,
};

/// A number as SQLite stores it. Assigned numbers never reach `i64::MAX`; a requested number can exceed it,
/// and then means "after all of them".
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads a number that [`int`] has stored.
pub(super) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// A request id as a column. Texts and numbers keep their type, so they are never equal.
pub(super) struct Id<'a>(pub(super) &'a RequestId);

impl ToSql for Id<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            RequestId::Number(n) => ToSqlOutput::Owned(Value::Integer(n.cast_signed())),
            RequestId::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// Reads a request id.
pub(super) fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<RequestId> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(n) => RequestId::Number(n.cast_unsigned()),
        text => RequestId::Text(text.as_str()?.into()),
    })
}

/// Checks the invariants that all readers of the log rely on: numbers only grow, and a chunk has one line for
/// each number.
pub(super) fn check_chunks(writes: &Writes, head: Seq) -> Result<(), StoreError> {
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

/// Writes a turn. The turn may be in the file already: a commit whose sync to the disk failed may stand in the file, and
/// is tried again. Only its lines of the audit log are there twice then.
/// Returns what redactions and erasures have written.
pub(super) fn write_turn(log: &Connection, writes: &Writes, packed: &[Vec<u8>]) -> rusqlite::Result<Written> {
    for (id, kind) in &writes.conversations {
        put_conversation(log, *id, kind, 0)?;
    }
    policy::write(log, writes.policy.as_deref())?;
    put_opened(log, &writes.opened)?;
    if let Some(defaults) = &writes.default_rooms {
        put_default_rooms(log, defaults)?;
    }
    if !writes.chunks.is_empty() {
        put_chunks(log, &writes.chunks, packed)?;
    }
    erasures::put(log, &writes.erasures)?;
    let grown = redactions::write(log, &writes.redactions)?;
    let mut written = erased_rows::write(log, &writes.erased)?;
    written.grown += grown;
    for (room, topic) in &writes.topics {
        let sql = "UPDATE conversations SET topic = ?2 WHERE id = ?1";
        log.prepare_cached(sql)?.execute(params![room.0, topic.as_deref()])?;
    }
    marks::write_changes(log, &writes.marks)?;
    if !writes.sent.is_empty() {
        // An id whose message was removed can be used again.
        let mut put =
            log.prepare_cached("INSERT OR REPLACE INTO sent (seq, session, id) VALUES (?1, ?2, ?3)")?;
        for sent in &writes.sent {
            put.execute(params![int(sent.seq), sent.session.0, Id(&sent.id)])?;
        }
    }
    for change in &writes.sessions {
        change_session(log, change)?;
    }
    sweeps::write_leaving(log, &writes.ended_sessions)?;
    sweeps::write_changes(log, &writes.work)?;
    permissions::write_changes(log, &writes.permissions)?;
    permissions::append_audit(log, &writes.audit)?;
    erasures::note_beginnings(log, &writes.erasures)?;
    for change in &writes.users {
        users::write_change(log, change)?;
    }
    erasures::remove_done(log, &writes.erasures)?;
    for id in &writes.gone {
        log.prepare_cached("DELETE FROM conversations WHERE id = ?1")?.execute([id.0])?;
        leave_messages_behind(log, id.0)?;
        permissions::remove_room(log, *id)?;
    }
    Ok(written)
}

/// `packed`: the lines of each chunk as they are stored.
fn put_chunks(log: &Connection, chunks: &[Chunk], packed: &[Vec<u8>]) -> rusqlite::Result<()> {
    let mut put = log.prepare_cached(
        "INSERT INTO chunks (first, last, conversation, prev, ts, lines, authors)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut head = log.prepare_cached("UPDATE conversations SET head = ?2 WHERE id = ?1")?;
    for (chunk, lines) in chunks.iter().zip(packed) {
        let Chunk { conversation, first, last, prev, ts, lines: _, authors } = chunk;
        let authors = redactions::encode_authors(authors);
        put.execute(params![int(*first), int(*last), conversation.0, int(*prev), int(*ts), lines, authors])?;
        head.execute(params![conversation.0, int(*last)])?;
    }
    Ok(())
}

/// Writes the party that opened each room.
pub(super) fn put_opened(log: &Connection, opened: &[(ConversationId, QuotaOwner)]) -> rusqlite::Result<()> {
    if opened.is_empty() {
        return Ok(());
    }
    let mut put = log.prepare_cached("INSERT OR REPLACE INTO opened (room, network) VALUES (?1, ?2)")?;
    for (room, by) in opened {
        put.execute(params![room.0, by.to_string()])?;
    }
    Ok(())
}

/// Replaces the list of default rooms and of the messages for which each was the default.
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

/// Where a session is connected, as the store keeps it.
pub(super) fn origin_columns(origin: Option<Origin>) -> (Option<u32>, Option<i64>) {
    (origin.map(|origin| origin.node.0), origin.map(|origin| int(origin.connection.0)))
}

/// Writes a session's row.
pub(super) fn put_session(log: &Connection, row: &SessionRow) -> rusqlite::Result<()> {
    let SessionRow { id, token_hash, user, name, color, origin } = row;
    let (node, connection) = origin_columns(*origin);
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

/// Writes a membership. `joined` orders the rooms of a session.
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

/// Marks the messages of a conversation for removal, if it has any. Many rooms are removed without a message.
pub(super) fn leave_messages_behind(log: &Connection, conversation: i64) -> rusqlite::Result<()> {
    log.prepare_cached(
        "INSERT OR IGNORE INTO gone_conversations
         SELECT ?1 WHERE EXISTS (SELECT 1 FROM chunks WHERE conversation = ?1)",
    )?
    .execute([conversation])?;
    Ok(())
}

/// Marks the ids of a session for removal, if there are any in `sent_as`. Those of this turn must be written
/// before.
pub(super) fn leave_ids_behind(log: &Connection, session: i64) -> rusqlite::Result<()> {
    log.prepare_cached(
        "INSERT OR IGNORE INTO gone_sessions
         SELECT ?1 WHERE EXISTS (SELECT 1 FROM sent_as WHERE session = ?1)",
    )?
    .execute([session])?;
    Ok(())
}

/// Writes a change of a session.
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

/// The conversation of a message, if both still exist.
pub(super) fn find_conversation(log: &Connection, seq: Seq) -> rusqlite::Result<Option<ConversationId>> {
    log.prepare_cached(
        "SELECT c.id FROM chunks k JOIN conversations c ON c.id = k.conversation
         WHERE k.first = (SELECT max(first) FROM chunks WHERE first <= ?1) AND k.last >= ?1",
    )?
    .query_row([int(seq)], |row| Ok(ConversationId(row.get(0)?)))
    .optional()
}

/// Removes what is newer than `totals`. Other rows of a turn that stands in the file after a failed commit may stay:
/// written again, they come to the same. Returns the bytes of the removed messages.
pub(super) fn remove_after(log: &Connection, totals: &Totals) -> rusqlite::Result<u64> {
    // This check needs no lock that another program may hold.
    let newer = "SELECT EXISTS (SELECT 1 FROM conversations WHERE id > ?1)";
    if log.query_row(newer, [totals.last_conversation], |row| row.get(0))? {
        log.execute("DELETE FROM conversations WHERE id > ?1", [totals.last_conversation])?;
    }
    let mut bytes = 0;
    let newer = "SELECT EXISTS (SELECT 1 FROM chunks WHERE first > ?1)";
    if log.query_row(newer, [int(totals.head)], |row| row.get(0))? {
        // The next message of a conversation follows its head, also if this process ends before it writes them again.
        log.execute(
            "UPDATE conversations SET head = (SELECT k.prev FROM chunks k WHERE k.conversation = conversations.id
                 AND k.first > ?1 ORDER BY k.first LIMIT 1)
             WHERE id IN (SELECT conversation FROM chunks WHERE first > ?1)",
            [int(totals.head)],
        )?;
        let mut sizes = log.prepare("SELECT length(lines), last - first + 1 FROM chunks WHERE first > ?1")?;
        let sizes = sizes.query_map([int(totals.head)], |row| {
            Ok(history_size::chunk_bytes(number(row, 0)?, number(row, 1)?))
        })?;
        bytes = sizes.sum::<rusqlite::Result<u64>>()?;
        log.execute("DELETE FROM sent WHERE seq > ?1", [int(totals.head)])?;
        log.execute("DELETE FROM chunks WHERE first > ?1", [int(totals.head)])?;
    }
    Ok(bytes)
}
