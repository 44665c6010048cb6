//! Owns the requests of clients: a line becomes a [`Request`] or a [`Refusal`] ([`parse`]), and a [`Request`]
//! becomes a line ([`write()`]). Called by the daemon for each line, and by clients. Never decides whether a
//! request is allowed: the chat does.
//!
//! The derived form of serde is that of the log of turns, in which the requests of a turn stand. It is not the wire.
//!
//! A line is read in two steps, so that an error keeps the `id`: first the envelope with raw fields, then the
//! data by op, field by field, so that the sentence can name the field.

mod action;
mod data;
mod enrol;
mod fields;
mod id;
#[cfg(test)]
mod tests;
mod write;

pub use action::check_topic;
pub use action::{Action, Against, MOST_SECONDS, REASON_BYTES, Redact, TOPIC_CHARS, check as check_action};
pub use enrol::{Enrol, PASSWORD_BYTES, Wants};
pub use id::{ID_BYTES, RequestId};
pub use write::write;

use crate::{Colour, ErrorKind, Name, Seq, Timestamp};
use data::{history, login, mark, msg, search};
use fields::{Raw, Str, field, name, object, place, present, raw_fields};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroizing;

/// The limits of a request, from the settings.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The longest text of a message, in bytes of UTF-8 (`limits.msg_bytes`).
    pub msg_bytes: usize,
    /// Rooms that a `LOGIN` may name (`limits.rooms_per_session`); 0: no limit.
    pub rooms: usize,
}

/// A request. Its fields are valid as far as the line alone can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// Opens a session, or resumes one.
    Login(Box<Login>),
    /// Turns a code into a password or a certificate.
    Enrol(Box<Enrol>),
    /// Joins a room.
    Join(Name),
    /// Leaves a room.
    Leave(Place),
    /// Sends a message.
    Msg {
        /// The target.
        to: Target,
        /// The text, within the bounds of the contract.
        text: Cow<'a, str>,
    },
    /// Lists the members of a room, or the users of the server.
    Who(Option<Place>),
    /// Lists the rooms.
    Rooms,
    /// Reads a page of a conversation.
    History(History),
    /// Searches messages.
    Search(Box<Search>),
    /// Takes a moderation action.
    Action(Box<Action>),
    /// Tells how far the user has read.
    Mark(Mark),
    /// Checks the connection.
    Ping,
    /// Ends the session.
    Quit,
}

/// A room or user that a request names. `None`: the text cannot be a name, so it names nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(pub Option<Name>);

impl Place {
    /// The name; empty if there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", Name::as_str)
    }
}

/// The target of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// The first default room.
    Default,
    /// A room by name.
    Room(Place),
    /// A user by name.
    User(Place),
}

/// The data of `LOGIN`.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The requested name. `None` only with a `session`.
    pub name: Option<Name>,
    /// The colour of the name; `None`: the daemon's choice (none, or the session's at a resume).
    pub color: Option<Colour>,
    /// Rooms to join; `None`: the default rooms.
    pub rooms: Option<Vec<Name>>,
    /// The password, if the server requires one.
    pub password: Option<Zeroizing<String>>,
    /// The token of a session to resume.
    pub session: Option<Zeroizing<String>>,
    /// The last `seq` that the client has seen.
    pub after: Option<Seq>,
    /// The log of that seq.
    pub log: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("name", &self.name)
            .field("password", &self.password.as_ref().map(|_| "…"))
            .field("session", &self.session.as_ref().map(|_| "…"))
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

/// The conversation of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conversation {
    /// A room.
    Room(Place),
    /// The direct messages with a user.
    With(Place),
}

/// The limit of a `HISTORY` without one.
pub const HISTORY_LIMIT: usize = 50;
/// The limit of a `SEARCH` without one.
pub const SEARCH_LIMIT: usize = 20;

/// The data of `HISTORY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The conversation.
    pub of: Conversation,
    /// Only messages with a smaller `seq`.
    pub before: Option<Seq>,
    /// Only messages with a greater `seq`.
    pub after: Option<Seq>,
    /// The largest number of messages: 1 to 500.
    pub limit: usize,
}

/// The data of `MARK`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The conversation.
    pub of: Conversation,
    /// The user has read up to this seq.
    pub seq: Seq,
}

