//! Owns the sessions: by id, by token, by name, and when those that are away run out. Called by
//! the chat only. Never decides who may have a name.

use super::rate::{Bucket, Rate};
use super::{ConnectionId, ConversationId, SessionId, SessionRow};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tcp_chat_protocol::{Name, NameKey, RequestId, Seq};

/// A login; outlives connections.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) row: SessionRow,
    /// What its name is compared by.
    pub(super) key: NameKey,
    /// Is the name certainly theirs? Only then roles count.
    pub(super) is_proven: bool,
    /// Its rooms, in the order in which it entered them, each with the number that it sees from
    /// (exclusive).
    pub(super) rooms: Vec<(ConversationId, Seq)>,
    /// Its direct messages.
    pub(super) directs: Vec<ConversationId>,
    pub(super) connection: Option<ConnectionId>,
    /// When it ends, unless it is resumed; in milliseconds of [`super::Now::mono`].
    pub(super) ends: Option<u64>,
    pub(super) bucket: Bucket,
    pub(super) used: UsedIds,
}

/// What is known, without asking the store, of the ids that a session has used.
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
    pub(super) fn new(row: SessionRow, rate: Rate, now: u64, used: UsedIds) -> Self {
        let bucket = Bucket::full(rate, now);
        Self {
            key: row.name.key(),
            row,
            is_proven: false,
            rooms: Vec::new(),
            directs: Vec::new(),
            connection: None,
            ends: None,
            bucket,
            used,
        }
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
    /// Each name under its key and under its look.
    by_name: HashMap<NameKey, SessionId>,
    endings: BTreeSet<(u64, SessionId)>,
    /// The highest id ever given out.
    pub(super) last: i64,
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

    /// How many are away.
    pub(super) fn away(&self) -> usize {
        self.endings.len()
    }

    /// All of them, in the order in which they began.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.all.values()
    }

    /// The session that the token resumes.
    pub(super) fn by_token(&self, hash: &[u8; 32]) -> Option<SessionId> {
        self.by_token.get(hash).copied()
    }

    /// The session of the user with this name.
    pub(super) fn by_name(&self, name: &Name) -> Option<SessionId> {
        let key = name.key();
        let id = *self.by_name.get(&key)?;
        (self.all.get(&id)?.key == key).then_some(id)
    }

    /// All sessions of the user with this name.
    pub(super) fn of(&self, name: &Name) -> Vec<SessionId> {
        self.by_name(name).into_iter().collect()
    }

    /// The name that stands in the way of this one: the same, or one that looks like it.
    pub(super) fn twin(&self, name: &Name) -> Option<&Name> {
        let id = self.by_name.get(&name.key()).or_else(|| self.by_name.get(&name.look()))?;
        self.all.get(id).map(|s| &s.row.name)
    }

    pub(super) fn put(&mut self, session: Session) {
        let id = session.row.id;
        self.by_token.insert(session.row.token_hash, id);
        self.by_name.insert(session.row.name.look(), id);
        self.by_name.insert(session.row.name.key(), id);
        if let Some(ends) = session.ends {
            self.endings.insert((ends, id));
        }
        self.all.insert(id, session);
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.all.remove(&id)?;
        self.by_token.remove(&session.row.token_hash);
        for key in [session.row.name.look(), session.row.name.key()] {
            if self.by_name.get(&key) == Some(&id) {
                self.by_name.remove(&key);
            }
        }
        if let Some(ends) = session.ends {
            self.endings.remove(&(ends, id));
        }
        Some(session)
    }

    /// The session is away from now on, until `ends`.
    pub(super) fn is_away(&mut self, id: SessionId, ends: u64) {
        if let Some(session) = self.all.get_mut(&id) {
            session.connection = None;
            session.ends = Some(ends);
            self.endings.insert((ends, id));
        }
    }

    /// The session is on this connection from now on. The connection that it was on before.
    pub(super) fn is_here(&mut self, id: SessionId, connection: ConnectionId) -> Option<ConnectionId> {
        let session = self.all.get_mut(&id)?;
        if let Some(ends) = session.ends.take() {
            self.endings.remove(&(ends, id));
        }
        session.connection.replace(connection)
    }

    /// When the first of those that are away ends.
    pub(super) fn next_ending(&self) -> Option<u64> {
        self.endings.first().map(|(at, _)| *at)
    }

    /// A session whose time is over.
    pub(super) fn ended(&self, now: u64) -> Option<SessionId> {
        self.endings.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }
}
