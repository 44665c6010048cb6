//! Owns the sessions: by id, token, user and name. Called by the ops, which can only read a session's fields. Never
//! decides which name a client may have, or how many sessions.

pub(super) mod ended;

use super::capacity::shrink;
use super::membership::BothSides;
use super::name_index::NameIndex;
use super::{ConversationId, IdMap, NodeId, Origin, SessionId, SessionRow, UserId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use tcp_chat_protocol::{Colour, Name, NameKey, RequestId, Seq};

/// A login; outlives connections.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) row: SessionRow,
    /// The folded form of its name.
    pub(super) key: NameKey,
    /// Is its user registered and proven? Only then roles count.
    pub(super) is_proven: bool,
    /// Its rooms, in the order of its joins, each with the number after which it sees messages.
    pub(super) rooms: Vec<(ConversationId, Seq)>,
    pub(super) used: UsedIds,
}

/// The knowledge of this process about the used ids of a session. It can only save a search: the result of a search
/// decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UsedIds {
    /// The greatest number. Greater numbers are certainly new: a client that counts up causes no search.
    pub(super) greatest: u64,
    /// Did it ever use a text as an id?
    pub(super) texts: bool,
}

impl UsedIds {
    /// No id was used.
    pub(super) const NONE: Self = Self { greatest: 0, texts: false };
    /// The used ids are unknown.
    pub(super) const UNKNOWN: Self = Self { greatest: u64::MAX, texts: true };

    pub(super) fn may_have(&self, id: &RequestId) -> bool {
        match id {
            RequestId::Number(n) => *n <= self.greatest,
            RequestId::Text(_) => self.texts,
        }
    }

    pub(super) fn add(&mut self, id: &RequestId) {
        match id {
            RequestId::Number(n) => self.greatest = self.greatest.max(*n),
            RequestId::Text(_) => self.texts = true,
        }
    }
}

impl Session {
    pub(super) fn new(row: SessionRow, is_proven: bool, used: UsedIds) -> Self {
        Self { key: row.name.key(), row, is_proven, rooms: Vec::new(), used }
    }

    pub(super) fn add_room(&mut self, _: BothSides, room: (ConversationId, Seq)) {
        if self.rooms.is_empty() {
            // Most sessions are in one room.
            self.rooms.reserve_exact(1);
        }
        self.rooms.push(room);
    }

    pub(super) fn is_in(&self, room: ConversationId) -> bool {
        self.rooms.iter().any(|(r, _)| *r == room)
    }
}

/// Every session of the server.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// Boxed: a table has free places, and a message asks for its session several times.
    all: IdMap<SessionId, Box<Session>>,
    /// Their ids, in the order in which they began.
    order: BTreeSet<SessionId>,
    by_token: HashMap<[u8; 32], SessionId>,
    /// The sessions of each user, in the order of their beginnings. Only a registered user has several.
    by_user: BTreeMap<UserId, Vec<SessionId>>,
    /// All sessions of a user have one name.
    by_name: NameIndex<UserId>,
    /// The number of sessions without a connection.
    away: usize,
    /// The highest id of a session or user so far.
    last: i64,
    /// The number of joins so far, at least: the newest membership has this number.
    joins: i64,
}

impl Sessions {
    /// No session, after these ids and this number of a membership were given out.
    pub(super) fn after_last(last: i64, joins: i64) -> Self {
        Self { last, joins, ..Self::default() }
    }

    /// The next id of a session or a user.
    pub(super) fn next_id(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    /// The highest id of a session or user so far.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// The number of joins so far, at least.
    pub(super) fn joins(&self) -> i64 {
        self.joins
    }

    /// The session. Only this module changes one.
    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.all.get(&id).map(Box::as_ref)
    }

    fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.all.get_mut(&id).map(Box::as_mut)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The sessions that are connected to a node, in the order of their beginnings, and whether other sessions are
    /// connected elsewhere.
    pub(super) fn at_node(&self, node: NodeId) -> (Vec<SessionId>, bool) {
        let there = |session: &&Session| session.row.origin.is_some_and(|origin| origin.node == node);
        let there: Vec<_> = self.iter().filter(there).map(|session| session.row.id).collect();
        let is_all = there.len() == self.all.len() - self.away;
        (there, !is_all)
    }

    /// The number of sessions that are away.
    pub(super) fn away(&self) -> usize {
        self.away
    }

