//! Owns the author of each grant, mute and ban in a room, so that one user cannot use up the limits. Entries of
//! operators and of moderators of the server are left out, and so are the grants that come with the opening of a room.
//! Called by the permissions. Never decides how many are too many.

use crate::ConversationId;
use std::collections::HashMap;
use tcp_chat_protocol::{Name, NameKey};

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Grant,
    Mute,
    Ban,
}

/// The authors of the entries in rooms.
#[derive(Debug, Default)]
pub(crate) struct Authors {
    of: HashMap<ConversationId, HashMap<(Kind, NameKey), Name>>,
    counts: HashMap<NameKey, usize>,
    all: usize,
}

impl Authors {
    /// The user is the last author; `None`: the entry counts for no user from now on.
    pub(crate) fn set(&mut self, room: ConversationId, kind: Kind, user: &NameKey, by: Option<Name>) {
        let Some(by) = by else { return self.remove(room, kind, user) };
        self.count(&by);
        let before = self.of.entry(room).or_default().insert((kind, user.clone()), by);
        before.into_iter().for_each(|by| self.discount(&by));
    }

    /// The entry is removed.
    pub(crate) fn remove(&mut self, room: ConversationId, kind: Kind, user: &NameKey) {
        let Some(there) = self.of.get_mut(&room) else { return };
        let before = there.remove(&(kind, user.clone()));
        if there.is_empty() {
            self.of.remove(&room);
        }
        before.into_iter().for_each(|by| self.discount(&by));
    }

    /// The room is removed.
    pub(crate) fn forget(&mut self, room: ConversationId) {
        self.of.remove(&room).into_iter().flatten().for_each(|(_, by)| self.discount(&by));
    }

    /// The author that the entry counts for.
    pub(crate) fn get(&self, room: ConversationId, kind: Kind, user: &NameKey) -> Option<&Name> {
        self.of.get(&room)?.get(&(kind, user.clone()))
    }

    /// The number of entries that count for that user.
    pub(crate) fn len_by(&self, by: &NameKey) -> usize {
        self.counts.get(by).copied().unwrap_or(0)
    }

    /// The number of entries that count for all users.
    pub(crate) fn len(&self) -> usize {
        self.all
    }

    fn count(&mut self, by: &Name) {
        *self.counts.entry(by.key()).or_default() += 1;
        self.all += 1;
    }

    fn discount(&mut self, by: &Name) {
        self.all -= 1;
        if let Some(count) = self.counts.get_mut(&by.key()) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&by.key());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_for_its_last_author_until_it_is_removed() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let (ana, bo, x, y) = (name("ana"), name("bo"), name("x").key(), name("y").key());
        let (one, two) = (ConversationId(1), ConversationId(2));
        let mut authors = Authors::default();
        let counts = |a: &Authors| (a.len_by(&ana.key()), a.len_by(&bo.key()), a.len());
        authors.set(one, Kind::Mute, &x, Some(ana.clone()));
        authors.set(one, Kind::Ban, &x, Some(ana.clone()));
        authors.set(two, Kind::Grant, &y, Some(name("ANA")));
        assert_eq!(counts(&authors), (3, 0, 3));
        authors.set(one, Kind::Mute, &x, Some(bo.clone()));
        assert_eq!(counts(&authors), (2, 1, 3));
        authors.set(one, Kind::Mute, &x, None);
        authors.remove(one, Kind::Mute, &x);
        assert_eq!((counts(&authors), authors.get(one, Kind::Ban, &x)), ((2, 0, 2), Some(&ana)));
        authors.forget(one);
        authors.forget(one);
        authors.remove(two, Kind::Grant, &y);
        assert_eq!(counts(&authors), (0, 0, 0));
        assert!(authors.of.is_empty() && authors.counts.is_empty());
    }
}
