//! Owns the moderation actions that operators request, and the step from a request to an [`Action`]. Used by the
//! daemon and by its command line. Never decides whether an action is permitted.

use super::fields::{Ban, Grant, Kick, Mute, Redact, Unban, Unmute};
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use tcp_chat_protocol::request::{
    Action, Against, Conversation, MOST_SECONDS, Place, REASON_BYTES, check_action, check_topic,
};
use tcp_chat_protocol::{Banned, Name, request, text};

/// A moderation action that an operator requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum ActionRequest {
    /// Removes a user from a room, or from the server.
    Kick(Kick),
    /// Forbids a user to write.
    Mute(Mute),
    /// Lifts a mute.
    Unmute(Unmute),
    /// Forbids to join a room, or to log in.
    Ban(Ban),
    /// Lifts a ban.
    Unban(Unban),
    /// Makes a room private or public, or sets its topic.
    Room {
        /// The room.
        room: String,
        /// Whether it becomes private.
        private: Option<bool>,
        /// The new topic; empty: removes it.
        topic: Option<String>,
    },
    /// Removes a room.
    #[serde(rename = "room remove")]
    RemoveRoom {
        /// The room.
        room: String,
    },
    /// Gives a user a role, or takes it away.
    Grant(Grant),
    /// Removes the text of a message.
    Redact(Redact),
}

impl ActionRequest {
    /// The commands that are actions, as they are on the control socket.
    pub(super) const COMMANDS: [&str; 9] =
        ["kick", "mute", "unmute", "ban", "unban", "room", "room remove", "grant", "redact"];

    /// The action.
    ///
    /// # Errors
    /// The sentence for a field that is missing or invalid.
    pub fn action(&self) -> Result<Action, String> {
        Ok(match self {
            Self::Kick(Kick { user, reason, room, .. }) => {
                Action::Kick(against(name(user)?, room, None, reason)?)
            }
            Self::Mute(Mute { user, for_s, reason, room, .. }) => {
                Action::Mute(against(name(present(user, "user")?)?, room, *for_s, reason)?)
            }
            Self::Unmute(Unmute { user, room, .. }) => {
                Action::Unmute(against(name(user)?, room, None, &None)?)
            }
            Self::Ban(Ban { whom, for_s, reason, room, .. }) => {
                Action::Ban(against(banned(present(whom, "whom")?)?, room, *for_s, reason)?)
            }
            Self::Unban(Unban { whom, room, .. }) => {
                Action::Unban(against(banned(whom)?, room, None, &None)?)
            }
            Self::Room { room, private: Some(private), topic: None } => {
                Action::Room { room: place(room)?, private: *private }
            }
            Self::Room { room, private: None, topic: Some(topic) } => {
                check_topic(topic)?;
                Action::Topic { room: place(room)?, topic: topic.clone() }
            }
            Self::Room { private: None, .. } => return Err(missing("private")),
            Self::Room { .. } => return Err("`private` and `topic` exclude each other".to_owned()),
            Self::RemoveRoom { room } => Action::RemoveRoom(place(room)?),
            Self::Grant(Grant { user, role, room, .. }) => Action::Grant {
                user: name(present(user, "user")?)?,
                role: role.and_then(|role| role.0),
                room: room.as_deref().map(place).transpose()?,
            },
            Self::Redact(Redact { room, seq, reason, .. }) => {
                let (seq, reason) = (*seq, checked(reason)?);
                match room {
                    Some(room) => {
                        Action::Redact(request::Redact { of: Conversation::Room(place(room)?), seq, reason })
                    }
                    None => Action::RedactNumber { seq, reason },
                }
            }
        })
    }
}

fn against<T>(
    target: T,
    room: &Option<String>,
    for_s: Option<u64>,
    reason: &Option<String>,
) -> Result<Against<T>, String> {
    check_action(for_s, "").map_err(|_| {
        let days = MOST_SECONDS / (24 * 3600);
        format!("the duration must be from 1 second to {days} days; without one, it lasts until it is lifted")
    })?;
    Ok(Against { target, room: room.as_deref().map(place).transpose()?, for_s, reason: checked(reason)? })
}

fn checked(reason: &Option<String>) -> Result<String, String> {
    let reason = reason.as_deref().unwrap_or_default();
    check_reason(reason).map_err(|why| format!("the reason: {why}"))
}

pub(super) fn check_reason(reason: &str) -> Result<String, String> {
    match reason.is_empty() {
        true => Ok(String::new()),
        false => text::check(reason, REASON_BYTES).map(|()| reason.to_owned()).map_err(|why| why.to_string()),
    }
}

