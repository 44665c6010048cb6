//! Owns how a user is seen in a room: `here` while any of the sessions that it has there is
//! connected, `away` otherwise. Whatever changes a session looks before and after, and only the
//! difference is announced: so several sessions of one user are one user to everyone else.

use super::{Chat, ConnectionId, ConversationId, Effect, SessionId, UserId};
use tcp_chat_protocol::event::presence;
use tcp_chat_protocol::reply::{Member, MemberState};
use tcp_chat_protocol::{Colour, Name, PresenceState};

/// How a user was seen in some rooms before something changed.
#[derive(Debug)]
pub(super) struct Seen {
    user: UserId,
    rooms: Vec<(ConversationId, Option<MemberState>)>,
}

/// Under which name and colour something is announced, and to whom it is no news.
#[derive(Debug, Clone)]
pub(super) struct Face {
    name: Name,
    color: Colour,
    connection: Option<ConnectionId>,
}

impl Chat {
    /// How the user is seen in these rooms now.
    pub(super) fn seen(&self, user: UserId, rooms: &[ConversationId]) -> Seen {
        Seen { user, rooms: rooms.iter().map(|room| (*room, self.state_in(*room, user))).collect() }
    }

    /// The face of a session.
    pub(super) fn face(&self, session: SessionId) -> Option<Face> {
        let held = self.sessions.get(session)?;
        Some(Face { name: held.row.name.clone(), color: held.row.color, connection: held.connection })
    }

    /// Announces how the user is seen now where that is another way than before.
    pub(super) fn announce(&mut self, before: Seen, face: Option<Face>) {
        use MemberState::{Away, Here};
        let Some(face) = face else { return };
        for (room, was) in before.rooms {
            let state = match (was, self.state_in(room, before.user)) {
                (None, Some(_)) => PresenceState::Joined,
                (Some(_), None) => PresenceState::Left,
                (Some(Here), Some(Away)) => PresenceState::Away,
                (Some(Away), Some(Here)) => PresenceState::Back,
                _ => continue,
            };
            self.tell_room(room, &face, state);
        }
    }

    fn tell_room(&mut self, room: ConversationId, face: &Face, state: PresenceState) {
        let Some(conversation) = self.conversations.get(room) else { return };
        let Some(name) = conversation.room() else { return };
        if conversation.members.len() > self.rules.presence_limit || conversation.here.is_empty() {
            return;
        }
        let line = presence(name.as_str(), face.name.as_str(), face.color, state);
        let event =
            Effect::Event { to: conversation.here.clone(), except: face.connection, line: line.into() };
        self.turn.effects.push(event);
    }

    fn state_in(&self, room: ConversationId, user: UserId) -> Option<MemberState> {
        let conversation = self.conversations.get(room)?;
        self.state_of(conversation.members.of(user))
    }

    /// `None`: there is no session.
    fn state_of(&self, sessions: impl Iterator<Item = SessionId>) -> Option<MemberState> {
        let mut state = None;
        for session in sessions.filter_map(|id| self.sessions.get(id)) {
            if session.connection.is_some() {
                return Some(MemberState::Here);
            }
            state = Some(MemberState::Away);
        }
        state
    }

    /// The user as WHO shows it, by those of its sessions that count here. The colour is that of
    /// the first session that is connected; the role depends on where is asked, and is put in there.
    pub(super) fn member(&self, sessions: impl Iterator<Item = SessionId>) -> Option<Member> {
        let mut held = sessions.filter_map(|id| self.sessions.get(id));
        let first = held.next()?;
        let here = std::iter::once(first).chain(held).find(|session| session.connection.is_some());
        let (shown, state) = here.map_or((first, MemberState::Away), |here| (here, MemberState::Here));
        let (user, color) = (shown.row.name.to_string(), shown.row.color.to_string());
        Some(Member { user, color, state, role: None })
    }
}
