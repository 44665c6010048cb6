//! Owns [`Op`], a client's request that changes the state, with the facts that its node has added; and [`Query`], a
//! request that changes nothing. Plain data: the edge makes both after it has applied its limits. Never decides
//! anything.

use super::steps::counted_id;
use super::{ConversationId, Digest, Evidence, NewCredential, SessionId, UserId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::IpAddr;
use tcp_chat_protocol::request::{Action, History, Login, Mark, Place, Search, Target};
use tcp_chat_protocol::{Colour, Name, RequestId, Seq};

counted_id! {
    /// A connection, from its handshake to its end. A process never uses the same id again.
    ConnectionId(u64)
}

/// A map whose keys are numbers that the daemon assigns. No client can choose them to collide, so a fast hash is safe.
pub type IdMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A map that is searched for each message, and whose keys are names that clients choose. Its hash has a random key in
/// each process, and no client sees a hash. So no client can choose names that collide. Nothing iterates over the map:
/// its order differs between nodes. Other maps with names as keys use the standard hasher.
pub(crate) type NameMap<V> = HashMap<Name, V, foldhash::quality::RandomState>;

/// A request that changes the state. The parts that only few requests need are boxed, because most are messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// LOGIN: begins a session, or resumes one.
    Login(Box<LoginOp>),
    /// ENROL: exchanges a code for a password or a certificate.
    Enrol(Box<EnrolOp>),
    /// JOIN
    Join(Name, Box<Allowance>),
    /// LEAVE
    Leave(Place),
    /// MSG: the target, the text as a JSON string with its quotes, and whether the proposer's store has an earlier
    /// message under the same id.
    Say(Target, Box<str>, Past),
    /// A moderation action. And what the proposer's store has of the message that is to be redacted.
    Action(Box<Action>, Past),
    /// Tell how far the user has read.
    Mark(Box<Mark>),
    /// QUIT: ends the session.
    Quit,
}

/// A LOGIN. Contains only hashes of its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginOp {
    /// The requested name. `None` only if it resumes a session.
    pub name: Option<Name>,
    /// The colour of the name.
    pub color: Option<Colour>,
    /// Rooms to join; `None`: the default rooms.
    pub rooms: Option<Vec<Name>>,
    /// The last `seq` that the client has seen,
    pub after: Option<Seq>,
    /// and the log of that number.
    pub log: Option<String>,
    /// SHA-256 of the token for a new session.
    pub token_hash: [u8; 32],
    /// The session that it resumes.
    pub resumes: Resumes,
    /// The result of the check of the sender.
    pub evidence: Evidence,
    /// The sessions and rooms that its network may still use.
    pub allowance: Allowance,
}

/// The session that a LOGIN resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resumes {
    /// None: it begins one.
    No,
    /// The session whose token has this SHA-256.
    Token([u8; 32]),
    /// The client sent a text that cannot be a token.
    NoToken,
}

impl LoginOp {
    /// The op of a request, without its password and its token. `token`: SHA-256 of its token, if it can be one.
    #[must_use]
    pub fn new(
        login: Login,
        (token_hash, token): ([u8; 32], Option<[u8; 32]>),
        evidence: Evidence,
        allowance: Allowance,
    ) -> Self {
        let Login { name, color, rooms, password: _, session, after, log } = login;
        let resumes = match (session, token) {
            (None, _) => Resumes::No,
            (Some(_), Some(hash)) => Resumes::Token(hash),
            (Some(_), None) => Resumes::NoToken,
        };
        Self { name, color, rooms, after, log, token_hash, resumes, evidence, allowance }
    }
}

/// An ENROL. Contains only hashes of its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolOp {
    /// The user of the code.
    pub name: Name,
    /// SHA-256 of the code. `None`: the text cannot be a code.
    pub code: Option<Digest>,
    /// The password hash or the certificate that the daemon made for it.
    pub made: NewCredential,
}

/// The sessions and rooms that a network may still use. The node counts them, and reserves them until the turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// The network, as [`super::network`] makes it.
    pub network: IpAddr,
    /// The number of sessions that it may still begin.
    pub sessions: usize,
    /// The number of rooms that it may still open.
    pub rooms: usize,
}

/// A request that changes nothing. The edge answers it in the order of the requests of its connection.
#[derive(Debug, Clone)]
pub enum Query {
    /// WHO: the members of a room, or the users on the server.
    Who(Option<Place>),
    /// ROOMS: the visible rooms.
    Rooms,
    /// HISTORY: a page of a conversation.
    History(History),
    /// SEARCH: the messages that contain some words.
    Search(Box<Search>),
}

impl Query {
    /// The name of the op on the wire.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Who(_) => "WHO",
            Self::Rooms => "ROOMS",
            Self::History(_) => "HISTORY",
            Self::Search(_) => "SEARCH",
        }
    }
}

/// What the proposer of a turn has found in its store: a message that its session may have sent before, or the message
/// that is to be redacted. It is part of the turn, so that every node that applies the turn gets the same result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Past {
    /// There is none, or nothing was asked because none can be there.
    #[default]
    Absent,
    /// It has one, in this conversation and with this number.
    Kept(ConversationId, Seq),
    /// The message that is to be redacted.
    Message(StoredMessage),
    /// The store could not be read. A message that the state does not know is refused: it may be a resend.
    Unknown,
    /// It has none, and the store cannot be written. A new message is refused.
    Unwritable,
}

/// What a proposer looks for in its store before a request becomes part of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// The message that the session may have sent under this id, which the state does not have.
    Sent(SessionId, RequestId),
    /// The message that is to be redacted.
    Message(Seq),
}

/// What decides about the redaction of a message, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMessage {
    /// Its conversation.
    pub conversation: ConversationId,
    /// Its author; `None`: a daemon of an older version stored it.
    pub author: Option<UserId>,
    /// When it was accepted, in milliseconds since 1970.
    pub ts: u64,
    /// Whether its text was removed already.
    pub is_redacted: bool,
    /// Of a direct message: the names of its author and of its recipient, as it has them. They may be gone.
    pub direct: Option<Box<(Name, Name)>>,
}
