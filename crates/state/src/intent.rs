//! Owns what the edge proposes to the state, and what a request comes to: plain data. The edge makes intents after it has
//! applied its limits; every state that applies the same intents is the same. Never decides anything.

use super::{ConnectionId, Op, Past, Range, Resent, Rules, SessionId, UserCommand, UserCommandError};
use std::collections::VecDeque;
use tcp_chat_protocol::reply::{ActReply, EnrolReply, JoinReply, LeaveReply, LoginReply};
use tcp_chat_protocol::{Action, Name, ReadMark, RequestId};

/// A node: a daemon that serves the chat. Without a cluster there is one, [`NodeId::LOCAL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The node of a daemon that belongs to no cluster.
    pub const LOCAL: Self = Self(0);
}

/// Where a session is connected, or was: a connection of a node. It is part of the state, so that all nodes know who is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The node.
    pub node: NodeId,
    /// One of its connections. After a restart the node gives out the same numbers again: [`Intent::NodeUp`] comes first.
    pub connection: ConnectionId,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The connection.
    pub origin: Origin,
    /// The session on it, as its node knows. The state checks that it still is.
    pub session: Option<SessionId>,
}

/// Whose request it is: made once, where it is known that the connection has a session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    /// The connection.
    pub(crate) origin: Origin,
    /// The session that is on it.
    pub(crate) session: SessionId,
    /// What the client calls its request.
    pub(crate) id: Option<&'a RequestId>,
}

/// What changes the state, as the edge proposes it.
#[derive(Debug, Clone)]
pub enum Intent {
    /// A request of a client, under the id that the client gave it.
    Request(Source, Option<RequestId>, Op),
    /// The connection is gone: the session that was on it is away.
    Away(Origin, SessionId),
    /// The process of the node begins: none of the connections of the process before it is there any more, so its sessions
    /// are away.
    NodeUp(NodeId),
    /// These sessions came from a range of addresses that is banned: they end, one after the other.
    EvictBanned {
        /// In the order of their connections.
        sessions: VecDeque<SessionId>,
        /// The moderator or operator, as the sessions are told.
        who: Box<str>,
        /// Why; may be empty.
        reason: Box<str>,
    },
    /// The time of these sessions is over. One that was resumed in between stays.
    Expire(Vec<SessionId>),
    /// An operator moderates: the system's user of that number. And what the proposer's store has of the message that is
    /// to be redacted.
    Operate(u32, Box<Action>, Past),
    /// An operator wants something done to a user or a certificate: the system's user of that number.
    Grant(u32, UserCommand),
    /// Another policy is in force from here on.
    Policy(Box<Rules>),
    /// What was said so far is numbered before what comes next.
    Seal,
}

/// What a request came to, if it was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// A session began, or goes on.
    LoggedIn(Box<LoggedIn>),
    /// A code was turned into a password or a certificate. True only if the turn is kept.
    Enrolled(Box<EnrolReply>),
    /// The session is in the room.
    Joined(Box<JoinReply>),
    /// The session has left the room.
    Left(Box<LeaveReply>),
    /// A moderation action was carried out.
    Acted(Box<ActReply>),
    /// An operator's wish was carried out: how many certificates or sessions it touched. Or it was not granted.
    Granted(Box<Result<usize, UserCommandError>>),
    /// The read mark as it is now. True only if the turn is kept.
    Marked(Box<ReadMark<'static>>),
    /// A message will be kept.
    Said,
    /// The message was kept before.
    Resent(Box<Resent>),
    /// Something else.
    Other,
}

/// A session that began, or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// Which.
    pub session: SessionId,
    /// Its user's name.
    pub name: Name,
    /// The reply, without the token, which the state does not know.
    pub reply: LoginReply,
    /// What a resumed session has missed.
    pub missed: Vec<Range>,
    /// How it was resumed; `None`: it began.
    pub resumed: Option<ResumeOutcome>,
}

/// How an attempt to go on with a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeOutcome {
    /// It was away, and goes on.
    Resumed,
    /// It was taken over from a connection that still looked alive.
    TakenOver,
    /// There is no such session any more.
    Expired,
    /// It is there, and whoever asked may not have it.
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
