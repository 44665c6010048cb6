//! Owns which name a LOGIN may have, by its evidence. Called by [`State::login`] and by a resume. Never checks a
//! password or a signature: the daemon has checked them, and reports the result as [`Evidence`].

use crate::users::certificates::{Certificate, Presented, Revocation};
use crate::{Access, Answer, Digest, Evidence, Refusal, SessionId, State, UserId, refusal};
use tcp_chat_protocol::{ErrorKind, Name};

/// The user of a LOGIN.
#[derive(Debug)]
pub(crate) struct Who {
    /// A registered user with a proof; `None`: a name without an owner.
    pub(crate) user: Option<UserId>,
    pub(crate) name: Name,
}

impl State {
    /// The one answer to every failed login, whatever the reason.
    pub(crate) fn auth_failed() -> Refusal {
        refusal(ErrorKind::AuthFailed, "the name, its password or its certificate is missing or wrong")
    }

    /// The answer to the owner of a certificate that names no user. It reveals nothing that is not in the certificate.
    pub(crate) fn certificate_names_no_user(why: &str) -> Refusal {
        refusal(ErrorKind::AuthFailed, format!("your certificate is for no user: {why}"))
    }

    /// The user of this LOGIN, or the refusal.
    pub(crate) fn identify(&mut self, name: Name, evidence: Evidence) -> Result<Who, Refusal> {
        let owner = self.users.by_name(&name);
        let who = match evidence {
            Evidence::Refused => return Err(Self::auth_failed()),
            Evidence::Unusable(why) => return Err(Self::certificate_names_no_user(&why)),
            Evidence::Password(user, hash) => {
                let owner = owner.filter(|o| o.id == user && o.password.as_ref() == Some(&hash));
                owner.map(|o| Who { user: Some(o.id), name: o.name.clone() }).ok_or_else(Self::auth_failed)?
            }
            Evidence::Certificate(shown) => {
                let holder = &shown.certificate.name;
                if holder.key() != name.key() {
                    let msg = format!("your certificate is for {holder}: log in under that name");
                    return Err(refusal(ErrorKind::AuthFailed, msg));
                }
                let owner = owner.map(|o| (o.id, o.name.clone()));
                self.by_certificate(*shown, owner)?
            }
            Evidence::Endpoint => match owner {
                Some(owner) => Who { user: Some(owner.id), name: owner.name.clone() },
                // The operator chose this name: a session with a look-alike name does not keep the endpoint from
                // posting.
                None => {
                    if let Some(twin) = self.users.twin(&name) {
                        return Err(looks_like(&name, &twin.name));
                    }
                    may_be_new(&name, "name")?;
                    Who { user: Some(self.register_by_login(&name)?), name }
                }
            },
            Evidence::NotNeeded | Evidence::Accepted(_) => {
                if owner.is_some() || !self.rules.access.lets_in(&evidence) {
                    return Err(Self::auth_failed());
                }
                self.ensure_name_is_free(&name)?;
                Who { user: None, name }
            }
        };
        let most = self.rules.sessions_per_user;
        if let Some(user) = who.user
            && most > 0
            && self.sessions.of(user).len() >= most
        {
            let msg = format!("{} has {most} sessions already: end one of them first", who.name);
            return Err(refusal(ErrorKind::NameTaken, msg));
        }
        Ok(who)
    }

    /// A certificate proves the name that is in it, registered or not.
    pub(crate) fn by_certificate(
        &mut self,
        shown: Presented,
        owner: Option<(UserId, Name)>,
    ) -> Result<Who, Refusal> {
        self.check_certificate(&shown)?;
        let shown = shown.certificate;
        let who = match owner {
            Some((id, name)) => Who { user: Some(id), name },
            None if self.rules.access == Access::Accounts => return Err(Self::auth_failed()),
            None => {
                if let Some(twin) = self.users.twin(&shown.name) {
                    return Err(looks_like(&shown.name, &twin.name));
                }
                if let Some(twin) = self.lookalike_session(&shown.name) {
                    return Err(looks_like_session(&shown.name, twin));
                }
                may_be_new(&shown.name, "name")?;
                Who { user: Some(self.register_by_login(&shown.name)?), name: shown.name.clone() }
            }
        };
        self.know(shown);
        Ok(who)
    }

