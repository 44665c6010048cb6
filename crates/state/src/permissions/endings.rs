//! Owns the ends of mutes and bans, and removes the ended ones. Called by the permissions, by moderation actions and
//! by the sweeps. Never decides when one ends: the penalty states it.

use super::{Kind, Permissions};
use crate::{Penalty, PermissionChange, Scope};
use tcp_chat_protocol::Banned;

impl Permissions {
    /// The entry ends at that moment, and no longer at the moment `before`.
    pub(super) fn ends(
        &mut self,
        kind: Kind,
        scope: Scope,
        whom: &Banned,
        before: Option<u64>,
        penalty: Option<&Penalty>,
    ) {
        if let Some(until) = before {
            self.endings.remove(&(until, kind, scope, whom.clone()));
        }
        if let Some(until) = penalty.and_then(|p| p.until) {
            self.endings.insert((until, kind, scope, whom.clone()));
        }
    }

    /// Has an entry ended?
    pub(crate) fn has_ended_entry(&self, now: u64) -> bool {
        self.endings.first().is_some_and(|(until, ..)| *until <= now)
    }

    /// Removes ended entries, so many at most. Costs nothing while none has ended.
    pub(crate) fn expire(&mut self, most: usize, now: u64) -> Vec<PermissionChange> {
        let mut changes = Vec::new();
        for _ in 0..most {
            if !self.has_ended_entry(now) {
                break;
            }
            let Some((_, kind, scope, whom)) = self.endings.pop_first() else { break };
            let is_over = |penalty: Option<&Penalty>| penalty.is_some_and(|p| !p.is_in_force(now));
            changes.extend(match (kind, &whom) {
                (Kind::Mute, Banned::User(user)) if is_over(self.mutes.get(scope, &user.key())) => {
                    self.set_mute(scope, user, None)
                }
                (Kind::Ban, _) if is_over(self.ban_on(scope, &whom)) => self.ban(scope, &whom, None),
                _ => None,
            });
        }
        changes
    }

    /// The number of mutes and bans with an end.
    pub(crate) fn ending(&self) -> usize {
        self.endings.len()
    }
}
