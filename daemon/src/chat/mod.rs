//! Owns what is true of rooms, sessions and names, as pure code: `now` is an argument, there is no
//! socket, no runtime, no clock and no disk. The hub calls it, one turn at a time:
//! [`Chat::begin`], then [`Chat::apply`] for each thing that happened, then [`Chat::end`].
//!
//! Never delivers anything: it says what is to be written ([`Writes`]) and, once that is kept, what
//! is to be done ([`Effect`]).

mod access;
mod acts;
mod authors;
mod book;
mod by_user;
mod certificates;
mod checks;
mod command;
mod configured;
mod doors;
mod entry;
mod facts;
mod leaving;
mod look;
mod lookups;
mod names;
mod order;
mod out;
mod parts;
mod party;
mod pass;
mod penalties;
mod presence;
mod proof;
mod quotas;
mod reads;
mod refused;
mod registry;
mod removed;
mod resends;
mod restore;
mod retain;
mod rights;
mod rooms;
mod rules;
mod sessions;
mod shares;
pub(crate) mod steps;
mod sweeps;
mod talk;
mod tally;
mod turn;
mod users;
mod whole;
mod work;
mod writes;

pub use crate::auth::Digest;
pub use access::Made;
pub use certificates::{Certificate, Presented, Revocation};
pub use command::{
    Ask, Closing, Command, ConnectionId, Effect, IdMap, Now, Own, Past, Proving, Read, Recipients, Secret,
};
pub use configured::RoomTwin;
pub use facts::Facts;
pub use look::{AgainstSeen, Cursor, Look, Page, PenaltySeen, RoomSeen, Row, SessionSeen};
pub use order::{Audit, Barred, By, Penalty, RightsChange, Scope, StoredRights};
pub use party::{NoParty, Party};
pub use pass::SLOWEST_MS;
pub use proof::{Evidence, Expected, Proof};
pub use reads::{PageOf, Range, Resent, ResentTo, SearchIn};
pub use refused::Refused;
pub use registry::{CertificateInfo, NotGranted, Registered, UserInfo, UserWish};
pub use removed::Removed;
pub use resends::WINDOW;
pub use rules::Rules;
pub use shares::{is_this_host, network};
pub use tally::{ResumeOutcome, Tally};
pub use turn::Outcome;
pub use users::{Code, Gives, User, UserChange, Users};
pub use whole::Counts;
pub use work::{LeavingChange, LeavingSession, Sweep, WorkChange};
pub use writes::{
    Chunk, ConversationId, ConversationKind, Found, LogId, Sent, SessionChange, SessionId, SessionRow,
    StoredConversation, StoredSession, UserId, Writes,
};

use book::Book;
use leaving::Leaving;
use party::Opened;
use presence::Untold;
use quotas::{Quotas, SessionBuckets};
use removed::RemovedUsers;
use resends::Resends;
use rooms::Conversations;
use sessions::Sessions;
use shares::Shares;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tcp_chat_protocol::{ErrorKind, Name, Refusal, RequestId, Seq, reply};
use turn::{Slice, Turn};
use work::Sweeps;

/// Failed logins on one connection before it is closed.
const AUTH_FAILURES: u32 = 3;

/// A connection, as far as the chat is concerned.
#[derive(Debug)]
struct Connection {
    /// Where it comes from.
    address: IpAddr,
    session: Option<SessionId>,
    errors: u32,
    auth_failures: u32,
    /// What it may ask before it has a session.
    buckets: SessionBuckets,
    /// It has sent too many bytes: for how long what it asks is refused, in milliseconds.
    owes: u64,
    /// It is being closed: what it still asks is not heard.
    closing: bool,
}

/// The whole state of the conversation server.
#[derive(Debug)]
pub struct Chat {
    rules: Rules,
    conversations: Conversations,
    sessions: Sessions,
    /// From where sessions came, and from where rooms were opened.
    session_shares: Shares<SessionId>,
    room_shares: Shares<ConversationId>,
    /// Who opened rooms. The store keeps it.
    opened: Opened,
    /// Which room was the default one, for the messages after which number. The store keeps it.
    defaults: Vec<(Seq, ConversationId)>,
    /// What is left to each user and each network.
    quotas: Quotas,
    /// Who may do what.
    book: Book,
    /// Lines of the audit log that could not be written yet.
    unaudited: Vec<Audit>,
    /// Who is registered. Shared with whoever checks passwords, and copied when it changes.
    users: Arc<Users>,
    /// Who was removed: certificates from before do not count.
    removed: RemovedUsers,
    connections: IdMap<ConnectionId, Connection>,
    /// The ids of the newest messages. The store has them.
    resends: Resends,
    /// The newest number on the server.
    head: Seq,
    /// Which log the numbers are of.
    log: LogId,
    /// Retention has removed every message below this number.
    oldest: Seq,
    /// Can messages be kept? If not, they are refused.
    keeping: bool,
    turn: Turn,
    /// What is counted, until the hub takes it.
    tally: Tally,
    /// What is still to be looked at, a slice in each turn.
    sweeps: Sweeps,
    /// Conversations that this process has not looked at since its start,
    unchecked: std::vec::IntoIter<ConversationId>,
    /// sessions that have ended and are noted in rooms,
    leaving: Leaving,
    /// presence that was not told,
    untold: Untold,
    /// and how much of the last two is done in a turn.
    slice: Slice,
}

