//! Owns the admission of commands to the next turn. Reads the state as it is before that turn. An accepted request becomes
//! an intent; a query, a PING and a refusal become tasks, which [`super::settle`] answers in order. Called by the hub for
//! each command of a connection. Never changes the state.

use super::ask::{Ask, LoginAsk};
use super::charge::Charge;
use super::gathering::{Asked, AskedLogin, Task};
use super::need::Need;
use super::{Answer, Closing, Command, Connection, Edge, limits};
use std::net::IpAddr;
use tcp_chat_protocol::request::Target;
use tcp_chat_protocol::{ErrorKind, Refusal, RequestId};
use tcp_chat_state::{
    Allowance, ConnectionId, Evidence, Intent, LoginOp, NodeId, Op, Origin, Past, SessionId, Source, State,
};

/// The connection that sent a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sender {
    pub(super) connection: ConnectionId,
    session: Option<SessionId>,
    pub(super) address: IpAddr,
    /// How long its requests are refused, in milliseconds.
    pub(super) refused_for_ms: u64,
}

impl Sender {
    /// The source of its requests.
    fn source(self, node: NodeId) -> Source {
        let Self { connection, session, .. } = self;
        Source { origin: Origin { node, connection }, session }
    }
}

impl Edge {
    /// Adds one command of a connection to the turn. The caller first asks [`Edge::must_wait`].
    pub fn admit(&mut self, state: &State, connection: ConnectionId, command: Command, past: Past) {
        match command {
            Command::Open(address) => {
                self.connections.insert(connection, Connection::new(address, self.now));
                // The listener accepted it before the ban, and the edge did not know it when the ban ended the others.
                if state.is_banned_address(address) {
                    self.add_task(state, connection, Task::Close(connection, Closing::Kicked));
                    self.ignore(connection);
                }
            }
            Command::Lost => {
                if let Some(session) = self.session_at(connection) {
                    let origin = self.at(connection);
                    self.gathering.propose_of_gone(Intent::Away(origin, session));
                }
                self.add_task(state, connection, Task::Forget(connection));
            }
            Command::Read(bytes) => self.charge_bytes(state, connection, bytes),
            Command::Refused(refusal) => {
                let session = self.session_at(connection);
                self.count(state, connection, session, 1);
                self.refuse(state, connection, None, refusal);
            }
            Command::Ask(id, ask) => {
                let came_back = self.flights.came_back;
                let Some(entry) = self.connections.get(&connection) else { return };
                if entry.is_ignored(came_back) {
                    return;
                }
                let had_errors = entry.has_errors(came_back);
                let sender = Sender {
                    connection,
                    session: entry.session,
                    address: entry.address,
                    refused_for_ms: entry.refused_for_ms,
                };
                let op = ask.op();
                match self.admit_request(state, sender, id, ask, past) {
                    Err((id, refusal)) => self.refuse(state, connection, Some(op), refusal.with_id(id)),
                    Ok(()) if had_errors => {
                        if let Some(turn) = self.turn_of_task(connection)
                            && let Some(entry) = self.connections.get_mut(&connection)
                        {
                            entry.certain_errors = (turn, 0);
                        }
                    }
                    Ok(()) => {}
                }
            }
        }
    }

    /// Must this command, and all later ones of its connection, wait for a later turn? There are two reasons. The LOGIN
    /// before it decides which permissions it has. Or the requests under way have reserved the sessions or rooms that its
    /// network may still use.
    #[must_use]
    pub fn must_wait(&self, state: &State, connection: ConnectionId, command: &Command) -> bool {
        let Some(entry) = self.connections.get(&connection) else { return false };
        if entry.login_turn > self.flights.came_back {
            return true;
        }
        let Command::Ask(_, ask) = command else { return false };
        let need = Need::of(ask);
        let reserved = self.reserved(entry.address);
        if need.is_nothing() || reserved.is_nothing() {
            return false;
        }
        let left = self.left(state, entry.address);
        !need.is_refused(left) && need.must_wait(left, reserved)
    }

    /// Is a LOGIN of the connection under way?
    #[must_use]
    pub fn waits_for_login(&self, connection: ConnectionId) -> bool {
        let entry = self.connections.get(&connection);
        entry.is_some_and(|entry| entry.login_turn > self.flights.came_back)
    }

    /// Does this command wait while nothing can be proposed? The commands of a connection that is closed do not.
    #[must_use]
    pub fn needs_order(&self, connection: ConnectionId, command: &Command) -> bool {
        let Command::Ask(_, ask) = command else { return false };
        let entry = self.connections.get(&connection);
        ask.needs_order() && entry.is_some_and(|entry| !entry.is_ignored(self.flights.came_back))
    }

