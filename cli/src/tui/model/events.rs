//! Owns the types between the shell and the model: events of the screen, effects, and answers to effects. Data
//! only; never does anything.

use super::command::Notify;
use super::login::Credentials;
use ratatui::crossterm::event::{KeyEvent, MouseEvent};
use std::time::Duration;
use tcp_chat_client::protocol::reply::{
    JoinReply, LoginReply, MessagesReply, RoomInfo, SearchReply, WhoReply,
};
use tcp_chat_client::protocol::{Seq, Timestamp};
use tcp_chat_client::{Action, Conversation, Error, Event};

/// The time: since the start, and by the calendar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) up: Duration,
    pub(crate) wall: Timestamp,
}

/// An event of the screen.
#[derive(Debug)]
pub(crate) enum Input {
    Key(KeyEvent),
    Paste(String),
    Mouse(MouseEvent),
    Resize(u16, u16),
    /// The terminal got or lost the focus.
    Focus(bool),
    /// An event of the session.
    Net(Event),
    /// The answer to an effect.
    Answer(Answer),
    /// A timer of [`Model::wake`].
    Tick,
}

/// A part of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Newest,
    Before(Seq),
    After(Seq),
    /// Both sides of a message.
    Around(Seq),
}

/// An effect to run.
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
    /// With `show`, the user asked to see it.
    Who {
        room: Option<String>,
        show: bool,
    },
    Rooms,
    Action(Action),
    /// Tells the server how far the user has read.
    Mark {
        of: Conversation,
        seq: Seq,
    },
    History {
        of: Conversation,
        part: Part,
    },
    Search {
        query: String,
        before: Option<Seq>,
    },
    /// Notifies outside of the screen.
    Ring {
        how: Notify,
        text: String,
    },
    Mouse(bool),
    Repaint,
    Suspend,
    Quit,
}

/// The answer to an effect.
#[derive(Debug)]
pub(crate) enum Answer {
    LoggedIn(Box<LoginReply>),
    /// `lines` are for the user; with `password` they are about that.
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
    /// The older and the newer part.
    Around {
        of: Conversation,
        seq: Seq,
        reply: Result<(MessagesReply, MessagesReply), Error>,
    },
    Found {
        query: String,
        reply: Result<SearchReply, Error>,
    },
    /// The server has noted how far the user has read.
    Marked {
        of: Conversation,
        seq: Seq,
    },
    /// A request failed.
    Failed(String),
    /// Information for the user.
    Told(String),
}

/// The state of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    /// Not logged in yet.
    Off,
    /// An attempt is running.
    Connecting,
    /// Connected; for a while it shows the number of missed messages.
    Up { caught_up: Option<(u64, Duration)> },
    /// Connected, but the server can keep nothing new for now.
    Stalled,
    /// The time of the next attempt.
    Waiting { until: Duration, attempt: u32 },
    /// The session is over.
    Over,
}

/// One line above the bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    pub(crate) error: bool,
    /// When it disappears; a lasting error has no end.
    pub(crate) until: Option<Duration>,
}
