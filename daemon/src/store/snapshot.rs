//! Reads the state at a start. Called by the writer. Never reads messages.

use super::rows::number;
use super::totals::{self, Totals};
use super::{erasures, log_id, marks, permissions, policy, request_ids, sweeps, users};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::HashMap;
use tcp_chat_protocol::{Name, Seq, Timestamp};
use tcp_chat_state::{
    ConnectionId, ConversationId, ConversationKind, NodeId, Origin, SessionId, SessionRow, Snapshot,
    StoredConversation, StoredSession, UserId, WINDOW,
};

/// Reads the state that the chat starts with.
pub(super) fn read(log: &Connection) -> rusqlite::Result<(Snapshot, Totals)> {
    let totals = totals::read(log)?;
    let conversations = log
        .prepare("SELECT id, room, user_a, user_b, head, topic FROM conversations ORDER BY id")?
        .query_map([], conversation)?
        .collect::<rusqlite::Result<_>>()?;

    let Memberships { mut rooms, lost, last: last_join } = memberships(log)?;
    let sessions = log
        .prepare("SELECT id, token_hash, user, name, color, node, connection FROM sessions ORDER BY id")?
        .query_map([], session)?
        .map(|row| row.map(|row| StoredSession { rooms: rooms.remove(&row.id.0).unwrap_or_default(), row }))
        .collect::<rusqlite::Result<_>>()?;

    let (users, certificates) = users::read(log)?;
    let log_id = log_id::read(log)?;
    let Totals { head, oldest, last_conversation, last_session, .. } = totals;
    let sent = request_ids::read_after(log, head.saturating_sub(WINDOW))?;
    let opened = log
        .prepare("SELECT room, network FROM opened ORDER BY room")?
        .query_map([], |row| Ok((ConversationId(row.get(0)?), parsed(row, 1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let default_rooms = log
        .prepare("SELECT after, room FROM default_rooms ORDER BY after")?
        .query_map([], |row| Ok((number(row, 0)?, ConversationId(row.get(1)?))))?
        .collect::<rusqlite::Result<_>>()?;
    let found = Snapshot {
        opened,
        default_rooms,
        conversations,
        sessions,
        lost,
        ended_sessions: sweeps::read_leaving(log)?,
        work: sweeps::read(log)?,
        users,
        certificates,
        marks: marks::read(log)?,
        erasures: erasures::read(log)?,
        removed: users::read_removed(log)?,
        permissions: permissions::read(log)?,
        sent,
        head,
        oldest,
        last_conversation,
        last_session,
        last_join,
        log: log_id,
        rules: policy::read(log)?,
    };
    Ok((found, totals))
}

/// The rooms of each session.
#[derive(Default)]
struct Memberships {
    /// For each session, in the order in which it joined the rooms.
    rooms: HashMap<i64, Vec<(ConversationId, Seq)>>,
    /// Memberships whose session has lost the right to be in the room.
    lost: Vec<(SessionId, ConversationId)>,
    /// The highest number of a membership.
    last: i64,
}

fn memberships(log: &Connection) -> rusqlite::Result<Memberships> {
    let mut all = Memberships::default();
    let mut members =
        log.prepare("SELECT session, room, since, joined, lost FROM members ORDER BY session, joined, room")?;
    let mut rows = members.query([])?;
    while let Some(row) = rows.next()? {
        let (session, room) = (row.get(0)?, ConversationId(row.get(1)?));
        all.rooms.entry(session).or_default().push((room, number(row, 2)?));
        all.last = all.last.max(row.get(3)?);
        if row.get(4)? {
            all.lost.push((SessionId(session), room));
        }
    }
    all.lost.sort_unstable();
    Ok(all)
}

fn conversation(row: &Row<'_>) -> rusqlite::Result<StoredConversation> {
    let kind = match row.get::<_, Option<String>>(1)? {
        Some(_) => ConversationKind::Room(name(row, 1)?),
        None => ConversationKind::Direct(UserId(row.get(2)?), UserId(row.get(3)?)),
    };
    let topic = row.get::<_, Option<String>>(5)?.map(Into::into);
    Ok(StoredConversation { id: ConversationId(row.get(0)?), kind, head: number(row, 4)?, topic })
}

fn session(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: SessionId(row.get(0)?),
        token_hash: row.get(1)?,
        user: UserId(row.get(2)?),
        name: name(row, 3)?,
        color: parsed(row, 4)?,
        origin: origin(row, 5)?,
    })
}

/// Reads an origin: the node from `column`, and the connection from the next one.
pub(super) fn origin(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Origin>> {
    let Some(node) = row.get(column)? else { return Ok(None) };
    Ok(Some(Origin { node: NodeId(node), connection: ConnectionId(number(row, column + 1)?) }))
}

/// Reads a name. Names that the rules of today refuse are accepted, and those of a node with newer Unicode tables.
pub(super) fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<Name> {
    let wrong = |e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e));
    Name::parse_accepted(row.get_ref(column)?.as_str()?).map_err(wrong)
}

/// The names of all rooms.
pub(super) fn read_rooms(log: &Connection) -> rusqlite::Result<Vec<Name>> {
    let mut rooms = log.prepare("SELECT room FROM conversations WHERE room IS NOT NULL ORDER BY id")?;
    rooms.query_map([], |row| name(row, 0))?.collect()
}

/// Reads a text in the form in which it was written.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?
        .as_str()?
        .parse()
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

/// The timestamp of the newest message. `None`: there are no messages.
pub(super) fn read_newest_timestamp(log: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let newest = "SELECT ts FROM chunks ORDER BY first DESC LIMIT 1";
    let newest: Option<i64> = log.query_row(newest, [], |row| row.get(0)).optional()?;
    Ok(newest.and_then(|ts| u64::try_from(ts).ok()).map(Timestamp))
}
