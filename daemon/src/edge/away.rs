//! Owns for how long sessions are away, and which of them this node proposes to end: by a clock of this process that only
//! goes forward. The state knows that a session is away, and no time: a restart gives each its whole time again. Called by
//! the edge for each change of the state. Never ends a session: the state does, unless it was resumed in between.

use super::Edge;
use std::collections::BTreeSet;
use tcp_chat_state::{IdMap, SessionId};

/// The sessions that are away.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// Since when each is away, and until when, in milliseconds.
    of: IdMap<SessionId, (u64, u64)>,
    ends: BTreeSet<(u64, SessionId)>,
}

impl Away {
    /// The session is away from now on, for so many milliseconds. If it is known already, nothing changes.
    pub(super) fn add(&mut self, session: SessionId, now: u64, ttl_ms: u64) {
        let ends = now.saturating_add(ttl_ms);
        if let std::collections::hash_map::Entry::Vacant(entry) = self.of.entry(session) {
            entry.insert((now, ends));
            self.ends.insert((ends, session));
        }
    }

    /// The session is here again, or over.
    pub(super) fn remove(&mut self, session: SessionId) {
        if let Some((_, ends)) = self.of.remove(&session) {
            self.ends.remove(&(ends, session));
        }
    }

    /// For how long the session has been away, in milliseconds.
    pub(super) fn since(&self, session: SessionId, now: u64) -> u64 {
        self.of.get(&session).map_or(0, |(since, _)| now.saturating_sub(*since))
    }
}

impl Edge {
    /// The sessions whose time is over at that moment, in milliseconds of [`super::Now::mono`]: the first one to end
    /// first.
    pub fn overdue(&self, now: u64) -> impl Iterator<Item = SessionId> {
        self.away.ends.range(..=(now, SessionId(i64::MAX))).map(|(_, session)| *session)
    }

    /// When the time of the next session is over, in the same milliseconds.
    #[must_use]
    pub fn next_ending(&self) -> Option<u64> {
        self.away.ends.first().map(|(at, _)| *at)
    }
}
