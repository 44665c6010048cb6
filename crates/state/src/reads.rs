//! Owns the requests to the log: plain data that the ops make after they have decided what a session may read, and
//! that the store answers. Never reads the log.

use super::{ConversationId, UserId};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use tcp_chat_protocol::{Name, NameKey, RequestId, Seq};

/// A run of messages of one conversation: `first` and `last` are both in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The conversation.
    pub conversation: ConversationId,
    /// The first number.
    pub first: Seq,
    /// The last number.
    pub last: Seq,
}

/// A page of one conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageOf {
    /// The conversation.
    pub conversation: ConversationId,
    /// Only smaller numbers.
    pub before: Option<Seq>,
    /// Only greater numbers.
    pub after: Option<Seq>,
    /// The largest number of messages.
    pub limit: usize,
}

/// A search, and its filters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchIn {
    /// As the user typed it.
    pub query: String,
    /// These conversations,
    pub conversations: Vec<ConversationId>,
    /// and all direct messages of this user. There may be many, so they are not listed.
    pub directs_of: Option<UserId>,
    /// Only this author.
    pub user: Option<NameKey>,
    /// Only smaller numbers.
    pub before: Option<Seq>,
    /// Only greater numbers.
    pub after: Option<Seq>,
    /// The newest number on the server at the time of the request.
    pub head: Seq,
    /// The largest number of results.
    pub limit: usize,
}

/// A `MSG` under an id that its session has used before. The reader of the first message decides whether it is the
/// same message: so an id costs only the memory of its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resent {
    /// The id of both.
    pub id: RequestId,
    /// The conversation of the first message.
    pub conversation: ConversationId,
    /// The number of the first message.
    pub seq: Seq,
    /// The target of this one.
    pub target: ResentTo,
    /// The text of this one as a JSON string.
    pub json: Box<str>,
}

/// The target of a [`Resent`] message; `None` if no room or user can have such a name, or if another one has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResentTo {
    /// A room.
    Room(Option<NameKey>),
    /// A user.
    User(Option<NameKey>),
}

/// The parts of two messages that are compared.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow)]
    msg: &'a RawValue,
    #[serde(default)]
    redacted: bool,
}

impl Resent {
    /// Is it the message of this `MSG` line: with the same target and the same text, unless that was redacted? A line
    /// that cannot be read is another message.
    #[must_use]
    pub fn is(&self, line: &[u8]) -> bool {
        let Ok(Line { data }) = serde_json::from_slice::<Line<'_>>(line) else { return false };
        let key =
            |name: Option<Cow<'_, str>>| name.and_then(|name| Name::parse_kept(&name).ok()).map(|n| n.key());
        let is_there = match &self.target {
            ResentTo::Room(room) => room.is_some() && key(data.room) == *room,
            ResentTo::User(user) => user.is_some() && key(data.to) == *user,
        };
        // The same function has encoded both. A redacted text cannot be compared.
        is_there && (data.redacted || data.msg.get() == &*self.json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_protocol::event::{MsgLine, Spoken, json_text, redact};

    #[test]
    fn only_the_same_target_and_text_are_the_same_message() {
        let line = |place| {
            let msg_json = &json_text("it is \u{e9}\n\"quoted\"");
            let ts = "2026-11-29T10:00:00.000Z";
            let mut line = Vec::new();
            MsgLine { place, seq: 7, prev: 0, ts, user: "ana", color: "", msg_json }.write(&mut line);
            line
        };
        let resent = |target, text| Resent {
            id: RequestId::Number(1),
            conversation: ConversationId(1),
            seq: 7,
            target,
            json: json_text(text),
        };
        let key = |name: &str| Name::parse_kept(name).ok().map(|name| name.key());
        // A name that an earlier version accepted, and that no new room or user may have.
        let long = "\u{fdfa}".repeat(32);
        let in_long = line(Spoken::In(&long));
        assert!(
            Name::parse(&long).is_err()
                && resent(ResentTo::Room(key(&long)), "it is \u{e9}\n\"quoted\"").is(&in_long)
        );
        let (text, lobby, bo) =
            ("it is \u{e9}\n\"quoted\"", line(Spoken::In("Lobby")), line(Spoken::To("bo")));
        assert!(resent(ResentTo::Room(key("lobby")), text).is(&lobby));
        assert!(resent(ResentTo::User(key("BO")), text).is(&bo));
        // The text of a redacted message is not there to be compared.
        let redacted = redact(&lobby, None, "").unwrap();
        assert!(resent(ResentTo::Room(key("lobby")), text).is(&redacted));
        assert!(!resent(ResentTo::Room(key("ops")), text).is(&redacted));
        for (other, of) in [
            (resent(ResentTo::Room(key("lobby")), "another"), &lobby),
            (resent(ResentTo::Room(key("lobby")), "it is e\u{301}\n\"quoted\""), &lobby),
            (resent(ResentTo::Room(key("ops")), text), &lobby),
            (resent(ResentTo::User(key("lobby")), text), &lobby),
            (resent(ResentTo::Room(key("bo")), text), &bo),
            (resent(ResentTo::Room(None), text), &bo),
            (resent(ResentTo::User(None), text), &lobby),
        ] {
            assert!(!other.is(of), "{other:?}");
        }
    }
}
