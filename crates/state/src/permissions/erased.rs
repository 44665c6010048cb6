//! Owns what an erasure changes in the stored permissions: the mutes and bans of the name, and its name as their author.
//! Called by `ops/erase.rs`. Never decides whether a ban may be lifted.

use super::{Kind, Permissions};
use crate::{Penalty, PermissionChange, Scope};
use tcp_chat_protocol::{Banned, Name, NameKey, Role};

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

    /// The grants, mutes and bans that this user has made are by `name` from now on. Visits all entries once: users can store
    /// 20,000 of them.
    pub(crate) fn rename_author(&mut self, user: &NameKey, name: &Name) -> Vec<PermissionChange> {
        let is_by = |by: Option<&Name>| by.is_some_and(|by| by.key() == *user);
        let renamed = |penalty: &Penalty| {
            let author = penalty.author();
            let (by, share) = (is_by(author.as_ref()), is_by(penalty.share.as_ref()));
            (by || share).then(|| Penalty {
                by: if by { name.as_str().into() } else { penalty.by.clone() },
                share: if share { Some(name.clone()) } else { penalty.share.clone() },
                ..penalty.clone()
            })
        };
        let grants: Vec<(Scope, Name, Role)> = self
            .grants
            .iter()
            .filter(|(scope, of, _)| is_by(self.author(*scope, Kind::Grant, &of.key())))
            .map(|(scope, of, role)| (scope, of.clone(), *role))
            .collect();
        let mutes: Vec<_> =
            self.mutes.iter().filter_map(|(scope, of, p)| Some((scope, of.clone(), renamed(p)?))).collect();
        let bans: Vec<_> =
            self.bans().into_iter().filter_map(|(scope, of, p)| Some((scope, of, renamed(p)?))).collect();
        let mut changes = Vec::new();
        for (scope, of, role) in grants {
            changes.extend(self.put_grant(scope, &of, Some(role), Some(name.clone())));
        }
        for (scope, of, mute) in mutes {
            changes.extend(self.put_mute(scope, &of, Some(mute)));
        }
        for (scope, of, ban) in bans {
            changes.extend(self.put_ban(scope, &of, Some(ban)));
        }
        changes
    }
}
