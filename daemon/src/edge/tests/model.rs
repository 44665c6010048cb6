//! Tests the promise as a property. Under random messages, losses, resumes, takeovers, restarts and a disk that is
//! full at times, every session receives exactly the log of its conversations: each message once and in order,
//! whatever it had not read when its connection was lost. Some users are registered and have several sessions; other
//! users see the presence of one user.

use super::world::{Slice, World};
use crate::edge::Command;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tcp_chat_protocol::reply::{self, Incoming};
use tcp_chat_protocol::{PresenceEvent, PresenceState, RequestId, Seq};
use tcp_chat_state::ConnectionId;

/// Sessions, with their users. From [`OWNED`] on they belong to registered users.
const SESSIONS: [(&str, &str); 7] = [
    ("ana", "ana"),
    ("bo", "bo"),
    ("cy at the desk", "cy"),
    ("cy on the phone", "cy"),
    ("cy's script", "cy"),
    ("di at the desk", "di"),
    ("di on the phone", "di"),
];
const OWNED: usize = 2;
const ROOMS: [&str; 3] = ["lobby", "ops", "dev"];

#[derive(Debug, Clone)]
enum Step {
    /// Sends a message to a room.
    Say(usize, usize),
    /// Sends a message to a user.
    Whisper(usize, usize),
    /// Resends the newest message, as a client does that received no answer.
    Again(usize),
    /// Reads so many of the waiting lines.
    Read(usize, usize),
    Lose(usize),
    Resume(usize),
    /// A registered user's session ends with a QUIT.
    Quit(usize),
    /// It begins again.
    Login(usize),
    Join(usize, usize),
    Turn,
    DiskFull(bool),
    Restart,
    /// The process is killed, with its held turns.
    Kill,
    Pass(u64),
    /// Does a turn do all slow work?
    Sweeps(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..SESSIONS.len();
    let owned = OWNED..SESSIONS.len();
    let room = 0..ROOMS.len();
    prop_oneof![
        8 => (who.clone(), room.clone()).prop_map(|(a, b)| Step::Say(a, b)),
        2 => (who.clone(), who.clone()).prop_map(|(a, b)| Step::Whisper(a, b)),
        2 => who.clone().prop_map(Step::Again),
        4 => (who.clone(), 1usize..6).prop_map(|(a, b)| Step::Read(a, b)),
        2 => who.clone().prop_map(Step::Lose),
        3 => who.clone().prop_map(Step::Resume),
        1 => owned.clone().prop_map(Step::Quit),
        2 => owned.prop_map(Step::Login),
        2 => (who, room).prop_map(|(a, b)| Step::Join(a, b)),
        4 => Just(Step::Turn),
        1 => any::<bool>().prop_map(Step::DiskFull),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
        1 => (0u64..400).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Sweeps),
    ]
}

/// A careful client.
#[derive(Default)]
struct Talker {
    connection: Option<ConnectionId>,
    /// There is a session, connected or not.
    lives: bool,
    /// The newest number when its session began.
    began: Seq,
    cursor: Seq,
    /// The last received presence of a user in a room, on this connection.
    presence: BTreeMap<(String, String), PresenceState>,
    heard: Vec<(Seq, String)>,
    /// By conversation: the newest received number, to check the chain.
    chain: BTreeMap<String, Seq>,
    next_id: u64,
    newest: Option<String>,
    /// Texts that were acknowledged, by id.
    acknowledged: BTreeMap<u64, Seq>,
}

struct Run {
    world: World,
    talkers: Vec<Talker>,
}

impl Run {
    fn new(slice: Slice) -> Self {
        let mut world = World::new(|rules| {
            rules.rate.per_second = 0;
            rules.ttl_ms = u64::MAX / 2;
        });
        world.slice = slice;
        world.registers("cy");
        world.registers("di");
        let mut run = Self { world, talkers: SESSIONS.iter().map(|_| Talker::default()).collect() };
        for who in 0..SESSIONS.len() {
            run.begins(who);
        }
        run
    }

    /// A session begins; all earlier messages are behind it.
    fn begins(&mut self, who: usize) {
        self.world.turn();
        let (called, name) = SESSIONS[who];
        let connection = if who < OWNED { self.world.login(name) } else { self.world.logs_in(called, name) };
        let began = self.world.disk.found().head;
        self.talkers[who] =
            Talker { connection: Some(connection), lives: true, began, cursor: began, ..Talker::default() };
    }

