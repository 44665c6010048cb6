//! Owns the connections of this node: the peer address of each, its session, its errors in a row, and whether its
//! requests are still served. Called by the edge. Never decides which session a connection has: the state tells it.

use super::quotas::SessionBuckets;
use super::{Closing, Edge, Effect};
use ipnet::IpNet;
use std::collections::VecDeque;
use std::net::IpAddr;
use tcp_chat_protocol::banned::is_in;
use tcp_chat_state::{Connected, ConnectionId, ConversationId, Intent, Origin, SessionId};

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// The peer address.
    pub(super) address: IpAddr,
    /// The session of this connection.
    pub(super) session: Option<SessionId>,
    /// Errors in a row.
    pub(super) errors: u32,
    pub(super) auth_failures: u32,
    /// The rate limits before it has a session.
    pub(super) buckets: SessionBuckets,
    /// It has sent too many bytes: how long its requests are refused, in milliseconds.
    pub(super) owes: u64,
    /// It is being closed: its requests are ignored.
    pub(super) closing: bool,
    /// The turn in which it logs in: its requests after the LOGIN wait for the next turn.
    pub(super) logs_in: u64,
    /// The turn in which its further requests are ignored, because it will be closed.
    pub(super) ignored_in: u64,
    /// A turn, and the number of errors in a row that is certain at this place of it.
    pub(super) foreseen: (u64, u32),
}

impl Connection {
    pub(super) fn new(address: IpAddr, now: u64) -> Self {
        let buckets = SessionBuckets::full(now);
        Self {
            address,
            session: None,
            errors: 0,
            auth_failures: 0,
            buckets,
            owes: 0,
            closing: false,
            logs_in: 0,
            ignored_in: 0,
            foreseen: (0, 0),
        }
    }

    /// The errors in a row at this place of the gathered turn, as far as they are certain.
    pub(super) fn errors_in(&self, turn: u64) -> u32 {
        if self.foreseen.0 == turn { self.foreseen.1 } else { self.errors }
    }

    /// Could it have errors in a row that an accepted request ends?
    pub(super) fn has_errors(&self, turn: u64) -> bool {
        self.errors > 0 || self.foreseen.0 == turn
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
        if let Some(entry) = self.connections.get_mut(&connection).filter(|entry| !entry.closing) {
            entry.closing = true;
            self.effects.push(Effect::Close(connection, why));
        }
    }

    /// Sends a line. A connection that is being closed gets none.
    pub(super) fn line(&mut self, connection: ConnectionId, line: Vec<u8>) {
        if self.connections.get(&connection).is_some_and(|entry| !entry.closing) {
            self.effects.push(Effect::Line(connection, line));
        }
    }

    /// Closes the connections from a banned range that have no session. The next turn proposes that the sessions on
    /// the others end, one after the other.
    pub(super) fn evict_banned_sessions(&mut self, range: &IpNet, who: Box<str>, reason: Box<str>) {
        let there = self.connections.iter().filter(|(_, c)| !c.closing && is_in(range, c.address));
        let mut there: Vec<_> = there.map(|(id, c)| (*id, c.session)).collect();
        there.sort_unstable();
        let mut sessions = VecDeque::new();
        for (connection, session) in there {
            match session {
                Some(session) => sessions.push_back(session),
                None => self.shut(connection, Closing::Kicked),
            }
        }
        if !sessions.is_empty() {
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
