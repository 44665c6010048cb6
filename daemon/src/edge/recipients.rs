//! Owns which connections of this node are in which room, and the connections of each user. The state's changes update
//! it in their order, so it is right at the place of each change. Called by the edge alone. Never asks the state.

use super::Recipients;
use std::collections::HashSet;
use std::sync::Arc;
use tcp_chat_protocol::Name;
use tcp_chat_state::{Audience, ConnectionId, ConversationId, IdMap, UserId};

/// The connections in a room.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: Name,
    /// Shared with the effects of the turn: a chunk is delivered to the connections that were in the room when it was
    /// sealed.
    pub(super) to: Recipients,
}

/// The recipients of all rooms and users.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    /// The rooms with at least one connection.
    rooms: IdMap<ConversationId, Room>,
    /// The connections of each user, for direct messages.
    users: IdMap<UserId, Vec<ConnectionId>>,
}

impl Listeners {
    /// The user has one more connection.
    pub(super) fn connect(&mut self, user: UserId, connection: ConnectionId) {
        self.users.entry(user).or_default().push(connection);
    }

    /// The user has that connection no longer.
    pub(super) fn disconnect(&mut self, user: UserId, connection: ConnectionId) {
        let Some(connections) = self.users.get_mut(&user) else { return };
        connections.retain(|other| *other != connection);
        if connections.is_empty() {
            self.users.remove(&user);
        }
    }

    /// The connection gets the messages of the room from now on.
    pub(super) fn hears(&mut self, room: ConversationId, name: &Name, connection: ConnectionId) {
        let new = || Room { name: name.clone(), to: Recipients::default() };
        let there = &mut self.rooms.entry(room).or_insert_with(new).to;
        if let Err(at) = there.binary_search(&connection) {
            Arc::make_mut(there).insert(at, connection);
        }
    }

    /// The connection gets the messages of the room no longer.
    pub(super) fn leaves(&mut self, room: ConversationId, connection: ConnectionId) {
        let Some(Room { to: there, .. }) = self.rooms.get_mut(&room) else { return };
        if let Ok(at) = there.binary_search(&connection) {
            Arc::make_mut(there).remove(at);
        }
        self.forget_if_empty(room);
    }

    /// The same for many connections, without those of other nodes.
    pub(super) fn all_leave(&mut self, room: ConversationId, gone: impl Iterator<Item = ConnectionId>) {
        let Some(Room { to: there, .. }) = self.rooms.get_mut(&room) else { return };
        let gone: HashSet<_> = gone.collect();
        Arc::make_mut(there).retain(|connection| !gone.contains(connection));
        self.forget_if_empty(room);
    }

    /// No connection is in the room any longer.
    pub(super) fn silence(&mut self, room: ConversationId) {
        self.rooms.remove(&room);
    }

    fn forget_if_empty(&mut self, room: ConversationId) {
        if self.rooms.get(&room).is_some_and(|there| there.to.is_empty()) {
            self.rooms.remove(&room);
        }
    }

    /// The connections in the room; `None`: there are none.
    pub(super) fn of_room(&self, room: ConversationId) -> Option<&Room> {
        self.rooms.get(&room)
    }

    /// The connections of a conversation's audience.
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
    fn an_empty_room_and_a_user_without_connections_leave_no_entry() {
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
