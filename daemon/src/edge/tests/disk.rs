//! Owns a model of the store: it keeps the writes of a turn, and checks their invariants. The tests of the edge write to it;
//! `reads` gives back what it has, as the store does. Never writes a file.

#[path = "disk/reads.rs"]
mod reads;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use tcp_chat_protocol::event::{ErasedFields, data_of, erase, redact, seq_of};
use tcp_chat_protocol::{MsgEvent, Name, RequestId, Seq};
use tcp_chat_state::*;

/// The model of the store.
#[derive(Debug, Default, Clone)]
pub(super) struct Disk {
    conversations: BTreeMap<ConversationId, (ConversationKind, Seq)>,
    opened: BTreeMap<ConversationId, QuotaOwner>,
    default_rooms: Vec<(Seq, ConversationId)>,
    sessions: BTreeMap<SessionId, (SessionRow, Vec<(ConversationId, Seq)>)>,
    pub(super) chunks: Vec<Chunk>,
    redacted: BTreeSet<Seq>,
    topics: BTreeMap<ConversationId, Box<str>>,
    marks: BTreeMap<(UserId, ConversationId), Seq>,
    sent: HashMap<(SessionId, RequestId), (ConversationId, Seq)>,
    lost: BTreeSet<(SessionId, ConversationId)>,
    ended_sessions: BTreeMap<SessionId, EndedSession>,
    work: BTreeMap<u64, Sweep>,
    permissions: StoredPermissions,
    pub(super) audit: Vec<Audit>,
    users: BTreeMap<UserId, User>,
    certificates: BTreeMap<(Digest, String), Certificate>,
    removed: BTreeMap<String, Removed>,
    erasures: BTreeMap<i64, Erasure>,
    last: (i64, i64, i64),
    head: Seq,
    oldest: Seq,
    pub(super) log: LogId,
    rules: Option<Rules>,
}

impl Disk {
    pub(super) fn write(&mut self, writes: Writes) {
        for (id, kind) in writes.conversations {
            self.last.0 = self.last.0.max(id.0);
            self.conversations.insert(id, (kind, 0));
        }
        self.opened.extend(writes.opened);
        if let Some(defaults) = writes.default_rooms {
            self.default_rooms = defaults;
        }
        self.oldest = self.oldest.max(writes.oldest.unwrap_or(0));
        for chunk in writes.chunks {
            let (_, head) = self.conversations.get_mut(&chunk.conversation).expect("a conversation");
            assert_eq!(*head, chunk.prev, "the chain has no hole");
            *head = chunk.last;
            assert_eq!(chunk.first, self.head + 1, "numbers rise by one");
            assert_eq!(
                chunk.lines.iter().filter(|b| **b == b'\n').count() as u64,
                chunk.last - self.head,
                "a line for each"
            );
            self.head = chunk.last;
            self.chunks.push(chunk);
        }
        for Redaction { seq, by, reason } in writes.redactions {
            assert!(self.redacted.insert(seq), "a message is redacted once");
            let Some(at) = self.chunk_of(seq) else { continue };
            let lines = self.chunks[at].lines.split_inclusive(|b| *b == b'\n');
            let by = by.as_ref().map(Name::as_str);
            let redacted = lines.flat_map(|line| match seq_of(line) {
                Some(of) if of == seq => redact(line, by, &reason).expect("a message"),
                _ => line.to_vec(),
            });
            self.chunks[at].lines = redacted.collect();
        }
        for change in &writes.erasures {
            if let ErasureChange::Put(erasure) = change {
                self.last.1 = self.last.1.max(erasure.id);
                self.erasures.insert(erasure.id, erasure.clone());
            }
        }
        writes.erased.iter().for_each(|slice| self.erase(slice));
        for change in &writes.erasures {
            if let ErasureChange::Done(id) = change {
                self.erasures.remove(id).expect("an erasure");
            }
        }
        for change in writes.marks {
            match change {
                MarkChange::Put { user, conversation, seq } => {
                    let before = self.marks.insert((user, conversation), seq);
                    assert!(before < Some(seq), "a mark never moves back");
                }
                MarkChange::Remove { user, conversation } => drop(self.marks.remove(&(user, conversation))),
                MarkChange::RemoveUser(gone) => self.marks.retain(|(user, _), _| *user != gone),
            }
        }
        for (room, topic) in writes.topics {
            assert!(self.conversations.contains_key(&room), "a room");
            match topic {
                Some(topic) => drop(self.topics.insert(room, topic)),
                None => drop(self.topics.remove(&room).expect("a topic")),
            }
        }
        for sent in writes.sent {
            let (session, id) = (sent.session, sent.id);
            // The model may still have a message that retention has removed from the state.
            let before = self.sent(session, &id).filter(|(_, seq)| *seq >= self.oldest);
            assert_eq!(before, None, "an id is used once");
            self.sent.insert((session, id), (sent.conversation, sent.seq));
        }
        for change in writes.sessions {
            match change {
                SessionChange::Put(row) => {
                    self.last.1 = self.last.1.max(row.id.0);
                    let rooms = self.sessions.remove(&row.id).map(|(_, rooms)| rooms).unwrap_or_default();
                    self.sessions.insert(row.id, (row, rooms));
                }
                SessionChange::Join { session, room, since, joined } => {
                    assert!(joined > self.last.2, "memberships are numbered");
                    self.last.2 = joined;
                    self.sessions.get_mut(&session).expect("a session").1.push((room, since));
                }
                SessionChange::Lose { session, room } => {
                    if let Some((_, rooms)) = self.sessions.get(&session) {
                        assert!(rooms.iter().any(|(r, _)| *r == room), "a member");
                        self.lost.insert((session, room));
                    }
                }
                SessionChange::Leave { session, room } => {
                    self.lost.remove(&(session, room));
                    self.sessions.get_mut(&session).expect("a session").1.retain(|(r, _)| *r != room);
                }
                SessionChange::End(id) => {
                    self.sessions.remove(&id);
                    self.lost.retain(|(s, _)| *s != id);
                    self.sent.retain(|(s, _), _| *s != id);
                }
            }
        }
        for change in writes.ended_sessions {
            match change {
                EndedSessionChange::Put(leaving) => {
                    drop(self.ended_sessions.insert(leaving.session, leaving))
                }
                EndedSessionChange::Gone(session) => {
                    self.ended_sessions.remove(&session).expect("it was noted");
                }
            }
        }
        let WorkChange { below, added } = writes.work;
        self.work = self.work.split_off(&below.unwrap_or(0));
        for (n, sweep) in added {
            assert!(self.work.last_key_value().is_none_or(|(last, _)| last + 1 == n), "no gap");
            self.work.insert(n, sweep);
        }
        writes.permissions.into_iter().for_each(|change| self.change(change));
        self.audit.extend(writes.audit);
        for change in writes.users {
            match change {
                UserChange::Put(user) => {
                    self.last.1 = self.last.1.max(user.id.0);
                    self.users.insert(user.id, user);
                }
                UserChange::Gone(id) => drop(self.users.remove(&id)),
                UserChange::Certificate(c) => drop(self.certificates.insert((c.key, c.name.to_string()), c)),
                UserChange::Forget(key, name) => drop(self.certificates.remove(&(key, name.to_string()))),
                UserChange::Removed(removed) => {
                    self.removed.insert(removed.name.to_string(), removed);
                }
                UserChange::ForgetRemoved(name) => drop(self.removed.remove(name.as_str())),
            }
        }
        self.rules = writes.policy.map(|rules| *rules).or(self.rules.take());
        for id in writes.gone {
            let StoredPermissions { grants, private, mutes, bans } = &mut self.permissions;
            grants.retain(|(scope, ..)| *scope != Some(id));
            private.retain(|room| *room != id);
            mutes.retain(|(scope, ..)| *scope != Some(id));
            bans.retain(|(scope, ..)| *scope != Some(id));
            self.conversations.remove(&id);
            self.topics.remove(&id);
            self.marks.retain(|(_, conversation), _| *conversation != id);
            self.opened.remove(&id);
            self.chunks.retain(|c| c.conversation != id);
        }
    }

