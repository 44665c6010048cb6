//! Owns what concerns the server as a whole: what everyone is told, how much there is, other settings. Called by the
//! hub for the daemon and for operators. Never asks who may.

use super::{Chat, Closing, Effect, Rules};
use std::sync::Arc;
use tcp_chat_protocol::event::{NoticeEvent, notice};
use tcp_chat_protocol::{NoticeKind, Seq};

/// What there is, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Open connections, logged in or not.
    pub connections: usize,
    /// Sessions, connected or not.
    pub sessions: usize,
    /// Sessions without a connection.
    pub away: usize,
    /// Rooms.
    pub rooms: usize,
    /// Registered users.
    pub users: usize,
    /// The newest number.
    pub head: Seq,
}

impl Chat {
    /// Tells everyone that the daemon is going, and closes all connections. Sessions stay.
    /// Clients are told to come back at different moments.
    pub fn shutdown(&mut self) {
        /// The first may come back after this, in milliseconds.
        const FIRST_MS: u64 = 250;
        /// One more each so many milliseconds: 500 handshakes a second.
        const STEP_MS: u64 = 2;
        self.seal();
        let latest = (self.rules.ttl_ms / 2).max(FIRST_MS);
        let mut open: Vec<_> =
            self.connections.iter().filter(|(_, c)| !c.closing).map(|(id, _)| *id).collect();
        open.sort_unstable();
        for (at, connection) in (0u64..).zip(open) {
            let mut going =
                NoticeEvent::new(NoticeKind::Shutdown, "the server is going down; your session is kept");
            going.retry_after_ms = Some((FIRST_MS + at * STEP_MS).min(latest));
            self.line(connection, notice(&going));
            self.close(connection, Closing::Shutdown);
        }
    }

    /// Says something to everyone who is connected.
    pub fn say_to_all(&mut self, msg: &str) {
        self.seal();
        let line: Arc<[u8]> = notice(&NoticeEvent::new(NoticeKind::Operator, msg)).into();
        let to = self.connections.iter().filter(|(_, c)| c.session.is_some()).map(|(id, _)| *id).collect();
        self.turn.effects.push(Effect::Event { to: Arc::new(to), except: None, line });
    }

    /// What there is.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.len(),
            sessions: self.sessions.len(),
            away: self.sessions.away(),
            rooms: self.conversations.room_count(),
            users: self.users.len(),
            head: self.head,
        }
    }

    /// Goes by other settings from now on.
    pub fn set_rules(&mut self, rules: Rules) {
        // What was said before went to the room that was the default one then.
        self.seal();
        let before = std::mem::replace(&mut self.rules, rules);
        self.open_configured_rooms();
        self.note_default_room();
        // Other settings let only rooms go that were configured.
        for name in before.configured_rooms() {
            if let Some(room) = self.conversations.room(name) {
                self.drop_if_empty(room);
            }
        }
        self.strangers_leave();
    }
}
