//! Owns the listing of registered users, as an operator sees it. The hub takes the data for it; another task makes the
//! listing, which costs too much for the hub. Never changes anything.

use crate::users::certificates::Certificate;
use crate::users::{User, Users};
use crate::{IdMap, State, UserId};
use std::sync::Arc;
use tcp_chat_protocol::Name;

/// A registered user, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct UserInfo {
    /// The name.
    pub user: Name,
    /// Is there a password?
    pub password: bool,
    /// The end of an open join line, in milliseconds since 1970.
    pub join_until: Option<u64>,
    /// Sessions, connected or away.
    pub sessions: usize,
    /// The known certificates.
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

/// The registered users at one moment.
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
        let certificate = |c: &Certificate| CertificateInfo {
            key: c.key.to_string(),
            until: c.until,
            revoked: self.users.is_revoked(&c.key, &c.name),
        };
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

impl State {
    /// The registered users, for an operator: the data to make the listing, which costs too much to be made in the
    /// hub.
    #[must_use]
    pub fn registered_users(&self) -> Registered {
        Registered {
            users: Arc::clone(&self.users),
            sessions: self.sessions.users().map(|(user, sessions)| (user, sessions.len())).collect(),
            now: self.turn.time(),
        }
    }

    /// All registered users, for the checks of passwords. Another copy after each change.
    #[must_use]
    pub fn users(&self) -> &Arc<crate::users::Users> {
        &self.users
    }
}
