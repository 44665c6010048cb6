//! Owns who is in a room, and which of those are to be taken out of it. Called by the ops. Never decides who that is.

use crate::{SessionId, UserId};
use std::collections::BTreeSet;
use std::ops::Bound;

/// The sessions in a room, by user: a user with several counts once.
#[derive(Debug, Default)]
pub(crate) struct Members {
    all: BTreeSet<(UserId, SessionId)>,
    users: usize,
    /// Those that have lost the right to be there, and have not been taken out yet. Having the right again does
    /// not help: they have not heard what was said meanwhile.
    lost: BTreeSet<SessionId>,
    /// The room is being removed: all are to be taken out.
    is_over: bool,
}

impl Members {
    pub(crate) fn insert(&mut self, user: UserId, session: SessionId) {
        let is_new = self.of(user).next().is_none();
        self.all.insert((user, session));
        self.users += usize::from(is_new);
    }

    pub(crate) fn remove(&mut self, user: UserId, session: SessionId) {
        let was_there = self.all.remove(&(user, session));
        self.lost.remove(&session);
        if was_there && self.of(user).next().is_none() {
            self.users -= 1;
        }
    }

    pub(crate) fn contains(&self, user: UserId, session: SessionId) -> bool {
        self.all.contains(&(user, session))
    }

    /// A session that is in the room is to be taken out. False: that was known.
    pub(crate) fn mark_lost(&mut self, session: SessionId) -> bool {
        self.lost.insert(session)
    }

    /// The same for all of them.
    pub(super) fn lose_all(&mut self) {
        self.is_over = true;
    }

    /// The session need not be taken out: it has ended.
    pub(crate) fn forgive(&mut self, session: SessionId) {
        self.lost.remove(&session);
    }

    /// Is a session that is in the room to be taken out?
    pub(crate) fn is_lost(&self, session: SessionId) -> bool {
        self.is_over || self.lost.contains(&session)
    }

    /// Has this session lost the right to be there, whatever becomes of the room?
    pub(crate) fn has_lost(&self, session: SessionId) -> bool {
        self.lost.contains(&session)
    }

    /// The first of those.
    pub(crate) fn first_lost(&self) -> Option<SessionId> {
        self.lost.first().copied()
    }

    /// All of those, in order.
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

    /// The session that comes after that one, with its user.
    pub(crate) fn after(&self, after: (UserId, SessionId)) -> Option<(UserId, SessionId)> {
        self.all.range((Bound::Excluded(after), Bound::Unbounded)).next().copied()
    }

    /// How many users there are.
    pub(crate) fn len(&self) -> usize {
        self.users
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
