//! Owns a table of entries about users, by the scope in which they hold: grants, mutes, bans. Used by the permissions
//! alone. Never knows the meaning of an entry.

use crate::Scope;
use crate::steps::tick;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use tcp_chat_protocol::{Name, NameKey};

/// Entries about users, by scope.
#[derive(Debug)]
pub(crate) struct ByUser<T> {
    all: BTreeMap<Scope, BTreeMap<NameKey, (Name, T)>>,
    /// The scopes in which a user has an entry.
    scopes: HashMap<NameKey, BTreeSet<Scope>>,
}

impl<T> Default for ByUser<T> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), scopes: HashMap::new() }
    }
}

/// The place of a listing in the table.
pub(crate) type At = (Scope, NameKey);

impl<T> ByUser<T> {
    pub(crate) fn get(&self, scope: Scope, user: &NameKey) -> Option<&T> {
        self.all.get(&scope)?.get(user).map(|(_, what)| what)
    }

    /// The name of a user as its entry has it.
    pub(crate) fn name(&self, scope: Scope, user: &NameKey) -> Option<&Name> {
        self.all.get(&scope)?.get(user).map(|(name, _)| name)
    }

    /// Stores an entry, and returns the name under which it is stored: as it was first written.
    pub(crate) fn put(&mut self, scope: Scope, user: &Name, what: T) -> Name {
        match self.all.entry(scope).or_default().entry(user.key()) {
            Entry::Occupied(mut held) => {
                held.get_mut().1 = what;
                held.get().0.clone()
            }
            Entry::Vacant(free) => {
                self.scopes.entry(free.key().clone()).or_default().insert(scope);
                free.insert((user.clone(), what)).0.clone()
            }
        }
    }

    pub(crate) fn remove(&mut self, scope: Scope, user: &NameKey) -> Option<Name> {
        let there = self.all.get_mut(&scope)?;
        let (name, _) = there.remove(user)?;
        if there.is_empty() {
            self.all.remove(&scope);
        }
        self.remove_scope(scope, user);
        Some(name)
    }

    /// Removes all entries of one scope.
    pub(crate) fn remove_all(&mut self, scope: Scope) {
        for user in self.all.remove(&scope).unwrap_or_default().into_keys() {
            self.remove_scope(scope, &user);
        }
    }

    fn remove_scope(&mut self, scope: Scope, user: &NameKey) {
        if let Some(scopes) = self.scopes.get_mut(user) {
            scopes.remove(&scope);
            if scopes.is_empty() {
                self.scopes.remove(user);
            }
        }
    }

    /// The scopes in which a user has an entry, in order.
    pub(crate) fn scopes_of(&self, user: &NameKey) -> impl Iterator<Item = Scope> {
        self.scopes.get(user).into_iter().flatten().copied()
    }

    /// All entries, in a stable order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Scope, &Name, &T)> {
        self.after(None).map(|(_, scope, name, what)| (scope, name, what))
    }

    /// The entries after one, each with the place to continue from.
    pub(crate) fn after(&self, at: Option<At>) -> impl Iterator<Item = (At, Scope, &Name, &T)> {
        let first = at.as_ref().map_or(Bound::Unbounded, |(scope, _)| Bound::Included(*scope));
        self.all.range((first, Bound::Unbounded)).flat_map(move |(scope, there)| {
            let from = match &at {
                Some((first, user)) if first == scope => Bound::Excluded(user.clone()),
                _ => Bound::Unbounded,
            };
            let scope = *scope;
            there.range((from, Bound::Unbounded)).map(move |(key, (name, what))| {
                tick();
                ((scope, key.clone()), scope, name, what)
            })
        })
    }

    /// The entries of one scope.
    pub(crate) fn there(&self, scope: Scope) -> impl Iterator<Item = (&Name, &T)> {
        self.all.get(&scope).into_iter().flat_map(BTreeMap::values).map(|(name, what)| {
            tick();
            (name, what)
        })
    }

    /// The first entry of a user.
    pub(crate) fn first_of(&self, user: &NameKey) -> Option<(Scope, &Name, &T)> {
        let scope = *self.scopes.get(user)?.first()?;
        self.all.get(&scope)?.get(user).map(|(name, what)| (scope, name, what))
    }

    /// The number of entries of one scope.
    pub(crate) fn len_in(&self, scope: Scope) -> usize {
        self.all.get(&scope).map_or(0, BTreeMap::len)
    }
}
