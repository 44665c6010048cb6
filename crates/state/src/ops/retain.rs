//! Owns retention: a number below which all messages are removed, and the entries that are removed with them. Called
//! by [`State::apply`], with the number that a store has proposed. Never removes a message: the store does, when it
//! has time.

use crate::State;
use tcp_chat_protocol::Seq;

impl State {
    /// Removes all messages below `oldest`; the number never decreases. Empty conversations are removed, too.
    /// Otherwise rooms would be taken for ever, and a long session would keep the direct messages of every user that
    /// it ever met. Old certificates and removed users are forgotten as well: the hub proposes 0 once a day for them.
    pub(crate) fn retain(&mut self, oldest: Seq) {
        self.seal();
        // Messages that do not exist yet are not removed, whatever a proposer has written.
        let oldest = oldest.min(self.head + 1);
        if oldest > self.oldest {
            self.oldest = oldest;
            self.turn.writes.oldest = Some(oldest);
            for id in self.conversations.take_emptied(oldest) {
                self.drop_if_empty(id);
            }
        }
        self.sweep_expired();
    }
}
