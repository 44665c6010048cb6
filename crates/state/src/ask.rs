//! Owns what a client asks, with all that its net has found out for it, and the word for it on the wire: plain data. Made by
//! the net of what connections read; the edge hands it to the state. Never decides anything.

use super::steps::counted_id;
use super::{ConversationId, Digest, Evidence, NewCredential, SessionId, UserId};
use std::collections::HashMap;
use tcp_chat_protocol::event::json_text;
use tcp_chat_protocol::request::{Action, Enrol, History, Login, Mark, Place, Request, Search, Target};
use tcp_chat_protocol::{Name, RequestId, Seq};
use zeroize::Zeroizing;

counted_id! {
    /// A connection, from its handshake to its end. Never used again.
    ConnectionId(u64)
}

/// A table by numbers that the daemon gives out itself: nobody can choose them to collide, so
/// hashing may be cheap. Names keep the standard hasher.
pub type IdMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

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

/// A request. `P`: what stands for the check of a LOGIN. The state takes [`Evidence`]; what a transport makes holds the
/// proof of the daemon, which only a check can make.
#[derive(Debug, Clone)]
pub enum Ask<P = Evidence> {
    /// Open a session, or resume one.
    Login {
        /// What the client sent.
        login: Box<Login>,
        /// A secret for a new session.
        fresh: Secret,
        /// SHA-256 of the token that the client sent, if it was one.
        resumes: Option<[u8; 32]>,
        /// What a check has shown about the sender.
        proof: P,
    },
    /// Turn a code into a password or a certificate.
    Enrol {
        /// Whose code it is. What else the client sent is secret, and no part of it is needed.
        name: Name,
        /// SHA-256 of the code, if it can be one.
        code: Option<Digest>,
        /// What was made for it.
        made: NewCredential,
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
    /// Tell how far the user has read.
    Mark(Mark),
    /// Are you there.
    Ping,
    /// Goodbye.
    Quit,
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

/// What a request asks that needs more than was sent: secrets, and proofs.
#[derive(Debug)]
pub enum Proving {
    /// It becomes an [`Ask::Login`].
    Login(Box<Login>),
    /// It becomes an [`Ask::Enrol`].
    Enrol(Box<Enrol>),
}

impl<P> Ask<P> {
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
            Request::Mark(mark) => Self::Mark(mark),
            Request::Ping => Self::Ping,
            Request::Quit => Self::Quit,
        })
    }
}

impl<P> Ask<P> {
    /// The same request with something else in the place of its proof.
    pub fn map_proof<Q>(self, map: impl FnOnce(P) -> Q) -> Ask<Q> {
        match self {
            Self::Login { login, fresh, resumes, proof } => {
                Ask::Login { login, fresh, resumes, proof: map(proof) }
            }
            Self::Enrol { name, code, made } => Ask::Enrol { name, code, made },
            Self::Join(name) => Ask::Join(name),
            Self::Leave(place) => Ask::Leave(place),
            Self::Say(target, json) => Ask::Say(target, json),
            Self::Query(query) => Ask::Query(query),
            Self::Action(action) => Ask::Action(action),
            Self::Mark(mark) => Ask::Mark(mark),
            Self::Ping => Ask::Ping,
            Self::Quit => Ask::Quit,
        }
    }

    /// The word for it on the wire.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Login { .. } => "LOGIN",
            Self::Enrol { .. } => "ENROL",
            Self::Join(_) => "JOIN",
            Self::Leave(_) => "LEAVE",
            Self::Say(..) => "MSG",
            Self::Query(query) => query.op(),
            Self::Ping => "PING",
            Self::Quit => "QUIT",
            Self::Action(action) => action.op(),
            Self::Mark(_) => "MARK",
        }
    }
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