    /// All sessions, in the order of their beginnings.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.order.iter().filter_map(|id| self.get(*id))
    }

    /// The session of the token.
    pub(super) fn by_token(&self, hash: &[u8; 32]) -> Option<SessionId> {
        self.by_token.get(hash).copied()
    }

    /// The user with this name and a session.
    pub(super) fn by_name(&self, name: &Name) -> Option<UserId> {
        self.by_name.get(name)
    }

    /// The user that blocks this name: one with the same name, or with a look-alike.
    pub(super) fn twin(&self, name: &Name) -> Option<UserId> {
        self.by_name.twin(name)
    }

    /// A user's sessions, in the order of their beginnings.
    pub(super) fn of(&self, user: UserId) -> &[SessionId] {
        self.by_user.get(&user).map_or(&[], Vec::as_slice)
    }

    /// The first session of a user: all sessions of the user show its data.
    pub(super) fn first_of(&self, user: UserId) -> Option<&Session> {
        self.get(*self.of(user).first()?)
    }

    /// The users who have a session, in the order of their ids.
    pub(super) fn users(&self) -> impl ExactSizeIterator<Item = (UserId, &[SessionId])> {
        self.by_user.iter().map(|(user, sessions)| (*user, sessions.as_slice()))
    }

    /// The user with the next id that has a session.
    pub(super) fn user_after(&self, user: UserId) -> Option<UserId> {
        self.by_user.range((Bound::Excluded(user), Bound::Unbounded)).next().map(|(user, _)| *user)
    }

    /// The sessions that began after that one.
    pub(super) fn after(&self, id: SessionId) -> impl Iterator<Item = &Session> {
        self.order.range((Bound::Excluded(id), Bound::Unbounded)).filter_map(|id| self.get(*id))
    }

    pub(super) fn put(&mut self, session: Session) {
        let id = session.row.id;
        self.by_token.insert(session.row.token_hash, id);
        // Most users have one session.
        self.by_user.entry(session.row.user).or_insert_with(|| Vec::with_capacity(1)).push(id);
        self.by_name.put(&session.row.name, session.row.user);
        self.away += usize::from(session.row.origin.is_none());
        self.order.insert(id);
        self.all.insert(id, Box::new(session));
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = *self.all.remove(&id)?;
        self.order.remove(&id);
        self.by_token.remove(&session.row.token_hash);
        shrink(&mut self.by_token);
        shrink(&mut self.all);
        let user = session.row.user;
        let left = self.by_user.get_mut(&user).map(|sessions| {
            sessions.retain(|session| *session != id);
            sessions.len()
        });
        if left == Some(0) {
            self.by_user.remove(&user);
            self.by_name.remove(&session.row.name, user);
        }
        self.away -= usize::from(session.row.origin.is_none());
        Some(session)
    }

    /// The session has used the id, if there is one. Returns the session.
    pub(super) fn note_id(&mut self, id: SessionId, used: Option<&RequestId>) -> Option<&Session> {
        let session = self.get_mut(id)?;
        used.into_iter().for_each(|used| session.used.add(used));
        Some(session)
    }

    pub(super) fn set_color(&mut self, id: SessionId, color: Colour) {
        self.get_mut(id).into_iter().for_each(|session| session.row.color = color);
    }

    /// The session's side of a membership from now on. Returns the session, and the number of the membership.
    pub(super) fn add_room(
        &mut self,
        both: BothSides,
        id: SessionId,
        room: (ConversationId, Seq),
    ) -> Option<(&Session, i64)> {
        let joined = self.joins + 1;
        let session = self.all.get_mut(&id)?;
        self.joins = joined;
        session.add_room(both, room);
        Some((session, joined))
    }

    /// The session's side of a membership ends. Returns the session.
    pub(super) fn remove_room(
        &mut self,
        _: BothSides,
        id: SessionId,
        room: ConversationId,
    ) -> Option<&Session> {
        let session = self.get_mut(id)?;
        session.rooms.retain(|(of, _)| *of != room);
        Some(session)
    }

    /// The session is away from now on.
    pub(super) fn mark_away(&mut self, id: SessionId) {
        if let Some(session) = self.all.get_mut(&id) {
            self.away += usize::from(session.row.origin.take().is_some());
        }
    }

    /// The session is connected there from now on. Returns its previous connection.
    pub(super) fn mark_connected(&mut self, id: SessionId, origin: Origin) -> Option<Origin> {
        let session = self.all.get_mut(&id)?;
        self.away -= usize::from(session.row.origin.is_none());
        session.row.origin.replace(origin)
    }
}
