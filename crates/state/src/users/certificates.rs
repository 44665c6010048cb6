//! Owns the known client certificates, and which are revoked: by their keys, and by the names that each key has logged
//! in as. One key may be in certificates for several names. Changed by `ops/revoke.rs`, read by LOGIN, kept by the
//! store. Never checks a signature.

use crate::Digest;
use crate::steps::tick;
use crate::users::shared_map::SharedMap;
use serde::{Deserialize, Serialize};
use tcp_chat_protocol::{Name, NameKey};

/// A client certificate that was issued here, or that a client has logged in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// SHA-256 of its public key. Not of the certificate: a signature can be written in more than
    /// one way, and its owner must not get past a revocation by that.
    pub key: Digest,
    /// The user that it is for.
    pub name: Name,
    /// The end of its validity, in milliseconds since 1970: the latest one that was seen for this key and name.
    pub until: u64,
    /// Whether it is accepted.
    pub revoked: Revocation,
}

/// The extent of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Revocation {
    /// Nothing: it is accepted.
    None,
    /// Its user was removed, or all certificates of its user were revoked. The same key in a certificate for
    /// another user still counts.
    Name,
    /// The key itself: it is accepted for no user.
    Key,
}

/// A client certificate, as the peer of a connection has shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presented {
    /// The certificate.
    pub certificate: Certificate,
    /// The time of its issue, in milliseconds since 1970, as the certificate states it.
    pub issued: u64,
}

/// All of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Certificates {
    /// The certificates of each key, one for each name.
    by_key: SharedMap<Digest, Vec<Certificate>>,
    /// The keys of each name.
    by_owner: SharedMap<NameKey, Vec<Digest>>,
    /// The moment when each ends.
    by_end: SharedMap<(u64, Digest, NameKey), ()>,
}

impl Certificates {
    /// In the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Certificate> {
        let all = self.by_key.iter().flat_map(|(_, of_key)| of_key);
        let mut all: Vec<_> = all.inspect(|_| tick()).collect();
        all.sort_unstable_by_key(|certificate| (certificate.key, certificate.name.key()));
        all.into_iter()
    }

    /// Those of one user.
    pub(crate) fn of<'a>(&'a self, name: &Name) -> impl Iterator<Item = &'a Certificate> + use<'a> {
        let owner = name.key();
        let keys = self.by_owner.get(&owner).into_iter().flatten();
        keys.filter_map(move |key| {
            tick();
            self.by_key.get(key)?.iter().find(|certificate| certificate.name.key() == owner)
        })
    }

    /// Those with this key, one for each name.
    pub(crate) fn with_key(&self, key: &Digest) -> impl Iterator<Item = &Certificate> + use<'_> {
        self.by_key.get(key).into_iter().flatten().inspect(|_| tick())
    }

    /// The certificate with this key for this name.
    pub(crate) fn get(&self, key: &Digest, name: &Name) -> Option<&Certificate> {
        let owner = name.key();
        self.with_key(key).find(|certificate| certificate.name.key() == owner)
    }

    /// The known data of a certificate after this is added: the name as it was first written, the later end, and the
    /// wider revocation. `None`: nothing of it is new.
    pub(crate) fn merged(&self, mut told: Certificate) -> Option<Certificate> {
        let Some(known) = self.get(&told.key, &told.name) else { return Some(told) };
        told.name = known.name.clone();
        told.until = told.until.max(known.until);
        told.revoked = told.revoked.max(known.revoked);
        (told != *known).then_some(told)
    }

    /// The one that ends first.
    pub(crate) fn first_to_end(&self) -> Option<&Certificate> {
        let (_, key, owner) = self.by_end.first_key()?;
        self.by_key.get(key)?.iter().find(|certificate| certificate.name.key() == *owner)
    }

    pub(crate) fn put(&mut self, certificate: Certificate) {
        let (key, owner, until) = (certificate.key, certificate.name.key(), certificate.until);
        let mut of_key = self.by_key.get(&key).cloned().unwrap_or_default();
        match of_key.binary_search_by(|known| known.name.key().cmp(&owner)) {
            Ok(at) => {
                let before = std::mem::replace(&mut of_key[at], certificate);
                if before.until != until {
                    self.by_end.remove(&(before.until, key, owner.clone()));
                }
            }
            Err(at) => of_key.insert(at, certificate),
        }
        if self.by_end.get(&(until, key, owner.clone())).is_none() {
            self.by_end.insert((until, key, owner.clone()), ());
        }
        self.by_key.insert(key, of_key);
        self.by_owner.file(owner, key);
    }

    pub(crate) fn forget(&mut self, key: &Digest, name: &Name) {
        let Some(mut of_key) = self.by_key.get(key).cloned() else { return };
        let owner = name.key();
        for gone in of_key.iter().filter(|certificate| certificate.name.key() == owner) {
            self.by_end.remove(&(gone.until, *key, owner.clone()));
        }
        of_key.retain(|certificate| certificate.name.key() != owner);
        match of_key.is_empty() {
            true => drop(self.by_key.remove(key)),
            false => drop(self.by_key.insert(*key, of_key)),
        }
        self.by_owner.unfile(&owner, key);
    }
}
