//! Owns the next turn while it is gathered: the intents so far, and the edge's tasks between them. Called by the edge:
//! [`super::admit`] adds, [`super::settle`] takes. Never reads the state.

use super::charge::Charge;
use super::need::Need;
use super::{Closing, Edge};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use tcp_chat_protocol::{Refusal, RequestId};
use tcp_chat_state::{ConnectionId, Intent, NodeId, Op, Query, SessionId, State, Turn, UserId, network};
use zeroize::Zeroizing;

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

/// The turn that is gathered.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// The number of this turn, for marks that are valid in one turn only.
    pub(super) turn: u64,
    intents: Vec<Intent>,
    /// The requests among the intents, each with its index.
    asked: VecDeque<(usize, Asked)>,
    /// The tasks in order, each with the number of intents that are applied before it.
    tasks: VecDeque<(usize, Task)>,
    /// Intents that this turn adds to the beginning of the next turn.
    next: Vec<Intent>,
    /// The sessions and rooms that the requests of each network have reserved in this turn.
    reserved: Vec<(IpAddr, Need)>,
    /// Pairs of users with their first direct message in this turn; the smaller id is first.
    first_directs: Vec<(UserId, UserId)>,
    /// The steps of slow work of this turn.
    pub(super) steps: usize,
}

impl Gathering {
    /// Adds an intent. Returns its index.
    pub(super) fn propose(&mut self, intent: Intent) -> usize {
        self.intents.push(intent);
        self.intents.len() - 1
    }

    /// Adds the intent of a request.
    pub(super) fn propose_for(&mut self, intent: Intent, asked: Asked) {
        self.asked.push_back((self.intents.len(), asked));
        self.intents.push(intent);
    }

    /// Adds a task at this place. It first seals the messages before it, so that all users see events in the order in which
    /// they happened.
    pub(super) fn add(&mut self, task: Task) {
        if matches!(self.intents.last(), Some(Intent::Request(_, _, Op::Say(..)))) {
            self.intents.push(Intent::Seal);
        }
        self.tasks.push_back((self.intents.len(), task));
    }

    /// Takes the request of the intent with this index, if it is one.
    pub(super) fn asked(&mut self, index: usize) -> Option<Asked> {
        let is_next = self.asked.front().is_some_and(|(at, _)| *at == index);
        is_next.then(|| self.asked.pop_front()).flatten().map(|(_, asked)| asked)
    }

    /// Takes the next task that is due after this number of applied intents.
    pub(super) fn task(&mut self, applied: usize) -> Option<Task> {
        let (at, _) = self.tasks.front()?;
        (*at <= applied).then(|| self.tasks.pop_front()).flatten().map(|(_, task)| task)
    }

    /// Adds an intent to the beginning of the next turn.
    pub(super) fn propose_next(&mut self, intent: Intent) {
        self.next.push(intent);
    }

    /// The sessions and rooms that the requests of a network have reserved.
    pub(super) fn reserved(&self, address: IpAddr) -> Need {
        if self.reserved.is_empty() {
            return Need::default();
        }
        let network = network(address);
        self.reserved.iter().find(|(of, _)| *of == network).map_or(Need::default(), |(_, reserved)| *reserved)
    }

    pub(super) fn reserve(&mut self, address: IpAddr, need: Need) {
        let network = network(address);
        match self.reserved.iter_mut().find(|(of, _)| *of == network) {
            Some((_, reserved)) => *reserved = reserved.plus(need),
            None => self.reserved.push((network, need)),
        }
    }

    /// Do these users have their first direct message in this turn?
    pub(super) fn has_first_direct(&self, a: UserId, b: UserId) -> bool {
        self.first_directs.contains(&(a.min(b), a.max(b)))
    }

    /// These users have their first direct message in this turn.
    pub(super) fn first_direct(&mut self, a: UserId, b: UserId) {
        self.first_directs.push((a.min(b), a.max(b)));
    }

    /// The first direct message of these users is not kept.
    pub(super) fn cancel_first_direct(&mut self, a: UserId, b: UserId) {
        self.first_directs.retain(|pair| *pair != (a.min(b), a.max(b)));
    }
}

impl Edge {
    /// Called when the process starts. The connections of the previous process no longer exist, so their sessions are away
    /// from the next turn on, and the state's policy applies from then on to all that another one has left. The time of
    /// sessions that were already away begins again.
    pub fn start(&mut self, state: &State, now: Now) {
        self.now = now.mono;
        let node = self.node;
        self.gathering.propose_next(Intent::NodeUp(node));
        self.gathering.propose_next(Intent::Start(Box::new(state.rules().clone())));
        for session in state.sessions_away() {
            self.away.add(session, self.now, state.ttl_of(session));
        }
    }

    /// A turn begins to be gathered.
    pub fn begin(&mut self, now: Now) {
        self.now = now.mono;
        let gathering = &mut self.gathering;
        gathering.turn += 1;
        gathering.reserved.clear();
        gathering.first_directs.clear();
        // One long list of banned sessions in each turn: together they could be longer than one entry of a log.
        let is_long = |intent: &Intent| matches!(intent, Intent::EvictBanned { .. });
        let end = gathering.next.iter().position(is_long).map_or(gathering.next.len(), |at| at + 1);
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

    /// The number of intents of the turn so far.
    #[must_use]
    pub fn proposed(&self) -> usize {
        self.gathering.intents.len()
    }

    /// Takes the gathered turn, to be ordered and applied. `time`: milliseconds since 1970. `steps`: the steps of slow work.
    pub fn take_turn(&mut self, time: u64, steps: usize) -> Turn {
        let node: NodeId = self.node;
        self.gathering.steps = steps;
        let next = Vec::with_capacity(self.gathering.intents.len().min(1_024));
        let intents = std::mem::replace(&mut self.gathering.intents, next);
        Turn { node, time, intents, steps }
    }
}
