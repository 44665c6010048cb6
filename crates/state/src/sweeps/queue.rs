//! Owns the queue of slow work as plain data: the work, its order, and the part of it that the store has. The sweeps
//! do it, one step at a time; the store keeps the unfinished rest. Never does any of the work.

use crate::{ConversationId, Origin, PermissionPlace, SessionId, User, UserId};
use serde::Serialize;
use std::collections::VecDeque;
use std::ops::Range;
use tcp_chat_protocol::{Colour, Name, Seq};

/// Slow work with its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Sweep {
    /// The direct messages of an ended user, after that one.
    Directs(UserId, Option<(Seq, ConversationId)>),
    /// Unregistered users while only registered ones may be here, after that one.
    Strangers(UserId),
    /// Members of that room that have lost the right to be there.
    Lost(ConversationId),
    /// Members of a room that is removed, after that one. The room is removed with the last one.
    Room(ConversationId, (UserId, SessionId)),
    /// Sessions that came from a range of addresses that is banned.
    BannedRange {
        /// The remaining sessions.
        sessions: VecDeque<SessionId>,
        /// The moderator or operator, as the sessions are told.
        who: Box<str>,
        /// The reason; may be empty.
        reason: Box<str>,
    },
    /// Mutes and bans that have ended by themselves.
    EndedPenalties,
    /// Certificates and removed users that are too old.
    OldCertificates,
    /// The grants of a removed user. The user is gone in memory at once, and in the store with the last grant: so a
    /// later user of that name never has these grants, not even after a crash.
    Grants(UserId, Name),
    /// Grants, mutes and bans that an erased user has made get the new name as their author.
    Authored {
        /// The number in the new name.
        erased: i64,
        /// The old name.
        name: Name,
        /// After that one; `None`: none was visited yet.
        after: Option<PermissionPlace>,
    },
    /// Empty conversations, after that one.
    Empty(ConversationId),
}

impl Sweep {
    pub(crate) fn directs_of(user: UserId) -> Self {
        Self::Directs(user, None)
    }

    pub(crate) fn room(room: ConversationId) -> Self {
        Self::Room(room, (UserId(i64::MIN), SessionId(i64::MIN)))
    }
}

/// A session that has ended and is still in rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndedSession {
    /// The session.
    pub session: SessionId,
    /// Its user.
    pub user: UserId,
    /// The name as it was typed.
    pub name: Name,
    /// The name's colour.
    pub color: Colour,
    /// Its connection at its end, unless that node has restarted since. The session is seen as before.
    pub origin: Option<Origin>,
    /// The rooms that it has not left, in the order in which it leaves them.
    pub rooms: Vec<ConversationId>,
}

/// A change of an ended session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum EndedSessionChange {
    /// It is still in these rooms.
    Put(EndedSession),
    /// It has left all of them.
    Gone(SessionId),
}

impl EndedSessionChange {
    /// How many rooms it lists.
    pub(crate) fn rooms(&self) -> usize {
        match self {
            Self::Put(leaving) => leaving.rooms.len(),
            Self::Gone(_) => 0,
        }
    }
}

/// The change of the slow work in a turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WorkChange {
    /// All work below this number is done, or has a new number now.
    pub below: Option<u64>,
    /// Work that the store does not have yet, in order, each with its number.
    pub added: Vec<(u64, Sweep)>,
}

impl WorkChange {
    /// Is there nothing to write?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.below.is_none() && self.added.is_empty()
    }

    /// Adds the change of a later turn.
    pub(crate) fn append(&mut self, later: Self) {
        let Self { below, added } = later;
        if let Some(below) = below {
            self.added.retain(|(number, _)| *number >= below);
        }
        self.below = self.below.max(below);
        self.added.extend(added);
    }
}

/// The unfinished work, the oldest first. Work that was visited and has more to do goes to the end with a new number.
/// So the numbers of the queue have no gap, and the store needs only a bound and a list for each turn.
#[derive(Debug, Default)]
pub(crate) struct Sweeps {
    queue: VecDeque<Sweep>,
    /// The number of the first one.
    first: u64,
    /// The numbers that the store has.
    kept: Range<u64>,
}

