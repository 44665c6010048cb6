//! Owns an index by name: what is called so, by the exact name alone; and what a new name could not be told
//! apart from. Used by rooms, sessions and users. Never finds anything by its look.

use super::{ConversationId, UserId};
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use tcp_chat_protocol::{Name, NameKey, NameLook};

/// What has which name.
#[derive(Debug, Clone)]
pub(super) struct Names<T> {
    by_key: HashMap<NameKey, T>,
    /// Names of an earlier version may look the same.
    by_look: BTreeSet<(NameLook, T)>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), by_look: BTreeSet::new() }
    }
}

/// An id with a least value.
pub(super) trait Least: Copy + Ord {
    /// No id is less.
    const LEAST: Self;
}

impl Least for UserId {
    const LEAST: Self = Self(i64::MIN);
}

impl Least for ConversationId {
    const LEAST: Self = Self(i64::MIN);
}

impl<T: Least> Names<T> {
    /// What is called so.
    pub(super) fn get(&self, name: &Name) -> Option<T> {
        self.by_key(&name.key())
    }

    /// What is called so, where the name is known already by what it is compared by.
    pub(super) fn by_key(&self, key: &NameKey) -> Option<T> {
        self.by_key.get(key).copied()
    }

    /// What stands in the way of a new one of this name: what is called so, or looks like it.
    pub(super) fn twin(&self, name: &Name) -> Option<T> {
        let alike = |look: NameLook| {
            let first =
                self.by_look.range((Bound::Included((look.clone(), T::LEAST)), Bound::Unbounded)).next();
            first.filter(|(of, _)| *of == look).map(|(_, what)| *what)
        };
        self.get(name).or_else(|| name.looks().into_iter().find_map(alike))
    }

    pub(super) fn put(&mut self, name: &Name, what: T) {
        self.by_key.insert(name.key(), what);
        self.by_look.extend(name.looks().map(|look| (look, what)));
    }

    /// It is called so no longer.
    pub(super) fn remove(&mut self, name: &Name, what: T) {
        let key = name.key();
        if self.by_key.get(&key) == Some(&what) {
            self.by_key.remove(&key);
        }
        for look in name.looks() {
            self.by_look.remove(&(look, what));
        }
    }
}
