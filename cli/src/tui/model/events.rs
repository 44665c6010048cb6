//! Owns the words between the shell and the model: what happens to the screen, what is to be done
//! about it, and what that led to. Data alone.

use super::command::Notify;
use super::login::Credentials;
use ratatui::crossterm::event::{KeyEvent, MouseEvent};
use std::time::Duration;
use tcp_chat_client::protocol::reply::{JoinReply, LoginReply, MessagesReply, RoomInfo, WhoReply};
use tcp_chat_client::protocol::{Seq, Timestamp};
use tcp_chat_client::{Action, Conversation, Error, Event};

/// The time: since the start, and by the calendar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) up: Duration,
    pub(crate) wall: Timestamp,
}

/// What happens to the screen.
#[derive(Debug)]
pub(crate) enum Input {
    Key(KeyEvent),
    Paste(String),
    Mouse(MouseEvent),
    Resize(u16, u16),
    /// The terminal has, or no longer has, the reader's eye.
    Focus(bool),
    /// The session tells something.
    Net(Event),
    /// The answer to an effect.
    Answer(Answer),
    /// A moment that was waited for ([`Model::wake`]).
    Tick,
}

/// Which part of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Newest,
    Before(Seq),
    After(Seq),
    /// Both sides of a message.
    Around(Seq),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    Connect(Credentials),
    Send {
        local: u64,
        to: Conversation,
        text: String,
    },
    Join(String),
    Leave(String),
    /// With `show`, somebody asked to see it.
    Who {
        room: Option<String>,
        show: bool,
    },
    Rooms,
    Action(Action),
    History {
        of: Conversation,
        part: Part,
    },
    Search {
        query: String,
        before: Option<Seq>,
    },
    /// Makes itself known outside of the screen.
    Ring {
        how: Notify,
        text: String,
    },
    Mouse(bool),
    Repaint,
    Suspend,
    Quit,
}

/// What an effect led to.
#[derive(Debug)]
pub(crate) enum Answer {
    LoggedIn(Box<LoginReply>),
    /// `lines` are for a person; with `password` it is about that.
    NotLoggedIn {
        lines: Vec<String>,
        password: bool,
    },
    Sent {
        local: u64,
    },
    NotSent {
        local: u64,
        why: Error,
    },
    Joined(JoinReply),
    Left(String),
    Who {
        reply: WhoReply,
        show: bool,
    },
    Rooms(Vec<RoomInfo>),
    History {
        of: Conversation,
        part: Part,
        reply: Result<MessagesReply, Error>,
    },
    /// Older and newer part.
    Around {
        of: Conversation,
        seq: Seq,
        reply: Result<(MessagesReply, MessagesReply), Error>,
    },
    Found {
        query: String,
        reply: Result<MessagesReply, Error>,
    },
    /// Something that was asked was not done.
    Failed(String),
    /// Something to know.
    Told(String),
}

/// The connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// Not logged in yet.
    Off,
    /// An attempt is under way.
    Connecting,
    /// Connected; for a while it says how many messages were missed.
    Up { caught_up: Option<(u64, Duration)> },
    /// The next attempt is at that time.
    Waiting { until: Duration, attempt: u32 },
    /// The session is over.
    Over,
}

/// One line above the bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) error: bool,
    /// When it goes; an error that lasts has none.
    pub(crate) until: Option<Duration>,
}
