//! Owns the connections of this node: the peer address of each, its session, its errors in a row, and whether its
//! requests are still served. Called by the edge. Never decides which session a connection has: the state tells it.

use super::quotas::SessionBuckets;
use super::{Closing, Edge, Effect};
use ipnet::IpNet;
use std::collections::VecDeque;
use std::net::IpAddr;
use tcp_chat_protocol::banned::is_in;
use tcp_chat_state::{Connected, ConnectionId, ConversationId, Intent, Origin, SessionId};

/// The sessions of a banned range that one turn begins to end.
const EVICTED_AT_ONCE: usize = 4_096;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// The peer address.
    pub(super) address: IpAddr,
    /// The session of this connection.
    pub(super) session: Option<SessionId>,
    /// Errors in a row.
    pub(super) errors: u32,
    pub(super) auth_failures: u16,
    /// The rate limits before it has a session.
    pub(super) buckets: SessionBuckets,
    /// How long its requests are refused because it has sent too many bytes, in milliseconds.
    pub(super) refused_for_ms: u64,
    /// Its requests are ignored, because it is being closed.
    pub(super) is_closing: bool,
    /// The turn in which it logs in: its requests after the LOGIN wait until that has come back.
    pub(super) login_turn: u64,
    /// Until this turn has come back its further requests are ignored, because it will be closed.
    pub(super) ignored_turn: u64,
    /// The number of errors in a row that is certain at this place, until that turn has come back.
    pub(super) certain_errors: (u64, u32),
    /// The turn of its last request, if turns come back from a log.
    pub(super) asked_turn: u64,
}

impl Connection {
    /// A connection without a session.
    pub(super) fn new(address: IpAddr, now: u64) -> Box<Self> {
        let buckets = SessionBuckets::full(now);
        Box::new(Self {
            address,
            session: None,
            errors: 0,
            auth_failures: 0,
            buckets,
            refused_for_ms: 0,
            is_closing: false,
            login_turn: 0,
            ignored_turn: 0,
            certain_errors: (0, 0),
            asked_turn: 0,
        })
    }

    /// The errors in a row at this place of the gathered turn, as far as they are certain. `came_back`: the last turn that has.
    pub(super) fn certain_errors(&self, came_back: u64) -> u32 {
        if self.certain_errors.0 > came_back { self.certain_errors.1 } else { self.errors }
    }

    /// Could it have errors in a row that an accepted request ends?
    pub(super) fn has_errors(&self, came_back: u64) -> bool {
        self.errors > 0 || self.certain_errors.0 > came_back
    }

    /// Are its requests ignored, because it is or will be closed?
    pub(super) fn is_ignored(&self, came_back: u64) -> bool {
        self.is_closing || self.ignored_turn > came_back
    }
}

impl Edge {
    /// How many connections are open, logged in or not.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// The peer address of a connection.
    #[must_use]
    pub fn address(&self, connection: ConnectionId) -> Option<IpAddr> {
        self.connections.get(&connection).map(|entry| entry.address)
    }

    /// The connection, if it belongs to this node.
    pub(super) fn here(&self, at: Origin) -> Option<ConnectionId> {
        (at.node == self.node).then_some(at.connection)
    }

    /// The session of this connection.
    #[must_use]
    pub fn session_at(&self, connection: ConnectionId) -> Option<SessionId> {
        self.connections.get(&connection)?.session
    }

    /// Closes the connection once its waiting items are sent.
    pub(super) fn shut(&mut self, connection: ConnectionId, why: Closing) {
        if let Some(entry) = self.connections.get_mut(&connection).filter(|entry| !entry.is_closing) {
            entry.is_closing = true;
            self.effects.push(Effect::Close(connection, why));
        }
    }

    /// Sends a line. A connection that is being closed gets none.
    pub(super) fn line(&mut self, connection: ConnectionId, line: Vec<u8>) {
        if self.connections.get(&connection).is_some_and(|entry| !entry.is_closing) {
            self.effects.push(Effect::Line(connection, line));
        }
    }

    /// Closes the connections from a banned range that have no session. The next turn proposes that the sessions on
    /// the others end, one after the other.
    pub(super) fn evict_banned_sessions(&mut self, range: &IpNet, who: Box<str>, reason: Box<str>) {
        let there = self.connections.iter().filter(|(_, c)| !c.is_closing && is_in(range, c.address));
        let mut there: Vec<_> = there.map(|(id, c)| (*id, c.session)).collect();
        there.sort_unstable();
        let mut sessions = VecDeque::new();
        for (connection, session) in there {
            match session {
                Some(session) => sessions.push_back(session),
                None => self.shut(connection, Closing::Kicked),
            }
        }
        while !sessions.is_empty() {
            let rest = sessions.split_off(sessions.len().min(EVICTED_AT_ONCE));
            let sessions = std::mem::replace(&mut sessions, rest);
            let (who, reason) = (who.clone(), reason.clone());
            self.gathering.propose_next(Intent::EvictBanned { sessions, who, reason });
        }
    }
}

impl Connected for Edge {
    fn address(&self, origin: Origin) -> Option<IpAddr> {
        Self::address(self, self.here(origin)?)
    }

    fn hear(&self, room: ConversationId) -> usize {
        self.listeners.of_room(room).map_or(0, |there| there.to.len())
    }
}
