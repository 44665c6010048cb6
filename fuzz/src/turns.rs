//! The hub's commands, in any order and from any connection, with a disk that is full at times, operators and
//! restarts. The chat must not panic; seqs increase, chains have no gap, an id is kept once, only open
//! connections receive lines, and the restored state equals the written one.
//!
//! Each line of the input is one step: its first byte selects the connection and the action, and the rest is a
//! request.

use crate::disk::Disk;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use tcp_chat_protocol::request::{Action, Bounds, Request, parse};
use tcp_chat_protocol::{Name, Role};
use tcp_chat_state::{
    Certificate, ConnectionId, Digest, Evidence, Intent, Past, Presented, Revocation, Rules, Snapshot,
    Sought, State, Writes,
};
use tcp_chatd::auth::{EnrolProof, Proof};
use tcp_chatd::edge::{Ask, LoginAsk, Proving, Secret};
use tcp_chatd::edge::{Command, Edge, Effect, Now, Outcome};
use tcp_chatd::settings::Settings;

/// Connections that are open at once; the last two come with these certificates.
const SLOTS: u8 = 4;
const PROVEN: [(u8, &str); 2] = [(2, "mo"), (3, "op")];

struct World {
    edge: Edge,
    state: State,
    disk: Disk,
    rules: Rules,
    now: Now,
    full: bool,
    open: HashMap<u8, ConnectionId>,
    closing: HashSet<ConnectionId>,
    connections: u64,
    logins: u64,
}

impl World {
    fn new() -> Self {
        let mut rules = Rules::from(&Settings::default());
        rules.ttl_ms = 1_000;
        rules.rooms = 6;
        rules.rooms_per_session = 4;
        rules.sessions = 6;
        let now = Now { mono: 0, wall: 1_795_468_094_007 };
        let mut world = Self {
            edge: Edge::default(),
            state: State::restore(rules.clone(), Snapshot::default(), now.wall),
            disk: Disk::default(),
            rules,
            now,
            full: false,
            open: HashMap::new(),
            closing: HashSet::new(),
            connections: 0,
            logins: 0,
        };
        world.edge.start(&world.state, now);
        world.edge.begin(now);
        let owner = Action::Grant { user: name("op"), role: Some(Role::Owner), room: None };
        world.edge.propose(Intent::OperatorAction(0, Box::new(owner), Past::Absent));
        world
    }

    fn connection(&mut self, slot: u8) -> ConnectionId {
        if let Some(open) = self.open.get(&slot) {
            return *open;
        }
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.open.insert(slot, connection);
        let address = IpAddr::from(Ipv4Addr::new(127, 0, 0, slot));
        self.apply(connection, Command::Open(address));
        connection
    }

    fn apply(&mut self, connection: ConnectionId, command: Command) {
        if self.edge.must_wait(&self.state, connection, &command) {
            self.ends(b"");
        }
        let past = self.disk.past(self.edge.asks_past(&self.state, connection, &command));
        self.edge.admit(&self.state, connection, command, past);
    }

    fn step(&mut self, what: u8, rest: &[u8]) {
        let slot = what % SLOTS;
        match what / SLOTS {
            0 => self.ends(rest),
            1 => {
                if let Some(connection) = self.open.remove(&slot) {
                    self.apply(connection, Command::Lost);
                }
            }
            2 => self.full = slot > 1,
            3 => {
                if let Ok((_, Request::Action(action))) = parse(rest, &BOUNDS) {
                    // A refusal is fine, too: only an invariant must not break.
                    if self.edge.check_action(&action).is_ok() {
                        let past = self.disk.past(State::redacts(&action).map(Sought::Message));
                        self.edge.propose(Intent::OperatorAction(0, action, past));
                    }
                }
            }
            _ => {
                let connection = self.connection(slot);
                self.apply(connection, Command::Read(rest.len() + 1));
                let command = match parse(rest, &BOUNDS) {
                    Ok((id, request)) => Command::Ask(id, self.ask(slot, request)),
                    Err(refusal) => Command::Refused(refusal),
                };
                self.apply(connection, command);
            }
        }
    }

    fn ask(&mut self, slot: u8, request: Request<'_>) -> Ask {
        Ask::of(request).unwrap_or_else(|proving| match proving {
            Proving::Login(login) => {
                // A token is the number of the login that returned it.
                self.logins += 1;
                let fresh = Secret { token: self.logins.to_string().into(), hash: digest(self.logins).0 };
                let resumes =
                    login.session.as_ref().and_then(|token| token.parse().ok()).map(|n| digest(n).0);
                let shown = PROVEN.into_iter().find(|(s, _)| *s == slot);
                let evidence = shown.map_or(Evidence::NotNeeded, |(slot, user)| {
                    let key = digest(u64::from(slot));
                    let certificate =
                        Certificate { key, name: name(user), until: u64::MAX, revoked: Revocation::None };
                    Evidence::Certificate(Box::new(Presented { certificate, issued: 0 }))
                });
                Ask::Login(Box::new(LoginAsk {
                    login: *login,
                    fresh,
                    resumes,
                    proof: Proof::for_tests(evidence),
                }))
            }
            // The code is invalid here: `net` would make the credential.
            Proving::Enrol(enrol) => Ask::Enrol(Box::new(EnrolProof::nothing(enrol.name, None))),
        })
    }

