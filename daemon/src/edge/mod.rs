//! Owns this node's side of the chat: its connections, what they may ask, and what they hear. The hub gives it what
//! connections read; it lets a request in or refuses it, and hands the state what it let in. Of what the state tells it
//! makes effects, which the hub delivers. The state is an argument: the edge reads it, and changes it only by intents. Rate limits, quotas, errors in a row and peer addresses are the edge's alone, so a
//! restart or another node begins with none of them.

mod changes;
mod command;
mod connections;
mod counters;
mod effects;
mod hold;
mod limits;
mod networks;
mod notices;
mod presence;
mod quotas;
mod recipients;
mod refusals;
mod replies;

pub use command::Command;
pub use counters::Counters;
pub use effects::{Closing, Effect, Outcome, Read, Recipients};
pub use limits::SLOWEST_MS;
pub use refusals::Refused;

use crate::chat::{
    Ask, Caller, Change, Chat, ConnectionId, ConversationId, Done, Evidence, IdMap, Intent, NodeId, Origin,
    Past, ResumeOutcome, SessionId, Source,
};
use connections::Connection;
use hold::Hold;
use networks::Networks;
use presence::Untold;
use quotas::{Quotas, SessionLimits};
use recipients::Listeners;
use std::net::IpAddr;
use tcp_chat_protocol::request::Target;
use tcp_chat_protocol::{ErrorKind, Refusal, RequestId, reply};

/// What a request came to.
type Answer<T = ()> = Result<T, Refusal>;

/// This node's side of the chat.
#[derive(Debug, Default)]
pub struct Edge {
    node: NodeId,
    connections: IdMap<ConnectionId, Connection>,
    /// The limits of each session that has asked something of this process.
    limits: IdMap<SessionId, SessionLimits>,
    /// What is left to each user and each network.
    quotas: Quotas,
    /// Which network began which sessions, and opened which rooms.
    sessions: Networks<SessionId>,
    rooms: Networks<ConversationId>,
    counters: Counters,
    /// Who hears what,
    listeners: Listeners,
    /// and what they are told of who is here, later.
    untold: Untold,
    /// What the turn came to so far.
    effects: Vec<Effect>,
    /// An empty list for what the state tells next.
    changes: Vec<Change>,
    /// What the store could not keep yet.
    hold: Hold,
    /// What was proposed, if somebody records it.
    proposed: Option<Vec<Intent>>,
}

impl Edge {
    /// One that records what it proposes, for [`Edge::take_proposed`].
    #[must_use]
    pub fn recording() -> Self {
        Self { proposed: Some(Vec::new()), ..Self::default() }
    }

