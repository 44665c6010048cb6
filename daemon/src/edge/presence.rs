//! Owns the presence lines: which connections of this node are told how a user is seen in a room, and when. A user who
//! joins a thousand rooms is announced to all their members. One turn sends a bounded number of copies; the following
//! turns send the rest, in order. A change that is no longer true by then is not sent. Called by the edge. Never
//! decides how a user is seen.

use super::recipients::Room;
use super::{Edge, Effect};
use std::collections::VecDeque;
use tcp_chat_protocol::event::presence;
use tcp_chat_protocol::reply::MemberState;
use tcp_chat_protocol::{Colour, Name, PresenceState};
use tcp_chat_state::{ConnectionId, ConversationId, IdMap, Seen, SeenIn, State, UserId, shrink};

/// Copies of presence lines that one turn sends, about: the line that reaches the number is the last.
const COPIES: usize = 4096;

/// The name and colour of an announced user, and the user's own connection, which is not told.
#[derive(Debug, Clone)]
struct Face {
    name: Name,
    color: Colour,
    connection: Option<ConnectionId>,
}

/// How a user was seen when the room was last told, and how the user is seen now.
#[derive(Debug)]
struct Pending {
    was: Option<MemberState>,
    is: Option<MemberState>,
    face: Face,
}

/// The presence that is not announced yet.
#[derive(Debug)]
pub(super) struct PendingPresence {
    /// In the order of the first change.
    order: VecDeque<(UserId, ConversationId)>,
    pending: IdMap<(UserId, ConversationId), Pending>,
    /// The copies that this turn has sent,
    copies: usize,
    /// and the largest number of them.
    most: usize,
}

impl Default for PendingPresence {
    fn default() -> Self {
        Self { order: VecDeque::new(), pending: IdMap::default(), copies: 0, most: COPIES }
    }
}

impl PendingPresence {
    /// The turn is over.
    pub(super) fn next_turn(&mut self) {
        self.copies = 0;
    }

    /// May this turn send more?
    fn tells_more(&self) -> bool {
        self.copies < self.most
    }

    /// Does presence of that user in that room wait already? Then it will be announced as it is now.
    fn update(&mut self, of: (UserId, ConversationId), is: Option<MemberState>, face: &Face) -> bool {
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

    /// The oldest pending presence.
    fn next(&mut self) -> Option<(ConversationId, Pending)> {
        let of = self.order.pop_front()?;
        let pending = self.pending.remove(&of)?;
        shrink(&mut self.pending);
        if self.order.is_empty() {
            self.order = VecDeque::new();
        }
        Some((of.1, pending))
    }
}

impl Edge {
    /// A user is seen in another way. It is announced at once if this turn may send more and no older presence waits.
    pub(super) fn seen(&mut self, seen: Seen) {
        let Seen { user, name, color, origin, rooms } = seen;
        let connection = origin.and_then(|origin| self.here(origin));
        let face = Face { name, color, connection };
        for SeenIn { room, was, is, is_told } in rooms {
            if self.pending_presence.update((user, room), is, &face) {
                continue;
            }
            let Some(change) = change_of(was, is) else { continue };
            if !is_told || !self.has_others(room, &face) {
                continue;
            }
            if self.pending_presence.order.is_empty() && self.pending_presence.tells_more() {
                self.tell_room(room, &face, change);
            } else {
                self.pending_presence.add((user, room), Pending { was, is, face: face.clone() });
            }
        }
    }

    /// Announces pending presence before the state does its slow work, in at most as many steps as that. No message
    /// follows in this turn, so no number depends on it.
    pub(super) fn tell(&mut self, state: &State) {
        self.announce(state, self.flights.current.steps);
    }

    /// Announces pending presence, in at most so many steps.
    pub fn announce(&mut self, state: &State, steps: usize) {
        for step in 0..steps {
            // Presence costs its time later, at its delivery. One step is always done: a room with constant joins and
            // leaves does not delay the others for ever.
            if !self.has_pending_presence() || (step > 0 && !self.pending_presence.tells_more()) {
                break;
            }
            self.announce_next(state);
        }
    }

    /// Is presence pending that this turn could still announce?
    #[must_use]
    pub fn tells_more(&self) -> bool {
        self.pending_presence.tells_more() && self.has_pending_presence()
    }

    /// Is presence pending? Slow work would add to it.
    #[must_use]
    pub fn has_pending_presence(&self) -> bool {
        !self.pending_presence.order.is_empty()
    }

    /// Announces the oldest pending presence, if it is still true.
    fn announce_next(&mut self, state: &State) {
        if let Some((room, Pending { was, is, face })) = self.pending_presence.next()
            && let Some(change) = change_of(was, is)
            && state.is_presence_told(room)
            && self.has_others(room, &face)
        {
            self.tell_room(room, &face, change);
        }
    }

    /// Is another connection in the room?
    fn has_others(&self, room: ConversationId, face: &Face) -> bool {
        let there = self.listeners.of_room(room);
        there.is_some_and(|there| there.to.iter().any(|connection| Some(*connection) != face.connection))
    }

    fn tell_room(&mut self, room: ConversationId, face: &Face, change: PresenceState) {
        let Some(Room { name, to }) = self.listeners.of_room(room) else { return };
        let line = presence(name.as_str(), face.name.as_str(), face.color, change);
        let to = to.clone();
        self.pending_presence.copies += to.len();
        self.effects.push(Effect::Event { to, except: face.connection, line: line.into() });
    }

    #[cfg(test)]
    pub(crate) fn tells_at_once(&mut self, copies: usize) {
        self.pending_presence.most = copies;
    }
}

/// The announcement for a user who was seen in one way and is seen in another.
fn change_of(was: Option<MemberState>, is: Option<MemberState>) -> Option<PresenceState> {
    use MemberState::{Away, Here};
    match (was, is) {
        (None, Some(_)) => Some(PresenceState::Joined),
        (Some(_), None) => Some(PresenceState::Left),
        (Some(Here), Some(Away)) => Some(PresenceState::Away),
        (Some(Away), Some(Here)) => Some(PresenceState::Back),
        _ => None,
    }
}
