//! Owns the flights: what belongs to a turn of this node from its admission until the turn has come back from the order.
//! Without a log a turn comes back at once, so there is one flight. With a log several are under way, and turns of other
//! nodes come between them. Called by the admission of requests and by the observer of turns;
//! [`super::lost`] has what happens to a turn that does not come back. Never applies a turn.

use super::Edge;
use super::gathering::{Asked, Task};
use super::need::Need;
use std::collections::{HashSet, VecDeque};
use std::net::IpAddr;
use tcp_chat_protocol::RequestId;
use tcp_chat_state::{ConnectionId, Intent, State, UserId, network};

/// What belongs to one turn of this node.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// The number of the turn.
    pub(super) turn: u64,
    /// The requests among the intents, each with its index.
    asked: VecDeque<(usize, Asked)>,
    /// The tasks in order, each with the number of intents that are applied before it. [`usize::MAX`]: at the end of the turn.
    tasks: VecDeque<(usize, Task)>,
    /// The sessions and rooms that the requests of each network have reserved.
    reserved: Vec<(IpAddr, Need)>,
    /// Pairs of users with their first direct message in this turn; the smaller id is first.
    first_directs: Vec<(UserId, UserId)>,
    /// The same of turns that came back while this one was under way.
    kept_directs: Vec<(UserId, UserId)>,
    /// With a log: the ids of the messages, with their connections.
    sent: HashSet<(ConnectionId, RequestId)>,
    /// With a log: the ids of the requests, in the order of `asked`.
    ids: Vec<Option<RequestId>>,
    /// With a log: the intents that no client waits for and that must not be lost.
    pub(super) again: Vec<Intent>,
    /// The steps of slow work of the turn.
    pub(super) steps: usize,
}

impl Flight {
    /// Makes it empty, and keeps the memory of its lists.
    fn clear(&mut self) {
        self.asked.clear();
        self.tasks.clear();
        self.reserved.clear();
        self.first_directs.clear();
        self.kept_directs.clear();
    }

    pub(super) fn ask(&mut self, index: usize, asked: Asked) {
        self.asked.push_back((index, asked));
    }

    pub(super) fn add(&mut self, applied: usize, task: Task) {
        self.tasks.push_back((applied, task));
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

    fn reserved(&self, network: IpAddr) -> Need {
        let of_network = self.reserved.iter().find(|(of, _)| *of == network);
        of_network.map_or(Need::default(), |(_, reserved)| *reserved)
    }

    pub(super) fn reserve(&mut self, address: IpAddr, need: Need) {
        let network = network(address);
        match self.reserved.iter_mut().find(|(of, _)| *of == network) {
            Some((_, reserved)) => *reserved = reserved.plus(need),
            None => self.reserved.push((network, need)),
        }
    }

    fn has_first_direct(&self, pair: (UserId, UserId)) -> bool {
        self.first_directs.contains(&pair) || self.kept_directs.contains(&pair)
    }

    pub(super) fn first_direct(&mut self, a: UserId, b: UserId) {
        self.first_directs.push(pair(a, b));
    }

    /// Notes the id of the request that is asked next.
    pub(super) fn note_id(&mut self, id: Option<RequestId>) {
        self.ids.push(id);
    }

    /// Takes all requests, each with its index and its id. The turn was not applied.
    pub(super) fn take_asked(&mut self) -> impl Iterator<Item = (usize, Asked, Option<RequestId>)> + use<> {
        let (asked, ids) = (std::mem::take(&mut self.asked), std::mem::take(&mut self.ids));
        asked.into_iter().zip(ids).map(|((index, asked), id)| (index, asked, id))
    }

    pub(super) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.asked.iter().map(|(_, asked)| asked.connection())
    }
}

/// The turns of this node that have not come back.
#[derive(Debug, Default)]
pub(super) struct Flights {
    /// Turns come back from a log, later and between those of other nodes.
    pub(super) is_log: bool,
    /// In the order of their numbers. Without a log there are none.
    pub(super) under_way: VecDeque<Flight>,
    /// The turn that is applied now. Of a turn of another node it is empty.
    pub(super) current: Flight,
    /// All turns up to this number have come back.
    pub(super) came_back: u64,
    /// The number of the turn that was taken last.
    pub(super) taken: u64,
}

impl Flights {
    /// The gathered turn is taken, to be ordered.
    pub(super) fn take(&mut self, gathered: &mut Flight) {
        self.taken = gathered.turn;
        if self.is_log {
            self.under_way.push_back(std::mem::take(gathered));
        } else {
            // It comes back at once. The lists of the turn before are used again.
            std::mem::swap(&mut self.current, gathered);
            gathered.clear();
            self.came_back = self.taken;
        }
    }

    /// All turns before the first one that is under way have come back.
    pub(super) fn note_came_back(&mut self) {
        self.came_back = self.under_way.front().map_or(self.taken, |first| first.turn - 1);
    }

    /// Drops the turns with these numbers. Returns them.
    pub(super) fn remove(&mut self, turns: &[u64]) -> Vec<Flight> {
        let (gone, stay) = self.under_way.drain(..).partition(|flight: &Flight| turns.contains(&flight.turn));
        self.under_way = stay;
        self.note_came_back();
        Vec::from_iter::<VecDeque<Flight>>(gone)
    }
}

/// Where a task has its place, so that the answers of its connection keep their order.
enum TaskPlace {
    /// In the gathered turn, after the intents so far.
    Gathered,
    /// At the end of a turn that is under way.
    UnderWay(u64),
    /// Nowhere: the connection has no request under way, so the task is done at once.
    AtOnce,
}

