//! Owns the values of labels: fixed lists, so that no input of a peer becomes a label. Used by `metrics`. Never
//! counts.

/// The reasons why a connection is rejected.
pub const TURNED_AWAY: [&str; 4] = ["banned", "full", "handshakes", "too_fast"];

/// The protocol on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The lines of the protocol directly over TLS.
    Line,
    /// HTTPS, and the same lines over a WebSocket: the page.
    Web,
}

impl Via {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Line, Self::Web];

    /// The word for metrics and log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Web => "web",
        }
    }
}

/// The outcome of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handshake {
    /// Completed.
    Done,
    /// The peer does not speak a TLS that the daemon accepts, or has left.
    Failed,
    /// It exceeded `limits.handshake`.
    TimedOut,
    /// The peer connected and left without a byte, as the health check of a load balancer does.
    Empty,
}

impl Handshake {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timeout",
            Self::Empty => "empty",
        }
    }
}

/// The negotiated version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// 1.3
    V1_3,
    /// 1.2
    V1_2,
    /// Not negotiated.
    None,
}

impl Tls {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::V1_3 => "1.3",
            Self::V1_2 => "1.2",
            Self::None => "none",
        }
    }
}

/// Each word with each of [`Via`].
pub(super) fn by_via(words: &[&'static str]) -> impl Iterator<Item = [&'static str; 2]> {
    words.iter().flat_map(|word| Via::ALL.map(|via| [*word, via.as_str()]))
}

/// All possible pairs of version and outcome, with each of [`Via`].
pub(super) fn handshakes() -> impl Iterator<Item = [&'static str; 3]> {
    [
        (Tls::V1_3, Handshake::Done),
        (Tls::V1_2, Handshake::Done),
        (Tls::None, Handshake::Failed),
        (Tls::None, Handshake::TimedOut),
        (Tls::None, Handshake::Empty),
    ]
    .into_iter()
    .flat_map(|(version, outcome)| Via::ALL.map(|via| [version.as_str(), outcome.as_str(), via.as_str()]))
}

/// Why a login was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The password was missing or wrong.
    Password,
    /// The code of an ENROL was wrong.
    Code,
    /// The certificate was missing, or names no user.
    Certificate,
    /// Too many attempts had failed: this one was not checked.
    TooManyFailures,
    /// The token of an HTTP request was missing or wrong.
    Token,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 5] =
        [Self::Password, Self::Code, Self::Certificate, Self::TooManyFailures, Self::Token];

    /// The text for the log.
    #[must_use]
    pub fn as_text(self) -> &'static str {
        match self {
            Self::TooManyFailures => "too many failures",
            other => other.as_str(),
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Code => "code",
            Self::Certificate => "certificate",
            Self::TooManyFailures => "too_many_failures",
            Self::Token => "token",
        }
    }
}

/// The labels for the end of a connection.
pub(super) const ENDS: [&str; 16] = [
    "quit",
    "taken_over",
    "too_many_errors",
    "login_refused",
    "no_login_in_time",
    "server_full",
    "kicked",
    "shutdown",
    "outcome_unknown",
    "closed_by_the_peer",
    "closed_by_the_peer_without_a_goodbye",
    "connection_lost",
    "stalled",
    "protocol_error",
    "store_failed",
    "other",
];

/// The label for a reason in the log.
pub(super) fn end(reason: &str) -> &'static str {
    let is_it = |word: &&&str| word.bytes().eq(reason.bytes().map(|b| if b == b' ' { b'_' } else { b }));
    ENDS.iter().find(is_it).copied().unwrap_or("other")
}

/// The classes of HTTP status.
pub(super) const STATUSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

pub(super) fn status(code: u16) -> &'static str {
    match code {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// The reasons why messages are removed from the store.
pub(super) const REMOVALS: [&str; 5] = ["age", "number", "bytes", "gone", "elsewhere"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Closing;

    #[test]
    fn every_way_to_close_a_connection_has_its_label() {
        use Closing::{AuthFailed, Errors, Full, Kicked, Late, Quit, Shutdown, TakenOver, Unanswered};
        for closing in [Quit, TakenOver, Errors, AuthFailed, Late, Full, Kicked, Shutdown, Unanswered] {
            assert_ne!(end(closing.as_str()), "other", "{closing:?}");
        }
        assert_eq!(end("closed by the peer without a goodbye"), "closed_by_the_peer_without_a_goodbye");
        assert_eq!(end("whatever"), "other");
    }
}
