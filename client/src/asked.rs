//! Owns what a program asks a session with, and what it gets: where a message goes, pages and searches, a message on its
//! way. Used by `session`. Never talks to the task.

use crate::Error;
use crate::session::{Shared, lock};
use serde::Serialize;
use std::sync::{Arc, Mutex};
use tcp_chat_protocol::{MsgEvent, Seq};
use tokio::sync::oneshot;

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    /// The first room that the server is configured for.
    Default,
    /// A room that the session is in.
    Room(String),
    /// A user.
    User(String),
}

/// A message that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its number.
    pub seq: Seq,
    /// The daemon's copy of it.
    pub message: MsgEvent<'static>,
}

/// A message on its way; see [`Session::queue`](crate::Session::queue).
#[derive(Debug)]
pub struct Queued {
    pub(crate) kept: oneshot::Receiver<Result<MsgEvent<'static>, Error>>,
    pub(crate) shared: Arc<Mutex<Shared>>,
}

impl Queued {
    /// Waits until it is kept, over reconnects, as long as the session lives.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unconfirmed`], or what ended the session; [`Error::Protocol`] where the
    /// server's copy is not of what was sent.
    pub async fn kept(self) -> Result<Sent, Error> {
        let message = self.kept.await.unwrap_or_else(|_| Err(lock(&self.shared).why_ended()))?;
        Ok(Sent { seq: message.seq, message })
    }
}

/// Which messages a page of history is to have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Only messages with a smaller number.
    pub before: Option<Seq>,
    /// Only messages with a greater number.
    pub after: Option<Seq>,
    /// How many at most, 1 to 500. Default: 50.
    pub limit: Option<usize>,
}

/// What to search for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Query {
    /// Words, `"phrases"`, `prefix*`: 1 to 512 bytes.
    pub query: String,
    /// Only in this room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Only by this user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only messages with a smaller number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// How many at most, 1 to 100. Default: 20.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}
