//! Owns the effects of a turn on the connections of this node: plain data. The edge makes them; the hub carries them
//! out once the turn is kept. Never decides anything.

use super::Refused;
use std::sync::Arc;
use tcp_chat_protocol::{Name, RequestId, Seq};
use tcp_chat_state::{
    Audience, BannedRanges, ConnectionId, ConversationId, Own, PageOf, Range, Resent, SearchIn, SessionId,
    Writes,
};

/// The outcome of a turn on this node.
#[derive(Debug)]
pub struct Outcome {
    /// The changes to store, all or nothing.
    pub writes: Writes,
    /// The effects to carry out once they are kept.
    pub effects: Vec<Effect>,
}

/// The connections of this node that were in a room at one moment, in order.
pub type Recipients = Arc<Vec<ConnectionId>>;

/// The effects, carried out in this order once the turn is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A line to one connection.
    Line(ConnectionId, Vec<u8>),
    /// The reply to a request, true only if the turn is kept.
    IfKept(ConnectionId, Option<RequestId>, Vec<u8>),
    /// The line that refuses a request, and the data of its log line.
    Refused(Box<Refused>),
    /// A chunk of the turn's writes, to all its recipients.
    Chunk {
        /// Its place in [`Writes::chunks`].
        index: usize,
        /// The recipients.
        to: Recipients,
        /// Its messages, in order.
        own: Vec<Own>,
    },
    /// A line to many connections.
    Event {
        /// The recipients,
        to: Recipients,
        /// without this one.
        except: Option<ConnectionId>,
        /// The line.
        line: Arc<[u8]>,
    },
    /// Messages up to that number that wait in memory are read from the store instead, true only if the turn is kept: the texts
    /// of some are removed.
    ReadAgain(Seq),
    /// A line to many that none of them is to miss, true only if the turn is kept.
    Told {
        /// Who gets it.
        to: Recipients,
        /// The audience: if the turn is held, users may leave it before the line is sent.
        audience: Audience,
        /// But not this one.
        except: Option<ConnectionId>,
        /// The line.
        line: Arc<[u8]>,
        /// The message whose text is removed: where it waits in memory, it is read from the store instead.
        redacts: Option<(ConversationId, Seq)>,
    },
    /// A range to read from the store.
    Read(ConnectionId, Read),
    /// The connection is logged in: its deadline for a login ends.
    LoggedIn(ConnectionId, SessionId, Name),
    /// Connections from these ranges are refused from now on.
    BannedRanges(BannedRanges),
    /// The connection has sent too much: nothing is read from it for so many more milliseconds.
    Slow(ConnectionId, u64),
    /// Sends the waiting items, then closes.
    Close(ConnectionId, Closing),
}

impl Effect {
    /// The same effect, of a turn that is written together with earlier ones, which have so many chunks.
    #[must_use]
    pub fn behind(self, chunks: usize) -> Self {
        match self {
            Self::Chunk { index, to, own } => Self::Chunk { index: chunks + index, to, own },
            other => other,
        }
    }
}

/// A range that a connection reads from the store when it reaches this place of its outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// The messages that the session has missed.
    Gap(SessionId, Vec<Range>),
    /// A page of a conversation, as the reply to a `HISTORY`.
    Page(Option<RequestId>, PageOf),
    /// The results of a search, as the reply to a `SEARCH`.
    Search(Option<RequestId>, Box<SearchIn>),
    /// A `MSG` under a used id: the event of the first message, if both have the same target and text.
    Again(Box<Resent>),
}

/// Why the daemon ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Closing {
    /// The client sent QUIT.
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
    /// The daemon ends, or this node hands its connections over.
    Shutdown,
    /// Whether its requests were ordered is unknown.
    Unanswered,
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
            Self::Unanswered => "outcome unknown",
        }
    }
}
