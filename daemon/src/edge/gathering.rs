//! Owns the turn that is gathered: the intents so far, and what the edge does at which place while they are applied. Called by
//! the edge: [`super::admit`] adds, [`super::settle`] takes. Never reads the state.

use super::limits::Charge;
use super::{Closing, Edge};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use tcp_chat_protocol::{Refusal, RequestId, Seq};
use tcp_chat_state::{ConnectionId, Intent, NodeId, Op, Query, SessionId, State, Turn, UserId, network};
use zeroize::Zeroizing;

/// The moment at which a turn begins to be gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds that only ever go forward. Rates, and the time of sessions that are away, are counted in them.
    pub mono: u64,
    /// Milliseconds since 1970, as the system's clock has them: the time of the turn.
    pub wall: u64,
}

/// What the edge does at a place of the turn.
#[derive(Debug)]
pub(super) enum Task {
    /// Takes in what a message came to.
    Message { connection: ConnectionId, session: SessionId, charge: Charge },
    /// Replies to a LOGIN. Was a session to be resumed; and the token, which the state does not know.
    Login { connection: ConnectionId, resumes: bool, token: Zeroizing<String> },
    /// Replies to another request that became an intent.
    Reply { connection: ConnectionId, op: &'static str },
    /// Answers a request that changes nothing.
    Query { connection: ConnectionId, session: SessionId, id: Option<RequestId>, query: Box<Query> },
    /// Answers a PING.
    Ping { connection: ConnectionId, id: Option<RequestId> },
    /// Answers a QUIT, and closes the connection.
    Quit { connection: ConnectionId, id: Option<RequestId> },
    /// Refuses what did not become an intent.
    Refuse { connection: ConnectionId, op: Option<&'static str>, refusal: Box<Refusal> },
    /// Forgets a connection that is gone.
    Forget(ConnectionId),
    /// Closes a connection.
    Close(ConnectionId, Closing),
    /// Says something to all who are logged in.
    Notice(Arc<[u8]>),
    /// Tells all connections that the daemon is going, and closes them.
    Shutdown,
}

/// What the requests of one network may take in this turn, besides what it has.
#[derive(Debug)]
struct Reserved {
    network: IpAddr,
    sessions: usize,
    rooms: usize,
}

/// The turn that is gathered.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// Which one, for what holds in one turn only.
    pub(super) turn: u64,
    intents: Vec<Intent>,
    /// What is done when so many intents were applied, in order.
    tasks: VecDeque<(usize, Task)>,
    /// What this turn has found out that the next one proposes first.
    next: Vec<Intent>,
    reserved: Vec<Reserved>,
    /// Users who write to each other for the first time, in this turn, the one with the smaller id first.
    strangers: Vec<(UserId, UserId)>,
    /// The steps of slow work of this turn.
    pub(super) steps: usize,
}

impl Gathering {
    /// Adds an intent. Its place.
    pub(super) fn propose(&mut self, intent: Intent) -> usize {
        self.intents.push(intent);
        self.intents.len() - 1
    }

    /// Adds an intent, and what is done with what it comes to.
    pub(super) fn propose_for(&mut self, intent: Intent, task: Task) {
        self.intents.push(intent);
        self.tasks.push_back((self.intents.len(), task));
    }

    /// Adds what is done at this place, behind what was said before it: that is numbered first, so that everyone sees the
    /// order in which things happened.
    pub(super) fn add(&mut self, task: Task) {
        if matches!(self.intents.last(), Some(Intent::Request(_, _, Op::Say(..)))) {
            self.intents.push(Intent::Seal);
        }
        self.tasks.push_back((self.intents.len(), task));
    }

    /// The next thing to do once so many intents were applied.
    pub(super) fn task(&mut self, applied: usize) -> Option<Task> {
        let (at, _) = self.tasks.front()?;
        (*at <= applied).then(|| self.tasks.pop_front()).flatten().map(|(_, task)| task)
    }

    /// The next turn begins with this.
    pub(super) fn propose_next(&mut self, intent: Intent) {
        self.next.push(intent);
    }

    /// What the requests of a network may already take of sessions and rooms.
    pub(super) fn reserved(&self, address: IpAddr) -> (usize, usize) {
        if self.reserved.is_empty() {
            return (0, 0);
        }
        let network = network(address);
        let of = self.reserved.iter().find(|of| of.network == network);
        of.map_or((0, 0), |of| (of.sessions, of.rooms))
    }

    pub(super) fn reserve(&mut self, address: IpAddr, (sessions, rooms): (usize, usize)) {
        let network = network(address);
        match self.reserved.iter_mut().find(|of| of.network == network) {
            Some(of) => (of.sessions, of.rooms) = (of.sessions + sessions, of.rooms + rooms),
            None => self.reserved.push(Reserved { network, sessions, rooms }),
        }
    }

    /// Do the two write to each other in this turn, for the first time?
    pub(super) fn are_met(&self, a: UserId, b: UserId) -> bool {
        self.strangers.contains(&(a.min(b), a.max(b)))
    }

    pub(super) fn meet(&mut self, a: UserId, b: UserId) {
        self.strangers.push((a.min(b), a.max(b)));
    }

    /// What they were to meet by is not kept.
    pub(super) fn part(&mut self, a: UserId, b: UserId) {
        self.strangers.retain(|pair| *pair != (a.min(b), a.max(b)));
    }
}

impl Edge {
    /// The process begins: the connections of the process before it are gone, so the sessions on them are away from the
    /// next turn on. Those that were away before have their whole time again.
    pub fn start(&mut self, state: &State, now: Now) {
        self.now = now.mono;
        let node = self.node;
        self.gathering.propose_next(Intent::NodeUp(node));
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
        gathering.strangers.clear();
        gathering.intents.append(&mut gathering.next);
    }

    /// Is there something that the next turn has to propose, although nobody asks?
    #[must_use]
    pub fn has_proposals(&self) -> bool {
        !self.gathering.next.is_empty()
    }

    /// Puts what comes from no connection into the turn: at which place.
    pub fn propose(&mut self, intent: Intent) -> usize {
        self.gathering.propose(intent)
    }

    /// How many intents the turn has.
    #[must_use]
    pub fn proposed(&self) -> usize {
        self.gathering.intents.len()
    }

    /// The turn that was gathered, to be ordered and applied: its time in milliseconds since 1970, what retention takes,
    /// and how many steps of slow work are done.
    pub fn take_turn(&mut self, time: u64, retain: Option<Seq>, steps: usize) -> Turn {
        let node: NodeId = self.node;
        self.gathering.steps = steps;
        let next = Vec::with_capacity(self.gathering.intents.len().min(1_024));
        let intents = std::mem::replace(&mut self.gathering.intents, next);
        Turn { node, time, retain, intents, steps }
    }
}
