//! Owns the names of removed users, and since when they are removed. A certificate of such a name that was issued before,
//! and that this server has not seen, is refused; the known ones are revoked with the user. Changed by `ops/user.rs`, read by
//! LOGIN, kept by the store. Never knows which users are registered: the name may belong to another user by now.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tcp_chat_protocol::{Name, NameKey};

/// No client certificate is good for so long: the daemon's own CA issues them for a year, other CAs for some years.
const LONGEST_LIFE_MS: u64 = 10 * 366 * 24 * 3600 * 1000;

/// A user that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The name.
    pub name: Name,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct RemovedUsers {
    all: BTreeMap<NameKey, Removed>,
    by_moment: BTreeSet<(u64, NameKey)>,
}

impl RemovedUsers {
    /// As the store knew them.
    pub(crate) fn new(all: Vec<Removed>) -> Self {
        let mut removed = Self::default();
        all.into_iter().for_each(|one| drop(removed.put(one)));
        removed
    }

    /// The user is removed. Returns the previous entry of the name.
    pub(crate) fn put(&mut self, removed: Removed) -> Option<Removed> {
        let key = removed.name.key();
        let before = self.take(&key);
        self.by_moment.insert((removed.at, key.clone()));
        self.all.insert(key, removed);
        before
    }

    fn take(&mut self, key: &NameKey) -> Option<Removed> {
        let removed = self.all.remove(key)?;
        self.by_moment.remove(&(removed.at, key.clone()));
        Some(removed)
    }

    /// Forgets the entry of a name that is erased, and returns the name as the entry has it.
    pub(crate) fn forget(&mut self, name: &Name) -> Option<Name> {
        self.take(&name.key()).map(|removed| removed.name)
    }

    /// Was a user of that name removed at that moment or later? Certificates have whole seconds. An erased name is known by
    /// its checksum.
    pub(crate) fn is_since(&self, name: &Name, moment: u64) -> bool {
        let removed = [self.all.get(&name.key()), self.all.get(&name.checksum().key())];
        removed.into_iter().flatten().any(|removed| moment / 1000 <= removed.at / 1000)
    }

    /// Is there an entry without a certificate that could still be valid?
    pub(crate) fn has_old(&self, now: u64) -> bool {
        self.by_moment.first().is_some_and(|(at, _)| at.saturating_add(LONGEST_LIFE_MS) < now)
    }

    /// Forgets one such entry, and returns its name.
    pub(crate) fn forget_old(&mut self, now: u64) -> Option<Name> {
        let (_, key) = self.by_moment.first().filter(|_| self.has_old(now))?.clone();
        self.take(&key).map(|removed| removed.name)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Removed> {
        self.all.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(name: &str, at: u64) -> Removed {
        Removed { name: name.parse().unwrap(), at }
    }

    #[test]
    fn a_name_is_remembered_for_as_long_as_a_certificate_can_be_good() {
        let mut all = RemovedUsers::new(vec![removed("Ana", 5_900), removed("bo", 9_000)]);
        let ana = "ANA".parse().unwrap();
        assert!(all.is_since(&ana, 4_000) && all.is_since(&ana, 5_000), "of the same second: refused");
        assert!(!all.is_since(&ana, 6_000) && !all.is_since(&"cy".parse().unwrap(), 0));
        assert_eq!(all.put(removed("ana", 8_000)), Some(removed("Ana", 5_900)));
        assert!(all.is_since(&ana, 7_000));
        assert_eq!(all.forget_old(8_000 + LONGEST_LIFE_MS), None);
        assert_eq!(all.forget_old(8_001 + LONGEST_LIFE_MS), Some("ana".parse().unwrap()));
        assert_eq!(all.forget_old(8_001 + LONGEST_LIFE_MS), None);
        assert_eq!(all.by_moment.len(), 1);
        assert_eq!(all.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["bo"]);
    }
}
