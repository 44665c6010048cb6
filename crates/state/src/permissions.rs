//! Owns the stored permissions: grants, private rooms, mutes and bans. Called by the ops and by the checks. Never
//! decides about a request: `authorize` does.

pub(super) mod authorize;
pub(super) mod authors;
pub(super) mod by_user;
pub(super) mod checks;
mod endings;
mod erased;
pub(super) mod records;
mod stored;

use super::{BannedRanges, ConversationId, Penalty, PermissionChange, Scope};
use authorize::{Granted, Rank, Subject};
use authors::{Authors, Kind};
use by_user::ByUser;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use tcp_chat_protocol::banned::{Banned, Fingerprint, is_in};
use tcp_chat_protocol::{Name, NameKey, Role};

/// The stored permissions of all users and rooms.
#[derive(Debug, Default)]
pub(super) struct Permissions {
    grants: ByUser<Role>,
    private: HashSet<ConversationId>,
    mutes: ByUser<Penalty>,
    bans: ByUser<Penalty>,
    certificates: BTreeMap<Fingerprint, Penalty>,
    addresses: BTreeMap<IpNet, Penalty>,
    /// Which mutes and bans end by themselves, and when: one entry for each, under the name as it was first written.
    endings: BTreeSet<(u64, Kind, Scope, Banned)>,
    /// The authors of the entries in rooms.
    authors: Authors,
}

impl Permissions {
    /// The granted roles.
    pub(super) fn grants(&self) -> &ByUser<Role> {
        &self.grants
    }

    /// The mutes.
    pub(super) fn mutes(&self) -> &ByUser<Penalty> {
        &self.mutes
    }

    /// The private rooms, in the order of their opening.
    pub(super) fn private_rooms(&self) -> Vec<ConversationId> {
        let mut private: Vec<_> = self.private.iter().copied().collect();
        private.sort_unstable();
        private
    }

    pub(super) fn is_private(&self, room: ConversationId) -> bool {
        self.private.contains(&room)
    }

    /// The role and penalties of a user in a room.
    pub(super) fn in_room(
        &self,
        room: ConversationId,
        user: &NameKey,
        is_proven: bool,
        is_in: bool,
        now: u64,
    ) -> Subject {
        // A name that proves nothing has nothing of what was granted to it.
        let granted = if is_proven { self.granted(Some(room), user) } else { Granted::default() };
        let (role, rank) = authorize::in_room(granted, is_proven, self.is_private(room));
        let is_banned = holds(self.bans.get(Some(room), user), now);
        let is_muted = self.mute(Some(room), user, now).is_some();
        Subject { role, rank, is_in, is_banned, is_muted }
    }

    /// The role and penalties of a user on the server.
    pub(super) fn on_server(&self, user: &NameKey, is_proven: bool, now: u64) -> Subject {
        let (role, rank) = authorize::on_server(self.granted(None, user), is_proven);
        let is_muted = self.mute(None, user, now).is_some();
        Subject { role, rank, is_in: true, is_banned: false, is_muted }
    }

    /// The rank of a user there, by the grants of the name.
    pub(super) fn rank(&self, scope: Scope, user: &NameKey, is_proven: bool) -> Rank {
        let granted = self.granted(scope, user);
        match scope {
            None => authorize::on_server(granted, is_proven).1,
            Some(_) => authorize::in_room(granted, is_proven, false).1,
        }
    }

    fn granted(&self, scope: Scope, user: &NameKey) -> Granted {
        let server = self.grants.get(None, user).copied();
        let room = scope.and_then(|room| self.grants.get(Some(room), user).copied());
        // The opener of a room is its owner, and owners may grant any role.
        let is_of_users = || room == Some(Role::Owner) || self.author(scope, Kind::Grant, user).is_some();
        let is_capped = server == Some(Role::ReadOnly) && room.is_some() && is_of_users();
        Granted { server, room, is_capped }
    }

    /// The mute of a user there, on the whole server or in the room.
    pub(super) fn mute(&self, scope: Scope, user: &NameKey, now: u64) -> Option<&Penalty> {
        let there = |scope| self.mutes.get(scope, user).filter(|p| p.is_in_force(now));
        there(None).or_else(|| scope.and_then(|room| there(Some(room))))
    }

