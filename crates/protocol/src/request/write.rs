//! Owns the writing of requests, the inverse of [`super::parse`]. Called by clients, and wherever requests are
//! stored as text. Never checks a bound: the reader does.

use super::{Action, Against, Conversation, Place, Request, RequestId, Target, Wants};
use crate::{Banned, Name, Role};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

#[derive(serde::Serialize)]
struct Envelope<'a> {
    op: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RequestId>,
}

/// Appends the request to `out`, as one line with its newline. [`super::parse`] reads the same request from it.
///
/// Also writes actions that the wire does not have. A server refuses them: the removal of a room with
/// `UNKNOWN_OP`, a ban of a certificate or an address with `NAME_INVALID`.
pub fn write(id: Option<&RequestId>, request: &Request<'_>, out: &mut Vec<u8>) {
    let has_data = !matches!(request, Request::Who(None) | Request::Rooms | Request::Ping | Request::Quit);
    let data = has_data.then_some(Data(request));
    // All map keys are strings and the output is in memory, so this cannot fail.
    let _ = serde_json::to_writer(&mut *out, &Envelope { op: request.op(), data, id });
    out.push(b'\n');
}

impl Request<'_> {
    /// The op of the request.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Login(_) => "LOGIN",
            Self::Enrol(_) => "ENROL",
            Self::Join(_) => "JOIN",
            Self::Leave(_) => "LEAVE",
            Self::Msg { .. } => "MSG",
            Self::Who(_) => "WHO",
            Self::Rooms => "ROOMS",
            Self::History(_) => "HISTORY",
            Self::Search(_) => "SEARCH",
            Self::Action(action) => action.op(),
            Self::Mark(_) => "MARK",
            Self::Ping => "PING",
            Self::Quit => "QUIT",
        }
    }
}

impl Serialize for Place {
    /// A place that cannot be a name has lost its spelling: it is written as the empty text, which no place has.
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Place {
    /// Reads what [`Place::serialize`] writes. A request of a client is read by [`super::parse`].
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        /// A name, unless the text is empty.
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Place;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name, or nothing")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Place, E> {
                if text.is_empty() {
                    return Ok(Place(None));
                }
                Name::parse_kept(text).map(|name| Place(Some(name.prepared_once()))).map_err(E::custom)
            }
        }
        d.deserialize_str(Text)
    }
}

struct Data<'a>(&'a Request<'a>);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if let Request::Msg { to: Target::Default, text } = self.0 {
            return s.serialize_str(text);
        }
        let mut data = s.serialize_map(None)?;
        match self.0 {
            Request::Login(login) => {
                optional(&mut data, "name", login.name.as_ref())?;
                optional(&mut data, "color", login.color.as_ref())?;
                optional(&mut data, "rooms", login.rooms.as_ref())?;
                optional(&mut data, "password", login.password.as_deref())?;
                optional(&mut data, "session", login.session.as_deref())?;
                optional(&mut data, "after", login.after.as_ref())?;
                optional(&mut data, "log", login.log.as_ref())?;
            }
            Request::Enrol(enrol) => {
                data.serialize_entry("name", &enrol.name)?;
                data.serialize_entry("code", enrol.code.as_str())?;
                match &enrol.wants {
                    Wants::Password(password) => data.serialize_entry("password", password.as_str())?,
                    Wants::Certificate(csr) => data.serialize_entry("csr", csr)?,
                }
            }
            Request::Join(room) => data.serialize_entry("room", room)?,
            Request::Leave(room) => data.serialize_entry("room", room)?,
            Request::Msg { to, text } => {
                match to {
                    Target::Room(room) => data.serialize_entry("room", room)?,
                    Target::User(user) => data.serialize_entry("to", user)?,
                    Target::Default => {}
                }
                data.serialize_entry("msg", text)?;
            }
            Request::Who(room) => optional(&mut data, "room", room.as_ref())?,
            Request::History(history) => {
                conversation(&mut data, &history.of)?;
                optional(&mut data, "before", history.before.as_ref())?;
                optional(&mut data, "after", history.after.as_ref())?;
                data.serialize_entry("limit", &history.limit)?;
            }
            Request::Search(search) => {
                data.serialize_entry("query", &search.query)?;
                optional(&mut data, "room", search.room.as_ref())?;
                optional(&mut data, "user", search.user.as_ref())?;
                optional(&mut data, "before", search.before.as_ref())?;
                optional(&mut data, "after", search.after.as_ref())?;
                data.serialize_entry("limit", &search.limit)?;
            }
            Request::Action(of) => action(&mut data, of)?,
            Request::Mark(mark) => {
                conversation(&mut data, &mark.of)?;
                data.serialize_entry("seq", &mark.seq)?;
            }
            Request::Rooms | Request::Ping | Request::Quit => {}
        }
        data.end()
    }
}

fn conversation<M: SerializeMap>(data: &mut M, of: &Conversation) -> Result<(), M::Error> {
    match of {
        Conversation::Room(room) => data.serialize_entry("room", room),
        Conversation::With(user) => data.serialize_entry("with", user),
    }
}

fn action<M: SerializeMap>(data: &mut M, action: &Action) -> Result<(), M::Error> {
    match action {
        Action::Kick(of) | Action::Mute(of) | Action::Unmute(of) => against(data, &of.target, of),
        Action::Ban(of) | Action::Unban(of) => match &of.target {
            Banned::User(user) => against(data, user, of),
            other => against(data, &other.to_string(), of),
        },
        Action::Room { room, private } => {
            data.serialize_entry("room", room)?;
            data.serialize_entry("private", private)
        }
        Action::Topic { room, topic } => {
            data.serialize_entry("room", room)?;
            data.serialize_entry("topic", topic)
        }
        Action::Redact(redact) => {
            conversation(data, &redact.of)?;
            data.serialize_entry("seq", &redact.seq)?;
            optional(data, "reason", Some(&redact.reason).filter(|reason| !reason.is_empty()))
        }
        Action::RedactNumber { seq, reason } => {
            data.serialize_entry("seq", seq)?;
            optional(data, "reason", Some(reason).filter(|reason| !reason.is_empty()))
        }
        Action::RemoveRoom(room) => data.serialize_entry("room", room),
        Action::Grant { user, role, room } => {
            data.serialize_entry("user", user)?;
            data.serialize_entry("role", role.map_or("none", Role::as_str))?;
            optional(data, "room", room.as_ref())
        }
    }
}

fn against<M: SerializeMap, T>(
    data: &mut M,
    user: &impl Serialize,
    against: &Against<T>,
) -> Result<(), M::Error> {
    data.serialize_entry("user", user)?;
    optional(data, "room", against.room.as_ref())?;
    optional(data, "for_s", against.for_s.as_ref())?;
    optional(data, "reason", Some(&against.reason).filter(|reason| !reason.is_empty()))
}

fn optional<M: SerializeMap>(
    data: &mut M,
    field: &'static str,
    value: Option<&impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| data.serialize_entry(field, value))
}
