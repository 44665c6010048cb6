//! Owns what is true of rooms, sessions and names, as pure code: the time stands in the
//! turn, and there is no socket, no runtime, no clock and no disk. The hub calls [`State::apply`] with one turn after the
//! other.
//!
//! Never delivers anything, and never knows who hears what: it says what is to be written ([`Writes`]) and what has
//! happened ([`Change`]). The edge of each node makes lines of that, once the turn is kept.

mod apply;
mod ask;
mod change;
mod deduplication;
mod digest;
mod evidence;
mod facts;
mod intent;
mod limit;
mod listings;
mod name_index;
mod network;
mod ops;
mod permissions;
mod presence;
mod queries;
mod quota_owner;
mod reads;
mod rooms;
mod rules;
mod sessions;
mod snapshot;
pub mod steps;
mod sweeps;
#[cfg(any(test, feature = "test-support"))]
mod test_support;
mod turn;
mod users;
mod writes;

pub use apply::{Place, Turn};
pub use ask::{Ask, ConnectionId, IdMap, Past, Proving, Query, Secret};
pub use change::{Audience, Change, Ending, Own, Removal, Seen, SeenIn};
pub use deduplication::WINDOW;
pub use digest::Digest;
pub use evidence::Evidence;
pub use facts::Facts;
pub use intent::{Caller, Done, Intent, LoggedIn, NodeId, Origin, ResumeOutcome, Source};
pub use limit::Limit;
pub use listings::{
    Connected, Cursor, ListedPenalty, ListedRoom, ListedSession, ListedTarget, Listing, Page, Row,
};
pub use network::{is_this_host, network};
pub use ops::enrol::NewCredential;
pub use ops::policy::Counts;
pub use ops::user::{CertificateInfo, Registered, UserCommand, UserCommandError, UserInfo};
pub use permissions::records::{
    Audit, BannedRanges, By, Penalty, PermissionChange, Scope, StoredPermissions,
};
pub use queries::{Answered, WHO_MEMBERS};
pub use quota_owner::{NotAQuotaOwner, QuotaOwner};
pub use reads::{PageOf, Range, Resent, ResentTo, SearchIn};
pub use rooms::configured::RoomTwin;
pub use rules::Rules;
pub use sweeps::queue::{EndedSession, EndedSessionChange, Sweep, WorkChange};
#[cfg(any(test, feature = "test-support"))]
pub use test_support::Parts;
pub use users::certificates::{Certificate, Presented, Revocation};
pub use users::removed::Removed;
pub use users::{Code, CodePurpose, User, UserChange, Users};
pub use writes::{
    Chunk, ConversationId, ConversationKind, LogId, Sent, SessionChange, SessionId, SessionRow, Snapshot,
    StoredConversation, StoredSession, UserId, Writes,
};

use deduplication::Deduplication;
use permissions::Permissions;
use quota_owner::RoomOpeners;
use rooms::Conversations;
use sessions::Sessions;
use sessions::ended::EndedSessions;
use std::sync::Arc;
use sweeps::queue::Sweeps;
use tcp_chat_protocol::{ErrorKind, Refusal, RequestId, Seq};
use users::removed::RemovedUsers;

/// The whole state of the conversation server.
#[derive(Debug)]
pub struct State {
    rules: Rules,
    conversations: Conversations,
    sessions: Sessions,
    /// Who opened rooms. The store keeps it.
    openers: RoomOpeners,
    /// Which room was the default one, for the messages after which number. The store keeps it.
    defaults: Vec<(Seq, ConversationId)>,
    /// Who may do what.
    permissions: Permissions,
    /// Who is registered. Shared with whoever checks passwords, and copied when it changes.
    users: Arc<Users>,
    /// Who was removed: certificates from before do not count.
    removed: RemovedUsers,
    /// The ids of the newest messages. The store has them.
    deduplication: Deduplication,
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
    leaving: EndedSessions,
    /// and how many rooms they leave in the turn in which they end.
    left_at_once: usize,
}

/// What a request came to: done, or refused.
pub(crate) type Answer<T = ()> = Result<T, Refusal>;

fn refusal(kind: ErrorKind, msg: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(kind, msg)
}

impl State {
    /// Takes a request into the turn, which the edge has let in. A query changes nothing: see [`State::query`].
    /// `past`: what its proposer has found of [`State::asks_past`].
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
            Ask::Action(action) => self.act_as_user(caller, &action).map(Done::Acted),
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
