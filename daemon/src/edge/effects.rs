//! Owns what the connections of this node get of a turn: plain data. The edge makes the effects, and the hub carries them
//! out once the turn is kept. Never decides anything.

use super::Refused;
use std::sync::Arc;
use tcp_chat_protocol::{Name, RequestId, Seq};
use tcp_chat_state::{
    BannedRanges, ConnectionId, ConversationId, Own, PageOf, Range, Resent, SearchIn, SessionId, Writes,
};

/// What a turn came to on this node.
#[derive(Debug)]
pub struct Outcome {
    /// To be written, all or nothing.
    pub writes: Writes,
    /// To be done once it is kept.
    pub effects: Vec<Effect>,
}

/// Those connections of this node that heard a room at one moment, in order.
pub type Recipients = Arc<Vec<ConnectionId>>;

/// What is to be done once the turn is kept, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A line to one connection.
    Line(ConnectionId, Vec<u8>),
    /// The reply to a request, true only if the turn is kept.
    IfKept(ConnectionId, Option<RequestId>, Vec<u8>),
    /// The line that refuses a request, and what the log is told.
    Refused(Box<Refused>),
    /// A chunk of the turn's writes, to all who are to have it.
    Chunk {
        /// Its place in [`Writes::chunks`].
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
    /// A line to many that none of them is to miss, true only if the turn is kept.
    Told {
        /// Who gets it.
        to: Recipients,
        /// But not this one.
        except: Option<ConnectionId>,
        /// The line.
        line: Arc<[u8]>,
        /// The message whose text is removed: where it waits in memory, it is read from the store instead.
        redacts: Option<(ConversationId, Seq)>,
    },
    /// Something to read from the store.
    Read(ConnectionId, Read),
    /// The connection is logged in: its deadline for that is off.
    LoggedIn(ConnectionId, SessionId, Name),
    /// Connections from these ranges are refused from now on.
    BannedRanges(BannedRanges),
    /// It has sent too much: for so many milliseconds more nothing is read from it.
    Slow(ConnectionId, u64),
    /// Send what waits, then close.
    Close(ConnectionId, Closing),
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