    fn adds(&mut self, who: usize, line: &str) {
        if let Some(connection) = self.talkers[who].connection {
            let command = self.world.command(line);
            self.world.adds(connection, command);
        }
    }

    fn says(&mut self, who: usize, data: &str) {
        let talker = &mut self.talkers[who];
        talker.next_id += 1;
        let line = format!(r#"{{"op":"MSG","id":{},"data":{data}}}"#, talker.next_id);
        talker.newest = Some(line.clone());
        self.adds(who, &line);
    }

    fn reads(&mut self, who: usize, most: usize) {
        let Some(connection) = self.talkers[who].connection else { return };
        let mut lines = self.world.lines(connection);
        let talker = &mut self.talkers[who];
        for line in lines.drain(..lines.len().min(most)) {
            talker.hear(&line);
        }
        for line in lines {
            self.world.unread(connection, line);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Say(who, room) => {
                self.says(who, &format!(r#"{{"room":"{}","msg":"m"}}"#, ROOMS[room]));
            }
            Step::Whisper(who, to) => {
                self.says(who, &format!(r#"{{"to":"{}","msg":"w"}}"#, SESSIONS[to].1));
            }
            Step::Again(who) => {
                if let Some(line) = self.talkers[who].newest.clone() {
                    self.adds(who, &line);
                }
            }
            Step::Read(who, most) => self.reads(who, most),
            Step::Lose(who) => {
                if let Some(connection) = self.talkers[who].connection.take() {
                    self.world.adds(connection, Command::Lost);
                }
            }
            Step::Resume(who) if self.talkers[who].lives => {
                let cursor = self.talkers[who].cursor;
                // A takeover while the old connection still lives.
                self.talkers[who].connection = Some(self.world.resumes(SESSIONS[who].0, Some(cursor)));
                self.talkers[who].presence.clear();
            }
            Step::Resume(_) => {}
            // A kill before it is kept would bring the session back.
            Step::Quit(_) if self.world.disk_is_full || self.world.edge.is_holding() => {}
            Step::Quit(who) => {
                self.adds(who, r#"{"op":"QUIT"}"#);
                if self.talkers[who].connection.is_some() {
                    self.world.turn();
                    self.talkers[who] = Talker::default();
                }
            }
            Step::Login(who) => {
                if !self.talkers[who].lives && !self.world.disk_is_full {
                    self.world.recovers();
                    self.begins(who);
                }
            }
            Step::Join(who, room) => {
                self.adds(who, &format!(r#"{{"op":"JOIN","data":{{"room":"{}"}}}}"#, ROOMS[room]))
            }
            Step::Turn => self.world.turn(),
            Step::DiskFull(is_full) => {
                self.world.disk_is_full = is_full;
                self.world.recovers();
            }
            Step::Restart => {
                self.world.disk_is_full = false;
                self.world.restarts();
                self.talkers.iter_mut().for_each(|t| t.connection = None);
            }
            Step::Kill => {
                self.world.disk_is_full = false;
                self.world.is_killed();
                self.talkers.iter_mut().for_each(|t| t.connection = None);
            }
            Step::Pass(ms) => self.world.passes(ms),
            Step::Sweeps(all) => self.world.sweeps = all,
        }
    }

    /// At the end all clients come back and read everything; then each has received the log of its conversations.
    fn check(mut self) {
        self.world.disk_is_full = false;
        self.world.sweeps = true;
        self.world.turn();
        self.world.recovers();
        for who in 0..SESSIONS.len() {
            self.step(Step::Resume(who));
            self.reads(who, usize::MAX);
        }
        self.everyone_is_shown_once();
        let joined = self.world.memberships();
        (0..SESSIONS.len()).for_each(|who| self.reads(who, usize::MAX));
        self.presence_is_true(&joined);
        for (who, talker) in self.talkers.iter().enumerate().filter(|(_, talker)| talker.lives) {
            let (called, name) = SESSIONS[who];
            let mut expected = BTreeSet::new();
            for chunk in &self.world.disk.chunks {
                for line in chunk.lines.split_inclusive(|b| *b == b'\n') {
                    let Incoming::Msg(_, m) = reply::read(line).unwrap() else { panic!() };
                    let is_for = match (&m.room, &m.to) {
                        (Some(room), _) => joined
                            .get(&(called.to_owned(), room.to_string()))
                            .is_some_and(|since| m.seq > *since),
                        (None, to) => m.seq > talker.began && (m.user == name || to.as_deref() == Some(name)),
                    };
                    if is_for {
                        expected.insert(m.seq);
                    }
                }
            }
            let heard: Vec<Seq> = talker.heard.iter().map(|(seq, _)| *seq).collect();
            assert_eq!(heard, expected.into_iter().collect::<Vec<_>>(), "{called} heard its log");
        }
    }

    /// Presence may have been late or dropped: the last received one must be true. All living sessions are connected.
    fn presence_is_true(&self, joined: &BTreeMap<(String, String), Seq>) {
        let user = |called: &str| SESSIONS.iter().find(|(c, _)| *c == called).map(|(_, user)| *user);
        let there: BTreeSet<_> =
            joined.keys().filter_map(|(called, room)| Some((room.as_str(), user(called)?))).collect();
        for talker in self.talkers.iter().filter(|talker| talker.lives) {
            for ((room, user), told) in &talker.presence {
                let is_there = matches!(told, PresenceState::Joined | PresenceState::Back);
                assert_eq!(
                    is_there,
                    there.contains(&(room.as_str(), user.as_str())),
                    "{user} in {room}: {told:?}"
                );
            }
        }
    }

    /// All living sessions are connected now.
    fn everyone_is_shown_once(&mut self) {
        let expected: BTreeSet<String> = std::iter::zip(&self.talkers, SESSIONS)
            .filter(|(talker, _)| talker.lives)
            .map(|(_, (_, name))| format!("{name} here"))
            .collect();
        let ana = self.talkers[0].connection.expect("she never quits");
        self.world.sends(ana, r#"{"op":"WHO"}"#);
        let answer = self.world.hears(ana).pop().expect("an answer");
        let (shown, count) = answer.trim_start_matches("WHO * [").split_once("] of ").expect("a count");
        let shown: Vec<&str> = shown.split(", ").collect();
        assert_eq!(shown.iter().map(|s| (*s).to_owned()).collect::<BTreeSet<_>>(), expected);
        assert_eq!((shown.len(), count.parse()), (expected.len(), Ok(expected.len())));
    }
}

impl Talker {
    /// An announcement about a user follows from the one before.
    fn see(&mut self, p: &PresenceEvent<'_>) {
        use PresenceState::{Away, Back, Joined, Left};
        let before = self.presence.insert((p.room.to_string(), p.user.to_string()), p.state);
        let follows = match before {
            None => true,
            Some(Joined | Back) => matches!(p.state, Away | Left),
            Some(Away) => matches!(p.state, Back | Left),
            Some(Left) => p.state == Joined,
            Some(_) => false,
        };
        assert!(follows, "{} in {}: {:?} after {before:?}", p.user, p.room, p.state);
    }

    fn hear(&mut self, line: &[u8]) {
        let (id, m) = match reply::read(line) {
            Ok(Incoming::Msg(id, m)) => (id, m),
            Ok(Incoming::Presence(p)) => return self.see(&p),
            _ => return,
        };
        if let Some(RequestId::Number(id)) = id {
            let first = *self.acknowledged.entry(id).or_insert(m.seq);
            assert_eq!(first, m.seq, "an id is one message");
            // An answer to a resend may be old.
            if m.seq <= self.cursor {
                return;
            }
        }
        assert!(m.seq > self.cursor, "in order and once: {} after {}", m.seq, self.cursor);
        self.cursor = m.seq;
        let place = m.room.as_deref().map(str::to_owned).unwrap_or_else(|| {
            let mut pair = [m.user.to_string(), m.to.clone().unwrap_or_default().to_string()];
            pair.sort();
            pair.join("+")
        });
        if let Some(before) = self.chain.insert(place, m.seq) {
            assert_eq!(before, m.prev, "nothing is missing in between");
        }
        self.heard.push((m.seq, m.msg.to_string()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_session_receives_exactly_its_log(
        steps in proptest::collection::vec(step(), 1..120),
        (rooms, copies) in prop_oneof![Just((64, 4096)), (0usize..3, 1usize..6)],
    ) {
        let mut run = Run::new(Slice { rooms, copies });
        for step in steps {
            run.step(step);
        }
        run.check();
    }
}
