//! Owns the sessions: by id, token, user and name, and when those that are away end. Called by the ops. Never decides who may
//! have a name, or how many sessions.

pub(super) mod ended;

use super::name_index::NameIndex;
use super::{ConversationId, NodeId, Origin, SessionId, SessionRow, UserId};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use tcp_chat_protocol::{Name, NameKey, RequestId, Seq};

/// A login; outlives connections.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) row: SessionRow,
    /// What its name is compared by.
    pub(super) key: NameKey,
    /// Its user is a registered one, and has proven to be it: only then roles count.
    pub(super) proven: bool,
    /// Its rooms, in the order in which it entered them, each with the number that it sees from
    /// (exclusive).
    pub(super) rooms: Vec<(ConversationId, Seq)>,
    pub(super) used: UsedIds,
}

/// What this process knows of the ids that a session has used. It only says that no search is needed: what a search finds
/// decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UsedIds {
    /// The greatest number. Numbers above it are certainly new: a client that counts up costs no
    /// look-up.
    pub(super) greatest: u64,
    /// Did it ever use a text?
    pub(super) texts: bool,
}

impl UsedIds {
    /// Nothing was used.
    pub(super) const NONE: Self = Self { greatest: 0, texts: false };
    /// It is not known what was used.
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
    pub(super) fn new(row: SessionRow, proven: bool, used: UsedIds) -> Self {
        Self { key: row.name.key(), row, proven, rooms: Vec::new(), used }
    }

    pub(super) fn is_in(&self, room: ConversationId) -> bool {
        self.rooms.iter().any(|(r, _)| *r == room)
    }
}

/// Every session of the server.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    all: BTreeMap<SessionId, Session>,
    by_token: HashMap<[u8; 32], SessionId>,
    /// Those of each user, in the order in which they began. Only a registered user has several.
    by_user: BTreeMap<UserId, Vec<SessionId>>,
    /// All sessions of a user have one name.
    by_name: NameIndex<UserId>,
    /// How many have no connection.
    away: usize,
    /// The highest id ever given out, to a session or a user.
    pub(super) last: i64,
    /// How often sessions entered rooms, at least: the newest membership has this number.
    pub(super) joins: i64,
}

impl Sessions {
    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.all.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.all.get_mut(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// The sessions that are connected to a node, in the order in which they began, and whether others are connected elsewhere.
    pub(super) fn at_node(&self, node: NodeId) -> (Vec<SessionId>, bool) {
        let there = |session: &&Session| session.row.origin.is_some_and(|origin| origin.node == node);
        let there: Vec<_> = self.iter().filter(there).map(|session| session.row.id).collect();
        let is_all = there.len() == self.all.len() - self.away;
        (there, !is_all)
    }

    /// How many are away.
    pub(super) fn away(&self) -> usize {
        self.away
    }

    /// All of them, in the order in which they began.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.all.values()
    }

    /// The session that the token resumes.
    pub(super) fn by_token(&self, hash: &[u8; 32]) -> Option<SessionId> {
        self.by_token.get(hash).copied()
    }

    /// The user of this name who has a session.
    pub(super) fn by_name(&self, name: &Name) -> Option<UserId> {
        self.by_name.get(name)
    }

    /// The user that stands in the way of this name: of the same, or of one that looks like it.
    pub(super) fn twin(&self, name: &Name) -> Option<UserId> {
        self.by_name.twin(name)
    }

    /// A user's sessions, in the order in which they began.
    pub(super) fn of(&self, user: UserId) -> &[SessionId] {
        self.by_user.get(&user).map_or(&[], Vec::as_slice)
    }

    /// The first of a user's sessions: what it shows, all show.
    pub(super) fn first_of(&self, user: UserId) -> Option<&Session> {
        self.all.get(self.of(user).first()?)
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
        self.all.range((Bound::Excluded(id), Bound::Unbounded)).map(|(_, session)| session)
    }

    pub(super) fn put(&mut self, session: Session) {
        let id = session.row.id;
        self.by_token.insert(session.row.token_hash, id);
        self.by_user.entry(session.row.user).or_default().push(id);
        self.by_name.put(&session.row.name, session.row.user);
        self.away += usize::from(session.row.origin.is_none());
        self.all.insert(id, session);
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.all.remove(&id)?;
        self.by_token.remove(&session.row.token_hash);
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

    /// The session is away from now on.
    pub(super) fn mark_away(&mut self, id: SessionId) {
        if let Some(session) = self.all.get_mut(&id) {
            self.away += usize::from(session.row.origin.take().is_some());
        }
    }

    /// The session is connected there from now on. Where it was connected before.
    pub(super) fn mark_connected(&mut self, id: SessionId, origin: Origin) -> Option<Origin> {
        let session = self.all.get_mut(&id)?;
        self.away -= usize::from(session.row.origin.is_none());
        session.row.origin.replace(origin)
    }
}
