//! Owns what is written down of who may do what: grants, private rooms, mutes and bans. Called by
//! the chat only. Never decides what follows from it: `rights` does.

use super::banned::is_in;
use super::rights::{self, Granted, Rank, Standing};
use super::{Banned, Barred, ConversationId, Fingerprint, Penalty, RightsChange, Scope, StoredRights};
use ipnet::IpNet;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use tcp_chat_protocol::{Name, NameKey, Role};

/// Something about users, by where it holds.
#[derive(Debug)]
pub(super) struct ByUser<T>(HashMap<Scope, HashMap<NameKey, (Name, T)>>);

impl<T> Default for ByUser<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> ByUser<T> {
    pub(super) fn get(&self, scope: Scope, user: &NameKey) -> Option<&T> {
        self.0.get(&scope)?.get(user).map(|(_, what)| what)
    }

    /// Writes it down, and gives the name under which it stands: as it was first written.
    fn put(&mut self, scope: Scope, user: &Name, what: T) -> Name {
        match self.0.entry(scope).or_default().entry(user.key()) {
            Entry::Occupied(mut held) => {
                held.get_mut().1 = what;
                held.get().0.clone()
            }
            Entry::Vacant(free) => free.insert((user.clone(), what)).0.clone(),
        }
    }

    fn remove(&mut self, scope: Scope, user: &NameKey) -> Option<Name> {
        let there = self.0.get_mut(&scope)?;
        let (name, _) = there.remove(user)?;
        if there.is_empty() {
            self.0.remove(&scope);
        }
        Some(name)
    }

    /// All of it, in an order that is the same each time.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Scope, &Name, &T)> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .flat_map(|(scope, there)| there.values().map(|(name, what)| (*scope, name, what)))
            .collect();
        all.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)));
        all.into_iter()
    }

    fn len_in(&self, scope: Scope) -> usize {
        self.0.get(&scope).map_or(0, HashMap::len)
    }

    fn len(&self) -> usize {
        self.0.values().map(HashMap::len).sum()
    }
}

/// Who may do what, as it is written down.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) grants: ByUser<Role>,
    private: HashSet<ConversationId>,
    pub(super) mutes: ByUser<Penalty>,
    bans: ByUser<Penalty>,
    certificates: BTreeMap<Fingerprint, Penalty>,
    addresses: BTreeMap<IpNet, Penalty>,
    /// Before this moment no mute and no ban ends by itself.
    soonest: Option<u64>,
}

impl Book {
    /// As the store knew it.
    pub(super) fn restore(stored: StoredRights) -> Self {
        let StoredRights { grants, private, mutes, bans } = stored;
        let mut book = Self { private: private.into_iter().collect(), ..Self::default() };
        for (scope, user, role) in grants {
            book.grants.put(scope, &user, role);
        }
        for (scope, user, penalty) in mutes {
            book.mutes.put(scope, &user, penalty);
        }
        for (scope, banned, penalty) in bans {
            drop(book.ban(scope, &banned, Some(penalty)));
        }
        book
    }

    /// As the store is to know it.
    pub(super) fn stored(&self) -> StoredRights {
        let mut private: Vec<_> = self.private.iter().copied().collect();
        private.sort_unstable();
        StoredRights {
            grants: self.grants.iter().map(|(scope, user, role)| (scope, user.clone(), *role)).collect(),
            private,
            mutes: self.mutes.iter().map(|(scope, user, p)| (scope, user.clone(), p.clone())).collect(),
            bans: self.bans().into_iter().map(|(scope, banned, p)| (scope, banned, p.clone())).collect(),
        }
    }

    pub(super) fn is_private(&self, room: ConversationId) -> bool {
        self.private.contains(&room)
    }

    /// How a user stands to a room.
    pub(super) fn in_room(
        &self,
        room: ConversationId,
        user: &NameKey,
        is_proven: bool,
        is_in: bool,
        now: u64,
    ) -> Standing {
        let granted = self.granted(Some(room), user);
        let (role, rank) = rights::in_room(granted, is_proven, self.is_private(room));
        let is_banned = holds(self.bans.get(Some(room), user), now);
        let is_muted = self.mute(Some(room), user, now).is_some();
        Standing { role, rank, is_in, is_banned, is_muted }
    }

