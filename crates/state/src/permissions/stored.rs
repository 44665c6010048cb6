//! Owns the way of the permissions from the store and back. Called by the snapshot. Never decides about a share: the
//! store has it.

use super::Permissions;
use super::authors::Kind;
use crate::StoredPermissions;
use tcp_chat_protocol::Name;

impl Permissions {
    /// The permissions of a snapshot.
    pub(crate) fn restore(stored: StoredPermissions) -> Self {
        let StoredPermissions { grants, private, mutes, bans } = stored;
        let mut permissions = Self { private: private.into_iter().collect(), ..Self::default() };
        for (scope, user, role, by) in grants {
            drop(permissions.put_grant(scope, &user, Some(role), by));
        }
        for (scope, user, penalty) in mutes {
            drop(permissions.put_mute(scope, &user, Some(penalty)));
        }
        for (scope, banned, penalty) in bans {
            drop(permissions.put_ban(scope, &banned, Some(penalty)));
        }
        permissions
    }

    /// The permissions for the store.
    pub(crate) fn stored(&self) -> StoredPermissions {
        let by = |scope, user: &Name| self.author(scope, Kind::Grant, &user.key()).cloned();
        let grants = self.grants.iter();
        StoredPermissions {
            grants: grants.map(|(scope, user, role)| (scope, user.clone(), *role, by(scope, user))).collect(),
            private: self.private_rooms(),
            mutes: self.mutes.iter().map(|(scope, user, p)| (scope, user.clone(), p.clone())).collect(),
            bans: self.bans().into_iter().map(|(scope, banned, p)| (scope, banned, p.clone())).collect(),
        }
    }
}
