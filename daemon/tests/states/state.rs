//! Owns one of the three states: a chat, its store and its connections. It applies a turn as the hub does. Used by the
//! proof and by the fuzz target. Never decides which inputs a turn has.

use super::disk::Disk;
use super::turns::{Input, Policy, Turn};
use tcp_chat_protocol::{RequestId, Seq};
use tcp_chatd::chat::{
    Change, Chat, ConnectionId, ConversationId, Facts, Found, Now, Past, Rules, SessionId, Writes,
};
use tcp_chatd::edge::{Command, Edge, Effect, Outcome};
use tcp_chatd::settings::Settings;

/// The store of a state.
pub(crate) trait Shelf {
    fn write(&mut self, writes: Writes);
    /// The snapshot that the state is rebuilt from. The real store closes and reopens its file.
    fn found(&mut self) -> Found;
    fn sent(&mut self, session: SessionId, id: &RequestId) -> Option<(ConversationId, Seq)>;
    /// Retention: removes every message below this number.
    fn forget(&mut self, oldest: Seq);
}

impl Shelf for Disk {
    fn write(&mut self, writes: Writes) {
        Self::write(self, writes);
    }

    fn found(&mut self) -> Found {
        Self::found(self)
    }

    fn sent(&mut self, session: SessionId, id: &RequestId) -> Option<(ConversationId, Seq)> {
        Self::sent(self, session, id)
    }

    fn forget(&mut self, oldest: Seq) {
        Self::forget(self, oldest);
    }
}

/// Faults and delays of this process alone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// The store cannot be written.
    pub(crate) is_full: bool,
    /// The store cannot be read.
    pub(crate) is_blind: bool,
    /// The store puts off the removal of old messages.
    pub(crate) keeps_longer: bool,
}

/// What happens, before the edge of the proposer has seen it.
#[derive(Debug, Clone)]
pub(crate) enum Happens {
    /// Something on a connection.
    On(ConnectionId, Command),
    /// The process of the node begins.
    Begins,
    /// What comes from no connection.
    Else(Input),
}

pub(crate) struct State {
    pub(crate) chat: Chat,
    pub(crate) faults: Faults,
    shelf: Box<dyn Shelf>,
    rules: Rules,
    now: Now,
    /// What the store of this state cannot keep yet.
    node: Edge,
    /// What the last turn of another node told.
    pub(crate) changes: Vec<Change>,
    /// The messages below this number are still to be removed from the store.
    put_off: Option<Seq>,
}

impl State {
    pub(crate) fn new(mut shelf: Box<dyn Shelf>, now: Now) -> Self {
        let rules = rules();
        let mut chat = Chat::restore(rules.clone(), shelf.found(), now);
        chat.start();
        let mut state = Self {
            chat,
            faults: Faults::default(),
            shelf,
            rules,
            now,
            node: Edge::default(),
            changes: Vec::new(),
            put_off: None,
        };
        state.turn(&Turn { now, inputs: Vec::new(), steps: None });
        state
    }

    /// One turn that another node has proposed.
    pub(crate) fn turn(&mut self, turn: &Turn) {
        self.begin(turn.now);
        for input in &turn.inputs {
            self.input(input.clone());
        }
        self.end(turn.steps);
    }

    /// One turn, as the hub does it, of the node that proposes it: its inputs, and the connections that were closed. Before
    /// a request becomes part of the turn, the store of the node is asked for an earlier one.
    pub(crate) fn propose(
        &mut self,
        edge: &mut Edge,
        now: Now,
        happens: Vec<Happens>,
        steps: Option<usize>,
    ) -> (Turn, Vec<ConnectionId>) {
        self.begin(now);
        // It is one edge in a daemon.
        match self.node.is_holding() {
            true => edge.store_fails(),
            false => edge.store_works(),
        }
        let mut inputs = Vec::new();
        for happens in happens {
            match happens {
                Happens::On(on, command) => {
                    let asked = edge.asks_past(&mut self.chat, on, &command);
                    let past = self.past(asked);
                    edge.apply(&mut self.chat, on, command, past);
                }
                Happens::Begins => edge.node_up(&mut self.chat),
                Happens::Else(input) => {
                    inputs.push(input.clone());
                    self.input(input);
                    edge.sync(&mut self.chat);
                }
            }
            inputs.extend(edge.take_proposed().into_iter().map(Input::Intent));
        }
        (Turn { now, inputs, steps }, self.end_own(edge, steps))
    }