    /// The turn ends, and time advances.
    fn ends(&mut self, rest: &[u8]) {
        let overdue = self.edge.overdue(self.now.mono).collect();
        self.edge.propose(Intent::Expire(overdue));
        let turn = self.edge.take_turn(self.now.wall, 2);
        let edge = &mut self.edge;
        let writes = self.state.apply(turn, |state, changes, place| edge.observe(state, changes, place));
        let outcome = Outcome { writes, effects: self.edge.finish() };
        if self.edge.is_holding() || (self.full && !outcome.writes.is_empty()) {
            let effects = self.edge.hold(outcome);
            assert!(
                !effects.iter().any(|e| matches!(e, Effect::Chunk { .. })),
                "what is not kept is not told"
            );
            effects.iter().for_each(|effect| self.carry_out(effect, &[]));
        } else {
            self.keeps(outcome.writes, &outcome.effects);
        }
        if self.edge.is_holding() && !self.full {
            while let Some(writes) = self.edge.held().map(std::mem::take) {
                let effects = self.edge.release(&self.state);
                self.keeps(writes, &effects);
            }
            self.edge.store_works();
        }
        self.now.mono += 100 * rest.len() as u64;
        self.now.wall += 100 * rest.len() as u64;
        if rest.first() == Some(&b'r') {
            self.restarts();
        }
        self.edge.begin(self.now);
    }

    fn keeps(&mut self, writes: Writes, effects: &[Effect]) {
        let chunks: Vec<_> = writes.chunks.iter().map(|c| (c.first, c.last)).collect();
        self.disk.write(writes);
        effects.iter().for_each(|effect| self.carry_out(effect, &chunks));
    }

    /// The daemon is killed and started again, with the content of the disk.
    fn restarts(&mut self) {
        if !self.edge.is_holding() {
            assert_eq!(sorted(self.state.snapshot()), sorted(self.disk.found()));
        }
        self.state = State::restore(self.rules.clone(), self.disk.found(), self.now.wall);
        self.edge = Edge::default();
        self.edge.start(&self.state, self.now);
        self.open.clear();
    }

    fn carry_out(&mut self, effect: &Effect, chunks: &[(u64, u64)]) {
        let one = |c: &ConnectionId| {
            assert!(c.0 <= self.connections && !self.closing.contains(c), "{effect:?} after the end");
        };
        // The rooms of an ended session are left in slices. Until then its closed outbox is offered their
        // messages, and takes none.
        let listed = |c: &ConnectionId| assert!(c.0 <= self.connections, "{effect:?}");
        match effect {
            Effect::Line(c, _) | Effect::IfKept(c, ..) | Effect::Read(c, _) | Effect::LoggedIn(c, ..) => {
                one(c)
            }
            Effect::Refused(refused) => one(&refused.to),
            Effect::Chunk { index, to, own } => {
                let (first, last) = chunks[*index];
                assert!(own.iter().all(|o| first <= o.seq && o.seq <= last));
                to.iter().for_each(listed);
            }
            Effect::Event { to, except, .. } | Effect::Told { to, except, .. } => {
                to.iter().filter(|c| Some(**c) != *except).for_each(listed)
            }
            Effect::BannedRanges(_) | Effect::Slow(..) | Effect::ReadAgain(_) => {}
            Effect::Close(c, _) => assert!(self.closing.insert(*c), "closed twice"),
        }
    }
}

const BOUNDS: Bounds = Bounds { msg_bytes: 64, rooms: 0 };

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn digest(number: u64) -> Digest {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    Digest(digest)
}

/// Neither side promises an order.
fn sorted(mut found: Snapshot) -> Snapshot {
    found.conversations.sort_by_key(|c| c.id);
    found.sessions.sort_by_key(|s| s.row.id);
    found.sessions.iter_mut().for_each(|s| s.rooms.sort());
    found.users.sort_by_key(|u| u.id);
    found.certificates.sort_by_key(|c| c.key);
    let permissions = &mut found.permissions;
    permissions.grants.sort_by_cached_key(|g| format!("{g:?}"));
    permissions.private.sort();
    permissions.mutes.sort_by_cached_key(|m| format!("{m:?}"));
    permissions.bans.sort_by_cached_key(|b| format!("{b:?}"));
    found
}

/// Runs one step per line.
///
/// # Panics
/// If one of the invariants above is broken.
pub fn run(input: &[u8]) {
    let mut world = World::new();
    for line in input.split(|b| *b == b'\n') {
        if let Some((what, rest)) = line.split_first() {
            world.step(*what % (SLOTS * 8), rest);
        }
    }
    world.ends(b"");
    if !world.edge.is_holding() {
        assert_eq!(sorted(world.state.snapshot()), sorted(world.disk.found()));
    }
}