    /// The ban of a user from a room.
    pub(super) fn ban_in(&self, room: ConversationId, user: &NameKey, now: u64) -> Option<&Penalty> {
        self.bans.get(Some(room), user).filter(|p| p.is_in_force(now))
    }

    /// The ban of that name, or of that certificate, from the server.
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

    /// The bans of users.
    pub(super) fn user_bans(&self) -> &ByUser<Penalty> {
        &self.bans
    }

    /// The bans of certificates and addresses.
    pub(super) fn other_bans(&self) -> impl Iterator<Item = (Banned, &Penalty)> {
        let certificates = self.certificates.iter().map(|(c, p)| (Banned::Certificate(*c), p));
        certificates.chain(self.addresses.iter().map(|(a, p)| (Banned::Address(*a), p)))
    }

    /// Is the address banned?
    pub(super) fn bans_address(&self, address: IpAddr, now: u64) -> bool {
        self.addresses.iter().any(|(range, ban)| ban.is_in_force(now) && is_in(range, address))
    }

    /// The banned addresses, each with the end of its ban.
    pub(super) fn banned_ranges(&self) -> BannedRanges {
        Arc::new(self.addresses.iter().map(|(range, p)| (*range, p.until)).collect())
    }

    /// Grants a role, or removes it. `by`: the user whose share the grant counts for, if it counts.
    pub(super) fn grant(
        &mut self,
        scope: Scope,
        user: &Name,
        role: Option<Role>,
        by: Option<&Name>,
    ) -> Option<PermissionChange> {
        let by = self.share(scope, role.and(by.cloned()));
        self.put_grant(scope, user, role, by)
    }

    /// The same if the share is already decided.
    pub(super) fn put_grant(
        &mut self,
        scope: Scope,
        user: &Name,
        role: Option<Role>,
        by: Option<Name>,
    ) -> Option<PermissionChange> {
        let key = user.key();
        self.put_share(scope, Kind::Grant, &key, by.clone());
        let user = match role {
            Some(role) => self.grants.put(scope, user, role),
            None => self.grants.remove(scope, &key)?,
        };
        Some(PermissionChange::Grant { scope, user, role, by })
    }

    /// The share for an entry of a user. Entries for the whole server count for none, nor do those of moderators of
    /// the server.
    fn share(&self, scope: Scope, by: Option<Name>) -> Option<Name> {
        let is_bound =
            |by: &Name| self.grants.get(None, &by.key()).is_none_or(|role| *role < Role::Moderator);
        scope.and(by).filter(is_bound)
    }

    fn put_share(&mut self, scope: Scope, kind: Kind, user: &NameKey, share: Option<Name>) {
        if let Some(room) = scope {
            self.authors.set(room, kind, user, share);
        }
    }

    /// The share that it counts for.
    pub(super) fn author(&self, scope: Scope, kind: Kind, user: &NameKey) -> Option<&Name> {
        self.authors.get(scope?, kind, user)
    }

    /// A role of a user, with its scope.
    pub(super) fn a_grant_of(&self, user: &Name) -> Option<(Scope, Name, Role, Option<Name>)> {
        let key = user.key();
        let (scope, name, role) = self.grants.first_of(&key)?;
        Some((scope, name.clone(), *role, self.author(scope, Kind::Grant, &key).cloned()))
    }

    /// Makes a room private, or public.
    pub(super) fn set_private(&mut self, room: ConversationId, private: bool) -> PermissionChange {
        if private {
            self.private.insert(room);
        } else {
            self.private.remove(&room);
        }
        PermissionChange::Private { room, private }
    }

    /// Mutes, or with `None` unmutes. Returns `None` if there was no mute to remove.
    pub(super) fn set_mute(
        &mut self,
        scope: Scope,
        user: &Name,
        mute: Option<Penalty>,
    ) -> Option<PermissionChange> {
        let mute = mute.map(|mute| Penalty { share: self.share(scope, mute.author()), ..mute });
        self.put_mute(scope, user, mute)
    }

