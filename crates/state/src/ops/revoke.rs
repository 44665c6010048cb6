//! Owns the revocation of client certificates, and when expired ones are forgotten. Called by the operators' commands,
//! by LOGIN and by the sweeps. Never checks a signature.

use crate::sweeps::queue::Sweep;
use crate::users::UserChange;
use crate::users::certificates::{Certificate, Revocation};
use crate::{Digest, State};
use std::sync::Arc;
use tcp_chat_protocol::Name;

/// How long an expired certificate is remembered: a clock that is wrong for a while must not make a revoked one valid
/// again.
const REMEMBER_MS: u64 = 90 * 24 * 3600 * 1000;

impl State {
    /// Revokes all known keys of a user, for that name. Returns how many were valid.
    pub(crate) fn revoke_all(&mut self, name: &Name) -> usize {
        let is_good = |c: &&Certificate| !self.users.is_revoked(&c.key, &c.name);
        let known: Vec<_> = self.users.certificates_of(name).filter(is_good).cloned().collect();
        let count = known.len();
        known.into_iter().for_each(|certificate| self.revoke(certificate, Revocation::Name));
        count
    }

    /// Revokes a key for all users. Returns the number of its known names.
    pub(crate) fn revoke_key(&mut self, key: &Digest) -> usize {
        let known: Vec<_> = self.users.certificates_with(key).cloned().collect();
        let count = known.len();
        known.into_iter().for_each(|certificate| self.revoke(certificate, Revocation::Key));
        count
    }

    pub(crate) fn revoke(&mut self, certificate: Certificate, revoked: Revocation) {
        if let Some(user) = self.users.by_name(&certificate.name) {
            self.end_sessions_of(user.id, "an operator has revoked your certificate");
        }
        self.know(Certificate { revoked, ..certificate });
    }

    /// Records the new data of a certificate: the certificate, or a later end of it.
    pub(crate) fn know(&mut self, certificate: Certificate) {
        let Some(certificate) = self.users.merged_certificate(certificate) else { return };
        Arc::make_mut(&mut self.users).put_certificate(certificate.clone());
        self.turn.writes.users.push(UserChange::Certificate(certificate));
    }

    /// Begins to forget certificates that expired long ago, and removed users whose certificates must all have
    /// expired.
    pub(crate) fn sweep_expired(&mut self) {
        if self.has_expired() {
            self.add_sweep(Sweep::OldCertificates);
        }
    }

    pub(crate) fn has_expired(&self) -> bool {
        let now = self.turn.time();
        let is_old = |c: &Certificate| c.until.saturating_add(REMEMBER_MS) < now;
        self.users.first_to_end().is_some_and(is_old) || self.removed.has_old(now)
    }

    /// Forgets one of them. True: there are more.
    pub(crate) fn forget_expired(&mut self) -> bool {
        let now = self.turn.time();
        let is_old = |c: &&Certificate| c.until.saturating_add(REMEMBER_MS) < now;
        let old = self.users.first_to_end().filter(is_old).map(|c| (c.key, c.name.clone()));
        let forgotten = match old {
            Some((key, name)) => {
                Arc::make_mut(&mut self.users).forget_certificate(&key, &name);
                Some(UserChange::Forget(key, name))
            }
            None => self.removed.forget_old(now).map(UserChange::ForgetRemoved),
        };
        self.turn.writes.users.extend(forgotten);
        self.has_expired()
    }
}