    /// What was proposed since the last call, in order: the same intents make the same state.
    pub fn take_proposed(&mut self) -> Vec<Intent> {
        self.proposed.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The process begins. The connections of the process before it are gone, so the sessions on them are away from now on.
    pub fn node_up(&mut self, chat: &mut Chat) {
        let node = self.node;
        self.record(|| Intent::NodeUp(node));
        chat.node_up(node);
    }

    /// The connection, as the state knows it.
    fn at(&self, connection: ConnectionId) -> Origin {
        Origin { node: self.node, connection }
    }

    /// Takes one thing that happened on a connection into the turn.
    pub fn apply(&mut self, chat: &mut Chat, connection: ConnectionId, command: Command, past: Past) {
        self.sync(chat);
        match command {
            Command::Open(address) => {
                self.connections.insert(connection, Connection::new(address, chat.mono()));
                // It was let in before the ban, and was not known yet when those from there were cut.
                if chat.is_barred(address) {
                    self.close(chat, connection, Closing::Kicked);
                }
            }
            Command::Lost => {
                let session = self.connections.remove(&connection).and_then(|state| state.session);
                if let Some(session) = session {
                    let origin = self.at(connection);
                    self.record(|| Intent::Away(origin, session));
                    chat.away(origin, session);
                }
            }
            Command::Read(bytes) => self.weigh(chat, connection, bytes),
            Command::Refused(refusal) => {
                let session = self.session_at(connection);
                self.count(chat, connection, session, 1);
                self.answer(chat, connection, None, Err(refusal));
            }
            Command::Ask(id, ask) => {
                let Some(state) = self.connections.get(&connection) else { return };
                if state.closing {
                    return;
                }
                let peer =
                    Peer { connection, session: state.session, address: state.address, owes: state.owes };
                let had_errors = state.errors > 0;
                let op = ask.op();
                let answer = match ask {
                    Ask::Say(target, json) => self.say(chat, peer, id.as_ref(), &target, json, past),
                    ask => self.ask(chat, peer, id.as_ref(), ask, past),
                };
                if answer.is_err() || had_errors {
                    self.answer(chat, connection, Some(op), answer.map_err(|refusal| refusal.with_id(id)));
                }
            }
        }
    }

    /// Ends the turn: what is to be written, and what is to be done once that is kept.
    pub fn end(&mut self, chat: &mut Chat) -> Outcome {
        self.sync(chat);
        let writes = chat.end();
        // What was said last is numbered now.
        self.sync(chat);
        self.untold.next_turn();
        Outcome { writes, effects: std::mem::take(&mut self.effects) }
    }

    /// Adds an effect behind those of what has happened in the state.
    fn push(&mut self, chat: &mut Chat, effect: Effect) {
        self.sync(chat);
        self.effects.push(effect);
    }

    /// What was counted since the last call; `None`: nothing.
    pub fn take_counters(&mut self) -> Option<Counters> {
        self.counters.take()
    }

    /// A message: what most requests are, so it goes the shortest way.
    fn say(
        &mut self,
        chat: &mut Chat,
        peer: Peer,
        id: Option<&RequestId>,
        target: &Target,
        json: Box<str>,
        past: Past,
    ) -> Answer {
        let Some(session) = peer.session else {
            self.count(chat, peer.connection, None, 1);
            return Err(not_logged_in());
        };
        self.pass_rate(chat, peer, session, 1)?;
        self.takes_message(chat, (peer.connection, session), (id, target), past)?;
        let charge = self.charge(chat, (peer, session), id, (target, &json), past)?;
        let source = peer.source(self.node);
        self.record(|| Intent::Ask(source, id.cloned(), Ask::Say(target.clone(), json.clone()), past));
        let said = chat.say(Caller { source, session, id }, target, json, past);
        match &said {
            Ok(Done::Said) => {
                self.note_direct(chat, session, charge);
                return Ok(());
            }
            _ => self.refund(chat, session, charge),
        }
        self.reply(chat, peer.connection, ("MSG", id), said?);
        Ok(())
    }

    /// What another op needs is checked here, in one place: a login, and a place in the rate.
    fn ask(&mut self, chat: &mut Chat, peer: Peer, id: Option<&RequestId>, ask: Ask, past: Past) -> Answer {
        let connection = peer.connection;
        let session = peer.session;
        let lines = limits::lines(chat, session, &ask);
        let is_counted_only = matches!(ask, Ask::Login { .. } | Ask::Enrol { .. } | Ask::Ping | Ask::Quit);
        match session {
            Some(session) if !is_counted_only => self.pass_rate(chat, peer, session, lines)?,
            _ => self.count(chat, connection, session, lines),
        }
        match (ask, session) {
            (ask @ Ask::Login { .. }, _) => self.login(chat, connection, id, ask, past),
            (Ask::Query(query), Some(session)) => {
                // What was said before it is numbered: the answer is that of its place.
                self.seal(chat);
                let op = query.op();
                self.reply_to_query(chat, connection, (op, id), chat.query(session, query)?);
                Ok(())
            }
            (Ask::Ping, _) => {
                self.seal(chat);
                self.push(chat, Effect::Line(connection, reply::done("PING", id)));
                Ok(())
            }
            (Ask::Query(_), None) => Err(not_logged_in()),
            (Ask::Quit, _) => {
                self.seal(chat);
                self.push(chat, Effect::Line(connection, reply::done("QUIT", id)));
                self.close(chat, connection, Closing::Quit);
                self.propose(chat, connection, id, Ask::Quit, past).map(drop)
            }
            (ask, session) => {
                if session.is_some() || matches!(ask, Ask::Enrol { .. }) {
                    self.hold.takes_ask(chat, session, &ask)?;
                }
                if let (Ask::Action(_), Some(session)) = (&ask, session) {
                    self.pass_action(chat, connection, session)?;
                }
                let op = ask.op();
                let done = self.propose(chat, connection, id, ask, past)?;
                self.reply(chat, connection, (op, id), done);
                Ok(())
            }
        }
    }

    fn login(
        &mut self,
        chat: &mut Chat,
        connection: ConnectionId,
        id: Option<&RequestId>,
        mut ask: Ask,
        past: Past,
    ) -> Answer {
        let Ask::Login { login, fresh, proof, .. } = &mut ask else { return Ok(()) };
        self.hold.takes_more()?;
        let is_let_in = !matches!(proof.evidence(), Evidence::Refused | Evidence::Unusable(_));
        let resumes = login.session.is_some() && is_let_in && self.session_at(connection).is_none();
        // No secret gets into the state.
        login.password = None;
        let token = match &mut login.session {
            Some(token) => std::mem::take(token),
            None => std::mem::take(&mut fresh.token),
        };
        let done = self.propose(chat, connection, id, ask, past).inspect_err(|refusal| {
            if resumes && refusal.kind == ErrorKind::SessionExpired {
                self.counters.resume(ResumeOutcome::Expired, 0);
            } else if resumes {
                self.counters.resume(ResumeOutcome::Refused, 0);
            }
        })?;
        let Done::LoggedIn(mut logged_in) = done else { return Ok(()) };
        // A client goes on after this number: it must not be one that may yet be another message's.
        logged_in.reply.head = logged_in.reply.head.min(self.hold.kept());
        match logged_in.resumed {
            Some((outcome, away_ms)) => self.counters.resume(outcome, away_ms),
            None => {
                self.counters.logged_in();
                let address = self.address(connection);
                address.into_iter().for_each(|address| self.sessions.add(logged_in.session, address));
            }
        }
        self.reply_to_login(chat, connection, id, *logged_in, token);
        Ok(())
    }

    /// Hands a request to the state.
    fn propose(
        &mut self,
        chat: &mut Chat,
        connection: ConnectionId,
        id: Option<&RequestId>,
        ask: Ask,
        past: Past,
    ) -> Answer<Done> {
        let source = self.source(chat, connection, &ask);
        self.record(|| Intent::Ask(source, id.cloned(), ask.clone(), past));
        chat.ask(source, id, ask, past)
    }

    /// Has everything numbered that was said so far, so that all see the order in which things happened.
    fn seal(&mut self, chat: &mut Chat) {
        if chat.has_unsealed() {
            self.record(|| Intent::Seal);
            chat.seal();
        }
    }

    fn record(&mut self, intent: impl FnOnce() -> Intent) {
        if let Some(proposed) = &mut self.proposed {
            proposed.push(intent());
        }
    }

    /// Where a request comes from. What the quotas of the network leave is looked up only for requests that use it.
    fn source(&self, chat: &Chat, connection: ConnectionId, ask: &Ask) -> Source {
        let address = self.address(connection).unwrap_or(IpAddr::from([0; 4]));
        let session = self.session_at(connection);
        let mut source = Peer { connection, session, address, owes: 0 }.source(self.node);
        if matches!(ask, Ask::Login { .. } | Ask::Join(_)) {
            let rules = chat.rules();
            source.network = crate::chat::network(address);
            source.sessions = self.sessions.left(address, rules.sessions);
            source.rooms = self.rooms.left(address, rules.rooms);
        }
        source
    }
}

/// The connection of a request.
#[derive(Debug, Clone, Copy)]
struct Peer {
    connection: ConnectionId,
    session: Option<SessionId>,
    address: IpAddr,
    /// For how long what it asks is refused, in milliseconds.
    owes: u64,
}

impl Peer {
    /// Where a request comes from for which the quotas of the network do not matter.
    fn source(self, node: NodeId) -> Source {
        let Self { connection, session, address, .. } = self;
        let origin = Origin { node, connection };
        Source { origin, session, network: address, sessions: usize::MAX, rooms: usize::MAX }
    }
}

fn not_logged_in() -> Refusal {
    Refusal::new(ErrorKind::NotLoggedIn, "log in first: send a LOGIN with a name")
}
