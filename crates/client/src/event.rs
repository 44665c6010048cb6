//! Owns the events of a session. Created by `task`; read by bots and the CLI. Never decides what happens next.

use crate::Error;
use crate::cursor::{Conversation, conversation};
use std::time::Duration;
use tcp_chat_protocol::reply::LoginReply;
use tcp_chat_protocol::{
    MsgEvent, NoticeEvent, PresenceEvent, ReadMark, RedactedEvent, RequestId, RoomEvent, Seq,
};

/// A message. Its text is untrusted: neutralise control characters before it is shown on a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The fields of the wire: room or recipient, seq, time, author, text.
    pub data: MsgEvent<'static>,
    /// The id of the request that sent it, if this session sent it.
    pub id: Option<RequestId>,
    /// Whether the author has the name of this session's user. (With accounts, it may be another session.)
    pub own: bool,
    /// The conversation that it belongs to.
    pub conversation: Conversation,
}

impl Message {
    pub(crate) fn new(data: MsgEvent<'static>, id: Option<RequestId>, me: &str) -> Self {
        Self { own: data.user == me, conversation: conversation(&data, me), data, id }
    }

    /// A message from the store (such as a page of history), in the form of a live one for `me`.
    #[must_use]
    pub fn of(data: MsgEvent<'static>, me: &str) -> Self {
        Self::new(data, None, me)
    }

    /// Its seq.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.data.seq
    }

    /// The author's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.data.user
    }

    /// The text; empty if it was redacted ([`MsgEvent::redacted`]).
    #[must_use]
    pub fn text(&self) -> &str {
        &self.data.msg
    }

    /// The room; `None` for a direct message.
    #[must_use]
    pub fn room(&self) -> Option<&str> {
        self.data.room.as_deref()
    }
}

/// The text of a message was removed: a program that shows or keeps the message removes it, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redaction {
    /// The fields of the wire.
    pub data: RedactedEvent<'static>,
    /// The conversation of the message.
    pub conversation: Conversation,
}

impl Redaction {
    pub(crate) fn new(data: RedactedEvent<'static>, me: &str) -> Self {
        let conversation = match (&data.room, &data.to, &data.user) {
            (Some(room), ..) => Conversation::Room(room.clone().into_owned()),
            (None, Some(to), Some(user)) if user == me => Conversation::With(to.clone().into_owned()),
            (None, _, user) => Conversation::With(user.clone().unwrap_or_default().into_owned()),
        };
        Self { data, conversation }
    }
}

/// How far another session of the user has read a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The conversation.
    pub of: Conversation,
    /// The user has read up to this seq.
    pub seq: Seq,
}

impl Mark {
    /// A read mark of the wire, such as one of [`LoginReply::marks`]. `None`: it names no conversation.
    #[must_use]
    pub fn of(mark: &ReadMark<'_>) -> Option<Self> {
        let of = match (&mark.room, &mark.with) {
            (Some(room), _) => Conversation::Room(room.clone().into_owned()),
            (None, Some(user)) => Conversation::With(user.clone().into_owned()),
            (None, None) => return None,
        };
        Some(Self { of, seq: mark.seq })
    }
}

/// The events of a session, in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A message of one of the session's conversations. Each comes once, in the order of `seq`.
    Message(Box<Message>),
    /// A user came or left. Best effort.
    Presence(PresenceEvent<'static>),
    /// The text of a message was removed. A session that was away does not get the events of that time: a page of
    /// [`Session::history`](crate::Session::history) shows which messages are redacted.
    Redacted(Box<Redaction>),
    /// The topic of a room changed.
    Topic(Box<RoomEvent<'static>>),
    /// Another session of the user has read further.
    Read(Mark),
    /// A notice of the daemon (such as `SHUTDOWN` and `OPERATOR`). `GAP`, `TAKEN_OVER` and `KICKED` come as
    /// [`Event::Gap`] and [`Event::Ended`].
    Notice(NoticeEvent<'static>),
    /// A new session has begun: at the start, and after [`Event::SessionLost`].
    Connected(Box<LoginReply>),
    /// The connection is lost; the next attempt follows after the wait. One event per attempt.
    Reconnecting {
        /// The wait before the attempt.
        wait: Duration,
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The reason of the loss.
        why: Error,
    },
    /// The session goes on at another server of the same chat.
    Moved {
        /// Its address, as `host:port`.
        server: String,
    },
    /// The session is resumed. All missed messages came before this event.
    Resumed {
        /// The number of missed messages.
        caught_up: u64,
    },
    /// The daemon no longer had the session (it was away longer than its TTL). A new one begins with
    /// [`Event::Connected`]; [`Session::history`](crate::Session::history) has the messages between the two.
    SessionLost {
        /// The last seq that the old session saw.
        after: Seq,
        /// The newest seq when the new one began.
        head: Seq,
    },
    /// The server's log is another one than before (such as after the restore of a backup), or its newest message
    /// is older than the cursor. The messages that were seen after `from` are not in it, and other messages have
    /// their seqs: those come after this event.
    LogReplaced {
        /// The last seq that was seen in the old log.
        after: Seq,
        /// Messages after this seq follow, if the session is resumed.
        from: Seq,
        /// The id of the new log, if the server gives it.
        log: Option<String>,
    },
    /// Retention removed messages between the two seqs before they could be read.
    Gap {
        /// The first missing seq.
        from: Seq,
        /// The last one.
        to: Seq,
    },
    /// The `prev` of a message shows that another one was missed. The message itself follows. A correct daemon
    /// never causes this.
    ChainBroken {
        /// The conversation.
        conversation: Conversation,
        /// The last seq that was seen in it.
        last: Seq,
        /// The seq that was missed.
        prev: Seq,
        /// The seq of the message with that `prev`.
        seq: Seq,
    },
    /// The session is over; nothing comes after this.
    Ended(Error),
}
