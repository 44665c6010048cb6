//! Owns who is in a room, and which of those are to be taken out of it. Called by the chat only. Never decides who.

use crate::chat::{SessionId, UserId};
use std::collections::BTreeSet;

/// The sessions in a room, by user: a user with several counts once.
#[derive(Debug, Default)]
pub(in crate::chat) struct Members {
    all: BTreeSet<(UserId, SessionId)>,
    users: usize,
    /// Those that have lost the right to be there, and have not been taken out yet. Having the right again does
    /// not help: they have not heard what was said meanwhile.
    lost: BTreeSet<SessionId>,
}

impl Members {
    pub(in crate::chat) fn insert(&mut self, user: UserId, session: SessionId) {
        let is_new = self.of(user).next().is_none();
        self.all.insert((user, session));
        self.users += usize::from(is_new);
    }

    pub(in crate::chat) fn remove(&mut self, user: UserId, session: SessionId) {
        let was_there = self.all.remove(&(user, session));
        self.lost.remove(&session);
        if was_there && self.of(user).next().is_none() {
            self.users -= 1;
        }
    }

    pub(in crate::chat) fn contains(&self, user: UserId, session: SessionId) -> bool {
        self.all.contains(&(user, session))
    }

    /// A session that is in the room is to be taken out.
    pub(in crate::chat) fn lose(&mut self, session: SessionId) {
        self.lost.insert(session);
    }

    /// The same for all of them.
    pub(super) fn lose_all(&mut self) {
        self.lost = self.sessions().collect();
    }

    /// Is the session to be taken out?
    pub(in crate::chat) fn is_lost(&self, session: SessionId) -> bool {
        self.lost.contains(&session)
    }

    /// All of those, in order.
    pub(in crate::chat) fn lost(&self) -> impl Iterator<Item = SessionId> {
        self.lost.iter().copied()
    }

    /// The user's sessions in the room.
    pub(in crate::chat) fn of(&self, user: UserId) -> impl Iterator<Item = SessionId> + Clone {
        let (first, last) = ((user, SessionId(i64::MIN)), (user, SessionId(i64::MAX)));
        self.all.range(first..=last).map(|(_, session)| *session)
    }

    /// The sessions, those of one user next to each other, in the order of the users' ids.
    pub(in crate::chat) fn iter(&self) -> impl Iterator<Item = (UserId, SessionId)> {
        self.all.iter().copied()
    }

    /// Every session in the room, by user.
    pub(in crate::chat) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.all.iter().map(|(_, session)| *session)
    }

    /// How many users there are.
    pub(in crate::chat) fn len(&self) -> usize {
        self.users
    }

    pub(in crate::chat) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
