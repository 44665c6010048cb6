//! Owns [`Evidence`]: the result of a check of the sender of a LOGIN. The checks of the daemon make it. The ops read
//! it and decide, because a password, a code or a certificate may have changed meanwhile. Never checks anything.

use super::{Presented, UserId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The result of a check. A value of this type proves nothing: the daemon makes evidence only from a proof.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// The server asks for none: the name has no owner, or the token of the session decides.
    NotNeeded,
    /// The password of the server was correct: the one with this hash.
    Accepted(Arc<str>),
    /// The password or the certificate was missing or wrong.
    Refused,
    /// The certificate of the connection names no user: the reason.
    Unusable(Arc<str>),
    /// The password of this user was correct: the one with this hash.
    Password(UserId, Arc<str>),
    /// The peer of the connection has shown this certificate, and TLS has verified it.
    Certificate(Box<Presented>),
    /// The HTTP endpoint of this daemon. The operator has given it its name.
    Endpoint,
}

impl Evidence {
    /// The certificate, if it is the evidence.
    #[must_use]
    pub fn certificate(&self) -> Option<&Presented> {
        match self {
            Self::Certificate(shown) => Some(shown),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Evidence {
    /// A hash is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotNeeded => f.write_str("NotNeeded"),
            Self::Accepted(_) => f.write_str("Accepted"),
            Self::Refused => f.write_str("Refused"),
            Self::Unusable(_) => f.write_str("Unusable"),
            Self::Endpoint => f.write_str("Endpoint"),
            Self::Password(user, _) => f.debug_tuple("Password").field(user).finish(),
            Self::Certificate(shown) => f.debug_tuple("Certificate").field(shown).finish(),
        }
    }
}
