//! Owns [`Intent`], a change that the edge proposes to the state, and [`Done`], the result of a request: plain data.
//! The edge makes intents after it has applied its limits. Never decides anything.

use super::{
    ConnectionId, ErasureStep, Op, Past, Range, Resent, Rules, SessionId, UserCommand, UserCommandError,
};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tcp_chat_protocol::reply::{ActReply, EnrolReply, JoinReply, LeaveReply};
use tcp_chat_protocol::{Action, Colour, Name, ReadMark, RequestId, Seq};

/// A node: a daemon that serves the chat. Without a cluster there is one, [`NodeId::LOCAL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The node of a daemon that belongs to no cluster.
    pub const LOCAL: Self = Self(0);
}

/// The connection of a session: a node, and one of its connections. It is part of the state, so that all nodes know
/// which sessions are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// One of its connections. After a restart the node assigns the same numbers again, so it first proposes
    /// [`Intent::NodeUp`].
    pub connection: ConnectionId,
}

/// The connection and the session of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The connection.
    pub origin: Origin,
    /// The session on that connection, as its node knows it. The state checks whether it is still there.
    pub session: Option<SessionId>,
}

/// The sender of a request that needs a session. Made once, where the state has found the session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// The connection.
    pub(crate) origin: Origin,
    /// The session on that connection.
    pub(crate) session: SessionId,
    /// The id that the client gave to its request.
    pub(crate) id: Option<&'a RequestId>,
}

/// A change of the state that an edge proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Intent {
    /// A request of a client, under the id that the client gave it.
    Request(Source, Option<RequestId>, Op),
    /// The connection is lost: its session is away from now on.
    Away(Origin, SessionId),
    /// The process of the node starts. The connections of its previous process no longer exist, so their sessions are
    /// away.
    NodeUp(NodeId),
    /// Ends these sessions one after the other: their peer addresses are in a banned range.
    EvictBanned {
        /// In the order of their connections.
        sessions: VecDeque<SessionId>,
        /// The moderator or operator, as the sessions are told.
        who: Box<str>,
        /// The reason; may be empty.
        reason: Box<str>,
    },
    /// Ends these sessions, which were away for too long. A session that was resumed meanwhile stays.
    Expire(Vec<SessionId>),
    /// A moderation action of an operator, with the operator's user id in the operating system. And what the proposer's
    /// store has of the message that is to be redacted.
    OperatorAction(u32, Box<Action>, Past),
    /// An operator's change of a user or a certificate, with the operator's user id in the operating system.
    ChangeUser(u32, UserCommand),
    /// Another policy applies from now on.
    Policy(Box<Rules>),
    /// Seals the messages so far: they get their numbers before the next intent.
    Seal,
    /// The process of a node starts, with this policy. The previous process may have had another policy, or another
    /// version.
    Start(Box<Rules>),
    /// Retention: all messages below this number are removed, and old certificates and removed users are forgotten. 0:
    /// no messages. Every node proposes it by its own settings and disk, and it counts for all: the node that keeps the
    /// least decides.
    Retain(Seq),
    /// The next step of an erasure, as far as the proposer has time for it.
    Erase(ErasureStep),
    /// An operator's notice to all connected users. It changes nothing.
    Notice(Box<str>),
}

/// The result of a request that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// A session began, or was resumed.
    LoggedIn(Box<LoggedIn>),
    /// A code was exchanged for a password or a certificate. True only if the turn is kept.
    Enrolled(Box<EnrolReply>),
    /// The session is in the room.
    Joined(Box<JoinReply>),
    /// The session has left the room.
    Left(Box<LeaveReply>),
    /// A moderation action was carried out.
    Acted(Box<ActReply>),
    /// The result of an operator's command: the number of changed certificates or sessions, or the reason why not.
    UserChanged(Box<Result<usize, UserCommandError>>),
    /// The read mark as it is now. True only if the turn is kept.
    Marked(Box<ReadMark<'static>>),
    /// A message is part of this turn.
    Said,
    /// The message was kept before.
    Resent(Box<Resent>),
    /// Any other request was done.
    Other,
}

/// The facts about a session that began, or was resumed. The edge makes the reply from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The session.
    pub session: SessionId,
    /// Its user's name.
    pub name: Name,
    /// The name's colour.
    pub color: Colour,
    /// Its rooms, in the order of its joins.
    pub rooms: Vec<Name>,
    /// The newest number before this turn, because this turn is not kept yet.
    pub head: Seq,
    /// The id of the log.
    pub log: String,
    /// Up to this number the log equals the one that the client has named.
    pub log_from: Seq,
    /// The read marks that the client is shown. `None`: the name is not proven.
    pub marks: Option<Vec<ReadMark<'static>>>,
    /// The messages that a resumed session has missed.
    pub missed: Vec<Range>,
    /// How it was resumed; `None`: it is new.
    pub resumed: Option<ResumeOutcome>,
}

/// The result of an attempt to resume a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeOutcome {
    /// It was away, and was resumed.
    Resumed,
    /// It was taken over from a connection that was still open.
    TakenOver,
    /// The session no longer exists.
    Expired,
    /// The session exists, but this client must not resume it.
    Refused,
}

impl ResumeOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Resumed, Self::TakenOver, Self::Expired, Self::Refused];

    /// The word for metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::TakenOver => "taken_over",
            Self::Expired => "expired",
            Self::Refused => "refused",
        }
    }
}
