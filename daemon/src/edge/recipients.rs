//! Owns which connections of this node hear which room, and where each user is connected. Changed by what the state tells,
//! in its order, so it is right at the place of each change. Called by the edge alone. Never asks the state.

use super::Recipients;
use std::collections::HashSet;
use std::sync::Arc;
use tcp_chat_protocol::Name;
use tcp_chat_state::{Audience, ConnectionId, ConversationId, IdMap, UserId};

/// Who hears a room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: Name,
    /// Shared with the effects of the turn: a chunk goes to those that were there when it was sealed.
    pub(super) to: Recipients,
}

/// Who hears what.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// A room that nobody hears is not in it.
    rooms: IdMap<ConversationId, Room>,
    /// The connections of each user, for direct messages.
    users: IdMap<UserId, Vec<ConnectionId>>,
}

impl Listeners {
    /// The user is connected there, too.
    pub(super) fn connect(&mut self, user: UserId, connection: ConnectionId) {
        self.users.entry(user).or_default().push(connection);
    }

    /// The user is connected there no more.
    pub(super) fn disconnect(&mut self, user: UserId, connection: ConnectionId) {
        let Some(connections) = self.users.get_mut(&user) else { return };
        connections.retain(|other| *other != connection);
        if connections.is_empty() {
            self.users.remove(&user);
        }
    }

    /// The connection hears the room from now on.
    pub(super) fn hears(&mut self, room: ConversationId, name: &Name, connection: ConnectionId) {
        let new = || Room { name: name.clone(), to: Recipients::default() };
        let there = &mut self.rooms.entry(room).or_insert_with(new).to;
        if let Err(at) = there.binary_search(&connection) {
            Arc::make_mut(there).insert(at, connection);
        }
    }

    /// It hears the room no more.
    pub(super) fn leaves(&mut self, room: ConversationId, connection: ConnectionId) {
        let Some(Room { to: there, .. }) = self.rooms.get_mut(&room) else { return };
        if let Ok(at) = there.binary_search(&connection) {
            Arc::make_mut(there).remove(at);
        }
        self.forget_if_empty(room);
    }

    /// The same for many connections, of which those of other nodes are not here.
    pub(super) fn all_leave(&mut self, room: ConversationId, gone: impl Iterator<Item = ConnectionId>) {
        let Some(Room { to: there, .. }) = self.rooms.get_mut(&room) else { return };
        let gone: HashSet<_> = gone.collect();
        Arc::make_mut(there).retain(|connection| !gone.contains(connection));
        self.forget_if_empty(room);
    }

    /// Nobody hears the room any more.
    pub(super) fn silence(&mut self, room: ConversationId) {
        self.rooms.remove(&room);
    }

    fn forget_if_empty(&mut self, room: ConversationId) {
        if self.rooms.get(&room).is_some_and(|there| there.to.is_empty()) {
            self.rooms.remove(&room);
        }
    }

    /// Who hears the room; `None`: nobody.
    pub(super) fn of_room(&self, room: ConversationId) -> Option<&Room> {
        self.rooms.get(&room)
    }

    /// Who hears what is said to them.
    pub(super) fn of(&self, audience: Audience) -> Recipients {
        match audience {
            Audience::Room(room) => self.rooms.get(&room).map(|there| there.to.clone()).unwrap_or_default(),
            Audience::Users(a, b) => {
                let of = |user: UserId| self.users.get(&user).map_or(&[][..], Vec::as_slice);
                let mut to = of(a).to_vec();
                if a != b {
                    to.extend_from_slice(of(b));
                }
                Arc::new(to)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_and_a_user_that_nobody_is_left_of_leave_nothing_behind() {
        let (room, other, user) = (ConversationId(1), ConversationId(2), UserId(7));
        let name: Name = "ops".parse().unwrap();
        let mut listeners = Listeners::default();
        for n in [3, 1, 2, 1] {
            listeners.hears(room, &name, ConnectionId(n));
            listeners.hears(other, &name, ConnectionId(n));
        }
        let before = listeners.of(Audience::Room(room));
        listeners.leaves(room, ConnectionId(2));
        assert_eq!(*before, [1, 2, 3].map(ConnectionId), "what was sealed goes to those who were there");
        assert_eq!(*listeners.of(Audience::Room(room)), [1, 3].map(ConnectionId));
        listeners.all_leave(room, [9, 3, 1].into_iter().map(ConnectionId));
        listeners.silence(other);
        listeners.connect(user, ConnectionId(1));
        listeners.connect(user, ConnectionId(2));
        assert_eq!(*listeners.of(Audience::Users(user, user)), [1, 2].map(ConnectionId), "each once");
        listeners.disconnect(user, ConnectionId(1));
        listeners.disconnect(user, ConnectionId(2));
        assert!(listeners.rooms.is_empty() && listeners.users.is_empty());
    }
}
