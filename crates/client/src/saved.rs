//! Owns what of a session can be written down and taken up again by a later process. Never writes
//! it anywhere: that is the caller's.

use serde::{Deserialize, Serialize};
use std::fmt;
use tcp_chat_protocol::Seq;

/// A session as it can be kept in a file and resumed with [`Builder::resume`](crate::Builder::resume).
///
/// The token in it is a secret: whoever has it is this user until the session ends. Keep the file
/// unreadable for others.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The name that the session was opened with.
    pub name: String,
    /// The secret that resumes it.
    pub token: String,
    /// The newest number that [`Events::next`](crate::Events::next) has handed out. Lower it to the
    /// newest one that was really dealt with, if that is another.
    pub after: Seq,
    /// Of which log that number is; `None`: of a server that does not say.
    #[serde(default)]
    pub log: Option<String>,
    /// The last id that was used. Later ones are greater, and not below the time in microseconds,
    /// so that an older copy of this is safe as long as the clock does not go back.
    pub last_id: u64,
    /// The rooms, to enter them again if the session has ended meanwhile.
    pub rooms: Vec<String>,
}

impl fmt::Debug for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, after, last_id, rooms, .. } = self;
        f.debug_struct("Saved")
            .field("name", name)
            .field("token", &"…")
            .field("after", after)
            .field("last_id", last_id)
            .field("rooms", rooms)
            .finish()
    }
}
