//! Owns the envelopes of lines to a client, and the data of each reply. The daemon writes them, clients read them
//! ([`read`]). Never knows the connection of a line.

use crate::event::{MsgEvent, NoticeEvent, PresenceEvent, ReadMark, RedactedEvent, RoomEvent};
use crate::{ErrorKind, Refusal, RequestId, Role, Seq, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

mod act;
mod login;
mod search;

pub use act::ActReply;
pub use login::{EnrolReply, LimitsInfo, LoginReply, MARKS, ServerInfo};
pub use search::{FoundMessage, SearchReply};

#[derive(Serialize)]
struct Envelope<'a, T> {
    op: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a T>,
}

fn line<T: Serialize>(envelope: &Envelope<'_, T>) -> Vec<u8> {
    // All map keys are strings and the output is in memory, so this cannot fail.
    let mut out = serde_json::to_vec(envelope).unwrap_or_default();
    out.push(b'\n');
    out
}

/// A reply with data, as a line.
#[must_use]
pub fn encode<T: Serialize>(op: &str, id: Option<&RequestId>, data: &T) -> Vec<u8> {
    line(&Envelope { op, status: "OK", id, data: Some(data) })
}

/// A reply whose data is JSON already, as a line. `data` must be one value without a newline.
#[must_use]
pub fn encode_raw(op: &str, id: Option<&RequestId>, data: &[u8]) -> Vec<u8> {
    let mut out = done(op, id);
    // Before the closing brace and the newline.
    out.truncate(out.len() - 2);
    out.reserve(data.len() + 16);
    out.extend_from_slice(br#","data":"#);
    out.extend_from_slice(data);
    out.extend_from_slice(b"}\n");
    out
}

/// A reply without data, as a line.
#[must_use]
pub fn done(op: &str, id: Option<&RequestId>) -> Vec<u8> {
    line::<()>(&Envelope { op, status: "OK", id, data: None })
}

/// An event, as a line.
#[must_use]
pub fn event<T: Serialize>(op: &str, data: &T) -> Vec<u8> {
    encode(op, None, data)
}

/// A refusal, as a line.
#[must_use]
pub fn error(refusal: &Refusal) -> Vec<u8> {
    let data = ErrorData {
        kind: refusal.kind,
        msg: refusal.msg.to_string(),
        retry_after_ms: refusal.retry_after_ms,
        until: refusal.until,
    };
    line(&Envelope { op: "ERROR_MSG", status: "ERR", id: refusal.id.as_ref(), data: Some(&data) })
}

/// The data of an `ERROR_MSG`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData {
    /// For programs.
    pub kind: ErrorKind,
    /// For a person.
    pub msg: String,
    /// With `RATE_LIMITED` and `UNAVAILABLE`: how long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// With `FORBIDDEN`: the end of the mute or ban, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Whether a user is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// Connected.
    Here,
    /// Not connected; the daemon holds the session.
    Away,
    /// A state that this version does not know (clients only).
    #[serde(other)]
    Other,
}

/// A user in `members`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The name.
    pub user: String,
    /// Its colour.
    pub color: String,
    /// Whether the user is connected.
    pub state: MemberState,
    /// The role there, unless it is member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// The data of the reply to `JOIN`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinReply {
    /// The room, as it is shown.
    pub room: String,
    /// The newest `seq` in it.
    pub head: Seq,
    /// The members; at most 100.
    pub members: Vec<Member>,
    /// The number of members.
    pub member_count: usize,
    /// The topic, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The seq up to which the user has read the room, if a proven user has marked it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Seq>,
}

/// The data of the reply to `LEAVE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaveReply {
    /// The room, as it is shown.
    pub room: String,
}

/// The data of the reply to `WHO`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoReply {
    /// The room of the request; absent for the whole server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The users; at most 500.
    pub members: Vec<Member>,
    /// The number of users.
    pub member_count: usize,
    /// The topic of the room, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

/// A room in [`RoomsReply`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomInfo {
    /// Its name, as it is shown.
    pub room: String,
    /// The number of members.
    pub members: usize,
    /// The newest `seq` in it.
    pub head: Seq,
    /// Whether only users with a role in it know of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
    /// Its topic, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
}

