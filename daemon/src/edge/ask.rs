//! Owns what a client asks, with all that the net has found out for it, and the word for it on the wire: plain data. Made by
//! the net of what connections read; the edge makes an [`tcp_chat_state::Op`] of what changes the state. Never decides
//! anything.

use crate::auth::Proof;
use tcp_chat_protocol::Name;
use tcp_chat_protocol::event::json_text;
use tcp_chat_protocol::request::{Action, Enrol, Login, Mark, Place, Request, Target};
use tcp_chat_state::{EnrolOp, Query};
use zeroize::Zeroizing;

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

/// A LOGIN, with what the net has made and found out for it.
#[derive(Debug, Clone)]
pub struct LoginAsk {
    /// What the client sent.
    pub login: Login,
    /// A secret for a new session.
    pub fresh: Secret,
    /// SHA-256 of the token that the client sent, if it was one.
    pub resumes: Option<[u8; 32]>,
    /// What a check has shown about the sender.
    pub proof: Proof,
}

/// A request. A LOGIN has a proof, which only a check makes.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Begin a session, or resume one.
    Login(Box<LoginAsk>),
    /// Turn a code into a password or a certificate.
    Enrol(Box<EnrolOp>),
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
            Request::Mark(mark) => Self::Mark(mark),
            Request::Ping => Self::Ping,
            Request::Quit => Self::Quit,
        })
    }

    /// The word for it on the wire.
    #[must_use]
    pub fn op(&self) -> &'static str {
        match self {
            Self::Login(_) => "LOGIN",
            Self::Enrol(_) => "ENROL",
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
