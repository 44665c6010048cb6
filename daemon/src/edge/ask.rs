//! Owns [`Ask`], the request of a client with the facts that `net` has added: plain data. `net` makes it from a line, the
//! webhook's session makes its own. The edge turns a request that changes the state into a [`tcp_chat_state::Op`]. Never decides
//! anything.

use crate::auth::{EnrolProof, Proof};
use tcp_chat_protocol::Name;
use tcp_chat_protocol::event::json_text;
use tcp_chat_protocol::request::{Action, Enrol, Login, Mark, Place, Request, Target};
use tcp_chat_state::Query;
use zeroize::Zeroizing;

/// The token of a new session, made before it is known whether this LOGIN begins one.
#[derive(Clone)]
pub struct Secret {
    /// The token, for the reply to the client.
    pub token: Zeroizing<String>,
    /// SHA-256 of the token. Only this is stored.
    pub hash: [u8; 32],
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A LOGIN, with the token and the proof that `net` has added.
#[derive(Debug, Clone)]
pub struct LoginAsk {
    /// The fields that the client sent, with its secrets.
    pub login: Login,
    /// The token, if this LOGIN begins a session.
    pub fresh: Secret,
    /// SHA-256 of the token that the client sent. `None`: it sent none, or a text that cannot be a token.
    pub resumes: Option<[u8; 32]>,
    /// The result of the check of the sender.
    pub proof: Proof,
}

/// A request of a client. A LOGIN and an ENROL contain a proof, which only a check makes.
#[derive(Debug, Clone)]
pub enum Ask {
    /// LOGIN: begins a session, or resumes one.
    Login(Box<LoginAsk>),
    /// ENROL: exchanges a code for a password or a certificate.
    Enrol(Box<EnrolProof>),
    /// JOIN
    Join(Name),
    /// LEAVE
    Leave(Place),
    /// MSG: the text is a JSON string with its quotes.
    Say(Target, Box<str>),
    /// WHO, ROOMS, HISTORY or SEARCH.
    Query(Query),
    /// A moderation action.
    Action(Box<Action>),
    /// Tell how far the user has read.
    Mark(Mark),
    /// PING
    Ping,
    /// QUIT
    Quit,
}

/// A request that needs a check, or a secret that the client did not send.
#[derive(Debug)]
pub enum Proving {
    /// Becomes an [`Ask::Login`].
    Login(Box<Login>),
    /// Becomes an [`Ask::Enrol`].
    Enrol(Box<Enrol>),
}

impl Ask {
    /// Makes an `Ask` of a request, with the text of a message encoded as it will be stored.
    ///
    /// # Errors
    /// The request is a LOGIN or an ENROL, which needs a check first.
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

    /// Does it become a turn, or part of one? The others are answered from the state as it is. A QUIT is accepted at any time:
    /// its session ends once something can be ordered.
    #[must_use]
    pub fn needs_order(&self) -> bool {
        !matches!(self, Self::Query(_) | Self::Ping | Self::Quit)
    }

    /// The name of the op on the wire.
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
