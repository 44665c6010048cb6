//! Owns lost connections: the session of a lost connection is away, and so are all sessions of a node that starts.
//! Called by [`State::apply`]. Never ends a session.

use crate::{Change, NodeId, Origin, SessionChange, SessionId, State, UserId};

impl State {
    /// A connection is lost: its session is away from now on.
    pub(crate) fn away(&mut self, origin: Origin, session: SessionId) {
        if !self.is_at(session, origin) {
            return;
        }
        self.seal();
        let before = self.seen_everywhere(session);
        self.rooms_of(session).into_iter().for_each(|room| self.stop_hearing(room, Some(origin)));
        self.mark_away(session, origin);
        self.announce(before, self.face(session));
    }

    /// The process of a node starts: its sessions are away from now on. Users on other nodes are told.
    pub(crate) fn node_up(&mut self, node: NodeId) {
        self.ended_sessions.node_up(node);
        let (sessions, is_told) = self.sessions.at_node(node);
        if !sessions.is_empty() {
            self.seal();
        }
        for session in sessions {
            let Some(origin) = self.sessions.get(session).and_then(|held| held.row.origin) else { continue };
            // Without a connection on another node, a scan of all rooms of all sessions would be useless.
            match is_told {
                true => self.away(origin, session),
                false => self.mark_away(session, origin),
            }
        }
    }

    pub(crate) fn mark_away(&mut self, session: SessionId, origin: Origin) {
        let user = self.sessions.get(session).map_or(UserId(session.0), |held| held.row.user);
        self.report(Change::Away { session, user, at: origin });
        self.sessions.mark_away(session);
        self.put_row(session);
    }

    /// The row of the session has changed.
    pub(crate) fn put_row(&mut self, session: SessionId) {
        let row = self.sessions.get(session).map(|held| SessionChange::Put(held.row.clone()));
        self.turn.writes.sessions.extend(row);
    }
}
