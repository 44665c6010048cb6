//! Owns what the hub looks for in the store before it puts a request into the turn: whether it was sent before. Called by
//! the turn. Never writes, and never decides: the chat does.

use super::Hub;
use crate::edge::Command;
use crate::log;
use tcp_chat_state::{ConnectionId, Past};
use tracing::error;

impl Hub {
    /// What the store has of a message that may have been sent before.
    pub(super) fn past(&mut self, connection: ConnectionId, command: &Command) -> Past {
        let Some((session, id)) = self.edge.asks_past(&mut self.chat, connection, command) else {
            return Past::Absent;
        };
        match self.store.find_sent(session, &id) {
            Ok(Some((conversation, seq))) => Past::Kept(conversation, seq),
            Ok(None) => Past::Absent,
            Err(why) => {
                if log::has_room() {
                    error!(
                        event = "store_unreadable",
                        error = why.to_string(),
                        "store failed: it could not be read"
                    );
                }
                Past::Unknown
            }
        }
    }
}
