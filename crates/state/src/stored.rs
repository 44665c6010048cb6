//! Owns [`Snapshot`], the data of the store from which a state is restored: plain data that the store reads. Never knows how
//! it is stored.

use super::{
    Certificate, ConversationId, ConversationKind, EndedSession, Erasure, QuotaOwner, Removed, Rules, Sent,
    SessionId, SessionRow, StoredMark, StoredPermissions, Sweep, User,
};
use tcp_chat_protocol::Seq;

/// A conversation at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConversation {
    /// The id.
    pub id: ConversationId,
    /// The kind.
    pub kind: ConversationKind,
    /// The newest number in it, 0 if none; right even if retention has removed that message.
    pub head: Seq,
    /// The topic of a room, if it has one.
    pub topic: Option<Box<str>>,
}

/// A session at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// Its row.
    pub row: SessionRow,
    /// Its rooms, in the order of its joins, each with the number after which it sees messages.
    pub rooms: Vec<(ConversationId, Seq)>,
}

/// The identity of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogId {
    /// Random; another one after a restore.
    pub id: String,
    /// The newest number when the log got this identity: up to it, the log equals the copied one.
    pub from: Seq,
    /// The previous logs, the oldest first: the next one of each is the same up to that number.
    pub before: Vec<(String, Seq)>,
}

impl LogId {
    /// The number up to which this log equals another one. An unknown log counts as the oldest known one.
    #[must_use]
    pub fn common_with(&self, log: Option<&str>) -> Seq {
        if log == Some(&self.id) {
            return self.from;
        }
        let at = self.before.iter().position(|(id, _)| log == Some(id)).unwrap_or(0);
        self.before[at..].iter().map(|(_, until)| *until).min().unwrap_or(self.from)
    }
}

/// The data of the store at the start: small, whatever the number of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Every conversation.
    pub conversations: Vec<StoredConversation>,
    /// The openers of rooms: registered users, or networks.
    pub opened: Vec<(ConversationId, QuotaOwner)>,
    /// The default room, for the messages after which number; the oldest first.
    pub default_rooms: Vec<(Seq, ConversationId)>,
    /// Every session.
    pub sessions: Vec<StoredSession>,
    /// The sessions that have lost the right to be in a room, and must still be evicted.
    pub lost: Vec<(SessionId, ConversationId)>,
    /// The sessions that have ended and are still in rooms, in the order of their ids.
    pub ended_sessions: Vec<EndedSession>,
    /// The unfinished slow work, in order, with numbers without a gap.
    pub work: Vec<(u64, Sweep)>,
    /// All permissions.
    pub permissions: StoredPermissions,
    /// Every registered user.
    pub users: Vec<User>,
    /// Every client certificate that is known.
    pub certificates: Vec<Certificate>,
    /// The read marks of conversations that are there, by user and conversation.
    pub marks: Vec<StoredMark>,
    /// The users that are being erased, the oldest first.
    pub erasures: Vec<Erasure>,
    /// The names of removed users.
    pub removed: Vec<Removed>,
    /// The ids of the newest [`super::WINDOW`] messages of existing sessions, the oldest first.
    pub sent: Vec<Sent>,
    /// The newest number on the server, 0 if none.
    pub head: Seq,
    /// Retention has removed every message below this number; at most one more than `head`.
    pub oldest: Seq,
    /// The highest conversation id ever given out.
    pub last_conversation: i64,
    /// The highest session id (and so user id) ever given out.
    pub last_session: i64,
    /// The highest number of a membership: see [`super::SessionChange::Join`].
    pub last_join: i64,
    /// The identity of the log.
    pub log: LogId,
    /// The policy of the last turn. `None`: an older version has written the store.
    pub rules: Option<Rules>,
}
