//! Owns this node's side of the chat: its connections, their limits, and the recipients of messages. It works in two
//! halves. [`Edge::admit`] accepts or refuses a request, and adds an accepted one to the next turn.
//! [`Edge::observe`] is called while that turn is applied: it turns the state's changes into effects, which the hub
//! delivers. Called by the hub. The state is an argument: the edge reads it, and never changes it except by intents.
//! Rate limits, quotas, errors in a row and peer addresses exist only in the edge: a restart forgets them, and another
//! node does not have them.

mod admit;
mod ask;
mod away;
mod changes;
mod charge;
mod command;
mod connections;
mod counters;
mod effects;
mod flight;
mod gathering;
mod hold;
mod limits;
mod lost;
mod need;
mod networks;
mod notices;
mod presence;
mod quotas;
mod recipients;
mod refusals;
mod replies;
mod settle;

pub use ask::{Ask, LoginAsk, Proving, Secret};
pub use command::{Command, LIGHT_BYTES};
pub use counters::Counters;
pub use effects::{Closing, Effect, Outcome, Read, Recipients};
pub use gathering::Now;
pub use limits::SLOWEST_MS;
pub use refusals::Refused;

use away::Away;
use connections::Connection;
use flight::Flights;
use gathering::Gathering;
use hold::Hold;
use networks::Networks;
use presence::PendingPresence;
use quotas::{Quotas, SessionLimits};
use recipients::Listeners;
use std::sync::Arc;
use tcp_chat_protocol::Refusal;
use tcp_chat_state::{Change, ConnectionId, ConversationId, IdMap, NodeId, Origin, SessionId, Stage, State};

/// The result of a request: done, or refused.
type Answer<T = ()> = Result<T, Refusal>;

/// This node's side of the chat.
#[derive(Debug, Default)]
pub struct Edge {
    node: NodeId,
    /// The moment of this turn, in milliseconds of a clock that only goes forward.
    now: u64,
    /// How long the order has stood still so far, in milliseconds.
    stood_still: u64,
    /// The turn that is gathered,
    gathering: Gathering,
    /// and those that have not come back.
    flights: Flights,
    /// Nothing can be ordered: requests that need the order are refused.
    is_unavailable: bool,
    /// Boxed: the empty places of a hash table hold no connection.
    connections: IdMap<ConnectionId, Box<Connection>>,
    /// The limits of each session that has sent a request to this process.
    limits: IdMap<SessionId, SessionLimits>,
    /// The remaining quotas of each user and each network.
    quotas: Quotas,
    /// The number of sessions and rooms of each network.
    sessions: Networks<SessionId>,
    rooms: Networks<ConversationId>,
    /// The end of each session that is away.
    away: Away,
    counters: Counters,
    /// The connections of each room and user.
    listeners: Listeners,
    /// The presence lines that they get in later turns.
    pending_presence: PendingPresence,
    /// The effects of the turn so far.
    effects: Vec<Effect>,
    /// The turns that the store could not keep yet.
    hold: Hold,
    /// The addresses of the living nodes, this one first. `None`: this daemon is alone.
    servers: Option<Arc<[String]>>,
}

impl Edge {
    /// The [`Origin`] of a connection of this node.
    fn at(&self, connection: ConnectionId) -> Origin {
        Origin { node: self.node, connection }
    }

    /// Observes how the state applies a turn: the one that this edge gave last or, after [`Edge::comes_back`], one of a log.
    /// Called at each [`Stage`], with the state at that stage and the changes since the last one.
    pub fn observe(&mut self, state: &State, changes: &mut Vec<Change>, stage: Stage) {
        match stage {
            Stage::Begin => {
                self.sync(state, changes);
                self.settle_local(state, 0);
            }
            Stage::Intent { index, id, result } => self.settle(state, changes, index, id, result),
            Stage::Sealed => {
                self.sync(state, changes);
                self.tell(state);
            }
            Stage::End => {
                self.sync(state, changes);
                self.settle_local(state, usize::MAX);
            }
        }
    }

    /// Ends the turn. Returns its effects, to be delivered once it is kept.
    #[must_use]
    pub fn finish(&mut self) -> Vec<Effect> {
        self.pending_presence.next_turn();
        if self.flights.is_log {
            self.end_flight();
        }
        std::mem::take(&mut self.effects)
    }

    /// Ends the gathering of a turn for a log: returns the effects of the tasks that needed no turn.
    #[must_use]
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.pending_presence.next_turn();
        std::mem::take(&mut self.effects)
    }

    /// Can nothing be ordered now? Then requests that need the order are refused.
    pub fn set_unavailable(&mut self, is_unavailable: bool) {
        self.is_unavailable = is_unavailable;
    }

    /// The counters since the last call; `None`: nothing was counted.
    pub fn take_counters(&mut self) -> Option<Counters> {
        self.counters.take()
    }
}

#[cfg(test)]
mod tests;
