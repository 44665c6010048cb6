//! A world for the chat: a disk that keeps what a turn writes, connections that hear, and a clock
//! that is told. No runtime, no sleep.

use super::disk::Disk;
use super::short::short;
use super::*;
use crate::edge::{Command, Edge, Effect, Now, Outcome, Read};
use crate::settings::Settings;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use tcp_chat_protocol::Action;
use tcp_chat_protocol::event::write_with_id;
use tcp_chat_protocol::reply::{self, ActReply};
use tcp_chat_state::steps;

/// How much of what may be much is done in one turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    /// Rooms that sessions leave in the moment in which they end, or may no longer be there.
    pub(super) rooms: usize,
    /// Copies of presence events.
    pub(super) copies: usize,
}

/// The chat, its disk, and those who talk.
pub(super) struct World {
    pub(super) chat: State,
    pub(super) edge: Edge,
    pub(super) disk: Disk,
    pub(super) disk_is_full: bool,
    /// Does a turn look at all that is left from before?
    pub(super) sweeps: bool,
    /// How much of what may be much is done in one turn.
    pub(super) slice: Slice,
    pub(super) rules: Rules,
    pub(super) now: Now,
    next: u64,
    /// Where connections come from.
    pub(super) address: IpAddr,
    /// Who proves their names when they log in.
    pub(super) proven: Vec<&'static str>,
    /// For how long nothing is read from whom because of what was sent, in milliseconds.
    pub(super) slowed: HashMap<ConnectionId, u64>,
    heard: BTreeMap<ConnectionId, VecDeque<Vec<u8>>>,
    closed: BTreeSet<ConnectionId>,
    /// By what the session is called here: its name, unless it is one of several.
    pub(super) tokens: HashMap<String, (String, [u8; 32])>,
    pub(super) logins: u16,
    /// What the next login is called.
    pub(super) called: Option<String>,
    /// What the next login shows in its handshake.
    pub(super) shows: Option<Certificate>,
    /// Is the next login the HTTP endpoint's?
    pub(super) is_endpoint: bool,
    /// When the certificates were issued that are shown.
    pub(super) issued: u64,
    batch: Vec<(ConnectionId, Command)>,
    /// The steps of slow work of the next turn, if it does not do all.
    pub(super) steps: Option<usize>,
    /// How many sessions one turn ends because their time is over.
    pub(super) expires: usize,
    /// What the next turn has before the batch.
    pub(super) first: Vec<Intent>,
    /// What the intents of the last turn came to.
    results: Vec<super::super::Answer<Done>>,
    /// What the last turn did.
    pub(super) effects: Vec<Effect>,
}

