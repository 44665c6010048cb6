//! Owns the rooms that the configuration names (`rooms.default`, `http.rooms`): they are open from the start or the
//! reload on, whatever looks like them, and nobody's but the operator's. So no user can take such a name first, nor
//! one that looks like it. Called at the start and by a reload. Never decides who may enter them.

use super::{Chat, ConversationId, ConversationKind};
use std::fmt;
use tcp_chat_protocol::Name;

/// A configured room, and another room that looks like it: users opened that one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomTwin {
    /// The room that is configured.
    pub room: Name,
    /// The one that looks like it.
    pub twin: Name,
}

impl RoomTwin {
    /// The twins that configured rooms have among the rooms that are there.
    #[must_use]
    pub fn find(configured: &[Name], there: &[Name]) -> Vec<Self> {
        let there: Vec<_> = there.iter().cloned().map(Name::prepared).collect();
        let twins = |room: Name| {
            let alike = |other: &&Name| other.key() != room.key() && other.looks_like(&room);
            let twin = |twin: &Name| Self { room: room.clone(), twin: twin.clone() };
            there.iter().filter(alike).map(twin).collect::<Vec<_>>()
        };
        configured.iter().cloned().map(Name::prepared).flat_map(twins).collect()
    }
}

impl fmt::Display for RoomTwin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { room, twin } = self;
        write!(
            f,
            "the room {twin} looks like the configured room {room}, so users take one for the other: `tcp-chatd room \
             remove {twin}` removes it"
        )
    }
}

impl Chat {
    /// Is it one of the configured rooms?
    pub(super) fn is_configured(&self, name: &Name) -> bool {
        self.rules.configured_rooms().any(|room| room.key() == name.key())
    }

    /// Opens those that are not there yet. They count for nobody's quota and have no owner.
    pub(super) fn open_configured_rooms(&mut self) {
        let names: Vec<_> = self.rules.configured_rooms().cloned().collect();
        for name in names {
            if self.conversations.room(&name).is_none() {
                let room = self.conversations.open_configured(&name);
                self.turn.writes.conversations.push((room, ConversationKind::Room(name)));
            }
        }
    }

    /// The rooms of a login that names none.
    pub(super) fn default_rooms(&self) -> impl Iterator<Item = (ConversationId, &Name)> {
        self.rules.default_rooms.iter().filter_map(|name| Some((self.conversations.room(name)?, name)))
    }

    /// Rooms that look like a configured one.
    #[must_use]
    pub fn room_twins(&self) -> Vec<RoomTwin> {
        let alike = |room: &Name| {
            let twins = self.conversations.lookalikes(room);
            twins
                .into_iter()
                .map(|twin| RoomTwin { room: room.clone(), twin: twin.clone() })
                .collect::<Vec<_>>()
        };
        self.rules.configured_rooms().flat_map(alike).collect()
    }
}
