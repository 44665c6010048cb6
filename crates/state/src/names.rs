//! Owns the walk over the names in the writes of a turn and in a snapshot. Called by the store of a node, which keeps the keys
//! of names that are not ASCII: they came with the turns, and another version may compute other ones. Never computes a key.

use crate::{
    By, ConversationKind, EndedSessionChange, ErasureChange, Penalty, PermissionChange, PermissionPlace,
    Rules, SessionChange, Snapshot, Sweep, UserChange, Writes,
};
use tcp_chat_protocol::{Banned, Name};

/// Called with each name.
type Visit<'a> = &'a mut dyn FnMut(&mut Name);

impl Writes {
    /// Calls `visit` with each name that a later snapshot may have.
    pub fn visit_names(&mut self, visit: Visit<'_>) {
        self.conversations.iter_mut().for_each(|(_, kind)| of_kind(kind, visit));
        self.redactions.iter_mut().filter_map(|of| of.by.as_mut()).for_each(&mut *visit);
        for change in &mut self.erasures {
            if let ErasureChange::Put(erasure) = change {
                visit(&mut erasure.name);
            }
        }
        self.erased.iter_mut().for_each(|slice| visit(&mut slice.erasure.name));
        for change in &mut self.sessions {
            if let SessionChange::Put(row) = change {
                visit(&mut row.name);
            }
        }
        for change in &mut self.ended_sessions {
            if let EndedSessionChange::Put(ended) = change {
                visit(&mut ended.name);
            }
        }
        self.work.added.iter_mut().for_each(|(_, sweep)| of_sweep(sweep, visit));
        for change in &mut self.permissions {
            match change {
                PermissionChange::Grant { user, by, .. } => {
                    visit(user);
                    by.iter_mut().for_each(&mut *visit);
                }
                PermissionChange::Private { .. } => {}
                PermissionChange::Mute { user, mute, .. } => {
                    visit(user);
                    mute.iter_mut().for_each(|mute| of_penalty(mute, visit));
                }
                PermissionChange::Ban { banned, ban, .. } => {
                    of_banned(banned, visit);
                    ban.iter_mut().for_each(|ban| of_penalty(ban, visit));
                }
            }
        }
        for line in &mut self.audit {
            if let By::User(name) = &mut line.by {
                visit(name);
            }
        }
        for change in &mut self.users {
            match change {
                UserChange::Put(user) => visit(&mut user.name),
                UserChange::Gone(_) => {}
                UserChange::Certificate(certificate) => visit(&mut certificate.name),
                UserChange::Removed(removed) => visit(&mut removed.name),
                UserChange::Forget(_, name) | UserChange::ForgetRemoved(name) => visit(name),
            }
        }
        self.policy.iter_mut().for_each(|policy| of_rules(policy, visit));
    }
}

impl Snapshot {
    /// Calls `visit` with each name.
    pub fn visit_names(&mut self, visit: Visit<'_>) {
        self.conversations.iter_mut().for_each(|of| of_kind(&mut of.kind, visit));
        self.sessions.iter_mut().for_each(|session| visit(&mut session.row.name));
        self.ended_sessions.iter_mut().for_each(|ended| visit(&mut ended.name));
        self.work.iter_mut().for_each(|(_, sweep)| of_sweep(sweep, visit));
        for (_, user, _, by) in &mut self.permissions.grants {
            visit(user);
            by.iter_mut().for_each(&mut *visit);
        }
        for (_, user, mute) in &mut self.permissions.mutes {
            visit(user);
            of_penalty(mute, visit);
        }
        for (_, banned, ban) in &mut self.permissions.bans {
            of_banned(banned, visit);
            of_penalty(ban, visit);
        }
        self.users.iter_mut().for_each(|user| visit(&mut user.name));
        self.certificates.iter_mut().for_each(|certificate| visit(&mut certificate.name));
        self.erasures.iter_mut().for_each(|erasure| visit(&mut erasure.name));
        self.removed.iter_mut().for_each(|removed| visit(&mut removed.name));
        self.rules.iter_mut().for_each(|rules| of_rules(rules, visit));
    }
}

fn of_kind(kind: &mut ConversationKind, visit: Visit<'_>) {
    if let ConversationKind::Room(name) = kind {
        visit(name);
    }
}

fn of_sweep(sweep: &mut Sweep, visit: Visit<'_>) {
    match sweep {
        Sweep::Grants(_, name) => visit(name),
        Sweep::Authored { name, after, .. } => {
            visit(name);
            match after {
                None => {}
                Some(PermissionPlace::Grant(_, user) | PermissionPlace::Mute(_, user)) => visit(user),
                Some(PermissionPlace::Ban(_, banned)) => of_banned(banned, visit),
            }
        }
        Sweep::Directs(..)
        | Sweep::Strangers(_)
        | Sweep::Lost(_)
        | Sweep::Room(..)
        | Sweep::BannedRange { .. }
        | Sweep::EndedPenalties
        | Sweep::OldCertificates
        | Sweep::Empty(_) => {}
    }
}

fn of_penalty(penalty: &mut Penalty, visit: Visit<'_>) {
    penalty.share.iter_mut().for_each(visit);
}

fn of_banned(banned: &mut Banned, visit: Visit<'_>) {
    if let Banned::User(name) = banned {
        visit(name);
    }
}

fn of_rules(rules: &mut Rules, visit: Visit<'_>) {
    let Rules { default_rooms, posted_rooms, endpoint, .. } = rules;
    default_rooms.iter_mut().chain(posted_rooms).chain(endpoint).for_each(visit);
}
