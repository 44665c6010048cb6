//! Owns what the control socket is asked about users and their certificates: texts become wishes,
//! codes are made, the hub is asked. Never keeps a code: it goes into the answer, once.

use super::Desk;
use super::action::name;
use super::answers::{ask_hub, see};
use super::request::{ClientCertificate, Request, Revoked};
use crate::auth;
use crate::chat::{Certificate, Code, Digest, Gives, Look, Revocation, RoomSeen, Row, UserWish};
use crate::hub::Control;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use tcp_chat_protocol::invite::Pin;
use tcp_chat_protocol::{Name, NameKey, Timestamp};
use tracing::info;

/// How long a join line works.
const JOIN_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Does what is asked; `None`: it is about something else.
pub(super) async fn answer(request: &Request, uid: u32, desk: &Desk) -> Option<Result<Value, String>> {
    Some(match request {
        Request::UserAdd { user, certificate } => join(desk, uid, user, *certificate, UserWish::Add).await,
        Request::UserPassword { user, certificate } => {
            join(desk, uid, user, *certificate, UserWish::Reset).await
        }
        Request::UserRemove { user } => remove(desk, uid, user).await,
        Request::UserList => list(desk).await,
        Request::CertRevoke(which) => revoke(desk, uid, which).await,
        Request::CertIssued(issued) => match certificate(issued) {
            Ok(issued) => grant(desk, uid, UserWish::Issued(issued)).await.map(|_| json!({})),
            Err(why) => Err(why),
        },
        _ => return None,
    })
}

/// Who is registered. The list is made here, not where the hub decides.
async fn list(desk: &Desk) -> Result<Value, String> {
    let registered = ask_hub(desk, Control::Users).await?;
    let made = tokio::task::spawn_blocking(move || json!({ "users": registered.list() })).await;
    made.map_err(|why| why.to_string())
}

/// Registers a user, or gives one a new code.
async fn join(
    desk: &Desk,
    uid: u32,
    user: &str,
    for_certificate: bool,
    wish: impl FnOnce(Name, Code) -> UserWish,
) -> Result<Value, String> {
    let user = name(user)?;
    if for_certificate {
        desk.tls.may_sign().map_err(|why| why.to_string())?;
    }
    let (text, hash) =
        auth::token().ok_or("the system has no randomness to make a code of; try again later")?;
    let gives = if for_certificate { Gives::Certificate } else { Gives::Password };
    let day = u64::try_from(JOIN_WITHIN.as_millis()).unwrap_or(u64::MAX);
    let until = Timestamp::now().0.saturating_add(day);
    let sessions = grant(desk, uid, wish(user.clone(), Code { hash, until, gives })).await?;
    info!(event = "join_line", user = user.as_str(), gives = ?gives, sessions, "a join line was given out");
    Ok(json!({ "user": user, "code": *text, "until": until, "sessions": sessions }))
}

async fn remove(desk: &Desk, uid: u32, user: &str) -> Result<Value, String> {
    let user = name(user)?;
    let rooms = see(desk, Look::Rooms).await?;
    let sessions = grant(desk, uid, UserWish::Remove(user.clone())).await?;
    info!(event = "user_removed", user = user.as_str(), sessions, "user removed");
    // It is done, whether or not the rooms can be looked at again.
    let after = see(desk, Look::Rooms).await.unwrap_or_default();
    let made = tokio::task::spawn_blocking(move || left_without_owner(&user, &rooms, &after)).await;
    Ok(json!({ "sessions": sessions, "without_owner": made.map_err(|why| why.to_string())? }))
}

/// The rooms that only this user owned, and that are still there. Nobody becomes an owner by being the last one: the
/// operator decides who owns them next.
fn left_without_owner(user: &Name, before: &[Row], after: &[Row]) -> Vec<Name> {
    let without: HashSet<NameKey> =
        rooms(after).filter(|room| room.owners.is_empty()).map(|room| room.room.key()).collect();
    let is_only_owner =
        |room: &&RoomSeen| matches!(room.owners.as_slice(), [owner] if owner.key() == user.key());
    rooms(before)
        .filter(is_only_owner)
        .filter(|room| without.contains(&room.room.key()))
        .map(|room| room.room.clone())
        .collect()
}

fn rooms(rows: &[Row]) -> impl Iterator<Item = &RoomSeen> {
    rows.iter().filter_map(|row| if let Row::Room(room) = row { Some(room) } else { None })
}

async fn revoke(desk: &Desk, uid: u32, which: &Revoked) -> Result<Value, String> {
    let (wish, shown) = match which {
        Revoked::User(user) => (UserWish::RevokeAll(name(user)?), user.clone()),
        Revoked::Key(key) => (UserWish::RevokeKey(digest(key)?), key.clone()),
        Revoked::Certificate(shown) => (UserWish::Revoke(certificate(shown)?), shown.key.clone()),
    };
    let count = grant(desk, uid, wish).await?;
    info!(event = "certificate_revoked", which = shown, count, "certificate revoked");
    Ok(json!({ "revoked": count }))
}

fn certificate(shown: &ClientCertificate) -> Result<Certificate, String> {
    let ClientCertificate { user, key, until } = shown;
    Ok(Certificate { key: digest(key)?, name: name(user)?, until: *until, revoked: Revocation::None })
}

fn digest(text: &str) -> Result<Digest, String> {
    let pin: Result<Pin, _> = text.parse();
    pin.map(|pin| Digest(pin.0)).map_err(|_| format!("{text:?} is no SHA-256: 64 hexadecimal digits"))
}

async fn grant(desk: &Desk, uid: u32, wish: UserWish) -> Result<usize, String> {
    ask_hub(desk, |answer| Control::User(uid, wish, answer)).await?.map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_that_only_the_removed_user_owned_are_named_if_they_are_still_there() {
        let ana: Name = "ana".parse().unwrap();
        let room = |room: &str, owners: &[&str]| {
            Row::Room(RoomSeen {
                room: room.parse().unwrap(),
                members: 0,
                here: 0,
                head: 0,
                private: false,
                owners: owners.iter().map(|owner| owner.parse().unwrap()).collect(),
            })
        };
        let before = [
            room("hers", &["Ana"]),
            room("gone", &["ana"]),
            room("both", &["ana", "bo"]),
            room("given", &["ana"]),
            room("his", &["bo"]),
            room("nobodys", &[]),
        ];
        let after = [
            room("hers", &[]),
            room("both", &["bo"]),
            room("given", &["cy"]),
            room("his", &["bo"]),
            room("nobodys", &[]),
        ];
        assert_eq!(left_without_owner(&ana, &before, &after), ["hers".parse().unwrap()]);
    }
}
