//! Owns the read marks: up to which message each registered user has read each conversation. Called by MARK, and by LOGIN
//! and JOIN, which show them. A mark of a conversation that is gone may stay until it is in the way: ids are never used
//! again. Never knows which conversations there are.

use super::{ConversationId, IdMap, StoredMark, UserId};
use std::collections::BTreeMap;
use tcp_chat_protocol::Seq;

/// The marks that one user may have.
pub(super) const MOST_OF_USER: usize = 1_000;

/// The read marks of all users.
#[derive(Debug, Default)]
pub(super) struct Marks(IdMap<UserId, BTreeMap<ConversationId, Seq>>);

impl Marks {
    /// As the store had them.
    pub(super) fn restore(stored: Vec<StoredMark>) -> Self {
        let mut marks = Self::default();
        for StoredMark { user, conversation, seq } in stored {
            marks.put(user, conversation, seq);
        }
        marks
    }

    /// Up to which message the user has read the conversation. `None`: there is no mark.
    pub(super) fn get(&self, user: UserId, conversation: ConversationId) -> Option<Seq> {
        self.0.get(&user)?.get(&conversation).copied()
    }

    pub(super) fn put(&mut self, user: UserId, conversation: ConversationId, seq: Seq) {
        self.0.entry(user).or_default().insert(conversation, seq);
    }

    /// Removes one mark.
    pub(super) fn remove(&mut self, user: UserId, conversation: ConversationId) {
        if let Some(marks) = self.0.get_mut(&user) {
            marks.remove(&conversation);
            if marks.is_empty() {
                self.0.remove(&user);
            }
        }
    }

    /// Removes all marks of a user. True: there were some.
    pub(super) fn remove_user(&mut self, user: UserId) -> bool {
        self.0.remove(&user).is_some()
    }

    /// The marks of a user, by conversation.
    pub(super) fn of(&self, user: UserId) -> impl Iterator<Item = (ConversationId, Seq)> {
        self.0.get(&user).into_iter().flatten().map(|(conversation, seq)| (*conversation, *seq))
    }

    /// How many marks a user has.
    pub(super) fn count(&self, user: UserId) -> usize {
        self.0.get(&user).map_or(0, BTreeMap::len)
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = StoredMark> {
        let mut users: Vec<_> = self.0.iter().collect();
        users.sort_unstable_by_key(|(user, _)| **user);
        users.into_iter().flat_map(|(user, marks)| {
            let user = *user;
            marks.iter().map(move |(conversation, seq)| StoredMark {
                user,
                conversation: *conversation,
                seq: *seq,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_marks_takes_no_memory() {
        let (user, room) = (UserId(7), ConversationId(1));
        let mut marks = Marks::default();
        marks.put(user, room, 3);
        marks.put(user, room, 4);
        assert_eq!((marks.get(user, room), marks.count(user)), (Some(4), 1));
        marks.remove(user, room);
        assert!(marks.0.is_empty() && !marks.remove_user(user));
    }
}
