//! Owns [`Link`]: what a connection needs of its stream. Implemented by each transport whose lines `connection` serves.
//! Never knows what the lines mean.

use super::identity::Identity;
use crate::metrics::Via;
use tcp_chat_tls_stream::TlsStream;
use tcp_chat_websocket::WebSocket;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of lines whose handshake is done. [`super::serve`] serves it.
///
/// Each implementation is compiled on its own: a connection does not pay for a virtual call or a box.
pub trait Link: AsyncRead + AsyncWrite + Unpin + Send {
    /// The word for metrics and log.
    const VIA: Via;

    /// Bytes that the transport took since the connection began. If the number does not rise for `limits.stall`
    /// although bytes wait, the connection ends.
    fn bytes_written(&self) -> u64;

    /// What the handshake says about the peer. A CA issues certificates that are valid since `backdated_ms`
    /// milliseconds before.
    fn identity(&self, backdated_ms: u64) -> Identity;

    /// The peer is logged in. Until this call, the link wipes received bytes from its buffers as soon as they are read:
    /// they may contain a password.
    fn stop_wiping(&mut self);

    /// Bytes that the peer has sent since the last call, and that a read did not give: they count as bytes of the peer,
    /// too.
    fn take_overhead(&mut self) -> usize {
        0
    }

    /// How the peer broke the rules of the transport, if it did.
    fn fault(&self) -> Option<&'static str> {
        None
    }
}

/// Boxed: a TLS stream is large, and the tasks of a connection move it.
impl Link for Box<TlsStream> {
    const VIA: Via = Via::Line;

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

/// The lines of another link in the text messages of a WebSocket: the page's connection.
impl<L: Link> Link for WebSocket<L> {
    const VIA: Via = Via::Web;

    fn bytes_written(&self) -> u64 {
        self.get_ref().bytes_written()
    }

    fn identity(&self, backdated_ms: u64) -> Identity {
        self.get_ref().identity(backdated_ms)
    }

    fn stop_wiping(&mut self) {
        self.get_mut().stop_wiping();
    }

    fn take_overhead(&mut self) -> usize {
        WebSocket::take_overhead(self)
    }

    fn fault(&self) -> Option<&'static str> {
        WebSocket::fault(self)
    }
}
