//! Owns the next turn while it is gathered: the intents so far, and its [`Flight`] with the edge's tasks between them. Called
//! by the edge: [`super::admit`] adds. Never reads the state, and knows no turn before this one.

use super::charge::Charge;
use super::flight::Flight;
use super::lost::must_count;
use super::{Closing, Edge};
use std::sync::Arc;
use tcp_chat_protocol::{Refusal, RequestId};
use tcp_chat_state::{ConnectionId, Intent, NodeId, Op, Query, SessionId, State, Turn};
use zeroize::Zeroizing;

/// The most intents of earlier turns that one turn begins with. They leave room for the requests of the turn.
const NEXT_AT_ONCE: usize = 2_048;

/// The moment at which a turn begins to be gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds of a monotonic clock, for rate limits and for the time that a session has been away.
    pub mono: u64,
    /// Milliseconds since 1970 of the system clock: the time of the turn.
    pub wall: u64,
}

/// A request that became an intent, and that waits for its result.
#[derive(Debug)]
pub(super) enum Asked {
    /// A message.
    Message { connection: ConnectionId, session: SessionId, charge: Charge },
    /// Another request. `login`: only of a LOGIN.
    Request { connection: ConnectionId, op: &'static str, login: Option<Box<AskedLogin>> },
}

/// The part of a LOGIN that the state does not know.
#[derive(Debug)]
pub(super) struct AskedLogin {
    /// Whether it resumes a session.
    pub(super) resumes: bool,
    /// The token of the session.
    pub(super) token: Zeroizing<String>,
}

/// A task of the edge at a place of the turn. It needs no intent.
#[derive(Debug)]
pub(super) enum Task {
    /// Answers a request that changes nothing.
    Query { connection: ConnectionId, session: SessionId, id: Option<RequestId>, query: Box<Query> },
    /// Answers a PING.
    Ping { connection: ConnectionId, id: Option<RequestId> },
    /// Answers a QUIT, and closes the connection.
    Quit { connection: ConnectionId, id: Option<RequestId> },
    /// Refuses a request that did not become an intent.
    Refuse { connection: ConnectionId, op: Option<&'static str>, refusal: Box<Refusal> },
    /// Removes a lost connection.
    Forget(ConnectionId),
    /// Closes a connection.
    Close(ConnectionId, Closing),
    /// Sends a line to all logged-in connections.
    Notice(Arc<[u8]>),
    /// Tells all connections that the daemon ends, and closes them.
    Shutdown,
}

impl Asked {
    /// Its op.
    pub(super) fn op(&self) -> &'static str {
        match self {
            Self::Message { .. } => "MSG",
            Self::Request { op, .. } => op,
        }
    }

    /// The connection that sent the request.
    pub(super) fn connection(&self) -> ConnectionId {
        match self {
            Self::Message { connection, .. } | Self::Request { connection, .. } => *connection,
        }
    }
}

/// The turn that is gathered.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// The number of this turn. Marks are valid until it has come back.
    pub(super) turn: u64,
    /// It has begun, and was not taken yet.
    has_begun: bool,
    /// Nothing can be ordered now: what must not be lost waits in `next`, where it takes no room from what is answered.
    is_held: bool,
    intents: Vec<Intent>,
    /// What belongs to it until it has come back.
    pub(super) flight: Flight,
    /// Intents for the beginning of the next turn.
    next: Vec<Intent>,
}

impl Gathering {
    /// Adds an intent. Returns its index.
    pub(super) fn propose(&mut self, intent: Intent) -> usize {
        self.intents.push(intent);
        self.intents.len() - 1
    }

    /// Adds an intent of a connection that is gone. While nothing can be ordered it waits: as many as there were connections
    /// would fill the turn, and nobody would be answered any more.
    pub(super) fn propose_of_gone(&mut self, intent: Intent) {
        if self.is_held { self.next.push(intent) } else { self.intents.push(intent) }
    }

    /// Adds the intent of a request.
    pub(super) fn propose_for(&mut self, intent: Intent, asked: Asked) {
        self.flight.ask(self.intents.len(), asked);
        self.intents.push(intent);
    }

