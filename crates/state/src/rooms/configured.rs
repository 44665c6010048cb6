//! Owns the rooms that the configuration names (`rooms.default`, `http.rooms`). They exist from the start or the
//! reload on, also if another room looks like one of them. They belong to the operator: no user can open a room with
//! such a name or a look-alike. Called at the start and after a reload. Never decides who may join them.

use crate::{ConversationId, ConversationKind, State};
use std::fmt;
use tcp_chat_protocol::{Name, Seq};

/// The number of former default rooms that are remembered: an operator changes it seldom.
const DEFAULT_ROOMS: usize = 16;

/// A configured room, and another room that looks like it. Users have opened the other one before, or it is
/// configured, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomTwin {
    /// The configured room.
    pub room: Name,
    /// The other room, which looks like it.
    pub twin: Name,
    /// Is the other room configured, too? Then no command removes it.
    pub is_configured: bool,
}

impl RoomTwin {
    /// The look-alikes of configured rooms among the existing rooms.
    #[must_use]
    pub fn find(configured: &[Name], there: &[Name]) -> Vec<Self> {
        let there: Vec<_> = there.iter().cloned().map(Name::prepared).collect();
        let is_configured = |twin: &Name| configured.iter().any(|room| room.key() == twin.key());
        let twins = |room: Name| {
            let alike = |other: &&Name| other.key() != room.key() && other.looks_like(&room);
            let twin = |twin: &Name| Self {
                room: room.clone(),
                twin: twin.clone(),
                is_configured: is_configured(twin),
            };
            there.iter().filter(alike).map(twin).collect::<Vec<_>>()
        };
        configured.iter().cloned().map(Name::prepared).flat_map(twins).collect()
    }
}

impl fmt::Display for RoomTwin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { room, twin, is_configured } = self;
        write!(
            f,
            "the room {twin} looks like the configured room {room}, so users take one for the other: "
        )?;
        if *is_configured {
            f.write_str("both are in rooms.default or http.rooms; rename one there and reload")
        } else {
            write!(f, "`tcp-chatd room remove {twin}` removes it")
        }
    }
}

impl State {
    /// Is it one of the configured rooms?
    pub(crate) fn is_configured(&self, name: &Name) -> bool {
        self.rules.configured_rooms().any(|room| room.key() == name.key())
    }

    /// Opens the configured rooms that do not exist yet. They count for no quota and have no owner. A room that is
    /// being removed opens when its removal is complete.
    pub(crate) fn open_configured_rooms(&mut self) {
        let names: Vec<_> = self.rules.configured_rooms().cloned().collect();
        for name in names {
            if self.conversations.room(&name).is_none() && !self.conversations.is_removing(&name) {
                let room = self.conversations.open_configured(&name);
                self.turn.writes.conversations.push((room, ConversationKind::Room(name)));
            }
        }
    }

    /// Records the room of a `MSG` without a target from now on, if it changes.
    pub(crate) fn note_default_room(&mut self) {
        let room = self.rules.default_rooms.first().and_then(|name| self.conversations.room(name));
        let before = self.defaults.last().map(|(_, room)| *room);
        let Some(room) = room.filter(|room| before != Some(*room)) else { return };
        let after = if before.is_some() { self.head } else { 0 };
        self.defaults.retain(|(since, _)| *since < after);
        self.defaults.drain(..(self.defaults.len() + 1).saturating_sub(DEFAULT_ROOMS));
        self.defaults.push((after, room));
        self.turn.writes.default_rooms = Some(self.defaults.clone());
    }

    /// Did a `MSG` without a target go to that room when that number was the newest, or does it now?
    pub(crate) fn is_default_room(&self, room: ConversationId, seq: Seq) -> bool {
        let then = self.defaults.iter().rev().find(|(after, _)| *after < seq).map(|(_, room)| *room);
        let now = self.rules.default_rooms.first().and_then(|name| self.conversations.room(name));
        [then, now].contains(&Some(room))
    }

    /// The rooms of a login that names none.
    pub(crate) fn default_rooms(&self) -> impl Iterator<Item = (ConversationId, &Name)> {
        self.rules.default_rooms.iter().filter_map(|name| Some((self.conversations.room(name)?, name)))
    }

    /// The rooms that look like a configured one.
    #[must_use]
    pub fn room_twins(&self) -> Vec<RoomTwin> {
        let alike = |room: &Name| {
            let twins = self.conversations.lookalikes(room);
            twins
                .into_iter()
                .map(|twin| RoomTwin {
                    room: room.clone(),
                    twin: twin.clone(),
                    is_configured: self.is_configured(twin),
                })
                .collect::<Vec<_>>()
        };
        self.rules.configured_rooms().flat_map(alike).collect()
    }
}
