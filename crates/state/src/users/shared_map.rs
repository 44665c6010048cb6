//! Owns a map whose copies share everything that neither has changed. It is cut into parts by the hash of the key, and a
//! change copies the one part that it touches. Used by [`super::Users`], of which the hub publishes a copy after each
//! change. Never orders its entries.

use crate::steps::tick;
use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// The number of parts: with 100,000 entries a change copies 400 of them, and a copy of the map costs this number of
/// references.
const PARTS: usize = 256;

/// A map in parts.
#[derive(Debug, Clone)]
pub(crate) struct SharedMap<K, V> {
    parts: Vec<Arc<BTreeMap<K, V>>>,
    hasher: RandomState,
    len: usize,
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        let empty = Arc::new(BTreeMap::new());
        Self { parts: vec![empty; PARTS], hasher: RandomState::new(), len: 0 }
    }
}

impl<K: Ord + Hash + Clone, V: Clone> SharedMap<K, V> {
    fn at(&self, key: &K) -> usize {
        let hash = self.hasher.hash_one(key) % PARTS as u64;
        usize::try_from(hash).unwrap_or(0)
    }

    /// The part of a key, to be changed.
    fn part(&mut self, key: &K) -> &mut BTreeMap<K, V> {
        let at = self.at(key);
        let part = &mut self.parts[at];
        if Arc::get_mut(part).is_none() {
            part.iter().for_each(|_| tick());
        }
        Arc::make_mut(part)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.parts[self.at(key)].get(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        let before = self.part(&key).insert(key, value);
        self.len += usize::from(before.is_none());
        before
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        // A missing key copies nothing.
        self.get(key)?;
        let gone = self.part(key).remove(key);
        self.len -= usize::from(gone.is_some());
        gone
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// The least key.
    pub(crate) fn first_key(&self) -> Option<&K> {
        self.parts.iter().filter_map(|part| part.first_key_value()).map(|(key, _)| key).min()
    }

    /// The greatest key.
    pub(crate) fn last_key(&self) -> Option<&K> {
        self.parts.iter().filter_map(|part| part.last_key_value()).map(|(key, _)| key).max()
    }
}

/// Several things under one key: the least is the first.
impl<K: Ord + Hash + Clone, T: Ord + Clone> SharedMap<K, Vec<T>> {
    pub(crate) fn file(&mut self, key: K, what: T) {
        let mut filed = self.get(&key).cloned().unwrap_or_default();
        if let Err(at) = filed.binary_search(&what) {
            filed.insert(at, what);
            self.insert(key, filed);
        }
    }

    pub(crate) fn unfile(&mut self, key: &K, what: &T) {
        let Some(mut filed) = self.get(key).cloned() else { return };
        if let Ok(at) = filed.binary_search(what) {
            filed.remove(at);
            match filed.is_empty() {
                true => drop(self.remove(key)),
                false => drop(self.insert(key.clone(), filed)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_shared_map_is_a_map_and_its_copies_do_not_change(
            steps in proptest::collection::vec((0..40u8, 0..3u8, any::<u8>()), 0..200)
        ) {
            let (mut map, mut model) = (SharedMap::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (key, what, value) in steps {
                match what {
                    0 => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    1 => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    _ => copies.push((map.clone(), model.clone())),
                }
                prop_assert_eq!((map.get(&key), map.len()), (model.get(&key), model.len()));
            }
            copies.push((map, model));
            for (map, model) in copies {
                prop_assert_eq!(map.last_key(), model.keys().next_back());
                prop_assert_eq!(map.iter().collect::<BTreeSet<_>>(), model.iter().collect::<BTreeSet<_>>());
            }
        }
    }

    #[test]
    fn the_least_entry_of_a_key_is_first() {
        let mut map = SharedMap::default();
        [3, 1, 2, 1].into_iter().for_each(|what| map.file("a", what));
        assert_eq!(map.get(&"a"), Some(&vec![1, 2, 3]));
        [1, 7].into_iter().for_each(|what| map.unfile(&"a", &what));
        assert_eq!(map.get(&"a"), Some(&vec![2, 3]));
        [2, 3].into_iter().for_each(|what| map.unfile(&"a", &what));
        assert_eq!((map.get(&"a"), map.len()), (None, 0));
    }
}
