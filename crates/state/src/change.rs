//! Owns the changes that the state reports to the edges of all nodes, in their order: plain data, the same on every
//! node. The state makes the changes; each edge makes lines of those for its connections. Never encodes a line, and
//! never knows the recipients.

use super::{BannedRanges, ConversationId, Origin, SessionId, UserId};
use ipnet::IpNet;
use std::net::IpAddr;
use tcp_chat_protocol::reply::MemberState;
use tcp_chat_protocol::{Colour, Name, ReadMark, RequestId, Seq};

/// A change of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The session is connected there from now on.
    Here {
        /// The session.
        session: SessionId,
        /// Its user.
        user: UserId,
        /// Its connection.
        at: Origin,
        /// Its previous connection, if the session was taken over from there.
        from: Option<Origin>,
    },
    /// The session is away.
    Away {
        /// The session.
        session: SessionId,
        /// Its user.
        user: UserId,
        /// Its connection until now.
        at: Origin,
    },
    /// The session is over. Its rooms are left one after the other: see [`Change::Leaves`].
    Ended {
        /// The session.
        session: SessionId,
        /// Its user.
        user: UserId,
        /// Its connection until now.
        at: Option<Origin>,
        /// The reason.
        why: Ending,
    },
    /// The connection gets the messages of the room from now on.
    Hears(ConversationId, Origin),
    /// The connection gets the messages of the room no longer.
    Leaves(ConversationId, Origin),
    /// The same for many connections at once.
    AllLeave(ConversationId, Vec<Origin>),
    /// No connection gets the messages of the room any longer.
    Silent(ConversationId),
    /// The session on that connection was removed from the room.
    Removed {
        /// The connection.
        at: Origin,
        /// The room.
        room: Name,
        /// The reason.
        why: Removal,
    },
    /// A user is seen in another way, in some rooms.
    Seen(Seen),
    /// A chunk of messages, with its recipients.
    Said {
        /// The place of the chunk in [`super::Writes::chunks`].
        chunk: usize,
        /// The users that receive it.
        audience: Audience,
        /// The messages of the chunk, in order.
        own: Vec<Own>,
    },
    /// A user has read further. Its other connections are told.
    Marked {
        /// A registered user.
        user: UserId,
        /// Where the user said it.
        from: Origin,
        /// The mark.
        mark: Box<ReadMark<'static>>,
    },
    /// A room has another topic.
    Topic {
        /// The room.
        room: ConversationId,
        /// Its name.
        name: Name,
        /// The topic; empty: it has none any more.
        topic: Box<str>,
        /// The user who set it; `None`: an operator.
        by: Option<Name>,
    },
    /// The text of a stored message is removed.
    Redacted(Box<Redacted>),
    /// Texts of messages up to that number are removed: where such messages wait in memory, they are read from the store
    /// instead.
    Erased(Seq),
    /// An operator tells all users something.
    Notice(Box<str>),
    /// Connections from these ranges are refused from now on.
    BannedRanges(BannedRanges),
    /// A user from that network has opened the room.
    Opened(ConversationId, IpAddr),
    /// The conversation is removed.
    Gone(ConversationId),
    /// A range of addresses is banned: the sessions from there must end.
    Banned {
        /// The range.
        range: IpNet,
        /// The moderator or operator, as the sessions are told.
        who: Box<str>,
        /// The reason; may be empty.
        reason: Box<str>,
    },
}

/// A message whose text is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// Its conversation.
    pub conversation: ConversationId,
    /// The users that hear it.
    pub audience: Audience,
    /// The room; `None`: it is a direct message.
    pub room: Option<Name>,
    /// Of a direct message: the recipient and the author.
    pub direct: Option<(Name, Name)>,
    /// Its number.
    pub seq: Seq,
    /// The user who redacts it; `None`: an operator.
    pub by: Option<Name>,
    /// Why; may be empty.
    pub reason: Box<str>,
    /// Its author is being erased: [`Change::Erased`] has told the outboxes already.
    pub is_erased: bool,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Its client sent QUIT, or it was away for too long.
    Over,
    /// A moderator or an operator has ended it.
    Kicked {
        /// The moderator or operator, as the client is told.
        who: Box<str>,
        /// The reason; may be empty.
        reason: Box<str>,
    },
    /// Its user may no longer be logged in: a sentence for the client.
    Unwelcome(Box<str>),
}

/// Why a session was removed from a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// A moderator or an operator did it.
    Kicked {
        /// The moderator or operator, as the client is told.
        who: Box<str>,
        /// The reason; may be empty.
        reason: Box<str>,
    },
    /// It has lost the right to be there.
    LostRight,
}

/// The users that receive a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// All users in the room.
    Room(ConversationId),
    /// All connections of two users, who may be the same.
    Users(UserId, UserId),
}

/// One message of a chunk, with the data for its author's copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The connection of the author.
    pub at: Origin,
    /// The number of the message.
    pub seq: Seq,
    /// The id that the author gave it.
    pub id: Option<RequestId>,
}

/// How a user is seen now, and under which name and colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The user.
    pub user: UserId,
    /// The name.
    pub name: Name,
    /// The colour.
    pub color: Colour,
    /// The user's own connection, which is not told.
    pub origin: Option<Origin>,
    /// The rooms. Some of them may be unchanged.
    pub rooms: Vec<SeenIn>,
}

/// How a user is seen in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenIn {
    /// The room.
    pub room: ConversationId,
    /// Before; `None`: the user was not there.
    pub was: Option<MemberState>,
    /// Now.
    pub is: Option<MemberState>,
    /// Is the room small enough that presence is announced in it?
    pub is_told: bool,
}