    /// Admits a request: it becomes an intent or a task, or it is refused.
    fn admit_request(
        &mut self,
        state: &State,
        sender: Sender,
        id: Option<RequestId>,
        ask: Ask,
        past: Past,
    ) -> Result<(), (Option<RequestId>, Refusal)> {
        if self.is_unavailable && ask.needs_order() {
            self.count(state, sender.connection, sender.session, 1);
            return Err((id, unavailable(ask.op())));
        }
        if let Err(refusal) = self.check_limits(state, sender, &ask) {
            return Err((id, refusal));
        }
        let (connection, name) = (sender.connection, ask.op());
        let op = match ask {
            Ask::Say(target, json) => return self.admit_message(state, sender, id, (target, json), past),
            Ask::Login(login) => {
                self.admit_login(state, sender, id, *login);
                return Ok(());
            }
            Ask::Query(query) => {
                let session = sender.session.ok_or_else(|| (id.clone(), not_logged_in()))?;
                let query = Box::new(query);
                self.add_task(state, connection, Task::Query { connection, session, id, query });
                return Ok(());
            }
            Ask::Ping => {
                self.add_task(state, connection, Task::Ping { connection, id });
                return Ok(());
            }
            Ask::Quit => {
                self.add_task(state, connection, Task::Quit { connection, id });
                let source = sender.source(self.node);
                self.gathering.propose_of_gone(Intent::Request(source, None, Op::Quit));
                self.ignore(connection);
                return Ok(());
            }
            Ask::Enrol(proof) => Op::Enrol(Box::new((*proof).into())),
            Ask::Join(room) => Op::Join(room, Box::new(self.allowance(state, sender, Need::ONE_ROOM))),
            Ask::Leave(place) => Op::Leave(place),
            Ask::Action(action) => Op::Action(action, past),
            Ask::Mark(mark) => Op::Mark(Box::new(mark)),
        };
        let intent = Intent::Request(sender.source(self.node), id, op);
        self.propose_for(intent, Asked::Request { connection, op: name, login: None });
        Ok(())
    }

    /// Admits a message, within the quotas of its author.
    fn admit_message(
        &mut self,
        state: &State,
        sender: Sender,
        id: Option<RequestId>,
        (target, json): (Target, Box<str>),
        past: Past,
    ) -> Result<(), (Option<RequestId>, Refusal)> {
        let Some(session) = sender.session else { return Err((id, not_logged_in())) };
        match self.charge_message(state, (sender, session), id.as_ref(), (&target, &json), past) {
            Err(refusal) => Err((id, refusal)),
            Ok((charge, past)) => {
                self.note_sent(sender.connection, id.as_ref());
                let intent = Intent::Request(sender.source(self.node), id, Op::Say(target, json, past));
                let asked = Asked::Message { connection: sender.connection, session, charge };
                self.propose_for(intent, asked);
                Ok(())
            }
        }
    }

    fn charge_message(
        &mut self,
        state: &State,
        (sender, session): (Sender, SessionId),
        id: Option<&RequestId>,
        (target, json): (&Target, &str),
        past: Past,
    ) -> Answer<(Charge, Past)> {
        if self.is_sent(sender.connection, id) {
            return Err(under_way());
        }
        let past = self.mark_unwritable((sender.connection, id), past)?;
        let charge = self.charge(state, (sender, session), id, (target, json), &past)?;
        let past = charge.past(past);
        Ok((charge, past))
    }

    /// Applies the rate limits, and the limits of a store that fails.
    fn check_limits(&mut self, state: &State, sender: Sender, ask: &Ask) -> Answer {
        let Sender { connection, session, .. } = sender;
        let lines = limits::lines(state, session, ask);
        let is_counted_only = matches!(ask, Ask::Login(_) | Ask::Enrol(_) | Ask::Ping | Ask::Quit);
        match session {
            Some(session) if !is_counted_only => self.charge_request(state, sender, session, lines)?,
            _ => self.count(state, connection, session, lines),
        }
        match (ask, session) {
            (Ask::Login(_), _) => self.hold.check_room(),
            (Ask::Query(_) | Ask::Ping | Ask::Quit, _) => Ok(()),
            (ask, session) => {
                if session.is_some() || matches!(ask, Ask::Enrol(_)) {
                    self.hold.check_request(state, session, ask)?;
                }
                match (ask, session) {
                    (Ask::Action(_), Some(session)) => self.charge_action(state, connection, session),
                    _ => Ok(()),
                }
            }
        }
    }

