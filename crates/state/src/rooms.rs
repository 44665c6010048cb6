//! Owns the conversations: rooms by name, direct messages by pair, the members of each, and its newest number. Called
//! by the ops, which can only read a conversation's fields, and by the queries. Never decides who may enter.

pub(super) mod configured;
mod kept;
mod members;

pub(super) use members::Members;

use super::membership::BothSides;
use super::name_index::NameIndex;
use super::op::NameMap;
use super::{ConversationId, ConversationKind, IdMap, SessionId, UserId};
use std::collections::BTreeSet;
use std::ops::Bound;
use tcp_chat_protocol::{Name, Seq};

/// A room or two users' direct messages.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) kind: ConversationKind,
    /// The number of the newest message in it, 0 if none.
    pub(super) head: Seq,
    /// The members of the room. Direct messages have their two users in `kind`.
    pub(super) members: Members,
    /// What the room is for. `None`: it has no topic.
    pub(super) topic: Option<Box<str>>,
    /// Its number in [`Conversations::kept`], 0 if it is not there.
    kept_from: Seq,
}

impl Conversation {
    fn new(kind: ConversationKind, head: Seq) -> Self {
        Self { kind, head, members: Members::default(), topic: None, kept_from: 0 }
    }

    /// The room's name; `None` for direct messages.
    pub(super) fn room(&self) -> Option<&Name> {
        match &self.kind {
            ConversationKind::Room(name) => Some(name),
            ConversationKind::Direct(..) => None,
        }
    }
}

/// Every conversation of the server.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    all: IdMap<ConversationId, Conversation>,
    by_key: NameIndex<ConversationId>,
    /// The rooms by the exact spelling of their first member: no folding is needed.
    by_name: NameMap<ConversationId>,
    directs: IdMap<(UserId, UserId), ConversationId>,
    /// The rooms, in the order of their opening.
    rooms: BTreeSet<ConversationId>,
    /// The names of rooms that are being removed. No other room gets such a name before the removal is complete.
    removing: NameIndex<ConversationId>,
    /// The direct messages of each user by their newest number: a user may have as many as there are users.
    directs_of: IdMap<UserId, BTreeSet<(Seq, ConversationId)>>,
    /// The conversations that have messages. The key is a number above those that retention has removed, and at most
    /// the head. So the conversations that retention empties are found without a scan of all of them, and a message
    /// costs nothing here.
    kept: BTreeSet<(Seq, ConversationId)>,
    /// The highest id ever given out.
    last: i64,
}

/// A room of another name looks like the new one.
#[derive(Debug)]
pub(super) struct LooksLike(pub(super) Name);

impl Conversations {
    /// No conversation, after these ids were given out.
    pub(super) fn after_last(last: i64) -> Self {
        Self { last, ..Self::default() }
    }

    /// The highest id ever given out.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// The conversation. Only this module changes one.
    pub(super) fn get(&self, id: ConversationId) -> Option<&Conversation> {
        self.all.get(&id)
    }

    /// The room's side of a membership from now on. False: there is no such room.
    pub(super) fn add_member(
        &mut self,
        _: BothSides,
        room: ConversationId,
        (user, session): (UserId, SessionId),
    ) -> bool {
        let conversation = self.all.get_mut(&room);
        conversation.map(|conversation| conversation.members.insert(user, session)).is_some()
    }

    /// The room's side of a membership ends.
    pub(super) fn remove_member(
        &mut self,
        _: BothSides,
        room: ConversationId,
        (user, session): (UserId, SessionId),
    ) {
        let conversation = self.all.get_mut(&room);
        conversation.into_iter().for_each(|conversation| conversation.members.remove(user, session));
    }

    /// Marks a session in the room for eviction. False: it was marked already, or there is no such room.
    pub(super) fn mark_lost(&mut self, room: ConversationId, session: SessionId) -> bool {
        self.all.get_mut(&room).is_some_and(|conversation| conversation.members.mark_lost(session))
    }

