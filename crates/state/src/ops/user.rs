//! Owns the commands of operators about users and certificates, and their effect on sessions: a name is registered, a
//! user is removed, a certificate is revoked. Called by [`State::apply`], and by LOGIN for the owner of a certificate.
//! Never makes a code.

use crate::sweeps::queue::Sweep;
use crate::users::certificates::{Certificate, Revocation};
use crate::users::removed::Removed;
use crate::users::{Code, CodePurpose, User, UserChange};
use crate::{Access, Audit, By, Digest, Ending, State, UserId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tcp_chat_protocol::{Name, NameError};

/// A command of an operator about a user or a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserCommand {
    /// Registers the name.
    Add(Name, Code),
    /// Removes the user: its sessions end, and each key that has logged in as it is revoked for this name.
    Remove(Name),
    /// Issues a new code. A code for a password removes the old password and ends the sessions.
    Reset(Name, Code),
    /// Accepts the key of this certificate for no user; the sessions of its users end.
    Revoke(Certificate),
    /// Accepts no known certificate of this user; the user's sessions end.
    RevokeAll(Name),
    /// Accepts this key for no user; the sessions of its users end.
    RevokeKey(Digest),
    /// A certificate was issued.
    Issued(Certificate),
    /// Erases the user, registered or not: its name and its texts leave the server. If the flag is set, also the bans and mutes
    /// of the name.
    Erase(Name, bool),
}

impl UserCommand {
    /// The name of the command in the audit log, and its target.
    fn audited(&self) -> (&'static str, String) {
        match self {
            Self::Add(name, _) => ("user add", name.to_string()),
            Self::Remove(name) => ("user remove", name.to_string()),
            // The new name takes its place.
            Self::Erase(..) => ("user erase", String::new()),
            Self::Reset(name, _) => ("user password", name.to_string()),
            Self::Revoke(certificate) => ("cert revoke", certificate.name.to_string()),
            Self::RevokeAll(name) => ("cert revoke", name.to_string()),
            Self::RevokeKey(key) => ("cert revoke", key.to_string()),
            Self::Issued(certificate) => ("cert issue", certificate.name.to_string()),
        }
    }
}

/// Why a command of an operator is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserCommandError {
    /// The name is registered already.
    #[error("there is a user {0} already; `tcp-chatd user password {0}` gives a new join line")]
    Exists(Name),
    /// The name looks like the name of another registered user.
    #[error("{0} looks like {1}, who is registered: nobody could tell them apart")]
    LooksLike(Name, Name),
    /// The difference of the name to another one would be invisible.
    #[error("{0:?}: {1}")]
    NotNew(String, NameError),
    /// The name looks like the name of a logged-in user.
    #[error(
        "{0} looks like {1}, who is logged in: nobody could tell them apart; `tcp-chatd kick {1}` ends those sessions"
    )]
    LooksLikeSession(Name, Name),
    /// A user of that name was removed, and some of its grants are not removed yet.
    #[error("{0} is still being removed; try again in a moment")]
    BeingRemoved(Name),
    /// A user of that name is being erased, and its messages would be taken for those of the next one.
    #[error("{0} is still being erased; try again when `tcp-chatd status` shows no erasing_left any more")]
    BeingErased(Name),
    /// No user of that name is registered.
    #[error("no user {0} is registered; `tcp-chatd user list` shows who is")]
    NoSuchUser(Name),
    /// No user of that name is registered, but a look-alike is.
    #[error("no user {0} is registered: {1} only looks the same")]
    OnlyLooksLike(Name, Name),
    /// There is no such certificate.
    #[error("no certificate of {0} is known that is not revoked; give its file instead")]
    NoCertificate(String),
    /// There is no such certificate, but a user with a look-alike name may have one.
    #[error("no certificate of {0} is known: {1} only looks the same")]
    NoCertificateOnlyLooksLike(Name, Name),
    /// The name stands for an erased user.
    #[error("{0} stands for an erased user: there is nothing to erase")]
    Erased(Name),
    /// The name is banned or muted, which would end with it.
    #[error(
        "{0} is {1}: nobody would be kept out by the name any more. Ban the address or the certificate instead, if need be, and \
         erase with --lift"
    )]
    Penalised(Name, String),
    /// Nothing was done, because it could not be kept.
    #[error("nothing was done: the store cannot be written (`tcp-chatd status` says why); try again later")]
    StoreFails,
    /// Nothing was done, because nothing can be ordered.
    #[error("nothing was done: nothing can be ordered now (`tcp-chatd status` says why); try again later")]
    Unavailable,
    /// It is done, but the store does not have it yet.
    #[error(
        "it is done, but not kept yet: the store cannot be written ({0}). It is kept as soon as the store works, and lost \
         if the daemon ends before"
    )]
    NotKeptYet(String),
}

