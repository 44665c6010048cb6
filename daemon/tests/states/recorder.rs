//! Owns the recording: it turns the steps of a script into turns, and applies each turn to three states. Used by the
//! proof and by the fuzz target. It replaces everything around the edge and the state: connections, proofs of identity,
//! secrets and clocks. Never looks into a state, except for what the net may ask: the registered users.

use super::state::{Happens, Replica, Shelf, rules};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use tcp_chat_protocol::request::{Bounds, Login, Request, Wants, parse};
use tcp_chat_protocol::{Name, Seq};
use tcp_chat_state::{
    Access, Certificate, Code, CodePurpose, ConnectionId, Digest, EnrolOp, Evidence, Facts, Intent,
    NewCredential, Past, Presented, Revocation, Rules, Turn, UserCommand,
};
use tcp_chatd::admin::{AdminRequest as Control, Revoked};
use tcp_chatd::auth::{EnrolProof, Proof, sha256};
use tcp_chatd::edge::{Ask, LoginAsk, Proving, Secret};
use tcp_chatd::edge::{Command, Edge, Now};

/// The three states.
pub(crate) const STEADY: usize = 0;
pub(crate) const REBUILT: usize = 1;
pub(crate) const ENCODED: usize = 2;
const NAMES: [&str; 3] = ["steady", "rebuilt", "encoded"];

const BOUNDS: Bounds = Bounds { msg_bytes: 64, rooms: 0 };
/// A day, in milliseconds.
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;
/// The operator.
const UID: u32 = 0;

/// Connections that are open at once, and the peer addresses of those that are not local.
pub(crate) const SLOTS: u8 = 6;
const REMOTE: [(u8, [u8; 4]); 2] = [(1, [192, 0, 2, 1]), (4, [198, 51, 100, 7])];
/// These log in with a certificate.
const PROVEN: [(u8, &str); 2] = [(2, "mo"), (3, "op")];

/// One step of a script.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A connection sends a line. The recorder opens it first if necessary.
    Line(u8, String),
    Lose(u8),
    /// A line of the control socket.
    Operator(String),
    /// An operator does what a line of the wire asks for.
    Action(String),
    /// The operator reloads one of four configurations.
    Reload(u8),
    /// Retention keeps only this many messages.
    Retain(u64),
    /// Time passes, in milliseconds.
    Pass(u64),
    /// The clock of the system is set forward, in milliseconds.
    SetClock(u64),
    /// The turn ends. It does at most this many steps of slow work.
    Turn(Option<usize>),
    /// One state is rebuilt before the next turn.
    Rebuild,
    /// The process of the node that proposes the turns ends, and another one begins. Its connections are gone.
    Restart,
    /// From now on the store of a state cannot be written, or can.
    Full(usize, bool),
    /// From now on the store of a state cannot be read, or can.
    Blind(usize, bool),
    /// From now on the machine of the proposer has time for only this many steps of slow work in a turn.
    Slow(Option<usize>),
    /// From now on the store of a state puts off the removal of old messages, or does not.
    KeepsLonger(usize, bool),
}

/// A difference: the turn, the state, and the facts with the value of the steady state and of the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) turn: usize,
    pub(crate) state: &'static str,
    pub(crate) facts: Vec<(String, Option<String>, Option<String>)>,
}

pub(crate) struct Recorder {
    states: [Replica; 3],
    now: Now,
    /// The edge of the steady state's node, which proposes the turns.
    edge: Edge,
    happens: Vec<Happens>,
    /// What the next turn has of retention.
    retain: Option<Seq>,
    /// The steps of slow work that the proposer has time for in a turn; `None`: all of them.
    pace: Option<usize>,
    turns: usize,
    /// The turns so far.
    pub(crate) recorded: Vec<Turn>,
    connections: u64,
    logins: u64,
    slots: BTreeMap<u8, ConnectionId>,
}

impl Recorder {
    pub(crate) fn new(shelves: [Box<dyn Shelf>; 3]) -> Self {
        let now = Now { mono: 0, wall: 1_795_468_094_007 };
        // Each has another policy until the first turn: all that follows, follows from the turns.
        let [mut one, mut two, mut three] = [rules(), rules(), rules()];
        (one.create, two.access, three.window) = (false, Access::Accounts, 1);
        two.default_rooms.clear();
        let [a, b, c] = shelves;
        let replicas = [(a, one), (b, two), (c, three)];
        let states = replicas.map(|(shelf, rules)| Replica::new(shelf, rules, now.wall));
        let mut recorder = Self {
            states,
            now,
            edge: Edge::default(),
            happens: vec![Happens::Else(Intent::Start(Box::new(rules())))],
            retain: None,
            pace: None,
            turns: 0,
            recorded: Vec::new(),
            connections: 0,
            logins: 0,
            slots: BTreeMap::new(),
        };
        recorder.turn(None).expect("equal states after the start");
        recorder
    }

    /// Carries out the steps, and compares after each turn.
    ///
    /// # Errors
    /// The first difference.
    pub(crate) fn run(&mut self, steps: impl IntoIterator<Item = Step>) -> Result<(), Difference> {
        steps.into_iter().try_for_each(|step| self.step(step))?;
        self.step(Step::Turn(None))
    }

