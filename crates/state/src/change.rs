//! Owns what the state tells the edges of all nodes, in the order in which it happened: plain data, the same on every node.
//! The state makes the changes; each edge turns those that concern its connections into lines. Never encodes a line, and
//! never knows who hears it.

use super::{BannedRanges, ConversationId, Origin, SessionId, UserId};
use ipnet::IpNet;
use std::net::IpAddr;
use tcp_chat_protocol::reply::MemberState;
use tcp_chat_protocol::{Colour, Name, ReadMark, RequestId, Seq};

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The session is connected there from now on.
    Here {
        /// Which.
        session: SessionId,
        /// Whose.
        user: UserId,
        /// Where.
        at: Origin,
        /// Where it was connected until now: it was taken over from there.
        from: Option<Origin>,
    },
    /// The session is away: it was connected there.
    Away {
        /// Which.
        session: SessionId,
        /// Whose.
        user: UserId,
        /// Where.
        at: Origin,
    },
    /// The session is over. Its rooms are left one after the other: see [`Change::Leaves`].
    Ended {
        /// Which.
        session: SessionId,
        /// Whose.
        user: UserId,
        /// Where it was connected.
        at: Option<Origin>,
        /// Why.
        why: Ending,
    },
    /// What is said in the room from now on is heard there.
    Hears(ConversationId, Origin),
    /// It is no longer heard there.
    Leaves(ConversationId, Origin),
    /// The same for many connections at once.
    AllLeave(ConversationId, Vec<Origin>),
    /// No connection hears the room any longer.
    Silent(ConversationId),
    /// The session that is connected there was taken out of the room.
    Removed {
        /// Where.
        at: Origin,
        /// Which room.
        room: Name,
        /// Why.
        why: Removal,
    },
    /// A user is seen in another way, in some rooms.
    Seen(Seen),
    /// Something was said: a chunk of the turn's writes.
    Said {
        /// Its place in [`super::Writes::chunks`].
        chunk: usize,
        /// The users that hear it.
        audience: Audience,
        /// Its messages, in order.
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
    /// Connections from these ranges are refused from now on.
    BannedRanges(BannedRanges),
    /// A user from that network opened the room.
    Opened(ConversationId, IpAddr),
    /// The conversation is gone.
    Gone(ConversationId),
    /// A range of addresses is banned: the sessions that came from there are to end.
    Banned {
        /// The range.
        range: IpNet,
        /// The moderator or operator, as the sessions are told.
        who: Box<str>,
        /// Why; may be empty.
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
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Its client said goodbye, or it was away for too long.
    Over,
    /// A moderator or an operator has ended it.
    Kicked {
        /// The moderator or operator, as the client is told.
        who: Box<str>,
        /// Why; may be empty.
        reason: Box<str>,
    },
    /// Its user may no longer be here: a sentence for the client.
    Unwelcome(Box<str>),
}

/// Why a session was taken out of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removal {
    /// A moderator or an operator did it.
    Kicked {
        /// The moderator or operator, as the client is told.
        who: Box<str>,
        /// Why; may be empty.
        reason: Box<str>,
    },
    /// It has lost the right to be there.
    LostRight,
}

/// The users that hear a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everyone who hears the room.
    Room(ConversationId),
    /// All connections of two users, who may be one and the same.
    Users(UserId, UserId),
}

/// One message in a chunk, as its author has to hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// Where the author was connected.
    pub at: Origin,
    /// Which message.
    pub seq: Seq,
    /// What the author called it.
    pub id: Option<RequestId>,
}

/// How a user is seen now, and under which name and colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub user: UserId,
    /// The name.
    pub name: Name,
    /// The colour.
    pub color: Colour,
    /// To whom it is no news.
    pub origin: Option<Origin>,
    /// Where. Rooms are among them in which nothing has changed.
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
    /// Is the room so small that presence is told in it?
    pub is_told: bool,
}