    /// How a user stands to the server as a whole.
    pub(super) fn on_server(&self, user: &NameKey, is_proven: bool, now: u64) -> Standing {
        let (role, rank) = rights::on_server(self.granted(None, user), is_proven);
        let is_muted = self.mute(None, user, now).is_some();
        Standing { role, rank, is_in: true, is_banned: false, is_muted }
    }

    /// How high a user stands there, by what was granted to the name.
    pub(super) fn rank(&self, scope: Scope, user: &NameKey, is_proven: bool) -> Rank {
        let granted = self.granted(scope, user);
        match scope {
            None => rights::on_server(granted, is_proven).1,
            Some(_) => rights::in_room(granted, is_proven, false).1,
        }
    }

    fn granted(&self, scope: Scope, user: &NameKey) -> Granted {
        Granted {
            server: self.grants.get(None, user).copied(),
            room: scope.and_then(|room| self.grants.get(Some(room), user).copied()),
        }
    }

    /// What keeps a user from speaking there, on the whole server or in the room.
    pub(super) fn mute(&self, scope: Scope, user: &NameKey, now: u64) -> Option<&Penalty> {
        let there = |scope| self.mutes.get(scope, user).filter(|p| p.is_in_force(now));
        there(None).or_else(|| scope.and_then(|room| there(Some(room))))
    }

    /// What keeps a user out of a room.
    pub(super) fn ban_in(&self, room: ConversationId, user: &NameKey, now: u64) -> Option<&Penalty> {
        self.bans.get(Some(room), user).filter(|p| p.is_in_force(now))
    }

    /// What keeps out of the server who has that name, or that certificate.
    pub(super) fn ban_of(
        &self,
        user: &NameKey,
        certificate: Option<&Fingerprint>,
        now: u64,
    ) -> Option<&Penalty> {
        let by_name = self.bans.get(None, user);
        let by_certificate = certificate.and_then(|c| self.certificates.get(c));
        [by_name, by_certificate].into_iter().flatten().find(|p| p.is_in_force(now))
    }

    /// Every ban.
    pub(super) fn bans(&self) -> Vec<(Scope, Banned, &Penalty)> {
        let users = self.bans.iter().map(|(scope, user, p)| (scope, Banned::User(user.clone()), p));
        let certificates = self.certificates.iter().map(|(c, p)| (None, Banned::Certificate(*c), p));
        let addresses = self.addresses.iter().map(|(a, p)| (None, Banned::Address(*a), p));
        users.chain(certificates).chain(addresses).collect()
    }

    /// Is the address banned?
    pub(super) fn bars(&self, address: IpAddr, now: u64) -> bool {
        self.addresses.iter().any(|(range, ban)| ban.is_in_force(now) && is_in(range, address))
    }

    /// The addresses that are banned, and until when.
    pub(super) fn barred(&self) -> Barred {
        Arc::new(self.addresses.iter().map(|(range, p)| (*range, p.until)).collect())
    }

    /// Grants a role, or none.
    pub(super) fn grant(&mut self, scope: Scope, user: &Name, role: Option<Role>) -> Option<RightsChange> {
        let user = match role {
            Some(role) => self.grants.put(scope, user, role),
            None => self.grants.remove(scope, &user.key())?,
        };
        Some(RightsChange::Grant { scope, user, role })
    }

    /// What a user was granted, and where.
    pub(super) fn grants_of(&self, user: &Name) -> Vec<(Scope, Name, Role)> {
        let key = user.key();
        let theirs = self.grants.iter().filter(|(_, name, _)| name.key() == key);
        theirs.map(|(scope, name, role)| (scope, name.clone(), *role)).collect()
    }

    /// Makes a room private, or public.
    pub(super) fn set_private(&mut self, room: ConversationId, private: bool) -> RightsChange {
        if private {
            self.private.insert(room);
        } else {
            self.private.remove(&room);
        }
        RightsChange::Private { room, private }
    }

