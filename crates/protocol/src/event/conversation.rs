//! Owns the events about a conversation as a whole, or about a message that was sent before: a redaction, a topic, a
//! read mark. The daemon makes them, clients read them. Never decides the recipients.

use super::MsgEvent;
use crate::{Seq, reply};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The data of a `REDACTED` event: the text of a message was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedactedEvent<'a> {
    /// The room; `None` for a direct message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Cow<'a, str>>,
    /// The recipient of a direct message, as in its `MSG`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Cow<'a, str>>,
    /// The author of a direct message, as in its `MSG`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
    /// The seq of the message.
    pub seq: Seq,
    /// The user who redacted it; `None`: an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Cow<'a, str>>,
    /// The reason, if one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
}

/// The data of a `ROOM` event: the topic of a room changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomEvent<'a> {
    /// The room.
    pub room: Cow<'a, str>,
    /// Its topic; empty: it has none any more.
    pub topic: Cow<'a, str>,
    /// The user who set it; `None`: an operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
}

/// A read mark: up to which seq a user has read a conversation. The data of a `MARK` event and of the reply to `MARK`;
/// `LOGIN`'s reply has a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMark<'a> {
    /// The room; `None` for direct messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Cow<'a, str>>,
    /// The other user of direct messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Cow<'a, str>>,
    /// The user has read up to this seq.
    pub seq: Seq,
}

/// A redaction as a line.
#[must_use]
pub fn redacted(event: &RedactedEvent<'_>) -> Vec<u8> {
    reply::event("REDACTED", event)
}

/// A change of a topic as a line.
#[must_use]
pub fn room(event: &RoomEvent<'_>) -> Vec<u8> {
    reply::event("ROOM", event)
}

/// A read mark as a line.
#[must_use]
pub fn mark(event: &ReadMark<'_>) -> Vec<u8> {
    reply::event("MARK", event)
}

/// A `MSG` line without its text, as it is stored after a redaction: the same `seq`, `prev`, `ts` and author. `by`: the
/// user who redacted it; `None`: an operator. A line that is redacted already stays as it is. `None`: `line` is not a
/// `MSG` line of the daemon.
#[must_use]
pub fn redact(line: &[u8], by: Option<&str>, reason: &str) -> Option<Vec<u8>> {
    let mut message: MsgEvent<'_> = serde_json::from_slice(super::data_of(line)?).ok()?;
    if !message.redacted {
        message.msg = Cow::Borrowed("");
        message.redacted = true;
        message.by = by.map(Cow::Borrowed);
        message.reason = Some(reason).filter(|reason| !reason.is_empty()).map(Cow::Borrowed);
    }
    Some(reply::event("MSG", &message))
}

#[cfg(test)]
mod tests {
    use super::super::{MsgLine, Spoken, data_of, json_text, seq_of, write_with_id};
    use super::*;
    use crate::RequestId;
    use proptest::prelude::*;

    fn line(text: &str) -> Vec<u8> {
        let mut line = Vec::new();
        let msg_json = &json_text(text);
        let (ts, user) = ("2026-11-29T10:00:00.000Z", "山田");
        MsgLine { place: Spoken::In("lobby"), seq: 7, prev: 3, ts, user, color: "red", msg_json }
            .write(&mut line);
        line
    }

    proptest! {
        #[test]
        fn a_redacted_line_has_all_but_the_text(text in ".{1,60}", reason in ".{0,20}") {
            let before = line(&text);
            let after = redact(&before, Some("bo"), &reason).unwrap();
            prop_assert_eq!(seq_of(&after), Some(7));
            let read = |line: &[u8]| serde_json::from_slice::<MsgEvent<'static>>(data_of(line).unwrap()).unwrap();
            let (before, read) = (read(&before), read(&after));
            prop_assert_eq!(&*read.msg, "");
            prop_assert!(read.redacted);
            prop_assert_eq!(read.by.as_deref(), Some("bo"));
            prop_assert_eq!(read.reason.as_deref().unwrap_or_default(), &*reason);
            let restored = MsgEvent { msg: before.msg.clone(), redacted: false, by: None, reason: None, ..read };
            prop_assert_eq!(restored, before);
            // A second redaction changes nothing.
            prop_assert_eq!(redact(&after, None, "another").unwrap(), after.clone());
            let mut own = Vec::new();
            write_with_id(&after, &RequestId::Number(1), &mut own);
            let head = br#"{"op":"MSG","status":"OK","id":1,"data":{"room":"lobby","seq":7,"#;
            prop_assert!(own.starts_with(head));
        }
    }

    #[test]
    fn an_operator_and_an_empty_reason_are_left_out() {
        let line = redact(&line("hunter2"), None, "").unwrap();
        let wanted = r##"{"op":"MSG","status":"OK","data":{"room":"lobby","seq":7,"prev":3,"ts":"2026-11-29T10:00:00.000Z","user":"山田","color":"red","msg":"","redacted":true}}"##;
        assert_eq!(std::str::from_utf8(&line).unwrap(), format!("{wanted}\n"));
        assert_eq!(redact(b"{}\n", None, ""), None);
    }
}
