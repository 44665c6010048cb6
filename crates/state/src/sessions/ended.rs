//! Owns the sessions that have ended and are still noted in rooms. Such a session is over: its token is invalid, its
//! connection is closed and its name is free. It leaves its rooms a slice in each turn, since there may be a thousand.
//! Called by the ops, presence and the sweeps. The store has the rooms that a turn leaves over, so a restart
//! continues. Never delays the end of a session.

use crate::presence::Face;
use crate::rooms::Members;
use crate::sessions::Session;
use crate::sweeps::queue::{EndedSession, EndedSessionChange};
use crate::{Answer, ConversationId, IdMap, NodeId, SessionId, State, UserId, refusal};
use std::collections::{BTreeSet, HashMap};
use std::vec::IntoIter;
use tcp_chat_protocol::reply::MemberState;
use tcp_chat_protocol::{ErrorKind, Name, NameKey};

/// Rooms that sessions leave in the step of their end or their lost right, all sessions of one turn together.
pub(crate) const DEPARTURES_PER_TURN: usize = 32;

/// If ended sessions have more rooms than this to leave, counts of members include them: to find them would hold the
/// turn. That lasts only a moment.
const LEFT_OUT: usize = 4_096;

/// A session that has ended.
#[derive(Debug)]
struct Ended {
    user: UserId,
    key: NameKey,
    face: Face,
    /// The rooms that it is still noted in.
    rooms: IntoIter<ConversationId>,
    /// The store has it.
    is_kept: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct EndedSessions {
    all: IdMap<SessionId, Ended>,
    by_name: HashMap<NameKey, BTreeSet<SessionId>>,
    /// The order in which they leave: the session with the fewest rooms first, until it has left all. So few sessions
    /// change in one turn: the store writes the list of all other rooms of each session that does.
    order: BTreeSet<(usize, SessionId)>,
    /// The number of rooms that all of them have to leave.
    rooms: usize,
    /// The sessions that have changed for the store in this turn.
    changed: BTreeSet<SessionId>,
}

impl EndedSessions {
    /// The ended sessions of a snapshot.
    pub(crate) fn restore(stored: Vec<EndedSession>) -> Self {
        let mut restored = Self::default();
        for EndedSession { session, user, name, color, origin, rooms } in stored {
            let (key, rooms) = (name.key(), rooms.into_iter());
            let ended = Ended { user, key, face: Face::new(name, color, origin), rooms, is_kept: true };
            restored.add(session, ended);
        }
        restored
    }

    /// The ended sessions for the store, in the order of their ids.
    pub(crate) fn stored(&self) -> Vec<EndedSession> {
        let ids: BTreeSet<_> = self.all.keys().copied().collect();
        ids.into_iter().filter_map(|id| self.stored_one(id)).collect()
    }

    fn stored_one(&self, session: SessionId) -> Option<EndedSession> {
        let Ended { user, face, rooms, .. } = self.all.get(&session)?;
        let (name, color) = face.shown();
        let (name, rooms) = (name.clone(), rooms.as_slice().to_vec());
        Some(EndedSession { session, user: *user, name, color, origin: face.origin(), rooms })
    }

    /// The process of a node starts: the sessions that were connected to it are no longer seen as here.
    pub(crate) fn node_up(&mut self, node: NodeId) {
        let at_node = |face: &Face| face.origin().is_some_and(|origin| origin.node == node);
        for (id, ended) in self.all.iter_mut().filter(|(_, ended)| at_node(&ended.face)) {
            ended.face.mark_away();
            self.changed.insert(*id);
        }
    }

    /// Has one of them this name?
    pub(crate) fn has_name(&self, name: &Name) -> bool {
        self.by_name.contains_key(&name.key())
    }

    /// The session that leaves its next room.
    pub(crate) fn first(&self) -> Option<SessionId> {
        self.order.first().map(|(_, session)| *session)
    }

    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The changes since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<EndedSessionChange> {
        let mut changes = Vec::new();
        for id in std::mem::take(&mut self.changed) {
            changes.push(match self.stored_one(id) {
                Some(session) => EndedSessionChange::Put(session),
                None => EndedSessionChange::Gone(id),
            });
            self.all.get_mut(&id).into_iter().for_each(|ended| ended.is_kept = true);
        }
        changes
    }

    /// How the session was last seen, in the rooms that it has not left.
    pub(crate) fn state(&self, session: SessionId) -> Option<MemberState> {
        self.all.get(&session).map(|ended| ended.face.state())
    }

    /// The ended sessions of that name of other users, and the number of rooms that each has to leave.
    fn of_others(&self, name: &Name, user: Option<UserId>) -> impl Iterator<Item = (SessionId, usize)> {
        let named = if self.all.is_empty() { None } else { self.by_name.get(&name.key()) };
        let ended = named.into_iter().flatten().filter_map(|id| Some((*id, self.all.get(id)?)));
        ended.filter(move |(_, ended)| Some(ended.user) != user).map(|(id, ended)| (id, ended.rooms.len()))
    }

    /// The remaining memberships, with their users and sessions.
    pub(crate) fn memberships(&self) -> impl Iterator<Item = (ConversationId, UserId, SessionId)> {
        self.all
            .iter()
            .flat_map(|(id, ended)| ended.rooms.as_slice().iter().map(move |room| (*room, ended.user, *id)))
    }