/// How a request ended, for the count of errors in a row.
type Answer = Result<(), Refusal>;

fn refusal(kind: ErrorKind, msg: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(kind, msg)
}

impl Chat {
    /// Takes one thing that happened on a connection into the turn. `past`: what its proposer has found of
    /// [`Chat::asks_past`].
    pub fn apply(&mut self, connection: ConnectionId, command: Command, past: Past) {
        match command {
            Command::Open(address) => {
                let fresh = Connection {
                    address,
                    session: None,
                    errors: 0,
                    auth_failures: 0,
                    buckets: SessionBuckets::full(self.turn.now.mono),
                    owes: 0,
                    closing: false,
                };
                self.connections.insert(connection, fresh);
                // It was let in before the ban, and was not known yet when those from there were cut.
                if self.book.bars(address, self.turn.now.wall) {
                    self.close(connection, Closing::Kicked);
                }
            }
            Command::Lost => self.lost(connection),
            Command::Read(bytes) => self.weigh(connection, bytes),
            Command::Refused(refusal) => {
                self.count(connection, 1);
                self.answer(connection, None, Err(refusal));
            }
            Command::Ask(id, ask) => {
                if self.connections.get(&connection).is_none_or(|c| c.closing) {
                    return;
                }
                let op = ask.op();
                let answer = self.ask(connection, id.as_ref(), ask, past);
                self.answer(connection, Some(op), answer.map_err(|refusal| refusal.with_id(id)));
            }
        }
    }

    /// What an op needs is checked here, in one place: a login, and a place in the rate.
    fn ask(&mut self, connection: ConnectionId, id: Option<&RequestId>, ask: Ask, past: Past) -> Answer {
        let state = self.connections.get(&connection);
        let (session, owes) = state.map_or((None, 0), |c| (c.session, c.owes));
        let is_counted_only = matches!(ask, Ask::Login { .. } | Ask::Enrol { .. } | Ask::Ping | Ask::Quit);
        let lines = self.lines(session, &ask);
        if is_counted_only || session.is_none() {
            self.count(connection, lines);
        }
        let ask = match ask {
            Ask::Login { login, fresh, resumes, proof } => {
                self.seal();
                return self.login(connection, id, *login, fresh, resumes, proof);
            }
            Ask::Enrol { enrol, code, made } => {
                self.seal();
                return self.enrol(connection, id, &enrol.name, code, made);
            }
            Ask::Ping => {
                self.seal();
                self.line(connection, reply::done("PING", id));
                return Ok(());
            }
            Ask::Quit => {
                self.seal();
                self.line(connection, reply::done("QUIT", id));
                self.quit(connection, Closing::Quit);
                return Ok(());
            }
            other => other,
        };
        let session = session
            .ok_or_else(|| refusal(ErrorKind::NotLoggedIn, "log in first: send a LOGIN with a name"))?;
        self.pass_rate(connection, session, owes, lines)?;
        if let Ask::Say(target, json) = ask {
            return self.say(connection, session, id, target, json, past);
        }
        self.seal();
        match ask {
            Ask::Join(name) => self.join(connection, session, id, &name),
            Ask::Leave(place) => self.leave(connection, session, id, &place),
            Ask::Who(place) => self.who(connection, session, id, place),
            Ask::Rooms => self.rooms(connection, session, id),
            Ask::History(history) => self.history(connection, session, id, &history),
            Ask::Search(search) => self.search(connection, session, id, *search),
            Ask::Action(action) => self.act_for(connection, session, id, &action),
            Ask::Login { .. } | Ask::Enrol { .. } | Ask::Say(..) | Ask::Ping | Ask::Quit => Ok(()),
        }
    }

    /// Where the connection comes from.
    fn address_of(&self, connection: ConnectionId) -> IpAddr {
        self.connections.get(&connection).map_or(Ipv4Addr::UNSPECIFIED.into(), |c| c.address)
    }

    /// Answers a refusal, and counts errors in a row.
    fn answer(&mut self, connection: ConnectionId, op: Option<&'static str>, answer: Answer) {
        let Some(state) = self.connections.get_mut(&connection) else { return };
        let Err(refusal) = answer else {
            state.errors = 0;
            return;
        };
        if state.closing {
            return;
        }
        state.errors = state.errors.saturating_add(1);
        let closing = match refusal.kind {
            ErrorKind::ServerFull => Some(Closing::Full),
            ErrorKind::AuthFailed => {
                state.auth_failures += 1;
                (state.auth_failures >= AUTH_FAILURES).then_some(Closing::AuthFailed)
            }
            _ => None,
        };
        let too_many = self.rules.errors > 0 && state.errors > self.rules.errors;
        self.seal();
        let refused = self.refuse(connection, op, refusal);
        self.turn.effects.push(refused);
        if let Some(closing) = closing.or(too_many.then_some(Closing::Errors)) {
            self.close(connection, closing);
        }
    }

    fn line(&mut self, connection: ConnectionId, line: Vec<u8>) {
        self.turn.effects.push(Effect::Line(connection, line));
    }

    fn close(&mut self, connection: ConnectionId, why: Closing) {
        if let Some(state) = self.connections.get_mut(&connection) {
            state.closing = true;
            self.turn.effects.push(Effect::Close(connection, why));
        }
    }
}

#[cfg(test)]
mod tests;
