//! Owns what is read when the store is opened, and the totals that are kept so that it needs no
//! scan. Called by the writer. Never reads messages.

use super::bytes;
use super::rows::{int, number};
use super::{identity, ids, rights, users, work};
use crate::chat::{
    ConnectionId, ConversationId, ConversationKind, Found, NodeId, Origin, SessionId, SessionRow,
    StoredConversation, StoredSession, UserId, WINDOW, Writes,
};
use crate::chat::{SessionChange, UserChange};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashMap;
use tcp_chat_protocol::{Name, Seq, Timestamp};

/// What would cost a scan to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    /// The newest number on the server.
    pub(super) head: Seq,
    /// How many messages are here.
    pub(super) messages: u64,
    /// How many bytes they take, by `bytes::of_chunk`.
    pub(super) bytes: u64,
    /// The highest conversation id ever given out.
    pub(super) last_conversation: i64,
    /// The highest session id ever given out.
    pub(super) last_session: i64,
    /// Up to which number the ids of messages are filed.
    pub(super) sent_as_to: Seq,
    /// Retention has removed every message below this number.
    pub(super) oldest: Seq,
}

impl Totals {
    /// What they are once a turn is written.
    pub(super) fn after(mut self, writes: &Writes) -> Self {
        self.oldest = self.oldest.max(writes.oldest.unwrap_or(0));
        for (id, _) in &writes.conversations {
            self.last_conversation = self.last_conversation.max(id.0);
        }
        for chunk in &writes.chunks {
            self.head = self.head.max(chunk.last);
            let count = chunk.last - chunk.first + 1;
            self.messages += count;
            self.bytes += bytes::of_chunk(chunk.lines.len() as u64, count);
        }
        for change in &writes.sessions {
            if let SessionChange::Put(row) = change {
                self.last_session = self.last_session.max(row.id.0).max(row.user.0);
            }
        }
        for change in &writes.users {
            if let UserChange::Put(user) = change {
                self.last_session = self.last_session.max(user.id.0);
            }
        }
        self
    }
}

/// Writes the totals, if they are still what they were `before`. If not, another program wrote them:
/// somebody restored a backup into the store while it was in use. What was given out stays given out: rows of a turn
/// that failed may stand in the file, and must not become those of another session or room.
pub(super) fn put_totals(log: &Connection, before: &Totals, totals: &Totals) -> rusqlite::Result<()> {
    let Totals { head, messages, bytes, last_conversation, last_session, sent_as_to, oldest } = *totals;
    log.prepare_cached(
        "UPDATE totals SET head = ?1, messages = ?2, last_conversation = max(last_conversation, ?3),
         last_session = max(last_session, ?4), sent_as_to = ?5, bytes = ?6, oldest = ?7
         WHERE head = ?8 AND messages = ?9",
    )?
    .execute(params![
        int(head),
        int(messages),
        last_conversation,
        last_session,
        int(sent_as_to),
        int(bytes),
        int(oldest),
        int(before.head),
        int(before.messages)
    ])
    .and_then(|changed| match changed {
        0 => Err(rusqlite::Error::StatementChangedRows(0)),
        _ => Ok(()),
    })
}

/// Takes back what a turn wrote that failed on its way to the disk: no number beyond the last one that was kept.
pub(super) fn take_back_totals(log: &Connection, kept: &Totals) -> rusqlite::Result<()> {
    let found = totals(log)?;
    if found.head > kept.head {
        put_totals(log, &found, kept)?;
    }
    Ok(())
}

/// Reads the totals.
pub(super) fn totals(log: &Connection) -> rusqlite::Result<Totals> {
    log.prepare_cached(
        "SELECT head, messages, last_conversation, last_session, sent_as_to, bytes, oldest FROM totals",
    )?
    .query_row([], |row| {
        Ok(Totals {
            head: number(row, 0)?,
            messages: number(row, 1)?,
            last_conversation: row.get(2)?,
            last_session: row.get(3)?,
            sent_as_to: number(row, 4)?,
            bytes: number(row, 5)?,
            oldest: number(row, 6)?,
        })
    })
}

