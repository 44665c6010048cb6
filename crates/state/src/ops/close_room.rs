//! Owns the end of rooms and of direct messages that no user can read. Called by the sweeps, and by every op that
//! takes a member or a message from a conversation. Never removes a message: the store does, when it has time.

use crate::{Change, ConversationId, ConversationKind, State, UserId};

impl State {
    /// Removes a conversation if it is empty.
    pub(crate) fn drop_if_empty(&mut self, id: ConversationId) {
        if self.is_empty(id) {
            self.remove_conversation(id);
        }
    }

    /// Is it a room with neither members nor messages, or are these direct messages that no user can read any longer?
    /// Not empty are the configured rooms, rooms with grants or a private flag, and the direct messages of two
    /// registered users.
    pub(crate) fn is_empty(&self, id: ConversationId) -> bool {
        let Some(conversation) = self.conversations.get(id) else { return false };
        // Retention removes the oldest messages first: while the newest exists, the conversation has messages.
        let has_messages = conversation.head > 0 && conversation.head >= self.oldest;
        match &conversation.kind {
            ConversationKind::Room(name) => {
                // The most expensive check comes last.
                let stays = has_messages || !conversation.members.is_empty() || self.permissions.holds(id);
                !(stays || self.is_configured(name))
            }
            ConversationKind::Direct(a, b) => {
                let is_here = |user: &UserId| !self.sessions.of(*user).is_empty();
                let is_known = |user: &UserId| self.users.get(*user).is_some();
                // If one of the two users has ended, the other one may still have messages to read.
                let stays = if has_messages { is_here(a) || is_here(b) } else { is_here(a) && is_here(b) };
                !(stays || (is_known(a) && is_known(b)))
            }
        }
    }

    /// The conversation is removed with its permissions; the store removes its messages in slices.
    pub(crate) fn remove_conversation(&mut self, id: ConversationId) {
        if self.conversations.get(id).is_none() {
            return;
        }
        self.conversations.remove(id);
        self.report(Change::Gone(id));
        self.openers.remove(id);
        self.permissions.forget(id);
        self.turn.writes.gone.push(id);
    }
}
