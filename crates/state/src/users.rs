//! Owns the registered users: names with an owner, how the owner proves to be it, and the codes for a first password or
//! certificate. The known certificates are beside them. The ops change it; `net` reads a shared copy, which costs
//! little (see `shared_map`), to check passwords. Never decides what a user may do.

pub(crate) mod addressed;
pub(super) mod certificates;
pub(crate) mod listing;
pub(super) mod removed;
pub(super) mod shared_map;

use super::steps::tick;
use super::{Digest, UserId};
use certificates::{Certificate, Certificates, Revocation};
use removed::Removed;
use serde::{Deserialize, Serialize};
use shared_map::SharedMap;
use std::fmt;
use std::sync::Arc;
use tcp_chat_protocol::{ErrorKind, Name, NameKey, NameLook, Refusal};

/// A registered user.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// The id: of the same numbering as sessions, and never used again.
    pub id: UserId,
    /// The name, as it is shown.
    pub name: Name,
    /// The Argon2id hash of the password, in PHC form; `None`: there is none yet.
    pub password: Option<Arc<str>>,
    /// A code that lets the user set a password or get a certificate, once.
    pub code: Option<Code>,
    /// When it was registered, in milliseconds since 1970.
    pub added: u64,
}

/// The time of registration of a user that is removed.
const REMOVED: u64 = i64::MAX.unsigned_abs();

impl User {
    /// A user that is removed. Its row stays in the store, without a credential, until its last grant is gone: a later
    /// owner of the name is another user.
    pub(super) fn removed(id: UserId, name: Name) -> Self {
        Self { id, name, password: None, code: None, added: REMOVED }
    }

    pub(super) fn is_removed(&self) -> bool {
        self.added == REMOVED
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// The stored form of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// SHA-256 of it. The code itself is never kept.
    pub hash: Digest,
    /// The end of its validity, in milliseconds since 1970.
    pub until: u64,
    /// Its purpose.
    pub gives: CodePurpose,
}

/// The purpose of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodePurpose {
    /// Setting a password.
    Password,
    /// Getting a certificate.
    Certificate,
}

/// A change of users and certificates that must survive a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum UserChange {
    /// It was registered, or its row changed.
    Put(User),
    /// It is no longer registered.
    Gone(UserId),
    /// A certificate is known, or its row changed.
    Certificate(Certificate),
    /// The certificate with this key for this name has expired long ago.
    Forget(Digest, Name),
    /// A user was removed.
    Removed(Removed),
    /// It was removed so long ago that no certificate can be left.
    ForgetRemoved(Name),
}

/// All registered users.
#[derive(Debug, Clone, Default)]
pub struct Users {
    all: SharedMap<UserId, User>,
    /// By the exact name. A store may hold several equal names: the oldest user has it, and when that is gone the
    /// next.
    by_key: SharedMap<NameKey, Vec<UserId>>,
    /// The names that a new name must not resemble.
    by_look: SharedMap<NameLook, Vec<UserId>>,
    certificates: Certificates,
    /// The users that may fetch a certificate, by the end of their codes.
    fetching: SharedMap<(u64, UserId), ()>,
}

impl Users {
    /// The users of a snapshot.
    #[must_use]
    pub fn new(
        users: impl IntoIterator<Item = User>,
        certificates: impl IntoIterator<Item = Certificate>,
    ) -> Self {
        let mut all = Self::default();
        users.into_iter().for_each(|user| all.put(user));
        certificates.into_iter().for_each(|certificate| all.put_certificate(certificate));
        all
    }

    /// The user of this name.
    #[must_use]
    pub fn by_name(&self, name: &Name) -> Option<&User> {
        self.by_key(&name.key())
    }

    /// The user by the folded name.
    pub(super) fn by_key(&self, key: &NameKey) -> Option<&User> {
        self.all.get(self.by_key.get(key)?.first()?)
    }

    /// The user.
    #[must_use]
    pub fn get(&self, id: UserId) -> Option<&User> {
        self.all.get(&id)
    }

    /// The user of this name, or of one that looks like it.
    #[must_use]
    pub fn twin(&self, name: &Name) -> Option<&User> {
        let alike = |look: NameLook| self.all.get(self.by_look.get(&look)?.first()?);
        self.by_name(name).or_else(|| name.looks().into_iter().find_map(alike))
    }