    /// Mutes, or with `None` lets speak again. `None`: there was nothing to take back.
    pub(super) fn set_mute(
        &mut self,
        scope: Scope,
        user: &Name,
        mute: Option<Penalty>,
    ) -> Option<RightsChange> {
        self.ends(mute.as_ref());
        let user = match &mute {
            Some(penalty) => self.mutes.put(scope, user, penalty.clone()),
            None => self.mutes.remove(scope, &user.key())?,
        };
        Some(RightsChange::Mute { scope, user, mute })
    }

    /// Bans, or with `None` lets in again. `None`: there was nothing to take back.
    pub(super) fn ban(&mut self, scope: Scope, whom: &Banned, ban: Option<Penalty>) -> Option<RightsChange> {
        self.ends(ban.as_ref());
        let banned = match (whom, &ban) {
            (Banned::User(user), Some(penalty)) => Banned::User(self.bans.put(scope, user, penalty.clone())),
            (Banned::User(user), None) => Banned::User(self.bans.remove(scope, &user.key())?),
            (Banned::Certificate(c), Some(penalty)) => {
                self.certificates.insert(*c, penalty.clone());
                whom.clone()
            }
            (Banned::Certificate(c), None) => self.certificates.remove(c).map(|_| whom.clone())?,
            (Banned::Address(range), Some(penalty)) => {
                self.addresses.insert(*range, penalty.clone());
                whom.clone()
            }
            (Banned::Address(range), None) => self.addresses.remove(range).map(|_| whom.clone())?,
        };
        Some(RightsChange::Ban { scope, banned, ban })
    }

    fn ends(&mut self, penalty: Option<&Penalty>) {
        self.soonest = [self.soonest, penalty.and_then(|p| p.until)].into_iter().flatten().min();
    }

    /// Takes back what is over by itself. Costs nothing while nothing is.
    pub(super) fn expire(&mut self, now: u64) -> Vec<RightsChange> {
        if self.soonest.is_none_or(|soonest| now < soonest) {
            return Vec::new();
        }
        let over = |p: &Penalty| !p.is_in_force(now);
        let mutes: Vec<_> =
            self.mutes.iter().filter(|(.., p)| over(p)).map(|(s, user, _)| (s, user.clone())).collect();
        let bans: Vec<_> =
            self.bans().into_iter().filter(|(.., p)| over(p)).map(|(s, banned, _)| (s, banned)).collect();
        let mut changes: Vec<_> =
            mutes.iter().filter_map(|(scope, user)| self.set_mute(*scope, user, None)).collect();
        changes.extend(bans.iter().filter_map(|(scope, banned)| self.ban(*scope, banned, None)));
        let mutes = self.mutes.iter().filter_map(|(.., p)| p.until);
        self.soonest = mutes.chain(self.bans().into_iter().filter_map(|(.., p)| p.until)).min();
        changes
    }

    /// Is there something about the room that must outlive its members? Its one owner alone does not.
    pub(super) fn holds(&self, room: ConversationId) -> bool {
        let there = self.grants.0.get(&Some(room));
        self.is_private(room) || there.is_some_and(|g| g.values().any(|(_, role)| *role != Role::Owner))
    }

    /// The room is gone.
    pub(super) fn forget(&mut self, room: ConversationId) {
        self.private.remove(&room);
        self.grants.0.remove(&Some(room));
        self.mutes.0.remove(&Some(room));
        self.bans.0.remove(&Some(room));
    }

    /// How many grants, mutes and bans there are in a room.
    pub(super) fn len_in(&self, room: ConversationId) -> usize {
        let room = Some(room);
        self.grants.len_in(room) + self.mutes.len_in(room) + self.bans.len_in(room)
    }

    /// How many there are in all.
    pub(super) fn len(&self) -> usize {
        self.grants.len()
            + self.mutes.len()
            + self.bans.len()
            + self.certificates.len()
            + self.addresses.len()
    }
}

fn holds(penalty: Option<&Penalty>, now: u64) -> bool {
    penalty.is_some_and(|p| p.is_in_force(now))
}
