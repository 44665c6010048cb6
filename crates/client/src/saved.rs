//! Owns the part of a session that a later process needs to resume it. Never writes it anywhere: the caller does.

use serde::{Deserialize, Serialize};
use std::fmt;
use tcp_chat_protocol::Seq;

/// A session that can be stored in a file and resumed with [`Builder::resume`](crate::Builder::resume).
///
/// The token is a secret: its holder is this user until the session ends. Keep the file unreadable for others.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The name that the session was opened with.
    pub name: String,
    /// The secret that resumes it.
    pub token: String,
    /// The last seq that [`Events::next`](crate::Events::next) has returned. Lower it to the last one that was
    /// really handled, if that differs.
    pub after: Seq,
    /// The log of that seq; `None`: the server does not give it.
    #[serde(default)]
    pub log: Option<String>,
    /// The last id that was used. Later ids are greater, and not below the time in microseconds, so an older copy
    /// of this value is safe as long as the clock is not set back.
    pub last_id: u64,
    /// The rooms, to join them again if the session has ended.
    pub rooms: Vec<String>,
    /// The servers of the chat, the last one used first, as `host:port`.
    #[serde(default)]
    pub servers: Vec<String>,
}

impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, after, last_id, rooms, servers, .. } = self;
        f.debug_struct("Saved")
            .field("name", name)
            .field("token", &"…")
            .field("after", after)
            .field("last_id", last_id)
            .field("rooms", rooms)
            .field("servers", servers)
            .finish_non_exhaustive()
    }
}
