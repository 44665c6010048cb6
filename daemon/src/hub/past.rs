//! Owns the search of the store for an earlier message, before a request enters the turn: a resend, or a message to
//! redact. Called by the turn. Never writes, and never decides: the state does.

use super::Hub;
use crate::edge::Command;
use crate::log;
use crate::store::StoreError;
use tcp_chat_protocol::Action;
use tcp_chat_state::{ConnectionId, Past, Sought, State};
use tracing::error;

impl Hub {
    /// The store's answer about the message of a command.
    pub(super) fn past(&mut self, connection: ConnectionId, command: &Command) -> Past {
        match self.edge.asks_past(&self.state, connection, command) {
            Some(sought) => self.look_for(sought),
            None => Past::Absent,
        }
    }

    /// The same of an operator's action.
    pub(super) fn past_of_action(&mut self, action: &Action) -> Past {
        State::redacts(action).map_or(Past::Absent, |seq| self.look_for(Sought::Message(seq)))
    }

    fn look_for(&mut self, sought: Sought) -> Past {
        let found = match sought {
            Sought::Sent(session, id) => {
                let found = self.store.find_sent(session, &id);
                found.map(|found| found.map(|(conversation, seq)| Past::Kept(conversation, seq)))
            }
            Sought::Message(seq) => self.store.find_message(seq).map(|found| found.map(Past::Message)),
        };
        found.map_or_else(|why| unknown(&why), |found| found.unwrap_or(Past::Absent))
    }
}

fn unknown(why: &StoreError) -> Past {
    if log::has_room() {
        error!(event = "store_unreadable", error = why.to_string(), "store failed: it could not be read");
    }
    Past::Unknown
}
