//! Owns what is true of rooms, sessions and names, as pure code: the time stands in the
//! turn, and there is no socket, no runtime, no clock and no disk. The hub calls [`Chat::apply`] with one turn after the
//! other.
//!
//! Never delivers anything, and never knows who hears what: it says what is to be written ([`Writes`]) and what has
//! happened ([`Change`]). The edge of each node makes lines of that, once the turn is kept.

mod access;
mod acts;
mod apply;
mod ask;
mod authors;
mod book;
mod by_user;
mod certificates;
mod change;
mod checks;
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
pub use apply::{Place, Turn};
pub use ask::{Ask, ConnectionId, IdMap, Past, Proving, Query, Secret};
pub use certificates::{Certificate, Presented, Revocation};
pub use change::{Audience, Change, Ending, Own, Removal, Seen, SeenIn};
pub use configured::RoomTwin;
pub use facts::Facts;
pub use intent::{Done, Intent, LoggedIn, NodeId, Origin, ResumeOutcome, Source};
pub use look::{AgainstSeen, Connected, Cursor, Look, Page, PenaltySeen, RoomSeen, Row, SessionSeen};
pub use network::{is_this_host, network};
pub use order::{Audit, Barred, By, Penalty, RightsChange, Scope, StoredRights};
pub use party::{NoParty, Party};
pub use proof::{Evidence, Expected, Proof};
pub use queries::{Answered, WHO_MEMBERS};
pub use reads::{PageOf, Range, Resent, ResentTo, SearchIn};
pub use registry::{CertificateInfo, NotGranted, Registered, UserInfo, UserWish};
pub use removed::Removed;
pub use resends::WINDOW;
pub use rules::Rules;
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
use removed::RemovedUsers;
use resends::Resends;
use rooms::Conversations;
use sessions::Sessions;
use std::sync::Arc;
use tcp_chat_protocol::{ErrorKind, Refusal, RequestId, Seq};
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
    turn: turn::Turn,
    /// What is still to be looked at, a slice in each turn.
    sweeps: Sweeps,
    /// Conversations that this process has not looked at since its start,
    unchecked: std::vec::IntoIter<ConversationId>,
    /// sessions that have ended and are noted in rooms,
    leaving: Leaving,
    /// and how many rooms they leave in the turn in which they end.
    left_at_once: usize,
}

/// What a request came to: done, or refused.
pub(crate) type Answer<T = ()> = Result<T, Refusal>;

fn refusal(kind: ErrorKind, msg: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(kind, msg)
}

impl Chat {
    /// Takes a request into the turn, which the edge has let in. A query changes nothing: see [`Chat::query`].
    /// `past`: what its proposer has found of [`Chat::asks_past`].
    ///
    /// # Errors
    /// It is refused.
    fn ask(&mut self, source: Source, id: Option<&RequestId>, ask: Ask, past: Past) -> Result<Done, Refusal> {
        let ask = match ask {
            Ask::Login { login, fresh, resumes, proof } => {
                self.seal();
                return self.login(source, *login, fresh.hash, resumes, proof);
            }
            Ask::Enrol { name, code, made } => {
                self.seal();
                return self.enrol(source, &name, code, made);
            }
            Ask::Ping | Ask::Query(_) => return Ok(Done::Other),
            Ask::Quit => {
                self.seal();
                if let Some(session) = self.session_of(source) {
                    self.end_session(session, Ending::Over);
                }
                return Ok(Done::Other);
            }
            other => other,
        };
        let session = self
            .session_of(source)
            .ok_or_else(|| refusal(ErrorKind::NotLoggedIn, "log in first: send a LOGIN with a name"))?;
        let caller = Caller { source, session, id };
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

    /// The session of whoever asks, if it is there and still connected where its node says.
    fn session_of(&self, source: Source) -> Option<SessionId> {
        source.session.filter(|session| self.is_at(*session, source.origin))
    }

    /// Is the session connected there?
    fn is_at(&self, session: SessionId, origin: Origin) -> bool {
        self.sessions.get(session).is_some_and(|held| held.row.origin == Some(origin))
    }

    /// Tells the edges of something.
    fn tell(&mut self, change: Change) {
        self.turn.changes.push(change);
    }
}

#[cfg(test)]
mod tests;
