//! Owns retention: a number below which all messages are removed, and what is removed with them. Called by the hub in a
//! turn, with the number that the store has proposed. Never removes a message: the store does, when it has time.

use crate::State;
use tcp_chat_protocol::Seq;

impl State {
    /// Retention takes all messages below `oldest`; what is taken already stays taken. Conversations of which nothing is left
    /// go, or rooms would be taken for good, and who stays long would be left with the direct messages of everybody who
    /// ever came by. Certificates and removed users that are too old go, too: the hub proposes 0 once a day for them.
    pub(crate) fn retain(&mut self, oldest: Seq) {
        self.seal();
        if oldest > self.oldest {
            self.oldest = oldest;
            self.turn.writes.oldest = Some(oldest);
            for id in self.conversations.take_emptied(oldest) {
                self.drop_if_empty(id);
            }
        }
        self.sweep_expired();
    }

    /// Below this number retention has taken all messages. The store removes them when it has time.
    #[must_use]
    pub fn oldest(&self) -> Seq {
        self.oldest
    }
}
