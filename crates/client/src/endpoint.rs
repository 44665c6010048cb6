//! Owns a verified connection without a session, for a program that passes lines on and reads none of them. Called by
//! the relay of `tcp-chat-cli web`. Never logs in, never tries twice.

use crate::dial::{self, ServerTarget};
use crate::trust::{Identity, Trust, client_config};
use crate::{Error, builder};
use std::io;
use std::sync::Arc;
use tcp_chat_protocol::ServerAddress;
use tokio::io::{AsyncRead, AsyncWrite};

/// A server, and how it is verified.
#[derive(Debug, Clone)]
pub struct Endpoint {
    target: ServerTarget,
}

impl Endpoint {
    /// The server `host:port`, which `trust` must verify. `identity` is shown where the server asks for a client
    /// certificate.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the certificates or the key cannot be used.
    pub fn new(
        host: impl Into<String>,
        port: u16,
        trust: &Trust,
        identity: Option<&Identity>,
    ) -> Result<Self, Error> {
        let tls = Arc::new(client_config(trust, identity)?);
        Ok(Self { target: ServerTarget { host: host.into(), port, tls, timeout: builder::CONNECT } })
    }

    /// Another server of the same chat, verified in the same way. It has 4 s to answer.
    #[must_use]
    pub fn at(&self, address: &ServerAddress) -> Self {
        let (ServerAddress { host, port }, tls) = (address.clone(), Arc::clone(&self.target.tls));
        Self { target: ServerTarget { host, port, tls, timeout: builder::CONNECT_ONE_OF } }
    }

    /// Connects and verifies, once, within 10 s. What is read and written are lines of the protocol.
    ///
    /// # Errors
    /// [`Error::NoConnection`], [`Error::CertificateRefused`], [`Error::Invalid`] where the host is no host name.
    pub async fn connect(&self) -> Result<impl AsyncRead + AsyncWrite + Send + Unpin + use<>, Error> {
        dial::dial(&self.target).await
    }

    /// Explains an error of reading or writing. With TLS 1.3 a server refuses a client certificate only there.
    #[must_use]
    pub fn explain(&self, e: &io::Error) -> Error {
        dial::classify(&self.target, e)
    }
}
