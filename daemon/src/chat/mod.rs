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
mod intent;
mod leaving;
mod look;
mod names;
mod network;
mod order;
mod out;
mod parts;
mod party;
mod penalties;
mod presence;
mod proof;
mod queries;
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
pub(crate) mod steps;
mod sweeps;
mod talk;
mod turn;
mod users;
mod whole;
mod work;
mod writes;

pub use crate::auth::Digest;
pub use access::Made;
pub use certificates::{Certificate, Presented, Revocation};
pub use command::{
    Ask, Closing, Command, ConnectionId, Effect, IdMap, Now, Own, Past, Proving, Query, Read, Recipients,
    Secret,
};
pub use configured::RoomTwin;
pub use facts::Facts;
pub use intent::{Change, Done, Intent, LoggedIn, Origin, ResumeOutcome};
pub use look::{AgainstSeen, Cursor, Look, Page, PenaltySeen, RoomSeen, Row, SessionSeen};
pub use network::{is_this_host, network};
pub use order::{Audit, Barred, By, Penalty, RightsChange, Scope, StoredRights};
pub use party::{NoParty, Party};
pub use proof::{Evidence, Expected, Proof};
pub use queries::{Answered, WHO_MEMBERS};
pub use reads::{PageOf, Range, Resent, ResentTo, SearchIn};
pub use refused::Refused;
pub use registry::{CertificateInfo, NotGranted, Registered, UserInfo, UserWish};
pub use removed::Removed;
pub use resends::WINDOW;
pub use rules::Rules;
pub use turn::Outcome;
pub use users::{Code, Gives, User, UserChange, Users};
pub use whole::Counts;
pub use work::{LeavingChange, LeavingSession, Sweep, WorkChange};
pub use writes::{
    Chunk, ConversationId, ConversationKind, Found, LogId, Sent, SessionChange, SessionId, SessionRow,
    StoredConversation, StoredSession, UserId, Writes,
};

use book::Book;
pub(crate) use intent::Caller;
use leaving::Leaving;
use party::Opened;
use presence::Untold;
use removed::RemovedUsers;
use resends::Resends;
use rooms::Conversations;
use sessions::Sessions;
use std::sync::Arc;
use tcp_chat_protocol::{ErrorKind, Name, Refusal, RequestId, Seq};
use turn::{Slice, Turn};
use work::Sweeps;

/// The whole state of the conversation server.
#[derive(Debug)]
pub struct Chat {
    rules: Rules,
    conversations: Conversations,
    sessions: Sessions,
    /// Who opened rooms. The store keeps it.
    opened: Opened,
    /// Which room was the default one, for the messages after which number. The store keeps it.
    defaults: Vec<(Seq, ConversationId)>,
    /// Who may do what.
    book: Book,
    /// Who is registered. Shared with whoever checks passwords, and copied when it changes.
    users: Arc<Users>,
    /// Who was removed: certificates from before do not count.
    removed: RemovedUsers,
    /// The ids of the newest messages. The store has them.
    resends: Resends,
    /// The newest number on the server.
    head: Seq,
    /// Which log the numbers are of.
    log: LogId,
    /// Retention has removed every message below this number.
    oldest: Seq,
    turn: Turn,
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

/// What a request came to: done, or refused.
pub(crate) type Answer<T = ()> = Result<T, Refusal>;

fn refusal(kind: ErrorKind, msg: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(kind, msg)
}

impl Chat {
    /// Takes an intent into the turn.
    ///
    /// # Errors
    /// The request is refused.
    pub fn apply(&mut self, intent: Intent) -> Result<Done, Refusal> {
        match intent {
            Intent::Ask(origin, id, ask, past) => return self.ask(origin, id.as_ref(), ask, past),
            Intent::Away(connection) => self.away(connection),
            Intent::EndBarred { sessions, who, reason } => self.end_barred(sessions, who, reason),
            Intent::Seal => self.seal(),
        }
        Ok(Done::Other)
    }

    /// Takes a request into the turn, which the edge has let in. A query changes nothing: see [`Chat::query`].
    /// `past`: what its proposer has found of [`Chat::asks_past`].
    ///
    /// # Errors
    /// It is refused.
    pub fn ask(
        &mut self,
        origin: Origin,
        id: Option<&RequestId>,
        ask: Ask,
        past: Past,
    ) -> Result<Done, Refusal> {
        let ask = match ask {
            Ask::Login { login, fresh, resumes, proof } => {
                self.seal();
                return self.login(origin, *login, fresh.hash, resumes, proof);
            }
            Ask::Enrol { enrol, code, made } => {
                self.seal();
                return self.enrol(origin.connection, &enrol.name, code, made);
            }
            Ask::Ping | Ask::Query(_) => return Ok(Done::Other),
            Ask::Quit => {
                self.seal();
                if let Some(session) = self.session_at(origin.connection) {
                    self.end_session(session);
                }
                return Ok(Done::Other);
            }
            other => other,
        };
        let session = self
            .session_at(origin.connection)
            .ok_or_else(|| refusal(ErrorKind::NotLoggedIn, "log in first: send a LOGIN with a name"))?;
        let caller = Caller { origin, session, id };
        if let Ask::Say(target, json) = ask {
            return self.say(caller, &target, json, past);
        }
        self.seal();
        match ask {
            Ask::Join(name) => self.join(caller, &name).map(Done::Joined),
            Ask::Leave(place) => self.leave(caller, &place).map(Done::Left),
            Ask::Action(action) => self.act_for(caller, &action).map(Done::Acted),
            _ => Ok(Done::Other),
        }
    }

    /// The session that is on this connection.
    #[must_use]
    pub fn session_at(&self, connection: ConnectionId) -> Option<SessionId> {
        self.sessions.at(connection)
    }

    /// Adds an effect of the edge to the turn, behind those that are there.
    pub fn push(&mut self, effect: Effect) {
        self.turn.effects.push(effect);
    }

    /// Is there something for [`Chat::take_changes`]?
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.turn.changes.is_empty()
    }

    /// What the edge has to know of what happened since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.turn.changes)
    }

    fn line(&mut self, connection: ConnectionId, line: Vec<u8>) {
        self.turn.effects.push(Effect::Line(connection, line));
    }

    fn close(&mut self, connection: ConnectionId, why: Closing) {
        self.turn.changes.push(Change::Closed(connection));
        self.turn.effects.push(Effect::Close(connection, why));
    }
}

#[cfg(test)]
mod tests;