impl Sweeps {
    /// The queue of a snapshot.
    pub(crate) fn restore(work: Vec<(u64, Sweep)>) -> Self {
        let first = work.first().map_or(0, |(n, _)| *n);
        let queue: VecDeque<_> = work.into_iter().map(|(_, sweep)| sweep).collect();
        Self { kept: first..first + queue.len() as u64, queue, first }
    }

    /// The queue for the store.
    pub(crate) fn stored(&self) -> Vec<(u64, Sweep)> {
        (self.first..).zip(self.queue.iter().cloned()).collect()
    }

    /// The numbers of the queue.
    fn now(&self) -> Range<u64> {
        self.first..self.first + self.queue.len() as u64
    }

    pub(crate) fn has_changed(&self) -> bool {
        self.kept != self.now()
    }

    /// The changes since the last call. The numbers begin again after the last work: a restored queue does not know
    /// how far they had come, and all nodes write the same.
    pub(crate) fn take_change(&mut self) -> WorkChange {
        let now = self.now();
        let is_done = !self.kept.is_empty() && self.kept.start < now.start;
        let from = self.kept.end.max(now.start);
        let new = usize::try_from(from - now.start).unwrap_or(usize::MAX);
        let added = (from..).zip(self.queue.iter().skip(new).cloned()).collect();
        let below = is_done.then_some(self.first);
        if self.queue.is_empty() {
            self.first = 0;
        }
        self.kept = self.now();
        WorkChange { below, added }
    }

    pub(crate) fn push(&mut self, sweep: Sweep) {
        self.queue.push_back(sweep);
    }

    pub(crate) fn pop(&mut self) -> Option<Sweep> {
        let sweep = self.queue.pop_front()?;
        self.first += 1;
        Some(sweep)
    }

    /// Removes the sweeps that are meant. The others get new numbers then, so that the queue has no gap.
    pub(crate) fn remove(&mut self, is_meant: impl Fn(&Sweep) -> bool) {
        if self.queue.iter().any(&is_meant) {
            self.first += self.queue.len() as u64;
            self.queue.retain(|sweep| !is_meant(sweep));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Sweep> {
        self.queue.iter()
    }

    /// The removed users with remaining grants, as the store has them.
    pub(crate) fn removed_users(&self) -> impl Iterator<Item = User> {
        self.queue.iter().filter_map(|sweep| match sweep {
            Sweep::Grants(user, name) => Some(User::removed(*user, name.clone())),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_gets_the_work_that_a_turn_leaves() {
        let lost = |n| Sweep::Lost(ConversationId(n));
        let mut sweeps = Sweeps::default();
        assert!(sweeps.take_change().is_empty());
        // Work that a turn begins and ends is not written.
        sweeps.push(lost(1));
        sweeps.pop();
        assert!(sweeps.take_change().is_empty());
        sweeps.push(lost(2));
        sweeps.push(lost(3));
        assert_eq!(sweeps.take_change(), WorkChange { below: None, added: vec![(0, lost(2)), (1, lost(3))] });
        assert!(sweeps.take_change().is_empty());
        let again = Sweeps::restore(sweeps.stored());
        assert_eq!(again.stored(), sweeps.stored());
        for mut sweeps in [sweeps, again] {
            let first = sweeps.pop().unwrap();
            sweeps.push(first);
            assert_eq!(sweeps.take_change(), WorkChange { below: Some(1), added: vec![(2, lost(2))] });
            sweeps.pop();
            sweeps.pop();
            assert_eq!(sweeps.take_change(), WorkChange { below: Some(3), added: vec![] });
            assert!(sweeps.take_change().is_empty() && sweeps.stored().is_empty());
            [lost(5), lost(6), lost(7)].into_iter().for_each(|sweep| sweeps.push(sweep));
            assert_eq!(sweeps.take_change().added.len(), 3);
            sweeps.remove(|sweep| *sweep == lost(6));
            assert_eq!(
                sweeps.take_change(),
                WorkChange { below: Some(3), added: vec![(3, lost(5)), (4, lost(7))] }
            );
            sweeps.remove(|sweep| *sweep == lost(6));
            assert!(sweeps.take_change().is_empty());
        }
    }
}