    /// Are there few enough to leave ended members out of a count?
    fn is_counted(&self) -> bool {
        (1..=LEFT_OUT).contains(&self.rooms)
    }

    /// The session leaves one more room; `None`: there is none, and the session is forgotten.
    fn next_room(&mut self, id: SessionId) -> Option<(ConversationId, UserId, Face)> {
        let ended = self.all.get_mut(&id)?;
        let Some(room) = ended.rooms.next() else {
            self.remove(id);
            return None;
        };
        self.rooms -= 1;
        let left = ended.rooms.len();
        self.order.remove(&(left + 1, id));
        self.order.insert((left, id));
        if ended.is_kept {
            self.changed.insert(id);
        }
        Some((room, ended.user, ended.face.clone()))
    }

    fn add(&mut self, id: SessionId, ended: Ended) {
        self.rooms += ended.rooms.len();
        self.order.insert((ended.rooms.len(), id));
        self.by_name.entry(ended.key.clone()).or_default().insert(id);
        self.all.insert(id, ended);
    }

    fn remove(&mut self, id: SessionId) {
        let Some(ended) = self.all.remove(&id) else { return };
        self.rooms -= ended.rooms.len();
        self.order.remove(&(ended.rooms.len(), id));
        match ended.is_kept {
            true => self.changed.insert(id),
            false => self.changed.remove(&id),
        };
        if let Some(ids) = self.by_name.get_mut(&ended.key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_name.remove(&ended.key);
            }
        }
    }
}

impl State {
    /// A session that has just ended leaves its rooms: some at once, the rest in slices.
    pub(crate) fn start_leaving_rooms(&mut self, session: Session, face: Face) {
        let rooms: Vec<_> = session.rooms.iter().map(|(room, _)| *room).collect();
        let (id, user, key) = (session.row.id, session.row.user, session.key);
        self.ended_sessions.add(id, Ended { user, key, face, rooms: rooms.into_iter(), is_kept: false });
        while self.turn.may_depart(self.departures_per_turn) {
            if !self.leave_next(id) {
                return;
            }
        }
        self.ended_sessions.changed.insert(id);
    }

    /// A session that has ended leaves one more of its rooms. True: there may be more.
    pub(crate) fn leave_next(&mut self, session: SessionId) -> bool {
        let Some((room, user, face)) = self.ended_sessions.next_room(session) else { return false };
        let before = self.seen(user, &[room]);
        self.part_ended((user, session), room);
        self.stop_hearing(room, face.origin());
        self.announce(before, Some(face));
        self.drop_if_empty(room);
        true
    }

    /// A user begins a session under this name. If another user had it before, that user's ended session leaves its
    /// rooms first. That is a session with many rooms that ended a moment ago. If the rooms are more than a turn has
    /// time for, the name stays taken.
    pub(crate) fn leave_before_name_is_reused(&mut self, name: &Name, user: Option<UserId>) -> Answer {
        let others: Vec<_> = self.ended_sessions.of_others(name, user).collect();
        if others.iter().map(|(_, rooms)| rooms).sum::<usize>() > self.departures_per_turn {
            let msg = format!("the name {name} was in use and is just being given up: try again in a moment");
            return Err(refusal(ErrorKind::NameTaken, msg));
        }
        for (session, _) in others {
            while self.leave_next(session) {}
        }
        Ok(())
    }

    /// The number of users in the room. Ended sessions are left out, unless there are too many of them.
    pub(crate) fn member_count(&self, room: ConversationId, members: &Members) -> usize {
        if !self.ended_sessions.is_counted() {
            return members.len();
        }
        let users: BTreeSet<_> = self
            .ended_sessions
            .memberships()
            .filter(|(of, ..)| *of == room)
            .map(|(_, user, _)| user)
            .collect();
        members.len() - self.gone_of(members, &users)
    }

    /// For each room with ended members: the number of them.
    pub(crate) fn gone_members(&self) -> IdMap<ConversationId, usize> {
        if !self.ended_sessions.is_counted() {
            return IdMap::default();
        }
        let mut users = IdMap::<_, BTreeSet<_>>::default();
        for (room, user, _) in self.ended_sessions.memberships() {
            users.entry(room).or_default().insert(user);
        }
        let gone = |(room, users)| Some((room, self.gone_of(&self.conversations.get(room)?.members, &users)));
        users.into_iter().filter_map(gone).collect()
    }

    /// The number of these users without another session in the room.
    fn gone_of(&self, members: &Members, users: &BTreeSet<UserId>) -> usize {
        let is_there =
            |user: &&UserId| members.of(**user).any(|session| self.sessions.get(session).is_some());
        let is_noted = |user: &&UserId| members.of(**user).next().is_some();
        users.iter().filter(is_noted).filter(|user| !is_there(user)).count()
    }
}

#[cfg(any(test, feature = "test-support"))]
impl State {
    /// Is no work in slices left?
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.ended_sessions.all.is_empty()
            && self.ended_sessions.rooms == 0
            && self.ended_sessions.by_name.is_empty()
            && !self.is_sweeping()
    }
}