    fn admit_login(
        &mut self,
        state: &State,
        sender: Sender,
        id: Option<RequestId>,
        LoginAsk { login, fresh, resumes, proof }: LoginAsk,
    ) {
        let allowance = self.allowance(state, sender, Need::of_login(&login));
        let evidence = Evidence::from(proof);
        let is_let_in = !matches!(evidence, Evidence::Refused | Evidence::Unusable(_));
        let is_resumed = login.session.is_some() && is_let_in && sender.session.is_none();
        let token = login.session.clone().unwrap_or(fresh.token);
        let connection = sender.connection;
        let turn = self.gathering.turn;
        self.connections.get_mut(&connection).into_iter().for_each(|entry| entry.login_turn = turn);
        let op = LoginOp::new(login, (fresh.hash, resumes), evidence, allowance);
        let intent = Intent::Request(sender.source(self.node), id, Op::Login(Box::new(op)));
        let login = Some(Box::new(AskedLogin { resumes: is_resumed, token }));
        self.propose_for(intent, Asked::Request { connection, op: "LOGIN", login });
    }

    /// Adds the intent of a request to the turn.
    fn propose_for(&mut self, intent: Intent, asked: Asked) {
        if self.flights.is_log {
            let turn = self.gathering.turn;
            let entry = self.connections.get_mut(&asked.connection());
            entry.into_iter().for_each(|entry| entry.asked_turn = turn);
            let id = if let Intent::Request(_, id, _) = &intent { id.clone() } else { None };
            self.gathering.flight.note_id(id);
        }
        self.gathering.propose_for(intent, asked);
    }

    /// Refuses a request, in the order of its connection. If this error certainly closes the connection, its later commands
    /// are ignored.
    fn refuse(
        &mut self,
        state: &State,
        connection: ConnectionId,
        op: Option<&'static str>,
        refusal: Refusal,
    ) {
        let (came_back, turn) = (self.flights.came_back, self.turn_of_task(connection));
        let Some(entry) = self.connections.get_mut(&connection) else { return };
        if entry.is_ignored(came_back) {
            return;
        }
        let errors = entry.certain_errors(came_back).saturating_add(u32::from(counts_as_error(&refusal)));
        if let Some(turn) = turn {
            entry.certain_errors = (turn, errors);
            let most = state.rules().errors;
            if most > 0 && errors > most {
                entry.ignored_turn = turn;
            }
        }
        self.add_task(state, connection, Task::Refuse { connection, op, refusal: Box::new(refusal) });
    }

    /// Ignores the later commands of the connection, until it is closed.
    fn ignore(&mut self, connection: ConnectionId) {
        let turn = self.gathering.turn;
        self.connections.get_mut(&connection).into_iter().for_each(|entry| entry.ignored_turn = turn);
    }

    /// The sessions and rooms that the network of a request may still use. Reserves those that the request needs.
    fn allowance(&mut self, state: &State, sender: Sender, need: Need) -> Allowance {
        let left = self.left(state, sender.address);
        let reserved = self.reserved(sender.address);
        if left != Need::UNLIMITED && !need.is_nothing() && !need.is_refused(left) {
            self.gathering.flight.reserve(sender.address, need);
        }
        let Need { sessions, rooms } = left.saturating_sub(reserved);
        Allowance { network: tcp_chat_state::network(sender.address), sessions, rooms }
    }

    /// The number of sessions and rooms that the network may still have.
    fn left(&self, state: &State, address: IpAddr) -> Need {
        let rules = state.rules();
        let sessions = self.sessions.left(address, rules.sessions);
        Need { sessions, rooms: self.rooms.left(address, rules.rooms) }
    }
}

/// The time after which a client may send a request again that could not be ordered, in milliseconds.
pub(super) const AGAIN_MS: u64 = 2_000;

/// The refusal of a request while nothing can be ordered.
pub(super) fn unavailable(op: &str) -> Refusal {
    let msg = match op {
        "LOGIN" => {
            "nobody can log in at this server now: nothing can be ordered; try another server, or wait"
        }
        _ => "nothing can be ordered now, so this was not taken: send it again, or go to another server",
    };
    let mut refusal = Refusal::new(ErrorKind::Unavailable, msg);
    refusal.retry_after_ms = Some(AGAIN_MS);
    refusal
}

/// The refusal of a resend while the first copy is under way. If both were ordered, other nodes could keep so many messages
/// between them that the window no longer has the id of the first, and the second would be kept, too.
fn under_way() -> Refusal {
    let msg = "it was sent under this id just now, and is under way: its answer comes before this one";
    let mut refusal = Refusal::new(ErrorKind::RateLimited, msg);
    refusal.retry_after_ms = Some(AGAIN_MS);
    refusal
}

/// Does a refusal count as an error in a row? The client does nothing wrong while nothing can be ordered.
pub(super) fn counts_as_error(refusal: &Refusal) -> bool {
    refusal.kind != ErrorKind::Unavailable
}

fn not_logged_in() -> Refusal {
    Refusal::new(ErrorKind::NotLoggedIn, "log in first: send a LOGIN with a name")
}
