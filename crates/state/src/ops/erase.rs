//! Owns the beginning of an erasure: the user is removed at once, with its sessions, roles, marks and certificates. Called by
//! `ops/user.rs`. Never visits messages: `erasures.rs` does.

use crate::ops::user::UserCommandError;
use crate::sweeps::queue::Sweep;
use crate::users::certificates::{Certificate, Revocation};
use crate::users::removed::Removed;
use crate::users::{User, UserChange};
use crate::{State, UserId};
use std::sync::Arc;
use tcp_chat_protocol::Name;

/// What the sessions of an erased user are told.
const WHY: &str = "an operator has erased this user from the server";

impl State {
    /// Erases the user of this name, registered or not. `lift`: also if the name is banned or muted. Returns the number of
    /// the new name. If the name is being erased already, that goes on.
    pub(crate) fn erase_user(&mut self, name: &Name, lift: bool) -> Result<i64, UserCommandError> {
        if name.is_reserved() && self.users.by_name(name).is_none() {
            return Err(UserCommandError::Erased(name.clone()));
        }
        let key = name.key();
        if let Some(erasure) = self.erasures.iter().find(|erasure| erasure.name.key() == key) {
            return Ok(erasure.id);
        }
        if self.users.by_name(name).is_none() && self.sessions.by_name(name).is_none() {
            // A typo would succeed otherwise, and the user that is meant would stay.
            let twin = self.users.twin(name).map(|twin| &twin.name);
            if let Some(twin) = twin.or_else(|| self.lookalike_session(name)) {
                return Err(UserCommandError::OnlyLooksLike(name.clone(), twin.clone()));
            }
        }
        let penalties = self.permissions.penalties_of(&key, self.turn.time());
        if !lift && !penalties.is_empty() {
            let rooms = penalties.iter().map(|(what, scope)| match self.room_name(*scope) {
                Some(room) => format!("{what} in {room}"),
                None => format!("{what} on the server"),
            });
            let list = rooms.collect::<Vec<_>>().join(", ");
            return Err(UserCommandError::Penalised(name.clone(), list));
        }
        let user = self.users.by_name(name).cloned();
        let name = user.as_ref().map_or(name, |user| &user.name).clone();
        let id = self.next_neutral_id();
        let of = user.as_ref().map(|user| user.id);
        while let Some(session_user) = self.sessions.by_name(&name) {
            self.end_sessions_of(session_user, WHY);
        }
        if let Some(of) = of {
            Arc::make_mut(&mut self.users).remove(of);
            self.remove_marks(of);
        }
        self.forget_certificates_of(&name);
        self.forget_removal_of(&name);
        let lifted = self.permissions.lift_all(&name);
        self.turn.writes.permissions.extend(lifted);
        // The row goes with the last grant.
        let row = of.unwrap_or(UserId(id));
        self.turn.writes.users.push(UserChange::Put(User::removed(row, name.clone())));
        self.add_sweep(Sweep::Grants(row, name.clone()));
        // Users can store 20,000 grants, mutes and bans, and operators more.
        self.add_sweep(Sweep::Authored { erased: id, name: name.clone(), after: None });
        self.begin_erasure(id, name, of);
        if let Some(of) = of {
            self.add_sweep(Sweep::directs_of(of));
        }
        Ok(id)
    }

    /// The next number whose neutral name nobody has. A store of an older version may have users of such names.
    fn next_neutral_id(&mut self) -> i64 {
        loop {
            let id = self.sessions.next_id();
            let name = Name::erased(id.unsigned_abs());
            let is_taken = self.users.twin(&name).is_some()
                || self.sessions.twin(&name).is_some()
                || self.conversations.twin(&name).is_some()
                || !self.permissions.penalties_of(&name.key(), self.turn.time()).is_empty();
            if !is_taken {
                return id;
            }
        }
    }

    /// The certificates of the name are unknown again: those that were issued until now do not count for it. A key that is
    /// revoked for all names stays so.
    fn forget_certificates_of(&mut self, name: &Name) {
        let known: Vec<_> = self.users.certificates_of(name).cloned().collect();
        for certificate in known {
            Arc::make_mut(&mut self.users).forget_certificate(&certificate.key, &certificate.name);
            let forget = UserChange::Forget(certificate.key, certificate.name.clone());
            self.turn.writes.users.push(forget);
            if certificate.revoked == Revocation::Key {
                self.know(Certificate { name: certificate.name.checksum(), ..certificate });
            }
        }
    }

    /// Certificates of the name that were issued until now do not count, though the name itself is forgotten.
    fn forget_removal_of(&mut self, name: &Name) {
        let before = self.removed.forget(name);
        self.turn.writes.users.extend(before.map(UserChange::ForgetRemoved));
        let removed = Removed { name: name.checksum(), at: self.turn.time() };
        drop(self.removed.put(removed.clone()));
        self.turn.writes.users.push(UserChange::Removed(removed));
    }
}
