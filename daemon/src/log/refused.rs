//! Owns the line of a refused request, and how many of those above `debug` there are at most. Called
//! by whoever refuses. Never has the sentence that the client was told: there may be a text in it.
//!
//! What a peer did wrong is told at `debug`. What we did wrong, or the disk, is a warning; each request
//! makes one more of it while it lasts, so only so many a second are told, and how many were not.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tcp_chat_protocol::{ErrorKind, RequestId};
use tracing::field::Value;
use tracing::{debug, warn};

/// Lines a second, of those that peers can repeat although the fault is not theirs.
const LINES: u32 = 10;

/// One for the process, as the log is.
static BOUND: Mutex<Bound> = Mutex::new(Bound { began: None, told: 0, left_out: 0 });

/// A request that was refused.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// The connection's number.
    pub conn: u64,
    /// Where it comes from, where that is known.
    pub peer: Option<IpAddr>,
    /// Who asked, if logged in.
    pub user: Option<&'a str>,
    /// What was asked, if it was understood.
    pub op: Option<&'a str>,
    /// What the request called itself.
    pub id: Option<&'a RequestId>,
    /// What the client was told.
    pub kind: ErrorKind,
}

impl Refused<'_> {
    /// Says it in the log.
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

    /// As it was sent: a number is one in the log, too.
    fn id(&self) -> Option<&dyn Value> {
        self.id.map(|id| match id {
            RequestId::Number(number) => number as &dyn Value,
            RequestId::Text(text) => text as &dyn Value,
        })
    }
}

/// May one more line be told now, of something that peers can repeat? If not, it is counted.
#[must_use]
pub fn has_room() -> bool {
    bound().take(Instant::now())
}

/// Says how many lines were left out since this was last said, if any were.
pub fn tell_left_out() {
    let count = std::mem::take(&mut bound().left_out);
    if count > 0 {
        warn!(target: "tcp_chatd::refused", event = "refused_more", count, "more lines of the same were left out");
    }
}

/// Whole after a panic elsewhere: they are counts.
fn bound() -> MutexGuard<'static, Bound> {
    BOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Bound {
    /// When the second began in which `told` were told.
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
