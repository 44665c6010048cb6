//! Owns the moderation actions, and the parsing of KICK, MUTE, UNMUTE, BAN, UNBAN, ROOM, GRANT and REDACT. The daemon's
//! control socket and command line, and clients, use the same type. Never decides whether an action is permitted.

use super::data::conversation;
use super::fields::{Raw, bad, field, name, object, optional, place, present, raw_fields};
use super::{Conversation, Place, Refusal};
use crate::{Banned, Name, Role, Seq, text};
use serde::{Deserialize, Serialize};

/// The longest reason, in bytes.
pub const REASON_BYTES: usize = 256;

/// The longest topic, in characters (code points).
pub const TOPIC_CHARS: usize = 400;

/// The longest duration of a mute or a ban, in seconds: ten years.
pub const MOST_SECONDS: u64 = 10 * 366 * 24 * 3600;

/// A moderation action. Operators have all of them; authors may redact their own messages. The wire has no bans of
/// certificates and addresses, no redaction by number, and no removal of rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Removes a user from the room, or from the server.
    Kick(Against),
    /// Forbids a user to send messages.
    Mute(Against),
    /// Lifts a mute.
    Unmute(Against),
    /// Forbids to join the room, or to log in.
    Ban(Against<Banned>),
    /// Lifts a ban.
    Unban(Against<Banned>),
    /// Makes a room private or public.
    Room {
        /// The room.
        room: Place,
        /// Whether users without a role in the room do not know of it.
        private: bool,
    },
    /// Sets the topic of a room.
    Topic {
        /// The room.
        room: Place,
        /// The topic, at most [`TOPIC_CHARS`]; empty: removes it.
        topic: String,
    },
    /// Removes the text of a message.
    Redact(Redact),
    /// Removes a room with its memberships and its history.
    RemoveRoom(Place),
    /// Gives a user a role.
    Grant {
        /// The user.
        user: Name,
        /// The new role; `None`: takes the role away.
        role: Option<Role>,
        /// The room; `None`: the whole server.
        room: Option<Place>,
    },
    /// Removes the text of a message by its number alone, in whatever room or direct messages it is. Of operators only: the wire has no such
    /// request.
    RedactNumber {
        /// Its seq.
        seq: Seq,
        /// The reason, as in [`Redact`].
        reason: String,
    },
}

/// The message that a [`Action::Redact`] is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redact {
    /// Its conversation.
    pub of: Conversation,
    /// Its seq.
    pub seq: Seq,
    /// The reason, at most [`REASON_BYTES`]; all readers receive it. May be empty.
    pub reason: String,
}

/// The target of an action, and its terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Against<T = Name> {
    /// The target: a user, or any target of a ban.
    pub target: T,
    /// The room; `None`: the whole server.
    pub room: Option<Place>,
    /// The duration of a mute or a ban, in seconds, 1 to [`MOST_SECONDS`]; `None`: until it is lifted.
    pub for_s: Option<u64>,
    /// The reason, at most [`REASON_BYTES`]; the user receives it. May be empty.
    pub reason: String,
}

impl<T> Against<T> {
    /// On the whole server, until it is lifted, without a reason.
    pub fn new(target: T) -> Self {
        Self { target, room: None, for_s: None, reason: String::new() }
    }

    fn map<U>(self, of: impl FnOnce(T) -> U) -> Against<U> {
        let Self { target, room, for_s, reason } = self;
        Against { target: of(target), room, for_s, reason }
    }
}

impl Action {
    /// The op of the wire; `ROOM REMOVE` exists only for operators.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Kick(_) => "KICK",
            Self::Mute(_) => "MUTE",
            Self::Unmute(_) => "UNMUTE",
            Self::Ban(_) => "BAN",
            Self::Unban(_) => "UNBAN",
            Self::Room { .. } | Self::Topic { .. } => "ROOM",
            Self::Redact(_) | Self::RedactNumber { .. } => "REDACT",
            Self::RemoveRoom(_) => "ROOM REMOVE",
            Self::Grant { .. } => "GRANT",
        }
    }
}

raw_fields!(AgainstData: user, room, for_s, reason);
raw_fields!(RoomSetData: room, private, topic);
raw_fields!(RedactData: room, with, seq, reason);
raw_fields!(GrantData: user, role, room);

