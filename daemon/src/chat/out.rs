//! Owns how somebody is put out: off the server or out of a room, and told why. Called by the acts.
//! Never decides who has to go.

use super::{Change, Chat, Closing, ConversationId, Digest, Scope, SessionId};
use tcp_chat_protocol::event::{NoticeEvent, notice};
use tcp_chat_protocol::{Banned, NoticeKind};

impl Chat {
    /// Ends the session, or its time in the room.
    pub(super) fn throw_out(&mut self, session: SessionId, scope: Scope, who: &str, reason: &str) {
        let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        match (scope, self.sessions.get(session).and_then(|s| s.row.origin)) {
            (Some(room), _) => self.remove(session, room, &format!("{who} has removed you from"), &why),
            (None, None) => self.end_session(session),
            (None, Some(origin)) => {
                let msg = format!("{who} has ended your session{why}");
                self.line(origin.connection, notice(&NoticeEvent::new(NoticeKind::Kicked, msg)));
                self.quit(origin, Closing::Kicked);
            }
        }
    }

    /// Takes the session out of a room, and tells it why.
    fn remove(&mut self, session: SessionId, room: ConversationId, what: &str, why: &str) {
        let origin = self.sessions.get(session).and_then(|s| s.row.origin);
        let name = self.room_name(Some(room));
        self.go_out(session, room);
        if let (Some(origin), Some(name)) = (origin, name) {
            let msg = format!("{what} the room {name}{why}");
            let mut removed = NoticeEvent::new(NoticeKind::Removed, msg);
            removed.room = Some(name.into());
            self.line(origin.connection, notice(&removed));
        }
    }

    /// The session has lost the right to be in the room.
    pub(super) fn lose(&mut self, session: SessionId, room: ConversationId) {
        self.remove(session, room, "you may no longer be in", "");
    }

    /// Whoever is banned from now on is not here any more.
    pub(super) fn cut(&mut self, whom: &Banned, scope: Scope, who: &str, reason: &str) {
        match whom {
            Banned::User(user) => {
                for session in self.sessions_there(user, scope) {
                    self.throw_out(session, scope, who, reason);
                }
            }
            // A token does not tell how its session began: as with a key that is revoked, all sessions of
            // its users end. Those who have another way in come back by it.
            Banned::Certificate(fingerprint) => {
                let known = self.users.certificates_with(&Digest(fingerprint.0));
                let sessions: Vec<_> = known.flat_map(|c| self.sessions_there(&c.name, None)).collect();
                for session in sessions {
                    self.throw_out(session, None, who, reason);
                }
            }
            Banned::Address(range) => {
                self.turn.changes.push(Change::Banned {
                    range: *range,
                    who: who.into(),
                    reason: reason.into(),
                });
            }
        }
    }
}
