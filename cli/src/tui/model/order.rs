//! Owns how the commands of those who keep order are written: `/kick`, `/mute`, `/ban`, `/role`, `/private`. Pure;
//! called by `command`. Never knows who may: the server says so.

use std::time::Duration;
use tcp_chat_client::protocol::Role;
use tcp_chat_client::{Act, Against};

/// Reads such a command; the room is put in later. `None`: it is none, or not written so.
pub(crate) fn read(word: &str, rest: &str) -> Option<Act> {
    let (user, more) = split(rest);
    let user = user.strip_prefix('@').unwrap_or(user).to_owned();
    if word == "private" {
        let private = match rest {
            "on" => true,
            "off" => false,
            _ => return None,
        };
        return Some(Act::Room { room: String::new(), private });
    }
    if user.is_empty() {
        return None;
    }
    let against = |for_s: Option<u64>, reason: &str| Against {
        user: user.clone(),
        for_s,
        reason: reason.to_owned(),
        ..Against::default()
    };
    let for_a_while = || {
        let (time, reason) = split(more);
        match humantime::parse_duration(time) {
            Ok(time) => against(Some(time.max(Duration::from_secs(1)).as_secs()), reason),
            Err(_) => against(None, more),
        }
    };
    Some(match (word, more) {
        ("kick", _) => Act::Kick(against(None, more)),
        ("mute", _) => Act::Mute(for_a_while()),
        ("ban", _) => Act::Ban(for_a_while()),
        ("unmute", "") => Act::Unmute(against(None, "")),
        ("unban", "") => Act::Unban(against(None, "")),
        ("role", "none") => Act::Grant { user, role: None, room: None },
        ("role", role) => Act::Grant { user, role: Some(role.parse::<Role>().ok()?), room: None },
        _ => return None,
    })
}

/// The same act, in that room.
pub(crate) fn within(act: Act, place: &str) -> Act {
    let here = |against: Against| Against { room: Some(place.to_owned()), ..against };
    match act {
        Act::Kick(against) => Act::Kick(here(against)),
        Act::Mute(against) => Act::Mute(here(against)),
        Act::Unmute(against) => Act::Unmute(here(against)),
        Act::Ban(against) => Act::Ban(here(against)),
        Act::Unban(against) => Act::Unban(here(against)),
        Act::Grant { user, role, .. } => Act::Grant { user, role, room: Some(place.to_owned()) },
        Act::Room { private, .. } => Act::Room { room: place.to_owned(), private },
        other => other,
    }
}

fn split(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_done() {
        let against = |for_s, reason: &str| Against {
            user: "bo".into(),
            room: Some("ops".into()),
            for_s,
            reason: reason.into(),
        };
        let grant = |role| Act::Grant { user: "bo".into(), role, room: Some("ops".into()) };
        for (word, rest, act) in [
            ("kick", "@bo", Act::Kick(against(None, ""))),
            ("kick", "bo 10m is enough", Act::Kick(against(None, "10m is enough"))),
            ("mute", "bo", Act::Mute(against(None, ""))),
            ("mute", "bo 10m", Act::Mute(against(Some(600), ""))),
            ("ban", "bo 7d  spam, again", Act::Ban(against(Some(604_800), "spam, again"))),
            ("ban", "bo spam 7d", Act::Ban(against(None, "spam 7d"))),
            ("unmute", "bo", Act::Unmute(against(None, ""))),
            ("unban", "bo", Act::Unban(against(None, ""))),
            ("role", "bo read-only", grant(Some(Role::ReadOnly))),
            ("role", "bo none", grant(None)),
            ("private", "off", Act::Room { room: "ops".into(), private: false }),
        ] {
            assert_eq!(read(word, rest).map(|act| within(act, "ops")), Some(act), "/{word} {rest}");
        }
        for (word, rest) in [
            ("kick", ""),
            ("unban", "bo please"),
            ("role", "bo king"),
            ("role", "bo"),
            ("private", ""),
            ("x", "bo"),
        ] {
            assert_eq!(read(word, rest), None, "/{word} {rest}");
        }
    }
}