/// clap requires the field, but not beside the subcommand `list`. The control socket has no such subcommand.
fn present<'a>(field: &'a Option<String>, name: &'static str) -> Result<&'a str, String> {
    field.as_deref().ok_or_else(|| missing(name))
}

pub(super) fn invalid_request(why: &serde_json::Error) -> String {
    format!("this is not a valid request: {why}")
}

fn missing(field: &'static str) -> String {
    invalid_request(&serde_json::Error::missing_field(field))
}

/// Reads a name that an operator wrote.
pub(super) fn name(text: &str) -> Result<Name, String> {
    Name::parse(text).map(Name::prepared).map_err(|why| format!("{text:?}: {why}"))
}

fn banned(text: &str) -> Result<Banned, String> {
    text.parse::<Banned>().map_err(|why| why.to_string())
}

fn place(room: &str) -> Result<Place, String> {
    Ok(Place(Some(name(room)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::AdminRequest;

    #[test]
    fn an_action_survives_its_json_form() {
        for line in [
            r#"{"command":"kick","reason":"off topic","room":"ops","user":"bo"}"#,
            r#"{"command":"mute","for_s":60,"user":"bo"}"#,
            r#"{"command":"unmute","room":"ops","user":"bo"}"#,
            r#"{"command":"ban","for_s":60,"reason":"flood","whom":"address:10.0.0.0/8"}"#,
            r#"{"command":"unban","whom":"user:10.0.0.1"}"#,
            r#"{"command":"room","private":false,"room":"ops"}"#,
            r#"{"command":"room","room":"ops","topic":"On call: bo"}"#,
            r#"{"command":"room","room":"ops","topic":""}"#,
            r#"{"command":"redact","reason":"a password","room":"ops","seq":7}"#,
            r#"{"command":"redact","room":"ops","seq":7}"#,
            r#"{"command":"room remove","room":"ops"}"#,
            r#"{"command":"grant","role":"read-only","room":"ops","user":"bo"}"#,
            r#"{"command":"grant","user":"bo"}"#,
        ] {
            let read = AdminRequest::read(line.as_bytes()).unwrap();
            assert!(matches!(&read, AdminRequest::Action(asked) if asked.action().is_ok()), "{line}");
            let mut written = read.to_json();
            written.as_object_mut().unwrap().remove("version");
            assert_eq!(written.to_string(), line);
        }
    }

    #[test]
    fn a_field_that_is_missing_unknown_or_wrong_is_named() {
        for (line, why) in [
            (r#"{"command":"kick"}"#, "this is not a valid request: missing field `user`"),
            (
                r#"{"command":"kick","user":"bo","for_s":60}"#,
                "this is not a valid request: unknown field `for_s`, expected one of `user`, `reason`, `room`",
            ),
            (r#"{"command":"redact","room":"ops"}"#, "this is not a valid request: missing field `seq`"),
            (
                r#"{"command":"room","room":"ops","topic":"x","private":true}"#,
                "`private` and `topic` exclude each other",
            ),
            (r#"{"command":"room","room":"ops"}"#, "this is not a valid request: missing field `private`"),
            (
                r#"{"command":"mute","user":7}"#,
                "this is not a valid request: invalid type: integer `7`, expected a string",
            ),
            (
                r#"{"command":"kick","user":"a b"}"#,
                "\"a b\": a name is letters, digits and marks, with _ - . inside; U+0020 is not allowed there",
            ),
        ] {
            let read = AdminRequest::read(line.as_bytes()).and_then(|read| match read {
                AdminRequest::Action(asked) => asked.action(),
                other => panic!("{other:?}"),
            });
            assert_eq!(read, Err(why.to_owned()), "{line}");
        }
    }

    #[test]
    fn durations_and_reasons_are_refused_in_words_for_each_interface() {
        let mute = |for_s, reason: &str| {
            let reason = Some(reason.to_owned());
            let mute =
                Mute { list: None, user: Some("bo".to_owned()), for_s, reason, room: None, json: false };
            ActionRequest::Mute(mute).action().map(drop)
        };
        let lasts =
            "the duration must be from 1 second to 3660 days; without one, it lasts until it is lifted";
        for seconds in [0, MOST_SECONDS + 1] {
            assert_eq!(mute(Some(seconds), ""), Err(lasts.to_owned()));
        }
        let why = "the reason: the text has 257 bytes of UTF-8, and 256 are allowed";
        assert_eq!(mute(None, &"x".repeat(257)), Err(why.to_owned()));
        assert_eq!(mute(Some(MOST_SECONDS), "caps"), Ok(()));
    }
}
