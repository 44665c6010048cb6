//! Owns a peer: one connection with raw lines over blocking TLS. It stores everything that it receives, and
//! checks the invariants: numbers increase, and chains have no gap. Called by the tests; `requests` has the calls that
//! send a request. Never resends.

mod requests;

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
}
