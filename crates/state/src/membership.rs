//! Owns the memberships: the rooms of each session and the members of each room, which always agree. Only the rooms of an
//! ended session are left later. Called by JOIN, LOGIN, LEAVE, evictions, the end of sessions, and the restore. Never
//! decides whether a user may be in a room.

use super::rooms::Conversations;
use super::sessions::Session;
use super::sessions::ended::EndedSessions;
use super::{Change, ConversationId, Origin, Scope, SessionChange, SessionId, State, UserId};
use tcp_chat_protocol::{Name, Seq};

/// The right to change one side of a membership. Only this module has it, because it changes the other side, too.
#[derive(Debug, Clone, Copy)]
pub(super) struct BothSides(());

const BOTH: BothSides = BothSides(());

impl State {
    /// The session is in the room from now on, and sees the next messages.
    pub(super) fn enter(&mut self, session: SessionId, room: ConversationId) {
        let since = self.head;
        let Some((held, joined)) = self.sessions.add_room(BOTH, session, (room, since)) else { return };
        let (user, origin) = (held.row.user, held.row.origin);
        if !self.conversations.add_member(BOTH, room, (user, session)) {
            self.sessions.remove_room(BOTH, session, room);
            return;
        }
        self.turn.writes.sessions.push(SessionChange::Join { session, room, since, joined });
        origin.into_iter().for_each(|origin| self.report(Change::Hears(room, origin)));
    }

    /// The session is no longer in the room. Returns its connection.
    pub(super) fn part(&mut self, session: SessionId, room: ConversationId) -> Option<Origin> {
        let held = self.sessions.remove_room(BOTH, session, room)?;
        let (user, origin) = (held.row.user, held.row.origin);
        self.conversations.remove_member(BOTH, room, (user, session));
        self.turn.writes.sessions.push(SessionChange::Leave { session, room });
        origin
    }

    /// A session that has ended is no longer in the room: only the room still had it.
    pub(super) fn part_ended(&mut self, member: (UserId, SessionId), room: ConversationId) {
        self.conversations.remove_member(BOTH, room, member);
    }

    /// The rooms of the session, in the order of its joins.
    pub(super) fn rooms_of(&self, session: SessionId) -> Vec<ConversationId> {
        self.sessions.get(session).map(|s| s.rooms.iter().map(|(r, _)| *r).collect()).unwrap_or_default()
    }

    /// The sessions of a user, or those of them that are in the room.
    pub(super) fn sessions_there(&self, user: &Name, scope: Scope) -> Vec<SessionId> {
        let user = self.sessions.by_name(user);
        let mut sessions = user.map_or_else(Vec::new, |user| self.sessions.of(user).to_vec());
        if let Some(room) = scope {
            sessions.retain(|id| self.sessions.get(*id).is_some_and(|s| s.is_in(room)));
        }
        sessions
    }
}

/// The rooms of a stored session. A room that no longer exists is left out.
pub(super) fn restore(
    conversations: &mut Conversations,
    session: &mut Session,
    rooms: Vec<(ConversationId, Seq)>,
) {
    let member = (session.row.user, session.row.id);
    for (room, since) in rooms {
        if conversations.add_member(BOTH, room, member) {
            session.add_room(BOTH, (room, since));
        }
    }
}

/// The rooms that still have an ended session.
pub(super) fn restore_ended(conversations: &mut Conversations, ended: &EndedSessions) {
    for (room, user, session) in ended.memberships() {
        conversations.add_member(BOTH, room, (user, session));
    }
}
