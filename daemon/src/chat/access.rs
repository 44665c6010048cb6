//! Owns who somebody is: whose name a LOGIN may have, ENROL, and what an operator does to users
//! and certificates. Called by [`Chat::login`] and by the hub. Never checks a password or a
//! signature: the net has, and says so as [`Proof`].

use super::users::{Certificate, Code, Digest, Gives, User, UserChange};
use super::{Answer, Chat, Closing, ConnectionId, Effect, Proof, Refusal, SessionId, UserId, refusal};
use std::sync::Arc;
use tcp_chat_protocol::event::{NoticeEvent, notice};
use tcp_chat_protocol::reply::{self, EnrolReply};
use tcp_chat_protocol::{ErrorKind, Name, NoticeKind, RequestId};

/// How long an expired certificate is remembered: a clock that is wrong for a while must not
/// bring a revoked one back.
const REMEMBER_MS: u64 = 90 * 24 * 3600 * 1000;

/// Who logs in.
#[derive(Debug)]
pub(super) struct Who {
    /// The registered user, proven; `None`: a name that nobody owns.
    pub(super) user: Option<UserId>,
    pub(super) name: Name,
}

/// What an ENROL gets, made by the net.
#[derive(Clone, PartialEq, Eq)]
pub enum Made {
    /// The code was not good: nothing was made.
    Nothing,
    /// The Argon2id hash of the new password.
    Password(Arc<str>),
    /// The new certificate, and as PEM.
    Certificate(Box<Certificate>, String),
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Password(_) => "Password(…)",
            Self::Certificate(..) => "Certificate(…)",
        })
    }
}

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

/// Why an operator's wish was not granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotGranted {
    /// It is registered already.
    #[error("there is a user {0} already; `user password {0}` gives a new join line")]
    Exists(Name),
    /// Its name cannot be told from another's.
    #[error("{0} looks like {1}, who is registered: nobody could tell them apart")]
    LooksLike(Name, Name),
    /// Nobody of that name is registered.
    #[error("no user {0} is registered; `user list` shows who is")]
    NoSuchUser(Name),
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

impl Chat {
    /// The one answer to everybody who is not let in, whatever the reason.
    pub(super) fn not_let_in() -> Refusal {
        refusal(ErrorKind::AuthFailed, "the name, its password or its certificate is missing or wrong")
    }

