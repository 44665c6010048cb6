//! Owns the search of the store for an earlier message, before a request enters the turn: a resend, or a message to
//! redact. Called by the turn. Never writes, and never decides: the state does.

use super::Hub;
use crate::edge::Command;
use crate::log;
use crate::store::{FoundMessage, StoreError};
use std::collections::BTreeSet;
use tcp_chat_protocol::{Action, Seq};
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
            Sought::Message(seq) => {
                let found = self.store.find_message(seq);
                if let Ok(Some(found)) = &found {
                    self.rewrites.note(found);
                }
                found.map(|found| found.map(|found| Past::Message(found.message)))
            }
        };
        found.map_or_else(|why| unknown(&why), |found| found.unwrap_or(Past::Absent))
    }
}

/// The bytes of stored messages that the turn reads and writes again. They count like those of new messages.
#[derive(Debug, Default)]
pub(super) struct Rewrites {
    /// The chunks, by their first number: each is written once.
    chunks: BTreeSet<Seq>,
    /// The bytes that [`Rewrites::take_bytes`] has not returned yet.
    bytes: usize,
}

impl Rewrites {
    fn note(&mut self, found: &FoundMessage) {
        let written = if self.chunks.insert(found.chunk) { found.bytes } else { 0 };
        self.bytes = self.bytes.saturating_add(found.read).saturating_add(written);
    }

    /// The bytes since the last call.
    pub(super) fn take_bytes(&mut self) -> usize {
        std::mem::take(&mut self.bytes)
    }
}

fn unknown(why: &StoreError) -> Past {
    if log::has_room() {
        error!(event = "store_unreadable", error = why.to_string(), "store failed: it could not be read");
    }
    Past::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcp_chat_state::{ConversationId, StoredMessage};

    #[test]
    fn a_chunk_counts_once_in_a_turn_and_what_a_search_reads_each_time() {
        let message = StoredMessage {
            conversation: ConversationId(1),
            author: None,
            ts: 0,
            is_redacted: false,
            direct: None,
        };
        let found = |chunk, read| FoundMessage { message: message.clone(), chunk, bytes: 1_000, read };
        let mut rewrites = Rewrites::default();
        rewrites.note(&found(1, 0));
        rewrites.note(&found(1, 0));
        assert_eq!(rewrites.take_bytes(), 1_000);
        rewrites.note(&found(5, 1_000));
        rewrites.note(&found(5, 1_000));
        assert_eq!(rewrites.take_bytes(), 3_000);
        assert_eq!(rewrites.take_bytes(), 0);
    }
}
