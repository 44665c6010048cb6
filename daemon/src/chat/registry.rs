//! Owns what an operator does to users and certificates, and what it comes to for sessions that are
//! there: a name that is registered, a user who is removed, a certificate that is revoked. Called
//! by the hub, and by [`Chat::login`] for who comes with a certificate. Never makes a code.

use super::removed::Removed;
use super::sweeps::Sweep;
use super::users::{Certificate, Code, Digest, Gives, User, UserChange, Users};
use super::{Audit, By, Chat, Closing, IdMap, UserId};
use std::sync::Arc;
use tcp_chat_protocol::event::{NoticeEvent, notice};
use tcp_chat_protocol::{Name, NameError, NoticeKind};

/// How long an expired certificate is remembered: a clock that is wrong for a while must not
/// bring a revoked one back.
const REMEMBER_MS: u64 = 90 * 24 * 3600 * 1000;

/// What an operator wants done to a user or a certificate.
#[derive(Debug, Clone)]
pub enum UserWish {
    /// Register the name.
    Add(Name, Code),
    /// Register it no more: its certificates are revoked, its sessions end.
    Remove(Name),
    /// Give a new code. With one for a password, the old password is gone and the sessions end.
    Reset(Name, Code),
    /// Accept this certificate no more; the sessions of its user end.
    Revoke(Certificate),
    /// The same for all certificates of a user that are known.
    RevokeAll(Name),
    /// The same for the one with this key.
    RevokeKey(Digest),
    /// A certificate was issued.
    Issued(Certificate),
}

impl UserWish {
    /// What it is called in the audit log, and to whom it is done.
    fn audited(&self) -> (&'static str, String) {
        match self {
            Self::Add(name, _) => ("user add", name.to_string()),
            Self::Remove(name) => ("user remove", name.to_string()),
            Self::Reset(name, _) => ("user password", name.to_string()),
            Self::Revoke(certificate) => ("cert revoke", certificate.name.to_string()),
            Self::RevokeAll(name) => ("cert revoke", name.to_string()),
            Self::RevokeKey(key) => ("cert revoke", key.to_string()),
            Self::Issued(certificate) => ("cert issue", certificate.name.to_string()),
        }
    }
}

/// Why an operator's wish was not granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    /// It is registered already.
    #[error("there is a user {0} already; `user password {0}` gives a new join line")]
    Exists(Name),
    /// Its name cannot be told from another's.
    #[error("{0} looks like {1}, who is registered: nobody could tell them apart")]
    LooksLike(Name, Name),
    /// Nobody could see what sets its name apart from another.
    #[error("{0:?}: {1}")]
    NotNew(String, NameError),
    /// Nobody of that name is registered.
    #[error("no user {0} is registered; `user list` shows who is")]
    NoSuchUser(Name),
    /// Nobody of that name is registered, but one who looks like it.
    #[error("no user {0} is registered: {1} only looks the same")]
    OnlyLooksLike(Name, Name),
    /// No such certificate.
    #[error("no certificate of {0} is known that is not revoked; give its file instead")]
    NoCertificate(String),
    /// It could not be kept.
    #[error("it was not kept, since the store cannot be written: {0}")]
    NotKept(String),
}

/// A registered user, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UserInfo {
    /// The name.
    pub user: Name,
    /// Is there a password?
    pub password: bool,
    /// Until when a join line is open, in milliseconds since 1970.
    pub join_until: Option<u64>,
    /// Sessions, connected or away.
    pub sessions: usize,
    /// The certificates that are known.
    pub certificates: Vec<CertificateInfo>,
}

/// A client certificate, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct CertificateInfo {
    /// SHA-256 of its public key.
    pub key: String,
    /// When it ends, in milliseconds since 1970.
    pub until: u64,
    /// Is it revoked?
    pub revoked: bool,
}

/// Who is registered at one moment.
#[derive(Debug)]
pub struct Registered {
    users: Arc<Users>,
    /// How many sessions the users have that have any.
    sessions: IdMap<UserId, usize>,
    now: u64,
}

