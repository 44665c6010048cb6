//! Owns the errors of the crate: a program branches on the variant, and a person reads the sentence. Never prints
//! anything.

use crate::explain::CertificateRefusal;
use std::time::Duration;
use tcp_chat_protocol::{ErrorKind, RequestId};

/// Why an operation failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The server is not reachable, or does not speak TLS.
    #[error("no connection to {server}: {why}")]
    NoConnection {
        /// `host:port` as the caller gave it.
        server: String,
        /// The reason, with the remedy if it is known.
        why: String,
    },
    /// The server's certificate is not trusted. The explanation has several lines.
    #[error("{0}")]
    CertificateRefused(Box<CertificateRefusal>),
    /// The daemon refused the login.
    #[error("the login was refused ({kind}): {msg}")]
    LoginRefused {
        /// For programs.
        kind: ErrorKind,
        /// The daemon's sentence. Untrusted text.
        msg: String,
    },
    /// The daemon refused a request.
    #[error("the request was refused ({kind}): {msg}")]
    Refused {
        /// The id of the request, which the daemon's log has, too. `None`: it was not sent, because every daemon
        /// would refuse it.
        id: Option<RequestId>,
        /// For programs.
        kind: ErrorKind,
        /// The daemon's sentence. Untrusted text.
        msg: String,
    },
    /// No reply in time.
    #[error("no answer to {what} within {}", .after.as_secs_f32().to_string() + " s")]
    TimedOut {
        /// The request.
        what: &'static str,
        /// The timeout.
        after: Duration,
    },
    /// The session is over.
    #[error("{0}")]
    Closed(Closed),
    /// The session ended while the connection was lost, before the daemon confirmed this message: it may or may
    /// not have been kept. Check the history before you send it again.
    #[error("the session ended before the server confirmed the message: it may or may not have been kept")]
    Unconfirmed,
    /// The parameters of the caller are invalid; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// The server breaks the protocol.
    #[error("the server does not speak the tcp-chat protocol: {0}")]
    Protocol(String),
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// This side ended it.
    #[error("the session was ended by this side")]
    Quit,
    /// The session was resumed on another connection.
    #[error("the session was taken over by another connection")]
    TakenOver,
    /// The server ended it, with this reason. Untrusted text.
    #[error("the session is over: {0}")]
    Kicked(String),
}

impl Error {
    /// The error for an unreadable input of the server, without its text.
    pub(crate) fn misread(what: impl std::fmt::Display, e: &serde_json::Error) -> Self {
        let why = match e.classify() {
            serde_json::error::Category::Data => "a field is missing or has an invalid value",
            _ => "it is not JSON",
        };
        Self::Protocol(format!("{what}: {why} (at byte {} of it)", e.column()))
    }

    /// Whether the operation can succeed later without a change on this side.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoConnection { .. } | Self::TimedOut { .. } => true,
            Self::LoginRefused { kind, .. } => matches!(
                kind,
                ErrorKind::ServerFull
                    | ErrorKind::Timeout
                    | ErrorKind::RateLimited
                    | ErrorKind::Unavailable
                    | ErrorKind::Internal
            ),
            _ => false,
        }
    }
}
