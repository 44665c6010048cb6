//! Owns the path from an accepted TCP socket to a TLS stream: ban, permit, socket options, TLS handshake, and the
//! refusal when the server is full. Called by the accept loop; the protocol on the stream ([`Speaks`]) serves it
//! further. Never parses a line.

use super::connection::{self, SHUTDOWN, shut_down};
use super::listener::{Accept, accept_loop};
use super::permits::Permit;
use super::socket::{set_listener_options, set_options};
use super::{Gate, Rejection};
use crate::metrics::{self, Handshake, Via};
use crate::tls::handshake_failure;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tcp_chat_protocol::{ErrorKind, Refusal, reply};
use tcp_chat_tls_stream::{HandshakeError, TlsStream};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

/// The protocol on the connections of a listener, once their TLS handshake is done.
pub trait Speaks: Clone + Send + Sync + 'static {
    /// The name in the event `accept_works`.
    const NAME: &'static str;

    /// The word for metrics and log.
    const VIA: Via;

    /// The configuration of the next handshake.
    fn tls(&self, gate: &Gate) -> Arc<rustls::ServerConfig>;

    /// The bytes for a peer that finds the server full.
    fn full(&self) -> Vec<u8>;

    /// Serves one connection until it ends. The caller holds its permit meanwhile.
    fn serve(
        self,
        gate: Gate,
        stream: Box<TlsStream>,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// The lines of the protocol, directly over TLS.
#[derive(Debug, Clone, Copy)]
pub struct Lines;

impl Speaks for Lines {
    const NAME: &'static str = "chat";
    const VIA: Via = Via::Line;

    fn tls(&self, gate: &Gate) -> Arc<rustls::ServerConfig> {
        gate.0.tls.load_full()
    }

    fn full(&self) -> Vec<u8> {
        let msg = "the server has no room for one more connection; try later";
        reply::error(&Refusal::new(ErrorKind::ServerFull, msg))
    }

    fn serve(
        self,
        gate: Gate,
        stream: Box<TlsStream>,
        peer: SocketAddr,
    ) -> impl Future<Output = ()> + Send + 'static {
        connection::serve(gate, stream, peer)
    }
}

/// A listening socket of `listen.address` or `web.address`: TLS over TCP.
#[derive(Debug)]
pub struct TlsListener<S> {
    gate: Gate,
    listener: TcpListener,
    speaks: S,
}

impl<S: Speaks> TlsListener<S> {
    /// A listener that admits connections by the limits of the gate.
    ///
    /// # Errors
    /// The system refuses an option of the socket.
    pub fn new(gate: Gate, listener: TcpListener, speaks: S) -> io::Result<Self> {
        set_listener_options(&listener)?;
        Ok(Self { gate, listener, speaks })
    }

    /// Accepts connections until `stop` is cancelled.
    pub async fn serve(self, stop: CancellationToken) {
        accept_loop(&self, &stop).await;
    }
}

impl<S: Speaks> Accept for TlsListener<S> {
    type Stream = (TcpStream, SocketAddr);
    const NAME: &'static str = S::NAME;

    async fn accept(&self) -> io::Result<Self::Stream> {
        self.listener.accept().await
    }

    async fn admit(&self, (stream, peer): Self::Stream) {
        let (gate, peer) = (&self.gate, canonical(peer));
        gate.0.metrics.net.accepted(S::VIA);
        let permit = if gate.is_banned(peer.ip()) {
            Err(Rejection::Banned)
        } else {
            gate.0.permits.take(peer.ip(), Instant::now())
        };
        match permit {
            Ok(permit) => gate.spawn(run(self.speaks.clone(), gate.clone(), stream, peer, permit)),
            Err(why) => {
                debug!(event = "connection_refused", peer = %peer, via = S::VIA.as_str(), reason = why.as_str(), "connection refused");
                gate.0.metrics.net.rejected(S::VIA, why.as_label());
            }
        }
    }

    fn log_failure(&self, why: &io::Error) {
        error!(
            event = "accept_failing",
            error = why.to_string(),
            "accept failed: pausing; check LimitNOFILE against limits.connections"
        );
    }
}