/// Reads the data of the op; `None`: the op is not an action.
pub(super) fn read(op: &str, data: Raw<'_>) -> Option<Result<Action, Refusal>> {
    Some(match op {
        "KICK" => against(data, false).map(Action::Kick),
        "MUTE" => against(data, true).map(Action::Mute),
        "UNMUTE" => against(data, false).map(Action::Unmute),
        "BAN" => against(data, true).map(|against| Action::Ban(against.map(Banned::User))),
        "UNBAN" => against(data, false).map(|against| Action::Unban(against.map(Banned::User))),
        "ROOM" => room(data),
        "GRANT" => grant(data),
        "REDACT" => redact(data),
        _ => return None,
    })
}

fn against(data: Raw<'_>, lasts: bool) -> Result<Against, Refusal> {
    let parts = object::<AgainstData<'_>>(data)?;
    let target = name(&parts.user, "user")?;
    let for_s: Option<u64> = if lasts { optional(parts.for_s, "for_s")? } else { None };
    let reason = optional::<String>(parts.reason, "reason")?.unwrap_or_default();
    check(for_s, &reason).map_err(bad)?;
    Ok(Against { target, room: somewhere(parts.room)?, for_s, reason })
}

/// Checks the duration and the reason of an action.
///
/// # Errors
/// The first rule that they break, as a sentence.
pub fn check(for_s: Option<u64>, reason: &str) -> Result<(), String> {
    if for_s.is_some_and(|s| s == 0 || s > MOST_SECONDS) {
        return Err(format!("`for_s`: 1 to {MOST_SECONDS} seconds; without it, until it is taken back"));
    }
    if !reason.is_empty() {
        text::check(reason, REASON_BYTES).map_err(|e| format!("`reason`: {e}"))?;
    }
    Ok(())
}

fn room(data: Raw<'_>) -> Result<Action, Refusal> {
    let parts = object::<RoomSetData<'_>>(data)?;
    let room = place(parts.room, "room")?;
    let topic = optional::<String>(parts.topic, "topic")?;
    match (optional(parts.private, "private")?, topic) {
        (Some(private), None) => Ok(Action::Room { room, private }),
        (None, Some(topic)) => {
            check_topic(&topic).map_err(bad)?;
            Ok(Action::Topic { room, topic })
        }
        (None, None) => Err(bad("`private` or `topic` is missing")),
        (Some(_), Some(_)) => Err(bad("`private` and `topic` exclude each other")),
    }
}

/// Checks a topic: at most [`TOPIC_CHARS`], and no NUL. It may be empty.
///
/// # Errors
/// The first rule that it breaks, as a sentence.
pub fn check_topic(topic: &str) -> Result<(), String> {
    let chars = topic.chars().count();
    if chars > TOPIC_CHARS {
        return Err(format!("`topic`: it has {chars} characters, and {TOPIC_CHARS} are allowed"));
    }
    if !topic.is_empty() {
        text::check(topic, usize::MAX).map_err(|e| format!("`topic`: {e}"))?;
    }
    Ok(())
}

fn redact(data: Raw<'_>) -> Result<Action, Refusal> {
    let parts = object::<RedactData<'_>>(data)?;
    let of = conversation(parts.room, parts.with)?;
    let seq = field(parts.seq, "seq")?;
    let reason = optional::<String>(parts.reason, "reason")?.unwrap_or_default();
    check(None, &reason).map_err(bad)?;
    Ok(Action::Redact(Redact { of, seq, reason }))
}

fn grant(data: Raw<'_>) -> Result<Action, Refusal> {
    let parts = object::<GrantData<'_>>(data)?;
    let role: String = field(parts.role, "role")?;
    let role = match role.as_str() {
        "none" => None,
        role => Some(role.parse().map_err(|e| bad(format!("`role`: {e}; or none")))?),
    };
    Ok(Action::Grant { user: name(&parts.user, "user")?, role, room: somewhere(parts.room)? })
}

fn somewhere(raw: Raw<'_>) -> Result<Option<Place>, Refusal> {
    present(raw).map(|raw| place(Some(raw), "room")).transpose()
}