    pub(crate) fn step(&mut self, step: Step) -> Result<(), Difference> {
        match step {
            Step::Line(slot, line) => self.line(slot % SLOTS, line.as_bytes()),
            Step::Lose(slot) => self.lose(slot % SLOTS),
            Step::Operator(line) => self.operator(line.as_bytes()),
            Step::Action(line) => {
                if let Ok((_, Request::Action(action))) = parse(line.as_bytes(), &BOUNDS) {
                    self.happens.push(Happens::Else(Intent::OperatorAction(UID, action, Past::Absent)));
                }
            }
            Step::Reload(which) => {
                let rooms: &[&str] = if which & 2 == 0 { &["lobby"] } else { &["lobby", "ops"] };
                let rooms = rooms.iter().map(|room| room.parse().expect("a name")).collect();
                let access = if which & 1 == 1 { Access::Accounts } else { Access::Open };
                let policy = Rules { default_rooms: rooms, create: which != 3, access, ..rules() };
                self.happens.push(Happens::Else(Intent::Policy(Box::new(policy))));
            }
            Step::Retain(left) => {
                let head = self.states[STEADY].state.counts().head;
                self.retain = self.retain.max(Some((head + 1).saturating_sub(left)));
            }
            Step::Pass(ms) => {
                self.now.mono += ms;
                self.now.wall += ms;
            }
            Step::SetClock(ms) => self.now.wall += ms,
            Step::Turn(steps) => return self.turn(steps.into_iter().chain(self.pace).min()),
            Step::Rebuild => self.states[REBUILT].rebuild(),
            Step::Restart => {
                self.edge = Edge::default();
                self.edge.start(&self.states[STEADY].state, self.now);
                self.slots.clear();
                // What the connections before it sent is lost, too.
                self.happens.clear();
            }
            Step::Full(state, is_full) => {
                self.states[state].faults.is_full = is_full;
            }
            Step::Blind(state, is_blind) => {
                self.states[state].faults.is_blind = is_blind;
            }
            Step::Slow(steps) => self.pace = steps,
            Step::KeepsLonger(state, longer) => {
                self.states[state].faults.keeps_longer = longer;
            }
        }
        Ok(())
    }

    /// Applies the turn to all three states, to one of them in its encoded form; and then what had to wait for it.
    fn turn(&mut self, steps: Option<usize>) -> Result<(), Difference> {
        let mut happens = std::mem::take(&mut self.happens);
        let retain = self.retain.take().map(|oldest| Happens::Else(Intent::Retain(oldest)));
        happens.splice(0..0, retain);
        loop {
            self.turns += 1;
            let Self { states, edge, now, .. } = self;
            let (turn, waits, closed) = states[STEADY].propose(edge, *now, happens, steps);
            self.states[REBUILT].turn(&turn);
            let decoded = turn.encode().map(|bytes| Turn::decode(&bytes));
            let decoded = decoded.expect("a short turn").expect("the bytes of a turn");
            assert_eq!(decoded, turn, "the encoded form says all");
            self.states[ENCODED].turn(&decoded);
            self.recorded.push(decoded);
            // As the net does: it reports a closed connection as lost.
            let closed: Vec<_> =
                self.slots.iter().filter(|(_, on)| closed.contains(on)).map(|(at, _)| *at).collect();
            closed.into_iter().for_each(|slot| self.lose(slot));
            self.compare()?;
            if waits.is_empty() && !self.edge.has_proposals() {
                return Ok(());
            }
            happens = waits;
        }
    }

    fn compare(&self) -> Result<(), Difference> {
        let expected = self.states[STEADY].facts();
        for other in [REBUILT, ENCODED] {
            let facts = difference(&expected, &self.states[other].facts());
            if !facts.is_empty() {
                return Err(Difference { turn: self.turns, state: NAMES[other], facts });
            }
        }
        let digest = |state: usize| self.states[state].wrote.1;
        if let Some(other) = [REBUILT, ENCODED].into_iter().find(|state| digest(*state) != digest(STEADY)) {
            let [steady, differs] = [STEADY, other].map(|state| format!("{:?}", self.states[state].wrote.0));
            let facts = vec![("writes".to_owned(), Some(steady), Some(differs))];
            return Err(Difference { turn: self.turns, state: NAMES[other], facts });
        }
        // The edge of the steady state has taken its changes.
        let [rebuilt, encoded] = [REBUILT, ENCODED].map(|state| &self.states[state].changes);
        if rebuilt != encoded {
            let [rebuilt, encoded] = [rebuilt, encoded].map(|changes| format!("{changes:?}"));
            let facts = vec![("changes".to_owned(), Some(encoded), Some(rebuilt))];
            return Err(Difference { turn: self.turns, state: NAMES[REBUILT], facts });
        }
        Ok(())
    }

    fn lose(&mut self, slot: u8) {
        if let Some(connection) = self.slots.remove(&slot) {
            self.happens.push(Happens::On(connection, Command::Lost));
        }
    }

