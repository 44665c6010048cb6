//! Owns the writes of a turn: plain data that the ops make and the store writes, all of it in one transaction. Never
//! knows how it is written.

use super::steps::counted_id;
use super::{
    Audit, EndedSessionChange, ErasedSlice, ErasureChange, Origin, PermissionChange, QuotaOwner, Rules,
    UserChange, WorkChange,
};
use serde::{Serialize, Serializer};
use tcp_chat_protocol::{Colour, Name, RequestId, Seq};

counted_id! {
    /// A room, or two users' direct messages. Given out by the state, never used again.
    ConversationId(i64)
}

counted_id! {
    /// A login; outlives connections. Given out by the state, never used again.
    SessionId(i64)
}

counted_id! {
    /// A registered user; for a name without an owner, its one session. Of the same numbering as sessions, so that the
    /// two never collide.
    UserId(i64)
}

/// The messages of one conversation in one turn: numbered next to each other, encoded once. What
/// is stored is what is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Chunk {
    /// The conversation.
    pub conversation: ConversationId,
    /// The number of the first message.
    pub first: Seq,
    /// The number of the last message.
    pub last: Seq,
    /// The number of the message before the first one in this conversation, 0 if none.
    pub prev: Seq,
    /// The time of the turn, in milliseconds since 1970.
    pub ts: u64,
    /// `MSG` events as [`tcp_chat_protocol::event::MsgLine`] writes them, one line each, in order.
    #[serde(serialize_with = "as_bytes")]
    pub lines: Vec<u8>,
    /// The author of each message. A name does not tell: an unregistered name may be another user's later.
    pub authors: Vec<UserId>,
}

/// The same form as that of a list of numbers, but written at once.
fn as_bytes<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_bytes(bytes)
}

/// A change of the read marks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum MarkChange {
    /// The user has read the conversation up to this number.
    Put {
        /// A registered user.
        user: UserId,
        /// The conversation.
        conversation: ConversationId,
        /// The number.
        seq: Seq,
    },
    /// One mark is gone.
    Remove {
        /// The user.
        user: UserId,
        /// The conversation.
        conversation: ConversationId,
    },
    /// The user is removed.
    RemoveUser(UserId),
}

/// A read mark as the store keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredMark {
    /// A registered user.
    pub user: UserId,
    /// The conversation.
    pub conversation: ConversationId,
    /// The user has read it up to this number.
    pub seq: Seq,
}

/// The text of a message is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redaction {
    /// The number of the message.
    pub seq: Seq,
    /// The user who redacts it; `None`: an operator.
    pub by: Option<Name>,
    /// Why; may be empty.
    pub reason: Box<str>,
}

/// The kind of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum ConversationKind {
    /// A room, with its name as its opener has typed it.
    Room(Name),
    /// Two users' direct messages, the smaller id first.
    Direct(UserId, UserId),
}

/// A `MSG` with an id, so that a resend is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// The session.
    pub session: SessionId,
    /// The id.
    pub id: RequestId,
    /// The conversation.
    pub conversation: ConversationId,
    /// The number of the message.
    pub seq: Seq,
}

/// A session as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    /// The id.
    pub id: SessionId,
    /// SHA-256 of its token. The token itself is never kept.
    pub token_hash: [u8; 32],
    /// The user.
    pub user: UserId,
    /// The name as it was typed.
    pub name: Name,
    /// The name's colour.
    pub color: Colour,
    /// Its connection; `None`: it is away.
    pub origin: Option<Origin>,
}

/// A change of a session that must survive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum SessionChange {
    /// It began, or its row changed.
    Put(SessionRow),
    /// It joined the room and sees the messages after `since`.
    Join {
        /// The session.
        session: SessionId,
        /// The room.
        room: ConversationId,
        /// The newest number at that moment.
        since: Seq,
        /// Greater than that of every membership before: a session has its rooms in this order. No part of the digest: a
        /// node that restarts counts on from the greatest one that still exists. The order is the same on all nodes.
        #[serde(skip)]
        joined: i64,
    },
    /// It left the room.
    Leave {
        /// The session.
        session: SessionId,
        /// The room.
        room: ConversationId,
    },
    /// It lost the right to be in the room, and must still be evicted. A later [`SessionChange::Leave`] or
    /// [`SessionChange::Join`] ends that. The session may have ended in the same turn.
    Lose {
        /// The session.
        session: SessionId,
        /// The room.
        room: ConversationId,
    },
    /// It ended, with its rooms and its sent ids.
    End(SessionId),
}

