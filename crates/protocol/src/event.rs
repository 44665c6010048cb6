//! Owns the events of the daemon. The daemon writes the frequent event, `MSG`, by hand into a growing chunk
//! ([`MsgLine::write`]; a test compares it with serde); clients read all of them. Never decides the recipients.

mod conversation;
mod erase;

pub use conversation::{ReadMark, RedactedEvent, RoomEvent, mark, redact, redacted, room};
pub use erase::{ERASED, ErasedFields, blank, erase, padded_to};

use crate::{Colour, RequestId, Seq, Timestamp, reply};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The data of a `MSG` event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MsgEvent<'a> {
    /// The room; `None` for a direct message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Cow<'a, str>>,
    /// The recipient of a direct message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Cow<'a, str>>,
    /// Its seq.
    pub seq: Seq,
    /// The seq of the previous message in the conversation; 0: it is the first.
    pub prev: Seq,
    /// When the daemon accepted it.
    pub ts: Timestamp,
    /// The author.
    pub user: Cow<'a, str>,
    /// The colour of the name, as the wire writes it.
    pub color: Cow<'a, str>,
    /// The text; empty if it was redacted.
    pub msg: Cow<'a, str>,
    /// Whether the text was removed later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
    /// The user who redacted it; `None`: an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Cow<'a, str>>,
    /// The reason of the redaction, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
}

/// The presence of a user in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresenceState {
    /// The user joined.
    Joined,
    /// The connection is lost; the session still lives.
    Away,
    /// The session was resumed.
    Back,
    /// The user quit, left the room, or was away longer than the TTL.
    Left,
    /// A state that this version does not know (clients only).
    #[serde(other)]
    Other,
}

/// The data of a `PRESENCE` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceEvent<'a> {
    /// The room.
    pub room: Cow<'a, str>,
    /// The user.
    pub user: Cow<'a, str>,
    /// The colour of the name.
    pub color: Cow<'a, str>,
    /// The new state.
    pub state: PresenceState,
}

/// The kind of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NoticeKind {
    /// The daemon stops; reconnect after `retry_after_ms`.
    Shutdown,
    /// The session was resumed on another connection; this one is closed.
    TakenOver,
    /// Retention has removed messages between `from` and `to` that the client requested.
    Gap,
    /// An operator ended the session.
    Kicked,
    /// The session was removed from the room `room` by a moderation action.
    Removed,
    /// A message of the operator to all users.
    Operator,
    /// The node can order nothing now; the `servers` may be able to.
    Unavailable,
    /// The node orders again.
    Available,
    /// A kind that this version does not know (clients only).
    #[serde(other)]
    Other,
}

/// The data of a `NOTICE` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeEvent<'a> {
    /// The kind.
    pub kind: NoticeKind,
    /// The sentence for a person.
    pub msg: Cow<'a, str>,
    /// With `SHUTDOWN`: when to reconnect, in milliseconds. With `UNAVAILABLE`: when to send again what was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// With `GAP`: the first missing seq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Seq>,
    /// With `GAP`: the last missing seq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Seq>,
    /// With `REMOVED`: the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Cow<'a, str>>,
    /// With `SHUTDOWN` and `UNAVAILABLE`: as `servers` of [`LoginReply`](crate::reply::LoginReply).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<Vec<String>>,
}

impl<'a> NoticeEvent<'a> {
    /// A notice with only a sentence.
    pub fn new(kind: NoticeKind, msg: impl Into<Cow<'a, str>>) -> Self {
        Self { kind, msg: msg.into(), retry_after_ms: None, from: None, to: None, room: None, servers: None }
    }
}

/// The place of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken<'a> {
    /// In a room.
    In(&'a str),
    /// To a user.
    To(&'a str),
}

/// The parts of a `MSG` event, encoded for a chunk.
#[derive(Debug, Clone, Copy)]
pub struct MsgLine<'a> {
    /// The room or the recipient. Must be a valid name: names need no escaping.
    pub place: Spoken<'a>,
    /// Its seq.
    pub seq: Seq,
    /// The previous seq in the conversation.
    pub prev: Seq,
    /// The time, in the form of [`Timestamp`].
    pub ts: &'a str,
    /// The author; a valid name.
    pub user: &'a str,
    /// The author's colour in the form of [`Colour`].
    pub color: &'a str,
    /// The text as a JSON string, quotes included ([`json_text`]).
    pub msg_json: &'a str,
}

/// The start of each `MSG` event; the author's copy has the `id` after it.
const HEAD: &[u8] = br#"{"op":"MSG","status":"OK","#;
/// The next part of each `MSG` event; its data begins with the last byte.
const DATA: &[u8] = br#""data":"#;

/// A text as a JSON string, quotes included.
#[must_use]
pub fn json_text(text: &str) -> Box<str> {
    // Most texts have nothing to escape. Each message comes through here, so they are copied once, into as much memory as
    // they need.
    let must_escape = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |any, byte| any | must_escape(byte)) {
        // Writing a string into memory cannot fail.
        return serde_json::to_string(text).unwrap_or_default().into();
    }
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    json.push_str(text);
    json.push('"');
    json.into()
}

