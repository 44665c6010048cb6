//! Owns the admission of commands to the next turn. Reads the state as it is before that turn. An accepted request becomes
//! an intent; a query, a PING and a refusal become tasks, which [`super::settle`] answers in order. Called by the hub for
//! each command of a connection. Never changes the state.

use super::ask::{Ask, LoginAsk};
use super::gathering::Task;
use super::{Answer, Closing, Command, Connection, Edge, limits};
use std::net::IpAddr;
use tcp_chat_protocol::request::{Login, Target};
use tcp_chat_protocol::{ErrorKind, Refusal, RequestId};
use tcp_chat_state::{
    Allowance, ConnectionId, Evidence, Intent, LoginOp, NodeId, Op, Origin, Past, SessionId, Source, State,
};

/// The connection of a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) connection: ConnectionId,
    session: Option<SessionId>,
    pub(super) address: IpAddr,
    /// How long its requests are refused, in milliseconds.
    pub(super) owes: u64,
}

impl Peer {
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
                    self.gathering.add(Task::Close(connection, Closing::Kicked));
                    self.ignore(connection);
                }
            }
            Command::Lost => {
                if let Some(session) = self.session_at(connection) {
                    let origin = self.at(connection);
                    self.gathering.propose(Intent::Away(origin, session));
                }
                self.gathering.add(Task::Forget(connection));
            }
            Command::Read(bytes) => self.weigh(state, connection, bytes),
            Command::Refused(refusal) => {
                let session = self.session_at(connection);
                self.count(state, connection, session, 1);
                self.refuse(state, connection, None, refusal);
            }
            Command::Ask(id, ask) => {
                let turn = self.gathering.turn;
                let Some(entry) = self.connections.get_mut(&connection) else { return };
                if entry.closing || entry.ignored_in == turn {
                    return;
                }
                let had_errors = entry.has_errors(turn);
                let peer =
                    Peer { connection, session: entry.session, address: entry.address, owes: entry.owes };
                let op = ask.op();
                let refused = match ask {
                    Ask::Say(target, json) => self.admit_message(state, peer, id, (target, json), past),
                    ask => self.admit_request(state, peer, id, ask, past),
                };
                match refused {
                    Err((id, refusal)) => self.refuse(state, connection, Some(op), refusal.with_id(id)),
                    Ok(()) if had_errors => {
                        let entry = self.connections.get_mut(&connection);
                        entry.into_iter().for_each(|entry| entry.foreseen = (turn, 0));
                    }
                    Ok(()) => {}
                }
            }
        }
    }

    /// Must this command, and all later ones of its connection, wait for the next turn? There are two reasons. The LOGIN
    /// before it decides which permissions it has. Or the earlier requests of this turn have reserved the sessions or rooms
    /// that its network may still use.
    #[must_use]
    pub fn must_wait(&self, state: &State, connection: ConnectionId, command: &Command) -> bool {
        let Some(entry) = self.connections.get(&connection) else { return false };
        if entry.logs_in == self.gathering.turn {
            return true;
        }
        let Command::Ask(_, ask) = command else { return false };
        let needs = needs(ask);
        let reserved = self.gathering.reserved(entry.address);
        if needs == (0, 0) || reserved == (0, 0) {
            return false;
        }
        let left = self.left(state, entry.address);
        if is_in_vain(left, needs) {
            return false;
        }
        // If nothing is left at all, waiting would not help.
        let is_short = |left: usize, reserved, needs| left > 0 && left.saturating_sub(reserved) < needs;
        is_short(left.0, reserved.0, needs.0) || is_short(left.1, reserved.1, needs.1)
    }

    /// Admits a message. Most requests are messages, so this path is the shortest.
    fn admit_message(
        &mut self,
        state: &State,
        peer: Peer,
        id: Option<RequestId>,
        (target, json): (Target, Box<str>),
        past: Past,
    ) -> Result<(), (Option<RequestId>, Refusal)> {
        let Some(session) = peer.session else {
            self.count(state, peer.connection, None, 1);
            return Err((id, not_logged_in()));
        };
        match self.charge_message(state, (peer, session), id.as_ref(), (&target, &json), past) {
            Err(refusal) => Err((id, refusal)),
            Ok((charge, past)) => {
                let intent = Intent::Request(peer.source(self.node), id, Op::Say(target, json, past));
                let task = Task::Message { connection: peer.connection, session, charge };
                self.gathering.propose_for(intent, task);
                Ok(())
            }
        }
    }

    fn charge_message(
        &mut self,
        state: &State,
        (peer, session): (Peer, SessionId),
        id: Option<&RequestId>,
        (target, json): (&Target, &str),
        past: Past,
    ) -> Answer<(limits::Charge, Past)> {
        self.pass_rate(state, peer, session, 1)?;
        let past = self.takes_message((peer.connection, id), past)?;
        let charge = self.charge(state, (peer, session), id, (target, json), past)?;
        let past = charge.past(past);
        Ok((charge, past))
    }

    /// Admits any other request.
    fn admit_request(
        &mut self,
        state: &State,
        peer: Peer,
        id: Option<RequestId>,
        ask: Ask,
        past: Past,
    ) -> Result<(), (Option<RequestId>, Refusal)> {
        if let Err(refusal) = self.passes(state, peer, &ask) {
            return Err((id, refusal));
        }
        let (connection, name) = (peer.connection, ask.op());
        let op = match ask {
            Ask::Login(login) => {
                self.admit_login(state, peer, id, *login);
                return Ok(());
            }
            Ask::Query(query) => {
                let session = peer.session.ok_or_else(|| (id.clone(), not_logged_in()))?;
                self.gathering.add(Task::Query { connection, session, id, query: Box::new(query) });
                return Ok(());
            }
            Ask::Ping => {
                self.gathering.add(Task::Ping { connection, id });
                return Ok(());
            }
            Ask::Quit => {
                self.gathering.add(Task::Quit { connection, id });
                self.gathering.propose(Intent::Request(peer.source(self.node), None, Op::Quit));
                self.ignore(connection);
                return Ok(());
            }
            Ask::Enrol(enrol) => Op::Enrol(enrol),
            Ask::Join(room) => Op::Join(room, Box::new(self.allowance(state, peer, (0, 1)))),
            Ask::Leave(place) => Op::Leave(place),
            Ask::Say(target, json) => Op::Say(target, json, past),
            Ask::Action(action) => Op::Action(action, past),
            Ask::Mark(mark) => Op::Mark(Box::new(mark)),
        };
        let intent = Intent::Request(peer.source(self.node), id, op);
        self.gathering.propose_for(intent, Task::Reply { connection, op: name });
        Ok(())
    }

    /// Applies the rate limits, and the limits of a store that fails.
    fn passes(&mut self, state: &State, peer: Peer, ask: &Ask) -> Answer {
        let Peer { connection, session, .. } = peer;
        let lines = limits::lines(state, session, ask);
        let is_counted_only = matches!(ask, Ask::Login(_) | Ask::Enrol(_) | Ask::Ping | Ask::Quit);
        match session {
            Some(session) if !is_counted_only => self.pass_rate(state, peer, session, lines)?,
            _ => self.count(state, connection, session, lines),
        }
        match (ask, session) {
            (Ask::Login(_), _) => self.hold.takes_more(),
            (Ask::Query(_) | Ask::Ping | Ask::Quit, _) => Ok(()),
            (ask, session) => {
                if session.is_some() || matches!(ask, Ask::Enrol(_)) {
                    self.hold.takes_ask(state, session, ask)?;
                }
                match (ask, session) {
                    (Ask::Action(_), Some(session)) => self.pass_action(state, connection, session),
                    _ => Ok(()),
                }
            }
        }
    }

    fn admit_login(
        &mut self,
        state: &State,
        peer: Peer,
        id: Option<RequestId>,
        LoginAsk { login, fresh, resumes, proof }: LoginAsk,
    ) {
        let allowance = self.allowance(state, peer, needs_of_login(&login));
        let evidence = Evidence::from(proof);
        let is_let_in = !matches!(evidence, Evidence::Refused | Evidence::Unusable(_));
        let is_resumed = login.session.is_some() && is_let_in && peer.session.is_none();
        let token = login.session.clone().unwrap_or(fresh.token);
        let connection = peer.connection;
        let turn = self.gathering.turn;
        self.connections.get_mut(&connection).into_iter().for_each(|entry| entry.logs_in = turn);
        let op = LoginOp::new(login, (fresh.hash, resumes), evidence, allowance);
        let intent = Intent::Request(peer.source(self.node), id, Op::Login(Box::new(op)));
        self.gathering.propose_for(intent, Task::Login { connection, resumes: is_resumed, token });
    }

    /// Refuses a request, in the order of its connection. If this error certainly closes the connection, its later commands
    /// in this turn are ignored.
    fn refuse(
        &mut self,
        state: &State,
        connection: ConnectionId,
        op: Option<&'static str>,
        refusal: Refusal,
    ) {
        let turn = self.gathering.turn;
        let Some(entry) = self.connections.get_mut(&connection) else { return };
        if entry.closing || entry.ignored_in == turn {
            return;
        }
        let errors = entry.errors_in(turn).saturating_add(1);
        entry.foreseen = (turn, errors);
        let most = state.rules().errors;
        if most > 0 && errors > most {
            entry.ignored_in = turn;
        }
        self.gathering.add(Task::Refuse { connection, op, refusal: Box::new(refusal) });
    }

    /// Ignores the later commands of the connection in this turn.
    fn ignore(&mut self, connection: ConnectionId) {
        let turn = self.gathering.turn;
        self.connections.get_mut(&connection).into_iter().for_each(|entry| entry.ignored_in = turn);
    }

    /// The sessions and rooms that the network of a request may still use. Reserves those that the request needs.
    fn allowance(&mut self, state: &State, peer: Peer, needs: (usize, usize)) -> Allowance {
        let left = self.left(state, peer.address);
        let reserved = self.gathering.reserved(peer.address);
        if left != (usize::MAX, usize::MAX) && needs != (0, 0) && !is_in_vain(left, needs) {
            self.gathering.reserve(peer.address, needs);
        }
        Allowance {
            network: tcp_chat_state::network(peer.address),
            sessions: minus(left.0, reserved.0),
            rooms: minus(left.1, reserved.1),
        }
    }

    /// The number of sessions and rooms that the network may still have.
    fn left(&self, state: &State, address: IpAddr) -> (usize, usize) {
        let rules = state.rules();
        (self.sessions.left(address, rules.sessions), self.rooms.left(address, rules.rooms))
    }
}

/// The largest number of sessions and rooms that a request can use.
fn needs(ask: &Ask) -> (usize, usize) {
    match ask {
        Ask::Login(ask) => needs_of_login(&ask.login),
        Ask::Join(_) => (0, 1),
        _ => (0, 0),
    }
}

fn needs_of_login(login: &Login) -> (usize, usize) {
    match login {
        Login { session: Some(_), .. } => (0, 0),
        Login { rooms, .. } => (1, rooms.as_ref().map_or(0, Vec::len)),
    }
}

/// Is the request refused in any case, because no session is left? Then it needs no reservation.
fn is_in_vain(left: (usize, usize), needs: (usize, usize)) -> bool {
    needs.0 > 0 && left.0 == 0
}

/// Subtracts the reserved ones. `usize::MAX` means no limit, and stays.
fn minus(left: usize, reserved: usize) -> usize {
    if left == usize::MAX { left } else { left.saturating_sub(reserved) }
}

fn not_logged_in() -> Refusal {
    Refusal::new(ErrorKind::NotLoggedIn, "log in first: send a LOGIN with a name")
}