/// All writes of one turn, in the order in which they are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Writes {
    /// New conversations.
    pub conversations: Vec<(ConversationId, ConversationKind)>,
    /// The openers of rooms: registered users, or networks.
    pub opened: Vec<(ConversationId, QuotaOwner)>,
    /// The default room, for the messages after which number: the whole list, if it has changed.
    pub default_rooms: Option<Vec<(Seq, ConversationId)>>,
    /// Retention has removed every message below this number.
    pub oldest: Option<Seq>,
    /// Conversations that are removed with all their messages: direct messages whose two users have ended, and rooms
    /// without members and messages. Written last.
    pub gone: Vec<ConversationId>,
    /// Messages, in the order of their numbers.
    pub chunks: Vec<Chunk>,
    /// The ids of these messages.
    pub sent: Vec<Sent>,
    /// Topics of rooms; `None`: the room has none any more.
    pub topics: Vec<(ConversationId, Option<Box<str>>)>,
    /// What happened to read marks, in order.
    pub marks: Vec<MarkChange>,
    /// Messages whose text is removed. They are stored, and not among `chunks`.
    pub redactions: Vec<Redaction>,
    /// The erasures that began, have come further, or are complete.
    pub erasures: Vec<ErasureChange>,
    /// What erasures visit. The store applies the beginnings of erasures before, and the ends after it.
    pub erased: Vec<ErasedSlice>,
    /// Changes of sessions, in order.
    pub sessions: Vec<SessionChange>,
    /// Changes of ended sessions that are still in rooms, each once.
    pub ended_sessions: Vec<EndedSessionChange>,
    /// The change of the slow work.
    pub work: WorkChange,
    /// Changes of permissions, in order.
    pub permissions: Vec<PermissionChange>,
    /// Lines of the audit log.
    pub audit: Vec<Audit>,
    /// Changes of registered users, in order.
    pub users: Vec<UserChange>,
    /// The policy, if the store has another one.
    pub policy: Option<Box<Rules>>,
}

impl Writes {
    /// Is there nothing to write?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty()
            && self.opened.is_empty()
            && self.default_rooms.is_none()
            && self.oldest.is_none()
            && self.gone.is_empty()
            && self.chunks.is_empty()
            && self.sent.is_empty()
            && self.topics.is_empty()
            && self.marks.is_empty()
            && self.redactions.is_empty()
            && self.erasures.is_empty()
            && self.erased.is_empty()
            && self.sessions.is_empty()
            && self.ended_sessions.is_empty()
            && self.work.is_empty()
            && self.permissions.is_empty()
            && self.audit.is_empty()
            && self.users.is_empty()
            && self.policy.is_none()
    }

    /// Must these be written before and after those of other turns, never together with them? What an erasure or a redaction
    /// rewrites is what the store has at that moment.
    #[must_use]
    pub fn stand_alone(&self) -> bool {
        !self.erasures.is_empty() || !self.erased.is_empty() || !self.redactions.is_empty()
    }

    /// Adds the writes of a later turn, unless one of the two must [stand alone](Self::stand_alone). Written together, they have the same result as one after the other. `later`
    /// may have messages only if this has no newer ones.
    pub fn append(&mut self, later: Self) {
        let Self {
            conversations,
            opened,
            default_rooms,
            oldest,
            gone,
            chunks,
            sent,
            topics,
            marks,
            redactions,
            erasures,
            erased,
            sessions,
            ended_sessions,
            work,
            permissions,
            audit,
            users,
            policy,
        } = later;
        self.conversations.extend(conversations);
        self.opened.extend(opened);
        self.default_rooms = default_rooms.or(self.default_rooms.take());
        self.oldest = self.oldest.max(oldest);
        self.gone.extend(gone);
        self.chunks.extend(chunks);
        self.sent.extend(sent);
        self.topics.extend(topics);
        self.marks.extend(marks);
        self.redactions.extend(redactions);
        self.erasures.extend(erasures);
        self.erased.extend(erased);
        self.sessions.extend(sessions);
        self.ended_sessions.extend(ended_sessions);
        self.work.append(work);
        self.permissions.extend(permissions);
        self.audit.extend(audit);
        self.users.extend(users);
        self.policy = policy.or(self.policy.take());
    }

    /// The memory that they take, in bytes, about.
    #[must_use]
    pub fn weight(&self) -> usize {
        /// An entry of any list with its texts.
        const ENTRY: usize = 256;
        let texts: usize = self.chunks.iter().map(|chunk| chunk.lines.len()).sum();
        let rooms: usize = self.ended_sessions.iter().map(EndedSessionChange::rooms).sum();
        let entries = self.conversations.len()
            + self.opened.len()
            + self.default_rooms.as_ref().map_or(0, Vec::len)
            + self.gone.len()
            + self.chunks.len()
            + self.sent.len()
            + self.topics.len()
            + self.marks.len()
            + self.redactions.len()
            + self.erasures.len()
            + self.erased.len()
            + self.sessions.len()
            + self.ended_sessions.len()
            + self.work.added.len()
            + self.permissions.len()
            + self.audit.len()
            + self.users.len()
            + usize::from(self.policy.is_some());
        texts + rooms * size_of::<ConversationId>() + entries * ENTRY
    }
}
