//! Owns one of the three states: a chat, its store and its connections. It applies a turn as the hub does. Used by the
//! proof and by the fuzz target. Never decides which inputs a turn has.

use super::disk::Disk;
use super::known::Known;
use super::turns::{Input, Policy, Turn};
use std::collections::BTreeMap;
use std::net::IpAddr;
use tcp_chat_protocol::request::Login;
use tcp_chat_protocol::{RequestId, Seq};
use tcp_chatd::chat::{
    Ask, Chat, Command, ConnectionId, ConversationId, Effect, Facts, Found, Now, Outcome, Past, Rules,
    Secret, SessionId, Writes,
};
use tcp_chatd::chat::{Evidence, Proof};
use tcp_chatd::settings::Settings;

/// The store of a state.
pub(crate) trait Shelf {
    fn write(&mut self, writes: Writes);
    /// The snapshot that the state is rebuilt from. The real store closes and reopens its file.
    fn found(&mut self) -> Found;
    fn sent(&mut self, session: SessionId, id: &RequestId) -> Option<(ConversationId, Seq)>;
    /// Retention: removes every message below this number.
    fn forget(&mut self, oldest: Seq);
    /// Writes everything again, after the store has failed.
    fn replace(&mut self, found: Found);
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

    fn replace(&mut self, found: Found) {
        Self::replace(self, found);
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

/// The connections that logged in or were closed in a turn.
#[derive(Debug, Default)]
pub(crate) struct Came {
    pub(crate) logged_in: Vec<ConnectionId>,
    pub(crate) closed: Vec<ConnectionId>,
}

pub(crate) struct State {
    pub(crate) chat: Chat,
    pub(crate) faults: Faults,
    shelf: Box<dyn Shelf>,
    rules: Rules,
    known: Vec<Known>,
    now: Now,
    is_failing: bool,
    /// The messages below this number are still to be removed from the store.
    put_off: Option<Seq>,
    open: BTreeMap<ConnectionId, (IpAddr, Option<SessionId>)>,
}

impl State {
    pub(crate) fn new(mut shelf: Box<dyn Shelf>, known: &[Known], now: Now) -> Self {
        let rules = rules(known);
        let mut chat = Chat::restore(rules.clone(), shelf.found(), now);
        chat.start();
        let mut state = Self {
            chat,
            faults: Faults::default(),
            shelf,
            rules,
            known: known.to_vec(),
            now,
            is_failing: false,
            put_off: None,
            open: BTreeMap::new(),
        };
        state.turn(&Turn { now, inputs: Vec::new(), steps: None });
        state
    }

    /// One turn, as the hub does it: before a request becomes part of the turn, its store is asked for an earlier one.
    pub(crate) fn propose(&mut self, turn: &mut Turn) -> Came {
        self.begin(turn.now);
        for input in &mut turn.inputs {
            if let Input::Ask(on, id, ask, past) = input {
                *past = self.past(*on, &Command::Ask(id.clone(), ask.clone()));
            }
            self.input(input.clone());
        }
        self.chat.sweep_on(turn.steps.unwrap_or(usize::MAX));
        self.end()
    }

    fn past(&mut self, on: ConnectionId, command: &Command) -> Past {
        let Some((session, id)) = self.chat.asks_past(on, command) else { return Past::Absent };
        if self.faults.is_blind {
            return Past::Unknown;
        }
        let found = self.shelf.sent(session, &id);
        found.map_or(Past::Absent, |(conversation, seq)| Past::Kept(conversation, seq))
    }

    /// The same turn, applied again.
    pub(crate) fn turn(&mut self, turn: &Turn) -> Came {
        self.begin(turn.now);
        for input in &turn.inputs {
            self.input(input.clone());
        }
        self.chat.sweep_on(turn.steps.unwrap_or(usize::MAX));
        self.end()
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
            Input::Open(on, address) => {
                self.open.insert(on, (address, None));
                self.apply(on, Command::Open(address), Past::Absent);
            }
            Input::Lost(on) => {
                self.open.remove(&on);
                self.apply(on, Command::Lost, Past::Absent);
            }
            Input::Read(on, bytes) => self.apply(on, Command::Read(bytes), Past::Absent),
            Input::Ask(on, id, ask, past) => self.apply(on, Command::Ask(id, ask), past),
            Input::Refused(on, refusal) => self.apply(on, Command::Refused(refusal), Past::Absent),
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

    fn apply(&mut self, on: ConnectionId, command: Command, past: Past) {
        self.chat.apply(on, command, past);
    }

    fn end(&mut self) -> Came {
        let Outcome { writes, mut effects } = self.chat.end();
        if self.is_failing || (self.faults.is_full && !writes.is_empty()) {
            if !self.is_failing {
                effects = self.chat.not_kept(effects, "full");
                self.is_failing = true;
            }
        } else {
            self.shelf.write(writes);
        }
        let mut came = Came::default();
        for effect in effects {
            match effect {
                Effect::LoggedIn(on, session, _) => {
                    came.logged_in.push(on);
                    if let Some((_, held)) = self.open.get_mut(&on) {
                        *held = Some(session);
                    }
                }
                Effect::Close(on, _) => {
                    came.closed.push(on);
                    self.open.remove(&on);
                }
                _ => {}
            }
        }
        came
    }

    fn recover(&mut self) {
        if self.is_failing && !self.faults.is_full {
            self.shelf.replace(self.chat.found());
            self.chat.keeps_again();
            self.is_failing = false;
        }
    }

    /// The process ends, and another one starts with the same store. The connections come back before the next turn:
    /// in a cluster they would belong to other nodes.
    pub(crate) fn rebuild(&mut self) {
        self.recover();
        self.chat = Chat::restore(self.rules.clone(), self.shelf.found(), self.now);
        self.chat.begin(self.now);
        if self.known.contains(&Known::AllAreAway) {
            let tokens: BTreeMap<_, _> =
                self.chat.found().sessions.iter().map(|s| (s.row.id, s.row.token_hash)).collect();
            for (on, (address, session)) in self.open.clone() {
                self.apply(on, Command::Open(address), Past::Absent);
                if let Some(token) = session.and_then(|session| tokens.get(&session)) {
                    self.apply(on, Command::Ask(None, resume(*token)), Past::Absent);
                }
            }
        }
        let closed = self.end().closed;
        assert!(closed.is_empty(), "a restart closes no connection: {closed:?}");
    }

    /// The facts of this state, without those that are known to differ.
    pub(crate) fn facts(&self) -> Facts {
        let mut facts = self.chat.facts();
        facts.retain(|path, _| !self.known.iter().any(|known| known.hides(path)));
        facts
    }
}

fn resume(token: [u8; 32]) -> Ask {
    let login = Login {
        name: None,
        color: None,
        rooms: None,
        password: None,
        session: Some("known".to_owned().into()),
        after: None,
        log: None,
    };
    let fresh = Secret { token: String::new().into(), hash: [0; 32] };
    let proof = Proof::for_tests(Evidence::NotNeeded);
    Ask::Login { login: Box::new(login), fresh, resumes: Some(token), proof }
}

/// Small limits where a limit is a fact of the state, and no limit where it is known to differ.
fn rules(known: &[Known]) -> Rules {
    let is_known = |what| known.contains(&what);
    let mut rules = Rules::from(&Settings::default());
    rules.rooms_per_session = 4;
    rules.rooms_per_network = 3;
    rules.sessions_per_user = 3;
    if is_known(Known::Rates) {
        rules.rate.per_second = 0;
        rules.flow.per_second = 0;
        rules.network_flow.per_second = 0;
        rules.network_stored.per_second = 0;
        rules.strangers_per_minute = 0;
    } else {
        rules.rate.per_second = 1;
        rules.rate.burst = 4;
    }
    rules.errors = if is_known(Known::Strikes) { 0 } else { 2 };
    rules.ttl_ms = 1_000;
    // So small that messages leave it.
    rules.window = 6;
    (rules.sessions, rules.rooms) = if is_known(Known::Networks) { (0, 0) } else { (6, 6) };
    rules
}
