//! Owns the JSON form of a moderation action on the control socket: the command, and the fields that it takes as
//! texts. The daemon, the control socket's client and the command line use it. Never decides whether an action is
//! permitted.

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::{Map, Value, json};
use tcp_chat_protocol::request::{
    Action, Against, Conversation, MOST_SECONDS, Place, REASON_BYTES, Redact, check_action, check_topic,
};
use tcp_chat_protocol::{Banned, Name, Role, Seq, text};

/// The commands that are actions, each with its fields.
const COMMANDS: [(&str, &[&str]); 9] = [
    ("kick", &["user", "room", "reason"]),
    ("mute", &["user", "room", "for_s", "reason"]),
    ("unmute", &["user", "room"]),
    ("ban", &["whom", "room", "for_s", "reason"]),
    ("unban", &["whom", "room"]),
    ("room", &["room", "private", "topic"]),
    ("room remove", &["room"]),
    ("grant", &["user", "role", "room"]),
    ("redact", &["room", "seq", "reason"]),
];

/// The fields of an action, as an operator writes them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct ActionFields {
    /// The user.
    pub user: Option<String>,
    /// The target of a ban, in the form of [`Banned`].
    pub whom: Option<String>,
    /// The room; `None`: the whole server.
    pub room: Option<String>,
    /// Whether the room becomes private.
    pub private: Option<bool>,
    /// The new topic of the room; empty: removes it.
    pub topic: Option<String>,
    /// The message to redact.
    pub seq: Option<Seq>,
    /// The role; `None`: takes the role away.
    pub role: Option<Role>,
    /// The duration, in seconds; `None`: until it is lifted.
    pub for_s: Option<u64>,
    /// The reason; may be empty.
    pub reason: String,
}

/// The names of the commands, for a sentence.
pub(super) fn commands() -> String {
    COMMANDS.map(|(command, _)| format!("`{command}`")).join(", ")
}

/// Reads a request that is an action. `None`: the command is not an action.
pub(super) fn read(request: &Map<String, Value>) -> Option<Result<Action, String>> {
    let command = request.get("command")?.as_str()?;
    let (_, allowed) = COMMANDS.into_iter().find(|(name, _)| *name == command)?;
    let mut fields = request.clone();
    fields.remove("command");
    if let Some(unknown) = fields.keys().find(|field| !allowed.contains(&field.as_str())) {
        return Some(Err(invalid_request(&serde_json::Error::unknown_field(unknown, allowed))));
    }
    let fields: Result<ActionFields, _> = serde_json::from_value(Value::Object(fields));
    Some(fields.map_err(|why| invalid_request(&why)).and_then(|fields| fields.action(command)))
}

/// The JSON object of an action.
pub(super) fn write(action: &Action) -> Value {
    let command = action.op().to_lowercase();
    let mut request = match action {
        Action::Kick(of) | Action::Mute(of) | Action::Unmute(of) => {
            against("user", &of.target.to_string(), of)
        }
        Action::Ban(of) | Action::Unban(of) => against("whom", &of.target.to_string(), of),
        Action::Room { room, private } => json!({ "room": room, "private": private }),
        Action::Topic { room, topic } => json!({ "room": room, "topic": topic }),
        Action::Redact(Redact { of, seq, reason }) => {
            let room = match of {
                Conversation::Room(room) => Some(room),
                // Operators name a direct message by its number.
                Conversation::With(_) => None,
            };
            let reason = Some(reason).filter(|reason| !reason.is_empty());
            json!({ "room": room, "seq": seq, "reason": reason })
        }
        Action::RedactNumber { seq, reason } => {
            let reason = Some(reason).filter(|reason| !reason.is_empty());
            json!({ "seq": seq, "reason": reason })
        }
        Action::RemoveRoom(room) => json!({ "room": room }),
        Action::Grant { user, role, room } => json!({ "user": user, "role": role, "room": room }),
    };
    let allowed =
        COMMANDS.into_iter().find(|(name, _)| *name == command).map_or(&[][..], |(_, allowed)| allowed);
    if let Some(fields) = request.as_object_mut() {
        fields.retain(|field, value| allowed.contains(&field.as_str()) && !value.is_null());
    }
    request["command"] = command.into();
    request
}

fn against<T>(field: &str, target: &str, of: &Against<T>) -> Value {
    let reason = Some(&of.reason).filter(|reason| !reason.is_empty());
    json!({ field: target, "room": of.room, "for_s": of.for_s, "reason": reason })
}

