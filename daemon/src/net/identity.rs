//! Owns what a connection's handshake says about who is there: the certificate that the peer has
//! shown and TLS has verified. Never decides whether it is accepted: it may be revoked.

use crate::chat::{Certificate, Digest, Presented, Revocation};
use crate::tls::Shown;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use tcp_chat_protocol::Name;

/// Who is there, as far as the handshake says.
#[derive(Debug, Clone, Default)]
pub enum Identity {
    /// It does not say.
    #[default]
    None,
    /// A certificate for a user.
    Certificate(Box<Presented>),
    /// A certificate that is for no user, and why: a sentence about it.
    Unusable(Arc<str>),
}

impl Identity {
    /// By what the peer has shown in a handshake that is done. The CA issues certificates that are good since
    /// so many milliseconds before.
    #[must_use]
    pub fn of(chain: Option<&[CertificateDer<'_>]>, backdated_ms: u64) -> Self {
        let Some(first) = chain.and_then(<[_]>::first) else { return Self::None };
        match Shown::read(first) {
            Ok(shown) => {
                let issued = shown.from.saturating_add(backdated_ms);
                Self::Certificate(Box::new(Presented { certificate: shown.into(), issued }))
            }
            Err(why) => Self::Unusable(why.into()),
        }
    }
}

impl From<Shown> for Certificate {
    fn from(shown: Shown) -> Self {
        let Shown { key, name, until, from: _ } = shown;
        let name: Name = name;
        Self { key: Digest(key), name, until, revoked: Revocation::None }
    }
}