    /// The user whose code permits an ENROL.
    ///
    /// # Errors
    /// `AUTH_FAILED`: there is no such user, or the code is wrong, used or too old; the client is not told which.
    /// `DATA`: the code is valid, but has another purpose.
    pub fn admits(
        &self,
        name: &Name,
        code: Option<Digest>,
        gives: CodePurpose,
        now: u64,
    ) -> Result<&User, Refusal> {
        let user = self.by_name(name);
        // An unknown user costs a comparison, too.
        let kept = user.and_then(|user| user.code);
        let hash = kept.map_or(Digest([0; 32]), |code| code.hash);
        let is_right = code.is_some_and(|code| code.is(&hash));
        match (user, kept) {
            (Some(user), Some(kept)) if is_right && now <= kept.until => {
                if kept.gives == gives {
                    return Ok(user);
                }
                let msg = match kept.gives {
                    CodePurpose::Password => "this code is for a password: send `password`, not `csr`",
                    CodePurpose::Certificate => "this code is for a certificate: send `csr`, not `password`",
                };
                Err(Refusal::new(ErrorKind::Data, msg))
            }
            _ => Err(Refusal::new(
                ErrorKind::AuthFailed,
                "the code is wrong, used or too old: ask the operator for a new join line",
            )),
        }
    }

    /// All of them, in the order in which they were registered.
    pub fn iter(&self) -> impl Iterator<Item = &User> {
        let mut all: Vec<_> = self.all.iter().map(|(_, user)| user).inspect(|_| tick()).collect();
        all.sort_unstable_by_key(|user| user.id.0);
        all.into_iter()
    }

    /// The number of users.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Is there no registered user?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.len() == 0
    }

    /// All certificates that are known, in the order of their keys.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.iter()
    }

    /// Those of one user.
    pub fn certificates_of<'a>(&'a self, name: &Name) -> impl Iterator<Item = &'a Certificate> + use<'a> {
        self.certificates.of(name)
    }

    /// Those with this key, one for each name that it was shown for.
    pub fn certificates_with(&self, key: &Digest) -> impl Iterator<Item = &Certificate> + use<'_> {
        self.certificates.with_key(key)
    }

    /// The certificate with this key for this name.
    #[must_use]
    pub fn certificate(&self, key: &Digest, name: &Name) -> Option<&Certificate> {
        self.certificates.get(key, name)
    }

    /// The certificate that ends first.
    pub(super) fn first_to_end(&self) -> Option<&Certificate> {
        self.certificates.first_to_end()
    }

    /// Is this key revoked, for this name or for all?
    #[must_use]
    pub fn is_revoked(&self, key: &Digest, name: &Name) -> bool {
        let is_for_all = |c: &Certificate| c.revoked == Revocation::Key;
        self.certificate(key, name).is_some_and(|c| c.revoked != Revocation::None)
            || self.certificates_with(key).any(is_for_all)
    }

    /// Until when a client without a certificate may connect to fetch its first one, in milliseconds since 1970; 0: no
    /// client may.
    #[must_use]
    pub fn fetching_until(&self) -> u64 {
        self.fetching.last_key().map_or(0, |(until, _)| *until)
    }

    pub(super) fn put(&mut self, user: User) {
        self.by_key.file(user.name.key(), user.id);
        user.name.looks().into_iter().for_each(|look| self.by_look.file(look, user.id));
        if let Some(until) = fetches(&user) {
            self.fetching.insert((until, user.id), ());
        }
        if let Some(before) = self.all.insert(user.id, user) {
            self.fetches_no_more(&before);
        }
    }

    fn fetches_no_more(&mut self, before: &User) {
        let now = self.all.get(&before.id).and_then(fetches);
        if let Some(until) = fetches(before).filter(|until| now != Some(*until)) {
            self.fetching.remove(&(until, before.id));
        }
    }

    pub(super) fn remove(&mut self, id: UserId) -> Option<User> {
        let gone = self.all.remove(&id)?;
        self.fetches_no_more(&gone);
        self.by_key.unfile(&gone.name.key(), &id);
        gone.name.looks().iter().for_each(|look| self.by_look.unfile(look, &id));
        Some(gone)
    }

    /// The known data of a certificate after this is added; `None`: nothing of it is new.
    pub(super) fn merged_certificate(&self, told: Certificate) -> Option<Certificate> {
        self.certificates.merged(told)
    }

    pub(super) fn put_certificate(&mut self, certificate: Certificate) {
        self.certificates.put(certificate);
    }

    pub(super) fn forget_certificate(&mut self, key: &Digest, name: &Name) {
        self.certificates.forget(key, name);
    }
}

/// Until when a user may fetch a certificate.
fn fetches(user: &User) -> Option<u64> {
    user.code.filter(|code| code.gives == CodePurpose::Certificate).map(|code| code.until)
}

#[cfg(test)]
mod tests;