impl ActionFields {
    /// The action of this command with these fields.
    ///
    /// # Errors
    /// The sentence for a field that is missing or invalid.
    pub fn action(&self, command: &str) -> Result<Action, String> {
        let user = || name(self.user.as_deref().ok_or_else(|| missing("user"))?);
        let whom = || {
            let whom = self.whom.as_deref().ok_or_else(|| missing("whom"))?;
            whom.parse::<Banned>().map_err(|why| why.to_string())
        };
        let room = || self.room.as_deref().map(place).transpose();
        let required_room = || room()?.ok_or_else(|| missing("room"));
        Ok(match command {
            "kick" => Action::Kick(self.against(user)?),
            "mute" => Action::Mute(self.against(user)?),
            "unmute" => Action::Unmute(self.against(user)?),
            "ban" => Action::Ban(self.against(whom)?),
            "unban" => Action::Unban(self.against(whom)?),
            "room" => match (self.private, &self.topic) {
                (Some(private), None) => Action::Room { room: required_room()?, private },
                (None, Some(topic)) => {
                    check_topic(topic)?;
                    Action::Topic { room: required_room()?, topic: topic.clone() }
                }
                (None, None) => return Err(missing("private")),
                (Some(_), Some(_)) => return Err("`private` and `topic` exclude each other".to_owned()),
            },
            "redact" => {
                check(None, &self.reason)?;
                let (seq, reason) = (self.seq.ok_or_else(|| missing("seq"))?, self.reason.clone());
                match room()? {
                    Some(room) => Action::Redact(Redact { of: Conversation::Room(room), seq, reason }),
                    None => Action::RedactNumber { seq, reason },
                }
            }
            "room remove" => Action::RemoveRoom(required_room()?),
            "grant" => Action::Grant { room: room()?, user: user()?, role: self.role },
            other => return Err(format!("{other:?} is not an action")),
        })
    }

    fn against<T>(&self, target: impl Fn() -> Result<T, String>) -> Result<Against<T>, String> {
        check(self.for_s, &self.reason)?;
        let (target, reason) = (target()?, self.reason.clone());
        Ok(Against { target, room: self.room.as_deref().map(place).transpose()?, for_s: self.for_s, reason })
    }
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

fn place(room: &str) -> Result<Place, String> {
    Ok(Place(Some(name(room)?)))
}

/// Checks the duration and the reason. The sentences fit the command line and the control socket.
fn check(for_s: Option<u64>, reason: &str) -> Result<(), String> {
    check_action(for_s, "").map_err(|_| {
        let days = MOST_SECONDS / (24 * 3600);
        format!("the duration must be from 1 second to {days} days; without one, it lasts until it is lifted")
    })?;
    match reason.is_empty() {
        true => Ok(()),
        false => text::check(reason, REASON_BYTES).map_err(|why| format!("the reason: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            r#"{"command":"redact","reason":"a password","seq":7}"#,
            r#"{"command":"room remove","room":"ops"}"#,
            r#"{"command":"grant","role":"read-only","room":"ops","user":"bo"}"#,
            r#"{"command":"grant","user":"bo"}"#,
        ] {
            let Value::Object(request) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
            assert_eq!(write(&read(&request).unwrap().unwrap()).to_string(), line);
        }
    }

    #[test]
    fn a_field_that_is_missing_unknown_or_wrong_is_named() {
        for (line, why) in [
            (r#"{"command":"kick"}"#, "this is not a valid request: missing field `user`"),
            (
                r#"{"command":"kick","user":"bo","for_s":60}"#,
                "this is not a valid request: unknown field `for_s`, expected one of `user`, `room`, `reason`",
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
            let Value::Object(request) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
            assert_eq!(read(&request).unwrap(), Err(why.to_owned()), "{line}");
        }
    }

    #[test]
    fn durations_and_reasons_are_refused_in_words_for_each_interface() {
        let lasts =
            "the duration must be from 1 second to 3660 days; without one, it lasts until it is lifted";
        for seconds in [0, MOST_SECONDS + 1] {
            assert_eq!(check(Some(seconds), ""), Err(lasts.to_owned()));
        }
        let long = check(None, &"x".repeat(257));
        let why = "the reason: the text has 257 bytes of UTF-8, and 256 are allowed";
        assert_eq!(long, Err(why.to_owned()));
        assert_eq!(check(Some(MOST_SECONDS), "caps"), Ok(()));
    }
}