    pub(crate) fn register_by_login(&mut self, name: &Name) -> Result<UserId, Refusal> {
        if self.is_being_removed(name) {
            let msg = format!("a user {name} is still being removed: try again in a second");
            let mut refusal = refusal(ErrorKind::RateLimited, msg);
            refusal.retry_after_ms = Some(1_000);
            return Err(refusal);
        }
        Ok(self.register(name.clone(), None))
    }

    /// Does the certificate count now?
    pub(crate) fn check_certificate(&mut self, shown: &Presented) -> Result<(), Refusal> {
        let Presented { certificate, issued } = shown;
        let Certificate { key, name, until, .. } = certificate;
        let known = self.users.certificate(key, name).is_some();
        if self.users.is_revoked(key, name) {
            self.extend_revocation(key, *until);
            return Err(Self::auth_failed());
        }
        if *until < self.turn.time() {
            return Err(Self::auth_failed());
        }
        // The known certificates were revoked with the user.
        if !known && self.removed.is_since(name, *issued) {
            let msg = format!(
                "this certificate was issued before {name} was removed from this server, and is no longer valid: ask the \
                 operator for a new one"
            );
            return Err(refusal(ErrorKind::AuthFailed, msg));
        }
        Ok(())
    }

    /// A client has shown a revoked key in a certificate with a later end than the known ones. The revocation is
    /// remembered until that end.
    pub(crate) fn extend_revocation(&mut self, key: &Digest, until: u64) {
        let shorter =
            self.users.certificates_with(key).filter(|c| c.revoked != Revocation::None && c.until < until);
        let longer: Vec<_> = shorter.map(|c| Certificate { until, ..c.clone() }).collect();
        longer.into_iter().for_each(|certificate| self.know(certificate));
    }

    /// Refuses a name with an owner or a session to a client without a proof.
    pub(crate) fn ensure_name_is_free(&self, name: &Name) -> Result<(), Refusal> {
        if let Some(twin) = self.users.twin(name) {
            return Err(looks_like(name, &twin.name));
        }
        let twin = self.sessions.twin(name).and_then(|user| self.sessions.first_of(user));
        let Some(twin) = twin.map(|session| &session.row.name) else {
            return may_be_new(name, "name");
        };
        let msg = match twin.key() == name.key() {
            true => format!("the name {twin} is in use"),
            false => return Err(looks_like_session(name, twin)),
        };
        Err(refusal(ErrorKind::NameTaken, msg))
    }

    /// Refuses to resume a session with the certificate of another user, whatever the token.
    pub(crate) fn may_resume(&mut self, session: SessionId, evidence: &Evidence) -> Result<(), Refusal> {
        let Some(shown) = evidence.certificate() else { return Ok(()) };
        self.check_certificate(shown)?;
        let holder = &shown.certificate.name;
        if self.sessions.get(session).is_none_or(|held| held.row.name.key() != holder.key()) {
            return Err(Self::auth_failed());
        }
        // A key that has only resumed sessions is revoked with its user, too.
        self.know(shown.certificate.clone());
        Ok(())
    }
}

/// May a new user or room have this name? Not if the difference to another name would be invisible.
pub(crate) fn may_be_new(name: &Name, field: &str) -> Answer {
    name.may_be_new().map_err(|why| refusal(ErrorKind::NameInvalid, format!("`{field}`: {why}")))
}

pub(crate) fn looks_like_session(name: &Name, other: &Name) -> Refusal {
    refusal(ErrorKind::NameTaken, format!("the name {name} looks like {other}, which is in use"))
}

pub(crate) fn looks_like(name: &Name, other: &Name) -> Refusal {
    refusal(ErrorKind::NameTaken, format!("the name {name} looks like {other}, who is registered"))
}
