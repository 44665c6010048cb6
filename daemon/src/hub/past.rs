//! Owns the search of the store for an earlier message, before a request enters the turn. Called by the turn. Never
//! writes, and never decides: the state does.

use super::Hub;
use crate::edge::Command;
use crate::log;
use tcp_chat_state::{ConnectionId, Past};
use tracing::error;

impl Hub {
    /// The store's answer about a message that may be a resend.
    pub(super) fn past(&mut self, connection: ConnectionId, command: &Command) -> Past {
        let Some((session, id)) = self.edge.asks_past(&mut self.state, connection, command) else {
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