impl World {
    pub(super) fn new(adjust: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules::from(&Settings::default());
        adjust(&mut rules);
        let now = Now { mono: 0, wall: 1_795_468_094_007 };
        let mut world = Self {
            chat: State::restore(rules.clone(), Snapshot::default(), now.wall),
            edge: Edge::default(),
            disk: Disk::default(),
            disk_is_full: false,
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
        world.chat.start();
        world.turn();
        world
    }

    /// Adds to the turn that comes.
    pub(super) fn adds(&mut self, who: ConnectionId, command: Command) {
        self.batch.push((who, command));
    }

    /// One turn, as the hub does it. What must wait for the next turn gets it.
    pub(super) fn turn(&mut self) {
        let mut effects = Vec::new();
        loop {
            self.begin();
            for intent in self.first.drain(..) {
                self.edge.propose(intent);
            }
            let mut waits = HashSet::new();
            for (who, command) in std::mem::take(&mut self.batch) {
                if waits.contains(&who) || self.edge.must_wait(&self.chat, who, &command) {
                    waits.insert(who);
                    self.batch.push((who, command));
                    continue;
                }
                if matches!(command, Command::Lost) {
                    self.heard.remove(&who);
                }
                let past = self.disk.past(self.edge.asks_past(&mut self.chat, who, &command));
                self.edge.admit(&mut self.chat, who, command, past);
            }
            self.finish();
            effects.append(&mut self.effects);
            if self.batch.is_empty() {
                break;
            }
        }
        self.effects = effects;
    }

    /// Something happens in the state in between.
    pub(super) fn operator(&mut self, act: impl FnOnce(&mut State)) {
        self.chat.set_left_at_once(self.slice.rooms);
        self.chat.begin(self.now.wall);
        act(&mut self.chat);
        self.chat.seal();
        self.begin();
        self.finish();
    }

    /// The hub has time for so many steps of slow work.
    pub(super) fn works(&mut self, steps: usize) {
        self.begin();
        self.steps = Some(steps);
        self.finish();
    }

    /// Is slow work left?
    pub(super) fn has_work(&self) -> bool {
        self.chat.is_sweeping() || self.edge.is_telling() || self.edge.has_proposals()
    }

    /// Is nothing left of what is done in slices?
    pub(super) fn is_at_rest(&self) -> bool {
        self.chat.is_at_rest() && !self.edge.is_telling()
    }

    /// An operator says something to all.
    pub(super) fn says_to_all(&mut self, msg: &str) {
        self.begin();
        self.edge.say_to_all(msg);
        self.finish();
    }

    /// The daemon is going.
    pub(super) fn shuts_down(&mut self) {
        self.begin();
        self.edge.shutdown();
        self.finish();
    }

    /// What an operator sees, page by page.
    pub(super) fn sees(&self, at: Listing) -> Vec<Row> {
        let mut page = self.looks(at, &Cursor::default());
        let mut rows = page.rows;
        while let Some(next) = page.next {
            page = self.looks(at, &next);
            rows.append(&mut page.rows);
        }
        rows
    }

    fn looks(&self, at: Listing, from: &Cursor) -> Page {
        self.chat.list(at, from, &self.edge)
    }

    /// An operator does what that request asks for.
    pub(super) fn operates(&mut self, line: &str) -> Result<ActReply, ErrorKind> {
        let Command::Ask(_, Ask::Action(action)) = self.command(line) else { panic!("{line}") };
        self.acts(*action)
    }

    pub(super) fn acts(&mut self, action: Action) -> Result<ActReply, ErrorKind> {
        self.begin();
        let past = self.disk.past(State::redacts(&action).map(Sought::Message));
        let done = self.edge.takes_action(&action).and_then(|()| {
            let at = self.edge.propose(Intent::Operate(0, Box::new(action), past));
            self.finish();
            self.results.swap_remove(at)
        });
        match done.map_err(|refusal| refusal.kind)? {
            Done::Acted(reply) => Ok(*reply),
            other => panic!("{other:?}"),
        }
    }

    /// An operator wants something done to a user.
    pub(super) fn wishes(&mut self, wish: UserCommand) -> Result<usize, UserCommandError> {
        self.begin();
        self.edge.takes_wish()?;
        let at = self.edge.propose(Intent::Grant(0, wish));
        self.finish();
        match self.results.swap_remove(at) {
            Ok(Done::Granted(done)) => *done,
            other => panic!("{other:?}"),
        }
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
        self.chat.set_left_at_once(self.slice.rooms);
        self.edge.tells_at_once(self.slice.copies);
        self.edge.begin(self.now);
    }

    fn finish_turn(&mut self) {
        let overdue: Vec<_> = self.edge.overdue(self.now.mono).take(self.expires).collect();
        if !overdue.is_empty() {
            self.edge.propose(Intent::Expire(overdue));
        }
        let steps = self.steps.take().unwrap_or(if self.sweeps { usize::MAX } else { 0 });
        let turn = self.edge.take_turn(self.now.wall, None, steps);
        let Self { chat, edge, results, .. } = self;
        results.clear();
        let writes = chat.apply(turn, |chat, changes, place| {
            if let Place::Intent { result, .. } = &place {
                steps::uncounted(|| results.push(result.clone()));
            }
            edge.observe(chat, changes, place);
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
            Effect::LoggedIn(..) | Effect::BannedRanges(..) => {}
            Effect::Slow(to, ms) => *self.slowed.entry(to).or_default() += ms,
            Effect::Close(to, why) => {
                self.tell(to, format!("(closed: {})", why.as_str()).into());
                self.closed.insert(to);
            }
        }
    }

    fn tell(&mut self, to: ConnectionId, line: Vec<u8>) {
        // As an outbox: nothing more comes.
        if self.closed.contains(&to) {
            return;
        }
        if let Some(heard) = self.heard.get_mut(&to) {
            heard.push_back(line);
        }
    }

    pub(super) fn connect(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        self.heard.insert(id, VecDeque::new());
        self.adds(id, Command::Open(self.address));
        id
    }

    pub(super) fn login(&mut self, name: &str) -> ConnectionId {
        let who = self.connect();
        self.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"name":"{name}"}}}}"#));
        who
    }

    pub(super) fn resumes(&mut self, name: &str, after: Option<Seq>) -> ConnectionId {
        let who = self.connect();
        let (token, _) = self.tokens.get(name).expect("logged in once").clone();
        let after = after.map_or("null".to_owned(), |a| a.to_string());
        self.sends(who, &format!(r#"{{"op":"LOGIN","data":{{"session":"{token}","after":{after}}}}}"#));
        who
    }

    pub(super) fn sends(&mut self, who: ConnectionId, line: &str) {
        self.in_one_turn(who, &[line]);
    }

    pub(super) fn in_one_turn(&mut self, who: ConnectionId, lines: &[&str]) {
        for line in lines {
            let command = self.command(line);
            self.adds(who, command);
        }
        self.turn();
    }

    pub(super) fn loses(&mut self, who: ConnectionId) {
        self.adds(who, Command::Lost);
        self.turn();
    }

    pub(super) fn passes(&mut self, ms: u64) {
        self.now.mono += ms;
        self.now.wall += ms;
        self.turn();
    }

    /// What was held is kept, if there is room on the disk again.
    pub(super) fn recovers(&mut self) {
        if !self.edge.is_holding() || self.disk_is_full {
            return;
        }
        while let Some(writes) = self.edge.held().map(std::mem::take) {
            let effects = self.edge.release(&self.chat);
            self.keeps(writes, effects);
        }
        self.edge.store_works();
        assert!(self.disk.found() == self.chat.snapshot(), "all is on the disk");
    }

    /// Retention takes all that was said so far, and the chat is told, as the hub does it.
    pub(super) fn forgets_all(&mut self) {
        let oldest = steps::uncounted(|| self.disk.found().head + 1);
        steps::uncounted(|| self.disk.forget(oldest));
        self.operator(|chat| chat.retain(oldest));
    }

    /// The daemon's process ends in order, and another begins with the same disk.
    pub(super) fn restarts(&mut self) {
        self.recovers();
        self.is_killed();
    }

    /// The process ends at once, with all that it held, and another begins.
    pub(super) fn is_killed(&mut self) {
        self.heard.clear();
        self.batch.clear();
        let found = steps::uncounted(|| self.disk.found());
        self.chat = State::restore(self.rules.clone(), found, self.now.wall);
        self.edge = Edge::default();
        self.chat.start();
        self.edge.start(&self.chat, self.now);
        self.turn();
    }

    /// A line that was looked at and not read yet.
    pub(super) fn unread(&mut self, who: ConnectionId, line: Vec<u8>) {
        if let Some(heard) = self.heard.get_mut(&who) {
            heard.push_back(line);
        }
    }

    /// Which session, by what it is called here, is in which room, and from which number on it sees
    /// the room.
    pub(super) fn memberships(&self) -> BTreeMap<(String, String), Seq> {
        let found = self.chat.snapshot();
        let room = |id: ConversationId| {
            found.conversations.iter().find(|c| c.id == id).and_then(|c| match &c.kind {
                ConversationKind::Room(name) => Some(name.to_string()),
                ConversationKind::Direct(..) => None,
            })
        };
        let called = |hash: [u8; 32]| {
            self.tokens.iter().find(|(_, (_, h))| *h == hash).map(|(called, _)| called.clone())
        };
        found
            .sessions
            .iter()
            .flat_map(|s| s.rooms.iter().map(|(r, since)| (called(s.row.token_hash), *r, *since)))
            .filter_map(|(called, r, since)| Some(((called?, room(r)?), since)))
            .collect()
    }

    /// All lines that wait for the connection, as they came.
    pub(super) fn lines(&mut self, who: ConnectionId) -> VecDeque<Vec<u8>> {
        self.heard.get_mut(&who).map(std::mem::take).unwrap_or_default()
    }

    /// What waits for them is of no interest.
    pub(super) fn skips(&mut self, who: &[ConnectionId]) {
        who.iter().for_each(|c| drop(self.lines(*c)));
    }

    /// The same, in short.
    pub(super) fn hears(&mut self, who: ConnectionId) -> Vec<String> {
        self.lines(who).into_iter().map(|line| short(&line)).collect()
    }
}