/// Reads all that the chat needs to go on.
pub(super) fn read(log: &Connection) -> rusqlite::Result<(Found, Totals)> {
    let totals = totals(log)?;
    let conversations = log
        .prepare("SELECT id, room, user_a, user_b, head FROM conversations ORDER BY id")?
        .query_map([], conversation)?
        .collect::<rusqlite::Result<_>>()?;

    let Memberships { mut rooms, lost, last: last_join } = memberships(log)?;
    let sessions = log
        .prepare("SELECT id, token_hash, user, name, color, node, connection FROM sessions ORDER BY id")?
        .query_map([], session)?
        .map(|row| row.map(|row| StoredSession { rooms: rooms.remove(&row.id.0).unwrap_or_default(), row }))
        .collect::<rusqlite::Result<_>>()?;

    let (users, certificates) = users::read(log)?;
    let log_id = identity::of(log)?;
    let Totals { head, oldest, last_conversation, last_session, .. } = totals;
    let sent = ids::after(log, head.saturating_sub(WINDOW))?;
    let opened = log
        .prepare("SELECT room, network FROM opened ORDER BY room")?
        .query_map([], |row| Ok((ConversationId(row.get(0)?), parsed(row, 1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let default_rooms = log
        .prepare("SELECT after, room FROM default_rooms ORDER BY after")?
        .query_map([], |row| Ok((number(row, 0)?, ConversationId(row.get(1)?))))?
        .collect::<rusqlite::Result<_>>()?;
    let found = Found {
        opened,
        default_rooms,
        conversations,
        sessions,
        lost,
        leaving: work::read_leaving(log)?,
        work: work::read(log)?,
        users,
        certificates,
        removed: users::read_removed(log)?,
        rights: rights::read(log)?,
        sent,
        head,
        oldest,
        last_conversation,
        last_session,
        last_join,
        log: log_id,
    };
    Ok((found, totals))
}

/// Which sessions are in which rooms.
#[derive(Default)]
struct Memberships {
    /// Of each session, in the order in which it entered them.
    rooms: HashMap<i64, Vec<(ConversationId, Seq)>>,
    /// Those that have lost the right to be there.
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
    Ok(StoredConversation { id: ConversationId(row.get(0)?), kind, head: number(row, 4)? })
}

fn session(row: &Row<'_>) -> rusqlite::Result<SessionRow> {
    Ok(SessionRow {
        id: SessionId(row.get(0)?),
        token_hash: row.get(1)?,
        user: UserId(row.get(2)?),
        name: name(row, 3)?,
        color: parsed(row, 4)?,
        origin: origin(row)?,
    })
}

fn origin(row: &Row<'_>) -> rusqlite::Result<Option<Origin>> {
    let Some(node) = row.get(5)? else { return Ok(None) };
    Ok(Some(Origin { node: NodeId(node), connection: ConnectionId(number(row, 6)?) }))
}

/// A name. It may be one that cannot be taken any longer.
pub(super) fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<Name> {
    let wrong = |e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e));
    Name::parse_kept(row.get_ref(column)?.as_str()?).map_err(wrong)
}

/// The names of all rooms.
pub(super) fn rooms(log: &Connection) -> rusqlite::Result<Vec<Name>> {
    let mut rooms = log.prepare("SELECT room FROM conversations WHERE room IS NOT NULL ORDER BY id")?;
    rooms.query_map([], |row| name(row, 0))?.collect()
}

/// A text that must be what it was when it was written.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(column)?
        .as_str()?
        .parse()
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

/// The stamp of the newest message, if there is one.
pub(super) fn newest(log: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let newest = "SELECT ts FROM chunks ORDER BY first DESC LIMIT 1";
    let newest: Option<i64> = log.query_row(newest, [], |row| row.get(0)).optional()?;
    Ok(newest.and_then(|ts| u64::try_from(ts).ok()).map(Timestamp))
}
