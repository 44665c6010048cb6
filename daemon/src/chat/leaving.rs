//! Owns the sessions that have ended and are still noted in rooms. A session ends at once: its name is free, its token
//! is worth nothing, its connection is closed and the store knows of it. Only its rooms are left one after the other,
//! a slice in each turn, since it may be in a thousand. Called by entry, presence and the sweeps. Never keeps a
//! session from ending: what is left here is lost with the process, and a restart has nothing to do for it.

use super::presence::Face;
use super::sessions::Session;
use super::sweeps::Sweep;
use super::{Chat, ConversationId, IdMap, SessionId, UserId};
use std::collections::{BTreeSet, HashMap};
use std::vec::IntoIter;
use tcp_chat_protocol::reply::MemberState;
use tcp_chat_protocol::{Name, NameKey};

/// Rooms that sessions leave in the same step in which they end or lose the right to be there, all of one turn together.
pub(super) const LEFT_AT_ONCE: usize = 32;

/// A session that has ended.
#[derive(Debug)]
struct Ended {
    user: UserId,
    key: NameKey,
    face: Face,
    /// Those that it is still noted in.
    rooms: IntoIter<ConversationId>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    all: IdMap<SessionId, Ended>,
    by_name: HashMap<NameKey, BTreeSet<SessionId>>,
}

impl Leaving {
    /// How the session was seen last, in the rooms that it has not left.
    pub(super) fn state(&self, session: SessionId) -> Option<MemberState> {
        self.all.get(&session).map(|ended| ended.face.state())
    }

    /// The sessions, in the order of their ids.
    pub(super) fn sessions(&self) -> impl Iterator<Item = i64> {
        let ids: BTreeSet<_> = self.all.keys().map(|id| id.0).collect();
        ids.into_iter()
    }

    /// A session of that name that has ended, of another user than this one.
    fn of_another(&self, name: &Name, user: Option<UserId>) -> Option<SessionId> {
        if self.all.is_empty() {
            return None;
        }
        let is_another = |id: &&SessionId| self.all.get(*id).is_some_and(|ended| Some(ended.user) != user);
        self.by_name.get(&name.key())?.iter().find(is_another).copied()
    }

    fn add(&mut self, id: SessionId, ended: Ended) {
        self.by_name.entry(ended.key.clone()).or_default().insert(id);
        self.all.insert(id, ended);
    }

    fn remove(&mut self, id: SessionId) {
        let Some(ended) = self.all.remove(&id) else { return };
        if let Some(ids) = self.by_name.get_mut(&ended.key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_name.remove(&ended.key);
            }
        }
    }
}

impl Chat {
    /// A session that has just ended leaves its rooms: some at once, the rest in slices.
    pub(super) fn leaves_rooms(&mut self, session: Session, face: Face) {
        let rooms: Vec<_> = session.rooms.iter().map(|(room, _)| *room).collect();
        let (id, user, key) = (session.row.id, session.row.user, session.key);
        self.leaving.add(id, Ended { user, key, face, rooms: rooms.into_iter() });
        while self.turn.left < self.slice.rooms {
            self.turn.left += 1;
            if !self.leave_next(id) {
                return;
            }
        }
        self.sweep_later(Sweep::Leaving(id));
    }

    /// A session that has ended leaves one more of its rooms. True: there may be more.
    pub(super) fn leave_next(&mut self, session: SessionId) -> bool {
        let Some(ended) = self.leaving.all.get_mut(&session) else { return false };
        let Some(room) = ended.rooms.next() else {
            self.leaving.remove(session);
            return false;
        };
        let (user, face) = (ended.user, ended.face.clone());
        let before = self.seen(user, &[room]);
        if let Some(conversation) = self.conversations.get_mut(room) {
            conversation.members.remove(user, session);
            if let Some(connection) = face.connection() {
                conversation.depart(connection);
            }
        }
        self.announce(before, Some(face));
        self.drop_if_empty(room);
        true
    }

    /// Somebody begins a session under this name: of another user who had it before it is told first that it has
    /// left. That is a session with many rooms whose end was a moment ago.
    pub(super) fn leaves_before(&mut self, name: &Name, user: Option<UserId>) {
        while let Some(session) = self.leaving.of_another(name, user) {
            while self.leave_next(session) {}
        }
    }
}

#[cfg(test)]
impl Chat {
    /// Is nothing left of what is done in slices?
    pub(super) fn is_at_rest(&self) -> bool {
        self.leaving.all.is_empty()
            && self.leaving.by_name.is_empty()
            && self.untold.is_empty()
            && !self.is_sweeping()
    }
}