    /// Adds a task at this place. It first seals the messages before it, so that all users see events in the order in which
    /// they happened.
    pub(super) fn add(&mut self, task: Task) {
        if matches!(self.intents.last(), Some(Intent::Request(_, _, Op::Say(..)))) {
            self.intents.push(Intent::Seal);
        }
        self.flight.add(self.intents.len(), task);
    }

    /// Adds an intent to the beginning of the next turn.
    pub(super) fn propose_next(&mut self, intent: Intent) {
        self.next.push(intent);
    }

    pub(super) fn has_intents(&self) -> bool {
        !self.intents.is_empty()
    }

    /// Drops the intents so far.
    pub(super) fn abandon(&mut self) {
        self.intents.clear();
        self.has_begun = false;
    }
}

impl Edge {
    /// Called when the process starts. The connections of the previous process no longer exist, so their sessions are away
    /// from the next turn on, and the state's policy applies from then on to all that another one has left. The time of
    /// sessions that were already away begins again.
    ///
    /// A lone daemon can have the store of a cluster's node: the connections of all nodes are gone for it. With a log, all nodes
    /// make the turn in which a node starts, and the policy is the one in the state.
    pub fn start(&mut self, state: &State, now: Now) {
        self.now = now.mono;
        if !self.flights.is_log {
            for node in state.nodes_before(self.node) {
                self.gathering.propose_next(Intent::NodeUp(node));
            }
            self.gathering.propose_next(Intent::Start(Box::new(state.rules().clone())));
        }
        for session in state.sessions_away() {
            self.add_away(state, session, None);
        }
    }

    /// Notes whether nothing can be ordered now.
    pub fn note_held(&mut self, is_held: bool) {
        self.gathering.is_held = is_held;
    }

    /// A turn begins to be gathered. A turn that has begun and was not taken goes on.
    pub fn begin(&mut self, now: Now) {
        self.now = now.mono;
        let gathering = &mut self.gathering;
        if !std::mem::replace(&mut gathering.has_begun, true) {
            gathering.turn += 1;
            gathering.flight.turn = gathering.turn;
        } else if gathering.has_intents() {
            return;
        }
        if gathering.is_held {
            return;
        }
        // One long list of banned sessions in each turn: together they could be longer than one entry of a log.
        let is_long = |intent: &Intent| matches!(intent, Intent::EvictBanned { .. });
        let most = gathering.next.len().min(NEXT_AT_ONCE);
        let end = gathering.next.iter().take(most).position(is_long).map_or(most, |at| at + 1);
        gathering.intents.extend(gathering.next.drain(..end));
    }

    /// Are there intents for the next turn that no connection has asked for?
    #[must_use]
    pub fn has_proposals(&self) -> bool {
        !self.gathering.next.is_empty()
    }

    /// Adds an intent that comes from no connection. Returns its index.
    pub fn propose(&mut self, intent: Intent) -> usize {
        self.gathering.propose(intent)
    }

    /// The intents of the turn so far.
    #[must_use]
    pub fn intents(&self) -> &[Intent] {
        &self.gathering.intents
    }

    /// The number of the turn that is gathered.
    #[must_use]
    pub fn turn(&self) -> u64 {
        self.gathering.turn
    }

    /// The number of intents of the turn so far.
    #[must_use]
    pub fn proposed(&self) -> usize {
        self.gathering.intents.len()
    }

    /// Takes the gathered turn, to be ordered and applied. `time`: milliseconds since 1970. `steps`: the steps of slow work.
    pub fn take_turn(&mut self, time: u64, steps: usize) -> Turn {
        let Self { gathering, flights, .. } = self;
        let node: NodeId = self.node;
        gathering.has_begun = false;
        gathering.flight.steps = steps;
        if flights.is_log {
            gathering.flight.again = gathering.intents.iter().filter(|i| must_count(i)).cloned().collect();
        }
        flights.take(&mut gathering.flight);
        let next = Vec::with_capacity(gathering.intents.len().min(1_024));
        let intents = std::mem::replace(&mut gathering.intents, next);
        Turn { node, time, intents, steps }
    }
}
