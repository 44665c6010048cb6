//! Owns what an erasure changes in the stored permissions: the mutes and bans of the name, and its name as their author.
//! Called by `ops/erase.rs` and by the sweep of the authors. Never decides whether a ban may be lifted.

use super::{Kind, Permissions};
use crate::{Penalty, PermissionChange, PermissionPlace, Scope};
use std::ops::Bound;
use tcp_chat_protocol::{Banned, Name, NameKey};

impl Permissions {
    /// The mutes and bans of a user that are in force.
    pub(crate) fn penalties_of(&self, user: &NameKey, now: u64) -> Vec<(&'static str, Scope)> {
        let of = |what, table: &super::ByUser<Penalty>| {
            let scopes = table
                .scopes_of(user)
                .filter(|scope| table.get(*scope, user).is_some_and(|penalty| penalty.is_in_force(now)));
            scopes.map(|scope| (what, scope)).collect::<Vec<_>>()
        };
        [of("banned", &self.bans), of("muted", &self.mutes)].concat()
    }

    /// Removes all mutes and bans of a user.
    pub(crate) fn lift_all(&mut self, user: &Name) -> Vec<PermissionChange> {
        let key = user.key();
        let (bans, mutes): (Vec<_>, Vec<_>) =
            (self.bans.scopes_of(&key).collect(), self.mutes.scopes_of(&key).collect());
        let mut changes = Vec::new();
        for scope in bans {
            changes.extend(self.ban(scope, &Banned::User(user.clone()), None));
        }
        for scope in mutes {
            changes.extend(self.set_mute(scope, user, None));
        }
        changes
    }

    /// The next grant, mute or ban that this user has made is by `name` from now on. Visits at most `most` entries after
    /// that place. Returns the last place that it has visited, `None` after all entries.
    pub(crate) fn rename_author(
        &mut self,
        user: &NameKey,
        name: &Name,
        mut after: Option<PermissionPlace>,
        most: usize,
    ) -> (Option<PermissionPlace>, Option<PermissionChange>) {
        for _ in 0..most {
            let Some(place) = self.place_after(after.as_ref()) else { return (None, None) };
            let change = self.rename_author_at(user, name, &place);
            after = Some(place);
            if change.is_some() {
                return (after, change);
            }
        }
        (after, None)
    }

    fn rename_author_at(
        &mut self,
        user: &NameKey,
        name: &Name,
        place: &PermissionPlace,
    ) -> Option<PermissionChange> {
        let is_by = |by: Option<&Name>| by.is_some_and(|by| by.key() == *user);
        let renamed = |penalty: &Penalty| {
            let author = penalty.author();
            let (by, share) = (is_by(author.as_ref()), is_by(penalty.share.as_ref()));
            (by || share).then(|| Penalty {
                by: if by { name.as_str().into() } else { penalty.by.clone() },
                // The reason is the user's own words.
                reason: if by { "".into() } else { penalty.reason.clone() },
                share: if share { Some(name.clone()) } else { penalty.share.clone() },
                ..penalty.clone()
            })
        };
        match place {
            PermissionPlace::Grant(scope, of) => {
                let role = *self.grants.get(*scope, &of.key())?;
                is_by(self.author(*scope, Kind::Grant, &of.key()))
                    .then(|| self.put_grant(*scope, of, Some(role), Some(name.clone())))?
            }
            PermissionPlace::Mute(scope, of) => {
                let mute = renamed(self.mutes.get(*scope, &of.key())?)?;
                self.put_mute(*scope, of, Some(mute))
            }
            PermissionPlace::Ban(scope, of) => {
                let ban = renamed(self.ban_on(*scope, of)?)?;
                self.put_ban(*scope, of, Some(ban))
            }
        }
    }

    /// The place after that one; the first one after `None`.
    fn place_after(&self, after: Option<&PermissionPlace>) -> Option<PermissionPlace> {
        use PermissionPlace::{Ban, Grant, Mute};
        let at = |scope: &Scope, user: &Name| Some((*scope, user.key()));
        // In each table: its first entry, or the one after that place.
        let grants = match after {
            None => Some(None),
            Some(Grant(scope, user)) => Some(at(scope, user)),
            Some(_) => None,
        };
        let mutes = match after {
            None | Some(Grant(..)) => Some(None),
            Some(Mute(scope, user)) => Some(at(scope, user)),
            Some(_) => None,
        };
        let bans = match after {
            Some(Ban(scope, Banned::User(user))) => Some(at(scope, user)),
            Some(Ban(..)) => None,
            _ => Some(None),
        };
        let certificates = match after {
            Some(Ban(_, Banned::Certificate(at))) => Some(Bound::Excluded(*at)),
            Some(Ban(_, Banned::Address(_))) => None,
            _ => Some(Bound::Unbounded),
        };
        let addresses = match after {
            Some(Ban(_, Banned::Address(at))) => Bound::Excluded(*at),
            _ => Bound::Unbounded,
        };
        let grant = || self.grants.after(grants?).next().map(|(_, scope, of, _)| Grant(scope, of.clone()));
        let mute = || self.mutes.after(mutes?).next().map(|(_, scope, of, _)| Mute(scope, of.clone()));
        let ban = || {
            let (_, scope, of, _) = self.bans.after(bans?).next()?;
            Some(Ban(scope, Banned::User(of.clone())))
        };
        let certificate = || {
            let (of, _) = self.certificates.range((certificates?, Bound::Unbounded)).next()?;
            Some(Ban(None, Banned::Certificate(*of)))
        };
        let address = || {
            let (of, _) = self.addresses.range((addresses, Bound::Unbounded)).next()?;
            Some(Ban(None, Banned::Address(*of)))
        };
        grant().or_else(mute).or_else(ban).or_else(certificate).or_else(address)
    }
}
