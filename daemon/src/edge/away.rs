//! Owns how long sessions are away, and which of them this node proposes to end. It uses a clock of this process that
//! only goes forward. The state knows that a session is away, but no time: after a restart each session has its full
//! time again. Called by the edge for each change of the state. Never ends a session: the state does, unless the
//! session was resumed meanwhile.

use super::Edge;
use std::collections::BTreeSet;
use tcp_chat_state::{IdMap, NodeId, SessionId, State, shrink};

/// Of several nodes, the one where a session was last proposes its end. The others propose it so much later, in
/// milliseconds, in case that node is gone.
const OTHERS_LATER_MS: u64 = 60_000;

/// The sessions that are away.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// The moment since when each is away, and the moment of its end, in milliseconds.
    of: IdMap<SessionId, (u64, u64)>,
    ends: BTreeSet<(u64, SessionId)>,
}

impl Away {
    /// The session is away from now on, for so many milliseconds. A known session does not change.
    pub(super) fn add(&mut self, session: SessionId, now: u64, ttl_ms: u64) {
        let ends = now.saturating_add(ttl_ms);
        if let std::collections::hash_map::Entry::Vacant(entry) = self.of.entry(session) {
            entry.insert((now, ends));
            self.ends.insert((ends, session));
        }
    }

    /// The session is connected again, or over.
    pub(super) fn remove(&mut self, session: SessionId) {
        if let Some((_, ends)) = self.of.remove(&session) {
            self.ends.remove(&(ends, session));
            shrink(&mut self.of);
        }
    }

    /// For how long the session has been away, in milliseconds.
    pub(super) fn since(&self, session: SessionId, now: u64) -> u64 {
        self.of.get(&session).map_or(0, |(since, _)| now.saturating_sub(*since))
    }
}

impl Edge {
    /// The clock that measures how long sessions are away: it stands still while the order does.
    pub(super) fn away_time(&self) -> u64 {
        self.now.saturating_sub(self.stood_still)
    }

    /// It is that moment, in milliseconds of [`super::Now::mono`], and the order has stood still for so many of them. Called
    /// before a turn of a log is applied.
    pub fn set_time(&mut self, now: u64, stood_still: u64) {
        self.now = now;
        self.stood_still = stood_still;
    }

    /// The session is away from now on. `last`: the node of its connection, if it is known.
    pub(super) fn add_away(&mut self, state: &State, session: SessionId, last: Option<NodeId>) {
        let later = if self.flights.is_log && last != Some(self.node) { OTHERS_LATER_MS } else { 0 };
        self.away.add(session, self.away_time(), state.ttl_of(session).saturating_add(later));
    }

    /// The sessions that have expired at that moment, in milliseconds of [`super::Now::mono`], in the order of their
    /// ends.
    pub fn overdue(&self, now: u64) -> impl Iterator<Item = SessionId> {
        let now = now.saturating_sub(self.stood_still);
        self.away.ends.range(..=(now, SessionId(i64::MAX))).map(|(_, session)| *session)
    }

    /// The moment when the next session expires, in the same milliseconds.
    #[must_use]
    pub fn next_ending(&self) -> Option<u64> {
        self.away.ends.first().map(|(at, _)| at.saturating_add(self.stood_still))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: SessionId = SessionId(1);

    fn overdue(edge: &Edge, now: u64) -> usize {
        edge.overdue(now).count()
    }

    #[test]
    fn the_time_of_a_session_stands_still_while_the_order_does() {
        let mut edge = Edge::of_log(NodeId(1));
        edge.set_time(1_000, 0);
        edge.away.add(ANA, edge.away_time(), 60_000);
        assert_eq!((overdue(&edge, 60_999), overdue(&edge, 61_000)), (0, 1));
        // Ten minutes in which nothing comes back.
        edge.set_time(601_000, 600_000);
        assert_eq!((edge.next_ending(), edge.away.since(ANA, edge.away_time())), (Some(661_000), 0));
        assert_eq!((overdue(&edge, 660_999), overdue(&edge, 661_000)), (0, 1));
    }
}
