//! Owns [`Link`]: the interface of a stream that `connection` serves. Each transport implements it. Never knows
//! the meaning of a line.

use super::identity::Identity;
use tcp_chat_tls_stream::TlsStream;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of lines after its handshake. [`super::serve`] serves it.
///
/// Generic, not `dyn`: a connection pays neither for a virtual call nor for a box.
pub trait Link: AsyncRead + AsyncWrite + Unpin + Send {
    /// Bytes that the transport has accepted since the connection began. If bytes are waiting and the number does
    /// not rise for `limits.stall`, the connection ends.
    fn bytes_written(&self) -> u64;

    /// The identity that the handshake shows. The CA issues certificates that are valid since `backdated_ms`
    /// milliseconds before.
    fn identity(&self, backdated_ms: u64) -> Identity;

    /// Called at login. Until this call, the link wipes received bytes from its buffers as soon as they are read:
    /// they may contain a password.
    fn stop_wiping(&mut self);
}

/// Boxed: a TLS stream is large, and it is moved between the stages of a connection.
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