/// The data of `SEARCH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The query: 1 to 512 bytes.
    pub query: String,
    /// Searches only this room.
    pub room: Option<Place>,
    /// Searches only messages of this user.
    pub user: Option<Place>,
    /// Only messages with a smaller `seq`.
    pub before: Option<Seq>,
    /// Only messages with a greater `seq`.
    pub after: Option<Seq>,
    /// The largest number of messages: 1 to 100.
    pub limit: usize,
}

/// Why a request was refused: the content of an `ERROR_MSG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The request's `id`, if one could be read.
    pub id: Option<RequestId>,
    /// The kind, for programs.
    pub kind: ErrorKind,
    /// The sentence, for a person.
    pub msg: Cow<'static, str>,
    /// With `RATE_LIMITED` and `UNAVAILABLE`: how long to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// With `FORBIDDEN`: the end of the mute or ban, if it has one.
    pub until: Option<Timestamp>,
}

impl Refusal {
    /// A refusal without an id.
    pub fn new(kind: ErrorKind, msg: impl Into<Cow<'static, str>>) -> Self {
        Self { id: None, kind, msg: msg.into(), retry_after_ms: None, until: None }
    }

    /// The refusal of the request with that `id`.
    #[must_use]
    pub fn with_id(mut self, id: Option<RequestId>) -> Self {
        self.id = id;
        self
    }
}

raw_fields!(Envelope: op, data, id);

/// Reads one line.
///
/// # Errors
/// `PARSE`, `DATA`, `UNKNOWN_OP` or `NAME_INVALID`, with the request's `id` if it could be read.
pub fn parse<'a>(line: &'a [u8], bounds: &Bounds) -> Result<(Option<RequestId>, Request<'a>), Refusal> {
    let text = std::str::from_utf8(line).map_err(|e| {
        let at = e.valid_up_to();
        Refusal::new(ErrorKind::Parse, format!("the line is not UTF-8 (byte {at} of it)"))
    })?;
    // serde would accept an array for the envelope.
    if !text.trim_start_matches([' ', '\t', '\r']).starts_with('{') {
        return Err(Refusal::new(ErrorKind::Parse, "the line is not a JSON object"));
    }
    let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|e| {
        let kind = if e.is_data() { ErrorKind::Data } else { ErrorKind::Parse };
        Refusal::new(kind, format!("the line is not a valid request: {e}"))
    })?;
    let id = match present(envelope.id) {
        None => None,
        Some(raw) => Some(serde_json::from_str(raw.get()).map_err(|_| {
            let msg = format!("`id` is a string of at most {ID_BYTES} bytes or an unsigned integer");
            Refusal::new(ErrorKind::Data, msg)
        })?),
    };
    match read(envelope.op, present(envelope.data), bounds) {
        Ok(request) => Ok((id, request)),
        Err(refusal) => Err(refusal.with_id(id)),
    }
}

fn read<'a>(op: Raw<'a>, data: Raw<'a>, bounds: &Bounds) -> Result<Request<'a>, Refusal> {
    let op: Cow<'a, str> = field(op, "op").map(|s: Str<'a>| s.0)?;
    Ok(match &*op {
        "MSG" => msg(data, bounds)?,
        "LOGIN" => Request::Login(Box::new(login(data, bounds)?)),
        "ENROL" => Request::Enrol(Box::new(enrol::enrol(data)?)),
        "JOIN" => Request::Join(name(&object::<RoomData<'a>>(data)?.room, "room")?),
        "LEAVE" => Request::Leave(place(object::<RoomData<'a>>(data)?.room, "room")?),
        "WHO" => Request::Who(match data {
            None => None,
            Some(_) => present(object::<RoomData<'a>>(data)?.room)
                .map(|room| place(Some(room), "room"))
                .transpose()?,
        }),
        "ROOMS" => Request::Rooms,
        "HISTORY" => Request::History(history(data)?),
        "SEARCH" => Request::Search(Box::new(search(data)?)),
        "MARK" => Request::Mark(mark(data)?),
        "PING" => Request::Ping,
        "QUIT" => Request::Quit,
        other => {
            if let Some(action) = action::read(other, data) {
                return action.map(|action| Request::Action(Box::new(action)));
            }
            let shown: String = other.chars().take(32).collect();
            return Err(Refusal::new(ErrorKind::UnknownOp, format!("there is no op {shown:?}")));
        }
    })
}

raw_fields!(RoomData: room);
