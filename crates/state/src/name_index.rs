//! Owns an index by name: the id that has exactly this name, and the ids that a new name must not resemble. Used by
//! rooms, sessions and users. Never finds an id by a look-alike name. A store of an earlier version may hold equal
//! names: the oldest id has the name, and when that is gone the next one.

use super::{ConversationId, UserId, steps};
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use tcp_chat_protocol::{Name, NameKey, NameLook};

/// Ids by name.
#[derive(Debug, Clone)]
pub(super) struct NameIndex<T> {
    by_key: HashMap<NameKey, T>,
    /// Ids whose name an older id has.
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
    /// The smallest id.
    const LEAST: Self;
}

impl Least for UserId {
    const LEAST: Self = Self(i64::MIN);
}

impl Least for ConversationId {
    const LEAST: Self = Self(i64::MIN);
}

impl<T: Least> NameIndex<T> {
    /// The oldest id with this name.
    pub(super) fn get(&self, name: &Name) -> Option<T> {
        steps::compares(name);
        self.by_key(&name.key())
    }

    /// The same, by the folded name.
    pub(super) fn by_key(&self, key: &NameKey) -> Option<T> {
        self.by_key.get(key).copied()
    }

    /// The id that blocks a new entry of this name: one with the same name, or with a look-alike.
    pub(super) fn twin(&self, name: &Name) -> Option<T> {
        let alike = |look: NameLook| first_of(&self.by_look, &look);
        self.get(name).or_else(|| name.looks().into_iter().find_map(alike))
    }

    /// The ids with this name or a look-alike, each once.
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

    /// The id loses this name.
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

/// The ids under `of`.
fn all_of<T: Least>(filed: &BTreeSet<(NameLook, T)>, of: NameLook) -> Vec<T> {
    let from = filed.range((Bound::Included((of.clone(), T::LEAST)), Bound::Unbounded));
    from.take_while(|(look, _)| *look == of).map(|(_, what)| *what).collect()
}

/// The oldest id under `of`.
fn first_of<K: Ord + Clone, T: Least>(filed: &BTreeSet<(K, T)>, of: &K) -> Option<T> {
    let first = filed.range((Bound::Included((of.clone(), T::LEAST)), Bound::Unbounded)).next();
    first.filter(|(key, _)| key == of).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_equal_names_is_found() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let all = [("stra\u{df}e", 1), ("STRASSE", 2), ("strasse", 3)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut names = NameIndex::default();
            for at in order {
                // An id that is put twice is in the index once.
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
