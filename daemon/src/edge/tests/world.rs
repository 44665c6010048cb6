//! Owns the test bench of the edge: a state, an edge, a model of the disk, the lines of each connection, and a clock that
//! the test sets. It runs turns as the hub does, and restarts the process. The tests call it; `clients` and `operators`
//! have the calls of connections and of operators. Never uses a runtime and never sleeps.

mod clients;
mod operators;

use super::disk::Disk;
use super::*;
use crate::edge::{Command, Edge, Effect, Now, Outcome, Read};
use crate::settings::Settings;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use tcp_chat_protocol::event::write_with_id;
use tcp_chat_protocol::reply;
use tcp_chat_state::steps;

/// The sizes of a slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    /// Rooms that sessions leave in the moment of their end or of a lost right.
    pub(super) rooms: usize,
    /// Copies of presence events.
    pub(super) copies: usize,
}

/// The state, the edge, the model of the disk, and the clients.
pub(super) struct World {
    pub(super) state: State,
    pub(super) edge: Edge,
    pub(super) disk: Disk,
    pub(super) disk_is_full: bool,
    /// How often all outboxes were searched for a redacted message.
    pub(super) outbox_searches: usize,
    /// Does a turn do all slow work?
    pub(super) sweeps: bool,
    /// The sizes of a slice.
    pub(super) slice: Slice,
    pub(super) rules: Rules,
    pub(super) now: Now,
    next: u64,
    /// The peer address of new connections.
    pub(super) address: IpAddr,
    /// The names that are proven at a login.
    pub(super) proven: Vec<&'static str>,
    /// How long nothing is read from a connection because it sent too much, in milliseconds.
    pub(super) slowed: HashMap<ConnectionId, u64>,
    heard: BTreeMap<ConnectionId, VecDeque<Vec<u8>>>,
    closed: BTreeSet<ConnectionId>,
    /// By the name of the session in the test: its user's name, unless the user has several.
    pub(super) tokens: HashMap<String, (String, [u8; 32])>,
    pub(super) logins: u16,
    /// The name of the next session in the test.
    pub(super) called: Option<String>,
    /// The certificate of the next login.
    pub(super) shows: Option<Certificate>,
    /// Is the next login the HTTP endpoint's?
    pub(super) is_endpoint: bool,
    /// The time of issue of the certificates.
    pub(super) issued: u64,
    batch: Vec<(ConnectionId, Command)>,
    /// The steps of slow work of the next turn, if not all.
    pub(super) steps: Option<usize>,
    /// How many expired sessions one turn ends.
    pub(super) expires: usize,
    /// The intents of the next turn before the batch.
    pub(super) first: Vec<Intent>,
    /// The results of the intents of the last turn.
    results: Vec<super::super::Answer<Done>>,
    /// The effects of the last turn.
    pub(super) effects: Vec<Effect>,
}

impl World {
    pub(super) fn new(adjust: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules::from(&Settings::default());
        adjust(&mut rules);
        let now = Now { mono: 0, wall: 1_795_468_094_007 };
        let mut world = Self {
            state: State::restore(rules.clone(), Snapshot::default(), now.wall),
            edge: Edge::default(),
            disk: Disk::default(),
            disk_is_full: false,
            outbox_searches: 0,
            sweeps: true,
            slice: Slice { rooms: 32, copies: 4096 },
            rules,
            now,
            next: 1,
            address: Ipv4Addr::LOCALHOST.into(),
            proven: Vec::new(),
            slowed: HashMap::new(),
            heard: BTreeMap::new(),
            closed: BTreeSet::new(),
            tokens: HashMap::new(),
            logins: 0,
            called: None,
            shows: None,
            is_endpoint: false,
            issued: 0,
            batch: Vec::new(),
            steps: None,
            expires: usize::MAX,
            first: Vec::new(),
            results: Vec::new(),
            effects: Vec::new(),
        };
        world.edge.start(&world.state, now);
        world.turn();
        world
    }

    /// Adds a command to the next turn.
    pub(super) fn adds(&mut self, who: ConnectionId, command: Command) {
        self.batch.push((who, command));
    }