/// The data of the reply to `ROOMS`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomsReply {
    /// All rooms that the user may know of.
    pub rooms: Vec<RoomInfo>,
}

/// The data of the reply to `HISTORY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesReply {
    /// The messages, oldest first.
    pub messages: Vec<MsgEvent<'static>>,
    /// Whether there are more messages in that direction.
    pub more: bool,
}

/// A line from the daemon, as a client reads it.
#[derive(Debug)]
pub enum Incoming {
    /// A message. With an `id`: one of this session, kept.
    Msg(Option<RequestId>, Box<MsgEvent<'static>>),
    /// A user came or left.
    Presence(PresenceEvent<'static>),
    /// A notice of the daemon.
    Notice(NoticeEvent<'static>),
    /// The text of a message was removed.
    Redacted(Box<RedactedEvent<'static>>),
    /// The topic of a room changed.
    Room(Box<RoomEvent<'static>>),
    /// Another session of the user has read further.
    Mark(Box<ReadMark<'static>>),
    /// A request was refused. Without an `id`: the last line, or the connection.
    Error(Option<RequestId>, ErrorData),
    /// A request was done. Its data is raw: the reader knows the op.
    Reply {
        /// The request's op.
        op: String,
        /// The request's id.
        id: Option<RequestId>,
        /// Its data; `null` if there is none.
        data: Box<RawValue>,
    },
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    op: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    status: std::borrow::Cow<'a, str>,
    id: Option<RequestId>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Reads one line of the daemon.
///
/// # Errors
/// The error of serde, if the line breaks the contract.
pub fn read(line: &[u8]) -> Result<Incoming, serde_json::Error> {
    let raw: Raw<'_> = serde_json::from_slice(line)?;
    let data = raw.data.map_or("null", RawValue::get);
    let is_reply = raw.id.is_some();
    Ok(match &*raw.op {
        _ if raw.status == "ERR" => Incoming::Error(raw.id, serde_json::from_str(data)?),
        "MSG" => Incoming::Msg(raw.id, Box::new(serde_json::from_str(data)?)),
        "PRESENCE" if !is_reply => Incoming::Presence(serde_json::from_str(data)?),
        "NOTICE" if !is_reply => Incoming::Notice(serde_json::from_str(data)?),
        "REDACTED" if !is_reply => Incoming::Redacted(Box::new(serde_json::from_str(data)?)),
        // The reply to a request without an id looks like the event, unless it is about `private`.
        "ROOM" if !is_reply && let Ok(room) = serde_json::from_str(data) => Incoming::Room(Box::new(room)),
        "MARK" if !is_reply => Incoming::Mark(Box::new(serde_json::from_str(data)?)),
        op => {
            Incoming::Reply { op: op.to_owned(), id: raw.id, data: RawValue::from_string(data.to_owned())? }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_are_the_contracts() {
        let id = RequestId::Number(7);
        assert_eq!(done("PING", Some(&id)), b"{\"op\":\"PING\",\"status\":\"OK\",\"id\":7}\n");
        assert_eq!(
            encode_raw("PING", Some(&id), br#"{"a":1}"#),
            encode("PING", Some(&id), &serde_json::json!({"a": 1}))
        );
        let leave = encode("LEAVE", None, &LeaveReply { room: "ops".into() });
        assert_eq!(leave, b"{\"op\":\"LEAVE\",\"status\":\"OK\",\"data\":{\"room\":\"ops\"}}\n");
        let mut refusal =
            Refusal::new(ErrorKind::RateLimited, "slower").with_id(Some(RequestId::Text("a".into())));
        refusal.retry_after_ms = Some(40);
        let text = String::from_utf8(error(&refusal)).unwrap();
        assert_eq!(
            text,
            "{\"op\":\"ERROR_MSG\",\"status\":\"ERR\",\"id\":\"a\",\"data\":{\"kind\":\"RATE_LIMITED\",\"msg\":\"slower\",\"retry_after_ms\":40}}\n"
        );
        assert!(
            matches!(read(text.as_bytes()).unwrap(), Incoming::Error(Some(_), e) if e.kind == ErrorKind::RateLimited)
        );
        assert!(matches!(read(&leave).unwrap(), Incoming::Reply { op, .. } if op == "LEAVE"));
    }
}
