//! Owns what a session tells its reader. Made by `life`, read by bots and the CLI.

use crate::Error;
use crate::cursor::{Conversation, conversation};
use std::time::Duration;
use tcp_chat_protocol::reply::LoginReply;
use tcp_chat_protocol::{MsgEvent, NoticeEvent, PresenceEvent, RequestId, Seq};

/// A message, as its readers get it. All text in it is a stranger's: neutralise control
/// characters before it goes to a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The wire's own fields: room or addressee, number, time, author, text.
    pub data: MsgEvent<'static>,
    /// What the request that sent it called itself, if this session sent it.
    pub id: Option<RequestId>,
    /// Is the author called as this session is? (With accounts also from another session.)
    pub own: bool,
    /// The conversation that it belongs to.
    pub conversation: Conversation,
}

impl Message {
    pub(crate) fn new(data: MsgEvent<'static>, id: Option<RequestId>, me: &str) -> Self {
        Self { own: data.user == me, conversation: conversation(&data, me), data, id }
    }

    /// A message from the store (a page of history, say), as `me` would have got it live.
    #[must_use]
    pub fn of(data: MsgEvent<'static>, me: &str) -> Self {
        Self::new(data, None, me)
    }

    /// Its number.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.data.seq
    }

    /// The author's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.data.user
    }

    /// The text.
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

/// What a session tells its reader, in the order in which it happened.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A message of one of the session's conversations. Each one once, in the order of `seq`.
    Message(Box<Message>),
    /// Somebody came or went. Best effort.
    Presence(PresenceEvent<'static>),
    /// The daemon says something (`SHUTDOWN` and `OPERATOR`, for example). `GAP`, `TAKEN_OVER` and
    /// `KICKED` come as [`Event::Gap`] and [`Event::Ended`].
    Notice(NoticeEvent<'static>),
    /// A new session has begun: at the start, and after [`Event::SessionLost`].
    Connected(Box<LoginReply>),
    /// The connection is lost; the next attempt is made after the wait. Repeated for each attempt.
    Reconnecting {
        /// How long until the attempt.
        wait: Duration,
        /// 1 for the first one.
        attempt: u32,
        /// What happened.
        why: Error,
    },
    /// The session goes on where it was. What had been missed came before this event.
    Resumed {
        /// How many messages were missed and have come now.
        caught_up: u64,
    },
    /// The daemon no longer had the session (it was away for longer than its TTL). A new one
    /// begins with [`Event::Connected`]; what was said in rooms between the two can be read with
    /// [`Session::history`](crate::Session::history).
    SessionLost {
        /// The last number that the old session saw.
        after: Seq,
        /// The newest number when the new one began.
        head: Seq,
    },
    /// The server's log is another one than before, as after the restore of a backup, or its newest message
    /// is older than what was seen. What was seen after `from` is not in it, and other messages have those
    /// numbers: they come behind this event.
    LogReplaced {
        /// The last number that was seen of the log before.
        after: Seq,
        /// Messages after this number come, where the session goes on.
        from: Seq,
        /// How the log is called now, if the server says so.
        log: Option<String>,
    },
    /// Retention has removed messages between the two numbers before they could be read.
    Gap {
        /// The first number that is gone.
        from: Seq,
        /// The last one.
        to: Seq,
    },
    /// A message came whose `prev` says that one was missed. The message itself comes next. A
    /// daemon that keeps the contract never lets this happen.
    ChainBroken {
        /// In which conversation.
        conversation: Conversation,
        /// The newest number that was seen in it.
        last: Seq,
        /// The number that should have been seen.
        prev: Seq,
        /// The message that says so.
        seq: Seq,
    },
    /// The session is over; nothing comes after this.
    Ended(Error),
}
