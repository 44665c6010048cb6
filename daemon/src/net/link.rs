//! Owns [`Link`]: the interface of a stream that `connection` serves. Each transport implements it. Never knows
//! the meaning of a line.

use super::identity::Identity;
use crate::metrics::Via;
use std::task::{Context, Poll};
use tcp_chat_tls_stream::TlsStream;
use tcp_chat_websocket::WebSocket;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of lines after its handshake. [`super::serve`] serves it.
///
/// Generic, not `dyn`: a connection pays neither for a virtual call nor for a box.
pub trait Link: AsyncRead + AsyncWrite + Unpin + Send {
    /// The word for metrics and log.
    const VIA: Via;

    /// Bytes that the transport has accepted since the connection began. If bytes are waiting and the number does
    /// not rise for `limits.stall`, the connection ends.
    fn bytes_written(&self) -> u64;

    /// The identity that the handshake shows. The CA issues certificates that are valid since `backdated_ms`
    /// milliseconds before.
    fn identity(&self, backdated_ms: u64) -> Identity;

    /// Called at login. Until this call, the link wipes received bytes from its buffers as soon as they are read:
    /// they may contain a password.
    fn stop_wiping(&mut self);

    /// Ready when a read may give something; otherwise the task is woken then. It makes no system call.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Bytes of the peer since the last call that no read returned, such as frame headers. They count against the
    /// byte limit of the peer.
    fn take_overhead(&mut self) -> usize {
        0
    }

    /// The rule of the transport that the peer violated, if it did.
    fn fault(&self) -> Option<&'static str> {
        None
    }
}

/// Boxed: a TLS stream is large, and it is moved between the stages of a connection.
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

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        TlsStream::poll_readable(self, cx)
    }
}

/// The connection of the page: lines in the text messages of a WebSocket, over another link.
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

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_due() { Poll::Ready(()) } else { self.get_mut().poll_readable(cx) }
    }

    fn take_overhead(&mut self) -> usize {
        WebSocket::take_overhead(self)
    }

    fn fault(&self) -> Option<&'static str> {
        WebSocket::fault(self)
    }
}
