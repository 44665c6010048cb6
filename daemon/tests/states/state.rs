//! Owns one of the three states: a state, its store and its connections. It applies a turn as the hub does. Used by
//! the proof and by the fuzz target. Never decides which inputs a turn has.

use super::disk::Disk;
use std::collections::HashSet;
use tcp_chat_protocol::Seq;
use tcp_chat_state::{
    Change, ConnectionId, Erasure, ErasureStep, Facts, Intent, Past, Rules, Snapshot, Sought, Stage, State,
    Turn, Writes,
};
use tcp_chatd::edge::{Command, Edge, Effect, Now, Outcome};
use tcp_chatd::settings::Settings;

/// The store of a state.
pub(crate) trait Shelf {
    fn write(&mut self, writes: Writes);
    /// The snapshot that the state is rebuilt from. The real store closes and reopens its file.
    fn found(&mut self) -> Snapshot;
    fn past(&mut self, sought: Option<Sought>) -> Past;
    /// The next step of an erasure.
    fn erasure_step(&mut self, erasure: &Erasure) -> ErasureStep;
    /// Retention: removes every message below this number.
    fn forget(&mut self, oldest: Seq);
}

impl Shelf for Disk {
    fn write(&mut self, writes: Writes) {
        Self::write(self, writes);
    }

    fn found(&mut self) -> Snapshot {
        Self::found(self)
    }

    fn past(&mut self, sought: Option<Sought>) -> Past {
        Self::past(self, sought)
    }

    fn erasure_step(&mut self, erasure: &Erasure) -> ErasureStep {
        Self::erasure_step(self, erasure)
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
    /// What comes from no connection.
    Else(Intent),
}

pub(crate) struct Replica {
    pub(crate) state: State,
    pub(crate) faults: Faults,
    shelf: Box<dyn Shelf>,
    /// The time of the last turn.
    time: u64,
    /// What the store of this state cannot keep yet.
    node: Edge,
    /// What the last turn of another node told.
    pub(crate) changes: Vec<Change>,
    /// What the last turn wrote, and its digest.
    pub(crate) wrote: (Writes, [u8; 32]),
    /// The messages below this number are still to be removed from the store.
    put_off: Option<Seq>,
}

impl Replica {
    pub(crate) fn new(mut shelf: Box<dyn Shelf>, rules: Rules, time: u64) -> Self {
        Self {
            state: State::restore(rules, shelf.found(), time),
            faults: Faults::default(),
            shelf,
            time,
            node: Edge::default(),
            changes: Vec::new(),
            wrote: (Writes::default(), [0; 32]),
            put_off: None,
        }
    }

    /// One turn of another node: no client is connected here.
    pub(crate) fn turn(&mut self, turn: &Turn) {
        self.prepare(turn);
        let mut told = Vec::new();
        let writes = self.state.apply(turn.clone(), |_, changes, _| told.append(changes));
        self.changes = told;
        self.wrote = (writes.clone(), writes.digest());
        drop(self.keep(Outcome { writes, effects: Vec::new() }));
    }

    /// One turn, as the hub does it, of the node that proposes it: the turn, what must wait for the next one, and the
    /// connections that were closed. Before a request becomes part of the turn, the store of the node is asked for an
    /// earlier one.
    pub(crate) fn propose(
        &mut self,
        edge: &mut Edge,
        now: Now,
        happens: Vec<Happens>,
        steps: Option<usize>,
    ) -> (Turn, Vec<Happens>, Vec<ConnectionId>) {
        self.recover();
        // It is one edge in a daemon.
        match self.node.is_holding() {
            true => edge.store_fails(),
            false => edge.store_works(),
        }
        edge.begin(now);
        let (mut waits, mut later) = (HashSet::new(), Vec::new());
        for happens in happens {
            match happens {
                Happens::On(on, command)
                    if waits.contains(&on) || edge.must_wait(&self.state, on, &command) =>
                {
                    waits.insert(on);
                    later.push(Happens::On(on, command));
                }
                Happens::On(on, command) => {
                    let asked = edge.asks_past(&self.state, on, &command);
                    let past = self.past(asked);
                    edge.admit(&self.state, on, command, past);
                }
                Happens::Else(mut intent) => {
                    if let Intent::OperatorAction(_, action, past) = &mut intent {
                        *past = self.past(State::redacts(action).map(Sought::Message));
                    }
                    edge.propose(intent);
                }
            }
        }
        // The proposer measures how long sessions are away.
        let overdue: Vec<_> = edge.overdue(now.mono).collect();
        if !overdue.is_empty() {
            edge.propose(Intent::Expire(overdue));
        }
        // One step, as the hub proposes it.
        if !self.faults.is_blind
            && !self.node.is_holding()
            && let Some(erasure) = self.state.erasure()
        {
            let step = self.shelf.erasure_step(erasure);
            edge.propose(Intent::Erase(step));
        }
        let turn = edge.take_turn(now.wall, steps.unwrap_or(usize::MAX));
        self.prepare(&turn);
        let observe =
            |state: &State, changes: &mut Vec<Change>, stage: Stage| edge.observe(state, changes, stage);
        let writes = self.state.apply(turn.clone(), observe);
        self.wrote = (writes.clone(), writes.digest());
        let closed = |effect| if let Effect::Close(on, _) = effect { Some(on) } else { None };
        let told = self.keep(Outcome { writes, effects: edge.finish() });
        (turn, later, told.into_iter().filter_map(closed).collect())
    }

    fn past(&mut self, asked: Option<Sought>) -> Past {
        match asked {
            Some(_) if self.faults.is_blind => Past::Unknown,
            asked => self.shelf.past(asked),
        }
    }

    /// What the store of this state has to do with a turn before it is applied.
    fn prepare(&mut self, turn: &Turn) {
        self.recover();
        self.time = turn.time;
        if !self.faults.keeps_longer
            && let Some(oldest) = self.put_off.take()
        {
            self.shelf.forget(oldest);
        }
        for intent in &turn.intents {
            match intent {
                Intent::Retain(oldest) if self.faults.keeps_longer => {
                    self.put_off = self.put_off.max(Some(*oldest));
                }
                Intent::Retain(oldest) => self.shelf.forget(*oldest),
                _ => {}
            }
        }
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
            drop(self.node.release(&self.state));
        }
        self.node.store_works();
    }

    /// The process ends, and another one continues with the same store. The connections belong to another node, and
    /// stay.
    pub(crate) fn rebuild(&mut self) {
        // What was held is applied again from the log of turns, which a store is not: here it is written first.
        self.keep_held();
        let found = self.shelf.found();
        let rules = found.rules.clone().expect("the policy of the first turn");
        self.state = State::restore(rules, found, self.time);
        self.turn(&Turn::empty(self.time));
        assert!(self.changes.is_empty(), "a restart changes nothing");
    }

    /// The facts of this state.
    pub(crate) fn facts(&self) -> Facts {
        self.state.facts()
    }
}

/// Small limits.
pub(crate) fn rules() -> Rules {
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
