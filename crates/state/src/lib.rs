//! The state of a chat server: rooms, sessions, users and permissions, as pure code. It knows no socket, runtime,
//! clock, disk or setting: the time is an argument, and so are the results of password checks and searches in the
//! store.
//!
//! The hub of the daemon calls [`State::apply`] with one [`Turn`] after the other. A turn is a value: its node, its
//! time, and the [`Intent`]s that change the state. The call has two results:
//!
//! * [`Writes`]: the changes to the store, all to be written in one transaction;
//! * [`Change`]s: the events of the turn, in order. The edge of each node turns them into lines for its connections,
//!   once the turn is stored.
//!
//! So the state never delivers a line, and never knows the recipients of a message. [`State::restore`] makes a state
//! from a [`Snapshot`], and [`State::snapshot`] is the reverse. [`State::query`] and [`State::list`] read, and change
//! nothing.
//!
//! | folder or file | content |
//! | --- | --- |
//! | `ops/` | one op per file: check, then apply |
//! | `users`, `sessions`, `rooms`, `permissions/` | the nouns, each with its own invariants; only the module of a noun changes it |
//! | `membership.rs` | who is in which room: alone changes sessions and rooms together |
//! | `open_turn.rs` | the turn that is being applied: its messages, writes and changes |
//! | `permissions/authorize.rs` | the one function that decides whether a user has a permission |
//! | `queries.rs`, `listings.rs`, `edge_queries.rs` | read-only requests of clients, operators and the edge |
//! | `deduplication.rs` | the ids of the newest messages, to recognise resends |
//! | `codec.rs` | the encoded form of a turn |
//! | `behaviour.rs` | the rules that this version can follow, and the digest of what a turn writes, to compare nodes |
//! | `sweeps.rs` | slow work, a slice in each turn |
//! | `erasures.rs` | users whose name and texts leave the server, a step in each turn |
//! | `snapshot.rs`, `stored.rs`, `writes.rs`, `names.rs`, `facts.rs` | the stored form of the state, the changes to it, and its digest for tests |
//!
//! Only a check of the daemon makes a proof for a LOGIN; the state reads its [`Evidence`] and decides. The feature
//! `test-support` counts steps and opens parts of the state to the daemon's tests. The feature `next-behaviour` makes a version
//! with a further behaviour for the check of a rolling upgrade. No shipped program enables either.

mod access;
mod apply;
mod behaviour;
mod capacity;
mod change;
mod codec;
mod deduplication;
mod digest;
mod edge_queries;
mod erasures;
mod evidence;
mod facts;
mod intent;
mod limit;
mod listings;
mod marks;
mod membership;
mod name_index;
mod names;
mod network;
mod op;
mod open_turn;
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
mod stored;
mod sweeps;
#[cfg(any(test, feature = "test-support"))]
mod test_support;
mod users;
mod writes;

pub use access::Access;
pub use apply::{Stage, Turn};
pub use behaviour::{BEHAVIOUR, Behaviour};
pub use capacity::shrink;
pub use change::{Audience, Change, Ending, Own, Redacted, Removal, Seen, SeenIn};
pub use codec::{DecodeError, EncodeError, FORMAT, MOST_BYTES, MOST_INTENTS};
pub use deduplication::WINDOW;
pub use digest::Digest;
pub use edge_queries::Counts;
pub use erasures::{ErasedSlice, Erasure, ErasureChange, ErasureStage, ErasureStep, RecentMessage, TOLD};
pub use evidence::Evidence;
pub use facts::Facts;
pub(crate) use intent::Caller;
pub use intent::{Done, Intent, LoggedIn, NodeId, Origin, ResumeOutcome, Source};
pub use limit::Limit;
pub use listings::{
    Connected, Cursor, ListedPenalty, ListedRoom, ListedSession, ListedTarget, Listing, Page, Row,
};
pub use network::{is_this_host, network};
pub use op::{
    Allowance, ConnectionId, EnrolOp, IdMap, LoginOp, Op, Past, Query, Resumes, Sought, StoredMessage,
};
pub use ops::enrol::NewCredential;
pub use ops::user::{UserCommand, UserCommandError};
pub use permissions::records::{
    Audit, BannedRanges, By, Penalty, PermissionChange, PermissionPlace, Scope, StoredPermissions,
};
pub use queries::{Answered, WHO_MEMBERS};
pub use quota_owner::{NotAQuotaOwner, QuotaOwner};
pub use reads::{PageOf, Range, Resent, ResentTo, SearchIn};
pub use rooms::configured::RoomTwin;
pub use rules::{Rules, RulesError};
pub use stored::{LogId, Snapshot, StoredConversation, StoredSession};
pub use sweeps::queue::{EndedSession, EndedSessionChange, Sweep, WorkChange};
#[cfg(any(test, feature = "test-support"))]
pub use test_support::Parts;
pub use users::certificates::{Certificate, Presented, Revocation};
pub use users::listing::{CertificateInfo, Registered, UserInfo};
pub use users::removed::Removed;
pub use users::{Code, CodePurpose, User, UserChange, Users};
pub use writes::{
    Chunk, ConversationId, ConversationKind, MarkChange, Redaction, Sent, SessionChange, SessionId,
    SessionRow, StoredMark, UserId, Writes,
};