impl State {
    /// Applies a command of an operator: the system's user of that number. Returns how many certificates or sessions
    /// it has affected; of an erasure the number in the new name.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn run_user_command(
        &mut self,
        uid: u32,
        command: UserCommand,
    ) -> Result<usize, UserCommandError> {
        self.seal();
        let (did, mut whom) = command.audited();
        let is_erasure = matches!(command, UserCommand::Erase(..));
        let erased = self.erasures.len();
        let touched = self.apply_user_command(command)?;
        if is_erasure {
            if self.erasures.len() == erased {
                // It goes on, and has its line already.
                return Ok(touched);
            }
            whom = Name::erased(touched as u64).to_string();
        }
        self.turn.writes.audit.push(Audit {
            at: self.turn.time(),
            by: By::Operator(uid),
            did: did.into(),
            whom: Some(whom.into()),
            room: None,
            what: None,
            until: None,
            reason: "".into(),
        });
        Ok(touched)
    }

    fn apply_user_command(&mut self, command: UserCommand) -> Result<usize, UserCommandError> {
        match command {
            UserCommand::Add(name, code) => self.add_user(name, code).map(|()| 0),
            UserCommand::Remove(name) => self.remove_user(&name),
            UserCommand::Erase(name, lift) => {
                let id = self.erase_user(&name, lift)?;
                Ok(usize::try_from(id).unwrap_or_default())
            }
            UserCommand::Reset(name, code) => {
                let mut user = self.registered(&name)?.clone();
                user.code = Some(code);
                let mut ended = 0;
                if code.gives == CodePurpose::Password {
                    user.password = None;
                    ended = self.end_sessions_of(user.id, "an operator has reset your password");
                }
                self.put_user(user);
                Ok(ended)
            }
            UserCommand::Revoke(certificate) => {
                let key = certificate.key;
                self.revoke(certificate, Revocation::Key);
                Ok(self.revoke_key(&key))
            }
            UserCommand::RevokeKey(key) => match self.revoke_key(&key) {
                0 => Err(UserCommandError::NoCertificate(key.to_string())),
                count => Ok(count),
            },
            UserCommand::RevokeAll(name) => match self.revoke_all(&name) {
                0 => Err(match self.users.twin(&name).filter(|twin| twin.name.key() != name.key()) {
                    Some(twin) => UserCommandError::NoCertificateOnlyLooksLike(name, twin.name.clone()),
                    None => UserCommandError::NoCertificate(name.to_string()),
                }),
                count => Ok(count),
            },
            UserCommand::Issued(certificate) => {
                self.know(certificate);
                Ok(1)
            }
        }
    }

    fn registered(&self, name: &Name) -> Result<&User, UserCommandError> {
        self.users.by_name(name).ok_or_else(|| match self.users.twin(name) {
            Some(twin) => UserCommandError::OnlyLooksLike(name.clone(), twin.name.clone()),
            None => UserCommandError::NoSuchUser(name.clone()),
        })
    }

    fn add_user(&mut self, name: Name, code: Code) -> Result<(), UserCommandError> {
        if let Some(twin) = self.users.twin(&name) {
            return Err(match twin.name.key() == name.key() {
                true => UserCommandError::Exists(twin.name.clone()),
                false => UserCommandError::LooksLike(name, twin.name.clone()),
            });
        }
        if let Some(twin) = self.lookalike_session(&name) {
            return Err(UserCommandError::LooksLikeSession(name, twin.clone()));
        }
        if self.erasures.iter().any(|erasure| erasure.name.key() == name.key()) {
            return Err(UserCommandError::BeingErased(name));
        }
        if self.is_being_removed(&name) {
            return Err(UserCommandError::BeingRemoved(name));
        }
        name.may_be_new().map_err(|why| UserCommandError::NotNew(name.to_string(), why))?;
        self.register(name, Some(code));
        Ok(())
    }

    /// The name of a logged-in user that looks like this one.
    pub(crate) fn lookalike_session(&self, name: &Name) -> Option<&Name> {
        let twin = &self.sessions.first_of(self.sessions.twin(name)?)?.row.name;
        (twin.key() != name.key()).then_some(twin)
    }

    fn remove_user(&mut self, name: &Name) -> Result<usize, UserCommandError> {
        let user = self.registered(name)?.clone();
        self.revoke_all(&user.name);
        self.note_removed(&user.name);
        let ended = self.end_sessions_of(user.id, "an operator has removed you from this server");
        Arc::make_mut(&mut self.users).remove(user.id);
        self.remove_marks(user.id);
        self.turn.writes.users.push(UserChange::Put(User::removed(user.id, user.name.clone())));
        self.add_sweep(Sweep::directs_of(user.id));
        self.add_sweep(Sweep::Grants(user.id, user.name.clone()));
        Ok(ended)
    }

    /// From now on no certificate of that name counts that was issued before.
    fn note_removed(&mut self, name: &Name) {
        let removed = Removed { name: name.clone(), at: self.turn.time() };
        let before = self.removed.put(removed.clone());
        let other = before.as_ref().filter(|before| before.name.as_str() != name.as_str());
        let forget = other.map(|before| UserChange::ForgetRemoved(before.name.clone()));
        self.turn.writes.users.extend(forget);
        self.turn.writes.users.push(UserChange::Removed(removed));
    }

    /// The name has an owner from now on, and no removed user has grants under it. Sessions that have not proven the
    /// name end. Sessions under look-alike names belong to other users and stay.
    pub(crate) fn register(&mut self, name: Name, code: Option<Code>) -> UserId {
        while let Some(unproven) = self.sessions.by_name(&name) {
            self.end_sessions_of(unproven, "this name is registered from now on: log in as its owner");
        }
        let id = UserId(self.sessions.next_id());
        self.put_user(User { id, name, password: None, code, added: self.turn.time() });
        id
    }

    pub(crate) fn put_user(&mut self, user: User) {
        Arc::make_mut(&mut self.users).put(user.clone());
        self.turn.writes.users.push(UserChange::Put(user));
    }

    /// Ends all sessions of a user with this reason. Returns how many there were.
    pub(crate) fn end_sessions_of(&mut self, user: UserId, why: &str) -> usize {
        let sessions = self.sessions.of(user).to_vec();
        for id in &sessions {
            self.end_session(*id, Ending::Unwelcome(why.into()));
        }
        sessions.len()
    }

    /// If only registered users may log in, the sessions of all other users end.
    pub(crate) fn sweep_unregistered(&mut self) {
        if self.rules.access != Access::Accounts {
            return;
        }
        self.add_sweep(Sweep::Strangers(UserId(i64::MIN)));
    }
}
