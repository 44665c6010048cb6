//! Owns how long sessions are away, and which of them this node proposes to end. It uses a clock of this process that
//! only goes forward. The state knows that a session is away, but no time: after a restart each session has its full
//! time again. Called by the edge for each change of the state. Never ends a session: the state does, unless the
//! session was resumed meanwhile.

use super::Edge;
use std::collections::BTreeSet;
use tcp_chat_state::{IdMap, NodeId, SessionId, State, shrink};

/// Of several nodes, one proposes the end of a session: that of its last connection, or the driver if that node is gone or not
/// known. The others propose it so much later, in milliseconds, in case that node is gone and no node has read that yet.
const OTHERS_LATER_MS: u64 = 60_000;

/// A session that is away.
#[derive(Debug, Clone, Copy)]
struct Absent {
    /// The moment since when it is, and the moment of its end, in milliseconds.
    since: u64,
    ends: u64,
    /// The moment when this node proposes its end.
    due: u64,
    /// The node of its last connection, if it is known.
    last: Option<NodeId>,
}

/// The sessions that are away.
#[derive(Debug, Default)]
pub(super) struct Away {
    of: IdMap<SessionId, Absent>,
    due: BTreeSet<(u64, SessionId)>,
    /// The nodes of the log that live. Empty without a log.
    living: Vec<NodeId>,
}

impl Away {
    /// The session is away from now on, for so many milliseconds. `later`: this node proposes its end so much later. A known
    /// session does not change.
    fn add(&mut self, session: SessionId, last: Option<NodeId>, now: u64, ttl_ms: u64, later: u64) {
        let ends = now.saturating_add(ttl_ms);
        let due = ends.saturating_add(later);
        if let std::collections::hash_map::Entry::Vacant(entry) = self.of.entry(session) {
            entry.insert(Absent { since: now, ends, due, last });
            self.due.insert((due, session));
        }
    }

    /// The session is connected again, or over.
    pub(super) fn remove(&mut self, session: SessionId) {
        if let Some(Absent { due, .. }) = self.of.remove(&session) {
            self.due.remove(&(due, session));
            shrink(&mut self.of);
        }
    }

    /// For how long the session has been away, in milliseconds.
    pub(super) fn since(&self, session: SessionId, now: u64) -> u64 {
        self.of.get(&session).map_or(0, |absent| now.saturating_sub(absent.since))
    }

    /// How much later than its end the node `me` of a log proposes the end of a session.
    fn later(&self, me: NodeId, last: Option<NodeId>) -> u64 {
        let is_mine = match last {
            Some(last) if last == me || self.living.contains(&last) => last == me,
            _ => self.living.iter().min_by_key(|node| node.0) == Some(&me),
        };
        if is_mine { 0 } else { OTHERS_LATER_MS }
    }

    /// These nodes of the log live. `me`: this one.
    fn set_living(&mut self, me: NodeId, living: Vec<NodeId>) {
        self.living = living;
        let mut of = std::mem::take(&mut self.of);
        self.due.clear();
        for (session, absent) in &mut of {
            absent.due = absent.ends.saturating_add(self.later(me, absent.last));
            self.due.insert((absent.due, *session));
        }
        self.of = of;
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

    /// These nodes of the log live. The driver proposes the ends of the sessions whose last node is not one of them.
    pub fn set_living(&mut self, living: Vec<NodeId>) {
        self.away.set_living(self.node, living);
    }

    /// The session is away from now on. `last`: the node of its connection, if it is known.
    pub(super) fn add_away(&mut self, state: &State, session: SessionId, last: Option<NodeId>) {
        let later = if self.flights.is_log { self.away.later(self.node, last) } else { 0 };
        self.away.add(session, last, self.away_time(), state.ttl_of(session), later);
    }

    /// The sessions whose end this node proposes at that moment, in milliseconds of [`super::Now::mono`], in the order of their
    /// ends.
    pub fn overdue(&self, now: u64) -> impl Iterator<Item = SessionId> {
        let now = now.saturating_sub(self.stood_still);
        self.away.due.range(..=(now, SessionId(i64::MAX))).map(|(_, session)| *session)
    }

    /// The moment when this node proposes the next end of a session, in the same milliseconds.
    #[must_use]
    pub fn next_ending(&self) -> Option<u64> {
        self.away.due.first().map(|(at, _)| at.saturating_add(self.stood_still))
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
        edge.away.add(ANA, Some(NodeId(1)), edge.away_time(), 60_000, 0);
        assert_eq!((overdue(&edge, 60_999), overdue(&edge, 61_000)), (0, 1));
        // Ten minutes in which nothing comes back.
        edge.set_time(601_000, 600_000);
        assert_eq!((edge.next_ending(), edge.away.since(ANA, edge.away_time())), (Some(661_000), 0));
        assert_eq!((overdue(&edge, 660_999), overdue(&edge, 661_000)), (0, 1));
    }

    #[test]
    fn one_node_proposes_the_end_of_a_session_at_its_end_and_the_others_later() {
        const TTL: u64 = 120_000;
        let [me, lower, higher] = [NodeId(2), NodeId(1), NodeId(3)];
        let all = || vec![me, lower, higher];
        for (last, living, later) in [
            (Some(me), all(), 0),
            (Some(higher), all(), OTHERS_LATER_MS),
            (Some(higher), vec![me], 0),
            (Some(higher), vec![me, lower], OTHERS_LATER_MS),
            (None, all(), OTHERS_LATER_MS),
            (None, vec![me, higher], 0),
        ] {
            let mut edge = Edge::of_log(me);
            edge.away.set_living(me, all());
            edge.away.add(ANA, last, 0, TTL, edge.away.later(me, last));
            edge.set_living(living.clone());
            assert_eq!(edge.next_ending(), Some(TTL + later), "{last:?} {living:?}");
            edge.away.remove(ANA);
            assert_eq!(edge.next_ending(), None);
        }
    }
}