    fn put_mute(&mut self, scope: Scope, user: &Name, mute: Option<Penalty>) -> Option<PermissionChange> {
        let user = &self.mutes.name(scope, &user.key()).unwrap_or(user).clone();
        let before = self.mutes.get(scope, &user.key()).and_then(|p| p.until);
        self.ends(Kind::Mute, scope, &Banned::User(user.clone()), before, mute.as_ref());
        self.put_share(scope, Kind::Mute, &user.key(), mute.as_ref().and_then(|p| p.share.clone()));
        let user = match &mute {
            Some(penalty) => self.mutes.put(scope, user, penalty.clone()),
            None => self.mutes.remove(scope, &user.key())?,
        };
        Some(PermissionChange::Mute { scope, user, mute })
    }

    /// Bans, or with `None` unbans. Returns `None` if there was no ban to remove.
    pub(super) fn ban(
        &mut self,
        scope: Scope,
        whom: &Banned,
        ban: Option<Penalty>,
    ) -> Option<PermissionChange> {
        let ban = ban.map(|ban| Penalty { share: self.share(scope, ban.author()), ..ban });
        self.put_ban(scope, whom, ban)
    }

    fn put_ban(&mut self, scope: Scope, whom: &Banned, ban: Option<Penalty>) -> Option<PermissionChange> {
        let first = match whom {
            Banned::User(user) => self.bans.name(scope, &user.key()).cloned().map(Banned::User),
            Banned::Certificate(_) | Banned::Address(_) => None,
        };
        let whom = first.as_ref().unwrap_or(whom);
        let before = self.ban_on(scope, whom).and_then(|p| p.until);
        self.ends(Kind::Ban, scope, whom, before, ban.as_ref());
        if let Banned::User(user) = whom {
            self.put_share(scope, Kind::Ban, &user.key(), ban.as_ref().and_then(|p| p.share.clone()));
        }
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
        Some(PermissionChange::Ban { scope, banned, ban })
    }

    fn ban_on(&self, scope: Scope, whom: &Banned) -> Option<&Penalty> {
        match whom {
            Banned::User(user) => self.bans.get(scope, &user.key()),
            Banned::Certificate(fingerprint) => self.certificates.get(fingerprint),
            Banned::Address(range) => self.addresses.get(range),
        }
    }

    /// Does the room have an entry that must outlive its members? The grant of its only owner is none.
    pub(super) fn holds(&self, room: ConversationId) -> bool {
        self.is_private(room) || self.grants.there(Some(room)).any(|(_, role)| *role != Role::Owner)
    }

    /// Was a user granted the role of a moderator or an owner in the room?
    pub(super) fn has_moderator(&self, room: ConversationId) -> bool {
        self.grants.there(Some(room)).any(|(_, role)| *role >= Role::Moderator)
    }

    /// The room is removed.
    pub(super) fn forget(&mut self, room: ConversationId) {
        self.private.remove(&room);
        for (kind, of) in [(Kind::Mute, &self.mutes), (Kind::Ban, &self.bans)] {
            for (user, until) in of.there(Some(room)).filter_map(|(user, p)| Some((user, p.until?))) {
                self.endings.remove(&(until, kind, Some(room), Banned::User(user.clone())));
            }
        }
        self.grants.remove_all(Some(room));
        self.mutes.remove_all(Some(room));
        self.bans.remove_all(Some(room));
        self.authors.forget(room);
    }

    /// The number of grants, mutes and bans in a room.
    pub(super) fn len_in(&self, room: ConversationId) -> usize {
        let room = Some(room);
        self.grants.len_in(room) + self.mutes.len_in(room) + self.bans.len_in(room)
    }

    /// The number of entries in all rooms by users who do not moderate the server.
    pub(super) fn len_by_users(&self) -> usize {
        self.authors.len()
    }

    /// The number of entries by this user.
    pub(super) fn len_by(&self, user: &NameKey) -> usize {
        self.authors.len_by(user)
    }
}

fn holds(penalty: Option<&Penalty>, now: u64) -> bool {
    penalty.is_some_and(|p| p.is_in_force(now))
}