/// Gives the address of an IPv4 peer as IPv4 also on a dual-stack socket, which the service manager may pass. The
/// log, the command `who`, bans and limits need one form.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Serves one connection. An open connection keeps no memory of its handshake: that stage is boxed, and owns all
/// that it uses. A future keeps the place of each value that it was made with until it ends.
fn run<S: Speaks>(
    speaks: S,
    gate: Gate,
    socket: TcpStream,
    peer: SocketAddr,
    permit: Permit,
) -> impl Future<Output = ()> + Send + 'static {
    let opening = Box::pin(open(speaks, gate, socket, peer, permit));
    async move {
        let Some((serving, permit)) = opening.await else { return };
        serving.await;
        drop(permit);
    }
}

/// Does the handshake. Returns the future that serves the connection, and its permit. `None`: the connection has
/// ended.
async fn open<S: Speaks>(
    speaks: S,
    gate: Gate,
    socket: TcpStream,
    peer: SocketAddr,
    mut permit: Permit,
) -> Option<(impl Future<Output = ()> + Send + 'static, Permit)> {
    let stream = Box::pin(shake_hands(&speaks, &gate, socket, peer)).await?;
    permit.handshake_done();
    if permit.is_over_limit {
        gate.0.metrics.net.rejected(S::VIA, "full");
        gate.0.metrics.net.refused(ErrorKind::ServerFull);
        Box::pin(send_server_full(&speaks, stream, peer)).await;
        return None;
    }
    Some((speaks.serve(gate, stream, peer), permit))
}

/// The stream is boxed because it is large and is moved.
async fn shake_hands<S: Speaks>(
    speaks: &S,
    gate: &Gate,
    socket: TcpStream,
    peer: SocketAddr,
) -> Option<Box<TlsStream>> {
    let via = S::VIA.as_str();
    let counts = &gate.0.metrics.net;
    let limits = gate.0.limits.load_full();
    if let Err(why) = set_options(&socket, limits.stall) {
        debug!(event = "handshake_failed", peer = %peer, via, reason = "socket", error = why.to_string(), "handshake failed");
        return None;
    }
    match timeout(limits.handshake, TlsStream::accept(speaks.tls(gate), socket)).await {
        Ok(Ok(stream)) => {
            let version = if stream.is_tls_1_3() { metrics::Tls::V1_3 } else { metrics::Tls::V1_2 };
            counts.handshake(S::VIA, version, Handshake::Done);
            Some(Box::new(stream))
        }
        Ok(Err(HandshakeError::Silent(why))) => {
            debug!(event = "connection_empty", peer = %peer, via, error = why.to_string(), "connected and sent nothing");
            counts.handshake(S::VIA, metrics::Tls::None, Handshake::Empty);
            None
        }
        Ok(Err(HandshakeError::Failed(why))) => {
            debug!(event = "handshake_failed", peer = %peer, via, reason = "tls", error = handshake_failure(&why), "handshake failed");
            counts.handshake(S::VIA, metrics::Tls::None, Handshake::Failed);
            None
        }
        Err(_) => {
            debug!(event = "handshake_failed", peer = %peer, via, reason = "timeout", "handshake failed");
            counts.handshake(S::VIA, metrics::Tls::None, Handshake::TimedOut);
            None
        }
    }
}

async fn send_server_full<S: Speaks>(speaks: &S, mut stream: Box<TlsStream>, peer: SocketAddr) {
    let sent = timeout(SHUTDOWN, stream.write_all(&speaks.full())).await;
    let sent = matches!(sent, Ok(Ok(())));
    debug!(event = "connection_refused", peer = %peer, via = S::VIA.as_str(), reason = "server full", told = sent, "connection refused");
    shut_down(stream).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of the future that a function returns.
    fn bytes_of<F>(_: fn(Lines, Gate, TcpStream, SocketAddr, Permit) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn the_task_of_an_idle_connection_keeps_no_memory_of_its_handshake() {
        // A size class of the allocator. With the socket and the peer in it, the future takes 224 bytes.
        assert!(bytes_of(run::<Lines>) <= 128, "{}", bytes_of(run::<Lines>));
    }

    #[test]
    fn a_peer_over_ipv4_is_shown_as_such() {
        for (seen, shown) in [
            ("[::ffff:192.0.2.1]:7", "192.0.2.1:7"),
            ("192.0.2.1:7", "192.0.2.1:7"),
            ("[2001:db8::1]:7", "[2001:db8::1]:7"),
        ] {
            assert_eq!(canonical(seen.parse().unwrap()).to_string(), shown);
        }
    }
}
