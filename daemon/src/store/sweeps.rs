//! Writes and reads the rows of sweeps, and of ended sessions that are still in rooms. Called by the writer
//! inside its transaction, and when the store is opened. Never decides how a sweep proceeds.

use super::permissions::scope;
use super::rows::{int, number, origin_columns};
use super::snapshot::{name, origin, parsed};
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use tcp_chat_state::{
    ConversationId, EndedSession, EndedSessionChange, PermissionPlace, Scope, SessionId, Sweep, UserId,
    WorkChange,
};

/// Bytes of an id in a list.
const ID_BYTES: usize = 8;

/// Writes the progress of the sweeps.
pub(super) fn write_changes(log: &Connection, change: &WorkChange) -> rusqlite::Result<()> {
    if let Some(below) = change.below {
        log.prepare_cached("DELETE FROM work WHERE n < ?1")?.execute([int(below)])?;
    }
    change.added.iter().try_for_each(|(n, sweep)| put_sweep(log, *n, sweep))
}

/// Writes changes of sessions that have ended.
pub(super) fn write_leaving(log: &Connection, changes: &[EndedSessionChange]) -> rusqlite::Result<()> {
    for change in changes {
        match change {
            EndedSessionChange::Put(leaving) => {
                let EndedSession { session, user, name, color, origin, rooms } = leaving;
                let (node, connection) = origin_columns(*origin);
                let rooms = encode_ids(rooms.iter().map(|room| room.0));
                log.prepare_cached(
                    "INSERT OR REPLACE INTO leaving (session, user, name, color, rooms, node, connection)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    session.0,
                    user.0,
                    name.as_str(),
                    color.to_string(),
                    rooms,
                    node,
                    connection
                ])?;
            }
            EndedSessionChange::Gone(session) => {
                log.prepare_cached("DELETE FROM leaving WHERE session = ?1")?.execute([session.0])?;
            }
        }
    }
    Ok(())
}

/// The table of a place among the permissions.
const GRANT: i64 = 0;
const MUTE: i64 = 1;
const BAN: i64 = 2;

/// One sweep as a row: its subject, its progress, and the name and reason that it announces. The reason of `authored` is the
/// user or target of the place that it has come to.
#[derive(Default)]
struct SweepRow<'a> {
    of: i64,
    after: Option<(i64, i64)>,
    name: Option<&'a str>,
    reason: Option<&'a str>,
    /// The column `sessions`.
    ids: Option<Vec<u8>>,
}

