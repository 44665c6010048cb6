//! Owns which connections of this node are told how a user is seen in a room, and when. A user who enters a thousand rooms
//! is announced to all their members. One turn sends a bounded number of copies; the following turns send the rest, in
//! order. What is no longer true by then is not sent. Called by the edge. Never decides how a user is seen.

use super::recipients::Room;
use super::{Edge, Effect};
use std::collections::VecDeque;
use tcp_chat_protocol::event::presence;
use tcp_chat_protocol::reply::MemberState;
use tcp_chat_protocol::{Colour, Name, PresenceState};
use tcp_chat_state::{ConnectionId, ConversationId, IdMap, Seen, SeenIn, State, UserId};

/// Copies of presence events that one turn hands out, about: with the one that reaches it, it is over.
const COPIES: usize = 4096;

/// Under which name and colour something is told, and to whom it is no news.
#[derive(Debug, Clone)]
struct Face {
    name: Name,
    color: Colour,
    connection: Option<ConnectionId>,
}

/// How a user was seen when the room was told last, and how the user is seen now.
#[derive(Debug)]
struct Pending {
    was: Option<MemberState>,
    is: Option<MemberState>,
    face: Face,
}

/// The presence that this node has still to tell.
#[derive(Debug)]
pub(super) struct Untold {
    /// In the order in which it happened first.
    order: VecDeque<(UserId, ConversationId)>,
    pending: IdMap<(UserId, ConversationId), Pending>,
    /// How many copies this turn has handed out,
    copies: usize,
    /// and how many it may.
    most: usize,
}

impl Default for Untold {
    fn default() -> Self {
        Self { order: VecDeque::new(), pending: IdMap::default(), copies: 0, most: COPIES }
    }
}

impl Untold {
    /// The turn is over.
    pub(super) fn next_turn(&mut self) {
        self.copies = 0;
    }

    /// Does this turn tell more?
    fn tells_more(&self) -> bool {
        self.copies < self.most
    }

    /// Is something untold of that user there? Then it will be told as it is now.
    fn renew(&mut self, of: (UserId, ConversationId), is: Option<MemberState>, face: &Face) -> bool {
        if self.order.is_empty() {
            return false;
        }
        let known = self.pending.get_mut(&of).map(|pending| {
            pending.is = is;
            pending.face.clone_from(face);
        });
        known.is_some()
    }

    fn add(&mut self, of: (UserId, ConversationId), pending: Pending) {
        self.order.push_back(of);
        self.pending.insert(of, pending);
    }

    /// The oldest.
    fn next(&mut self) -> Option<(ConversationId, Pending)> {
        let of = self.order.pop_front()?;
        Some((of.1, self.pending.remove(&of)?))
    }
}

impl Edge {
    /// A user is seen in another way: at once as far as this turn tells more, and as long as nothing older waits.
    pub(super) fn seen(&mut self, seen: Seen) {
        let Seen { user, name, color, origin, rooms } = seen;
        let connection = origin.and_then(|origin| self.here(origin));
        let face = Face { name, color, connection };
        for SeenIn { room, was, is, is_told } in rooms {
            if self.untold.renew((user, room), is, &face) {
                continue;
            }
            let Some(state) = change(was, is) else { continue };
            if !is_told || !self.has_others(room, &face) {
                continue;
            }
            if self.untold.order.is_empty() && self.untold.tells_more() {
                self.tell_room(room, &face, state);
            } else {
                self.untold.add((user, room), Pending { was, is, face: face.clone() });
            }
        }
    }

    /// Tells presence that was not told yet, before the state does its slow work: at most as many steps as that. Nothing is
    /// said behind it in this turn, so no number depends on it.
    pub(super) fn tell(&mut self, chat: &State) {
        for step in 0..self.gathering.steps {
            // Presence costs its time later, when it is delivered. One step tells always: a room in which users come and go
            // all the time does not keep the others untold.
            if !self.is_telling() || (step > 0 && !self.untold.tells_more()) {
                break;
            }
            self.tell_next(chat);
        }
    }

    /// Is presence left that this turn could still tell?
    #[must_use]
    pub fn tells_more(&self) -> bool {
        self.untold.tells_more() && self.is_telling()
    }

    /// Is presence left that was not told yet? Slow work would add to it.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        !self.untold.order.is_empty()
    }

    /// Tells the oldest of what was not told yet, if it is still true.
    fn tell_next(&mut self, chat: &State) {
        if let Some((room, Pending { was, is, face })) = self.untold.next()
            && let Some(state) = change(was, is)
            && chat.is_presence_told(room)
            && self.has_others(room, &face)
        {
            self.tell_room(room, &face, state);
        }
    }

    /// Is there anybody else to be told?
    fn has_others(&self, room: ConversationId, face: &Face) -> bool {
        let there = self.listeners.of_room(room);
        there.is_some_and(|there| there.to.iter().any(|connection| Some(*connection) != face.connection))
    }

    fn tell_room(&mut self, room: ConversationId, face: &Face, state: PresenceState) {
        let Some(Room { name, to }) = self.listeners.of_room(room) else { return };
        let line = presence(name.as_str(), face.name.as_str(), face.color, state);
        let to = to.clone();
        self.untold.copies += to.len();
        self.effects.push(Effect::Event { to, except: face.connection, line: line.into() });
    }

    #[cfg(test)]
    pub(crate) fn tells_at_once(&mut self, copies: usize) {
        self.untold.most = copies;
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
