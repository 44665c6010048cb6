//! Owns the members of a room, and which of them must be evicted. Changed by the conversations, read by the ops. Never
//! decides who that is.

use crate::{SessionId, UserId};
use std::collections::BTreeSet;
use std::ops::Bound;

/// The sessions in a room, by user: a user with several counts once.
#[derive(Debug, Default)]
pub(crate) struct Members {
    all: BTreeSet<(UserId, SessionId)>,
    users: usize,
    /// The sessions that have lost the right to be in the room, and are not evicted yet. A right that comes back does
    /// not help: they have not received the messages meanwhile.
    lost: BTreeSet<SessionId>,
    /// The room is being removed: all members must be evicted.
    is_over: bool,
}

impl Members {
    pub(super) fn insert(&mut self, user: UserId, session: SessionId) {
        let is_new = self.of(user).next().is_none();
        self.all.insert((user, session));
        self.users += usize::from(is_new);
    }

    pub(super) fn remove(&mut self, user: UserId, session: SessionId) {
        let was_there = self.all.remove(&(user, session));
        self.lost.remove(&session);
        if was_there && self.of(user).next().is_none() {
            self.users -= 1;
        }
    }

    pub(crate) fn contains(&self, user: UserId, session: SessionId) -> bool {
        self.all.contains(&(user, session))
    }

    /// Marks a session in the room for eviction. False: it was marked already.
    pub(super) fn mark_lost(&mut self, session: SessionId) -> bool {
        self.lost.insert(session)
    }

    /// Marks all sessions in the room.
    pub(super) fn lose_all(&mut self) {
        self.is_over = true;
    }

    /// Removes the mark of a session that has ended.
    pub(super) fn unmark_lost(&mut self, session: SessionId) {
        self.lost.remove(&session);
    }

    /// Must the session in the room be evicted?
    pub(crate) fn is_lost(&self, session: SessionId) -> bool {
        self.is_over || self.lost.contains(&session)
    }

    /// Has this session lost the right to be in the room, independent of the room's removal?
    pub(crate) fn has_lost(&self, session: SessionId) -> bool {
        self.lost.contains(&session)
    }

    /// The first session to evict.
    pub(crate) fn first_lost(&self) -> Option<SessionId> {
        self.lost.first().copied()
    }

    /// All sessions to evict, in order.
    pub(crate) fn lost(&self) -> impl Iterator<Item = SessionId> {
        self.lost.iter().copied()
    }

    /// The user's sessions in the room.
    pub(crate) fn of(&self, user: UserId) -> impl Iterator<Item = SessionId> + Clone {
        let (first, last) = ((user, SessionId(i64::MIN)), (user, SessionId(i64::MAX)));
        self.all.range(first..=last).map(|(_, session)| *session)
    }

    /// The sessions, those of one user next to each other, in the order of the users' ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (UserId, SessionId)> {
        self.all.iter().copied()
    }

    /// Every session in the room, by user.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.all.iter().map(|(_, session)| *session)
    }

    /// The next session in order, with its user.
    pub(crate) fn after(&self, after: (UserId, SessionId)) -> Option<(UserId, SessionId)> {
        self.all.range((Bound::Excluded(after), Bound::Unbounded)).next().copied()
    }

    /// The number of users.
    pub(crate) fn len(&self) -> usize {
        self.users
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