fn put_sweep(log: &Connection, n: u64, sweep: &Sweep) -> rusqlite::Result<()> {
    let of = |of: i64| SweepRow { of, ..SweepRow::default() };
    let whom;
    let (kind, row) = match sweep {
        Sweep::Directs(user, after) => {
            ("directs", SweepRow { after: after.map(|(seq, id)| (int(seq), id.0)), ..of(user.0) })
        }
        Sweep::Strangers(after) => ("strangers", of(after.0)),
        Sweep::Lost(room) => ("lost", of(room.0)),
        Sweep::Room(room, (user, session)) => {
            ("room", SweepRow { after: Some((user.0, session.0)), ..of(room.0) })
        }
        Sweep::BannedRange { sessions, who, reason } => {
            let ids = Some(encode_ids(sessions.iter().map(|session| session.0)));
            ("barred", SweepRow { name: Some(&**who), reason: Some(&**reason), ids, ..of(0) })
        }
        Sweep::EndedPenalties => ("over", of(0)),
        Sweep::OldCertificates => ("expired", of(0)),
        Sweep::Grants(user, name) => ("grants", SweepRow { name: Some(name.as_str()), ..of(user.0) }),
        Sweep::Authored { erased, name, after } => {
            let row = SweepRow { name: Some(name.as_str()), ..of(*erased) };
            let id = |scope: &Scope| scope.map_or(0, |room| room.0);
            let row = match after {
                None => row,
                Some(PermissionPlace::Grant(there, user)) => {
                    SweepRow { after: Some((GRANT, id(there))), reason: Some(user.as_str()), ..row }
                }
                Some(PermissionPlace::Mute(there, user)) => {
                    SweepRow { after: Some((MUTE, id(there))), reason: Some(user.as_str()), ..row }
                }
                Some(PermissionPlace::Ban(there, banned)) => {
                    whom = banned.to_string();
                    SweepRow { after: Some((BAN, id(there))), reason: Some(&whom), ..row }
                }
            };
            ("authored", row)
        }
        Sweep::Empty(after) => ("empty", of(after.0)),
    };
    let SweepRow { of, after, name, reason, ids } = row;
    let (major, minor) = after.unzip();
    log.prepare_cached(
        "INSERT OR REPLACE INTO work (n, kind, of, after_major, after_minor, name, reason, sessions)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![int(n), kind, of, major, minor, name, reason, ids])?;
    Ok(())
}

/// Reads all sweeps.
pub(super) fn read(log: &Connection) -> rusqlite::Result<Vec<(u64, Sweep)>> {
    log.prepare("SELECT n, kind, of, after_major, after_minor, name, reason, sessions FROM work ORDER BY n")?
        .query_map([], |row| Ok((number(row, 0)?, sweep(row)?)))?
        .collect()
}

fn sweep(row: &Row<'_>) -> rusqlite::Result<Sweep> {
    let of: i64 = row.get(2)?;
    Ok(match row.get_ref(1)?.as_str()? {
        "directs" => {
            let after = match row.get::<_, Option<i64>>(3)? {
                Some(_) => Some((number(row, 3)?, ConversationId(row.get(4)?))),
                None => None,
            };
            Sweep::Directs(UserId(of), after)
        }
        "strangers" => Sweep::Strangers(UserId(of)),
        "lost" => Sweep::Lost(ConversationId(of)),
        "room" => Sweep::Room(ConversationId(of), (UserId(row.get(3)?), SessionId(row.get(4)?))),
        "barred" => Sweep::BannedRange {
            sessions: decode_ids(row, 7)?.into_iter().map(SessionId).collect(),
            who: row.get::<_, String>(5)?.into(),
            reason: row.get::<_, String>(6)?.into(),
        },
        "over" => Sweep::EndedPenalties,
        "expired" => Sweep::OldCertificates,
        "grants" => Sweep::Grants(UserId(of), name(row, 5)?),
        "authored" => {
            let place = |major: i64| {
                let there = scope(row, 4)?;
                Ok(match major {
                    GRANT => PermissionPlace::Grant(there, name(row, 6)?),
                    MUTE => PermissionPlace::Mute(there, name(row, 6)?),
                    BAN => PermissionPlace::Ban(there, parsed(row, 6)?),
                    other => {
                        let why = format!("{other} is no kind of permission");
                        return Err(rusqlite::Error::FromSqlConversionFailure(3, Type::Integer, why.into()));
                    }
                })
            };
            let after = row.get::<_, Option<i64>>(3)?.map(place).transpose()?;
            Sweep::Authored { erased: of, name: name(row, 5)?, after }
        }
        "empty" => Sweep::Empty(ConversationId(of)),
        other => {
            let why = format!("{other:?} is no work");
            return Err(rusqlite::Error::FromSqlConversionFailure(1, Type::Text, why.into()));
        }
    })
}

/// Reads the ended sessions that are still in rooms.
pub(super) fn read_leaving(log: &Connection) -> rusqlite::Result<Vec<EndedSession>> {
    log.prepare("SELECT session, user, name, color, rooms, node, connection FROM leaving ORDER BY session")?
        .query_map([], |row| {
            Ok(EndedSession {
                session: SessionId(row.get(0)?),
                user: UserId(row.get(1)?),
                name: name(row, 2)?,
                color: parsed(row, 3)?,
                origin: origin(row, 5)?,
                rooms: decode_ids(row, 4)?.into_iter().map(ConversationId).collect(),
            })
        })?
        .collect()
}

fn encode_ids(ids: impl Iterator<Item = i64>) -> Vec<u8> {
    ids.flat_map(i64::to_be_bytes).collect()
}

fn decode_ids(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<i64>> {
    let (ids, rest) = row.get_ref(column)?.as_blob()?.as_chunks::<ID_BYTES>();
    if !rest.is_empty() {
        let why = format!("{} bytes are no list of ids", rest.len() + ids.len() * ID_BYTES);
        return Err(rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, why.into()));
    }
    Ok(ids.iter().map(|id| i64::from_be_bytes(*id)).collect())
}
