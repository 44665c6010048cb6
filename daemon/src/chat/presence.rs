//! Owns how a user is seen in a room: `here` while any of the sessions that it has there is
//! connected, `away` otherwise. Whatever changes a session looks before and after, and only the
//! difference is announced: so several sessions of one user are one user to everyone else.
//! A user who enters a thousand rooms is announced to all their members. One turn sends a bounded number of copies;
//! the following turns send the rest, in order. What is no longer true by then is not sent.

use super::{Chat, ConversationId, Effect, IdMap, Origin, SessionId, UserId};
use std::collections::VecDeque;
use tcp_chat_protocol::event::presence;
use tcp_chat_protocol::reply::{Member, MemberState};
use tcp_chat_protocol::{Colour, Name, PresenceState};

/// Copies of presence events that one turn hands out, about: with the one that reaches it, it is over.
pub(super) const COPIES: usize = 4096;

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
    origin: Option<Origin>,
}

impl Face {
    /// Of a session that a start finds.
    pub(super) fn away(name: Name, color: Colour) -> Self {
        Self { name, color, origin: None }
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        self.origin
    }

    fn connection(&self) -> Option<super::ConnectionId> {
        self.origin.map(|origin| origin.connection)
    }

    pub(super) fn shown(&self) -> (&Name, Colour) {
        (&self.name, self.color)
    }

    /// How its session alone is seen.
    pub(super) fn state(&self) -> MemberState {
        if self.origin.is_some() { MemberState::Here } else { MemberState::Away }
    }
}

/// What has changed and was not told yet.
#[derive(Debug, Default)]
pub(super) struct Untold {
    /// In the order in which it happened first.
    order: VecDeque<(UserId, ConversationId)>,
    /// What the room was told last of the user.
    told: IdMap<(UserId, ConversationId), (Option<MemberState>, Face)>,
}

impl Untold {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Is something untold of that user there? Then it will be told under this face.
    fn renew(&mut self, of: (UserId, ConversationId), face: &Face) -> bool {
        if self.is_empty() {
            return false;
        }
        let known = self.told.get_mut(&of);
        known.map(|(_, known)| known.clone_from(face)).is_some()
    }

    fn add(&mut self, of: (UserId, ConversationId), was: Option<MemberState>, face: Face) {
        self.order.push_back(of);
        self.told.insert(of, (was, face));
    }

    /// The oldest.
    fn next(&mut self) -> Option<(UserId, ConversationId, Option<MemberState>, Face)> {
        let of = self.order.pop_front()?;
        let (was, face) = self.told.remove(&of)?;
        Some((of.0, of.1, was, face))
    }
}

impl Chat {
    /// How the user is seen in these rooms now.
    pub(super) fn seen(&self, user: UserId, rooms: &[ConversationId]) -> Seen {
        Seen { user, rooms: rooms.iter().map(|room| (*room, self.state_in(*room, user))).collect() }
    }

    /// The face of a session.
    pub(super) fn face(&self, session: SessionId) -> Option<Face> {
        let held = self.sessions.get(session)?;
        Some(Face { name: held.row.name.clone(), color: held.row.color, origin: held.row.origin })
    }

    /// Announces how the user is seen now where that is another way than before: at once as far as this turn tells
    /// more, and as long as nothing older waits.
    pub(super) fn announce(&mut self, before: Seen, face: Option<Face>) {
        let Some(face) = face else { return };
        let user = before.user;
        for (room, was) in before.rooms {
            if self.untold.renew((user, room), &face) {
                continue;
            }
            let Some(state) = change(was, self.state_in(room, user)) else { continue };
            if self.untold.is_empty() && self.tells_more() {
                self.tell_room(room, &face, state);
            } else if self.is_told(room, &face) {
                self.untold.add((user, room), was, face.clone());
            }
        }
    }

    /// Tells the oldest of what was not told yet, if it is still true.
    pub(super) fn tell_untold(&mut self) {
        if let Some((user, room, was, face)) = self.untold.next()
            && let Some(state) = change(was, self.state_in(room, user))
        {
            self.tell_room(room, &face, state);
        }
    }

    /// Does this turn tell more?
    pub(super) fn tells_more(&self) -> bool {
        self.turn.copies < self.slice.copies
    }

    /// Is presence told in that room, and is there anybody else to be told?
    fn is_told(&self, room: ConversationId, face: &Face) -> bool {
        self.conversations.get(room).is_some_and(|conversation| {
            conversation.members.len() <= self.rules.presence_limit
                && conversation.here.iter().any(|connection| Some(*connection) != face.connection())
        })
    }

    fn tell_room(&mut self, room: ConversationId, face: &Face, state: PresenceState) {
        if !self.is_told(room, face) {
            return;
        }
        let Some(conversation) = self.conversations.get(room) else { return };
        let Some(name) = conversation.room() else { return };
        let line = presence(name.as_str(), face.name.as_str(), face.color, state);
        let to = conversation.here.clone();
        self.turn.copies += to.len();
        self.turn.effects.push(Effect::Event { to, except: face.connection(), line: line.into() });
    }

    fn state_in(&self, room: ConversationId, user: UserId) -> Option<MemberState> {
        let conversation = self.conversations.get(room)?;
        self.state_of(conversation.members.of(user))
    }

    /// `None`: there is no session. One that has ended is seen as it was until it has left the room.
    fn state_of(&self, sessions: impl Iterator<Item = SessionId>) -> Option<MemberState> {
        let mut seen = None;
        for id in sessions {
            let state = match self.sessions.get(id) {
                Some(session) if session.row.origin.is_some() => Some(MemberState::Here),
                Some(_) => Some(MemberState::Away),
                None => self.leaving.state(id),
            };
            match state {
                Some(MemberState::Here) => return state,
                Some(_) => seen = state,
                None => {}
            }
        }
        seen
    }

    /// The user as WHO shows it, by those of its sessions that count here. The colour is that of
    /// the first session that is connected; the role depends on where is asked, and is put in there.
    pub(super) fn member(&self, sessions: impl Iterator<Item = SessionId>) -> Option<Member> {
        let mut held = sessions.filter_map(|id| self.sessions.get(id));
        let first = held.next()?;
        let here = std::iter::once(first).chain(held).find(|session| session.row.origin.is_some());
        let (shown, state) = here.map_or((first, MemberState::Away), |here| (here, MemberState::Here));
        let (user, color) = (shown.row.name.to_string(), shown.row.color.to_string());
        Some(Member { user, color, state, role: None })
    }
}

/// What there is to be told of one who was seen in one way and is seen in another.
fn change(was: Option<MemberState>, is: Option<MemberState>) -> Option<PresenceState> {
    use MemberState::{Away, Here};
    match (was, is) {
        (None, Some(_)) => Some(PresenceState::Joined),
        (Some(_), None) => Some(PresenceState::Left),
        (Some(Here), Some(Away)) => Some(PresenceState::Away),
        (Some(Away), Some(Here)) => Some(PresenceState::Back),
        _ => None,
    }
}
