//! Owns evictions: a session is ended or removed from a room against its will. Called by the moderation ops and by the
//! sweeps. Never decides which session must leave, and never writes the line to its client.

use crate::{Change, ConversationId, Digest, Ending, Removal, Scope, SessionId, State};
use tcp_chat_protocol::Banned;

impl State {
    /// Ends the session, or its membership of the room.
    pub(crate) fn evict(&mut self, session: SessionId, scope: Scope, who: &str, reason: &str) {
        let (who, reason) = (who.into(), reason.into());
        match scope {
            Some(room) => self.remove(session, room, Removal::Kicked { who, reason }),
            None => self.end_session(session, Ending::Kicked { who, reason }),
        }
    }

    /// Removes the session from a room.
    fn remove(&mut self, session: SessionId, room: ConversationId, why: Removal) {
        let origin = self.sessions.get(session).and_then(|s| s.row.origin);
        let name = self.conversations.get(room).and_then(|c| c.room()).cloned();
        self.leave_room(session, room);
        if let (Some(at), Some(room)) = (origin, name) {
            self.report(Change::Removed { at, room, why });
        }
    }

    /// The session has lost the right to be in the room.
    pub(crate) fn evict_without_right(&mut self, session: SessionId, room: ConversationId) {
        self.remove(session, room, Removal::LostRight);
    }

    /// Ends the sessions that a new ban covers.
    pub(crate) fn evict_banned(&mut self, whom: &Banned, scope: Scope, who: &str, reason: &str) {
        match whom {
            Banned::User(user) => {
                for session in self.sessions_there(user, scope) {
                    self.evict(session, scope, who, reason);
                }
            }
            // A token does not show the certificate with which its session began. As with a revoked key, all sessions
            // of its users end. Users with another credential can log in with that.
            Banned::Certificate(fingerprint) => {
                let known = self.users.certificates_with(&Digest(fingerprint.0));
                let sessions: Vec<_> = known.flat_map(|c| self.sessions_there(&c.name, None)).collect();
                for session in sessions {
                    self.evict(session, None, who, reason);
                }
            }
            Banned::Address(range) => {
                self.report(Change::Banned { range: *range, who: who.into(), reason: reason.into() });
            }
        }
    }
}
