//! Owns a message as the tests see it: an event, or an entry of a history. Called by [`super::peer`] and the
//! tests. Never reads from a connection.

use serde_json::Value;

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    /// Its number.
    pub(crate) seq: u64,
    /// The number before it in the conversation.
    pub(crate) prev: u64,
    /// The room, or the two users of a direct message.
    pub(crate) conversation: String,
    /// The author.
    pub(crate) user: String,
    /// The text.
    pub(crate) text: String,
    /// The id that its author sent; only in the author's own copy.
    pub(crate) id: Option<Value>,
}

impl Message {
    /// From the `data` of an event, or an entry of a history.
    pub(crate) fn read(data: &Value, id: Option<&Value>) -> Self {
        let text =
            |field: &str| data[field].as_str().unwrap_or_else(|| panic!("`{field}` in {data}")).to_owned();
        let number = |field: &str| data[field].as_u64().unwrap_or_else(|| panic!("`{field}` in {data}"));
        let conversation = if data["to"].is_null() {
            text("room")
        } else {
            let mut ends = [text("user"), text("to")];
            ends.sort();
            ends.join(" and ")
        };
        assert!(data["color"].is_string() && data["ts"].is_string(), "{data}");
        Self {
            seq: number("seq"),
            prev: number("prev"),
            conversation,
            user: text("user"),
            text: text("msg"),
            id: id.cloned(),
        }
    }
}
