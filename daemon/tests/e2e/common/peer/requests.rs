//! Owns the requests of a peer: each sends a line with a new id and waits for its reply. Called by the tests. Never checks
//! the invariants of what arrives: `peer` does.

use super::super::LOBBY;
use super::super::message::Message;
use super::{Peer, Session};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

/// Ids are never used again, not even by the next connection of the same session.
static IDS: AtomicU64 = AtomicU64::new(1);

impl Peer {
    /// The next unused id.
    pub(crate) fn new_id() -> String {
        format!("e2e-{}", IDS.fetch_add(1, Ordering::Relaxed))
    }

    /// Sends a request and returns the whole reply, also an error.
    pub(crate) fn asks_for(&mut self, op: &str, data: Value) -> Value {
        let id = Value::from(Self::new_id());
        self.sends(&json!({"op": op, "data": data, "id": id}));
        let reply = self.next_where(op, |line| line.get("id") == Some(&id));
        assert!(reply["op"] == op || reply["op"] == "ERROR_MSG", "{reply}");
        reply
    }

    /// Sends a request and returns the data of its reply. Panics on an error.
    pub(crate) fn asks(&mut self, op: &str, data: Value) -> Value {
        let reply = self.asks_for(op, data);
        assert_eq!(reply["status"], "OK", "{reply}");
        reply["data"].clone()
    }

    /// Sends a request that must be refused with this kind. Returns the message.
    pub(crate) fn is_refused(&mut self, op: &str, data: Value, kind: &str) -> String {
        let shown = data.to_string();
        let reply = self.asks_for(op, data);
        assert_eq!(reply["data"]["kind"], kind, "{op} {shown}: {reply}");
        reply["data"]["msg"].as_str().filter(|m| !m.is_empty()).expect("a sentence").to_owned()
    }

    /// Sends a message to the lobby. Returns its id, and the reply if it was stored or refused. A message that is
    /// held for the store has no reply yet, but a PING behind it has.
    pub(crate) fn tries_to_say(&mut self, text: &str) -> (Value, Option<Value>) {
        let [id, ping] = [(); 2].map(|()| Value::from(Self::new_id()));
        let message = json!({"op": "MSG", "data": {"room": LOBBY, "msg": text}, "id": id});
        self.sends_bytes(format!("{message}\n{}\n", json!({"op": "PING", "id": ping})).as_bytes());
        self.next_where("PING", |line| line.get("id") == Some(&ping));
        let at = self.waiting.iter().position(|line| line.get("id") == Some(&id));
        (id, at.and_then(|at| self.waiting.remove(at)))
    }

    /// Waits for the reply to the request with this id.
    pub(crate) fn is_answered(&mut self, id: &Value) -> Value {
        self.next_where("an answer", |line| line.get("id") == Some(id))
    }

    /// The next error without an id.
    pub(crate) fn hears_error(&mut self, kind: &str) -> Value {
        let line = self.next_where(kind, |line| line["op"] == "ERROR_MSG");
        assert_eq!(line["data"]["kind"], kind, "{line}");
        assert!(line["data"]["msg"].as_str().is_some_and(|m| !m.is_empty()), "{line}");
        line
    }

    /// Logs in with this name.
    pub(crate) fn login(&mut self, name: &str) -> Value {
        self.logs_in_with(json!({ "name": name }))
    }

    /// Logs in and returns all of the data.
    pub(crate) fn logs_in_with(&mut self, data: Value) -> Value {
        let reply = self.asks("LOGIN", data);
        let text = |field: &str| reply[field].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned();
        let cursor = reply["head"].as_u64().unwrap();
        self.session = Some(Session { name: text("name"), token: text("session"), cursor });
        reply
    }

    /// Resumes.
    pub(crate) fn resumes(&mut self, session: &Session, after: Option<u64>) -> Value {
        let mut data = json!({"name": session.name, "session": session.token});
        if let Some(after) = after {
            data["after"] = after.into();
            self.newest = after;
        }
        let reply = self.logs_in_with(data);
        let mine = self.session.as_mut().unwrap();
        mine.cursor = after.unwrap_or(mine.cursor);
        reply
    }

    /// Prepares a manual resume.
    pub(crate) fn starts_after(&mut self, session: &Session) {
        self.newest = session.cursor;
        self.session = Some(session.clone());
    }

    /// The data to resume from here.
    pub(crate) fn session(&self) -> Session {
        let mut session = self.session.clone().expect("logged in");
        session.cursor = session.cursor.max(self.newest);
        session
    }

    /// Drops the connection without a close.
    pub(crate) fn vanishes(self) -> Session {
        self.session()
    }

    /// Sends to the lobby, and waits for the acknowledgement.
    pub(crate) fn says(&mut self, text: &str) -> Message {
        self.says_in(LOBBY, text)
    }

    /// Sends to a room, and waits for the acknowledgement.
    pub(crate) fn says_in(&mut self, room: &str, text: &str) -> Message {
        let id = Self::new_id();
        self.says_as(json!(id), json!({"room": room, "msg": text}))
    }

    /// Sends to a user, and waits for the acknowledgement.
    pub(crate) fn tells(&mut self, user: &str, text: &str) -> Message {
        let id = Self::new_id();
        self.says_as(json!(id), json!({"to": user, "msg": text}))
    }

    /// Sends with this id, and waits for the acknowledgement.
    pub(crate) fn says_as(&mut self, id: Value, data: Value) -> Message {
        self.sends(&json!({"op": "MSG", "data": data, "id": id}));
        let line = self.next_where("its own message", |line| line.get("id") == Some(&id));
        assert_eq!(line["op"], "MSG", "{line}");
        assert_eq!(line["status"], "OK", "{line}");
        Message::read(&line["data"], line.get("id"))
    }

    /// All pages of a conversation, oldest first.
    pub(crate) fn reads_all(&mut self, of: &Value) -> Vec<Message> {
        let mut all = Vec::new();
        loop {
            let mut data = of.clone();
            data["limit"] = 500.into();
            data["after"] = all.last().map_or(0, |m: &Message| m.seq).into();
            let page = self.asks("HISTORY", data);
            all.extend(page["messages"].as_array().unwrap().iter().map(|m| Message::read(m, None)));
            if page["more"] == false {
                return all;
            }
        }
    }
}