    fn past(&mut self, asked: Option<(SessionId, RequestId)>) -> Past {
        let Some((session, id)) = asked else { return Past::Absent };
        if self.faults.is_blind {
            return Past::Unknown;
        }
        let found = self.shelf.sent(session, &id);
        found.map_or(Past::Absent, |(conversation, seq)| Past::Kept(conversation, seq))
    }

    fn begin(&mut self, now: Now) {
        self.recover();
        self.now = now;
        self.chat.begin(now);
        if !self.faults.keeps_longer
            && let Some(oldest) = self.put_off.take()
        {
            self.shelf.forget(oldest);
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Intent(intent) => drop(self.chat.apply(intent)),
            // A refusal is fine: the facts show whether all states decided the same.
            Input::Action(uid, action) => drop(self.chat.operate(uid, &action)),
            Input::Wish(uid, wish) => drop(self.chat.grant(uid, wish)),
            Input::Expire(sessions) => sessions.into_iter().for_each(|session| self.chat.end_away(session)),
            Input::Retain(oldest) => {
                self.chat.retain(oldest);
                if self.faults.keeps_longer {
                    self.put_off = self.put_off.max(Some(oldest));
                } else {
                    self.shelf.forget(oldest);
                }
            }
            Input::Policy(Policy { rooms, create, accounts }) => {
                self.rules = Rules { default_rooms: rooms, create, accounts, ..self.rules.clone() };
                self.chat.set_rules(self.rules.clone());
            }
        }
    }

    /// Ends a turn of another node: nobody is connected here.
    fn end(&mut self, steps: Option<usize>) {
        self.chat.sweep_on(steps.unwrap_or(usize::MAX));
        let writes = self.chat.end();
        self.changes.clear();
        self.chat.swap_changes(&mut self.changes);
        drop(self.keep(Outcome { writes, effects: Vec::new() }));
    }

    /// Ends a turn of this node. The connections that were closed.
    fn end_own(&mut self, edge: &mut Edge, steps: Option<usize>) -> Vec<ConnectionId> {
        edge.work(&mut self.chat, steps.unwrap_or(usize::MAX));
        let outcome = edge.end(&mut self.chat);
        let closed = |effect| if let Effect::Close(on, _) = effect { Some(on) } else { None };
        self.keep(outcome).into_iter().filter_map(closed).collect()
    }

    /// Writes a turn, or holds it. What is told at once.
    fn keep(&mut self, outcome: Outcome) -> Vec<Effect> {
        if self.node.is_holding() || (self.faults.is_full && !outcome.writes.is_empty()) {
            return self.node.hold(outcome);
        }
        self.shelf.write(outcome.writes);
        outcome.effects
    }

    fn recover(&mut self) {
        if !self.faults.is_full {
            self.keep_held();
        }
    }

    /// Writes what was held.
    fn keep_held(&mut self) {
        while let Some(writes) = self.node.held().map(std::mem::take) {
            self.shelf.write(writes);
            drop(self.node.release(&self.chat));
        }
        self.node.store_works();
    }

    /// The process ends, and another one goes on with the same store. The connections belong to another node, and stay.
    pub(crate) fn rebuild(&mut self) {
        // What was held is applied again from the log of turns, which a store is not: here it is written first.
        self.keep_held();
        self.chat = Chat::restore(self.rules.clone(), self.shelf.found(), self.now);
        self.chat.begin(self.now);
        assert!(!self.chat.has_changes(), "a restart changes nothing");
        self.end(Some(0));
    }

    /// The facts of this state.
    pub(crate) fn facts(&self) -> Facts {
        self.chat.facts()
    }
}

/// Small limits.
fn rules() -> Rules {
    let mut rules = Rules::from(&Settings::default());
    rules.rooms_per_session = 4;
    rules.rooms_per_network = 3;
    rules.sessions_per_user = 3;
    (rules.rate.per_second, rules.rate.burst) = (4, 12);
    rules.strangers_per_minute = 2;
    rules.errors = 4;
    rules.ttl_ms = 1_000;
    // So small that messages leave it.
    rules.window = 6;
    (rules.sessions, rules.rooms) = (6, 6);
    rules
}
