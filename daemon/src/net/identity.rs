//! Owns the identity that a handshake shows: the certificate that the peer sent and TLS verified. Called by
//! links. Never decides whether a certificate is accepted: it may be revoked.

use crate::tls::ClientFacts;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use tcp_chat_protocol::Name;
use tcp_chat_state::{Certificate, Digest, Presented, Revocation};

/// The peer's identity by its handshake.
#[derive(Debug, Clone, Default)]
pub enum Identity {
    /// The peer sent no certificate.
    #[default]
    None,
    /// The certificate of a user.
    Certificate(Box<Presented>),
    /// A certificate that names no user, with the reason as a sentence.
    Unusable(Arc<str>),
}

impl Identity {
    /// Reads the identity from the verified chain. The CA issues certificates that are valid since `backdated_ms`
    /// milliseconds before.
    #[must_use]
    pub fn of(chain: Option<&[CertificateDer<'_>]>, backdated_ms: u64) -> Self {
        let Some(first) = chain.and_then(<[_]>::first) else { return Self::None };
        match ClientFacts::read(first) {
            Ok(shown) => {
                let issued = shown.from.saturating_add(backdated_ms);
                Self::Certificate(Box::new(Presented { certificate: shown.into(), issued }))
            }
            Err(why) => Self::Unusable(why.into()),
        }
    }
}

impl From<ClientFacts> for Certificate {
    fn from(shown: ClientFacts) -> Self {
        let ClientFacts { key, name, until, from: _ } = shown;
        let name: Name = name;
        Self { key: Digest(key), name, until, revoked: Revocation::None }
    }
}
