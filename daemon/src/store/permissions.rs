//! Writes and reads the rows of grants, private rooms, mutes, bans and the audit log. Called by the writer
//! inside its transaction, when the store is opened, and by readers for the audit log. Never decides whether an
//! action is allowed.

use super::rows::{int, number};
use super::snapshot::{name, parsed};
use rusqlite::{Connection, Row, params};
use tcp_chat_protocol::Name;
use tcp_chat_state::{Audit, By, ConversationId, Penalty, PermissionChange, Scope, StoredPermissions};

/// A scope as a number: 0 is the server, and room ids begin with 1.
fn room(scope: Scope) -> i64 {
    scope.map_or(0, |room| room.0)
}

pub(super) fn scope(row: &Row<'_>, column: usize) -> rusqlite::Result<Scope> {
    let room: i64 = row.get(column)?;
    Ok((room != 0).then_some(ConversationId(room)))
}

/// Writes changes of the permissions, in order.
pub(super) fn write_changes(log: &Connection, changes: &[PermissionChange]) -> rusqlite::Result<()> {
    for change in changes {
        match change {
            PermissionChange::Grant { scope, user, role: Some(role), by } => {
                let sql = "INSERT OR REPLACE INTO grants (room, user, role, by) VALUES (?1, ?2, ?3, ?4)";
                let by = by.as_ref().map(Name::as_str);
                log.prepare_cached(sql)?.execute(params![room(*scope), user.as_str(), role.as_str(), by])?;
            }
            PermissionChange::Grant { scope, user, role: None, .. } => {
                let sql = "DELETE FROM grants WHERE room = ?1 AND user = ?2";
                log.prepare_cached(sql)?.execute(params![room(*scope), user.as_str()])?;
            }
            PermissionChange::Private { room, private: true } => {
                log.prepare_cached("INSERT OR IGNORE INTO private_rooms VALUES (?1)")?.execute([room.0])?;
            }
            PermissionChange::Private { room, private: false } => {
                log.prepare_cached("DELETE FROM private_rooms WHERE room = ?1")?.execute([room.0])?;
            }
            PermissionChange::Mute { scope, user, mute: Some(mute) } => {
                put_mute(log, *scope, user.as_str(), mute)?;
            }
            PermissionChange::Mute { scope, user, mute: None } => {
                let sql = "DELETE FROM mutes WHERE room = ?1 AND user = ?2";
                log.prepare_cached(sql)?.execute(params![room(*scope), user.as_str()])?;
            }
            PermissionChange::Ban { scope, banned, ban: Some(ban) } => {
                put_ban(log, *scope, &banned.to_string(), ban)?;
            }
            PermissionChange::Ban { scope, banned, ban: None } => {
                let sql = "DELETE FROM bans WHERE room = ?1 AND whom = ?2";
                log.prepare_cached(sql)?.execute(params![room(*scope), banned.to_string()])?;
            }
        }
    }
    Ok(())
}

fn put_mute(log: &Connection, scope: Scope, user: &str, mute: &Penalty) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO mutes (room, user, until, reason, by, since, share)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    put_penalty(log, sql, (scope, user), mute)
}

fn put_ban(log: &Connection, scope: Scope, whom: &str, ban: &Penalty) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO bans (room, whom, until, reason, by, since, share)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    put_penalty(log, sql, (scope, whom), ban)
}

fn put_penalty(
    log: &Connection,
    sql: &str,
    (scope, whom): (Scope, &str),
    penalty: &Penalty,
) -> rusqlite::Result<()> {
    let Penalty { until, reason, by, since, share } = penalty;
    let share = share.as_ref().map(Name::as_str);
    log.prepare_cached(sql)?.execute(params![
        room(scope),
        whom,
        until.map(int),
        reason,
        by,
        int(*since),
        share
    ])?;
    Ok(())
}

/// Removes the permissions of a removed room.
pub(super) fn remove_room(log: &Connection, room: ConversationId) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM grants WHERE room = ?1",
        "DELETE FROM private_rooms WHERE room = ?1",
        "DELETE FROM mutes WHERE room = ?1",
        "DELETE FROM bans WHERE room = ?1",
        "DELETE FROM opened WHERE room = ?1",
    ] {
        log.prepare_cached(sql)?.execute([room.0])?;
    }
    Ok(())
}

/// Reads all permissions.
pub(super) fn read(log: &Connection) -> rusqlite::Result<StoredPermissions> {
    let grants = log
        .prepare("SELECT room, user, role, by FROM grants")?
        .query_map([], |row| Ok((scope(row, 0)?, name(row, 1)?, parsed(row, 2)?, share(row, 3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let private = log
        .prepare("SELECT room FROM private_rooms")?
        .query_map([], |row| row.get(0).map(ConversationId))?
        .collect::<rusqlite::Result<_>>()?;
    let mutes = log
        .prepare("SELECT room, user, until, reason, by, since, share FROM mutes")?
        .query_map([], |row| Ok((scope(row, 0)?, name(row, 1)?, penalty(row)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let bans = log
        .prepare("SELECT room, whom, until, reason, by, since, share FROM bans")?
        .query_map([], |row| Ok((scope(row, 0)?, parsed(row, 1)?, penalty(row)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(StoredPermissions { grants, private, mutes, bans })
}

fn penalty(row: &Row<'_>) -> rusqlite::Result<Penalty> {
    Ok(Penalty {
        until: moment(row, 2)?,
        reason: row.get::<_, String>(3)?.into(),
        by: row.get::<_, String>(4)?.into(),
        since: number(row, 5)?,
        share: share(row, 6)?,
    })
}

/// The user whose share of the room's limit a row uses. `None`: no user's.
fn share(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Name>> {
    row.get_ref(column)?.as_str_or_null()?.map(|_| name(row, column)).transpose()
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|ms| u64::try_from(ms).unwrap_or(0)))
}

/// Adds lines to the audit log.
pub(super) fn append_audit(log: &Connection, lines: &[Audit]) -> rusqlite::Result<()> {
    for Audit { at, by, did, whom, room, what, until, reason } in lines {
        let (user, uid) = match by {
            By::User(name) => (Some(name.as_str()), None),
            By::Operator(uid) => (None, Some(*uid)),
        };
        // The id does not come from a clock, because clocks can go back.
        let sql = "INSERT INTO audit (id, at, user, uid, did, whom, room, what, until, reason)
             VALUES ((SELECT ifnull(max(id), 0) + 1 FROM audit), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        log.prepare_cached(sql)?.execute(params![
            int(*at),
            user,
            uid,
            did,
            whom,
            room,
            what,
            until.map(int),
            reason
        ])?;
    }
    Ok(())
}

/// The newest lines of the audit log, the oldest of them first.
pub(super) fn read_audit(log: &Connection, limit: usize) -> rusqlite::Result<Vec<Audit>> {
    let sql =
        "SELECT at, user, uid, did, whom, room, what, until, reason FROM audit ORDER BY id DESC LIMIT ?1";
    let mut lines: Vec<Audit> = log
        .prepare_cached(sql)?
        .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            let text = |column| row.get::<_, Option<String>>(column).map(|text| text.map(Into::into));
            let by = match row.get::<_, Option<u32>>(2)? {
                Some(uid) => By::Operator(uid),
                None => By::User(name(row, 1)?),
            };
            Ok(Audit {
                at: number(row, 0)?,
                by,
                did: row.get::<_, String>(3)?.into(),
                whom: text(4)?,
                room: text(5)?,
                what: text(6)?,
                until: moment(row, 7)?,
                reason: row.get::<_, String>(8)?.into(),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    lines.reverse();
    Ok(lines)
}