    /// Runs one turn, as the hub does it. Commands that must wait for the next turn get it.
    pub(super) fn turn(&mut self) {
        let mut effects = Vec::new();
        loop {
            self.begin();
            for intent in self.first.drain(..) {
                self.edge.propose(intent);
            }
            let mut waits = HashSet::new();
            for (who, command) in std::mem::take(&mut self.batch) {
                if waits.contains(&who) || self.edge.must_wait(&self.state, who, &command) {
                    waits.insert(who);
                    self.batch.push((who, command));
                    continue;
                }
                if matches!(command, Command::Lost) {
                    self.heard.remove(&who);
                }
                let past = self.disk.past(self.edge.asks_past(&self.state, who, &command));
                self.edge.admit(&self.state, who, command, past);
            }
            self.finish();
            effects.append(&mut self.effects);
            if self.batch.is_empty() {
                break;
            }
        }
        self.effects = effects;
    }

    /// The hub has time for so many steps of slow work.
    pub(super) fn works(&mut self, steps: usize) {
        self.begin();
        self.steps = Some(steps);
        self.finish();
    }

    /// Is slow work left?
    pub(super) fn has_work(&self) -> bool {
        self.state.is_sweeping()
            || self.state.erasure().is_some()
            || self.edge.has_pending_presence()
            || self.edge.has_proposals()
    }

    /// Is no work in slices left?
    pub(super) fn is_at_rest(&self) -> bool {
        self.state.is_at_rest() && !self.edge.has_pending_presence()
    }

    fn finish(&mut self) {
        let mut effects = Vec::new();
        let mut results = None;
        loop {
            self.finish_turn();
            results.get_or_insert_with(|| std::mem::take(&mut self.results));
            effects.append(&mut self.effects);
            if !(self.sweeps && self.has_work()) {
                break;
            }
            self.begin();
        }
        self.results = results.unwrap_or_default();
        self.effects = effects;
    }

    fn begin(&mut self) {
        self.state.set_departures_per_turn(self.slice.rooms);
        self.edge.tells_at_once(self.slice.copies);
        self.edge.begin(self.now);
    }

    fn finish_turn(&mut self) {
        let overdue: Vec<_> = self.edge.overdue(self.now.mono).take(self.expires).collect();
        if !overdue.is_empty() {
            self.edge.propose(Intent::Expire(overdue));
        }
        if !self.disk_is_full
            && !self.edge.is_holding()
            && let Some(erasure) = self.state.erasure()
        {
            let step = steps::uncounted(|| self.disk.erasure_step(erasure));
            self.edge.propose(Intent::Erase(step));
        }
        let steps = self.steps.take().unwrap_or(if self.sweeps { usize::MAX } else { 0 });
        let turn = self.edge.take_turn(self.now.wall, steps);
        let Self { state, edge, results, .. } = self;
        results.clear();
        let writes = state.apply(turn, |state, changes, stage| {
            if let Stage::Intent { result, .. } = &stage {
                steps::uncounted(|| results.push(result.clone().map_err(|refusal| *refusal)));
            }
            edge.observe(state, changes, stage);
        });
        let outcome = Outcome { writes, effects: self.edge.finish() };
        if self.edge.is_holding() || (self.disk_is_full && !outcome.writes.is_empty()) {
            let effects = self.edge.hold(outcome);
            self.effects.clone_from(&effects);
            effects.into_iter().for_each(|effect| self.carry_out(effect, &[]));
        } else {
            let Outcome { writes, effects } = outcome;
            self.effects.clone_from(&effects);
            self.keeps(writes, effects);
        }
    }

    fn keeps(&mut self, writes: Writes, effects: Vec<Effect>) {
        let chunks = writes.chunks.clone();
        steps::uncounted(|| self.disk.write(writes));
        steps::uncounted(|| effects.into_iter().for_each(|effect| self.carry_out(effect, &chunks)));
    }

