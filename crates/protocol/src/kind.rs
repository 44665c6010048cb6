//! Owns the kinds of error on the wire. Used by both sides; a client can branch on them. Never has the sentence
//! for a person: the code that detects the error writes it.

use serde::{Deserialize, Serialize};

/// Why a request was refused: `data.kind` of an `ERROR_MSG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorKind {
    /// The line is not UTF-8, not JSON, or not an object.
    Parse,
    /// A field is missing, of the wrong type or out of bounds.
    Data,
    /// The `op` does not exist.
    UnknownOp,
    /// The line is longer than the limit.
    TooLarge,
    /// The op needs a `LOGIN` first.
    NotLoggedIn,
    /// A second `LOGIN` on one connection.
    AlreadyLoggedIn,
    /// The name is invalid for every user.
    NameInvalid,
    /// The name, or one that looks like it, is in use.
    NameTaken,
    /// The session token is wrong, or the session has ended.
    SessionExpired,
    /// The password or certificate was not accepted.
    AuthFailed,
    /// The room exists, and this session is not in it.
    NotAMember,
    /// No user of that name is here.
    NoSuchUser,
    /// The room does not exist, and the user may not create it.
    NoSuchRoom,
    /// The user may not do that because of a role, a mute or a ban.
    Forbidden,
    /// The rate limit is exceeded: wait `retry_after_ms`.
    RateLimited,
    /// The limit of connections, sessions or rooms is reached.
    ServerFull,
    /// The handshake, the login or the reader took too long.
    Timeout,
    /// Several daemons serve this chat, and nothing can be ordered now. The request was not taken: send it again
    /// after `retry_after_ms`, or to another node.
    Unavailable,
    /// A fault of the daemon or its disk: nothing was kept.
    Internal,
    /// A kind that this version does not know (clients only; the daemon never sends it).
    #[serde(other)]
    Other,
}

impl ErrorKind {
    /// Every kind that the daemon sends, for tables and metrics.
    pub const ALL: [Self; 19] = [
        Self::Parse,
        Self::Data,
        Self::UnknownOp,
        Self::TooLarge,
        Self::NotLoggedIn,
        Self::AlreadyLoggedIn,
        Self::NameInvalid,
        Self::NameTaken,
        Self::SessionExpired,
        Self::AuthFailed,
        Self::NotAMember,
        Self::NoSuchUser,
        Self::NoSuchRoom,
        Self::Forbidden,
        Self::RateLimited,
        Self::ServerFull,
        Self::Timeout,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "PARSE",
            Self::Data => "DATA",
            Self::UnknownOp => "UNKNOWN_OP",
            Self::TooLarge => "TOO_LARGE",
            Self::NotLoggedIn => "NOT_LOGGED_IN",
            Self::AlreadyLoggedIn => "ALREADY_LOGGED_IN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameTaken => "NAME_TAKEN",
            Self::SessionExpired => "SESSION_EXPIRED",
            Self::AuthFailed => "AUTH_FAILED",
            Self::NotAMember => "NOT_A_MEMBER",
            Self::NoSuchUser => "NO_SUCH_USER",
            Self::NoSuchRoom => "NO_SUCH_ROOM",
            Self::Forbidden => "FORBIDDEN",
            Self::RateLimited => "RATE_LIMITED",
            Self::ServerFull => "SERVER_FULL",
            Self::Timeout => "TIMEOUT",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
            Self::Other => "OTHER",
        }
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_what_serde_writes() {
        for kind in ErrorKind::ALL {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{kind}\""));
            assert_eq!(serde_json::from_str::<ErrorKind>(&json).unwrap(), kind);
        }
        let unknown: ErrorKind = serde_json::from_str("\"FROM_THE_FUTURE\"").unwrap();
        assert_eq!(unknown, ErrorKind::Other);
    }
}
