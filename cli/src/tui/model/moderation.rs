//! Owns the syntax of the moderation commands: `/kick`, `/mute`, `/ban`, `/role`, `/private`. Pure; called by
//! `command`. Never knows the permissions: the server does.

use std::time::Duration;
use tcp_chat_client::protocol::request::{self, Place};
use tcp_chat_client::protocol::{Banned, Name, Role};
use tcp_chat_client::{Action, Against};

/// Parses such a command; the room is added later. `None`: another command, or an invalid form.
///
/// # Errors
/// The user's name is invalid, as a sentence.
pub(crate) fn read(word: &str, rest: &str) -> Option<Result<Action, String>> {
    if word == "private" {
        let private = match rest {
            "on" => true,
            "off" => false,
            _ => return None,
        };
        return Some(Ok(Action::Room { room: Place(None), private }));
    }
    let (user, more) = split(rest);
    let user = user.strip_prefix('@').unwrap_or(user);
    if user.is_empty() {
        return None;
    }
    let name = || Name::parse_kept(user).map_err(|why| format!("{user:?}: {why}"));
    let (time, reason) = split(more);
    let for_s = humantime::parse_duration(time).ok().map(|time| time.max(Duration::from_secs(1)).as_secs());
    let reason = if for_s.is_some() { reason } else { more };
    Some(match (word, more) {
        ("kick", _) => name().map(|user| Action::Kick(against(user, None, more))),
        ("mute", _) => name().map(|user| Action::Mute(against(user, for_s, reason))),
        ("ban", _) => name().map(|user| Action::Ban(against(Banned::User(user), for_s, reason))),
        ("unmute", "") => name().map(|user| Action::Unmute(Against::new(user))),
        ("unban", "") => name().map(|user| Action::Unban(Against::new(Banned::User(user)))),
        ("role", "none") => name().map(|user| Action::Grant { user, role: None, room: None }),
        ("role", role) => {
            let role = Some(role.parse::<Role>().ok()?);
            name().map(|user| Action::Grant { user, role, room: None })
        }
        _ => return None,
    })
}

fn against<T>(target: T, for_s: Option<u64>, reason: &str) -> Against<T> {
    Against { for_s, reason: reason.to_owned(), ..Against::new(target) }
}

/// The same action in that room.
pub(crate) fn within(mut action: Action, room: &str) -> Action {
    let here = Place(Name::parse_kept(room).ok());
    match &mut action {
        Action::Kick(of) | Action::Mute(of) | Action::Unmute(of) => of.room = Some(here),
        Action::Ban(of) | Action::Unban(of) => of.room = Some(here),
        Action::Grant { room, .. } => *room = Some(here),
        Action::Room { room, .. } | Action::Topic { room, .. } | Action::RemoveRoom(room) => *room = here,
        Action::Redact(redact) => redact.of = request::Conversation::Room(here),
        Action::RedactNumber { .. } => {}
    }
    action
}

fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_typed_moderation_command_is_the_request() {
        let bo: Name = "bo".parse().unwrap();
        let here = Place("ops".parse().ok());
        let mute = |for_s, reason| Against { room: Some(here.clone()), ..against(bo.clone(), for_s, reason) };
        let ban = |for_s, reason| Against {
            room: Some(here.clone()),
            ..against(Banned::User(bo.clone()), for_s, reason)
        };
        let grant = |role| Action::Grant { user: bo.clone(), role, room: Some(here.clone()) };
        for (word, rest, action) in [
            ("kick", "@bo", Action::Kick(mute(None, ""))),
            ("kick", "bo 10m is enough", Action::Kick(mute(None, "10m is enough"))),
            ("mute", "bo", Action::Mute(mute(None, ""))),
            ("mute", "bo 10m", Action::Mute(mute(Some(600), ""))),
            ("ban", "bo 7d  spam, again", Action::Ban(ban(Some(604_800), "spam, again"))),
            ("ban", "bo spam 7d", Action::Ban(ban(None, "spam 7d"))),
            ("unmute", "bo", Action::Unmute(mute(None, ""))),
            ("unban", "bo", Action::Unban(ban(None, ""))),
            ("role", "bo read-only", grant(Some(Role::ReadOnly))),
            ("role", "bo none", grant(None)),
            ("private", "off", Action::Room { room: here.clone(), private: false }),
        ] {
            let read = read(word, rest).map(|read| read.map(|action| within(action, "ops")));
            assert_eq!(read, Some(Ok(action)), "/{word} {rest}");
        }
        assert!(read("kick", "bo!").unwrap().unwrap_err().starts_with("\"bo!\": a name is letters"));
        for (word, rest) in [
            ("kick", ""),
            ("unban", "bo please"),
            ("role", "bo king"),
            ("role", "bo"),
            ("private", ""),
            ("x", "bo"),
            ("join", "#ops"),
        ] {
            assert_eq!(read(word, rest), None, "/{word} {rest}");
        }
    }
}