impl Edge {
    /// The edge of a node that shares a log with others: see [`Edge::comes_back`].
    #[must_use]
    pub fn of_log(node: tcp_chat_state::NodeId) -> Self {
        let mut edge = Self { node, ..Self::default() };
        edge.flights.is_log = true;
        edge
    }

    /// Has the turn with this number come back?
    #[must_use]
    pub fn has_come_back(&self, turn: u64) -> bool {
        turn <= self.flights.came_back
    }

    /// A turn comes back from a log, and is applied next. `is_own`: it is the oldest of this node's turns that are under way.
    pub fn comes_back(&mut self, is_own: bool, steps: usize) {
        let own = is_own.then(|| self.flights.under_way.pop_front()).flatten();
        self.flights.current = own.unwrap_or_default();
        self.flights.current.steps = steps;
    }

    /// A turn of a log was applied.
    pub(super) fn end_flight(&mut self) {
        let Self { flights, gathering, .. } = self;
        // Turns under way may have a message between the same users, which this one has paid for.
        if flights.under_way.is_empty() && !gathering.has_intents() {
            gathering.flight.kept_directs.clear();
        } else {
            gathering.flight.kept_directs.append(&mut flights.current.first_directs);
        }
        flights.current.clear();
        flights.note_came_back();
    }

    /// Adds a task of a connection, so that its answers keep their order. Without a log each task has its place in the turn.
    /// With one, a task that waits for no earlier request of its connection costs neither a turn nor a wait.
    pub(super) fn add_task(&mut self, state: &State, connection: ConnectionId, task: Task) {
        match self.place_of_task(connection) {
            TaskPlace::Gathered => self.gathering.add(task),
            TaskPlace::UnderWay(turn) => {
                if let Some(flight) = self.flights.under_way.iter_mut().find(|flight| flight.turn == turn) {
                    flight.add(usize::MAX, task);
                }
            }
            TaskPlace::AtOnce => self.do_task(state, task),
        }
    }

    /// Notes the id of a message of the gathered turn. Without a log no turn is under way.
    pub(super) fn note_sent(&mut self, connection: ConnectionId, id: Option<&RequestId>) {
        if self.flights.is_log
            && let Some(id) = id
        {
            self.gathering.flight.sent.insert((connection, id.clone()));
        }
    }

    /// Has the connection sent a message under this id in a turn that has not come back? Neither the state nor the store knows
    /// that message yet. Of the same turn they will: its window still has the id.
    pub(super) fn is_sent(&self, connection: ConnectionId, id: Option<&RequestId>) -> bool {
        let Some(id) = id.filter(|_| self.flights.is_log) else { return false };
        let asked = self.connections.get(&connection).map_or(0, |entry| entry.asked_turn);
        if asked <= self.flights.came_back {
            return false;
        }
        let key = (connection, id.clone());
        self.flights.under_way.iter().any(|flight| flight.sent.contains(&key))
    }

    fn place_of_task(&self, connection: ConnectionId) -> TaskPlace {
        if !self.flights.is_log {
            return TaskPlace::Gathered;
        }
        let asked = self.connections.get(&connection).map_or(0, |entry| entry.asked_turn);
        if asked <= self.flights.came_back {
            TaskPlace::AtOnce
        } else if asked > self.flights.taken {
            TaskPlace::Gathered
        } else {
            TaskPlace::UnderWay(asked)
        }
    }

    /// The turn in which a task of the connection is done. `None`: it is done at once, and marks of a turn are not needed.
    pub(super) fn turn_of_task(&self, connection: ConnectionId) -> Option<u64> {
        match self.place_of_task(connection) {
            TaskPlace::Gathered => Some(self.gathering.turn),
            TaskPlace::UnderWay(turn) => Some(turn),
            TaskPlace::AtOnce => None,
        }
    }

    /// Adds a task for all connections: after the requests under way.
    pub(super) fn add_for_all(&mut self, state: &State, task: Task) {
        // Requests of this pass are proposed at its end.
        if !self.flights.is_log || !self.gathering.flight.asked.is_empty() {
            self.gathering.add(task);
        } else if let Some(last) = self.flights.under_way.back_mut() {
            last.add(usize::MAX, task);
        } else {
            self.do_task(state, task);
        }
    }

    /// The sessions and rooms that the requests under way of a network have reserved.
    pub(super) fn reserved(&self, address: IpAddr) -> Need {
        let flights = self.flights.under_way.iter().chain([&self.gathering.flight]);
        let mut flights = flights.filter(|flight| !flight.reserved.is_empty()).peekable();
        if flights.peek().is_none() {
            return Need::default();
        }
        let network = network(address);
        flights.fold(Need::default(), |all, flight| all.plus(flight.reserved(network)))
    }

    /// Is a first direct message of these users under way?
    pub(super) fn has_first_direct(&self, a: UserId, b: UserId) -> bool {
        let pair = pair(a, b);
        self.gathering.flight.has_first_direct(pair)
            || self.flights.current.has_first_direct(pair)
            || self.flights.under_way.iter().any(|flight| flight.has_first_direct(pair))
    }

    /// The first direct message of these users is not kept.
    pub(super) fn cancel_first_direct(&mut self, a: UserId, b: UserId) {
        let pair = pair(a, b);
        for flight in [&mut self.gathering.flight, &mut self.flights.current] {
            flight.first_directs.retain(|of| *of != pair);
        }
    }
}

/// The same pair in any order.
fn pair(a: UserId, b: UserId) -> (UserId, UserId) {
    (a.min(b), a.max(b))
}