use deduplication::Deduplication;
use erasures::Erasures;
use marks::Marks;
use open_turn::OpenTurn;
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
    /// The rules by which turns are applied.
    behaviour: Behaviour,
    rules: Rules,
    /// The policy in the store. `None`: it has none yet.
    stored_rules: Option<Box<Rules>>,
    conversations: Conversations,
    sessions: Sessions,
    /// Which user or network opened each room. Also in the store.
    openers: RoomOpeners,
    /// The default rooms, each with the number after which it was the default. Also in the store.
    defaults: Vec<(Seq, ConversationId)>,
    /// The grants, private rooms, mutes and bans.
    permissions: Permissions,
    /// The registered users. Shared with the password checks, and copied on each change.
    users: Arc<Users>,
    /// The removed users: their earlier certificates do not count.
    removed: RemovedUsers,
    /// How far users have read. The store keeps it.
    marks: Marks,
    /// The ids of the newest messages. Also in the store.
    deduplication: Deduplication,
    /// The newest number on the server.
    head: Seq,
    /// The log that the numbers belong to.
    log: LogId,
    /// Retention has removed every message below this number.
    oldest: Seq,
    turn: OpenTurn,
    /// The unfinished slow work: a slice in each turn.
    sweeps: Sweeps,
    /// The users that are being erased, a step in each turn.
    erasures: Erasures,
    /// Ended sessions that are still members of rooms.
    ended_sessions: EndedSessions,
    /// The number of rooms that ended and evicted sessions leave at once in a turn.
    departures_per_turn: usize,
}

/// The result of a request: done, or refused.
pub(crate) type Answer<T = ()> = Result<T, Refusal>;

fn refusal(kind: ErrorKind, msg: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(kind, msg)
}

impl State {
    /// Applies a request that the edge has admitted.
    ///
    /// # Errors
    /// The reason why the request is refused.
    fn apply_op(&mut self, source: Source, id: Option<&RequestId>, op: Op) -> Result<Done, Refusal> {
        if !matches!(op, Op::Say(..)) {
            self.seal();
        }
        match op {
            Op::Say(target, json, past) => self.say(self.caller(source, id)?, &target, json, past),
            Op::Login(login) => self.login(source, *login),
            Op::Enrol(enrol) => self.enrol(source, *enrol),
            Op::Join(name, allowance) => self.join(self.caller(source, id)?, &name, &allowance),
            Op::Leave(place) => self.leave(self.caller(source, id)?, &place),
            Op::Action(action, past) => self.act_as_user(self.caller(source, id)?, &action, past),
            Op::Mark(mark) => self.mark(self.caller(source, id)?, &mark),
            Op::Quit => Ok(self.quit(source)),
        }
    }

    /// The caller of a request that needs a session.
    fn caller<'a>(&self, source: Source, id: Option<&'a RequestId>) -> Result<Caller<'a>, Refusal> {
        match self.session_of(source) {
            Some(session) => Ok(Caller { origin: source.origin, session, id }),
            None => Err(refusal(ErrorKind::NotLoggedIn, "log in first: send a LOGIN with a name")),
        }
    }

    /// The session of a request, if it still exists and is still on the connection that its node names.
    fn session_of(&self, source: Source) -> Option<SessionId> {
        source.session.filter(|session| self.is_at(*session, source.origin))
    }

    /// Is the session on this connection?
    fn is_at(&self, session: SessionId, origin: Origin) -> bool {
        self.sessions.get(session).is_some_and(|held| held.row.origin == Some(origin))
    }

    /// Reports a change to the edges.
    fn report(&mut self, change: Change) {
        self.turn.report(change);
    }
}