impl Registered {
    /// The list.
    #[must_use]
    pub fn list(&self) -> Vec<UserInfo> {
        let certificate =
            |c: &Certificate| CertificateInfo { key: c.key.to_string(), until: c.until, revoked: c.revoked };
        let info = |user: &User| UserInfo {
            user: user.name.clone(),
            password: user.password.is_some(),
            join_until: user.code.map(|code| code.until).filter(|until| *until >= self.now),
            sessions: self.sessions.get(&user.id).copied().unwrap_or(0),
            certificates: self.users.certificates_of(&user.name).map(certificate).collect(),
        };
        self.users.iter().map(info).collect()
    }
}

impl Chat {
    /// Does what an operator wants: the system's user of that number. How many certificates or
    /// sessions it touched.
    ///
    /// # Errors
    /// Why it is not done.
    pub fn grant(&mut self, uid: u32, wish: UserWish) -> Result<usize, NotGranted> {
        self.seal();
        if !self.keeping {
            return Err(NotGranted::NotKept("it is tried again every second".to_owned()));
        }
        let (did, whom) = wish.audited();
        let touched = self.grant_wish(wish)?;
        // Undone with the turn where it is not kept, and the line with it.
        self.turn.writes.audit.push(Audit {
            at: self.turn.now.wall,
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

    fn grant_wish(&mut self, wish: UserWish) -> Result<usize, NotGranted> {
        match wish {
            UserWish::Add(name, code) => self.add_user(name, code).map(|()| 0),
            UserWish::Remove(name) => self.remove_user(&name),
            UserWish::Reset(name, code) => {
                let mut user = self.registered(&name)?.clone();
                user.code = Some(code);
                let mut ended = 0;
                if code.gives == Gives::Password {
                    user.password = None;
                    ended = self.end_sessions_of(user.id, "an operator has reset your password");
                }
                self.put_user(user);
                Ok(ended)
            }
            UserWish::Revoke(certificate) => {
                self.revoke(certificate);
                Ok(1)
            }
            UserWish::RevokeKey(key) => {
                let known = self.users.certificate(&key).cloned();
                let known = known.ok_or_else(|| NotGranted::NoCertificate(key.to_string()))?;
                self.revoke(known);
                Ok(1)
            }
            UserWish::RevokeAll(name) => match self.revoke_all(&name) {
                0 => Err(NotGranted::NoCertificate(name.to_string())),
                count => Ok(count),
            },
            UserWish::Issued(certificate) => {
                self.know(certificate);
                Ok(1)
            }
        }
    }

    fn registered(&self, name: &Name) -> Result<&User, NotGranted> {
        self.users.by_name(name).ok_or_else(|| match self.users.twin(name) {
            Some(twin) => NotGranted::OnlyLooksLike(name.clone(), twin.name.clone()),
            None => NotGranted::NoSuchUser(name.clone()),
        })
    }

    fn add_user(&mut self, name: Name, code: Code) -> Result<(), NotGranted> {
        if let Some(twin) = self.users.twin(&name) {
            return Err(match twin.name.key() == name.key() {
                true => NotGranted::Exists(twin.name.clone()),
                false => NotGranted::LooksLike(name, twin.name.clone()),
            });
        }
        name.may_be_new().map_err(|why| NotGranted::NotNew(name.to_string(), why))?;
        self.register(name, Some(code));
        Ok(())
    }

    fn remove_user(&mut self, name: &Name) -> Result<usize, NotGranted> {
        let user = self.registered(name)?.clone();
        self.revoke_all(&user.name);
        self.note_removed(&user.name);
        let ended = self.end_sessions_of(user.id, "an operator has removed you from this server");
        Arc::make_mut(&mut self.users).remove(user.id);
        // With no way in it stays in the store until its last grant is gone, for whoever has the name later is
        // somebody else.
        let locked = User { password: None, code: None, ..user.clone() };
        self.turn.writes.users.push(UserChange::Put(locked));
        self.sweep_later(Sweep::directs_of(user.id));
        self.sweep_later(Sweep::Grants(user.id, user.name.clone()));
        self.turn.users_before.push((user.id, Some(user)));
        Ok(ended)
    }

    /// From now on no certificate counts that was issued before to that name.
    fn note_removed(&mut self, name: &Name) {
        let removed = Removed { name: name.clone(), at: self.turn.now.wall };
        let before = self.removed.put(removed.clone());
        let other = before.as_ref().filter(|before| before.name.as_str() != name.as_str());
        let forget = other.map(|before| UserChange::ForgetRemoved(before.name.clone()));
        self.turn.writes.users.extend(forget);
        self.turn.writes.users.push(UserChange::Removed(removed));
        self.turn.removed_before.push((name.clone(), before));
    }

    fn revoke_all(&mut self, name: &Name) -> usize {
        let known: Vec<_> = self.users.certificates_of(name).filter(|c| !c.revoked).cloned().collect();
        let count = known.len();
        known.into_iter().for_each(|certificate| self.revoke(certificate));
        count
    }

    fn revoke(&mut self, certificate: Certificate) {
        if let Some(user) = self.users.by_name(&certificate.name) {
            self.end_sessions_of(user.id, "an operator has revoked your certificate");
        }
        let certificate = Certificate { revoked: true, ..certificate };
        Arc::make_mut(&mut self.users).put_certificate(certificate.clone());
        self.turn.writes.users.push(UserChange::Certificate(certificate));
    }

    /// Notes a certificate that was not seen before.
    pub(super) fn know(&mut self, certificate: Certificate) {
        if self.users.certificate(&certificate.key).is_none() {
            Arc::make_mut(&mut self.users).put_certificate(certificate.clone());
            self.turn.writes.users.push(UserChange::Certificate(certificate));
        }
    }

    /// The name has an owner from now on. Whoever has it, or one that looks like it, without being
    /// that owner has to go.
    pub(super) fn register(&mut self, name: Name, code: Option<Code>) -> UserId {
        self.finish_grants_of(&name);
        while let Some(twin) = self.sessions.twin(&name) {
            self.end_sessions_of(twin, "this name is registered from now on: log in as its owner");
        }
        self.sessions.last += 1;
        let id = UserId(self.sessions.last);
        self.put_user(User { id, name, password: None, code, added: self.turn.now.wall });
        id
    }

    pub(super) fn put_user(&mut self, user: User) {
        self.turn.users_before.push((user.id, self.users.get(user.id).cloned()));
        Arc::make_mut(&mut self.users).put(user.clone());
        self.turn.writes.users.push(UserChange::Put(user));
    }

    /// Ends all sessions of a user, and says why. How many there were.
    pub(super) fn end_sessions_of(&mut self, user: UserId, why: &str) -> usize {
        let sessions = self.sessions.of(user).to_vec();
        for id in &sessions {
            match self.sessions.get(*id).and_then(|session| session.connection) {
                Some(connection) => {
                    self.line(connection, notice(&NoticeEvent::new(NoticeKind::Kicked, why)));
                    self.quit(connection, Closing::Kicked);
                }
                None => self.end_session(*id),
            }
        }
        sessions.len()
    }

    /// Where only registered users come in, nobody else stays.
    pub(super) fn strangers_leave(&mut self) {
        if !self.rules.accounts {
            return;
        }
        self.sweep_later(Sweep::Strangers(UserId(i64::MIN)));
    }

    /// Everyone who is registered, for an operator: what is needed to make the list, which costs too much to
    /// be made where the hub decides.
    #[must_use]
    pub fn registered_users(&self) -> Registered {
        Registered {
            users: Arc::clone(&self.users),
            sessions: self.sessions.users().map(|(user, sessions)| (user, sessions.len())).collect(),
            now: self.turn.now.wall,
        }
    }

    /// Everyone who is registered, for whoever checks passwords. Another one after each change.
    #[must_use]
    pub fn users(&self) -> &Arc<super::users::Users> {
        &self.users
    }

    /// Forgets certificates that have expired long ago, and removed users of whom there can be no other.
    pub(super) fn forget_expired(&mut self) {
        let now = self.turn.now.wall;
        let old: Vec<Digest> = self
            .users
            .certificates()
            .filter(|c| c.until.saturating_add(REMEMBER_MS) < now)
            .map(|c| c.key)
            .collect();
        for key in old {
            Arc::make_mut(&mut self.users).forget_certificate(&key);
            self.turn.writes.users.push(UserChange::Forget(key));
        }
        let removed = self.removed.forget(now);
        self.turn.writes.users.extend(removed.into_iter().map(UserChange::ForgetRemoved));
    }
}
