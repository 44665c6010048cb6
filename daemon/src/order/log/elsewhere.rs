//! Owns the decision to leave a server of NATS over which nothing is ordered. A server that has lost the others still answers,
//! so the connection stays, and the node would wait for ever. The order calls it with what else becomes due. Never names a
//! server: the task of the stream knows them.

use super::LogOrder;
use crate::order::Readiness;
use crate::order::stream::ToStream;
use std::time::Duration;

/// The pause between two servers is at least the setting `hold`, and doubles up to this many times while none helps.
const DOUBLINGS: u32 = 3;

/// While servers elect a leader, no word of it comes for up to ten seconds, over any of them.
const ELECTION: Duration = Duration::from_secs(12);

/// The tries so far.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    /// When the present connection began.
    pub(super) connected: Duration,
    /// The connection that was left last.
    left: Option<u64>,
    /// How many were left since something was ordered.
    tries: u32,
}

impl LogOrder {
    /// Asks for another server if nothing has been ordered for the time of `hold`, and no word of the leader came over this
    /// connection. A node that reads what it has missed, or that differs from others, would find nothing else elsewhere.
    pub(super) fn leave_server_if_due(&mut self, link: u64, now: Duration) {
        if self.readiness(now) != Readiness::Unavailable {
            self.elsewhere.tries = 0;
            return;
        }
        let pause = self.patience.hold * (1 << self.elsewhere.tries.min(DOUBLINGS));
        let is_served = !self.pulse.is_without_a_sign(now, self.patience.hold.max(ELECTION));
        if is_served || self.elsewhere.left == Some(link) || now < self.elsewhere.connected + pause {
            return;
        }
        self.elsewhere.left = Some(link);
        self.elsewhere.tries += 1;
        self.out.push_back(ToStream::Elsewhere(link));
    }
}