impl MsgLine<'_> {
    /// Appends the event and its newline to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut number = itoa::Buffer::new();
        out.extend_from_slice(HEAD);
        out.extend_from_slice(DATA);
        let (key, place): (&[u8], _) = match self.place {
            Spoken::In(room) => (br#"{"room":""#, room),
            Spoken::To(user) => (br#"{"to":""#, user),
        };
        out.extend_from_slice(key);
        out.extend_from_slice(place.as_bytes());
        out.extend_from_slice(br#"","seq":"#);
        out.extend_from_slice(number.format(self.seq).as_bytes());
        out.extend_from_slice(br#","prev":"#);
        out.extend_from_slice(number.format(self.prev).as_bytes());
        out.extend_from_slice(br#","ts":""#);
        out.extend_from_slice(self.ts.as_bytes());
        out.extend_from_slice(br#"","user":""#);
        out.extend_from_slice(self.user.as_bytes());
        out.extend_from_slice(br#"","color":""#);
        out.extend_from_slice(self.color.as_bytes());
        out.extend_from_slice(br#"","msg":"#);
        out.extend_from_slice(self.msg_json.as_bytes());
        out.extend_from_slice(b"}}\n");
    }
}

/// Appends the `MSG` line with the author's `id` to `out`.
pub fn write_with_id(line: &[u8], id: &RequestId, out: &mut Vec<u8>) {
    let (head, rest) = line.split_at(HEAD.len().min(line.len()));
    out.extend_from_slice(head);
    out.extend_from_slice(br#""id":"#);
    // Writing into memory cannot fail.
    let _ = serde_json::to_writer(&mut *out, id);
    out.push(b',');
    out.extend_from_slice(rest);
}

/// The `data` object of a line that [`MsgLine::write`] wrote, unchanged.
#[must_use]
pub fn data_of(line: &[u8]) -> Option<&[u8]> {
    line.strip_prefix(HEAD)?.strip_prefix(DATA)?.trim_ascii_end().strip_suffix(b"}")
}

/// The `seq` of a line that [`MsgLine::write`] wrote, without parsing the rest.
#[must_use]
pub fn seq_of(line: &[u8]) -> Option<Seq> {
    // Names contain no quotes, so the first `,"seq":` is the field.
    const KEY: &[u8] = br#"","seq":"#;
    let data = data_of(line)?;
    let at = data.windows(KEY.len()).position(|w| w == KEY)? + KEY.len();
    let digits = &data[at..at + data[at..].iter().position(|b| !b.is_ascii_digit())?];
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A presence event as a line.
#[must_use]
pub fn presence(room: &str, user: &str, color: Colour, state: PresenceState) -> Vec<u8> {
    let color = color.to_string();
    reply::event(
        "PRESENCE",
        &PresenceEvent { room: room.into(), user: user.into(), color: color.into(), state },
    )
}

/// A notice as a line.
#[must_use]
pub fn notice(notice: &NoticeEvent<'_>) -> Vec<u8> {
    reply::event("NOTICE", notice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_is_escaped_as_serde_escapes_it() {
        for char in (0..=0x2ff).chain([0x2028, 0x2029, 0xfeff, 0x1f600]).filter_map(char::from_u32) {
            for text in [char.to_string(), format!("a{char}b"), format!("{char}{char}\"")] {
                assert_eq!(*json_text(&text), serde_json::to_string(&text).unwrap(), "{:x}", u32::from(char));
            }
        }
        assert_eq!(&*json_text(""), "\"\"");
    }

    proptest! {
        #[test]
        fn the_hand_laid_event_is_what_serde_writes(
            seq in 1u64.., prev in any::<u64>(), ms in 0u64..4_000_000_000_000, text in any::<String>(), direct in any::<bool>(),
        ) {
            let ts = Timestamp(ms);
            let line = MsgLine {
                place: if direct { Spoken::To("bo") } else { Spoken::In("lobby") },
                seq, prev, ts: &ts.to_string(), user: "山田", color: "#00ff7f", msg_json: &json_text(&text),
            };
            let mut hand = Vec::new();
            line.write(&mut hand);
            let event = MsgEvent {
                room: (!direct).then_some("lobby".into()),
                to: direct.then_some("bo".into()),
                seq, prev, ts, user: "山田".into(), color: "#00ff7f".into(), msg: text.into(),
                redacted: false, by: None, reason: None,
            };
            let serde = reply::event("MSG", &event);
            prop_assert_eq!(std::str::from_utf8(&hand).unwrap(), std::str::from_utf8(&serde).unwrap());
            prop_assert_eq!(seq_of(&hand), Some(seq));
            prop_assert_eq!(serde_json::from_slice::<MsgEvent<'_>>(data_of(&hand).unwrap()).unwrap(), event.clone());

            let id = RequestId::Text("a\"b".into());
            let mut own = Vec::new();
            write_with_id(&hand, &id, &mut own);
            prop_assert_eq!(own, reply::encode("MSG", Some(&id), &event));
        }
    }
}
