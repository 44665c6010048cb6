//! Owns the requests of the control socket about users and their certificates: checks the texts, makes codes,
//! asks the hub. Called by [`super::handlers`]. Never keeps a code: only the reply contains it.

use super::AdminContext;
use super::action::name;
use super::handlers::{all_rows, ask_hub, ask_hub_patiently};
use super::request::{AdminRequest, ClientCertificate, Revoked};
use crate::auth;
use crate::hub::Control;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;
use tcp_chat_protocol::invite::Pin;
use tcp_chat_protocol::{Name, NameKey, Timestamp};
use tcp_chat_state::{
    Certificate, Code, CodePurpose, Digest, ListedRoom, Listing, Revocation, Row, UserCommand,
};
use tracing::info;

/// How long the code of a join line is valid.
const CODE_TTL: Duration = Duration::from_secs(24 * 3600);

/// Handles a request about users or certificates. `None`: the request is about something else.
pub(super) async fn answer(
    request: &AdminRequest,
    uid: u32,
    context: &AdminContext,
) -> Option<Result<Value, String>> {
    Some(match request {
        AdminRequest::UserAdd { user, certificate } => {
            join(context, uid, user, *certificate, UserCommand::Add).await
        }
        AdminRequest::UserPassword { user, certificate } => {
            join(context, uid, user, *certificate, UserCommand::Reset).await
        }
        AdminRequest::UserRemove { user } => remove(context, uid, user).await,
        AdminRequest::UserErase { user, lift } => erase(context, uid, user, *lift).await,
        AdminRequest::UserList => list(context).await,
        AdminRequest::CertRevoke(which) => revoke(context, uid, which).await,
        AdminRequest::CertIssued(issued) => match certificate(issued) {
            Ok(issued) => change_user(context, uid, UserCommand::Issued(issued)).await.map(|_| json!({})),
            Err(why) => Err(why),
        },
        _ => return None,
    })
}

/// The registered users. The list is built here, so the hub does not spend time on it.
async fn list(context: &AdminContext) -> Result<Value, String> {
    let registered = ask_hub(context, Control::Users).await?;
    let made = tokio::task::spawn_blocking(move || json!({ "users": registered.list() })).await;
    made.map_err(|why| why.to_string())
}

/// Registers a user, or makes a new code for one.
async fn join(
    context: &AdminContext,
    uid: u32,
    user: &str,
    for_certificate: bool,
    change: impl FnOnce(Name, Code) -> UserCommand,
) -> Result<Value, String> {
    let user = name(user)?;
    if for_certificate {
        context.tls.check_can_sign().map_err(|why| why.to_string())?;
    }
    let (text, hash) = auth::token().ok_or("the system has no randomness for a code; try again later")?;
    let gives = if for_certificate { CodePurpose::Certificate } else { CodePurpose::Password };
    let day = u64::try_from(CODE_TTL.as_millis()).unwrap_or(u64::MAX);
    let until = Timestamp::now().0.saturating_add(day);
    let sessions = change_user(context, uid, change(user.clone(), Code { hash, until, gives })).await?;
    info!(event = "join_line", user = user.as_str(), gives = ?gives, sessions, "a join line was issued");
    Ok(json!({ "user": user, "code": *text, "until": until, "sessions": sessions }))
}

async fn remove(context: &AdminContext, uid: u32, user: &str) -> Result<Value, String> {
    let user = name(user)?;
    let rooms = all_rows(context, Listing::Rooms).await?;
    let sessions = change_user(context, uid, UserCommand::Remove(user.clone())).await?;
    info!(event = "user_removed", user = user.as_str(), sessions, "user removed");
    // The user is removed, even if the rooms cannot be listed again.
    let after = all_rows(context, Listing::Rooms).await.unwrap_or_default();
    let made = tokio::task::spawn_blocking(move || rooms_without_owner(&user, &rooms, &after)).await;
    Ok(json!({ "sessions": sessions, "without_owner": made.map_err(|why| why.to_string())? }))
}

