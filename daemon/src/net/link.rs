//! Owns [`Link`]: what a connection needs of its stream. Implemented by each transport whose lines `connection` serves.
//! Never knows what the lines mean.

use super::identity::Identity;
use tcp_chat_tls_stream::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of lines whose handshake is done. [`super::serve`] serves it.
///
/// Each implementation is compiled on its own: a connection does not pay for a virtual call or a box.
pub trait Link: AsyncRead + AsyncWrite + Unpin + Send {
    /// Bytes that the transport took since the connection began. If the number does not rise for `limits.stall`
    /// although bytes wait, the connection ends.
    fn bytes_written(&self) -> u64;

    /// What the handshake says about the peer. A CA issues certificates that are valid since `backdated_ms`
    /// milliseconds before.
    fn identity(&self, backdated_ms: u64) -> Identity;

    /// The peer is logged in. Until this call, the link wipes received bytes from its buffers as soon as they are read:
    /// they may contain a password.
    fn stop_wiping(&mut self);
}

/// Boxed: a TLS stream is large, and the tasks of a connection move it.
impl Link for Box<TlsStream> {
    fn bytes_written(&self) -> u64 {
        TlsStream::bytes_written(self)
    }

    fn identity(&self, backdated_ms: u64) -> Identity {
        Identity::of(self.peer_certificates(), backdated_ms)
    }

    fn stop_wiping(&mut self) {
        TlsStream::stop_wiping(self);
    }
}