    /// Removes the mark of a session that has ended.
    pub(super) fn unmark_lost(&mut self, room: ConversationId, session: SessionId) {
        let conversation = self.all.get_mut(&room);
        conversation.into_iter().for_each(|conversation| conversation.members.unmark_lost(session));
    }

    pub(super) fn set_topic(&mut self, room: ConversationId, topic: Option<Box<str>>) {
        if let Some(conversation) = self.all.get_mut(&room) {
            conversation.topic = topic;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ConversationId, &Conversation)> {
        self.all.iter().map(|(id, c)| (*id, c))
    }

    /// The rooms by id: in the order of their opening.
    pub(super) fn rooms(&self) -> impl Iterator<Item = (ConversationId, &Name, &Conversation)> {
        self.rooms_after(None)
    }

    /// The rooms that were opened after one.
    pub(super) fn rooms_after(
        &self,
        after: Option<ConversationId>,
    ) -> impl Iterator<Item = (ConversationId, &Name, &Conversation)> {
        let ids = self.rooms.range((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        ids.filter_map(|id| self.all.get(id).and_then(|c| Some((*id, c.room()?, c))))
    }

    pub(super) fn room_count(&self) -> usize {
        self.by_name.len()
    }

    /// The room of this name.
    pub(super) fn room(&self, name: &Name) -> Option<ConversationId> {
        if let Some(id) = self.by_name.get(name) {
            return Some(*id);
        }
        self.by_key.get(name)
    }

    /// The room that blocks a new one of this name: a room of the same name, or a look-alike.
    pub(super) fn twin(&self, name: &Name) -> Option<ConversationId> {
        self.by_key.twin(name)
    }

    /// The other names of rooms that look like it.
    pub(super) fn lookalikes(&self, name: &Name) -> Vec<&Name> {
        let alike = self.by_key.lookalikes(name).into_iter().filter_map(|id| self.get(id)?.room());
        alike.filter(|other| other.key() != name.key()).collect()
    }

    /// Opens a room.
    ///
    /// # Errors
    /// A room of another name looks like this one.
    pub(super) fn open_room(&mut self, name: &Name) -> Result<ConversationId, LooksLike> {
        if let Some(other) = self.twin(name).and_then(|id| self.get(id)?.room()) {
            return Err(LooksLike(other.clone()));
        }
        Ok(self.open_configured(name))
    }

    /// Opens a room although another one may look like it.
    pub(super) fn open_configured(&mut self, name: &Name) -> ConversationId {
        self.last += 1;
        let id = ConversationId(self.last);
        self.put(id, ConversationKind::Room(name.clone()), 0);
        id
    }

    /// The direct messages of two users.
    pub(super) fn direct(&self, a: UserId, b: UserId) -> Option<ConversationId> {
        self.directs.get(&(a.min(b), a.max(b))).copied()
    }

    /// The direct messages of a user with something newer than `after`, the newest last.
    pub(super) fn directs_of(
        &self,
        user: UserId,
        after: Option<(Seq, ConversationId)>,
    ) -> impl Iterator<Item = (Seq, ConversationId)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let theirs = self.directs_of.get(&user);
        theirs.into_iter().flat_map(move |directs| directs.range((from, Bound::Unbounded)).copied())
    }

    /// The number of users with whom a user has direct messages.
    pub(super) fn direct_count(&self, user: UserId) -> usize {
        self.directs_of.get(&user).map_or(0, BTreeSet::len)
    }

    /// The newest number of a conversation has changed.
    pub(super) fn set_head(&mut self, id: ConversationId, head: Seq) {
        let Some(conversation) = self.all.get_mut(&id) else { return };
        let before = std::mem::replace(&mut conversation.head, head);
        if let ConversationKind::Direct(a, b) = conversation.kind {
            for user in [a, b] {
                if let Some(directs) = self.directs_of.get_mut(&user) {
                    directs.remove(&(before, id));
                    directs.insert((head, id));
                }
            }
        }
    }

    /// Begins the direct messages of two users.
    pub(super) fn open_direct(&mut self, a: UserId, b: UserId) -> ConversationId {
        self.last += 1;
        let id = ConversationId(self.last);
        self.put(id, ConversationKind::Direct(a.min(b), a.max(b)), 0);
        id
    }

    /// Adds a conversation that the store knew, or a new one.
    pub(super) fn put(&mut self, id: ConversationId, kind: ConversationKind, head: Seq) {
        match &kind {
            ConversationKind::Room(name) => {
                self.by_key.put(name, id);
                self.by_name.insert(name.clone(), id);
                self.rooms.insert(id);
            }
            ConversationKind::Direct(a, b) => {
                self.directs.insert((*a, *b), id);
                for user in [a, b] {
                    self.directs_of.entry(*user).or_default().insert((head, id));
                }
            }
        }
        self.all.insert(id, Conversation::new(kind, head));
    }

    /// Removes a room from the index of names. Its name is free when the room is gone.
    pub(super) fn mark_removing(&mut self, id: ConversationId) {
        let Some(room) = self.all.get_mut(&id) else { return };
        room.members.lose_all();
        let name = room.room().cloned();
        self.unname(id);
        name.into_iter().for_each(|name| self.removing.put(&name, id));
    }

    /// The room with this name or a look-alike that is being removed.
    pub(super) fn removing(&self, name: &Name) -> Option<ConversationId> {
        self.removing.twin(name)
    }

    /// Is the room of exactly that name being removed?
    pub(super) fn is_removing(&self, name: &Name) -> bool {
        self.removing.get(name).is_some()
    }

    fn unname(&mut self, id: ConversationId) {
        let Some(name) = self.all.get(&id).and_then(Conversation::room).cloned() else { return };
        self.by_key.remove(&name, id);
        if self.by_name.get(&name) == Some(&id) {
            self.by_name.remove(&name);
        }
        self.rooms.remove(&id);
    }

    /// Forgets a conversation.
    pub(super) fn remove(&mut self, id: ConversationId) {
        self.unname(id);
        let Some(gone) = self.all.remove(&id) else { return };
        self.kept.remove(&(gone.kept_from, id));
        match &gone.kind {
            ConversationKind::Room(name) => self.removing.remove(name, id),
            ConversationKind::Direct(a, b) => {
                self.directs.remove(&(*a, *b));
                for user in [a, b] {
                    let left = self.directs_of.get_mut(user).map(|directs| {
                        directs.remove(&(gone.head, id));
                        directs.len()
                    });
                    if left == Some(0) {
                        self.directs_of.remove(user);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_that_is_removed_leaves_nothing_behind() {
        let mut all = Conversations::default();
        let name: Name = "ops".parse().unwrap();
        let room = all.open_room(&name).unwrap();
        let [direct, other] = [(1, 2), (1, 3)].map(|(a, b)| all.open_direct(UserId(b), UserId(a)));
        all.set_head(direct, 7);
        all.note_messages(direct, 7);
        all.remove(direct);
        assert_eq!((all.direct(UserId(1), UserId(2)), all.direct_count(UserId(1))), (None, 1));
        all.remove(other);
        all.mark_removing(room);
        assert_eq!((all.room(&name), all.removing(&name)), (None, Some(room)));
        all.remove(room);
        assert_eq!((all.room(&name), all.twin(&name)), (None, None));
        let Conversations { all, by_key: _, by_name, directs, rooms, removing, directs_of, kept, last } = all;
        assert_eq!(removing.twin(&name), None);
        let left = (all.len(), by_name.len(), directs.len(), rooms.len(), directs_of.len());
        assert_eq!((left, kept.len(), last), ((0, 0, 0, 0, 0), 0, 3));
    }
}