/// Erases a user. The log does not get the old name. The reply has the number of its messages, if it is known.
async fn erase(context: &AdminContext, uid: u32, user: &str, lift: bool) -> Result<Value, String> {
    let user = name(user)?;
    let rooms = all_rows(context, Listing::Rooms).await?;
    let wish = UserCommand::Erase(user.clone(), lift);
    let done = ask_hub_patiently(context, |answer| Control::User(uid, wish, answer)).await;
    let number = done.ok_or(
        "no answer came, because the daemon ends, or the cluster had no order for too long. If the erasure has begun, it goes on \
         by itself: `tcp-chatd status` shows erasing_left",
    )?;
    let number = number.map_err(|why| why.to_string())?;
    let erased = Name::erased(number as u64);
    info!(event = "user_erased", user = erased.as_str(), "user erased");
    let id = i64::try_from(number).unwrap_or_default();
    let messages = ask_hub(context, |answer| Control::Erased(id, answer)).await.ok().flatten();
    let after = all_rows(context, Listing::Rooms).await.unwrap_or_default();
    let made = tokio::task::spawn_blocking(move || rooms_without_owner(&user, &rooms, &after)).await;
    let without_owner = made.map_err(|why| why.to_string())?;
    Ok(json!({ "user": erased, "messages": messages, "without_owner": without_owner }))
}

/// The rooms that this user alone owned and that still exist. The daemon appoints no owner: an operator does.
fn rooms_without_owner(user: &Name, before: &[Row], after: &[Row]) -> Vec<Name> {
    let without: HashSet<NameKey> =
        rooms(after).filter(|room| room.owners.is_empty()).map(|room| room.room.key()).collect();
    let is_only_owner =
        |room: &&ListedRoom| matches!(room.owners.as_slice(), [owner] if owner.key() == user.key());
    rooms(before)
        .filter(is_only_owner)
        .filter(|room| without.contains(&room.room.key()))
        .map(|room| room.room.clone())
        .collect()
}

fn rooms(rows: &[Row]) -> impl Iterator<Item = &ListedRoom> {
    rows.iter().filter_map(|row| if let Row::Room(room) = row { Some(room) } else { None })
}

async fn revoke(context: &AdminContext, uid: u32, which: &Revoked) -> Result<Value, String> {
    let (change, shown) = match which {
        Revoked::User(user) => (UserCommand::RevokeAll(name(user)?), user.clone()),
        Revoked::Key(key) => (UserCommand::RevokeKey(digest(key)?), key.clone()),
        Revoked::Certificate(shown) => (UserCommand::Revoke(certificate(shown)?), shown.key.clone()),
    };
    let count = change_user(context, uid, change).await?;
    info!(event = "certificate_revoked", which = shown, count, "certificate revoked");
    Ok(json!({ "revoked": count }))
}

fn certificate(shown: &ClientCertificate) -> Result<Certificate, String> {
    let ClientCertificate { user, key, until } = shown;
    Ok(Certificate { key: digest(key)?, name: name(user)?, until: *until, revoked: Revocation::None })
}

fn digest(text: &str) -> Result<Digest, String> {
    let pin: Result<Pin, _> = text.parse();
    pin.map(|pin| Digest(pin.0)).map_err(|_| format!("{text:?} is not a SHA-256 of 64 hexadecimal digits"))
}

async fn change_user(context: &AdminContext, uid: u32, change: UserCommand) -> Result<usize, String> {
    ask_hub(context, |answer| Control::User(uid, change, answer)).await?.map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_that_only_the_removed_user_owned_are_named_if_they_are_still_there() {
        let ana: Name = "ana".parse().unwrap();
        let room = |room: &str, owners: &[&str]| {
            Row::Room(ListedRoom {
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
        assert_eq!(rooms_without_owner(&ana, &before, &after), ["hers".parse().unwrap()]);
    }
}
