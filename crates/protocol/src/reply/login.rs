//! Owns the data of the replies to `LOGIN` and `ENROL`.

use crate::Seq;
use crate::event::ReadMark;
use serde::{Deserialize, Serialize};

/// The largest number of read marks in the reply to `LOGIN`.
pub const MARKS: usize = 500;

/// The data of the reply to `LOGIN`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginReply {
    /// The name, as it is shown.
    pub name: String,
    /// Its colour.
    pub color: String,
    /// The secret that resumes the session.
    pub session: String,
    /// The TTL of the session without a connection, in seconds.
    pub ttl_s: u64,
    /// The rooms that the session is in.
    pub rooms: Vec<String>,
    /// The newest `seq` that the daemon has kept, 0 if there is none.
    pub head: Seq,
    /// The id of the log: a restored backup has another one. Older daemons do not send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Up to this seq the log equals the one from which it was copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_from: Option<Seq>,
    /// The read marks of a proven user, those with the greatest `seq` first, at most [`MARKS`]. `None`: the name is
    /// not proven, or the daemon is of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marks: Option<Vec<ReadMark<'static>>>,
    /// The addresses of the living nodes, the answering one first ([`crate::server`]). `None`: the daemon is alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub servers: Option<Vec<String>>,
    /// The server.
    pub server: ServerInfo,
    /// Its limits.
    pub limits: LimitsInfo,
}

impl std::fmt::Debug for LoginReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, rooms, head, .. } = self;
        f.debug_struct("LoginReply")
            .field("name", name)
            .field("rooms", rooms)
            .field("head", head)
            .finish_non_exhaustive()
    }
}

/// The data of the reply to `ENROL`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolReply {
    /// The user, as the name is shown.
    pub name: String,
    /// The certificate in PEM, if one was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// `server` in [`LoginReply`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// The program's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The protocol's version: 1.
    pub protocol: u32,
}

/// `limits` in [`LoginReply`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsInfo {
    /// The longest line, in bytes.
    pub line_bytes: usize,
    /// The longest text, in bytes.
    pub msg_bytes: usize,
}
