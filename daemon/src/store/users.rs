//! Writes and reads the rows of registered users, removed users and certificates. Called by the writer inside
//! its transaction, and when the store is opened. Never decides what a user may do.

use super::rows::{int, number};
use super::snapshot::name;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, params};
use tcp_chat_state::{Certificate, Code, CodePurpose, Digest, Removed, Revocation, User, UserChange, UserId};

/// Writes a change of the users.
pub(super) fn write_change(log: &Connection, change: &UserChange) -> rusqlite::Result<()> {
    match change {
        UserChange::Put(user) => put_user(log, user),
        UserChange::Gone(id) => {
            log.prepare_cached("DELETE FROM users WHERE id = ?1")?.execute([id.0])?;
            Ok(())
        }
        UserChange::Certificate(certificate) => put_certificate(log, certificate),
        UserChange::Forget(key, name) => {
            log.prepare_cached("DELETE FROM certificates WHERE key = ?1 AND name = ?2")?
                .execute(params![&key.0[..], name.as_str()])?;
            Ok(())
        }
        UserChange::Removed(removed) => put_removed(log, removed),
        UserChange::ForgetRemoved(name) => {
            log.prepare_cached("DELETE FROM removed_users WHERE name = ?1")?.execute([name.as_str()])?;
            Ok(())
        }
    }
}

fn put_user(log: &Connection, user: &User) -> rusqlite::Result<()> {
    let User { id, name, password, code, added } = user;
    let gives = code.map(|code| match code.gives {
        CodePurpose::Password => "password",
        CodePurpose::Certificate => "certificate",
    });
    log.prepare_cached(
        "INSERT OR REPLACE INTO users (id, name, password, added, code, code_until, code_gives)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        id.0,
        name.as_str(),
        password.as_deref(),
        int(*added),
        code.as_ref().map(|code| &code.hash.0[..]),
        code.map(|code| int(code.until)),
        gives,
    ])?;
    Ok(())
}

fn put_certificate(log: &Connection, certificate: &Certificate) -> rusqlite::Result<()> {
    let Certificate { key, name, until, revoked } = certificate;
    let revocation = match revoked {
        Revocation::None => 0,
        Revocation::Name => 1,
        Revocation::Key => 2,
    };
    log.prepare_cached(
        "INSERT OR REPLACE INTO certificates (key, name, until, revoked) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![&key.0[..], name.as_str(), int(*until), revocation])?;
    Ok(())
}

fn put_removed(log: &Connection, removed: &Removed) -> rusqlite::Result<()> {
    let Removed { name, at } = removed;
    log.prepare_cached("INSERT OR REPLACE INTO removed_users (name, at) VALUES (?1, ?2)")?
        .execute(params![name.as_str(), int(*at)])?;
    Ok(())
}

/// Reads the removed users.
pub(super) fn read_removed(log: &Connection) -> rusqlite::Result<Vec<Removed>> {
    log.prepare("SELECT name, at FROM removed_users ORDER BY name")?
        .query_map([], |row| Ok(Removed { name: name(row, 0)?, at: number(row, 1)? }))?
        .collect()
}

/// Reads all users and certificates.
pub(super) fn read(log: &Connection) -> rusqlite::Result<(Vec<User>, Vec<Certificate>)> {
    let users = log
        .prepare("SELECT id, name, password, added, code, code_until, code_gives FROM users ORDER BY id")?
        .query_map([], user)?
        .collect::<rusqlite::Result<_>>()?;
    let certificates = log
        .prepare("SELECT key, name, until, revoked FROM certificates ORDER BY key, name")?
        .query_map([], |row| {
            Ok(Certificate {
                key: Digest(row.get(0)?),
                name: name(row, 1)?,
                until: number(row, 2)?,
                revoked: match row.get(3)? {
                    0 => Revocation::None,
                    1 => Revocation::Name,
                    // An unknown value is treated as the widest revocation.
                    _ => Revocation::Key,
                },
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok((users, certificates))
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let code = match row.get::<_, Option<[u8; 32]>>(4)? {
        None => None,
        Some(hash) => Some(Code {
            hash: Digest(hash),
            until: number(row, 5)?,
            gives: match row.get_ref(6)?.as_str()? {
                "password" => CodePurpose::Password,
                "certificate" => CodePurpose::Certificate,
                other => {
                    let why = format!("{other:?} is nothing that a code gives");
                    return Err(rusqlite::Error::FromSqlConversionFailure(6, Type::Text, why.into()));
                }
            },
        }),
    };
    Ok(User {
        id: UserId(row.get(0)?),
        name: name(row, 1)?,
        password: row.get::<_, Option<String>>(2)?.map(Into::into),
        code,
        added: number(row, 3)?,
    })
}