    /// Whose name this LOGIN may have.
    pub(super) fn identify(&mut self, name: Name, proof: Proof) -> Result<Who, Refusal> {
        let owner = self.users.by_name(&name);
        let who = match proof {
            Proof::Refused => return Err(Self::not_let_in()),
            Proof::Password(user, hash) => {
                let owner = owner.filter(|o| o.id == user && o.password.as_ref() == Some(&hash));
                owner.map(|o| Who { user: Some(o.id), name: o.name.clone() }).ok_or_else(Self::not_let_in)?
            }
            Proof::Certificate(shown) => {
                if shown.name.key() != name.key() {
                    let msg = format!("your certificate is for {}: log in under that name", shown.name);
                    return Err(refusal(ErrorKind::AuthFailed, msg));
                }
                let owner = owner.map(|o| (o.id, o.name.clone()));
                self.by_certificate(*shown, owner)?
            }
            Proof::NotNeeded | Proof::Accepted => {
                if owner.is_some() || self.rules.accounts {
                    return Err(Self::not_let_in());
                }
                self.is_nobodys(&name)?;
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

    /// A certificate proves the name that is in it, whether it is registered or not.
    fn by_certificate(&mut self, shown: Certificate, owner: Option<(UserId, Name)>) -> Result<Who, Refusal> {
        self.is_accepted(&shown)?;
        let who = match owner {
            Some((id, name)) => Who { user: Some(id), name },
            None if self.rules.accounts => return Err(Self::not_let_in()),
            None => {
                if let Some(twin) = self.users.twin(&shown.name) {
                    return Err(looks_like(&shown.name, &twin.name));
                }
                Who { user: Some(self.register(shown.name.clone(), None)), name: shown.name.clone() }
            }
        };
        self.know(shown);
        Ok(who)
    }

    /// Is the certificate one that counts now?
    fn is_accepted(&self, shown: &Certificate) -> Result<(), Refusal> {
        let is_revoked = self.users.certificate(&shown.key).is_some_and(|known| known.revoked);
        if is_revoked || shown.until < self.turn.now.wall {
            return Err(Self::not_let_in());
        }
        Ok(())
    }

    /// Is the name free for somebody who proves nothing?
    fn is_nobodys(&self, name: &Name) -> Result<(), Refusal> {
        if let Some(twin) = self.users.twin(name) {
            return Err(looks_like(name, &twin.name));
        }
        let twin = self.sessions.twin(name).and_then(|user| self.sessions.first_of(user));
        let Some(twin) = twin.map(|session| &session.row.name) else { return Ok(()) };
        let msg = match twin.key() == name.key() {
            true => format!("the name {twin} is in use"),
            false => format!("the name {name} looks like {twin}, which is in use"),
        };
        Err(refusal(ErrorKind::NameTaken, msg))
    }

    /// May a session be taken up by somebody who has its token? Not with another's certificate.
    pub(super) fn may_resume(&self, session: SessionId, proof: &Proof) -> Result<(), Refusal> {
        let Proof::Certificate(shown) = proof else { return Ok(()) };
        self.is_accepted(shown)?;
        match self.sessions.get(session).is_some_and(|held| held.row.name.key() == shown.name.key()) {
            true => Ok(()),
            false => Err(Self::not_let_in()),
        }
    }

    /// A code is turned into a password or a certificate.
    pub(super) fn enrol(
        &mut self,
        connection: ConnectionId,
        id: Option<&RequestId>,
        name: &Name,
        code: Option<Digest>,
        made: Made,
    ) -> Answer {
        if self.connections.get(&connection).is_some_and(|c| c.session.is_some()) {
            return Err(refusal(ErrorKind::AlreadyLoggedIn, "this connection is logged in already"));
        }
        let gives = match &made {
            Made::Nothing => return Err(Self::not_let_in()),
            Made::Password(_) => Gives::Password,
            Made::Certificate(..) => Gives::Certificate,
        };
        let user = self.users.admits(name, code, gives, self.turn.now.wall)?.clone();
        if !self.keeping {
            let msg = "nothing was changed: the server's store cannot be written; try again later";
            return Err(refusal(ErrorKind::Internal, msg));
        }
        let mut changed = User { code: None, ..user };
        let mut data = EnrolReply { name: changed.name.to_string(), certificate: None };
        match made {
            Made::Password(hash) => changed.password = Some(hash),
            Made::Certificate(certificate, pem) => {
                self.know(*certificate);
                data.certificate = Some(pem);
            }
            Made::Nothing => {}
        }
        self.put_user(changed);
        let line = reply::encode("ENROL", id, &data);
        self.turn.effects.push(Effect::IfKept(connection, id.cloned(), line));
        Ok(())
    }

    /// Does what an operator wants. The number of certificates or sessions that it touched.
    ///
    /// # Errors
    /// Why it is not done.
    pub fn grant(&mut self, wish: UserWish) -> Result<usize, NotGranted> {
        self.seal();
        if !self.keeping {
            return Err(NotGranted::NotKept("it is tried again every second".to_owned()));
        }
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
        self.users.by_name(name).ok_or_else(|| NotGranted::NoSuchUser(name.clone()))
    }

    fn add_user(&mut self, name: Name, code: Code) -> Result<(), NotGranted> {
        if let Some(twin) = self.users.twin(&name) {
            return Err(match twin.name.key() == name.key() {
                true => NotGranted::Exists(twin.name.clone()),
                false => NotGranted::LooksLike(name, twin.name.clone()),
            });
        }
        self.register(name, Some(code));
        Ok(())
    }

    fn remove_user(&mut self, name: &Name) -> Result<usize, NotGranted> {
        let user = self.registered(name)?.clone();
        self.revoke_all(&user.name);
        let ended = self.end_sessions_of(user.id, "an operator has removed you from this server");
        Arc::make_mut(&mut self.users).remove(user.id);
        self.turn.writes.users.push(UserChange::Gone(user.id));
        for direct in self.conversations.directs_of(user.id).to_vec() {
            self.drop_if_empty(direct);
        }
        self.turn.users_before.push((user.id, Some(user)));
        Ok(ended)
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
    fn know(&mut self, certificate: Certificate) {
        if self.users.certificate(&certificate.key).is_none() {
            Arc::make_mut(&mut self.users).put_certificate(certificate.clone());
            self.turn.writes.users.push(UserChange::Certificate(certificate));
        }
    }

    /// The name has an owner from now on. Whoever has it, or one that looks like it, without being
    /// that owner has to go.
    fn register(&mut self, name: Name, code: Option<Code>) -> UserId {
        while let Some(twin) = self.sessions.twin(&name) {
            self.end_sessions_of(twin, "this name is registered from now on: log in as its owner");
        }
        self.sessions.last += 1;
        let id = UserId(self.sessions.last);
        self.put_user(User { id, name, password: None, code, added: self.turn.now.wall });
        id
    }

    fn put_user(&mut self, user: User) {
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
        self.seal();
        let users = self.sessions.users().map(|(user, _)| user);
        let strangers: Vec<_> = users.filter(|user| self.users.get(*user).is_none()).collect();
        for user in strangers {
            self.end_sessions_of(user, "only registered users may be here from now on");
        }
    }

    /// Everyone who is registered, for an operator.
    #[must_use]
    pub fn registered_users(&self) -> Vec<UserInfo> {
        let certificate =
            |c: &Certificate| CertificateInfo { key: c.key.to_string(), until: c.until, revoked: c.revoked };
        let info = |user: &User| UserInfo {
            user: user.name.clone(),
            password: user.password.is_some(),
            join_until: user.code.map(|code| code.until).filter(|until| *until >= self.turn.now.wall),
            sessions: self.sessions.of(user.id).len(),
            certificates: self.users.certificates_of(&user.name).map(certificate).collect(),
        };
        self.users.iter().map(info).collect()
    }

    /// Everyone who is registered, for whoever checks passwords. Another one after each change.
    #[must_use]
    pub fn users(&self) -> &Arc<super::users::Users> {
        &self.users
    }

    /// Forgets certificates that have expired long ago.
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
    }
}

fn looks_like(name: &Name, other: &Name) -> Refusal {
    refusal(ErrorKind::NameTaken, format!("the name {name} looks like {other}, who is registered"))
}
