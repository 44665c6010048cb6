//! Owns [`Op`]: a request of a client that changes the state, with all that its node has found out for it; and [`Query`], which
//! changes nothing. Plain data: the edge makes it after it has applied its limits. Never decides anything.

use super::steps::counted_id;
use super::{ConversationId, Digest, Evidence, NewCredential, SessionId, UserId};
use std::collections::HashMap;
use std::net::IpAddr;
use tcp_chat_protocol::request::{Action, History, Login, Mark, Place, Search, Target};
use tcp_chat_protocol::{Name, RequestId, Seq};

counted_id! {
    /// A connection, from its handshake to its end. Never used again.
    ConnectionId(u64)
}

/// A table by numbers that the daemon gives out itself: nobody can choose them to collide, so
/// hashing may be cheap. Names keep the standard hasher.
pub type IdMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A request that changes the state. The parts that only few requests need are boxed, because most are messages.
#[derive(Debug, Clone)]
pub enum Op {
    /// Begin a session, or resume one.
    Login(Box<LoginOp>),
    /// Turn a code into a password or a certificate.
    Enrol(Box<EnrolOp>),
    /// Enter a room.
    Join(Name, Box<Allowance>),
    /// Leave a room.
    Leave(Place),
    /// Send a message; the text as a JSON string, quotes included. And what the proposer's store has of an earlier one under
    /// its id.
    Say(Target, Box<str>, Past),
    /// Moderate. And what the proposer's store has of the message that is to be redacted.
    Action(Box<Action>, Past),
    /// Tell how far the user has read.
    Mark(Box<Mark>),
    /// End the session.
    Quit,
}

/// A LOGIN, without its secrets.
#[derive(Debug, Clone)]
pub struct LoginOp {
    /// What the client sent.
    pub login: Login,
    /// SHA-256 of the token for a new session.
    pub token_hash: [u8; 32],
    /// SHA-256 of the token that the client sent, if it was one.
    pub resumes: Option<[u8; 32]>,
    /// What a check has shown about the sender.
    pub evidence: Evidence,
    /// What its network may still take.
    pub allowance: Allowance,
}

/// An ENROL, without its secrets.
#[derive(Debug, Clone)]
pub struct EnrolOp {
    /// The user of the code.
    pub name: Name,
    /// SHA-256 of the code, if it can be one.
    pub code: Option<Digest>,
    /// What was made for it.
    pub made: NewCredential,
}

/// What a network may still take. Its node counts it, and reserves it until the turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The network, as [`super::network`] makes it.
    pub network: IpAddr,
    /// Sessions that it may still begin.
    pub sessions: usize,
    /// Rooms that it may still open.
    pub rooms: usize,
}

/// A request that changes nothing. The edge answers it at its place among the requests of its connection.
#[derive(Debug, Clone)]
pub enum Query {
    /// The members of a room, or the users on the server.
    Who(Option<Place>),
    /// Which rooms are there.
    Rooms,
    /// A page of a conversation.
    History(History),
    /// Messages that contain words.
    Search(Box<Search>),
}

impl Query {
    /// The word for it on the wire.
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
/// that is to be redacted. It stands in the turn, so that all who apply it come to the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Past {
    /// There is none, or nothing was asked because none can be there.
    #[default]
    Absent,
    /// There is one, in that conversation under that number.
    Kept(ConversationId, Seq),
    /// The message that is to be redacted.
    Message(StoredMessage),
    /// The store could not be asked: nothing may be kept under that id now.
    Unknown,
    /// There is none, and the store cannot be written: nothing new may be kept now.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its conversation.
    pub conversation: ConversationId,
    /// Its author; `None`: a daemon of an older version stored it.
    pub author: Option<UserId>,
    /// When it was accepted, in milliseconds since 1970.
    pub ts: u64,
    /// Whether its text was removed already.
    pub is_redacted: bool,
}