    fn change(&mut self, change: PermissionChange) {
        let StoredPermissions { grants, private, mutes, bans } = &mut self.permissions;
        match change {
            PermissionChange::Grant { scope, user, role, by } => {
                grants.retain(|(s, u, ..)| (*s, u) != (scope, &user));
                grants.extend(role.map(|role| (scope, user, role, by)));
            }
            PermissionChange::Private { room, private: is_private } => {
                private.retain(|r| *r != room);
                private.extend(is_private.then_some(room));
            }
            PermissionChange::Mute { scope, user, mute } => {
                mutes.retain(|(s, u, _)| (*s, u) != (scope, &user));
                mutes.extend(mute.map(|mute| (scope, user, mute)));
            }
            PermissionChange::Ban { scope, banned, ban } => {
                bans.retain(|(s, b, _)| (*s, b) != (scope, &banned));
                bans.extend(ban.map(|ban| (scope, banned, ban)));
            }
        }
    }

    /// The same as the store, in fewer steps: no row has a length here.
    fn erase(&mut self, ErasedSlice { erasure, from }: &ErasedSlice) {
        let new_name = erasure.new_name();
        if erasure.stage == ErasureStage::Audit {
            for line in &mut self.audit {
                if matches!(&line.by, By::User(name) if erasure.is_named(name.as_str())) {
                    line.by = By::User(new_name.clone());
                    line.reason = "".into();
                }
                if let Some(whom) = line.whom.take() {
                    let is_named = erasure.is_named(whom.strip_prefix("user:").unwrap_or(&whom));
                    line.whom = Some(if is_named { new_name.as_str().into() } else { whom });
                }
            }
        }
        if erasure.stage != ErasureStage::Messages {
            return;
        }
        for chunk in &mut self.chunks {
            if chunk.first < *from || chunk.first >= erasure.below {
                continue;
            }
            let lines = chunk.lines.split_inclusive(|b| *b == b'\n').zip(&chunk.authors);
            let lines = lines.flat_map(|(line, author)| {
                let message: MsgEvent<'_> =
                    serde_json::from_slice(data_of(line).expect("data")).expect("a message");
                let is_named = |name: &Option<std::borrow::Cow<'_, str>>| {
                    name.as_ref().is_some_and(|name| erasure.is_named(name))
                };
                let user = erasure.is_author(Some(*author), &message.user);
                let fields = ErasedFields { user, to: is_named(&message.to), by: is_named(&message.by) };
                if user {
                    self.redacted.insert(message.seq);
                }
                match fields.is_none() {
                    true => line.to_vec(),
                    false => erase(line, fields, new_name.as_str()).expect("a message"),
                }
            });
            chunk.lines = lines.collect();
        }
    }

    /// Retention: removes the messages below this number.
    pub(super) fn forget(&mut self, oldest: Seq) {
        self.chunks.retain(|c| c.first >= oldest);
        self.oldest = self.oldest.max(oldest);
    }
}
