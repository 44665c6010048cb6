//! Owns what all connections of this node are told at once. Called by the hub for the daemon and for operators. Never
//! asks who may.

use super::Edge;
use crate::chat::{Chat, Closing, ConnectionId, Effect};
use std::sync::Arc;
use tcp_chat_protocol::NoticeKind;
use tcp_chat_protocol::event::{NoticeEvent, notice};

impl Edge {
    /// Tells everyone that the daemon is going, and closes all connections. Sessions stay.
    /// Clients are told to come back at different moments.
    pub fn shutdown(&mut self, chat: &mut Chat) {
        /// The first may come back after this, in milliseconds.
        const FIRST_MS: u64 = 250;
        /// One more each so many milliseconds: 500 handshakes a second.
        const STEP_MS: u64 = 2;
        self.sync(chat);
        self.seal(chat);
        let latest = (chat.rules().ttl_ms / 2).max(FIRST_MS);
        let mut open: Vec<_> =
            self.connections.iter().filter(|(_, c)| !c.closing).map(|(id, _)| *id).collect();
        open.sort_unstable();
        for (at, connection) in (0u64..).zip(open) {
            let mut going =
                NoticeEvent::new(NoticeKind::Shutdown, "the server is going down; your session is kept");
            going.retry_after_ms = Some((FIRST_MS + at * STEP_MS).min(latest));
            chat.push(Effect::Line(connection, notice(&going)));
            self.close(chat, connection, Closing::Shutdown);
        }
    }

    /// Says something to everyone who is connected.
    pub fn say_to_all(&mut self, chat: &mut Chat, msg: &str) {
        self.seal(chat);
        let line: Arc<[u8]> = notice(&NoticeEvent::new(NoticeKind::Operator, msg)).into();
        let is_logged_in = |connection: &ConnectionId| self.session_at(chat, *connection).is_some();
        let to = self.connections.keys().copied().filter(is_logged_in).collect();
        chat.push(Effect::Event { to: Arc::new(to), except: None, line });
    }
}
