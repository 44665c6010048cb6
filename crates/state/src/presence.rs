//! Owns how a user is seen in a room: `here` while one of the user's sessions in the room is connected, `away`
//! otherwise. An op that changes a session reads it before and after the change, and reports both to the edges. So
//! several sessions of one user are shown as one user. Never decides which connections are told, and when: the edge
//! does.

use super::{Change, ConversationId, Origin, Seen, SeenIn, SessionId, State, UserId};
use tcp_chat_protocol::reply::{Member, MemberState};
use tcp_chat_protocol::{Colour, Name};

/// How a user was seen in some rooms before a change.
#[derive(Debug)]
pub(super) struct Before {
    user: UserId,
    rooms: Vec<SeenIn>,
}

/// The name and colour of an announced user, and the user's own connection, which is not told.
#[derive(Debug, Clone)]
pub(super) struct Face {
    name: Name,
    color: Colour,
    origin: Option<Origin>,
}

impl Face {
    pub(super) fn new(name: Name, color: Colour, origin: Option<Origin>) -> Self {
        Self { name, color, origin }
    }

    /// The session has no connection any longer.
    pub(super) fn mark_away(&mut self) {
        self.origin = None;
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        self.origin
    }

    pub(super) fn shown(&self) -> (&Name, Colour) {
        (&self.name, self.color)
    }

    /// How the session alone is seen.
    pub(super) fn state(&self) -> MemberState {
        if self.origin.is_some() { MemberState::Here } else { MemberState::Away }
    }
}

impl State {
    /// How the user is seen in these rooms now.
    pub(super) fn seen(&self, user: UserId, rooms: &[ConversationId]) -> Before {
        let seen_in = |room: &ConversationId| SeenIn {
            room: *room,
            was: self.state_in(*room, user),
            is: None,
            is_told: false,
        };
        Before { user, rooms: rooms.iter().map(seen_in).collect() }
    }

    /// How the session's user is seen in the session's rooms now.
    pub(super) fn seen_everywhere(&self, session: SessionId) -> Before {
        let user = self.sessions.get(session).map_or(UserId(session.0), |s| s.row.user);
        self.seen(user, &self.rooms_of(session))
    }

    /// The face of a session.
    pub(super) fn face(&self, session: SessionId) -> Option<Face> {
        let held = self.sessions.get(session)?;
        Some(Face::new(held.row.name.clone(), held.row.color, held.row.origin))
    }

    /// Reports how the user is seen now, and how before.
    pub(super) fn announce(&mut self, before: Before, face: Option<Face>) {
        let Before { user, mut rooms } = before;
        let Some(Face { name, color, origin }) = face.filter(|_| !rooms.is_empty()) else { return };
        for seen in &mut rooms {
            seen.is = self.state_in(seen.room, user);
            seen.is_told = self.is_presence_told(seen.room);
        }
        self.report(Change::Seen(Seen { user, name, color, origin, rooms }));
    }

    /// Is the room small enough that presence is announced in it?
    #[must_use]
    pub fn is_presence_told(&self, room: ConversationId) -> bool {
        let conversation = self.conversations.get(room);
        conversation.is_some_and(|conversation| conversation.members.len() <= self.rules.presence_limit)
    }

    fn state_in(&self, room: ConversationId, user: UserId) -> Option<MemberState> {
        let conversation = self.conversations.get(room)?;
        self.state_of(conversation.members.of(user))
    }

    /// `None`: there is no session. An ended session is seen as before until it has left the room.
    fn state_of(&self, sessions: impl Iterator<Item = SessionId>) -> Option<MemberState> {
        let mut seen = None;
        for id in sessions {
            let state = match self.sessions.get(id) {
                Some(session) if session.row.origin.is_some() => Some(MemberState::Here),
                Some(_) => Some(MemberState::Away),
                None => self.ended_sessions.state(id),
            };
            match state {
                Some(MemberState::Here) => return state,
                Some(_) => seen = state,
                None => {}
            }
        }
        seen
    }

    /// The user for WHO, by its sessions that count here. The colour is that of the first connected session; the
    /// caller adds the role, which depends on the room.
    pub(super) fn member(&self, sessions: impl Iterator<Item = SessionId>) -> Option<Member> {
        let mut held = sessions.filter_map(|id| self.sessions.get(id));
        let first = held.next()?;
        let here = std::iter::once(first).chain(held).find(|session| session.row.origin.is_some());
        let (shown, state) = here.map_or((first, MemberState::Away), |here| (here, MemberState::Here));
        let (user, color) = (shown.row.name.to_string(), shown.row.color.to_string());
        Some(Member { user, color, state, role: None })
    }
}