    fn connection(&mut self, slot: u8) -> ConnectionId {
        if let Some(open) = self.slots.get(&slot) {
            return *open;
        }
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        self.slots.insert(slot, connection);
        let remote = REMOTE.into_iter().find(|(at, _)| *at == slot).map(|(_, address)| address.into());
        let address = remote.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        self.happens.push(Happens::On(connection, Command::Open(address)));
        connection
    }

    fn line(&mut self, slot: u8, line: &[u8]) {
        let connection = self.connection(slot);
        self.happens.push(Happens::On(connection, Command::Read(line.len() + 1)));
        let command = match parse(line, &BOUNDS) {
            Err(refusal) => Command::Refused(refusal),
            Ok((id, request)) => {
                Command::Ask(id, Ask::of(request).unwrap_or_else(|proving| self.prove(slot, proving)))
            }
        };
        self.happens.push(Happens::On(connection, command));
    }

    /// Does what the net does: makes secrets and checks proofs.
    fn prove(&mut self, slot: u8, proving: Proving) -> Ask {
        match proving {
            Proving::Login(login) => {
                // A token is the number of the login that gave it out.
                self.logins += 1;
                let token = self.logins.to_string();
                let fresh = Secret { hash: sha256(token.as_bytes()).0, token: token.into() };
                let resumes = login.session.as_ref().map(|token| sha256(token.as_bytes()).0);
                let proof = Proof::for_tests(self.evidence(slot, &login));
                Ask::Login(Box::new(LoginAsk { login: *login, fresh, resumes, proof }))
            }
            Proving::Enrol(enrol) => {
                let made = match &enrol.wants {
                    Wants::Password(password) => NewCredential::Password(password_hash(password).into()),
                    Wants::Certificate(csr) => {
                        NewCredential::Certificate(Box::new(self.certificate(&enrol.name)), csr.clone())
                    }
                };
                let code = Some(sha256(enrol.code.as_bytes()));
                Ask::Enrol(Box::new(EnrolProof::for_tests(EnrolOp { code, name: enrol.name, made })))
            }
        }
    }

    fn evidence(&self, slot: u8, login: &Login) -> Evidence {
        if let Some((_, name)) = PROVEN.into_iter().find(|(at, _)| *at == slot) {
            let certificate = self.certificate(&name.parse().expect("a name"));
            return Evidence::Certificate(Box::new(Presented { certificate, issued: self.now.wall }));
        }
        let user = login.name.as_ref().and_then(|name| self.states[STEADY].state.users().by_name(name));
        match (user, &login.password) {
            (Some(user), Some(password)) if user.password.as_deref() == Some(&password_hash(password)) => {
                Evidence::Password(user.id, password_hash(password).into())
            }
            (Some(_), _) if login.session.is_none() => Evidence::Refused,
            _ => Evidence::NotNeeded,
        }
    }

    fn certificate(&self, name: &Name) -> Certificate {
        let key: Digest = sha256(name.key().as_str().as_bytes());
        Certificate { key, name: name.clone(), until: self.now.wall + DAY_MS, revoked: Revocation::None }
    }

    /// Ignores lines that the control socket would refuse.
    fn operator(&mut self, line: &[u8]) {
        let Ok(command) = Control::read(line) else { return };
        let name = |text: &str| text.parse::<Name>().ok();
        let code = |user: &str, is_for_certificate: bool| Code {
            hash: sha256(format!("code of {user}").as_bytes()),
            until: self.now.wall + DAY_MS,
            gives: if is_for_certificate { CodePurpose::Certificate } else { CodePurpose::Password },
        };
        let of_user = match &command {
            Control::UserAdd { user, certificate } => {
                name(user).map(|name| UserCommand::Add(name, code(user, *certificate)))
            }
            Control::UserPassword { user, certificate } => {
                name(user).map(|name| UserCommand::Reset(name, code(user, *certificate)))
            }
            Control::UserRemove { user } => name(user).map(UserCommand::Remove),
            Control::UserErase { user, lift } => name(user).map(|name| UserCommand::Erase(name, *lift)),
            Control::CertRevoke(Revoked::User(user)) => name(user).map(UserCommand::RevokeAll),
            _ => None,
        };
        let input = match (of_user, command) {
            (Some(of_user), _) => Intent::ChangeUser(UID, of_user),
            (None, Control::Action(asked)) => match asked.action() {
                Ok(action) => Intent::OperatorAction(UID, Box::new(action), Past::Absent),
                Err(_) => return,
            },
            _ => return,
        };
        self.happens.push(Happens::Else(input));
    }
}

fn password_hash(password: &str) -> String {
    format!("hash of {password}")
}

fn difference(expected: &Facts, other: &Facts) -> Vec<(String, Option<String>, Option<String>)> {
    let paths: std::collections::BTreeSet<_> = expected.keys().chain(other.keys()).collect();
    paths
        .into_iter()
        .filter(|path| expected.get(*path) != other.get(*path))
        .map(|path| (path.clone(), expected.get(path).cloned(), other.get(path).cloned()))
        .collect()
}
