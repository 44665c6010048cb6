//! Owns this node's side of the chat: its connections, what they may ask, and what they hear. It works in two halves.
//! [`Edge::admit`] lets a request in or refuses it, and puts what it let in into the turn that is gathered.
//! [`Edge::observe`] sees that turn applied: of what the state tells it makes effects, which the hub delivers. The state is
//! an argument: the edge reads it, and changes it only by intents. Rate limits, quotas, errors in a row and peer addresses
//! are the edge's alone, so a restart or another node begins with none of them.

mod admit;
mod ask;
mod away;
mod changes;
mod command;
mod connections;
mod counters;
mod effects;
mod gathering;
mod hold;
mod limits;
mod networks;
mod notices;
mod presence;
mod quotas;
mod recipients;
mod refusals;
mod replies;
mod settle;

pub use ask::{Ask, Proving, Secret};
pub use command::Command;
pub use counters::Counters;
pub use effects::{Closing, Effect, Outcome, Read, Recipients};
pub use gathering::Now;
pub use limits::SLOWEST_MS;
pub use refusals::Refused;

use away::Away;
use connections::Connection;
use gathering::Gathering;
use hold::Hold;
use networks::Networks;
use presence::Untold;
use quotas::{Quotas, SessionLimits};
use recipients::Listeners;
use tcp_chat_protocol::Refusal;
use tcp_chat_state::{Change, ConnectionId, ConversationId, IdMap, NodeId, Origin, Place, SessionId, State};

/// What a request came to.
type Answer<T = ()> = Result<T, Refusal>;

/// This node's side of the chat.
#[derive(Debug, Default)]
pub struct Edge {
    node: NodeId,
    /// The moment of this turn, in milliseconds that only ever go forward.
    now: u64,
    /// The turn that is gathered, and what is done while it is applied.
    gathering: Gathering,
    connections: IdMap<ConnectionId, Connection>,
    /// The limits of each session that has asked something of this process.
    limits: IdMap<SessionId, SessionLimits>,
    /// What is left to each user and each network.
    quotas: Quotas,
    /// Which network began which sessions, and opened which rooms.
    sessions: Networks<SessionId>,
    rooms: Networks<ConversationId>,
    /// When sessions that are away end.
    away: Away,
    counters: Counters,
    /// Who hears what,
    listeners: Listeners,
    /// and what they are told of who is here, later.
    untold: Untold,
    /// What the turn came to so far.
    effects: Vec<Effect>,
    /// What the store could not keep yet.
    hold: Hold,
}

impl Edge {
    /// The connection, as the state knows it.
    fn at(&self, connection: ConnectionId) -> Origin {
        Origin { node: self.node, connection }
    }

    /// Sees a turn applied that this edge has gathered: called at each place of it, with the state as it is there and what
    /// has happened since the last place.
    pub fn observe(&mut self, chat: &State, changes: &mut Vec<Change>, place: Place) {
        match place {
            Place::Begin => {
                self.sync(chat, changes);
                self.settle_local(chat, 0);
            }
            Place::Intent { index, id, result } => self.settle(chat, changes, index, id, result),
            Place::Sealed => {
                self.sync(chat, changes);
                self.tell(chat);
            }
            Place::End => self.sync(chat, changes),
        }
    }

    /// The turn is over: what is to be done once it is kept.
    #[must_use]
    pub fn finish(&mut self) -> Vec<Effect> {
        self.untold.next_turn();
        std::mem::take(&mut self.effects)
    }

    /// What was counted since the last call; `None`: nothing.
    pub fn take_counters(&mut self) -> Option<Counters> {
        self.counters.take()
    }
}

#[cfg(test)]
mod tests;
