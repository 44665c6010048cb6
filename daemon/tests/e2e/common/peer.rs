//! Owns a peer: one connection with raw lines over blocking TLS. It stores everything that it receives, and
//! checks the invariants: numbers increase, and chains have no gap.

use super::PATIENCE;
use super::message::Message;
use super::web::Link;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The data of a resume.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// The user.
    pub(crate) name: String,
    /// The token.
    pub(crate) token: String,
    /// The last seen number.
    pub(crate) cursor: u64,
}

/// One connection.
pub(crate) struct Peer {
    tls: Link,
    bytes: VecDeque<u8>,
    /// Lines that came while the test waited for another one.
    waiting: VecDeque<Value>,
    /// All received messages, in order.
    pub(crate) messages: Vec<Message>,
    /// The newest number of each conversation.
    chains: HashMap<String, u64>,
    /// The newest number of all.
    newest: u64,
    session: Option<Session>,
}

/// Ids are never used again, not even by the next connection of the same session.
static IDS: AtomicU64 = AtomicU64::new(1);

impl Peer {
    /// Connects, and verifies the certificate for `localhost`.
    pub(crate) fn connect(address: SocketAddr, client: Arc<ClientConfig>) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Self::over(socket, client)
    }

    /// The same over an existing socket.
    pub(crate) fn over(mut socket: TcpStream, client: Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").unwrap();
        let mut connection = ClientConnection::new(client, name).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut socket)?;
        }
        Ok(Self::speaks(Link::Line(Box::new(StreamOwned::new(connection, socket)))))
    }

    /// A peer on an existing connection.
    pub(crate) fn speaks(tls: Link) -> Self {
        Self {
            tls,
            bytes: VecDeque::new(),
            waiting: VecDeque::new(),
            messages: Vec::new(),
            chains: HashMap::new(),
            newest: 0,
            session: None,
        }
    }

    /// The negotiated application protocol.
    pub(crate) fn alpn(&self) -> Option<Vec<u8>> {
        self.tls.below().conn.alpn_protocol().map(<[u8]>::to_vec)
    }

    /// Its local port.
    pub(crate) fn port(&self) -> u16 {
        self.tls.below().sock.local_addr().unwrap().port()
    }

    /// Sends bytes unchanged, in as many writes as TLS makes.
    pub(crate) fn sends_bytes(&mut self, bytes: &[u8]) {
        self.try_send_bytes(bytes).unwrap();
    }

    /// One line.
    pub(crate) fn sends(&mut self, line: &Value) {
        self.sends_bytes(format!("{line}\n").as_bytes());
    }

    /// Sends bytes; an error if the connection is lost.
    pub(crate) fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.write_all(bytes)?;
        self.tls.flush()
    }

    /// The next line as received, without its ending. `None`: the daemon closed cleanly.
    pub(crate) fn try_line(&mut self) -> io::Result<Option<String>> {
        let mut chunk = [0; 64 * 1024];
        let mut looked = 0;
        loop {
            if let Some(end) = self.bytes.iter().skip(looked).position(|b| *b == b'\n') {
                let mut line: Vec<u8> = self.bytes.drain(..=looked + end).collect();
                line.pop();
                assert_ne!(line.last(), Some(&b'\r'), "the daemon ends its lines with \\n alone");
                return Ok(Some(String::from_utf8(line).expect("the daemon sends UTF-8")));
            }
            looked = self.bytes.len();
            match self.tls.read(&mut chunk)? {
                0 => {
                    assert!(self.bytes.is_empty(), "half a line before the end");
                    return Ok(None);
                }
                n => self.bytes.extend(&chunk[..n]),
            }
        }
    }

    /// The next line of the daemon, after a check of the invariants.
    pub(crate) fn try_next(&mut self) -> io::Result<Option<Value>> {
        let Some(line) = self.try_line()? else { return Ok(None) };
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(line["op"].is_string() && line["status"].is_string(), "no envelope: {line}");
        assert_eq!(line["status"] == "ERR", line["op"] == "ERROR_MSG", "{line}");
        if line["op"] == "MSG" && line["status"] == "OK" {
            self.remember(Message::read(&line["data"], line.get("id")));
        }
        Ok(Some(line))
    }

    fn remember(&mut self, message: Message) {
        if message.id.is_some() && message.seq <= self.newest {
            // The answer to a resend: the first message's event.
            return;
        }
        assert!(message.seq > self.newest, "numbers rise: {message:?} after {}", self.newest);
        assert!(message.prev < message.seq, "{message:?}");
        self.newest = message.seq;
        if let Some(last) = self.chains.insert(message.conversation.clone(), message.seq) {
            assert_eq!(message.prev, last, "a hole or a double before {message:?}");
        }
        self.messages.push(message);
    }

    /// Leaving a room ends its chain: this peer does not receive the messages meanwhile.
    pub(crate) fn forgets(&mut self, room: &str) {
        self.chains.remove(room);
    }

    /// The next line that `wanted` accepts. Other lines stay queued.
    pub(crate) fn next_where(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(&wanted) {
            return self.waiting.remove(at).unwrap();
        }
        loop {
            match self.try_next() {
                Ok(Some(line)) if wanted(&line) => return line,
                Ok(Some(line)) => self.waiting.push_back(line),
                Ok(None) => panic!("closed while waiting for {what}; waiting: {:?}", self.waiting),
                Err(e) => panic!("{e} while waiting for {what}; waiting: {:?}", self.waiting),
            }
        }
    }

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
        let message = json!({"op": "MSG", "data": {"room": super::LOBBY, "msg": text}, "id": id});
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
        self.says_in(super::LOBBY, text)
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

    /// The next message.
    pub(crate) fn next_message(&mut self) -> Message {
        let line = self.next_where("a message", |line| line["op"] == "MSG");
        Message::read(&line["data"], line.get("id"))
    }

    /// The next message is this one.
    pub(crate) fn hears(&mut self, text: &str) -> Message {
        let message = self.next_message();
        assert_eq!(message.text, text, "{message:?}");
        message
    }

    /// The next presence is this one.
    pub(crate) fn sees(&mut self, user: &str, state: &str) -> Value {
        let line = self.next_where(&format!("{user} {state}"), |line| line["op"] == "PRESENCE");
        assert_eq!((&line["data"]["user"], &line["data"]["state"]), (&json!(user), &json!(state)), "{line}");
        line["data"].clone()
    }

    /// The next notice is of this kind.
    pub(crate) fn is_noticed(&mut self, kind: &str) -> Value {
        let line = self.next_where(kind, |line| line["op"] == "NOTICE");
        assert_eq!(line["data"]["kind"], kind, "{line}");
        line["data"].clone()
    }

    /// The daemon answers a PING, and no event of this op came before.
    pub(crate) fn has_nothing(&mut self, op: &str) {
        self.asks("PING", Value::Null);
        let found: Vec<_> = self.waiting.iter().filter(|line| line["op"] == op).collect();
        assert!(found.is_empty(), "unexpected: {found:?}");
    }

    /// The daemon closes cleanly: everything that it sent arrives, and then `close_notify`.
    pub(crate) fn is_closed(&mut self) {
        loop {
            match self.try_next() {
                Ok(None) => return,
                Ok(Some(line)) => self.waiting.push_back(line),
                Err(e) => panic!("{e} instead of close_notify; waiting: {:?}", self.waiting),
            }
        }
    }

    /// Nothing more arrives. True: without `close_notify`.
    pub(crate) fn ends_in_error(&mut self) -> bool {
        loop {
            match self.try_next() {
                Ok(None) => return false,
                Ok(Some(line)) => self.waiting.push_back(line),
                Err(e) => return e.kind() != io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Reads until `seq` has come.
    pub(crate) fn catches_up_to(&mut self, seq: u64) {
        while self.newest < seq {
            self.try_next().unwrap().expect("closed before all had come");
        }
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