    fn carry_out(&mut self, effect: Effect, chunks: &[Chunk]) {
        self.outbox_searches += usize::from(matches!(effect, Effect::Told { redacts: Some(_), .. }));
        match effect {
            Effect::Line(to, line) | Effect::IfKept(to, _, line) => self.tell(to, line),
            Effect::Refused(refused) => self.tell(refused.to, reply::error(&refused.refusal)),
            Effect::Event { to, except, line } | Effect::Told { to, except, line, .. } => {
                for c in to.iter().filter(|c| Some(**c) != except) {
                    self.tell(*c, line.to_vec());
                }
            }
            Effect::Chunk { index, to, own } => {
                for c in to.iter() {
                    let chunk = &chunks[index];
                    for (line, own) in chunk.lines.split_inclusive(|b| *b == b'\n').zip(&own) {
                        let mut out = Vec::new();
                        match &own.id {
                            Some(id) if own.at.connection == *c => write_with_id(line, id, &mut out),
                            _ => out.extend_from_slice(line),
                        }
                        self.tell(*c, out);
                    }
                }
            }
            Effect::Read(to, Read::Gap(session, ranges)) => {
                for line in self.disk.gap(session, &ranges) {
                    self.tell(to, line);
                }
            }
            Effect::Read(to, Read::Again(resent)) => {
                let range = Range { conversation: resent.conversation, first: resent.seq, last: resent.seq };
                let kept = self.disk.gap(SessionId(0), &[range]);
                let mut out = Vec::new();
                match kept.first() {
                    Some(first) if resent.is(first) => write_with_id(first, &resent.id, &mut out),
                    first => {
                        let why = if first.is_some() { "another message" } else { "it is removed" };
                        let refusal = Refusal::new(ErrorKind::Data, why);
                        out = reply::error(&refusal.with_id(Some(resent.id.clone())));
                    }
                }
                self.tell(to, out);
            }
            Effect::Read(to, read) => self.tell(to, format!("{read:?}").into()),
            Effect::LoggedIn(..) | Effect::BannedRanges(..) | Effect::ReadAgain(_) => {}
            Effect::Slow(to, ms) => *self.slowed.entry(to).or_default() += ms,
            Effect::Close(to, why) => {
                self.tell(to, format!("(closed: {})", why.as_str()).into());
                self.closed.insert(to);
            }
        }
    }

    fn tell(&mut self, to: ConnectionId, line: Vec<u8>) {
        // Like an outbox: a closed one takes nothing.
        if self.closed.contains(&to) {
            return;
        }
        if let Some(heard) = self.heard.get_mut(&to) {
            heard.push_back(line);
        }
    }

    pub(super) fn passes(&mut self, ms: u64) {
        self.now.mono += ms;
        self.now.wall += ms;
        self.turn();
    }

    /// The held turns are kept, if the disk has room again.
    pub(super) fn recovers(&mut self) {
        if !self.edge.is_holding() || self.disk_is_full {
            return;
        }
        while let Some(writes) = self.edge.held().map(std::mem::take) {
            let effects = self.edge.release(&self.state);
            self.keeps(writes, effects);
        }
        self.edge.store_works();
        assert!(self.disk.found() == self.state.snapshot(), "all is on the disk");
    }

    /// Retention removes all messages so far, and the state is told, as the hub does it.
    pub(super) fn forgets_all(&mut self) {
        let oldest = steps::uncounted(|| self.disk.found().head + 1);
        steps::uncounted(|| self.disk.forget(oldest));
        self.operator(|state| state.retain(oldest));
    }

    /// The process of the daemon ends in order, and another starts with the same disk.
    pub(super) fn restarts(&mut self) {
        self.recovers();
        self.is_killed();
    }

    /// The process ends at once, with its held turns, and another starts.
    pub(super) fn is_killed(&mut self) {
        self.heard.clear();
        self.batch.clear();
        let found = steps::uncounted(|| self.disk.found());
        self.state = State::restore(self.rules.clone(), found, self.now.wall);
        self.edge = Edge::default();
        self.edge.start(&self.state, self.now);
        self.turn();
    }
}
