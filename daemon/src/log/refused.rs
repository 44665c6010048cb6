//! Owns the log line of a refused request, and the rate limit of such lines above `debug`. Called by each module
//! that refuses a request. Never logs the sentence for the client: it may contain a text of a user.
//!
//! A fault of the peer is logged at `debug`. A fault of the daemon or the disk is a warning. While it lasts, each
//! request would repeat it, so only some lines per second are logged, and the others are counted.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tcp_chat_protocol::{ErrorKind, RequestId};
use tracing::field::Value;
use tracing::{debug, warn};

/// Lines per second for faults that peers can repeat although they do not cause them.
const LINES: u32 = 10;

/// One for the process, as the log is.
static BOUND: Mutex<Bound> = Mutex::new(Bound { began: None, told: 0, left_out: 0 });

/// A refused request.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The id of the connection.
    pub conn: u64,
    /// The peer address, if known.
    pub peer: Option<IpAddr>,
    /// The user, if logged in.
    pub user: Option<&'a str>,
    /// The op, if the line was understood.
    pub op: Option<&'a str>,
    /// The id of the request.
    pub id: Option<&'a RequestId>,
    /// The kind of the error reply.
    pub kind: ErrorKind,
}

impl Refused<'_> {
    /// Writes the line to the log.
    pub fn tell(&self) {
        let (conn, user, op, kind) = (self.conn, self.user, self.op, self.kind.as_str());
        if self.kind != ErrorKind::Internal {
            debug!(
                target: "tcp_chatd::refused",
                event = "refused",
                conn,
                peer = self.peer.map(tracing::field::display),
                user,
                op,
                id = self.id(),
                kind,
                "request refused"
            );
        } else if has_room() {
            warn!(
                target: "tcp_chatd::refused",
                event = "refused",
                conn,
                peer = self.peer.map(tracing::field::display),
                user,
                op,
                id = self.id(),
                kind,
                "request refused"
            );
        }
    }

    /// The id in the type in which it was sent.
    fn id(&self) -> Option<&dyn Value> {
        self.id.map(|id| match id {
            RequestId::Number(number) => number as &dyn Value,
            RequestId::Text(text) => text as &dyn Value,
        })
    }
}

/// Takes a place for a line about a fault that peers can repeat. False: the line is counted instead.
#[must_use]
pub fn has_room() -> bool {
    bound().take(Instant::now())
}

/// Logs the number of lines that were left out since the last call, if there were any.
pub fn tell_left_out() {
    let count = std::mem::take(&mut bound().left_out);
    if count > 0 {
        warn!(target: "tcp_chatd::refused", event = "refused_more", count, "similar lines were left out");
    }
}

/// Each change is one step, so the counters are right even after a panic of another thread.
fn bound() -> MutexGuard<'static, Bound> {
    BOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Bound {
    /// The start of the current second.
    began: Option<Instant>,
    told: u32,
    left_out: u64,
}

impl Bound {
    fn take(&mut self, now: Instant) -> bool {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= Duration::from_secs(1)) {
            (self.began, self.told) = (Some(now), 0);
        }
        let has_room = self.told < LINES;
        if has_room {
            self.told += 1;
        } else {
            self.left_out += 1;
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second_are_told_and_the_others_counted() {
        let mut bound = Bound { began: None, told: 0, left_out: 0 };
        let begin = Instant::now();
        let told = |bound: &mut Bound, at: Duration| (0..25).filter(|_| bound.take(begin + at)).count();
        assert_eq!(told(&mut bound, Duration::ZERO), 10);
        assert_eq!(told(&mut bound, Duration::from_millis(999)), 0);
        assert_eq!(bound.left_out, 40);
        assert_eq!(told(&mut bound, Duration::from_secs(1)), 10);
        assert_eq!(bound.left_out, 55);
    }
}
