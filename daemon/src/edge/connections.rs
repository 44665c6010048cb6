//! Owns the connections of this node: where each comes from, and whether something more is heard of it. Called by the
//! edge. Never knows which session is on a connection: the state does.

use super::Edge;
use super::quotas::SessionBuckets;
use crate::chat::{Chat, Closing, ConnectionId, Effect, Intent};
use ipnet::IpNet;
use std::collections::VecDeque;
use std::net::IpAddr;
use tcp_chat_protocol::banned::is_in;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// The peer address.
    pub(super) address: IpAddr,
    /// Errors in a row.
    pub(super) errors: u32,
    pub(super) auth_failures: u32,
    /// What it may ask before it has a session.
    pub(super) buckets: SessionBuckets,
    /// It has sent too many bytes: for how long what it asks is refused, in milliseconds.
    pub(super) owes: u64,
    /// It is being closed: what it still asks is not heard.
    pub(super) closing: bool,
}

impl Connection {
    pub(super) fn new(address: IpAddr, now: u64) -> Self {
        let buckets = SessionBuckets::full(now);
        Self { address, errors: 0, auth_failures: 0, buckets, owes: 0, closing: false }
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

    /// Closes the connection once what waits was sent.
    pub(super) fn close(&mut self, chat: &mut Chat, connection: ConnectionId, why: Closing) {
        if let Some(state) = self.connections.get_mut(&connection) {
            state.closing = true;
            chat.push(Effect::Close(connection, why));
        }
    }

    /// The connections that come from a banned range are closed, and the sessions on them end, one after the other.
    pub(super) fn end_barred(&mut self, chat: &mut Chat, range: &IpNet, who: Box<str>, reason: Box<str>) {
        let there = self.connections.iter().filter(|(_, c)| !c.closing && is_in(range, c.address));
        let mut there: Vec<_> = there.map(|(id, _)| *id).collect();
        there.sort_unstable();
        let mut sessions = VecDeque::new();
        for connection in there {
            match self.session_at(chat, connection) {
                Some(session) => sessions.push_back(session),
                None => self.close(chat, connection, Closing::Kicked),
            }
        }
        self.record(|| Intent::EndBarred {
            sessions: sessions.clone(),
            who: who.clone(),
            reason: reason.clone(),
        });
        chat.end_barred(sessions, who, reason);
    }
}
