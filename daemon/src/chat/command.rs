//! Owns what the chat is asked and what it answers: plain data. The hub makes the commands from
//! what connections read, and carries out the effects once the turn is kept.

use super::proof::Proof;
use super::reads::{PageOf, Range, Resent, SearchIn};
use super::steps::counted_id;
use super::{Barred, ConversationId, Digest, Made, Refused, SessionId};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use tcp_chat_protocol::event::json_text;
use tcp_chat_protocol::request::{Action, Enrol, History, Login, Place, Request, Search, Target};
use tcp_chat_protocol::{Name, Refusal, RequestId, Seq};
use zeroize::Zeroizing;

counted_id! {
    /// A connection, from its handshake to its end. Never used again.
    ConnectionId(u64)
}

/// A table by numbers that the daemon gives out itself: nobody can choose them to collide, so
/// hashing may be cheap. Names keep the standard hasher.
pub type IdMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The moment of a turn: an argument, so that the chat has no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds that only ever go forward; deadlines are counted in them.
    pub mono: u64,
    /// Milliseconds since 1970, as the system's clock has them; messages are stamped with them.
    pub wall: u64,
}

/// A fresh secret for a session, in case this login begins one.
#[derive(Clone)]
pub struct Secret {
    /// What the client is told.
    pub token: Zeroizing<String>,
    /// What is kept.
    pub hash: [u8; 32],
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// One thing that happened, in the order in which it happened on its connection.
#[derive(Debug, Clone)]
pub enum Command {
    /// A connection is there, its handshake done; where it comes from.
    Open(IpAddr),
    /// So many bytes were read; what they say comes next.
    Read(usize),
    /// A client asked something.
    Ask(Option<RequestId>, Ask),
    /// A line was no request.
    Refused(Refusal),
    /// The connection is gone.
    Lost,
}

/// A request, as the chat sees it.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Open a session, or resume one.
    Login {
        /// What the client sent.
        login: Box<Login>,
        /// A secret for a new session.
        fresh: Secret,
        /// SHA-256 of the token that the client sent, if it was one.
        resumes: Option<[u8; 32]>,
        /// What a check has shown about the sender.
        proof: Proof,
    },
    /// Turn a code into a password or a certificate.
    Enrol {
        /// What the client sent.
        enrol: Box<Enrol>,
        /// SHA-256 of the code, if it can be one.
        code: Option<Digest>,
        /// What was made for it.
        made: Made,
    },
    /// Enter a room.
    Join(Name),
    /// Leave a room.
    Leave(Place),
    /// Say something; the text as a JSON string, quotes included.
    Say(Target, Box<str>),
    /// Read something, and change nothing.
    Query(Query),
    /// Moderate.
    Action(Box<Action>),
    /// Are you there.
    Ping,
    /// Goodbye.
    Quit,
}

/// A request that changes nothing. The edge answers it at its place among the requests of its connection.
#[derive(Debug, Clone)]
pub enum Query {
    /// Who is in the room, or on the server.
    Who(Option<Place>),
    /// Which rooms are there.
    Rooms,
    /// A page of a conversation.
    History(History),
    /// Messages that contain words.
    Search(Box<Search>),
}

/// What a request asks that needs more than was sent: secrets, and proofs.
#[derive(Debug)]
pub enum Proving {
    /// It becomes an [`Ask::Login`].
    Login(Box<Login>),
    /// It becomes an [`Ask::Enrol`].
    Enrol(Box<Enrol>),
}

impl Ask {
    /// A request, its text encoded as it will be stored.
    ///
    /// # Errors
    /// It proves something, and more is needed.
    pub fn of(request: Request<'_>) -> Result<Self, Proving> {
        Ok(match request {
            Request::Login(login) => return Err(Proving::Login(login)),
            Request::Enrol(enrol) => return Err(Proving::Enrol(enrol)),
            Request::Join(name) => Self::Join(name),
            Request::Leave(place) => Self::Leave(place),
            Request::Msg { to, text } => Self::Say(to, json_text(&text)),
            Request::Who(place) => Self::Query(Query::Who(place)),
            Request::Rooms => Self::Query(Query::Rooms),
            Request::History(history) => Self::Query(Query::History(history)),
            Request::Search(search) => Self::Query(Query::Search(search)),
            Request::Action(action) => Self::Action(action),
            Request::Ping => Self::Ping,
            Request::Quit => Self::Quit,
        })
    }
}

/// Whoever was connected and in a room at one moment.
pub type Recipients = Arc<Vec<ConnectionId>>;

/// One message in a chunk, as its author has to hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Where the author was connected.
    pub connection: ConnectionId,
    /// Which message.
    pub seq: Seq,
    /// What the author called it.
    pub id: Option<RequestId>,
}

/// What a connection is to read from the store, when it comes to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// What the session has missed.
    Gap(SessionId, Vec<Range>),
    /// A page of a conversation, as the reply to a `HISTORY`.
    Page(Option<RequestId>, PageOf),
    /// What was found, as the reply to a `SEARCH`.
    Search(Option<RequestId>, Box<SearchIn>),
    /// A `MSG` under an id that was used before: the first one's event, if it says the same.
    Again(Box<Resent>),
}

/// Why the daemon ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closing {
    /// The client said goodbye.
    Quit,
    /// The session was resumed on another connection.
    TakenOver,
    /// Too many errors in a row.
    Errors,
    /// Too many failed logins.
    AuthFailed,
    /// No LOGIN in time.
    Late,
    /// No room for one more session.
    Full,
    /// An operator ended it.
    Kicked,
    /// The daemon is going.
    Shutdown,
}

impl Closing {
    /// The word for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quit => "quit",
            Self::TakenOver => "taken over",
            Self::Errors => "too many errors",
            Self::AuthFailed => "login refused",
            Self::Late => "no login in time",
            Self::Full => "server full",
            Self::Kicked => "kicked",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What is to be done once the turn is kept, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A line to one connection.
    Line(ConnectionId, Vec<u8>),
    /// The reply to a request, true only if the turn is kept: it waits for that.
    IfKept(ConnectionId, Option<RequestId>, Vec<u8>),
    /// The line that refuses a request, and what the log is told.
    Refused(Box<Refused>),
    /// A chunk of the turn's writes, to all who are to have it.
    Chunk {
        /// Its place in [`super::Writes::chunks`].
        index: usize,
        /// Who gets it.
        to: Recipients,
        /// Its messages, in order.
        own: Vec<Own>,
    },
    /// A line to many.
    Event {
        /// Who gets it.
        to: Recipients,
        /// But not this one.
        except: Option<ConnectionId>,
        /// The line.
        line: Arc<[u8]>,
    },
    /// Something to read from the store.
    Read(ConnectionId, Read),
    /// The connection is logged in: its deadline for that is off.
    LoggedIn(ConnectionId, SessionId, Name),
    /// Who comes from there is not let in from now on.
    Barred(Barred),
    /// It has sent too much: for so many milliseconds more nothing is read from it.
    Slow(ConnectionId, u64),
    /// Send what waits, then close.
    Close(ConnectionId, Closing),
}

/// What the proposer of a turn has found in its store of a message that its session may have sent before. It stands in
/// the turn, so that all who apply it come to the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Past {
    /// There is none under that id, or nothing was asked because none can be there.
    #[default]
    Absent,
    /// There is one, in that conversation under that number.
    Kept(ConversationId, Seq),
    /// The store could not be asked: nothing may be kept under that id now.
    Unknown,
}
