//! Owns what can go wrong, as data: a program branches on the variant, a person reads the sentence.
//! Never prints anything.

use crate::explain::CertificateRefusal;
use std::time::Duration;
use tcp_chat_protocol::{ErrorKind, RequestId};

/// Why something was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The server could not be reached, or what answers there speaks no TLS.
    #[error("no connection to {server}: {why}")]
    NoConnection {
        /// `host:port` as it was asked for.
        server: String,
        /// What happened, with what to do about it where that is known.
        why: String,
    },
    /// The server's certificate is not to be trusted. It says why in several lines.
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
        /// What the request was called: the daemon's log has it beside the refusal. `None`: it was not sent, since any
        /// daemon would refuse it.
        id: Option<RequestId>,
        /// For programs.
        kind: ErrorKind,
        /// The daemon's sentence. Untrusted text.
        msg: String,
    },
    /// No answer in time.
    #[error("no answer to {what} within {}", .after.as_secs_f32().to_string() + " s")]
    TimedOut {
        /// What was asked.
        what: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The session is over.
    #[error("{0}")]
    Closed(Closed),
    /// The session ended while the connection was lost, before the daemon had confirmed this
    /// message: it may have been kept or not. Look into the history before sending it again.
    #[error("the session ended before the server confirmed the message: it may or may not have been kept")]
    Unconfirmed,
    /// What the caller asked for makes no sense; nothing was sent.
    #[error("{0}")]
    Invalid(String),
    /// The server says something that is not this protocol.
    #[error("the server does not speak the tcp-chat protocol: {0}")]
    Protocol(String),
}

/// How a session came to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// Because this side asked for it.
    #[error("the session was ended by this side")]
    Quit,
    /// The session was resumed on another connection.
    #[error("the session was taken over by another connection")]
    TakenOver,
    /// The server ended it; with what it says. Untrusted text.
    #[error("the session is over: {0}")]
    Kicked(String),
}

impl Error {
    /// What the server said that cannot be read, in our own words.
    pub(crate) fn misread(what: impl std::fmt::Display, e: &serde_json::Error) -> Self {
        let why = match e.classify() {
            serde_json::error::Category::Data => "a field is missing, or it has a value that cannot be",
            _ => "it is not JSON",
        };
        Self::Protocol(format!("{what}: {why} (at byte {} of it)", e.column()))
    }

    /// Can the same thing succeed a little later, with nothing changed on this side?
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NoConnection { .. } | Self::TimedOut { .. } => true,
            Self::LoginRefused { kind, .. } => matches!(
                kind,
                ErrorKind::ServerFull | ErrorKind::Timeout | ErrorKind::RateLimited | ErrorKind::Internal
            ),
            _ => false,
        }
    }
}
