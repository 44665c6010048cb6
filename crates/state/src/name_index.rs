//! Owns an index by name: which id has exactly this name, and which ids a new name could not be told apart from. Used by
//! rooms, sessions and users. Never finds anything by its look. A store of an earlier version may hold equal names: the
//! oldest id has the name, and when that is gone the next one.

use super::{ConversationId, UserId, steps};
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use tcp_chat_protocol::{Name, NameKey, NameLook};

/// What has which name.
#[derive(Debug, Clone)]
pub(super) struct NameIndex<T> {
    by_key: HashMap<NameKey, T>,
    /// What is called the same as something older.
    younger: BTreeSet<(NameKey, T)>,
    /// Names of an earlier version may look the same.
    by_look: BTreeSet<(NameLook, T)>,
}

impl<T> Default for NameIndex<T> {
    fn default() -> Self {
        Self { by_key: HashMap::new(), younger: BTreeSet::new(), by_look: BTreeSet::new() }
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

impl<T: Least> NameIndex<T> {
    /// What is called so.
    pub(super) fn get(&self, name: &Name) -> Option<T> {
        steps::compares(name);
        self.by_key(&name.key())
    }

    /// What is called so, where the name is known already by what it is compared by.
    pub(super) fn by_key(&self, key: &NameKey) -> Option<T> {
        self.by_key.get(key).copied()
    }

    /// What stands in the way of a new one of this name: what is called so, or looks like it.
    pub(super) fn twin(&self, name: &Name) -> Option<T> {
        let alike = |look: NameLook| first_of(&self.by_look, &look);
        self.get(name).or_else(|| name.looks().into_iter().find_map(alike))
    }

    /// What looks like it, whether or not it is called so: each once.
    pub(super) fn lookalikes(&self, name: &Name) -> BTreeSet<T> {
        let alike = |look: NameLook| all_of(&self.by_look, look);
        name.looks().into_iter().flat_map(alike).collect()
    }

    pub(super) fn put(&mut self, name: &Name, what: T) {
        let held = self.by_key.entry(name.key()).or_insert(what);
        if *held != what {
            let younger = (*held).max(what);
            *held = (*held).min(what);
            self.younger.insert((name.key(), younger));
        }
        self.by_look.extend(name.looks().map(|look| (look, what)));
    }

    /// It is called so no longer.
    pub(super) fn remove(&mut self, name: &Name, what: T) {
        let key = name.key();
        if self.by_key.get(&key) == Some(&what) {
            match first_of(&self.younger, &key) {
                Some(next) => {
                    self.younger.remove(&(key.clone(), next));
                    self.by_key.insert(key, next);
                }
                None => drop(self.by_key.remove(&key)),
            }
        } else {
            self.younger.remove(&(key, what));
        }
        for look in name.looks() {
            self.by_look.remove(&(look, what));
        }
    }
}

/// What is filed under `of`.
fn all_of<T: Least>(filed: &BTreeSet<(NameLook, T)>, of: NameLook) -> Vec<T> {
    let from = filed.range((Bound::Included((of.clone(), T::LEAST)), Bound::Unbounded));
    from.take_while(|(look, _)| *look == of).map(|(_, what)| *what).collect()
}

/// The oldest of what is filed under `of`.
fn first_of<K: Ord + Clone, T: Least>(filed: &BTreeSet<(K, T)>, of: &K) -> Option<T> {
    let first = filed.range((Bound::Included((of.clone(), T::LEAST)), Bound::Unbounded)).next();
    first.filter(|(key, _)| key == of).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_those_that_are_called_the_same_the_oldest_has_the_name() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let all = [("stra\u{df}e", 1), ("STRASSE", 2), ("strasse", 3)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut names = NameIndex::default();
            for at in order {
                // What is put twice is there once.
                names.put(&name(all[at].0), UserId(all[at].1));
                names.put(&name(all[at].0), UserId(all[at].1));
            }
            let has = |names: &NameIndex<UserId>| names.get(&name("Strasse")).map(|user| user.0);
            assert_eq!(has(&names), Some(1));
            names.remove(&name(all[1].0), UserId(2));
            assert_eq!(has(&names), Some(1));
            names.remove(&name(all[0].0), UserId(1));
            assert_eq!((has(&names), names.twin(&name("Strasse"))), (Some(3), Some(UserId(3))));
            names.remove(&name(all[2].0), UserId(3));
            assert_eq!((has(&names), names.twin(&name("Strasse"))), (None, None));
        }
    }
}
