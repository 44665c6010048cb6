//! Owns the connections of this node: where each comes from, which session is on it, and whether something more is heard of
//! it. Called by the edge. Never decides which session that is: the state tells it.

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
    /// The session that is on it.
    pub(super) session: Option<SessionId>,
    /// Errors in a row.
    pub(super) errors: u32,
    pub(super) auth_failures: u32,
    /// What it may ask before it has a session.
    pub(super) buckets: SessionBuckets,
    /// It has sent too many bytes: for how long what it asks is refused, in milliseconds.
    pub(super) owes: u64,
    /// It is being closed: what it still asks is not heard.
    pub(super) closing: bool,
    /// The turn in which it logs in: what comes behind that waits for the next one.
    pub(super) logs_in: u64,
    /// The turn in which nothing more of it is heard, because it will be closed.
    pub(super) ignored_in: u64,
    /// A turn, and the errors in a row that are foreseen at this place of it.
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

    /// The errors in a row at this place of the turn that is gathered, as far as they are certain.
    pub(super) fn errors_in(&self, turn: u64) -> u32 {
        if self.foreseen.0 == turn { self.foreseen.1 } else { self.errors }
    }

    /// May there be errors in a row that something else ends?
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
        self.connections.get(&connection).map(|state| state.address)
    }

    /// The connection, if it is one of this node.
    pub(super) fn here(&self, at: Origin) -> Option<ConnectionId> {
        (at.node == self.node).then_some(at.connection)
    }

    /// The session that is on this connection.
    #[must_use]
    pub fn session_at(&self, connection: ConnectionId) -> Option<SessionId> {
        self.connections.get(&connection)?.session
    }

    /// Closes the connection once what waits was sent.
    pub(super) fn shut(&mut self, connection: ConnectionId, why: Closing) {
        if let Some(state) = self.connections.get_mut(&connection).filter(|state| !state.closing) {
            state.closing = true;
            self.effects.push(Effect::Close(connection, why));
        }
    }

    /// Sends a line. A connection that is being closed hears nothing more.
    pub(super) fn line(&mut self, connection: ConnectionId, line: Vec<u8>) {
        if self.connections.get(&connection).is_some_and(|state| !state.closing) {
            self.effects.push(Effect::Line(connection, line));
        }
    }

    /// The connections that come from a banned range are closed. The next turn proposes that the sessions on them end, one
    /// after the other.
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
